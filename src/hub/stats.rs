//! `stats.json`: statistics of the reconstruction and its canvas.
//!
//! *Conventions.* Statistics skip NaN (not infinities) and are the population's; they are summed in
//! float64 in array order. Of an array with nothing but NaN they are NaN, of one with covered pixels
//! NaN and the others 0 they are 0: use `nan_count`. `required_canvas` is
//! `ceil(N + 2 max|offset|)` without parity; `axis_max_abs` is `[x, y]`.
//!
//! *Source.* Reference description, sections h and m. The reference's means are summed in float32.

use crate::json::Real;
use serde::{Deserialize, Serialize};

/// Statistics of one array.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArrayStats {
    /// Least value that is not NaN.
    pub min: Real,
    /// Greatest value that is not NaN.
    pub max: Real,
    /// Mean of the values that are not NaN.
    pub mean: Real,
    /// Population standard deviation of the values that are not NaN.
    pub std: Real,
    /// Values that are NaN.
    pub nan_count: usize,
}

impl ArrayStats {
    /// The statistics of `values`, taken in the order in which they come.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a f32, IntoIter: Clone>) -> Self {
        let all = values.into_iter();
        let kept = all.clone().filter(|v| !v.is_nan()).map(|&v| f64::from(v));
        let count = kept.clone().count();
        let mean = kept.clone().sum::<f64>() / count as f64; // 0/0 = NaN when nothing is kept
        let variance = kept.clone().map(|v| (v - mean).powi(2)).sum::<f64>() / count as f64;
        Self {
            min: Real(kept.clone().fold(f64::NAN, f64::min)),
            max: Real(kept.fold(f64::NAN, f64::max)),
            mean: Real(mean),
            std: Real(variance.sqrt()),
            nan_count: all.count() - count,
        }
    }
}

/// Statistics of the offsets of the groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OffsetStats {
    /// Greatest `|x|` and `|y|`, pixels.
    pub axis_max_abs: [Real; 2],
    /// The greater of the two.
    pub max_abs: Real,
}

impl OffsetStats {
    /// Of offsets `[x, y]` in pixels; NaN if one of them is, 0 if there is none.
    pub fn of(offsets: impl IntoIterator<Item = [f64; 2]>) -> Self {
        let most = |a: f64, b: f64| {
            if b.is_nan() || b.abs() > a {
                b.abs()
            } else {
                a
            }
        };
        let [x, y] = offsets
            .into_iter()
            .fold([0.0, 0.0], |m, o| [most(m[0], o[0]), most(m[1], o[1])]);
        Self {
            axis_max_abs: [Real(x), Real(y)],
            max_abs: Real(most(x, y)),
        }
    }
}

/// `stats.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Of the amplitude on the canvas.
    pub amplitude: ArrayStats,
    /// Of the phase on the canvas, radians.
    pub phase: ArrayStats,
    /// Of the offsets of the groups that were reassembled.
    pub offsets: OffsetStats,
    /// Side of the canvas that the run provides, pixels.
    pub padded_size: u64,
    /// Side that the offsets need, pixels; absent if they are not finite.
    pub required_canvas: Option<u64>,
    /// Whether that is enough.
    pub fits_canvas: bool,
}

impl Stats {
    /// Statistics of the arrays, and whether patches of side `patch` at these offsets fit.
    pub fn new(
        amplitude: ArrayStats,
        phase: ArrayStats,
        offsets: OffsetStats,
        patch: u64,
        padded_size: u64,
    ) -> Self {
        let required = (patch as f64 + 2.0 * offsets.max_abs.0).ceil();
        // 2^53: above it a float64 is no longer an exact count of pixels.
        let exact = required.is_finite() && required < 9_007_199_254_740_992.0;
        let required_canvas = exact.then_some(required as u64);
        Self {
            amplitude,
            phase,
            offsets,
            padded_size,
            required_canvas,
            fits_canvas: required_canvas.is_some_and(|r| r <= padded_size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nan_pixels_are_counted_and_zeroed() {
        // the reference's collapsed run of 2026-01-20T063500Z: nan_count 23065 and all else 0
        let s = ArrayStats::of(&[0.0, f32::NAN, 0.0]);
        assert_eq!((s.max, s.std, s.nan_count), (Real(0.0), Real(0.0), 1));
        let s = ArrayStats::of(&[f32::NAN]);
        assert!(s.max.0.is_nan() && s.mean.0.is_nan() && s.nan_count == 1);
    }

    #[test]
    fn required_canvas_matches_the_reference() {
        // stats.json of 2026-01-20T071800Z, gs1_ideal and gs2_ideal
        for (x, y, padded, want) in [
            (377.02992320243726, 381.8949744624406, 828, 828),
            (-376.3193180156394, 373.3114293734376, 822, 817),
        ] {
            let none = || ArrayStats::of(&[]);
            let o = OffsetStats::of([[x, 0.0], [1.0, -y]]);
            assert_eq!(o.axis_max_abs, [Real(x.abs()), Real(y)]);
            let s = Stats::new(none(), none(), o, 64, padded);
            assert_eq!((s.required_canvas, s.fits_canvas), (Some(want), true));
        }
    }

    #[test]
    fn nonfinite_offsets_do_not_fit() {
        let none = || ArrayStats::of(&[]);
        let o = OffsetStats::of([[f64::NAN, 1.0], [2.0, 3.0]]);
        assert!(o.max_abs.0.is_nan());
        let s = Stats::new(none(), none(), o, 64, u64::MAX);
        assert_eq!((s.required_canvas, s.fits_canvas), (None, false));
    }

    proptest! {
        #[test]
        fn mean_is_between_min_and_max(v in prop::collection::vec(-1e3f32..1e3, 1..200)) {
            // min - slack <= mean <= max + slack, slack = n eps max|v| (error of a plain sum)
            let s = ArrayStats::of(&v);
            let slack = v.len() as f64 * f64::EPSILON * 1e3;
            prop_assert!(s.min.0 - slack <= s.mean.0 && s.mean.0 <= s.max.0 + slack);
            prop_assert!(s.std.0 <= s.max.0 - s.min.0 + slack);
        }
    }
}
