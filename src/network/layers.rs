//! The layers between the convolutions: pooling, up-sampling, activations, each with its adjoint.
//!
//! *Law.* A backward pass writes every interior value of its gradient; nothing is carried over.

use rayon::prelude::*;

use crate::ground::scalar::Scalar;
use crate::kernel::map::FeatureMap;

/// Rows that one task works on.
const ROWS: usize = 8;

/// `out = max over 2x2 squares of x`; a NaN wins.
pub fn max_pool<T: Scalar>(x: &FeatureMap<T>, out: &mut FeatureMap<T>) {
    let (s, row_len) = (out.stride(), out.row_len());
    out.bands_mut(ROWS).for_each(|band| {
        for (k, row) in band.values.chunks_exact_mut(row_len).enumerate() {
            let y = 2 * (band.first_row + k);
            let (top, bottom) = (x.row(band.image, y), x.row(band.image, y + 1));
            let interior = &mut row[s..row_len - s];
            for (to, (t, b)) in interior
                .chunks_exact_mut(s)
                .zip(top.chunks_exact(2 * s).zip(bottom.chunks_exact(2 * s)))
            {
                for c in 0..s {
                    to[c] = larger(larger(t[c], t[s + c]), larger(b[c], b[s + c]));
                }
            }
        }
    });
}

/// `a` unless `b` is larger; a NaN wins.
fn larger<T: Scalar>(a: T, b: T) -> T {
    if a >= b || a.is_nan() { a } else { b }
}

/// The adjoint of [`max_pool`] through the rectifier that made `x`: the gradient goes to the first
/// largest value of each square, if it is above zero.
pub fn max_pool_backward<T: Scalar>(x: &FeatureMap<T>, dy: &FeatureMap<T>, dx: &mut FeatureMap<T>) {
    let (s, row_len) = (dx.stride(), dx.row_len());
    // pairs of rows: a band of even height starts on an even row
    dx.bands_mut(2 * ROWS).for_each(|band| {
        for (k, rows) in band.values.chunks_exact_mut(2 * row_len).enumerate() {
            let y = band.first_row + 2 * k;
            let (top, bottom) = (x.row(band.image, y), x.row(band.image, y + 1));
            let gradient = dy.row(band.image, y / 2);
            let (dt, db) = rows.split_at_mut(row_len);
            let (dt, db) = (&mut dt[s..row_len - s], &mut db[s..row_len - s]);
            for (p, g) in gradient.chunks_exact(s).enumerate() {
                let at = 2 * p * s;
                for c in 0..s {
                    let v = [
                        top[at + c],
                        top[at + s + c],
                        bottom[at + c],
                        bottom[at + s + c],
                    ];
                    let most = larger(larger(v[0], v[1]), larger(v[2], v[3]));
                    let mut rest = if most > T::zero() { g[c] } else { T::zero() };
                    let mut give = |v: T| {
                        if v == most {
                            std::mem::replace(&mut rest, T::zero())
                        } else {
                            T::zero()
                        }
                    };
                    dt[at + c] = give(v[0]);
                    dt[at + s + c] = give(v[1]);
                    db[at + c] = give(v[2]);
                    db[at + s + c] = give(v[3]);
                }
            }
        }
    });
}

/// Repeats every pixel of `x` as a 2x2 square.
pub fn upsample<T: Scalar>(x: &FeatureMap<T>, out: &mut FeatureMap<T>) {
    let (s, row_len) = (out.stride(), out.row_len());
    out.bands_mut(ROWS).for_each(|band| {
        for (k, row) in band.values.chunks_exact_mut(row_len).enumerate() {
            let from = x.row(band.image, (band.first_row + k) / 2);
            for (to, p) in row[s..row_len - s]
                .chunks_exact_mut(2 * s)
                .zip(from.chunks_exact(s))
            {
                to[..s].copy_from_slice(p);
                to[s..].copy_from_slice(p);
            }
        }
    });
}

/// The adjoint of [`upsample`] through the rectifier that made `x`: the sum over each square where
/// `x` is above zero, else zero.
pub fn upsample_backward<T: Scalar>(x: &FeatureMap<T>, dy: &FeatureMap<T>, dx: &mut FeatureMap<T>) {
    let (s, row_len) = (dx.stride(), dx.row_len());
    dx.bands_mut(ROWS).for_each(|band| {
        for (k, row) in band.values.chunks_exact_mut(row_len).enumerate() {
            let y = band.first_row + k;
            let (top, bottom) = (dy.row(band.image, 2 * y), dy.row(band.image, 2 * y + 1));
            let gate = x.row(band.image, y);
            for (p, to) in row[s..row_len - s].chunks_exact_mut(s).enumerate() {
                let at = 2 * p * s;
                for c in 0..s {
                    let sum =
                        (top[at + c] + top[at + s + c]) + (bottom[at + c] + bottom[at + s + c]);
                    to[c] = if gate[p * s + c] > T::zero() {
                        sum
                    } else {
                        T::zero()
                    };
                }
            }
        }
    });
}

/// `a += b`, channel by channel, over the interior.
pub fn add<T: Scalar>(a: &mut FeatureMap<T>, b: &FeatureMap<T>) {
    let (s, row_len) = (a.stride(), a.row_len());
    a.bands_mut(ROWS).for_each(|band| {
        for (k, row) in band.values.chunks_exact_mut(row_len).enumerate() {
            let from = b.row(band.image, band.first_row + k);
            for (x, &y) in row[s..row_len - s].iter_mut().zip(from) {
                *x = *x + y;
            }
        }
    });
}

