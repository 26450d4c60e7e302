//! The Poisson negative log-likelihood of a pixel, and its gradient with respect to the far field.
//!
//! `L = y - t ln y` with `y = (s a)^2` the predicted and `t = (s X)^2` the measured intensity in
//! counts, without the factorial term. *Guarded*: `L = y - t ln(y + floor)` and the gradient straight
//! from `y`, without the square root whose derivative is infinite at zero. *Unguarded*: the chain of
//! operations of the reference, each rounded, each with its own derivative, so that a predicted
//! amplitude of exactly zero fails as it failed there.
//!
//! *Source.* Reference description, section j; reproduction notes, "Root cause of the gs1 collapse".

use num_complex::Complex;

use ptyproof_kernels::scalar::Scalar;

/// The guard that keeps the loss and its gradient finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Guard {
    /// No guard.
    None,
    /// A floor of the predicted intensity, in counts.
    Floor(f64),
}

/// Assumed ratio of the noise of the smallest values of a transform to one rounding error.
///
/// The relative root-mean-square error of a radix-2 transform of length `n` grows as
/// `eps * sqrt(log2 n)` (Gentleman and Sande 1966, doi:10.1145/1464291.1464352); its bound grows as
/// `eps * log2 n`. The bound, with a slack of 4 for scaling and the object's own rounding.
const FLOOR_SLACK: f64 = 4.0;

impl Guard {
    /// The floor derived from rounding: an intensity below the square of the transform's own
    /// rounding noise, relative to the mean intensity per pixel, carries no information.
    ///
    /// `floor = (FLOOR_SLACK * eps_f32 * log2(n^2))^2 * mean_counts`.
    pub fn floor(n: usize, mean_counts: f64) -> Self {
        let noise = FLOOR_SLACK * f64::from(f32::EPSILON) * ((n * n) as f64).log2();
        Self::Floor(noise * noise * mean_counts)
    }
}

/// The loss of one pixel.
#[derive(Debug, Clone, Copy)]
pub struct PixelLoss<T> {
    /// Far-field amplitude `a`, before the scale.
    pub amplitude: T,
    /// `L`, in nats.
    pub nll: T,
    /// `|s X - s a|`, in sqrt(counts).
    pub absolute_error: T,
    /// Whether the guard's floor exceeded the predicted intensity.
    pub floored: bool,
}

/// The loss of a pixel with transform value `f`, of side `n`, scale `s`, and measured model amplitude
/// `label = s X`.
pub fn pixel<T: Scalar>(guard: Guard, f: Complex<T>, n: usize, s: T, label: T) -> PixelLoss<T> {
    let a = (f.norm_sqr() / T::of((n * n) as f64)).sqrt();
    let predicted = s * a;
    let (y, t) = (predicted * predicted, label * label);
    let absolute_error = (label - predicted).abs();
    match guard {
        Guard::None => {
            let log = y.ln();
            PixelLoss {
                amplitude: a,
                nll: log.exp() - t * log,
                absolute_error,
                floored: false,
            }
        }
        Guard::Floor(floor) => {
            let y = y.wide();
            let nll = y - t.wide() * (y + floor).ln();
            PixelLoss {
                amplitude: a,
                nll: T::of(nll),
                absolute_error,
                floored: y < floor,
            }
        }
    }
}

