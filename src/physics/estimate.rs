//! A first estimate of the object from one pattern, linear in it: what a network of the guarded numerics sees, and corrects.
//!
//! Near a constant object `A0` the far field's amplitude is linear in the contrast `o` of the object, `O = A0 (1 + o)`:
//!
//! ```text
//! X = |FFT2(P O)| / N  =  mean + A0 Re(conj(u) FFT2(P o)) / N + ...,     u = exp(i arg FFT2(P))
//! ```
//!
//! The adjoint of that map carries what deviates from the mean pattern back to the object, and the probe's intensity says what it is
//! worth there:
//!
//! ```text
//! g = conj(P) IFFT2(u (X - mean)) / (N A0 (|P|^2 + ALPHA max |P|^2))
//! ```
//!
//! Of `conj(u) FFT2(P o)` the detector keeps the real part, so `g` is half of `o`, where there is light, and half of its twin: mirrored,
//! and smeared out by twice the probe's phase. A network has then to know nothing of Fourier space: it sees object and twin where
//! they lie, and takes the twin away.
//!
//! *Conventions.* `[row, col]`; patterns are normalized amplitudes with zero frequency in the centre; `g` has no unit: its real part is the
//! relative deviation of the amplitude, its imaginary part that of the phase in radians. `A0 = (N / 2) / sqrt(sum |P|^2)`, the root mean square amplitude to
//! expect ([`Numerics::guarded`](super::object::Numerics::guarded)).
//!
//! *Laws.* Linear in the pattern; times `N A0 (|P|^2 + ALPHA max |P|^2)` the adjoint of the derivative of the far field's amplitude.
//!
//! *Source.* A single step of ePIE from a constant object, Maiden and Rodenburg 2009, DOI 10.1016/j.ultramic.2009.05.012, with the step
//! of Maiden, Johnson and Li 2017, DOI 10.1364/OPTICA.4.000736. The two halves are Gabor's of in-line holography.

use num_complex::Complex;

use super::propagate::{from_far_field, pixels, to_far_field};
use crate::ground::scalar::Scalar;
use crate::kernel::fft::{Fft2, Scratch};

/// The share of the largest intensity of the probe below which light counts for little.
pub const ALPHA: f64 = 0.1;

/// From deviations of a pattern to the contrast of the object.
#[derive(Debug, Clone)]
pub struct Estimator<T: Scalar> {
    n: usize,
    /// `u`, zero frequency at the corner; 0 where the probe's far field is.
    direction: Vec<Complex<T>>,
    /// `conj(P) / (N A0 (|P|^2 + ALPHA max |P|^2))`.
    weight: Vec<Complex<T>>,
    fft: Fft2<T>,
}

impl<T: Scalar> Estimator<T> {
    /// For a probe (`[row, col]`, `n^2` values, already masked). Of a probe without light every estimate is zero.
    ///
    /// # Panics
    /// If the probe has another size.
    pub fn new(n: usize, probe: &[Complex<T>]) -> Self {
        assert_eq!(probe.len(), n * n, "a probe of the patterns' size");
        let wide = |z: &Complex<T>| Complex::new(z.re.wide(), z.im.wide());
        let narrow = |z: Complex<f64>| Complex::new(T::of(z.re), T::of(z.im));
        let probe: Vec<Complex<f64>> = probe.iter().map(wide).collect();
        let mut far = probe.clone();
        to_far_field(&Fft2::new(n), &mut far, &mut Scratch::default());
        let energy: f64 = probe.iter().map(Complex::norm_sqr).sum();
        let peak = probe.iter().map(Complex::norm_sqr).fold(0.0, f64::max);
        let expected = n as f64 / 2.0 / energy.sqrt();
        // what is but the rounding of a zero has no direction
        let dark = f64::EPSILON * far.iter().map(|z| z.norm()).fold(0.0, f64::max);
        let direction = far.iter().map(|z| {
            let modulus = z.norm();
            if modulus > dark {
                z / modulus
            } else {
                Complex::default()
            }
        });
        let weight = probe.iter().map(|p| {
            let over = n as f64 * expected * (p.norm_sqr() + ALPHA * peak);
            if energy > 0.0 {
                p.conj() / over
            } else {
                Complex::default()
            }
        });
        Self {
            n,
            direction: direction.map(narrow).collect(),
            weight: weight.map(narrow).collect(),
            fft: Fft2::new(n),
        }
    }

