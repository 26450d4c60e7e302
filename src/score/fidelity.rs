//! A reconstruction against an image that it should be: figures that say their alignment and their region.
//!
//! *Conventions.* Images are `[row, col]`, complex, on the pixels of the truth; NaN marks a pixel of which nothing is known, and
//! no figure counts it. A region is `[top, bottom, left, right]`, the ends exclusive. After the alignment `p` is compared with
//! `t` as it is: `nrmse = sqrt(sum |p - t|^2 / sum |t|^2)`, `complex_correlation = |sum p conj(t)| / sqrt(sum |p|^2 sum |t|^2)`,
//! amplitudes by their difference, phases by the difference wrapped to `(-pi, pi]`. The peak of a signal-to-noise ratio is
//! the truth's largest amplitude in the region, or a whole turn; the dynamic range of a similarity the truth's own.
//!
//! *Beside each figure stands that of a flat object*, the best constant: on a weak object its complex correlation is above
//! .95, so that no threshold on that number can tell a reconstruction from nothing.
//!
//! *Law.* A truth has no error against itself, in any gauge where gauges are taken off; no error is less than zero, and none of
//! the whole gauge is more than that of the factor alone.

use std::f64::consts::TAU;

use ndarray::{Array2, s};
use num_complex::Complex64;
use serde::Serialize;

use super::frc::{Frc, frc};
use super::ssim::{OverScales, Similarity, Window, ms_ssim, ssim};
use super::wrap;
use crate::align::{Fault, Gauge, align, scalar};
use crate::ground::json::Real;

/// What is taken off before the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Alignment {
    /// Nothing.
    None,
    /// A global phase and scale.
    Scalar,
    /// All that diffraction cannot tell: phase and scale, ramp, shift, twin.
    Gauge,
}

/// Rows from, to (exclusive), columns from, to.
pub type Region = [usize; 4];

/// The figures of a real image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// Mean absolute error.
    pub mae: Real,
    /// Mean squared error.
    pub mse: Real,
    /// What counts as the peak.
    pub peak: Real,
    /// `10 log10(peak^2 / mse)`, dB.
    pub psnr: Real,
    /// The dynamic range of the similarities.
    pub range: Real,
    /// Structural similarity, Gaussian windows of 11 x 11; null where no window is known or the truth is flat.
    pub ssim: Option<Similarity>,
    /// The same over scales.
    pub ms_ssim: Option<OverScales>,
}

/// What a constant would get.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Flat {
    /// Normalized root mean square error.
    pub nrmse: Real,
    /// Complex correlation.
    pub complex_correlation: Real,
}

/// All figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fidelity {
    /// What was taken off.
    pub alignment: Alignment,
    /// How much of it: what takes the reconstruction to the truth.
    pub gauge: Gauge,
    /// The fault that explains most of what is left, if one does.
    pub fault: Option<Fault>,
    /// Where the figures are of, in pixels of the truth.
    pub region: Region,
    /// Pixels of the region that are known in both: these are compared.
    pub pixels: usize,
    /// Normalized root mean square error of the complex images.
    pub nrmse: Real,
    /// Complex correlation: not a measure of quality, see `flat`.
    pub complex_correlation: Real,
    /// What the best constant gets.
    pub flat: Flat,
    /// Of the amplitude.
    pub amplitude: Quality,
    /// Of the phase, radians.
    pub phase: Quality,
    /// Ring by ring; null where the region is too small, or an image is constant.
    pub frc: Option<Frc>,
}

/// Figures, and the images they are of.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The figures.
    pub fidelity: Fidelity,
    /// The reconstruction after the alignment, the region alone, `[row, col]`.
    pub prediction: Array2<Complex64>,
    /// The truth there.
    pub truth: Array2<Complex64>,
}

