//! Streaming summary of one metric.

use serde::Serialize;

use super::metric_summary::MetricSummary;
use crate::json::Real;
use crate::judgment::Judgment;

/// Maximum share of its drop that a loss may regain before it counts as diverged. A fluctuating loss ends near the middle
/// of its range; a diverging loss ends near its maximum.
const MAX_REGAINED_SHARE: f64 = 0.9;

/// Maximum relative rise of a loss that never fell.
const MAX_RELATIVE_RISE: f64 = 0.01;

/// Where in a series: the index of the value, and epoch and step where the file names them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Place {
    pub(super) index: u64,
    pub(super) epoch: Option<f64>,
    pub(super) step: Option<u64>,
}

/// The running summary of a series, of constant size.
#[derive(Debug, Clone, Default)]
pub struct Fold {
    pub(super) count: u64,
    pub(super) missing: u64,
    /// Missing values since the last one, and where the first of them is.
    lost: u64,
    lost_from: Option<Place>,
    /// The longest run of missing values between two others.
    gap: u64,
    /// Missing values that were due, wherever they are.
    due: u64,
    last: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    highest: Option<f64>,
    /// The greatest finite value up to the least one.
    before: Option<f64>,
    last_finite: Option<f64>,
    /// The least finite value, and where.
    pub(super) least: Option<(f64, Place)>,
    /// The value after the least one.
    pub(super) after: Option<Place>,
    /// The first value that is not finite, and where.
    pub(super) bad: Option<(f64, Place)>,
}

/// A metric's summary with this project's additions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Folded {
    /// The reference's fields.
    #[serde(flatten)]
    pub summary: MetricSummary,
    /// The first value that is not finite: `NaN`, `Infinity` or `-Infinity`.
    pub first_nan_value: Option<Real>,
    /// Index of the least finite value (the first of equals).
    pub argmin: Option<u64>,
    /// Epoch of the least finite value, where the file names epochs.
    pub argmin_epoch: Option<Real>,
    /// Of a diverged loss: the index from which on it never reaches its minimum again.
    pub divergence_onset: Option<u64>,
    /// The epoch of that index.
    pub divergence_onset_epoch: Option<Real>,
    /// Values that were missing.
    pub missing: u64,
    /// Of those, the ones that were due and are not at its end: they are left out.
    pub left_out: u64,
    /// Of those, the ones at its end: a series that ends in missing values counts as not finite.
    pub missing_at_end: u64,
}

impl Folded {
    /// The outcome of its check: a series without values is undecided.
    pub fn judgment(&self) -> Judgment {
        if self.summary.has_nan {
            return Judgment::NonFinite;
        }
        // of a series that is mostly missing too little is known
        let most_missing = self.left_out > self.summary.count as u64;
        Judgment::holds(true, if most_missing { 0 } else { self.summary.count })
    }
}

impl Fold {
    /// Takes the next value, at `epoch` and `step` where they are known.
    pub fn push(&mut self, v: f64, epoch: Option<f64>, step: Option<u64>) {
        let place = Place {
            index: self.count + self.missing,
            epoch,
            step,
        };
        self.count += 1;
        self.gap = self.gap.max(self.lost);
        (self.lost, self.lost_from) = (0, None);
        self.last = Some(v);
        let fold = |m: Option<f64>, f: fn(f64, f64) -> f64| Some(m.map_or(v, |m| f(m, v)));
        (self.min, self.max) = (fold(self.min, f64::min), fold(self.max, f64::max));
        if !v.is_finite() {
            if self.bad.is_none() {
                self.bad = Some((v, place));
            }
        } else {
            self.highest = Some(self.highest.map_or(v, |h| h.max(v)));
            self.last_finite = Some(v);
            if self.least.is_none_or(|(m, _)| v < m) {
                self.least = Some((v, place));
                self.before = self.highest;
                self.after = None;
                return;
            }
        }
        if self.least.is_some() && self.after.is_none() {
            self.after = Some(place);
        }
    }

