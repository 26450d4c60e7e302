//! Lane permutations: complex numbers split into planes and joined, and 8x8 squares transposed.
//!
//! *Law.* A register is `COUNT / 8` groups of eight lanes, and nothing leaves its group. A kernel
//! that treats groups as independent (another row, another eight columns) therefore has one
//! arithmetic for every lane count. But for [`Shuffle::fold`], nothing here
//! computes, so nothing rounds.

#![allow(unsafe_code, reason = "vector registers; see Safety of the trait")]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as arch;

#[cfg(target_arch = "x86_64")]
use crate::lanes::{Avx2, Avx512};
use crate::lanes::{Lanes, Portable};

/// Moves between memory and groups of lanes, and between the lanes of a group.
///
/// # Safety
/// As [`Lanes`]; pointers must be valid for the documented access, and need no alignment.
pub(super) unsafe trait Shuffle: Lanes {
    /// Reads 8 values into each group.
    unsafe fn load_group(p: *const f32) -> Self;
    /// Writes group `g` to the 8 values at `p + g * stride`.
    unsafe fn store_groups(self, p: *mut f32, stride: usize);
    /// Real and imaginary parts of complex numbers: group `g` reads 16 values at `p + g * stride`.
    unsafe fn split(p: *const f32, stride: usize) -> (Self, Self);
    /// Writes complex numbers, as [`Shuffle::split`] reads them.
    unsafe fn join(re: Self, im: Self, p: *mut f32, stride: usize);
    /// Lane `j` of register `i` goes to lane `i` of register `j`, in each group.
    unsafe fn transpose(r: [Self; 8]) -> [Self; 8];
    /// Sixteen values are the first `16 / COUNT` registers of an array. Their lower half plus their upper
    /// half: of `a` in group 0, of `b` in group 1 if there is one.
    unsafe fn fold(a: [Self; 2], b: [Self; 2]) -> Self;
}

// SAFETY: plain array moves; pointers as the caller grants.
unsafe impl Shuffle for Portable {
    #[inline(always)]
    unsafe fn load_group(p: *const f32) -> Self {
        // SAFETY: the caller grants 8 readable values.
        let v = unsafe { p.cast::<[f32; 8]>().read_unaligned() };
        Self(std::array::from_fn(|i| v[i % 8]))
    }
    #[inline(always)]
    unsafe fn store_groups(self, p: *mut f32, stride: usize) {
        for (i, v) in self.0.iter().enumerate() {
            // SAFETY: the caller grants 8 writable values per group.
            unsafe { p.add(i / 8 * stride + i % 8).write(*v) }
        }
    }
    #[inline(always)]
    unsafe fn split(p: *const f32, stride: usize) -> (Self, Self) {
        // SAFETY: the caller grants 16 readable values per group.
        let part =
            |odd| std::array::from_fn(|i| unsafe { *p.add(i / 8 * stride + 2 * (i % 8) + odd) });
        (Self(part(0)), Self(part(1)))
    }
    #[inline(always)]
    unsafe fn join(re: Self, im: Self, p: *mut f32, stride: usize) {
        for (i, z) in re.0.into_iter().zip(im.0).enumerate() {
            // SAFETY: the caller grants 16 writable values per group.
            unsafe {
                let to = p.add(i / 8 * stride + 2 * (i % 8));
                to.write(z.0);
                to.add(1).write(z.1);
            }
        }
    }
    #[inline(always)]
    unsafe fn transpose(r: [Self; 8]) -> [Self; 8] {
        std::array::from_fn(|j| Self(std::array::from_fn(|l| r[l % 8].0[l / 8 * 8 + j])))
    }
    #[inline(always)]
    unsafe fn fold(a: [Self; 2], b: [Self; 2]) -> Self {
        let [[a, _], [b, _]] = [a, b];
        Self(std::array::from_fn(|l| match l {
            0..8 => a.0[l] + a.0[l + 8],
            _ => b.0[l - 8] + b.0[l],
        }))
    }
}

// SAFETY: called only below a check for AVX2; pointers as the caller grants.
#[cfg(target_arch = "x86_64")]
unsafe impl Shuffle for Avx2 {
    #[inline(always)]
    unsafe fn load_group(p: *const f32) -> Self {
        unsafe { Self::load(p) }
    }
    #[inline(always)]
    unsafe fn store_groups(self, p: *mut f32, _: usize) {
        unsafe { self.store(p) }
    }
    #[inline(always)]
    unsafe fn split(p: *const f32, _: usize) -> (Self, Self) {
        // the pairs arrive in the order 0 1 4 5 2 3 6 7
        unsafe {
            let (a, b) = (arch::_mm256_loadu_ps(p), arch::_mm256_loadu_ps(p.add(8)));
            let sorted = |x| {
                let x = arch::_mm256_permute4x64_pd::<0xd8>(arch::_mm256_castps_pd(x));
                Self(arch::_mm256_castpd_ps(x))
            };
            (
                sorted(arch::_mm256_shuffle_ps::<0x88>(a, b)),
                sorted(arch::_mm256_shuffle_ps::<0xdd>(a, b)),
            )
        }
    }
    #[inline(always)]
    unsafe fn join(re: Self, im: Self, p: *mut f32, _: usize) {
        unsafe {
            let unsorted = |x: Self| {
                let x = arch::_mm256_permute4x64_pd::<0xd8>(arch::_mm256_castps_pd(x.0));
                arch::_mm256_castpd_ps(x)
            };
            let (re, im) = (unsorted(re), unsorted(im));
            arch::_mm256_storeu_ps(p, arch::_mm256_unpacklo_ps(re, im));
            arch::_mm256_storeu_ps(p.add(8), arch::_mm256_unpackhi_ps(re, im));
        }
    }
    #[inline(always)]
    unsafe fn transpose(r: [Self; 8]) -> [Self; 8] {
        // pairs of rows, then of pairs, then of halves
        unsafe {
            let pair = |a: Self, b: Self| {
                (
                    arch::_mm256_unpacklo_ps(a.0, b.0),
                    arch::_mm256_unpackhi_ps(a.0, b.0),
                )
            };
            let four = |a, b| {
                (
                    arch::_mm256_shuffle_ps::<0x44>(a, b),
                    arch::_mm256_shuffle_ps::<0xee>(a, b),
                )
            };
            let low = |a, b| Self(arch::_mm256_permute2f128_ps::<0x20>(a, b));
            let high = |a, b| Self(arch::_mm256_permute2f128_ps::<0x31>(a, b));
            let ((a0, a1), (b0, b1)) = (pair(r[0], r[1]), pair(r[2], r[3]));
            let ((c0, c1), (d0, d1)) = (pair(r[4], r[5]), pair(r[6], r[7]));
            let ((p0, p1), (p2, p3)) = (four(a0, b0), four(a1, b1));
            let ((q0, q1), (q2, q3)) = (four(c0, d0), four(c1, d1));
            [
                low(p0, q0),
                low(p1, q1),
                low(p2, q2),
                low(p3, q3),
                high(p0, q0),
                high(p1, q1),
                high(p2, q2),
                high(p3, q3),
            ]
        }
    }
    #[inline(always)]
    unsafe fn fold(a: [Self; 2], _: [Self; 2]) -> Self {
        unsafe { a[0].add(a[1]) }
    }
}