/// `1 / (1 + exp(-x))`, without overflow for any finite `x`.
pub fn sigmoid<T: Scalar>(x: T) -> T {
    if x >= T::zero() {
        T::one() / (T::one() + (-x).exp())
    } else {
        let e = x.exp();
        e / (T::one() + e)
    }
}

/// An activation of a head, and its derivative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `ceiling * sigmoid(x)`.
    Sigmoid(f64),
    /// `pi * tanh(x)`.
    PiTanh,
    /// `x * sigmoid(x)`.
    Swish,
}

impl Activation {
    /// The activation's value.
    pub fn value<T: Scalar>(self, x: T) -> T {
        match self {
            Self::Sigmoid(ceiling) => T::of(ceiling) * sigmoid(x),
            Self::PiTanh => T::of(std::f64::consts::PI) * x.tanh(),
            Self::Swish => x * sigmoid(x),
        }
    }

    /// The activation's derivative.
    pub fn derivative<T: Scalar>(self, x: T) -> T {
        let s = sigmoid(x);
        match self {
            Self::Sigmoid(ceiling) => T::of(ceiling) * s * sigmoid(-x),
            Self::PiTanh => {
                let t = x.tanh();
                T::of(std::f64::consts::PI) * (T::one() - t * t)
            }
            // the product first: x * s'(x) is finite for every finite x
            Self::Swish => s + x * (s * sigmoid(-x)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map(images: usize, h: usize, w: usize, c: usize, f: f64) -> FeatureMap<f64> {
        let mut m = FeatureMap::new(images, h, w, c);
        let mut k = 0.0;
        for i in 0..images {
            for y in 0..h {
                for x in 0..w {
                    for v in &mut m.pixel_mut(i, y, x)[..c] {
                        k += 1.0;
                        *v = (k * f).sin();
                    }
                }
            }
        }
        m
    }

    fn dot(a: &FeatureMap<f64>, b: &FeatureMap<f64>) -> f64 {
        a.data().iter().zip(b.data()).map(|(p, q)| p * q).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn pooling_and_upsampling_backward_are_adjoints_of_their_linearizations(
            images in 1usize..3, h in 1usize..12, w in 1usize..6, c in 1usize..20,
        ) {
            // where the rectifier is open, <J dx, dy> = <dx, J* dy> with J from central differences
            let x = map(images, 2 * h, 2 * w, c, 1.3);
            let dir = map(images, 2 * h, 2 * w, c, 0.7);
            let dy = map(images, h, w, c, 2.1);
            let relu_pool = |t: f64| {
                let mut m = x.clone();
                for i in 0..images { for r in 0..2 * h { for q in 0..2 * w {
                    let d = dir.pixel(i, r, q).to_vec();
                    for (v, d) in m.pixel_mut(i, r, q).iter_mut().zip(d) { *v = (*v + t * d).max(0.0); }
                }}}
                let mut out = FeatureMap::new(images, h, w, c);
                max_pool(&m, &mut out);
                (m, out)
            };
            let (active, _) = relu_pool(0.0);
            let mut dx = map(images, 2 * h, 2 * w, c, 9.0);
            max_pool_backward(&active, &dy, &mut dx);
            let e = 1e-7;
            let (_, plus) = relu_pool(e);
            let (_, minus) = relu_pool(-e);
            let numeric = (dot(&plus, &dy) - dot(&minus, &dy)) / (2.0 * e);
            prop_assert!((numeric - dot(&dir, &dx)).abs() < 1e-6 * (1.0 + numeric.abs()));

            let mut up = FeatureMap::new(images, 2 * h, 2 * w, c);
            let ones = {
                let mut m = dy.clone();
                for i in 0..images { for r in 0..h { for q in 0..w { m.pixel_mut(i, r, q)[..c].fill(1.0); } } }
                m
            };
            upsample(&dy, &mut up);
            let mut down = map(images, h, w, c, 9.0);
            upsample_backward(&ones, &dir, &mut down);
            prop_assert!((dot(&up, &dir) - dot(&dy, &down)).abs() < 1e-11);
        }

        #[test]
        fn activations_have_their_derivatives(x in -20.0f64..20.0) {
            for a in [Activation::Sigmoid(2.5), Activation::PiTanh, Activation::Swish] {
                let h = 1e-6;
                let n = (a.value(x + h) - a.value(x - h)) / (2.0 * h);
                prop_assert!((a.derivative(x) - n).abs() < 1e-8, "{a:?}");
            }
        }

        #[test]
        fn activations_are_finite_for_every_finite_number(x in proptest::num::f32::NORMAL | proptest::num::f32::SUBNORMAL | proptest::num::f32::ZERO) {
            for a in [Activation::Sigmoid(2.5), Activation::PiTanh, Activation::Swish] {
                prop_assert!(a.value(x).is_finite() && a.derivative(x).is_finite(), "{a:?}");
            }
        }
    }

    #[test]
    fn a_nan_survives_pooling() {
        for k in 0..4 {
            let mut x = FeatureMap::<f32>::new(1, 2, 2, 1);
            x.pixel_mut(0, k / 2, k % 2)[0] = f32::NAN;
            let mut out = FeatureMap::new(1, 1, 1, 1);
            max_pool(&x, &mut out);
            assert!(out.pixel(0, 0, 0)[0].is_nan());
        }
    }
}