/// Compares over a region; `None` if nothing there is known of both, or the truth is dark.
pub fn fidelity(
    prediction: &Array2<Complex64>,
    truth: &Array2<Complex64>,
    region: Region,
    alignment: Alignment,
) -> Option<Scored> {
    let [top, bottom, left, right] = region;
    if prediction.dim() != truth.dim() || bottom > truth.nrows() || right > truth.ncols() {
        return None;
    }
    let unknown = Complex64::new(f64::NAN, f64::NAN);
    // the gauge is that of the region, and applied to all there is, so that a shift finds its neighbours
    let inside = Array2::from_shape_fn(truth.dim(), |(r, c)| {
        if (top..bottom).contains(&r) && (left..right).contains(&c) {
            truth[[r, c]]
        } else {
            unknown
        }
    });
    let (gauge, fault) = match alignment {
        Alignment::None => (Gauge::none(), None),
        Alignment::Scalar => (scalar(&inside, prediction), None),
        Alignment::Gauge => {
            let found = align(&inside, prediction)?;
            (found.gauge, found.fault)
        }
    };
    let aligned = if gauge == Gauge::none() {
        prediction.clone()
    } else {
        gauge.apply(prediction)
    };
    let cut = |a: &Array2<Complex64>| a.slice(s![top..bottom, left..right]).to_owned();
    let (mut p, mut t) = (cut(&aligned), cut(truth));
    for (p, t) in p.iter_mut().zip(t.iter_mut()) {
        if !(p.is_finite() && t.is_finite()) {
            (*p, *t) = (unknown, unknown);
        }
    }
    let mut sums = Sums::default();
    p.iter().zip(&t).for_each(|(p, t)| sums.add(*p, *t));
    if sums.pixels == 0 || sums.truth <= 0.0 {
        return None;
    }
    let n = sums.pixels as f64;
    let flat_correlation = sums.sum.norm() / (n * sums.truth).sqrt();
    let [pa, ta] = [&p, &t].map(|a| a.mapv(|z| z.norm()));
    let largest = ta
        .iter()
        .copied()
        .filter(|v| v.is_finite())
        .fold(0.0, f64::max);
    let (pp, tp) = phases(&p, &t, sums.sum);
    let fidelity = Fidelity {
        alignment,
        gauge,
        fault,
        region,
        pixels: sums.pixels,
        nrmse: Real((sums.error / sums.truth).sqrt()),
        complex_correlation: Real(sums.overlap.norm() / (sums.own * sums.truth).sqrt()),
        flat: Flat {
            nrmse: Real((1.0 - flat_correlation.powi(2)).max(0.0).sqrt()),
            complex_correlation: Real(flat_correlation),
        },
        amplitude: Quality::of(&pa, &ta, largest),
        phase: Quality::of(&pp, &tp, TAU),
        frc: frc(&p, &t),
    };
    Some(Scored {
        fidelity,
        prediction: p,
        truth: t,
    })
}

#[derive(Default)]
struct Sums {
    pixels: usize,
    error: f64,
    truth: f64,
    own: f64,
    overlap: Complex64,
    sum: Complex64,
}

impl Sums {
    fn add(&mut self, p: Complex64, t: Complex64) {
        if t.is_nan() {
            return;
        }
        self.pixels += 1;
        self.error += (p - t).norm_sqr();
        self.truth += t.norm_sqr();
        self.own += p.norm_sqr();
        self.overlap += p * t.conj();
        self.sum += t;
    }
}

/// Phases about the truth's mean phase; that of the prediction within half a turn of the truth's, so that their difference is
/// the wrapped one.
fn phases(
    p: &Array2<Complex64>,
    t: &Array2<Complex64>,
    sum: Complex64,
) -> (Array2<f64>, Array2<f64>) {
    let middle = if sum.norm() > 0.0 { sum.arg() } else { 0.0 };
    let truth = t.mapv(|z| wrap(z.arg() - middle));
    let own = ndarray::Zip::from(p)
        .and(t)
        .and(&truth)
        .map_collect(|p, t, phase| phase + wrap(p.arg() - t.arg()));
    (own, truth)
}

