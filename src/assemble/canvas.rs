//! A canvas holds every patch that is placed on it: its side is an integer that only ever grows.
//!
//! *Conventions.* Offsets are in object pixels, `[x, y]`. `bigN = N + (gs - 1) * offset` is the side
//! of an undisturbed group, `padded = bigN + jitter` the side of the canvas that groups are put on,
//! and `required = N + ceil(2 m)` the side that holds a patch of side `N` moved by up to `m` pixels
//! either way, about the canvas center. *Parity*: `required - N` is rounded up to even, so that a patch
//! sits in the middle of the canvas without half a pixel.
//!
//! *Law.* `padded >= required` after [`Jitter::grow`], and no jitter ever shrinks.
//!
//! *Source.* Reference description, section h. There the sum `N + 2 m` is rounded in floating point
//! before the ceiling; here only `2 m` is (exactly), so a result can be larger than there for an
//! offset below one rounding unit of `N`, never smaller.
//!
//! ```
//! use ptyproof::assemble::{Jitter, Layout};
//! use ptyproof::geometry::{GridSize, PatchSize};
//! let layout = Layout::reference(PatchSize::new(64)?, GridSize::new(2)?);
//! let train = Jitter::REFERENCE.grow(layout, 379.85383765725123)?;
//! let test = train.grow(layout, 380.9807666539525)?;
//! assert_eq!(layout.padded_size(train)?.get(), 824);
//! assert_eq!(layout.padded_size(test)?.get(), 826);
//! # Ok::<(), ptyproof::error::Error>(())
//! ```

use std::ops::Range;

use crate::error::{Error, Result};
use crate::geometry::{CanvasSize, GridSize, PatchSize, ceil_index};

/// Layout of a group on its canvas: patch side, group side, and the nominal step between members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Side of a patch.
    pub n: PatchSize,
    /// Side of a group.
    pub gridsize: GridSize,
    /// Nominal step between the members of a group, in pixels.
    pub offset: usize,
}

impl Layout {
    /// The step that every published run used, in pixels (the reference's `offset`).
    pub const REFERENCE_OFFSET: usize = 4;

    /// Groups with the published step of 4 pixels.
    pub fn reference(n: PatchSize, gridsize: GridSize) -> Self {
        Self {
            n,
            gridsize,
            offset: Self::REFERENCE_OFFSET,
        }
    }

    /// `bigN = N + (gs - 1) * offset`, in pixels.
    ///
    /// # Errors
    /// If it exceeds [`CanvasSize::MAX`].
    pub fn big_n(self) -> Result<usize> {
        let side = (self.gridsize.get() - 1)
            .checked_mul(self.offset)
            .and_then(|step| step.checked_add(self.n.get()));
        bounded(side, "bigN = N + (gs - 1) * offset")
    }

    /// `padded = bigN + jitter`.
    ///
    /// # Errors
    /// If it exceeds [`CanvasSize::MAX`].
    pub fn padded_size(self, jitter: Jitter) -> Result<CanvasSize> {
        let side = self.big_n()?.checked_add(jitter.0);
        CanvasSize::new(bounded(side, "padded size = bigN + jitter")?)
    }

    /// `padded - N`: total padding around one patch, both sides together.
    ///
    /// # Errors
    /// If the padded size exceeds [`CanvasSize::MAX`].
    pub fn padding(self, jitter: Jitter) -> Result<usize> {
        Ok(self.padded_size(jitter)?.get() - self.n.get())
    }
}

fn bounded(side: Option<usize>, what: &str) -> Result<usize> {
    side.filter(|s| *s <= CanvasSize::MAX).ok_or_else(|| {
        Error::input("computing the canvas size")
            .at(what)
            .got("a patch side N that fits")
            .need(format!("at most {} pixels", CanvasSize::MAX))
    })
}

/// Room for positions to stray, in pixels: a value that can only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Jitter(usize);

impl Jitter {
    /// The room every run starts with (the reference's default `max_position_jitter`).
    pub const REFERENCE: Self = Self(10);

    /// Room of `pixels`.
    pub fn new(pixels: usize) -> Self {
        Self(pixels)
    }

    /// The room in pixels.
    pub fn get(self) -> usize {
        self.0
    }

    /// The smallest room, not below this one, whose canvas holds offsets of up to `max_abs` pixels.
    ///
    /// # Errors
    /// If `max_abs` is not finite, is negative, or needs a canvas above [`CanvasSize::MAX`].
    pub fn grow(self, layout: Layout, max_abs: f64) -> Result<Self> {
        let required = required_canvas(layout.n, max_abs, true)?.get();
        if required > layout.padded_size(self)?.get() {
            Ok(Self(required - layout.big_n()?))
        } else {
            Ok(self)
        }
    }
}

/// The central `m` of `n` pixels, as they are stitched: pixel `n / 2` of a patch is pixel `m / 2` of its center. `m <= n`.
pub fn central(n: usize, m: usize) -> Range<usize> {
    let first = n / 2 - m / 2;
    first..first + m
}

