//! A bound on a figure, and what came of it.
//!
//! *Law.* A gate holds only if its figure was taken: of enough known pixels or patterns, and finite. What is missing, unknown or
//! of too few pixels cannot be judged; what is not finite is said to be so.

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

/// What a gate came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gated {
    /// How it ended.
    pub judgment: Judgment,
    /// The figure and its bound.
    pub name: String,
    /// In a sentence: what was looked at, and how many values that were.
    pub says: String,
}

/// Share of the windows of a similarity that must be known: a hole takes away each window that it touches.
const MIN_WINDOWS: f64 = 0.5;

impl Gate {
    /// `nrmse at most 0.01`.
    pub fn name(&self) -> String {
        let side = if self.most { "at most" } else { "at least" };
        format!("{} {side} {}", self.figure, self.bound)
    }

    /// Looks at the figure.
    pub fn judge(&self, scores: &Scores) -> Gated {
        let gated = |judgment: Judgment, says: String| Gated {
            judgment,
            name: self.name(),
            says: format!("{judgment}: {says}"),
        };
        let name = self.name();
        let undecided = |why: String| gated(Judgment::Undecided, format!("{name}: {why}"));
        let of = if is_on_detector(&self.figure) {
            match &scores.detector {
                None => return undecided("there are no patterns that it could be taken on".into()),
                Some(d) if !d.is_known() => {
                    return undecided(format!(
                        "{} of {} patterns with light lie on what is known, {:.4} of those in the middle of the scan; {} of these \
                         and half of all are needed",
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
                    return undecided("there is no truth that it could be taken against".into());
                }
                Some(f) if f.dark => {
                    return undecided("the truth has no light in the region".into());
                }
                Some(f) if !f.is_known() => {
                    return undecided(format!(
                        "{} of {} pixels of the region are known in both, {:.4} of them, and {} are needed",
                        f.pixels,
                        f.region_pixels,
                        f.known.get(),
                        f.known_at_least
                    ));
                }
                Some(f) if f.pixels < MIN_PIXELS => {
                    return undecided(format!(
                        "{} pixels are too few to say anything, {MIN_PIXELS} are needed",
                        f.pixels
                    ));
                }
                Some(f) => format!("{} of {} pixels", f.pixels, f.region_pixels),
            }
        };
        if let Some([windows, all]) = scores.windows(&self.figure)
            && (windows as f64) < MIN_WINDOWS * all as f64
        {
            return undecided(format!(
                "{windows} of {all} windows are known, and {MIN_WINDOWS} of them are needed"
            ));
        }
        let Some(v) = scores.figure(&self.figure).map(Real::get) else {
            return undecided("the region is too small for it, or an image is constant".to_owned());
        };
        // an image without any error has an infinite signal-to-noise ratio; no error is infinite
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
        let says = format!("{} {v:.6}, {side} {}, of {of}", self.figure, self.bound);
        // a figure of what is left, where something is not finite, is no answer
        if scores.has_events() {
            return gated(
                Judgment::NonFinite,
                format!("{says}; and something is not finite, as said above"),
            );
        }
        gated(Judgment::holds(holds, 1), says)
    }
}