// SAFETY: called only below a check for AVX-512F; pointers as the caller grants.
#[cfg(target_arch = "x86_64")]
unsafe impl Shuffle for Avx512 {
    #[inline(always)]
    unsafe fn load_group(p: *const f32) -> Self {
        unsafe {
            let eight = arch::_mm256_castps_pd(arch::_mm256_loadu_ps(p));
            Self(arch::_mm512_castpd_ps(arch::_mm512_broadcast_f64x4(eight)))
        }
    }
    #[inline(always)]
    unsafe fn store_groups(self, p: *mut f32, stride: usize) {
        unsafe {
            let both = arch::_mm512_castps_pd(self.0);
            let high = arch::_mm512_extractf64x4_pd::<1>(both);
            arch::_mm256_storeu_ps(p, arch::_mm512_castps512_ps256(self.0));
            arch::_mm256_storeu_ps(p.add(stride), arch::_mm256_castpd_ps(high));
        }
    }
    #[inline(always)]
    unsafe fn split(p: *const f32, stride: usize) -> (Self, Self) {
        unsafe {
            let (a, b) = (
                arch::_mm512_loadu_ps(p),
                arch::_mm512_loadu_ps(p.add(stride)),
            );
            let even =
                arch::_mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd =
                arch::_mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
            (
                Self(arch::_mm512_permutex2var_ps(a, even, b)),
                Self(arch::_mm512_permutex2var_ps(a, odd, b)),
            )
        }
    }
    #[inline(always)]
    unsafe fn join(re: Self, im: Self, p: *mut f32, stride: usize) {
        unsafe {
            let low =
                arch::_mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = arch::_mm512_setr_epi32(
                8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31,
            );
            arch::_mm512_storeu_ps(p, arch::_mm512_permutex2var_ps(re.0, low, im.0));
            arch::_mm512_storeu_ps(
                p.add(stride),
                arch::_mm512_permutex2var_ps(re.0, high, im.0),
            );
        }
    }
    #[inline(always)]
    unsafe fn transpose(r: [Self; 8]) -> [Self; 8] {
        // as with AVX2, on two groups at a time
        unsafe {
            let pair = |a: Self, b: Self| {
                (
                    arch::_mm512_unpacklo_ps(a.0, b.0),
                    arch::_mm512_unpackhi_ps(a.0, b.0),
                )
            };
            let four = |a, b| {
                (
                    arch::_mm512_shuffle_ps::<0x44>(a, b),
                    arch::_mm512_shuffle_ps::<0xee>(a, b),
                )
            };
            let halves = |a, b, order| {
                let (a, b) = (arch::_mm512_castps_pd(a), arch::_mm512_castps_pd(b));
                let z = arch::_mm512_permutex2var_pd(a, order, b);
                Self(arch::_mm512_castpd_ps(z))
            };
            let low = |a, b| halves(a, b, arch::_mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13));
            let high = |a, b| halves(a, b, arch::_mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15));
            let ((a0, a1), (b0, b1)) = (pair(r[0], r[1]), pair(r[2], r[3]));
            let ((c0, c1), (d0, d1)) = (pair(r[4], r[5]), pair(r[6], r[7]));
            let ((p0, p1), (p2, p3)) = (four(a0, b0), four(a1, b1));
            let ((q0, q1), (q2, q3)) = (four(c0, d0), four(c1, d1));
            [
                low(p0, q0),
                low(p1, q1),
                low(p2, q2),
                low(p3, q3),
                high(p0, q0),
                high(p1, q1),
                high(p2, q2),
                high(p3, q3),
            ]
        }
    }
    #[inline(always)]
    unsafe fn fold(a: [Self; 2], b: [Self; 2]) -> Self {
        unsafe {
            let low = arch::_mm512_shuffle_f32x4::<0x44>(a[0].0, b[0].0);
            let high = arch::_mm512_shuffle_f32x4::<0xee>(a[0].0, b[0].0);
            Self(arch::_mm512_add_ps(low, high))
        }
    }
}