/// The canvas that holds a patch of side `n` moved by up to `max_abs` pixels: `n + ceil(2 max_abs)`,
/// and with `parity` one more where that minus `n` is odd.
///
/// # Errors
/// If `max_abs` is not finite, is negative, or the canvas would exceed [`CanvasSize::MAX`].
pub fn required_canvas(n: PatchSize, max_abs: f64, parity: bool) -> Result<CanvasSize> {
    let room = ceil_index(2.0 * max_abs).ok_or_else(|| {
        Error::input("computing the canvas size")
            .at("largest offset")
            .got(max_abs)
            .need(format!(
                "a finite number from 0 to {} pixels",
                CanvasSize::MAX / 2
            ))
            .help("check the unit of the positions: they must be in object pixels")
    })?;
    let room = if parity {
        room.next_multiple_of(2)
    } else {
        room
    };
    CanvasSize::new(n.get() + room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layout(gs: usize) -> Layout {
        Layout::reference(PatchSize::new(64).unwrap(), GridSize::new(gs).unwrap())
    }

    #[test]
    fn published_offsets_need_the_published_canvas_sizes() {
        // law: gs1 max 381.895 -> jitter 764, canvas 828; gs2 max 378.778 -> jitter 754, canvas 822
        for (gs, m, jitter, side) in [
            (1, 381.8949744624406, 764, 828),
            (2, 378.7778674525414, 754, 822),
        ] {
            let j = Jitter::REFERENCE.grow(layout(gs), m).unwrap();
            assert_eq!(j.get(), jitter);
            assert_eq!(layout(gs).padded_size(j).unwrap().get(), side);
            assert_eq!(layout(gs).padding(j).unwrap(), side - 64);
        }
    }

    #[test]
    fn unbounded_offset_is_refused_with_its_value() {
        let n = PatchSize::new(64).unwrap();
        let mut message = String::new();
        for bad in [f64::NAN, f64::INFINITY, -1.0, 1e6, 1e300] {
            message += &format!("{}\n", required_canvas(n, bad, true).unwrap_err());
            assert!(Jitter::REFERENCE.grow(layout(2), bad).is_err());
        }
        insta::assert_snapshot!(message, @r"
        computing the canvas size: at largest offset: got NaN, need a finite number from 0 to 8192 pixels
        computing the canvas size: at largest offset: got inf, need a finite number from 0 to 8192 pixels
        computing the canvas size: at largest offset: got -1, need a finite number from 0 to 8192 pixels
        computing the canvas size: at largest offset: got 1000000, need a finite number from 0 to 8192 pixels
        computing the canvas size: at largest offset: got 1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000, need a finite number from 0 to 8192 pixels
        ");
    }

    #[test]
    fn impossible_layout_is_an_error() {
        let wild = Layout {
            offset: usize::MAX,
            ..layout(3)
        };
        assert!(wild.big_n().is_err());
        assert!(layout(2).padded_size(Jitter::new(usize::MAX)).is_err());
        assert_eq!(layout(1).big_n().unwrap(), 64);
    }

    proptest! {
        #[test]
        fn required_canvas_is_tight_even_and_monotone(half in 2usize..300, a in 0.0f64..3e3, b in 0.0f64..3e3) {
            // law: n + 2m <= req < n + 2m + 2, (req - n) even, m <= m' => req(m) <= req(m')
            let n = PatchSize::new(2 * half)?;
            let (lo, hi) = if a <= b { (a, b) } else { (b, a) };
            let (rl, rh) = (required_canvas(n, lo, true)?.get(), required_canvas(n, hi, true)?.get());
            prop_assert!(rl <= rh);
            prop_assert_eq!((rl - n.get()) % 2, 0);
            let room = (rl - n.get()) as f64;
            prop_assert!(room >= 2.0 * lo && room < 2.0 * lo + 2.0);
            let plain = required_canvas(n, lo, false)?.get();
            prop_assert!(plain <= rl && rl <= plain + 1);
            // law: twice a whole margin holds it as well
            prop_assert!(rl <= CanvasSize::holding(n.get(), lo)?.get());
        }

        #[test]
        fn grown_canvas_is_monotone_and_sufficient(gs in 1usize..=3, start in 0usize..900, ms in proptest::collection::vec(0.0f64..600.0, 1..8)) {
            // law: j <= grow(j, m), padded(grow(j, m)) >= required(m), grow(grow(j, m), m) = grow(j, m)
            let l = layout(gs);
            let mut j = Jitter::new(start);
            for m in ms {
                let g = j.grow(l, m)?;
                prop_assert!(g >= j);
                prop_assert!(l.padded_size(g)? >= required_canvas(l.n, m, true)?);
                prop_assert_eq!(g.grow(l, m)?, g);
                j = g;
            }
        }
    }
}
