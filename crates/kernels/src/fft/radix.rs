//! Short transforms in registers: 4, 8 and 16 points, one transform per lane.
//!
//! *Law.* Sums pair `x[k]` with `x[k + R / 2]` recursively, down to the outputs 0 and `R / 2`, which have no
//! multiplication. So a bit-exact mirror-symmetric sequence has an alternating sum of exactly zero: its two halves are
//! equal sums of equal numbers. This makes the Nyquist row and column of a constant object under a symmetric probe exactly
//! zero.

#![allow(unsafe_code, reason = "vector registers; no memory is touched here")]

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use crate::lanes::Lanes;

/// A register of complex numbers, with separate real and imaginary parts.
#[derive(Clone, Copy)]
pub(super) struct Cx<V> {
    pub(super) re: V,
    pub(super) im: V,
}

/// # Safety
/// Of every method: the processor must have the instruction set of `V`.
impl<V: Lanes> Cx<V> {
    #[inline(always)]
    pub(super) unsafe fn zero() -> Self {
        // SAFETY: the caller has the instruction set.
        unsafe {
            Self {
                re: V::zero(),
                im: V::zero(),
            }
        }
    }

    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        // SAFETY: the caller has the instruction set.
        unsafe {
            Self {
                re: self.re.add(b.re),
                im: self.im.add(b.im),
            }
        }
    }

    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        // SAFETY: the caller has the instruction set.
        unsafe {
            Self {
                re: self.re.sub(b.re),
                im: self.im.sub(b.im),
            }
        }
    }

    /// `self - i b`.
    #[inline(always)]
    unsafe fn sub_i(self, b: Self) -> Self {
        // SAFETY: the caller has the instruction set.
        unsafe {
            Self {
                re: self.re.add(b.im),
                im: self.im.sub(b.re),
            }
        }
    }

    /// `self + i b`.
    #[inline(always)]
    unsafe fn add_i(self, b: Self) -> Self {
        // SAFETY: the caller has the instruction set.
        unsafe {
            Self {
                re: self.re.sub(b.im),
                im: self.im.add(b.re),
            }
        }
    }

    /// `self + s b` of a real `s`.
    #[inline(always)]
    unsafe fn plus(self, s: V, b: Self) -> Self {
        // SAFETY: the caller has the instruction set.
        unsafe {
            Self {
                re: b.re.mul_add(s, self.re),
                im: b.im.mul_add(s, self.im),
            }
        }
    }

    /// `self - s b` of a real `s`.
    #[inline(always)]
    unsafe fn minus(self, s: V, b: Self) -> Self {
        // SAFETY: the caller has the instruction set.
        unsafe {
            Self {
                re: b.re.neg_mul_add(s, self.re),
                im: b.im.neg_mul_add(s, self.im),
            }
        }
    }

    /// `self * w`.
    #[inline(always)]
    pub(super) unsafe fn times(self, w: Self) -> Self {
        // SAFETY: the caller has the instruction set.
        unsafe {
            Self {
                re: self.im.neg_mul_add(w.im, self.re.mul(w.re)),
                im: self.re.mul_add(w.im, self.im.mul(w.re)),
            }
        }
    }

    /// `self * w` of a constant `w`.
    #[inline(always)]
    unsafe fn turn(self, w: [f64; 2]) -> Self {
        // SAFETY: the caller has the instruction set.
        unsafe {
            self.times(Self {
                re: V::splat(w[0] as f32),
                im: V::splat(w[1] as f32),
            })
        }
    }
}

/// The forward transform of `R` points, 8 or 16, in place and in natural order.
///
/// # Safety
/// The processor must have the instruction set of `V`.
#[inline(always)]
pub(super) unsafe fn transform<V: Lanes, const R: usize>(x: &mut [Cx<V>; R]) {
    // SAFETY: the caller has the instruction set.
    unsafe {
        match R {
            8 => eight(x),
            16 => sixteen(x),
            _ => unreachable!("a radix of 8 or 16"),
        }
    }
}

#[inline(always)]
unsafe fn four<V: Lanes>(x: [Cx<V>; 4]) -> [Cx<V>; 4] {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let (s, d) = (x[0].add(x[2]), x[0].sub(x[2]));
        let (t, u) = (x[1].add(x[3]), x[1].sub(x[3]));
        [s.add(t), d.sub_i(u), s.sub(t), d.add_i(u)]
    }
}

/// Even outputs from the sums, odd ones from the differences; the eighth roots of unity enter as one
/// real factor that the last additions take along.
#[inline(always)]
unsafe fn eight<V: Lanes>(x: &mut [Cx<V>]) {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let even = four([
            x[0].add(x[4]),
            x[1].add(x[5]),
            x[2].add(x[6]),
            x[3].add(x[7]),
        ]);
        let (c0, c1) = (x[0].sub(x[4]), x[1].sub(x[5]));
        let (c2, c3) = (x[2].sub(x[6]), x[3].sub(x[7]));
        let (s, d) = (c0.sub_i(c2), c0.add_i(c2));
        // (1 - i) c1 and (-1 - i) c3
        let t1 = c1.sub_i(c1);
        let t3 = Cx {
            re: c3.im.sub(c3.re),
            im: c3.re.add(c3.im),
        };
        let t = Cx {
            re: t1.re.add(t3.re),
            im: t1.im.sub(t3.im),
        };
        // -i (t1 - t3)
        let u = Cx {
            re: t1.im.add(t3.im),
            im: t3.re.sub(t1.re),
        };
        let h = V::splat(FRAC_1_SQRT_2 as f32);
        x[0] = even[0];
        x[1] = s.plus(h, t);
        x[2] = even[1];
        x[3] = d.plus(h, u);
        x[4] = even[2];
        x[5] = s.minus(h, t);
        x[6] = even[3];
        x[7] = d.minus(h, u);
    }
}

/// Four times four.
#[inline(always)]
unsafe fn sixteen<V: Lanes>(x: &mut [Cx<V>]) {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let (c, s) = ((PI / 8.0).cos(), (PI / 8.0).sin());
        let h = FRAC_1_SQRT_2;
        let a = four([x[0], x[4], x[8], x[12]]);
        let mut b = four([x[1], x[5], x[9], x[13]]);
        let mut d = four([x[2], x[6], x[10], x[14]]);
        let mut e = four([x[3], x[7], x[11], x[15]]);
        b[1] = b[1].turn([c, -s]);
        b[2] = b[2].turn([h, -h]);
        b[3] = b[3].turn([s, -c]);
        d[1] = d[1].turn([h, -h]);
        // -i d2
        d[2] = Cx::zero().sub_i(d[2]);
        d[3] = d[3].turn([-h, -h]);
        e[1] = e[1].turn([s, -c]);
        e[2] = e[2].turn([-h, -h]);
        e[3] = e[3].turn([-c, s]);
        for k in 0..4 {
            let z = four([a[k], b[k], d[k], e[k]]);
            for (j, z) in z.into_iter().enumerate() {
                x[k + 4 * j] = z;
            }
        }
    }
}
