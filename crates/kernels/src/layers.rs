//! The layers between the convolutions: pooling, up-sampling, activations, each with its adjoint.
//!
//! *Law.* A backward pass writes every interior value of its gradient; nothing is carried over.

use rayon::prelude::*;

use crate::dispatch::{Loop, vectorized};
use crate::map::FeatureMap;
use crate::scalar::Scalar;

/// Number of rows per task.
const ROWS_PER_TASK: usize = 8;

/// `out = max over 2x2 squares of x`; a NaN wins.
pub fn max_pool<T: Scalar>(x: &FeatureMap<T>, out: &mut FeatureMap<T>) {
    T::max_pool(x, out);
}

pub(crate) fn pool<T: Scalar>(x: &FeatureMap<T>, out: &mut FeatureMap<T>) {
    let (s, row_len) = (out.stride(), out.row_len());
    out.bands_mut(ROWS_PER_TASK).for_each(|band| {
        for (k, row) in band.values.chunks_exact_mut(row_len).enumerate() {
            let y = 2 * (band.first_row + k);
            vectorized(PoolRow {
                top: x.row(band.image, y),
                bottom: x.row(band.image, y + 1),
                stride: s,
                to: &mut row[s..row_len - s],
            });
        }
    });
}

/// One row of [`max_pool`].
struct PoolRow<'a, T> {
    top: &'a [T],
    bottom: &'a [T],
    stride: usize,
    to: &'a mut [T],
}

impl<T: Scalar> Loop for PoolRow<'_, T> {
    #[inline(always)]
    fn run(self) {
        let s = self.stride;
        let squares = self
            .top
            .chunks_exact(2 * s)
            .zip(self.bottom.chunks_exact(2 * s));
        for (to, (top, bottom)) in self.to.chunks_exact_mut(s).zip(squares) {
            let [(a, b), (c, d)] = [top.split_at(s), bottom.split_at(s)];
            for ((((to, &a), &b), &c), &d) in to.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *to = larger(larger(a, b), larger(c, d));
            }
        }
    }
}

/// `a` unless `b` is larger; a NaN wins.
#[inline(always)]
fn larger<T: Scalar>(a: T, b: T) -> T {
    if a >= b || a.is_nan() { a } else { b }
}

/// The adjoint of [`max_pool`] through the rectifier that made `x`: the gradient goes to the first
/// largest value of each square, if it is above zero.
pub fn max_pool_backward<T: Scalar>(x: &FeatureMap<T>, dy: &FeatureMap<T>, dx: &mut FeatureMap<T>) {
    T::max_pool_backward(x, dy, dx);
}

pub(crate) fn pool_backward<T: Scalar>(
    x: &FeatureMap<T>,
    dy: &FeatureMap<T>,
    dx: &mut FeatureMap<T>,
) {
    let (s, row_len) = (dx.stride(), dx.row_len());
    // pairs of rows: a band of even height starts on an even row
    dx.bands_mut(2 * ROWS_PER_TASK).for_each(|band| {
        for (k, rows) in band.values.chunks_exact_mut(2 * row_len).enumerate() {
            let y = band.first_row + 2 * k;
            let (top, bottom) = rows.split_at_mut(row_len);
            vectorized(UnpoolRows {
                x: [x.row(band.image, y), x.row(band.image, y + 1)],
                gradient: dy.row(band.image, y / 2),
                stride: s,
                to: [&mut top[s..row_len - s], &mut bottom[s..row_len - s]],
            });
        }
    });
}

/// Two rows of [`max_pool_backward`].
struct UnpoolRows<'a, T> {
    x: [&'a [T]; 2],
    gradient: &'a [T],
    stride: usize,
    to: [&'a mut [T]; 2],
}

impl<T: Scalar> Loop for UnpoolRows<'_, T> {
    #[inline(always)]
    fn run(self) {
        let (s, zero) = (self.stride, T::zero());
        let ([top, bottom], [to_top, to_bottom]) = (self.x, self.to);
        for (p, gradient) in self.gradient.chunks_exact(s).enumerate() {
            let square = 2 * p * s..2 * (p + 1) * s;
            let [(a, b), (c, d)] =
                [&top[square.clone()], &bottom[square.clone()]].map(|r| r.split_at(s));
            let (ta, tb) = to_top[square.clone()].split_at_mut(s);
            let (tc, td) = to_bottom[square].split_at_mut(s);
            let n = gradient.len();
            // slices of one length: no bound is checked below
            let (a, b, c, d) = (&a[..n], &b[..n], &c[..n], &d[..n]);
            let (ta, tb, tc, td) = (&mut ta[..n], &mut tb[..n], &mut tc[..n], &mut td[..n]);
            for k in 0..n {
                let most = larger(larger(a[k], b[k]), larger(c[k], d[k]));
                let g = if most > zero { gradient[k] } else { zero };
                let (in_a, in_b, in_c) = (a[k] == most, b[k] == most, c[k] == most);
                ta[k] = if in_a { g } else { zero };
                tb[k] = if in_b && !in_a { g } else { zero };
                tc[k] = if in_c && !in_a && !in_b { g } else { zero };
                td[k] = if in_a || in_b || in_c { zero } else { g };
            }
        }
    }
}

/// Repeats every pixel of `x` as a 2x2 square.
pub fn upsample<T: Scalar>(x: &FeatureMap<T>, out: &mut FeatureMap<T>) {
    T::upsample(x, out);
}

