//! A gate: a bound on a figure, and its outcome.
//!
//! *Law.* A gate passes only if its figure is finite and was computed from enough known pixels or patterns. Missing or
//! unknown figures and too few pixels are undecided; non-finite figures are reported as such.

use crate::json::Real;
use crate::judgment::Judgment;

use super::known::MIN_PIXELS;
use super::scores::{Scores, is_on_detector};

/// A bound on a figure of [`super::scores::GATES`].
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// The figure.
    pub figure: String,
    /// The bound, finite.
    pub bound: f64,
    /// Whether the figure must be at most that, or at least.
    pub most: bool,
}

/// The outcome of a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateResult {
    /// The outcome.
    pub judgment: Judgment,
    /// The figure and its bound.
    pub name: String,
    /// In a sentence: the figure, its bound and the number of values.
    pub message: String,
}

/// Minimum known share of the windows of a similarity: an unknown pixel excludes every window that contains it.
const MIN_WINDOW_SHARE: f64 = 0.5;

impl Gate {
    /// `nrmse at most 0.01`.
    pub fn name(&self) -> String {
        let side = if self.most { "at most" } else { "at least" };
        format!("{} {side} {}", self.figure, self.bound)
    }

    /// Judges the figure.
    pub fn judge(&self, scores: &Scores) -> GateResult {
        let gated = |judgment: Judgment, message: String| GateResult {
            judgment,
            name: self.name(),
            message: format!("{judgment}: {message}"),
        };
        let name = self.name();
        let undecided = |why: String| gated(Judgment::Undecided, format!("{name}: {why}"));
        let of = if is_on_detector(&self.figure) {
            match &scores.detector {
                None => return undecided("there are no patterns to compare with".into()),
                Some(d) if !d.is_known() => {
                    return undecided(format!(
                        "{} of {} non-zero patterns are on known pixels, a share of {:.4} in the center of the scan; required: {} there, and half of all",
                        d.patterns,
                        d.patterns + d.left_out,
                        d.known.get(),
                        d.known_at_least
                    ));
                }
                Some(d) => format!("{} of {} patterns", d.patterns, d.patterns + d.left_out),
            }
        } else {
            match &scores.fidelity {
                None => {
                    return undecided("there is no ground truth to compare with".into());
                }
                Some(f) if f.dark => {
                    return undecided("the ground truth is zero in the region".into());
                }
                Some(f) if !f.is_known() => {
                    return undecided(format!(
                        "{} of {} pixels of the region are known in both, a share of {:.4}; required: {}",
                        f.pixels,
                        f.region_pixels,
                        f.known.get(),
                        f.known_at_least
                    ));
                }
                Some(f) if f.pixels < MIN_PIXELS => {
                    return undecided(format!(
                        "{} pixels are too few: {MIN_PIXELS} are required",
                        f.pixels
                    ));
                }
                Some(f) => format!("{} of {} pixels", f.pixels, f.region_pixels),
            }
        };
        if let Some([windows, all]) = scores.windows(&self.figure)
            && (windows as f64) < MIN_WINDOW_SHARE * all as f64
        {
            return undecided(format!(
                "{windows} of {all} windows are known; a share of {MIN_WINDOW_SHARE} is required"
            ));
        }
        let Some(v) = scores.figure(&self.figure).map(Real::get) else {
            return undecided(
                "the region is too small for this figure, or an image is constant".to_owned(),
            );
        };
        // an exact image has an infinite signal-to-noise ratio, but an infinite error is not finite
        if v.is_nan() || (self.most && v.is_infinite()) {
            return gated(
                Judgment::NonFinite,
                format!("{name}: the figure is {v}, of {of}"),
            );
        }
        let holds = if self.most {
            v <= self.bound
        } else {
            v >= self.bound
        };
        let side = if self.most { "at most" } else { "at least" };
        let message = format!("{} {v:.6}, {side} {}, of {of}", self.figure, self.bound);
        // a figure of the finite values only is not conclusive
        if scores.has_events() {
            return gated(
                Judgment::NonFinite,
                format!("{message}; other values are not finite, as listed above"),
            );
        }
        gated(Judgment::holds(holds, 1), message)
    }
}