impl Quality {
    fn of(p: &Array2<f64>, t: &Array2<f64>, peak: f64) -> Self {
        let known = || {
            p.iter()
                .zip(t)
                .filter(|(p, t)| p.is_finite() && t.is_finite())
        };
        let n = known().count() as f64;
        let mse = known().map(|(p, t)| (p - t).powi(2)).sum::<f64>() / n;
        let low = known().map(|(_, t)| *t).fold(f64::INFINITY, f64::min);
        let high = known().map(|(_, t)| *t).fold(f64::NEG_INFINITY, f64::max);
        // a flat truth has no range, but rounding
        let range = if high - low > 1e-6 * peak {
            high - low
        } else {
            0.0
        };
        Self {
            mae: Real(known().map(|(p, t)| (p - t).abs()).sum::<f64>() / n),
            mse: Real(mse),
            peak: Real(peak),
            psnr: Real(10.0 * (peak * peak / mse).log10()),
            range: Real(range),
            ssim: ssim(p, t, range, Window::Gaussian),
            ms_ssim: ms_ssim(p, t, range),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::pair;
    use super::*;
    use proptest::prelude::*;

    fn object(rows: usize, cols: usize) -> Array2<Complex64> {
        let (p, t) = pair(rows, cols);
        Array2::from_shape_fn((rows, cols), |at| {
            Complex64::from_polar(t[at], 0.8 * (p[at] * 4.0).sin())
        })
    }

    #[test]
    fn figures_on_paper() {
        // p = 2 t: nrmse 1, correlation 1; the factor taken off leaves nothing
        let t = object(40, 36);
        let p = t.mapv(|z| z * 2.0);
        let all = [0, 40, 0, 36];
        let f = fidelity(&p, &t, all, Alignment::None).unwrap().fidelity;
        assert!(
            (f.nrmse.get() - 1.0).abs() < 1e-12
                && (f.complex_correlation.get() - 1.0).abs() < 1e-12
        );
        let mean = t.iter().map(|z| z.norm()).sum::<f64>() / t.len() as f64;
        assert!((f.amplitude.mae.get() - mean).abs() < 1e-12);
        assert!(f.phase.mae.get() < 1e-12 && f.phase.peak == Real(TAU));
        let square = t.iter().map(|z| z.norm_sqr()).sum::<f64>() / t.len() as f64;
        let peak = f.amplitude.peak.get();
        assert!((f.amplitude.psnr.get() - 10.0 * (peak * peak / square).log10()).abs() < 1e-9);
        let f = fidelity(&p, &t, all, Alignment::Scalar).unwrap().fidelity;
        assert!(f.nrmse.get() < 1e-12 && (f.gauge.scale.get() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_flat_object_is_what_stands_under_flat() {
        let t = object(48, 48);
        let one = t.mapv(|_| Complex64::from_polar(0.3, 2.0));
        let f = fidelity(&one, &t, [4, 44, 6, 40], Alignment::Scalar)
            .unwrap()
            .fidelity;
        assert!((f.nrmse.get() - f.flat.nrmse.get()).abs() < 1e-12);
        assert!((f.complex_correlation.get() - f.flat.complex_correlation.get()).abs() < 1e-12);
        assert!(f.frc.is_none() && f.flat.complex_correlation.get() > 0.5);
    }

    #[test]
    fn what_is_not_known_does_not_count() {
        let t = object(48, 48);
        let mut p = t.clone();
        p[[20, 20]] = Complex64::new(f64::NAN, 0.0);
        p[[21, 20]] = Complex64::new(0.0, f64::INFINITY);
        let f = fidelity(&p, &t, [10, 40, 10, 40], Alignment::None).unwrap();
        assert_eq!((f.fidelity.pixels, f.fidelity.nrmse), (898, Real(0.0)));
        assert!(f.prediction[[10, 10]].is_nan() && f.truth[[10, 10]].is_nan());
        let none = t.mapv(|_| Complex64::new(f64::NAN, 0.0));
        for a in [Alignment::None, Alignment::Scalar, Alignment::Gauge] {
            assert!(fidelity(&none, &t, [0, 48, 0, 48], a).is_none());
            assert!(fidelity(&t, &t.mapv(|_| Complex64::ZERO), [0, 48, 0, 48], a).is_none());
            assert!(fidelity(&t, &t, [0, 49, 0, 48], a).is_none());
        }
    }

    #[test]
    fn a_flat_phase_has_errors_but_no_similarity() {
        let (p, t) = pair(40, 40);
        let wide = |a: Array2<f64>| a.mapv(Complex64::from);
        let f = fidelity(&wide(p), &wide(t), [0, 40, 0, 40], Alignment::None)
            .unwrap()
            .fidelity;
        assert!(f.phase.ssim.is_none() && f.phase.mae == Real(0.0) && f.amplitude.ssim.is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn a_truth_in_any_gauge_is_the_truth(
            dy in -3i32..=3, dx in -3i32..=3, scale in 0.2f64..4.0, phase in -3.0f64..3.0, ry in -0.1f64..0.1,
        ) {
            let t = object(64, 60);
            let moved = Gauge::shift([f64::from(dy), f64::from(dx)]).apply(&t);
            let p = Array2::from_shape_fn(t.dim(), |(r, c)| {
                moved[[r, c]] * Complex64::from_polar(scale, phase + ry * r as f64)
            });
            let region = [8, 56, 8, 52];
            let of = |a| fidelity(&p, &t, region, a).unwrap().fidelity;
            let (none, factor, gauge) = (of(Alignment::None), of(Alignment::Scalar), of(Alignment::Gauge));
            prop_assert!(gauge.nrmse.get() < 1e-7, "{gauge:?}");
            prop_assert!(gauge.frc.as_ref().unwrap().mean.get() > 1.0 - 1e-6);
            prop_assert!(gauge.nrmse.get() <= factor.nrmse.get() + 1e-9);
            prop_assert!(factor.nrmse.get() <= none.nrmse.get() + 1e-9);
            prop_assert!(gauge.amplitude.ssim.unwrap().value.get() > 1.0 - 1e-6);
            prop_assert_eq!(gauge.pixels, 48 * 44);
        }
    }
}
