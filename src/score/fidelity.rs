//! Comparison of a reconstruction with a ground truth: figures with their alignment and region.
//!
//! *Conventions.* Images are `[row, col]`, complex, on the pixels of the truth; NaN marks a pixel of which nothing is known, and
//! no figure counts it. A region is `[top, bottom, left, right]`, the ends exclusive. After the alignment `p` is compared with
//! `t` as it is: `nrmse = sqrt(sum |p - t|^2 / sum |t|^2)`, `complex_correlation = |sum p conj(t)| / sqrt(sum |p|^2 sum |t|^2)`,
//! amplitudes by their difference, phases by the difference wrapped to `(-pi, pi]`. The peak of a signal-to-noise ratio is
//! the truth's largest amplitude in the region, or a whole turn; the dynamic range of a similarity the truth's own.
//!
//! *Known.* `known` is the share of the region's pixels that are finite and covered in both images, after the alignment; pixels
//! that the shift of the alignment takes out of the frame are not counted, as long as they are few. Where it is below
//! `known_at_least` every figure is NaN, so that no comparison with a bound holds.
//!
//! *Each figure is given for a flat object too*, the best constant: on a weak object its complex correlation is above .95,
//! so that no threshold on that number distinguishes a reconstruction from a constant.
//!
//! *Law.* A ground truth has zero error against itself, in any gauge that the alignment removes; errors are not negative;
//! full alignment never gives a larger error than the factor alone.

use std::f64::consts::TAU;

use ndarray::{Array2, s};
use num_complex::Complex64;
use serde::Serialize;

use super::frc::{Frc, frc};
pub use super::known::Region;
use super::known::{Extent, MIN_PIXELS, Share, share_known};
use super::ssim::{MsSsim, Similarity, Window, ms_ssim, ssim};
use super::wrap;
use crate::align::{Fault, Gauge, align, scalar};
use crate::json::Real;
use crate::judgment::Judgment;

/// The alignment before the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Alignment {
    /// Nothing.
    None,
    /// A global phase and scale.
    Scalar,
    /// All ambiguities of diffraction: phase and scale, ramp, shift, twin.
    Gauge,
}

/// The figures of a real image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// Mean absolute error.
    pub mae: Real,
    /// Mean squared error.
    pub mse: Real,
    /// The peak value.
    pub peak: Real,
    /// `10 log10(peak^2 / mse)`, dB.
    pub psnr: Real,
    /// The dynamic range of the similarities.
    pub range: Real,
    /// Structural similarity, Gaussian windows of 11 x 11; null where no window is known or the truth is flat.
    pub ssim: Option<Similarity>,
    /// Multi-scale similarity.
    pub ms_ssim: Option<MsSsim>,
}

/// Errors of a constant.
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
    /// The kind of alignment.
    pub alignment: Alignment,
    /// The gauge that maps the reconstruction to the ground truth.
    pub gauge: Gauge,
    /// The fault that explains most of the remaining difference, if one does.
    pub fault: Option<Fault>,
    /// Where the figures are of, in pixels of the truth.
    pub region: Region,
    /// Pixels of the region that should be known.
    pub region_pixels: usize,
    /// Pixels of the region that are finite and covered in both: these are compared.
    pub pixels: usize,
    /// Their share.
    pub known: Real,
    /// The share below which all figures are NaN.
    pub known_at_least: Real,
    /// Whether the ground truth is zero on all known pixels: then all figures are NaN too.
    pub dark: bool,
    /// Normalized root mean square error of the complex images.
    pub nrmse: Real,
    /// Complex correlation: not a measure of quality, see `flat`.
    pub complex_correlation: Real,
    /// Errors of the best constant.
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

/// Compares over a region; `None` if the images differ in shape, or the region is not on them.
///
/// Where less than `known_at_least` of the region is known, or the truth is dark, all figures are NaN.
pub fn fidelity(
    prediction: &Array2<Complex64>,
    truth: &Array2<Complex64>,
    extent: &Extent,
    alignment: Alignment,
) -> Option<Scored> {
    let region = extent.region;
    let [top, bottom, left, right] = region;
    let is_on = top < bottom && left < right && bottom <= truth.nrows() && right <= truth.ncols();
    let shapes = prediction.dim() == truth.dim()
        && (extent.expected.as_ref()).is_none_or(|e| e.dim() == truth.dim());
    if !(is_on && shapes) {
        return None;
    }
    let unknown = Complex64::new(f64::NAN, f64::NAN);
    // the gauge is that of the region, and applied to all there is, so that a shift finds its neighbors
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
        // nothing in common has no gauge, and no figure below
        Alignment::Gauge => match align(&inside, prediction) {
            Some(found) => (found.gauge, found.fault),
            None => (Gauge::none(), None),
        },
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
    let share = share_known(&p, extent, &gauge, truth.dim());
    let mut sums = Sums::default();
    p.iter().zip(&t).for_each(|(p, t)| sums.add(*p, *t));
    let dark = share.pixels > 0 && sums.truth <= 0.0;
    if dark || share.pixels == 0 || share.known.get() < extent.known_at_least {
        return Some(Scored {
            fidelity: unknown_figures(alignment, gauge, extent, &share, dark),
            prediction: p,
            truth: t,
        });
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
        region_pixels: share.expected,
        pixels: share.pixels,
        known: share.known,
        known_at_least: Real(extent.known_at_least),
        dark: false,
        nrmse: Real((sums.error / sums.truth).sqrt()),
        complex_correlation: Real(sums.overlap.norm() / (sums.own * sums.truth).sqrt()),
        flat: Flat {
            nrmse: Real(flat_error(flat_correlation)),
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

/// Undefined figures.
fn unknown_figures(
    alignment: Alignment,
    gauge: Gauge,
    extent: &Extent,
    share: &Share,
    dark: bool,
) -> Fidelity {
    let nan = Real(f64::NAN);
    let quality = Quality {
        mae: nan,
        mse: nan,
        peak: nan,
        psnr: nan,
        range: nan,
        ssim: None,
        ms_ssim: None,
    };
    Fidelity {
        alignment,
        gauge,
        fault: None,
        region: extent.region,
        region_pixels: share.expected,
        pixels: share.pixels,
        known: share.known,
        known_at_least: Real(extent.known_at_least),
        dark,
        nrmse: nan,
        complex_correlation: nan,
        flat: Flat {
            nrmse: nan,
            complex_correlation: nan,
        },
        amplitude: quality,
        phase: quality,
        frc: None,
    }
}

impl Fidelity {
    /// Whether enough of the region is known for figures.
    pub fn is_known(&self) -> bool {
        self.known.get() >= self.known_at_least.get() && self.pixels > 0 && !self.dark
    }

    /// Whether its figures are finite and computed from enough pixels; gates bound their size.
    pub fn judgment(&self) -> Judgment {
        let enough = self.is_known() && self.pixels >= MIN_PIXELS;
        Judgment::at_most(self.nrmse.get(), f64::INFINITY, enough)
    }
}

/// The normalized error of the best constant, from its correlation; rounding may take that above 1, and NaN stays NaN.
fn flat_error(correlation: f64) -> f64 {
    let left = 1.0 - correlation.powi(2);
    if left < 0.0 { 0.0 } else { left.sqrt() }
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
#[path = "fidelity_tests.rs"]
mod tests;
