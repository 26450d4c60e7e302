//! One metric, folded value by value.

use serde::Serialize;

use super::super::summary::MetricSummary;
use crate::ground::json::Real;

/// How much of its fall a loss may climb again before it counts as divergence: nine tenths. Values that
/// only wander have their minimum at the foot of the same range as all others, and end near its middle;
/// a loss that runs away ends as high as it ever was.
const LOST: f64 = 0.9;

/// A loss that was least at first has no fall to measure by: it must climb by so much of its size.
const NO_FALL: f64 = 0.01;

/// Where in a series: the index of the value, and epoch and step where the file names them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Place {
    pub(super) index: u64,
    pub(super) epoch: Option<f64>,
    pub(super) step: Option<u64>,
}

/// What is kept of a series while it is read: a few numbers, whatever its length.
#[derive(Debug, Clone, Default)]
pub struct Fold {
    pub(super) count: u64,
    pub(super) missing: u64,
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
    /// Of a loss that ended having climbed again more than nine tenths of its fall: the index from
    /// which on it never saw its minimum again.
    pub divergence_onset: Option<u64>,
    /// The epoch of that index.
    pub divergence_onset_epoch: Option<Real>,
    /// Values that were missing.
    pub missing: u64,
}

impl Fold {
    /// Takes the next value, at `epoch` and `step` where they are known.
    pub fn push(&mut self, v: f64, epoch: Option<f64>, step: Option<u64>) {
        let place = Place {
            index: self.count,
            epoch,
            step,
        };
        self.count += 1;
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

    /// Takes a place without a value.
    pub fn skip(&mut self) {
        self.missing += 1;
    }

    /// Sets the epochs of the places that are kept, where `epoch` knows them.
    pub(super) fn name_epochs(&mut self, epoch: impl Fn(u64) -> Option<f64>) {
        let places = [
            self.least.as_mut().map(|(_, p)| p),
            self.after.as_mut(),
            self.bad.as_mut().map(|(_, p)| p),
        ];
        for p in places.into_iter().flatten() {
            p.epoch = epoch(p.index);
        }
    }

    /// As [`Fold::name_epochs`], for steps.
    pub(super) fn name_steps(&mut self, step: impl Fn(u64) -> Option<u64>) {
        let places = [
            self.least.as_mut().map(|(_, p)| p),
            self.after.as_mut(),
            self.bad.as_mut().map(|(_, p)| p),
        ];
        for p in places.into_iter().flatten() {
            p.step = step(p.index);
        }
    }

    /// The indices whose epochs and steps matter.
    pub(super) fn places(&self) -> impl Iterator<Item = u64> {
        let least = self.least.map(|(_, p)| p.index);
        let bad = self.bad.map(|(_, p)| p.index);
        [least, self.after.map(|p| p.index), bad]
            .into_iter()
            .flatten()
    }

    /// What the series came to; only a metric whose `name` says loss can diverge.
    pub fn finish(self, name: &str) -> Folded {
        let diverged = name.contains("loss")
            && match (self.before, self.least, self.last_finite) {
                (Some(before), Some((min, _)), Some(last)) => {
                    let fall = before - min;
                    let most = if fall > 0.0 {
                        LOST * fall
                    } else {
                        NO_FALL * min.abs()
                    };
                    last - min > most
                }
                _ => false,
            };
        let onset = self.after.filter(|_| diverged);
        let bad = self.bad.map(|(_, p)| p);
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
            first_nan_value: self.bad.map(|(v, _)| Real(v)),
            argmin: self.least.map(|(_, p)| p.index),
            argmin_epoch: self.least.and_then(|(_, p)| p.epoch).map(Real),
            divergence_onset: onset.map(|p| p.index),
            divergence_onset_epoch: onset.and_then(|p| p.epoch).map(Real),
            missing: self.missing,
        }
    }
}
