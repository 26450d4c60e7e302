//! What the detector says of exit waves: how far each mode must change in the far field.

use num_complex::Complex32;

use super::settings::Likelihood;
use ptyproof_kernels::fft::{Fft2, Scratch};

/// Sums over detector pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Misfit {
    /// Of `(|F| - A)^2`.
    pub(super) squares: f64,
    /// Of `A^2`.
    pub(super) measured: f64,
    /// Pixels where the prediction is exactly zero, so that it has no phase to keep.
    pub(super) dark: u64,
}

impl Misfit {
    pub(super) fn add(&mut self, other: Self) {
        self.squares += other.squares;
        self.measured += other.measured;
        self.dark += other.dark;
    }

    pub(super) fn is_finite(&self) -> bool {
        self.squares.is_finite() && self.measured.is_finite()
    }

    /// `sqrt(sum (|F| - A)^2 / sum A^2)`.
    pub(super) fn residual(&self) -> f64 {
        (self.squares / self.measured).sqrt()
    }
}

/// Propagation for one side of patterns.
#[derive(Debug, Clone)]
pub(super) struct Detector {
    fft: Fft2<f32>,
    likelihood: Likelihood,
    /// 1 where a pixel is believed, 0 where it is not; DC at the corner.
    good: Vec<f32>,
}

impl Detector {
    /// A detector of `n * n` pixels, of which `good` are believed.
    pub(super) fn new(n: usize, likelihood: Likelihood, good: &[bool]) -> Self {
        Self {
            fft: Fft2::new(n),
            likelihood,
            good: good.iter().map(|g| f32::from(u8::from(*g))).collect(),
        }
    }

    /// Turns exit waves (modes one after the other) into what must be added to them so that they fit `amplitude`
    /// (DC at the corner).
    ///
    /// With `I = sum_m |F_m|^2 / N^2`: for amplitudes `F (A / sqrt I - 1)`; for photons half of the gradient,
    /// `F (A^2 / I - 1) / 2`, which has the same slope at the solution. A pixel that is not believed keeps what is predicted.
    pub(super) fn project_magnitude(
        &self,
        waves: &mut [Complex32],
        amplitude: &[f32],
        factors: &mut Vec<f32>,
        scratch: &mut Scratch<f32>,
    ) -> Misfit {
        let area = amplitude.len();
        for wave in waves.chunks_exact_mut(area) {
            self.fft.forward(wave, scratch);
        }
        let misfit = self.factors(waves, amplitude, factors);
        for wave in waves.chunks_exact_mut(area) {
            for (f, k) in wave.iter_mut().zip(factors.iter()) {
                *f *= *k;
            }
            self.fft.inverse(wave, scratch);
        }
        misfit
    }

    /// How far exit waves are from the measurement; they are left in the far field.
    pub(super) fn misfit(
        &self,
        waves: &mut [Complex32],
        amplitude: &[f32],
        factors: &mut Vec<f32>,
        scratch: &mut Scratch<f32>,
    ) -> Misfit {
        for wave in waves.chunks_exact_mut(amplitude.len()) {
            self.fft.forward(wave, scratch);
        }
        self.factors(waves, amplitude, factors)
    }

    /// Detector pixels whose intensity, or that of the measurement, is not a finite float32; waves are left in the far field.
    pub(super) fn not_finite(
        &self,
        waves: &mut [Complex32],
        amplitude: &[f32],
        scratch: &mut Scratch<f32>,
    ) -> u64 {
        let area = amplitude.len();
        for wave in waves.chunks_exact_mut(area) {
            self.fft.forward(wave, scratch);
        }
        let bad = |k: &usize| {
            let intensity: f32 = waves
                .iter()
                .skip(*k)
                .step_by(area)
                .map(Complex32::norm_sqr)
                .sum();
            !(intensity.is_finite() && (amplitude[*k] * amplitude[*k]).is_finite())
        };
        (0..area).filter(bad).count() as u64
    }

    /// The factors of the far field, over `N^2` for the way back.
    fn factors(&self, fields: &[Complex32], amplitude: &[f32], factors: &mut Vec<f32>) -> Misfit {
        let area = amplitude.len();
        let back = 1.0 / area as f32;
        factors.clear();
        factors.extend(fields[..area].iter().map(Complex32::norm_sqr));
        for mode in fields[area..].chunks_exact(area) {
            for (i, f) in factors.iter_mut().zip(mode) {
                *i += f.norm_sqr();
            }
        }
        let mut sums = [[0.0f32; 16]; 2];
        let mut total = Misfit::default();
        let poisson = self.likelihood == Likelihood::Poisson;
        // sixteen sums of a row's length each, then float64: as exact as float64 throughout, and vectorised
        let rows = factors
            .chunks_mut(16)
            .zip(amplitude.chunks(16))
            .zip(self.good.chunks(16));
        for (k, ((i, a), good)) in rows.enumerate() {
            for (lane, ((i, a), good)) in i.iter_mut().zip(a).zip(good).enumerate() {
                let intensity = *i * back;
                let modulus = intensity.sqrt();
                let d = modulus - a;
                sums[0][lane] += good * d * d;
                sums[1][lane] += good * a * a;
                let dark = intensity <= f32::MIN_POSITIVE;
                let ratio = if poisson {
                    0.5 * (a * a / intensity - 1.0)
                } else {
                    a / modulus - 1.0
                };
                *i = if dark { 0.0 } else { good * ratio * back };
            }
            if k % 16 == 15 {
                total.squares += sums[0].iter().map(|v| f64::from(*v)).sum::<f64>();
                total.measured += sums[1].iter().map(|v| f64::from(*v)).sum::<f64>();
                sums = [[0.0; 16]; 2];
            }
        }
        total.squares += sums[0].iter().map(|v| f64::from(*v)).sum::<f64>();
        total.measured += sums[1].iter().map(|v| f64::from(*v)).sum::<f64>();
        total.dark = factors
            .iter()
            .zip(amplitude)
            .zip(&self.good)
            .filter(|((f, a), good)| **f == 0.0 && **a > 0.0 && **good > 0.0)
            .count() as u64;
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ptyproof_testkit::compare::all_finite;

    #[test]
    fn a_pixel_that_is_not_believed_says_nothing() {
        let (n, bad) = (8, 13);
        let wave: Vec<Complex32> = (0..n * n)
            .map(|k| Complex32::new((k as f32 * 0.7).sin(), (k as f32 * 0.3).cos()))
            .collect();
        let amplitude: Vec<f32> = (0..n * n).map(|k| 1.0 + (k as f32 * 0.9).sin()).collect();
        let mut hot = amplitude.clone();
        hot[bad] = 1e6;
        let mut good = vec![true; n * n];
        let corrected = |good: &[bool], amplitude: &[f32], likelihood| {
            let mut waves = wave.clone();
            let detector = Detector::new(n, likelihood, good);
            let found = detector.project_magnitude(
                &mut waves,
                amplitude,
                &mut Vec::new(),
                &mut Scratch::default(),
            );
            // NaN differs from itself
            assert!(all_finite(waves.iter().flat_map(|z| [z.re, z.im])));
            (waves, found)
        };
        for likelihood in [Likelihood::Amplitude, Likelihood::Poisson] {
            good[bad] = true;
            assert_ne!(
                corrected(&good, &amplitude, likelihood),
                corrected(&good, &hot, likelihood)
            );
            good[bad] = false;
            assert_eq!(
                corrected(&good, &amplitude, likelihood),
                corrected(&good, &hot, likelihood)
            );
        }
    }
}
