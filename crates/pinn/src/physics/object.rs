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
//! | [`Numerics::estimates`] | the network sees amplitudes; what it gives is the object, with swish in the border | it sees estimates ([`super::estimate`]) and corrects them |
//! | [`Weighting`] of a group's object by its channels | whole patches over a count of centre squares | an average, weighted by the light |
//! | [`Gauge`] of an inferred object | as the network gives it | a positive mean where the probe is |
//!
//! *Source.* Reference description, sections 0 and j; the cause of the reference's failure is in the
//! project's README.

use num_complex::Complex;

use crate::physics::loss::Guard;
use crate::physics::merge::Weighting;
use ptyproof_kernels::conv::Arithmetic;
use ptyproof_kernels::scalar::Scalar;

/// How amplitude and phase make a complex object.
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

/// Which of the global phases of a group's object is taken: all explain its patterns alike, so that the loss cannot tell them
/// apart, and groups that overlap on a canvas would cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gauge {
    /// Whatever the network gives.
    AsGiven,
    /// That of a positive mean over the illuminated part, weighted by the probe's intensity.
    PositiveMean,
}

impl Gauge {
    /// Turns `object` (`[row, col]`) into the gauge, as the `probe` (the same shape) sees it; of a group, in its centre. An object
    /// without a finite mean stays as it is, and one whose phases nearly cancel gets what is left of them.
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
    /// The largest amplitude the network can give.
    pub ceiling: f64,
    /// What keeps the loss and its gradient finite.
    pub guard: Guard,
    /// What the network's convolutions promise.
    pub arithmetic: Arithmetic,
    /// Whether the network sees estimates of the object and corrects them, instead of the amplitudes of patterns.
    pub estimates: bool,
    /// What each channel has to say of its group's object.
    pub coverage: Weighting,
    /// Which global phase an inferred object gets.
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
            coverage: Weighting::Centre,
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

    proptest! {
        #[test]
        fn the_gradient_is_the_derivative(a in 0.01f64..3.0, phi in -3.1f64..3.1, gr in -1.0f64..1.0, gi in -1.0f64..1.0) {
            // L = Re(conj(g) Z): dL/da, dL/dphi against central differences
            for c in [Combination::Cartesian, Combination::Polar] {
                let loss = |a: f64, phi: f64| { let z = c.combine(a, phi); z.re * gr + z.im * gi };
                let h = 1e-6;
                let num = ((loss(a + h, phi) - loss(a - h, phi)) / (2.0 * h), (loss(a, phi + h) - loss(a, phi - h)) / (2.0 * h));
                let got = c.gradient(a, phi, Complex::new(gr, gi));
                prop_assert!((got.0 - num.0).abs() < 1e-8 && (got.1 - num.1).abs() < 1e-8);
            }
        }
    }

    proptest! {
        #[test]
        fn a_gauge_turns_as_a_whole_and_undoes_any_turn(angle in -3.1f64..3.1, seed in 0u32..1000) {
            let wave = |k: usize, f: f64| (f * (k as f64 + f64::from(seed))).sin();
            let object: Vec<_> = (0..36).map(|k| Complex::new(1.5 + wave(k, 1.3), wave(k, 0.7))).collect();
            let probe: Vec<_> = (0..36).map(|k| Complex::new(wave(k, 0.9), wave(k, 2.1))).collect();
            let mut turned: Vec<_> = object.iter().map(|z| z * Complex::cis(angle)).collect();
            Gauge::PositiveMean.fix(&mut turned, &probe);
            let mean: Complex<f64> = turned.iter().zip(&probe).map(|(z, p)| z * p.norm_sqr()).sum();
            prop_assert!(mean.re > 0.0 && mean.im.abs() < 1e-12 * mean.re);
            let mut plain = object.clone();
            Gauge::PositiveMean.fix(&mut plain, &probe);
            for ((t, p), o) in turned.iter().zip(&plain).zip(&object) {
                prop_assert!((t - p).norm() < 1e-12 && (t.norm() - o.norm()).abs() < 1e-12);
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
    fn the_two_numerics_differ_in_the_object_and_the_ceiling() {
        let (r, g) = (Numerics::reference(), Numerics::guarded(64, 440.0, 988.21));
        assert_eq!(r.combination.combine(1.0f64, 2.0), Complex::new(1.0, 2.0));
        assert!((g.combination.combine(1.0f64, 2.0).norm() - 1.0).abs() < 1e-15);
        assert_eq!(r.ceiling, 1.0);
        // 2 * 32 / sqrt(440)
        assert!((g.ceiling - 3.0511).abs() < 1e-3);
    }
}
