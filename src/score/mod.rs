//! Figures of merit, with the region that each is computed over.
//!
//! [`ComparisonMetrics`] repeats the reference's comparison with the truth: both arrays cropped about
//! their centers to a common size, no alignment, no scale, uncovered pixels included. Under
//! `registered` has the figures of the covered pixels, with the ground truth sampled at the place that the
//! canvas shows, and with the fitted amplitude scale: see [`truth`].
//!
//! *Conventions.* `pred - truth`; phase differences are wrapped to `(-pi, pi]`; a pixel counts if
//! prediction, truth and difference are finite. Means are taken in f64. Pearson's r uses population
//! moments and is null where either spread is 0 (the published phase always: the truth is flat).
//! A figure over no pixel is null.
//!
//! *Source.* Reference description, section n.

#![allow(
    clippy::needless_pass_by_value,
    reason = "array views are passed by value, as ndarray does"
)]

pub mod detector;
pub mod evaluation;
pub mod fidelity;
pub mod frc;
pub mod gate;
mod inpaint;
pub mod known;
pub mod network_vs_engine;
pub mod region;
#[cfg(test)]
mod scene;
pub mod scores;
pub mod ssim;
pub mod truth;

use std::f64::consts::{PI, TAU};

use ndarray::{Array2, ArrayView2, s};
use num_complex::Complex32;
use serde::{Deserialize, Serialize};

use crate::assemble::Stitched;
use crate::error::{Error, Result};
pub use truth::Registered;

/// Errors over the pixels where everything is finite.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Metrics {
    /// Pixels counted.
    pub count: usize,
    /// Mean absolute error.
    pub mae: Option<f64>,
    /// Largest absolute error.
    pub max_abs: Option<f64>,
    /// Pearson's correlation of prediction and truth.
    pub pearson_r: Option<f64>,
    /// Root of the mean squared error.
    pub rmse: Option<f64>,
}

/// A range of colors for pictures of differences.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ColorRange {
    /// Upper end.
    pub vmax: f64,
    /// Lower end.
    pub vmin: f64,
}

/// One quantity of the reference's comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Colors of the difference: amplitude `± max |truth|`, phase `± pi`.
    pub color_range: ColorRange,
    /// The errors.
    #[serde(flatten)]
    pub metrics: Metrics,
}

/// The comparison with the truth, `comparison_metrics.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparisonMetrics {
    /// `|R|` against `|object|`, center against center.
    pub amplitude: Compared,
    /// `arg R` against `arg object`, center against center.
    pub phase: Compared,
    /// The share of the pixels compared center against center that are finite in both; the reference takes its figures over
    /// these, however few they are.
    #[serde(default)]
    pub known: f64,
    /// The comparison over covered pixels, at their true place.
    pub registered: Registered,
    /// `[rows, cols]` compared center against center.
    pub shape: [usize; 2],
}

/// [`ComparisonMetrics`] and the pictures behind it, `[row, col]` of the common size, float32.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The figures.
    pub metrics: ComparisonMetrics,
    /// Amplitude of the prediction less that of the truth.
    pub diff_amp: Array2<f32>,
    /// Phase of the prediction less that of the truth, wrapped.
    pub diff_phase: Array2<f32>,
}

/// Compares a stitched canvas with the object it should show.
///
/// `truth`: `[row, col]`, complex object values in object pixels.
///
/// # Errors
/// If the truth is empty or holds a value that is not finite. Such values in the canvas are left out
/// and show in the counts.
pub fn compare(
    stitched: &Stitched,
    truth: ArrayView2<'_, Complex32>,
    normalization: f64,
) -> Result<Comparison> {
    let (h, w) = truth.dim();
    if h == 0 || w == 0 {
        return Err(Error::input("comparing with the ground truth")
            .got(format!("an object of {h} x {w}"))
            .need("at least one pixel"));
    }
    if let Some(((r, c), v)) = truth.indexed_iter().find(|(_, v)| !v.is_finite()) {
        return Err(Error::input("comparing with the ground truth")
            .at(format!("object[{r}, {c}]"))
            .not_finite()
            .got(v)
            .need("finite values"));
    }
    let (rows, cols) = stitched.canvas.dim();
    let shape = [rows.min(h), cols.min(w)];
    let pred = center(stitched.canvas.view(), shape);
    let truth_center = center(truth, shape);
    let (pa, ta) = (
        pred.mapv(Complex32::norm),
        truth_center.mapv(Complex32::norm),
    );
    let (pp, tp) = (pred.mapv(Complex32::arg), truth_center.mapv(Complex32::arg));
    let mut diff_phase = &pp - &tp;
    diff_phase.mapv_inplace(wrapped);
    let largest = ta.iter().fold(0.0f32, |a, v| v.abs().max(a));
    let both = |a: &Array2<f32>, b: &Array2<f32>| -> Vec<[f64; 2]> {
        a.iter()
            .zip(b)
            .map(|(a, b)| [f64::from(*a), f64::from(*b)])
            .collect()
    };
    let of_amplitude = Metrics::of(both(&pa, &ta), Difference::Plain);
    let metrics = ComparisonMetrics {
        known: of_amplitude.count as f64 / pa.len().max(1) as f64,
        amplitude: Compared {
            color_range: symmetric(f64::from(largest)),
            metrics: of_amplitude,
        },
        phase: Compared {
            color_range: symmetric(PI),
            metrics: Metrics::of(both(&pp, &tp), Difference::Wrapped),
        },
        registered: Registered::of(stitched, truth, normalization),
        shape,
    };
    Ok(Comparison {
        metrics,
        diff_amp: &pa - &ta,
        diff_phase,
    })
}