/// The gradient of `weight * L` with respect to the transform value `f`, as `dL/dRe + i dL/dIm`.
pub fn gradient<T: Scalar>(
    guard: Guard,
    f: Complex<T>,
    n: usize,
    s: T,
    label: T,
    weight: f64,
) -> Complex<T> {
    let pixels = T::of((n * n) as f64);
    match guard {
        Guard::None => {
            // every line is one operation of the reference's graph and its derivative
            let a = (f.norm_sqr() / pixels).sqrt();
            let predicted = s * a;
            let (y, t) = (predicted * predicted, label * label);
            let d_log = (y.ln().exp() - t) * T::of(weight);
            let d_y = d_log / y;
            let two = T::of(2.0);
            let d_predicted = d_y * two * predicted;
            let d_a = d_predicted * s;
            let d_intensity = d_a * (T::of(0.5) / a);
            let d_norm = d_intensity / pixels;
            Complex::new(d_norm * two * f.re, d_norm * two * f.im)
        }
        Guard::Floor(floor) => {
            let unit = (s * s).wide() / pixels.wide();
            let y = unit * (f.re.wide().powi(2) + f.im.wide().powi(2));
            let t = label.wide().powi(2);
            let slope = 2.0 * weight * unit * (1.0 - t / (y + floor));
            Complex::new(T::of(slope * f.re.wide()), T::of(slope * f.im.wide()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ptyproof_testkit::tolerance::{F64_GRADIENT, assert_close};

    const N: usize = 64;
    const S: f64 = 988.2117919921875;

    fn guards() -> [Guard; 2] {
        [Guard::None, Guard::floor(N, 1e9 / 4096.0)]
    }

    proptest! {
        #[test]
        fn the_gradient_is_the_derivative(re in -90.0f64..90.0, im in -90.0f64..90.0, label in 0.0f64..900.0) {
            prop_assume!(re.hypot(im) > 1.0);
            for guard in guards() {
                let loss = |re: f64, im: f64| pixel(guard, Complex::new(re, im), N, S, label).nll;
                // the loss is about t ln y: step such that rounding and curvature balance
                let h = 1e-4;
                let num = Complex::new(
                    (loss(re + h, im) - loss(re - h, im)) / (2.0 * h),
                    (loss(re, im + h) - loss(re, im - h)) / (2.0 * h),
                );
                let got = gradient(guard, Complex::new(re, im), N, S, label, 1.0);
                let scale = got.norm() + S * S / (N * N) as f64 + label * label / re.hypot(im);
                assert_close!(got, num, F64_GRADIENT.scaled(scale));
            }
        }

        #[test]
        fn guarded_loss_and_gradient_are_finite(
            re in proptest::num::f32::NORMAL | proptest::num::f32::ZERO | proptest::num::f32::SUBNORMAL,
            im in proptest::num::f32::NORMAL | proptest::num::f32::ZERO | proptest::num::f32::SUBNORMAL,
            label in 0.0f32..1e9,
        ) {
            // fields are bounded by the ceiling times the probe's sum: 1e12 is far beyond any
            let f = Complex::new(re.clamp(-1e12, 1e12), im.clamp(-1e12, 1e12));
            let guard = Guard::floor(N, 1e9 / 4096.0);
            let l = pixel(guard, f, N, S as f32, label);
            let g = gradient(guard, f, N, S as f32, label, 1.0 / 32768.0);
            prop_assert!(l.nll.is_finite() && g.re.is_finite() && g.im.is_finite(), "{l:?} {g}");
        }

        #[test]
        fn guard_is_inactive_at_positive_intensity(a in 0.01f64..30.0, label in 0.0f64..3e4) {
            let f = Complex::new(a * N as f64, 0.0);
            let [none, floor] = guards().map(|g| pixel(g, f, N, S, label).nll);
            // ln(y + floor) - ln y <= floor / y, and the logarithm's own rounding
            let Guard::Floor(eps) = guards()[1] else { unreachable!() };
            let (y, t) = ((S * a).powi(2), label * label);
            let rounding = 8.0 * f64::EPSILON * (y + t) * (1.0 + y.ln().abs());
            prop_assert!((none - floor).abs() <= 1.001 * t * eps / y + rounding);
        }
    }

    #[test]
    fn zero_intensity_fails_unguarded_and_passes_guarded() {
        let zero = Complex::new(0.0f32, 0.0);
        let [none, floor] = guards();
        assert_eq!(pixel(none, zero, N, S as f32, 3.0).nll, f32::INFINITY);
        assert!(pixel(none, zero, N, S as f32, 0.0).nll.is_nan());
        assert!(gradient(none, zero, N, S as f32, 3.0, 1.0).re.is_nan());
        let l = pixel(floor, zero, N, S as f32, 3.0);
        assert!(l.nll.is_finite() && l.floored);
        assert_eq!(gradient(floor, zero, N, S as f32, 3.0, 1.0), zero);
    }
}
