//! What the detector says of exit waves: how far each mode must change in the far field.

use num_complex::Complex32;

use super::settings::Likelihood;
use crate::kernel::fft::{Fft2, Scratch};

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
}

impl Detector {
    pub(super) fn new(n: usize, likelihood: Likelihood) -> Self {
        Self {
            fft: Fft2::new(n),
            likelihood,
        }
    }

    /// Turns exit waves (modes one after the other) into what must be added to them so that they fit `amplitude`
    /// (DC at the corner).
    ///
    /// With `I = sum_m |F_m|^2 / N^2`: for amplitudes `F (A / sqrt I - 1)`; for photons half of the gradient,
    /// `F (A^2 / I - 1) / 2`, which has the same slope at the solution.
    pub(super) fn correct(
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
        for (k, (i, a)) in factors.chunks_mut(16).zip(amplitude.chunks(16)).enumerate() {
            for (lane, (i, a)) in i.iter_mut().zip(a).enumerate() {
                let intensity = *i * back;
                let modulus = intensity.sqrt();
                let d = modulus - a;
                sums[0][lane] += d * d;
                sums[1][lane] += a * a;
                let dark = intensity <= f32::MIN_POSITIVE;
                let ratio = if poisson {
                    0.5 * (a * a / intensity - 1.0)
                } else {
                    a / modulus - 1.0
                };
                *i = if dark { 0.0 } else { ratio * back };
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
            .filter(|(f, a)| **f == 0.0 && **a > 0.0)
            .count() as u64;
        total
    }
}