/// The difference of prediction and truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// `pred - truth`.
    Plain,
    /// The difference wrapped to `(-pi, pi]`.
    Wrapped,
}

impl Metrics {
    /// The errors over pairs `[pred, truth]`; pairs that are not finite do not count.
    #[expect(clippy::cast_precision_loss, reason = "a count of pixels")]
    pub fn of(pairs: impl IntoIterator<Item = [f64; 2]>, difference: Difference) -> Self {
        let pairs: Vec<[f64; 2]> = pairs
            .into_iter()
            .filter(|[p, t]| p.is_finite() && t.is_finite())
            .collect();
        if pairs.is_empty() {
            return Self::default();
        }
        let n = pairs.len() as f64;
        let errors = pairs.iter().map(|[p, t]| match difference {
            Difference::Plain => p - t,
            Difference::Wrapped => wrap(p - t),
        });
        let (mut sum, mut squares, mut largest) = (0.0, 0.0, 0.0f64);
        for e in errors {
            sum += e.abs();
            squares += e * e;
            largest = largest.max(e.abs());
        }
        Self {
            count: pairs.len(),
            mae: Some(sum / n),
            max_abs: Some(largest),
            pearson_r: pearson(&pairs),
            rmse: Some((squares / n).sqrt()),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of pixels")]
fn pearson(pairs: &[[f64; 2]]) -> Option<f64> {
    let n = pairs.len() as f64;
    let mean = |i: usize| pairs.iter().map(|v| v[i]).sum::<f64>() / n;
    let (mp, mt) = (mean(0), mean(1));
    let moment =
        |f: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|[p, t]| f(p - mp, t - mt)).sum::<f64>() / n;
    let (vp, vt) = (moment(&|p, _| p * p), moment(&|_, t| t * t));
    // A constant has no spread, even if its rounded mean differs from it.
    let flat = |i: usize| pairs.iter().all(|v| v[i] == pairs[0][i]);
    if vp <= 0.0 || vt <= 0.0 || flat(0) || flat(1) {
        return None;
    }
    let r = moment(&|p, t| p * t) / (vp.sqrt() * vt.sqrt());
    r.is_finite().then(|| r.clamp(-1.0, 1.0))
}

/// An angle in `(-pi, pi]`.
fn wrap(angle: f64) -> f64 {
    let a = angle - TAU * (angle / TAU).round();
    if a <= -PI { a + TAU } else { a }
}

#[expect(clippy::cast_possible_truncation, reason = "pictures are float32")]
fn wrapped(angle: f32) -> f32 {
    wrap(f64::from(angle)) as f32
}

fn symmetric(v: f64) -> ColorRange {
    ColorRange { vmax: v, vmin: -v }
}

/// The central `shape` of an array, the start rounded down.
fn center<T>(a: ArrayView2<'_, T>, [rows, cols]: [usize; 2]) -> ArrayView2<'_, T> {
    let (r, c) = ((a.nrows() - rows) / 2, (a.ncols() - cols) / 2);
    a.slice_move(s![r..r + rows, c..c + cols])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::stitch;
    use crate::geometry::Position;
    use ndarray::Array3;
    use proptest::prelude::*;
    use ptyproof_testkit::tolerance::{
        F64_FITTED, F64_STEPS_8, F64_STEPS_64, F64_STEPS_512, assert_close,
    };

    #[test]
    fn errors_match_hand_calculation() {
        // law: p - t = (1, -2, 3) -> mae 2, rmse sqrt(14/3), max 3; NaN does not count
        let m = Metrics::of(
            [
                [2.0, 1.0],
                [0.0, 2.0],
                [6.0, 3.0],
                [f64::NAN, 1.0],
                [1.0, f64::INFINITY],
            ],
            Difference::Plain,
        );
        assert_eq!((m.count, m.mae, m.max_abs), (3, Some(2.0), Some(3.0)));
        assert_eq!(m.rmse, Some((14.0f64 / 3.0).sqrt()));
        // r: p about its mean 8/3, t about 2: cov 4/3, var_p 56/9, var_t 2/3
        let r = (4.0f64 / 3.0) / ((56.0f64 / 9.0).sqrt() * (2.0f64 / 3.0).sqrt());
        assert_close!(m.pearson_r.unwrap(), r, F64_STEPS_8);
        assert_eq!(Metrics::of([], Difference::Plain), Metrics::default());
    }

    #[test]
    fn flat_ground_truth_has_no_correlation() {
        let flat = Metrics::of((0..9).map(|i| [f64::from(i), 0.1]), Difference::Wrapped);
        assert_eq!(flat.pearson_r, None);
    }

    #[test]
    fn uncovered_pixel_sets_the_largest_error() {
        // law: max |pred - truth| over the whole crop >= max |truth| where nothing fell
        let truth = Array2::from_shape_fn((30, 30), |(r, c)| Complex32::new((r + c) as f32, 0.0));
        let o = Array3::from_elem((1, 8, 8), Complex32::new(1.0, 0.0));
        let s = stitch(o.view(), &[Position::new(15.0, 15.0)], 4).unwrap();
        let c = compare(&s, truth.view(), 1.0).unwrap();
        assert_eq!(c.metrics.shape, [4, 4]);
        assert_eq!(c.metrics.amplitude.color_range, symmetric(32.0));
        assert_eq!(c.metrics.phase.metrics.mae, Some(0.0));
        assert_eq!(c.metrics.phase.metrics.pearson_r, None);
        insta::assert_json_snapshot!(c.metrics);
    }

    #[test]
    fn nonfinite_ground_truth_is_refused() {
        let o = Array3::from_elem((1, 8, 8), Complex32::new(1.0, 0.0));
        let s = stitch(o.view(), &[Position::new(4.0, 4.0)], 4).unwrap();
        let mut truth = Array2::from_elem((8, 8), Complex32::new(1.0, 0.0));
        truth[[3, 5]].im = f32::NAN;
        let e = compare(&s, truth.view(), 1.0).unwrap_err();
        insta::assert_snapshot!(e, @"comparing with the ground truth: at object[3, 5]: got 1+NaNi, need finite values");
        assert!(compare(&s, Array2::zeros((0, 3)).view(), 1.0).is_err());
    }

    #[test]
    fn nan_canvas_is_excluded_without_error() {
        let o = Array3::from_elem((1, 8, 8), Complex32::new(f32::NAN, 0.0));
        let s = stitch(o.view(), &[Position::new(4.0, 4.0)], 4).unwrap();
        let truth = Array2::from_elem((8, 8), Complex32::new(1.0, 0.0));
        let c = compare(&s, truth.view(), 1.0).unwrap().metrics;
        assert_eq!(c.amplitude.metrics, Metrics::default());
        assert_eq!(c.registered.amplitude, Metrics::default());
        assert_eq!(
            (c.registered.covered_pixels, c.registered.non_finite),
            (16, 16)
        );
    }

    proptest! {
        #[test]
        fn error_measures_are_ordered(pairs in proptest::collection::vec([-5.0f64..5.0, -5.0f64..5.0], 1..60)) {
            // law: 0 <= mae <= rmse <= max_abs, |r| <= 1
            for d in [Difference::Plain, Difference::Wrapped] {
                let m = Metrics::of(pairs.clone(), d);
                let (mae, rmse, max) = (m.mae.unwrap(), m.rmse.unwrap(), m.max_abs.unwrap());
                let slack = 1.0 + F64_STEPS_64.absolute;
                prop_assert!(mae >= 0.0 && mae <= rmse * slack && rmse <= max * slack);
                prop_assert!(m.pearson_r.is_none_or(|r| r.abs() <= 1.0));
                prop_assert!(d == Difference::Plain || max <= PI);
            }
        }

        #[test]
        fn wrapping_shifts_by_multiples_of_2_pi(a in -50.0f64..50.0) {
            // law: wrap(a) in (-pi, pi], a - wrap(a) = 2 pi k
            let w = wrap(a);
            prop_assert!(w > -PI - F64_STEPS_512.absolute && w <= PI + F64_STEPS_512.absolute);
            let turns = (a - w) / TAU;
            assert_close!(turns, turns.round(), F64_STEPS_512);
        }

        #[test]
        fn correlation_is_scale_and_offset_invariant(
            pairs in proptest::collection::vec([-5.0f64..5.0, -5.0f64..5.0], 3..40), k in 0.1f64..10.0, b in -3.0f64..3.0,
        ) {
            // law: r(k p + b, t) = r(p, t) for k > 0
            let moved: Vec<_> = pairs.iter().map(|[p, t]| [k * p + b, *t]).collect();
            let (a, c) = (pearson(&pairs), pearson(&moved));
            if let (Some(a), Some(c)) = (a, c) {
                assert_close!(a, c, F64_FITTED);
            } else {
                prop_assert_eq!(a, c);
            }
        }
    }
}
