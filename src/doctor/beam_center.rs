//! Beam center and integer test of the values, before any reconstruction.

use ndarray::Array2;
use num_complex::Complex64;
use serde::Serialize;

use super::hypothesis::Power;
use crate::json::Real;

/// The center of the mean pattern, from its first Fourier coefficient along each axis: a circular mean, so that intensity
/// in the four corners has its middle there and not at `[N/2, N/2]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BeamCenter {
    /// Middle less `[N/2, N/2]`, `[row, col]`, pixels in `(-N/2, N/2]`.
    pub offset: [Real; 2],
    /// Concentration of the intensity along each axis: 1 in one row, 0 spread evenly.
    pub concentration: [Real; 2],
    /// The axes along which it is off by half the detector.
    #[serde(rename = "half_away")]
    pub off_by_half: [bool; 2],
}

/// Minimum concentration of a pattern whose center shows the place of DC. A ring at the detector's rim, `J0(pi) = -0.30`,
/// stays below it.
const MIN_CONCENTRATION: f64 = 0.31;

impl BeamCenter {
    /// Of a mean intensity, `[row, col]`, but for some pixels.
    pub fn of(mean: &Array2<f64>, without: &[[usize; 2]]) -> Self {
        let (rows, cols) = mean.dim();
        let turn = |i: usize, n: usize| {
            Complex64::cis(std::f64::consts::TAU * (i as f64 - (n / 2) as f64) / n as f64)
        };
        let (mut sums, mut all) = ([Complex64::ZERO; 2], 0.0);
        let mut mean = mean.clone();
        for at in without {
            mean[*at] = 0.0;
        }
        for ((r, c), v) in mean.indexed_iter().filter(|(_, v)| v.is_finite()) {
            sums[0] += turn(r, rows) * *v;
            sums[1] += turn(c, cols) * *v;
            all += v;
        }
        let sizes = [rows as f64, cols as f64];
        let offset = [0, 1].map(|k| sums[k].arg() / std::f64::consts::TAU * sizes[k]);
        let concentration = sums.map(|s| if all > 0.0 { s.norm() / all } else { 0.0 });
        let off_by_half = [0, 1]
            .map(|k| concentration[k] > MIN_CONCENTRATION && offset[k].abs() > 0.375 * sizes[k]);
        Self {
            offset: offset.map(Real),
            concentration: concentration.map(Real),
            off_by_half,
        }
    }
}

/// Integer test: which powers of the declared amplitude are integers, as photon counts are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct IntegerShares {
    /// Values of 2 counts or more that were tested.
    pub looked_at: usize,
    /// Those that are integers.
    pub amplitude: usize,
    /// Those whose square is an integer.
    pub square: usize,
    /// Those whose fourth power is an integer.
    pub fourth: usize,
}

impl IntegerShares {
    /// Tests a declared amplitude.
    pub fn add(&mut self, amplitude: f32) {
        let v = f64::from(amplitude);
        // above, float32 is whole anyway; 0 and 1 are whole in every power
        if !(v > 1.0 && v < 1024.0) {
            return;
        }
        // float32 rounding, and that of the root which the amplitude may be
        let whole = |w: f64, slack: f64| (w - w.round()).abs() <= slack * w;
        let eps = f64::from(f32::EPSILON);
        if v > 1.0 + 4.0 * eps {
            self.looked_at += 1;
            self.amplitude += usize::from(whole(v, eps));
            self.square += usize::from(v < 512.0 && whole(v * v, 2.0 * eps));
            self.fourth += usize::from(v < 32.0 && whole(v.powi(4), 4.0 * eps));
        }
    }

    /// The power of the declared amplitude whose square is an integer throughout, if there is one.
    pub fn power(&self) -> Option<Power> {
        let nearly = |n: usize| n as f64 >= 0.999 * self.looked_at as f64;
        if self.looked_at < 64 {
            None
        } else if nearly(self.amplitude) {
            Some(Power::Root)
        } else if nearly(self.square) {
            Some(Power::Declared)
        } else if nearly(self.fourth) {
            Some(Power::Square)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ptyproof_testkit::tolerance::{F64_FITTED, assert_within};

    proptest! {
        #[test]
        fn beam_center_is_found_at_any_pixel(half in 8usize..40, y in 0.0f64..1.0, x in 0.0f64..1.0) {
            let n = 2 * half;
            let at = [y, x].map(|v| (v * n as f64).floor());
            let near = |i: usize, at: f64| {
                let d = (i as f64 - at).abs();
                d.min(n as f64 - d).powi(2)
            };
            let mean = Array2::from_shape_fn((n, n), |(r, c)| (-(near(r, at[0]) + near(c, at[1])) / 8.0).exp());
            let beam = BeamCenter::of(&mean, &[]);
            for (k, at) in at.iter().enumerate() {
                let off = beam.offset[k].get() + half as f64 - at;
                let off = off - (off / n as f64).round() * n as f64;
                assert_within!(off, F64_FITTED.scaled(n as f64));
                let far = (at - half as f64).abs() - 0.375 * n as f64;
                prop_assert!(far == 0.0 || beam.off_by_half[k] == (far > 0.0));
            }
        }

        #[test]
        fn count_data_is_recognized_in_every_unit(seed in 1u64..1000, scale in 3.0f64..200.0) {
            let mut rng = crate::rng::Stream::new(seed, "counts", 0);
            let counts: Vec<f64> = (0..500).map(|_| rng.poisson(scale)).collect();
            let seen = |f: fn(f64) -> f64| {
                let mut w = IntegerShares::default();
                counts.iter().for_each(|v| w.add(f(*v) as f32));
                w.power()
            };
            prop_assert_eq!(seen(|v| v), Some(Power::Root));
            prop_assert_eq!(seen(f64::sqrt), Some(Power::Declared));
            prop_assert_eq!(seen(|v| v.sqrt().sqrt()), Some(Power::Square));
            prop_assert_eq!(seen(|v| (1.07 * v).sqrt()), None);
        }
    }

    #[test]
    fn uniform_or_ring_intensity_has_no_center() {
        let n = 64;
        assert_eq!(
            BeamCenter::of(&Array2::from_elem((n, n), 1.0), &[]).off_by_half,
            [false; 2]
        );
        let ring = Array2::from_shape_fn((n, n), |(r, c)| {
            let d = (r as f64 - 32.0).hypot(c as f64 - 32.0);
            f64::from(u8::from((d - 31.0).abs() < 1.0))
        });
        assert_eq!(BeamCenter::of(&ring, &[]).off_by_half, [false; 2]);
        let none = BeamCenter::of(&Array2::zeros((n, n)), &[]);
        assert_eq!(
            (none.off_by_half[0], none.concentration[0].get()),
            (false, 0.0)
        );
    }
}
