//! Dispatch from an [`Isa`] chosen at run time to code compiled for it.

#![allow(
    unsafe_code,
    reason = "calls into code for an instruction set that was asked for"
)]

use super::isa::Isa;
#[cfg(target_arch = "x86_64")]
use super::lanes::{Avx2, Avx512};
use super::lanes::{Lanes, Portable};
use super::shuffle::Shuffle;

/// Generic work for every register type.
///
/// Implementations, and all they call, are `#[inline(always)]` and free of closures in hot loops: only
/// what is inlined is compiled for the instructions of its caller.
pub(super) trait Work {
    /// Does it.
    ///
    /// # Safety
    /// The processor must have the instruction set of `V`; implementations document further requirements.
    unsafe fn run<V: Shuffle>(self);
}

/// Runs `work` with the instructions of `isa`, or of the baseline if the processor lacks them.
///
/// # Safety
/// Requirements of [`Work::run`] beyond the instruction set, which is checked here.
pub(super) unsafe fn run(isa: Isa, work: impl Work) {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    unsafe fn avx512(work: impl Work) {
        // SAFETY: this function has the instruction set; the rest is granted by the caller.
        unsafe { work.run::<Avx512>() }
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2(work: impl Work) {
        // SAFETY: as above.
        unsafe { work.run::<Avx2>() }
    }
    match isa {
        // SAFETY: the instruction set is checked again here, so that no `Isa` can be made up.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 if isa.is_available() => unsafe { avx512(work) },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 if isa.is_available() => unsafe { avx2(work) },
        // SAFETY: needs no instruction set beyond the target's own.
        _ => unsafe { work.run::<Portable>() },
    }
}

/// [`Work`] on tiles of adjacent registers over columns.
pub(super) trait ColumnTile {
    /// Runs it with `NV` adjacent registers.
    ///
    /// # Safety
    /// As [`Work::run`].
    unsafe fn run<V: Lanes, const NV: usize>(self);
}

/// Runs `work` with as many adjacent registers as divide its `columns`: on AVX-512 up to four, which hold 64 channels.
///
/// # Safety
/// As [`ColumnTile::run`] of this work.
#[inline(always)]
pub(super) unsafe fn for_column_tiles<V: Lanes>(columns: usize, work: impl ColumnTile) {
    let registers = columns / V::COUNT;
    // SAFETY: the caller's.
    unsafe {
        if V::COLUMN_TILE >= 4 && registers.is_multiple_of(4) {
            work.run::<V, 4>();
        } else if V::COLUMN_TILE >= 2 && registers.is_multiple_of(2) {
            work.run::<V, 2>();
        } else {
            work.run::<V, 1>();
        }
    }
}

/// Number of columns of a tile of sums of `isa`.
pub(super) fn columns(isa: Isa) -> usize {
    struct Columns<'a>(&'a mut usize);
    impl Work for Columns<'_> {
        #[inline(always)]
        unsafe fn run<V: Shuffle>(self) {
            *self.0 = V::COUNT * V::COLUMN_TILE;
        }
    }
    let mut columns = 0;
    // SAFETY: two constants of the registers; none is touched.
    unsafe { run(isa, Columns(&mut columns)) }
    columns
}

/// A loop in plain code that a compiler can vectorize by itself.
///
/// *Law.* IEEE arithmetic per element, so that the instructions it is compiled for change no bit.
pub trait Loop {
    /// Runs it. Implementations are `#[inline(always)]`: only then is the code compiled for the
    /// instructions of its caller.
    fn run(self);
}

struct Vectorized<L>(L);

impl<L: Loop> Work for Vectorized<L> {
    #[inline(always)]
    unsafe fn run<V: Shuffle>(self) {
        self.0.run();
    }
}

/// Runs a loop compiled for the best instructions of this processor.
pub fn vectorized(work: impl Loop) {
    // SAFETY: a loop in safe code needs nothing but its instructions.
    unsafe { run(Isa::best(), Vectorized(work)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tile_width_equals_register_width() {
        assert!(Isa::available().contains(&Isa::Portable));
        for isa in Isa::available() {
            let want = if isa == Isa::Avx512 { 64 } else { 16 };
            assert_eq!(columns(isa), want, "{isa}");
        }
    }
}