    /// `g` of the deviations that `deviation` gives for each pixel (`[row, col]`, zero frequency in the centre), into `out`.
    ///
    /// # Panics
    /// Unless `out` holds `n^2` values.
    pub fn estimate(
        &self,
        deviation: impl Fn(usize) -> T,
        out: &mut [Complex<T>],
        scratch: &mut Scratch<T>,
    ) {
        assert_eq!(out.len(), self.weight.len(), "room for a pattern");
        for (corner, centred) in pixels(self.n) {
            let (u, d) = (self.direction[corner], deviation(centred));
            out[corner] = Complex::new(u.re * d, u.im * d);
        }
        from_far_field(&self.fft, out, scratch);
        for (o, &w) in out.iter_mut().zip(&self.weight) {
            *o = *o * w;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const N: usize = 16;

    fn wave(k: usize, f: f64) -> f64 {
        ((k as f64 + 1.0) * f).sin()
    }

    fn probe() -> Vec<Complex<f64>> {
        let at = |k: usize| k as f64 - 7.7;
        (0..N * N)
            .map(|k| {
                let r2 = at(k / N).powi(2) + at(k % N).powi(2);
                Complex::from_polar((-r2 / 20.0).exp(), 0.11 * r2 + 0.2 * wave(k, 1.1))
            })
            .collect()
    }

    /// Normalized amplitudes of an object, zero frequency in the centre.
    fn pattern(object: impl Fn(usize) -> Complex<f64>) -> Vec<f64> {
        let mut field: Vec<_> = (probe().iter().enumerate())
            .map(|(k, p)| p * object(k))
            .collect();
        to_far_field(&Fft2::new(N), &mut field, &mut Scratch::default());
        let mut out = vec![0.0; N * N];
        for (corner, centred) in pixels(N) {
            out[centred] = field[corner].norm() / N as f64;
        }
        out
    }

    fn expected() -> f64 {
        N as f64 / 2.0 / probe().iter().map(Complex::norm_sqr).sum::<f64>().sqrt()
    }

    fn estimate(d: &[f64]) -> Vec<Complex<f64>> {
        let mut out = vec![Complex::default(); N * N];
        let e = Estimator::new(N, &probe());
        e.estimate(|p| d[p], &mut out, &mut Scratch::default());
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn it_is_the_adjoint_of_the_derivative_of_the_amplitude(a in 0.3f64..3.0, b in 0.3f64..3.0) {
            // <d, X'(o)> = Re <N A0 (|P|^2 + ALPHA max) g(d), o> / N..., X' by central differences about the constant A0
            let o = |k: usize| Complex::new(wave(k, a), wave(k, b));
            let d: Vec<f64> = (0..N * N).map(|k| wave(k, 1.7 * a)).collect();
            let h = 1e-6;
            let moved = |h: f64| pattern(|k| expected() * (1.0 + h * o(k)));
            let (up, down) = (moved(h), moved(-h));
            let left: f64 = (0..N * N).map(|p| d[p] * (up[p] - down[p]) / (2.0 * h)).sum();
            let p = probe();
            let peak = p.iter().map(Complex::norm_sqr).fold(0.0, f64::max);
            let g = estimate(&d);
            // of o, not of O: once more A0
            let right: f64 = (0..N * N)
                .map(|k| (g[k] * expected().powi(2) * (p[k].norm_sqr() + ALPHA * peak) * o(k).conj()).re)
                .sum();
            let size: f64 = (0..N * N).map(|k| (up[k] - down[k]).abs() / (2.0 * h)).sum();
            prop_assert!((left - right).abs() <= 1e-7 * size, "{left} {right} {size}");
        }

        #[test]
        fn it_is_linear(a in -2.0f64..2.0, seed in 0usize..1000) {
            let x: Vec<f64> = (0..N * N).map(|k| wave(k + seed, 1.3)).collect();
            let y: Vec<f64> = (0..N * N).map(|k| wave(k + seed, 0.7)).collect();
            let sum: Vec<f64> = x.iter().zip(&y).map(|(x, y)| a * x + y).collect();
            for ((s, x), y) in estimate(&sum).iter().zip(estimate(&x)).zip(estimate(&y)) {
                prop_assert!((s - (a * x + y)).norm() < 1e-12);
            }
        }
    }

    #[test]
    fn a_faint_object_shows_up_where_it_lies_at_half_its_contrast() {
        // one pixel of 1 % in amplitude and -0.02 rad, in the light and off the centre: its twin lies elsewhere
        let (at, contrast) = (9 * N + 6, Complex::new(0.01, -0.02));
        let flat = pattern(|_| expected().into());
        let one = pattern(|k| expected() * (1.0 + if k == at { contrast } else { 0.0.into() }));
        let d: Vec<f64> = one.iter().zip(&flat).map(|(x, m)| x - m).collect();
        let g = estimate(&d);
        let p = probe();
        let peak = p.iter().map(Complex::norm_sqr).fold(0.0, f64::max);
        let share = p[at].norm_sqr() / (p[at].norm_sqr() + ALPHA * peak);
        let found = g[at] / (0.5 * share * contrast);
        assert!((found - 1.0).norm() < 0.1, "{found}");
        let others = g.iter().enumerate().filter(|(k, _)| *k != at);
        let most = others.map(|(_, z)| z.norm()).fold(0.0, f64::max);
        assert!(most < 0.5 * g[at].norm(), "{most} {}", g[at].norm());
    }

    #[test]
    fn a_constant_object_and_a_dark_probe_show_nothing() {
        assert!(estimate(&vec![0.0; N * N]).iter().all(|g| g.norm() == 0.0));
        let dark = Estimator::new(N, &vec![Complex::<f64>::default(); N * N]);
        let mut out = vec![Complex::new(1.0, 1.0); N * N];
        dark.estimate(|p| p as f64, &mut out, &mut Scratch::default());
        assert!(out.iter().all(|g| g.norm() == 0.0));
    }
}