    /// Takes a place where no value is due: its row measured something else.
    pub fn skip(&mut self) {
        self.missing += 1;
    }

    /// Takes a place where a value is due and missing.
    pub fn missing(&mut self, epoch: Option<f64>, step: Option<u64>) {
        let index = self.count + self.missing;
        self.lost_from.get_or_insert(Place { index, epoch, step });
        self.missing += 1;
        self.lost += 1;
        self.due += 1;
    }

    /// Missing values that were due and are not at the end: these are left out.
    pub(super) fn left_out(&self) -> u64 {
        if self.count > 0 {
            self.due - self.lost
        } else {
            0
        }
    }

    /// The longest run of missing values between two others.
    pub(super) fn gap(&self) -> u64 {
        self.gap
    }

    /// Takes missing values at the end, so many at most, for the usual distance of two values.
    pub(super) fn ignore_missing(&mut self, usual: u64) {
        if self.lost <= usual {
            (self.lost, self.lost_from) = (0, None);
        }
    }

    /// Sets the epochs of the places that are kept, where `epoch` knows them.
    pub(super) fn name_epochs(&mut self, epoch: impl Fn(u64) -> Option<f64>) {
        for p in self.kept() {
            p.epoch = epoch(p.index);
        }
    }

    /// As [`Fold::name_epochs`], for steps.
    pub(super) fn name_steps(&mut self, step: impl Fn(u64) -> Option<u64>) {
        for p in self.kept() {
            p.step = step(p.index);
        }
    }

    /// The places whose epochs and steps matter.
    fn kept(&mut self) -> impl Iterator<Item = &mut Place> {
        [
            self.least.as_mut().map(|(_, p)| p),
            self.after.as_mut(),
            self.bad.as_mut().map(|(_, p)| p),
            self.lost_from.as_mut(),
        ]
        .into_iter()
        .flatten()
    }

    /// Their indices.
    pub(super) fn places(&mut self) -> Vec<u64> {
        self.kept().map(|p| p.index).collect()
    }

    /// The summary of the series; only a metric with `loss` in its `name` can diverge.
    pub fn finish(self, name: &str) -> Folded {
        let diverged = name.contains("loss")
            && match (self.before, self.least, self.last_finite) {
                (Some(before), Some((min, _)), Some(last)) => {
                    let fall = before - min;
                    let most = if fall > 0.0 {
                        MAX_REGAINED_SHARE * fall
                    } else {
                        MAX_RELATIVE_RISE * min.abs()
                    };
                    last - min > most
                }
                _ => false,
            };
        let onset = self.after.filter(|_| diverged);
        // of a series without any value nothing is known, and so nothing is not finite
        let lost = self.lost_from.filter(|_| self.count > 0);
        // values missing at the end count as NaN, which some programs write as null
        let first = self.bad.or(lost.map(|p| (f64::NAN, p)));
        let bad = first.map(|(_, p)| p);
        Folded {
            summary: MetricSummary {
                count: usize::try_from(self.count).unwrap_or(usize::MAX),
                last: self.last.map(Real),
                min: self.min.map(Real),
                max: self.max.map(Real),
                first_nan_step: bad.map(|p| p.step.unwrap_or(p.index)),
                first_nan_epoch: bad.and_then(|p| p.epoch).map(Real),
                has_nan: bad.is_some(),
            },
            first_nan_value: first.map(|(v, _)| Real(v)),
            argmin: self.least.map(|(_, p)| p.index),
            argmin_epoch: self.least.and_then(|(_, p)| p.epoch).map(Real),
            divergence_onset: onset.map(|p| p.index),
            divergence_onset_epoch: onset.and_then(|p| p.epoch).map(Real),
            missing: self.missing,
            left_out: self.left_out(),
            missing_at_end: if self.count > 0 { self.lost } else { 0 },
        }
    }
}