pub(crate) fn repeat<T: Scalar>(x: &FeatureMap<T>, out: &mut FeatureMap<T>) {
    let (s, row_len) = (out.stride(), out.row_len());
    out.bands_mut(ROWS_PER_TASK).for_each(|band| {
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
    T::upsample_backward(x, dy, dx);
}

pub(crate) fn repeat_backward<T: Scalar>(
    x: &FeatureMap<T>,
    dy: &FeatureMap<T>,
    dx: &mut FeatureMap<T>,
) {
    let (s, row_len) = (dx.stride(), dx.row_len());
    dx.bands_mut(ROWS_PER_TASK).for_each(|band| {
        for (k, row) in band.values.chunks_exact_mut(row_len).enumerate() {
            let y = band.first_row + k;
            vectorized(LowerRow {
                top: dy.row(band.image, 2 * y),
                bottom: dy.row(band.image, 2 * y + 1),
                gate: x.row(band.image, y),
                stride: s,
                to: &mut row[s..row_len - s],
            });
        }
    });
}

/// One row of [`upsample_backward`].
struct LowerRow<'a, T> {
    top: &'a [T],
    bottom: &'a [T],
    gate: &'a [T],
    stride: usize,
    to: &'a mut [T],
}

impl<T: Scalar> Loop for LowerRow<'_, T> {
    #[inline(always)]
    fn run(self) {
        let s = self.stride;
        let squares = self
            .top
            .chunks_exact(2 * s)
            .zip(self.bottom.chunks_exact(2 * s));
        let pixels = self.to.chunks_exact_mut(s).zip(self.gate.chunks_exact(s));
        for ((to, gate), (top, bottom)) in pixels.zip(squares) {
            let [(a, b), (c, d)] = [top.split_at(s), bottom.split_at(s)];
            let values = to
                .iter_mut()
                .zip(gate)
                .zip(a.iter().zip(b))
                .zip(c.iter().zip(d));
            for (((to, &gate), (&a, &b)), (&c, &d)) in values {
                let sum = (a + b) + (c + d);
                *to = if gate > T::zero() { sum } else { T::zero() };
            }
        }
    }
}

/// `a += b`, channel by channel, over the interior.
pub fn add<T: Scalar>(a: &mut FeatureMap<T>, b: &FeatureMap<T>) {
    T::add_maps(a, b);
}

pub(crate) fn sum<T: Scalar>(a: &mut FeatureMap<T>, b: &FeatureMap<T>) {
    let (s, row_len) = (a.stride(), a.row_len());
    a.bands_mut(ROWS_PER_TASK).for_each(|band| {
        for (k, row) in band.values.chunks_exact_mut(row_len).enumerate() {
            let from = b.row(band.image, band.first_row + k);
            for (x, &y) in row[s..row_len - s].iter_mut().zip(from) {
                *x = *x + y;
            }
        }
    });
}

/// `to[.., first + c] += from[.., c]` over the channels of `from`.
pub fn add_channels<T: Scalar>(to: &mut FeatureMap<T>, first: usize, from: &FeatureMap<T>) {
    T::add_channels(to, first, from);
}

pub(crate) fn sum_channels<T: Scalar>(to: &mut FeatureMap<T>, first: usize, from: &FeatureMap<T>) {
    to.each_pixel(|image, row, col, pixel| {
        let from = &from.pixel(image, row, col)[..from.channels()];
        for (x, &y) in pixel[first..].iter_mut().zip(from) {
            *x = *x + y;
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
    use ptyproof_testkit::compare::zip_eq;
    use ptyproof_testkit::tolerance::{F64_GRADIENT, F64_SLOPE, F64_STEPS_65536, assert_close};

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
        zip_eq(a.data(), b.data()).map(|(p, q)| p * q).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn pooling_and_upsampling_gradients_are_adjoints(
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
            assert_close!(numeric, dot(&dir, &dx), F64_GRADIENT.or_relative());

            let mut up = FeatureMap::new(images, 2 * h, 2 * w, c);
            let ones = {
                let mut m = dy.clone();
                for i in 0..images { for r in 0..h { for q in 0..w { m.pixel_mut(i, r, q)[..c].fill(1.0); } } }
                m
            };
            upsample(&dy, &mut up);
            let mut down = map(images, h, w, c, 9.0);
            upsample_backward(&ones, &dir, &mut down);
            assert_close!(dot(&up, &dir), dot(&dy, &down), F64_STEPS_65536);
        }

        #[test]
        fn activation_gradients_match_finite_differences(x in -20.0f64..20.0) {
            for a in [Activation::Sigmoid(2.5), Activation::PiTanh, Activation::Swish] {
                let h = 1e-6;
                let n = (a.value(x + h) - a.value(x - h)) / (2.0 * h);
                assert_close!(a.derivative(x), n, F64_SLOPE, "{a:?}");
            }
        }

        #[test]
        fn activations_are_finite_for_finite_input(x in proptest::num::f32::NORMAL | proptest::num::f32::SUBNORMAL | proptest::num::f32::ZERO) {
            for a in [Activation::Sigmoid(2.5), Activation::PiTanh, Activation::Swish] {
                prop_assert!(a.value(x).is_finite() && a.derivative(x).is_finite(), "{a:?}");
            }
        }
    }

    #[test]
    fn pooling_propagates_nan() {
        for k in 0..4 {
            let mut x = FeatureMap::<f32>::new(1, 2, 2, 1);
            x.pixel_mut(0, k / 2, k % 2)[0] = f32::NAN;
            let mut out = FeatureMap::new(1, 1, 1, 1);
            max_pool(&x, &mut out);
            assert!(out.pixel(0, 0, 0)[0].is_nan());
        }
    }
}
