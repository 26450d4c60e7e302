//! From the network's two numbers per pixel to the complex object, and the choice of numerics.
//!
//! The two numerics differ in seven named places here, in the learning rate ([`crate::training::schedule`]), and nowhere else:
//!
//! | place | `reference` | `guarded` |
//! |---|---|---|
//! | [`Combination`] | `Z = A + i phi` | `Z = A exp(i phi)` |
//! | [`Numerics::ceiling`] of the amplitude `A = ceiling * sigmoid(a)` | 1 | twice the root mean square amplitude that energy conservation asks for |
//! | [`crate::physics::loss::Guard`] | none | a floor under the predicted intensity, and no square root |
//! | [`Arithmetic`] of the convolutions | sums in the order of the definition | the fastest method, within a derived bound |
//! | [`Numerics::estimates`] | input: amplitudes; output: the object, with swish in the border | input: estimates ([`super::estimate`]); output: corrections |
//! | [`Weighting`] of a group's object by its channels | unweighted patches over a count of central squares | an average, weighted by the illumination |
//! | [`Gauge`] of an inferred object | the output of the network | a positive mean under the probe |
//!
//! *Source.* Reference description, sections 0 and j; the cause of the reference's failure is in the
//! project's README.

use num_complex::Complex;

use crate::physics::loss::Guard;
use crate::physics::merge::Weighting;
use ptyproof_kernels::conv::Arithmetic;
use ptyproof_kernels::scalar::Scalar;

/// Combination of amplitude and phase into a complex object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combination {
    /// `Z = A + i phi`: what the reference did in January 2026.
    Cartesian,
    /// `Z = A exp(i phi)`.
    Polar,
}

impl Combination {
    /// The complex object value of amplitude `a` and phase `phi` (radians).
    pub fn combine<T: Scalar>(self, a: T, phi: T) -> Complex<T> {
        match self {
            Self::Cartesian => Complex::new(a, phi),
            Self::Polar => Complex::new(a * phi.cos(), a * phi.sin()),
        }
    }

    /// The gradients with respect to `a` and `phi`, from the gradient `g = dL/dRe + i dL/dIm`.
    pub fn gradient<T: Scalar>(self, a: T, phi: T, g: Complex<T>) -> (T, T) {
        match self {
            Self::Cartesian => (g.re, g.im),
            Self::Polar => {
                let (s, c) = (phi.sin(), phi.cos());
                (g.re * c + g.im * s, a * (g.im * c - g.re * s))
            }
        }
    }
}

/// The choice of the global phase of the object of a group: all phases predict equal patterns, so the loss does not
/// determine it, and overlapping groups would cancel on a canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gauge {
    /// The phase of the network output.
    AsGiven,
    /// The phase with a positive mean, weighted by the intensity of the probe.
    PositiveMean,
}

impl Gauge {
    /// Rotates the global phase of `object` (`[row, col]`) into the gauge, weighted by `probe` (of equal shape). An object
    /// without a finite mean is unchanged; if its phases nearly cancel, the remaining mean is used.
    pub fn fix<T: Scalar>(self, object: &mut [Complex<T>], probe: &[Complex<T>]) {
        if self == Self::AsGiven {
            return;
        }
        let (mut re, mut im) = (0.0f64, 0.0f64);
        for (z, p) in object.iter().zip(probe) {
            let weight = p.norm_sqr().wide();
            re += weight * z.re.wide();
            im += weight * z.im.wide();
        }
        let modulus = re.hypot(im);
        if modulus > 0.0 && modulus.is_finite() {
            let turn = Complex::new(T::of(re / modulus), T::of(-im / modulus));
            object.iter_mut().for_each(|z| *z = *z * turn);
        }
    }
}

/// The named places where `guarded` and `reference` differ, as values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Numerics {
    /// How amplitude and phase combine.
    pub combination: Combination,
    /// The maximum amplitude of the network output.
    pub ceiling: f64,
    /// The guard that keeps the loss and its gradient finite.
    pub guard: Guard,
    /// What the network's convolutions promise.
    pub arithmetic: Arithmetic,
    /// Whether the input of the network is an estimate of the object, which it corrects, instead of pattern amplitudes.
    pub estimates: bool,
    /// The weight of each channel in the object of its group.
    pub coverage: Weighting,
    /// The global phase of an inferred object.
    pub gauge: Gauge,
}

impl Numerics {
    /// Exactly what the reference program did in January 2026.
    pub fn reference() -> Self {
        Self {
            combination: Combination::Cartesian,
            ceiling: 1.0,
            guard: Guard::None,
            arithmetic: Arithmetic::Definition,
            estimates: false,
            coverage: Weighting::Center,
            gauge: Gauge::AsGiven,
        }
    }

