//! Vector lanes of float32: one arithmetic, three instruction sets.
//!
//! *Law.* Every implementation does the same IEEE operations per lane (a fused multiply-add is
//! fused everywhere), so a kernel written against [`Lanes`] is bit-identical on each.

#![allow(unsafe_code, reason = "vector registers; see Safety of the trait")]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as arch;

/// A register of `COUNT` float32 lanes.
///
/// # Safety
/// The methods of an implementation may only be called on a processor that has its instruction
/// set, from a function compiled for it. Pointers must be valid for `COUNT` values.
pub(super) unsafe trait Lanes: Copy {
    /// Lanes in the register.
    const COUNT: usize;
    /// Maximum number of adjacent registers of columns in a tile of sums.
    const COLUMN_TILE: usize;
    /// Some of the lanes.
    type Mask: Copy;
    /// Every lane zero.
    unsafe fn zero() -> Self;
    /// Every lane `x`.
    unsafe fn splat(x: f32) -> Self;
    /// `sums[v] = a * b[v] + sums[v]`, each rounded once, with `a` value `i` from `p` on in every lane.
    ///
    /// Implementations with registers use inline assembly, because a compiler that sees the loads may merge neighbors and
    /// split them, or read ahead until registers run out.
    unsafe fn mul_add_each<const NV: usize>(
        p: *const f32,
        i: usize,
        b: [Self; NV],
        sums: &mut [Self; NV],
    );
    /// As [`Lanes::mul_add_each`], to the sums of two places, each with its own `b`.
    #[inline(always)]
    unsafe fn mul_add_both<const NV: usize>(
        p: *const f32,
        i: usize,
        b: [[Self; NV]; 2],
        sums: [&mut [Self; NV]; 2],
    ) {
        let [first, second] = sums;
        // SAFETY: the caller's.
        unsafe {
            match NV {
                1 => {
                    let mut both = [first[0], second[0]];
                    Self::mul_add_each(p, i, [b[0][0], b[1][0]], &mut both);
                    [first[0], second[0]] = both;
                }
                2 => {
                    let mut both = [first[0], first[1], second[0], second[1]];
                    let b = [b[0][0], b[0][1], b[1][0], b[1][1]];
                    Self::mul_add_each(p, i, b, &mut both);
                    [first[0], first[1], second[0], second[1]] = both;
                }
                _ => unreachable!("tiles of 1 or 2 registers"),
            }
        }
    }
    /// Reads `COUNT` values.
    unsafe fn load(p: *const f32) -> Self;
    /// Lanes `from..to`, at most `COUNT`.
    unsafe fn mask(from: usize, to: usize) -> Self::Mask;
    /// Reads the values of `mask`; the other lanes are zero and their memory is not touched.
    unsafe fn load_some(p: *const f32, mask: Self::Mask) -> Self;
    /// Writes `COUNT` values.
    unsafe fn store(self, p: *mut f32);
    /// As [`Lanes::store`], past the caches where the processor can: for what is read long after. `p` is aligned to the
    /// register, and [`Lanes::settle`] comes before another thread may read.
    unsafe fn stream(self, p: *mut f32) {
        // SAFETY: the caller's.
        unsafe { self.store(p) }
    }
    /// A store fence: orders streamed stores before later ones.
    unsafe fn settle() {}
    /// `self * b + c`, rounded once.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    /// `c - self * b`, rounded once.
    unsafe fn neg_mul_add(self, b: Self, c: Self) -> Self;
    /// `self + b`.
    unsafe fn add(self, b: Self) -> Self;
    /// `self - b`.
    unsafe fn sub(self, b: Self) -> Self;
    /// `self * b`.
    unsafe fn mul(self, b: Self) -> Self;
    /// Zero where `self` is below zero, else `self`: a rectifier that lets a NaN through, and a zero with its sign.
    unsafe fn rectify(self) -> Self;
    /// `self` where `gate > 0`, else zero.
    unsafe fn gate(self, gate: Self) -> Self;
}

/// Sixteen lanes as an array, for every processor.
#[derive(Clone, Copy)]
pub(super) struct Portable(pub(super) [f32; 16]);

impl Portable {
    /// `f` of the lanes of three. On the baseline of x86-64, where a fused multiply-add is a call, the sixteen of them are worth one
    /// more: the kernels compile in four fifths of the time.
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn with(self, b: Self, c: Self, f: impl Fn(f32, f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], b.0[i], c.0[i])))
    }
}

// SAFETY: plain array arithmetic; `load` and `store` touch exactly 16 values, as the caller grants.
unsafe impl Lanes for Portable {
    const COUNT: usize = 16;
    const COLUMN_TILE: usize = 1;
    type Mask = (usize, usize);
    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0.0; 16])
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; 16])
    }
    #[inline(always)]
    unsafe fn mul_add_each<const NV: usize>(
        p: *const f32,
        i: usize,
        b: [Self; NV],
        sums: &mut [Self; NV],
    ) {
        // SAFETY: the caller grants one readable value.
        unsafe {
            let a = Self::splat(*p.add(i));
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = a.mul_add(b, *sum);
            }
        }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller grants 16 readable values; the read is unaligned.
        Self(unsafe { p.cast::<[f32; 16]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn mask(from: usize, to: usize) -> (usize, usize) {
        (from, to)
    }
    #[inline(always)]
    unsafe fn load_some(p: *const f32, (from, to): (usize, usize)) -> Self {
        let mut lanes = [0.0; 16];
        for (i, lane) in lanes.iter_mut().enumerate().take(to).skip(from) {
            // SAFETY: the caller grants these; `p` itself may be before what it points into.
            *lane = unsafe { p.wrapping_add(i).read() };
        }
        Self(lanes)
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller grants 16 writable values; the write is unaligned.
        unsafe { p.cast::<[f32; 16]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        self.with(b, c, f32::mul_add)
    }
    #[inline(always)]
    unsafe fn neg_mul_add(self, b: Self, c: Self) -> Self {
        self.with(b, c, |a, b, c| (-a).mul_add(b, c))
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        self.with(b, b, |a, b, _| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        self.with(b, b, |a, b, _| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        self.with(b, b, |a, b, _| a * b)
    }
    #[inline(always)]
    unsafe fn rectify(self) -> Self {
        Self(self.0.map(|x| if x < 0.0 { 0.0 } else { x }))
    }
    #[inline(always)]
    unsafe fn gate(self, gate: Self) -> Self {
        self.with(gate, gate, |x, gate, _| if gate > 0.0 { x } else { 0.0 })
    }
}

/// Broadcasts one number, multiplies it and adds the products to some sums.
#[cfg(target_arch = "x86_64")]
macro_rules! each {
    ($class:ident $p:ident $i:ident $b:ident $sums:ident: $($s:ident $t:ident $v:literal),*) => {
        std::arch::asm!(
            "vbroadcastss {a}, dword ptr [{p} + 4*{i}]",
            $(concat!("vfmadd231ps {", stringify!($s), "}, {a}, {", stringify!($t), "}"),)*
            a = out($class) _,
            p = in(reg) $p,
            i = in(reg) $i,
            $($s = inout($class) $sums[$v].0, $t = in($class) $b[$v].0,)*
            options(pure, readonly, nostack, preserves_flags),
        )
    };
}

/// Eight lanes of AVX2 with FMA.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Avx2(pub(super) arch::__m256);

// SAFETY: called only below a check for AVX2 and FMA (see `Isa`).
#[cfg(target_arch = "x86_64")]
unsafe impl Lanes for Avx2 {
    const COUNT: usize = 8;
    const COLUMN_TILE: usize = 2;
    type Mask = arch::__m256i;
    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(arch::_mm256_setzero_ps()) }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        unsafe { Self(arch::_mm256_set1_ps(x)) }
    }
    #[inline(always)]
    unsafe fn mul_add_each<const NV: usize>(
        p: *const f32,
        i: usize,
        b: [Self; NV],
        sums: &mut [Self; NV],
    ) {
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn each<const NV: usize>(
            p: *const f32,
            i: usize,
            b: [Avx2; NV],
            sums: &mut [Avx2; NV],
        ) {
            // SAFETY: reads one value, which the caller grants.
            unsafe {
                match NV {
                    1 => each!(ymm_reg p i b sums: s0 b0 0),
                    2 => each!(ymm_reg p i b sums: s0 b0 0, s1 b1 1),
                    _ => unreachable!("tiles of 1 or 2 registers"),
                }
            }
        }
        unsafe { each(p, i, b, sums) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        unsafe { Self(arch::_mm256_loadu_ps(p)) }
    }
    #[inline(always)]
    unsafe fn mask(from: usize, to: usize) -> arch::__m256i {
        unsafe {
            let lane = arch::_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let below = arch::_mm256_cmpgt_epi32(arch::_mm256_set1_epi32(to.min(8) as i32), lane);
            let early = arch::_mm256_cmpgt_epi32(arch::_mm256_set1_epi32(from.min(8) as i32), lane);
            arch::_mm256_andnot_si256(early, below)
        }
    }
    #[inline(always)]
    unsafe fn load_some(p: *const f32, mask: arch::__m256i) -> Self {
        unsafe { Self(arch::_mm256_maskload_ps(p, mask)) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        unsafe { arch::_mm256_storeu_ps(p, self.0) }
    }
    #[inline(always)]
    unsafe fn stream(self, p: *mut f32) {
        unsafe { arch::_mm256_stream_ps(p, self.0) }
    }
    #[inline(always)]
    unsafe fn settle() {
        unsafe { arch::_mm_sfence() }
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        unsafe { Self(arch::_mm256_fmadd_ps(self.0, b.0, c.0)) }
    }
    #[inline(always)]
    unsafe fn neg_mul_add(self, b: Self, c: Self) -> Self {
        unsafe { Self(arch::_mm256_fnmadd_ps(self.0, b.0, c.0)) }
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        unsafe { Self(arch::_mm256_add_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        unsafe { Self(arch::_mm256_sub_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        unsafe { Self(arch::_mm256_mul_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn rectify(self) -> Self {
        // of a NaN, and of two zeros, the maximum is the second
        unsafe { Self(arch::_mm256_max_ps(arch::_mm256_setzero_ps(), self.0)) }
    }
    #[inline(always)]
    unsafe fn gate(self, gate: Self) -> Self {
        unsafe {
            let keep =
                arch::_mm256_cmp_ps::<{ arch::_CMP_GT_OQ }>(gate.0, arch::_mm256_setzero_ps());
            Self(arch::_mm256_and_ps(self.0, keep))
        }
    }
}

/// Sixteen lanes of AVX-512.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Avx512(pub(super) arch::__m512);

// SAFETY: called only below a check for AVX-512F (see `Isa`).
#[cfg(target_arch = "x86_64")]
unsafe impl Lanes for Avx512 {
    const COUNT: usize = 16;
    const COLUMN_TILE: usize = 4;
    type Mask = arch::__mmask16;
    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(arch::_mm512_setzero_ps()) }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        unsafe { Self(arch::_mm512_set1_ps(x)) }
    }
    #[inline(always)]
    unsafe fn mul_add_each<const NV: usize>(
        p: *const f32,
        i: usize,
        b: [Self; NV],
        sums: &mut [Self; NV],
    ) {
        #[inline]
        #[target_feature(enable = "avx512f")]
        unsafe fn each<const NV: usize>(
            p: *const f32,
            i: usize,
            b: [Avx512; NV],
            sums: &mut [Avx512; NV],
        ) {
            // SAFETY: reads one value, which the caller grants.
            unsafe {
                match NV {
                    1 => each!(zmm_reg p i b sums: s0 b0 0),
                    2 => each!(zmm_reg p i b sums: s0 b0 0, s1 b1 1),
                    4 => each!(zmm_reg p i b sums: s0 b0 0, s1 b1 1, s2 b2 2, s3 b3 3),
                    _ => unreachable!("tiles of 1, 2 or 4 registers"),
                }
            }
        }
        unsafe { each(p, i, b, sums) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        unsafe { Self(arch::_mm512_loadu_ps(p)) }
    }
    #[inline(always)]
    unsafe fn mask(from: usize, to: usize) -> arch::__mmask16 {
        let below = |n: usize| (1u32 << n.min(16)) - 1;
        (below(to) & !below(from)) as arch::__mmask16
    }
    #[inline(always)]
    unsafe fn load_some(p: *const f32, mask: arch::__mmask16) -> Self {
        unsafe { Self(arch::_mm512_maskz_loadu_ps(mask, p)) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        unsafe { arch::_mm512_storeu_ps(p, self.0) }
    }
    #[inline(always)]
    unsafe fn stream(self, p: *mut f32) {
        unsafe { arch::_mm512_stream_ps(p, self.0) }
    }
    #[inline(always)]
    unsafe fn settle() {
        unsafe { arch::_mm_sfence() }
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        unsafe { Self(arch::_mm512_fmadd_ps(self.0, b.0, c.0)) }
    }
    #[inline(always)]
    unsafe fn neg_mul_add(self, b: Self, c: Self) -> Self {
        unsafe { Self(arch::_mm512_fnmadd_ps(self.0, b.0, c.0)) }
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        unsafe { Self(arch::_mm512_add_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        unsafe { Self(arch::_mm512_sub_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        unsafe { Self(arch::_mm512_mul_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn rectify(self) -> Self {
        // of a NaN, and of two zeros, the maximum is the second
        unsafe { Self(arch::_mm512_max_ps(arch::_mm512_setzero_ps(), self.0)) }
    }
    #[inline(always)]
    unsafe fn gate(self, gate: Self) -> Self {
        unsafe {
            let keep =
                arch::_mm512_cmp_ps_mask::<{ arch::_CMP_GT_OQ }>(gate.0, arch::_mm512_setzero_ps());
            Self(arch::_mm512_maskz_mov_ps(keep, self.0))
        }
    }
}