    /// The default: finite loss and gradient for every finite input.
    ///
    /// `probe_energy` is the sum of `|P|^2` over the (masked) probe, `n` the side of the patterns
    /// and `scale` the factor from normalized to model amplitude.
    ///
    /// *Ceiling.* Patterns are normalized to a mean sum of squares of `(N/2)^2`; by Parseval an object
    /// of constant amplitude `z` gives `z^2 * probe_energy`. So `z = (N/2) / sqrt(probe_energy)` is the
    /// root mean square amplitude to expect, and twice it is where the sigmoid ends: an untrained
    /// network (sigmoid 1/2) begins at the expected energy.
    ///
    /// *Floor.* See [`Guard::floor`].
    pub fn guarded(n: usize, probe_energy: f64, scale: f64) -> Self {
        let half = n as f64 / 2.0;
        let mean_counts = (scale * half).powi(2) / (n * n) as f64;
        Self {
            combination: Combination::Polar,
            ceiling: 2.0 * half / probe_energy.sqrt(),
            guard: Guard::floor(n, mean_counts),
            arithmetic: Arithmetic::Fast,
            estimates: true,
            coverage: Weighting::Illumination,
            gauge: Gauge::PositiveMean,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ptyproof_testkit::tolerance::{
        DECIMALS_4, F64_SLOPE, F64_STEPS_8, F64_STEPS_512, assert_close, assert_within,
    };

    proptest! {
        #[test]
        fn the_gradient_is_the_derivative(a in 0.01f64..3.0, phi in -3.1f64..3.1, gr in -1.0f64..1.0, gi in -1.0f64..1.0) {
            // L = Re(conj(g) Z): dL/da, dL/dphi against central differences
            for c in [Combination::Cartesian, Combination::Polar] {
                let loss = |a: f64, phi: f64| { let z = c.combine(a, phi); z.re * gr + z.im * gi };
                let h = 1e-6;
                let num = ((loss(a + h, phi) - loss(a - h, phi)) / (2.0 * h), (loss(a, phi + h) - loss(a, phi - h)) / (2.0 * h));
                let got = c.gradient(a, phi, Complex::new(gr, gi));
                assert_close!(got.0, num.0, F64_SLOPE);
                assert_close!(got.1, num.1, F64_SLOPE);
            }
        }
    }

    proptest! {
        #[test]
        fn gauge_is_a_global_phase_and_removes_any_phase(angle in -3.1f64..3.1, seed in 0u32..1000) {
            let wave = |k: usize, f: f64| (f * (k as f64 + f64::from(seed))).sin();
            let object: Vec<_> = (0..36).map(|k| Complex::new(1.5 + wave(k, 1.3), wave(k, 0.7))).collect();
            let probe: Vec<_> = (0..36).map(|k| Complex::new(wave(k, 0.9), wave(k, 2.1))).collect();
            let mut turned: Vec<_> = object.iter().map(|z| z * Complex::cis(angle)).collect();
            Gauge::PositiveMean.fix(&mut turned, &probe);
            let mean: Complex<f64> = turned.iter().zip(&probe).map(|(z, p)| z * p.norm_sqr()).sum();
            prop_assert!(mean.re > 0.0);
            assert_within!(mean.im, F64_STEPS_512.scaled(mean.re));
            let mut plain = object.clone();
            Gauge::PositiveMean.fix(&mut plain, &probe);
            for ((t, p), o) in turned.iter().zip(&plain).zip(&object) {
                assert_close!(t, p, F64_STEPS_512);
                assert_close!(t.norm(), o.norm(), F64_STEPS_512);
            }
            let fixed = plain.clone();
            Gauge::AsGiven.fix(&mut plain, &probe);
            prop_assert_eq!(&plain, &fixed);
            let mut none = vec![Complex::new(0.0, 0.0); 36];
            Gauge::PositiveMean.fix(&mut none, &probe);
            prop_assert!(none.iter().all(|z| z.norm() == 0.0));
        }
    }

    #[test]
    fn numerics_differ_only_in_object_and_ceiling() {
        let (r, g) = (Numerics::reference(), Numerics::guarded(64, 440.0, 988.21));
        assert_eq!(r.combination.combine(1.0f64, 2.0), Complex::new(1.0, 2.0));
        assert_close!(g.combination.combine(1.0f64, 2.0).norm(), 1.0, F64_STEPS_8);
        assert_eq!(r.ceiling, 1.0);
        // 2 * 32 / sqrt(440)
        assert_close!(g.ceiling, 3.0511, DECIMALS_4);
    }
}
