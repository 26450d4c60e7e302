//! Health of a training with finite numbers: divergence, dead units, saturated heads, growing steps.
//!
//! *Conventions.* All series have one value per epoch. A unit is a channel after a rectifier; it is dead if it is zero at
//! every pixel of every validation group (of the last batch, if there is none). A value of a head is saturated if its
//! activation is within [`SATURATION_MARGIN`] of a bound of its range: amplitude `ceiling sigmoid(a)` near 0 or the
//! ceiling, phase `pi tanh(b)` near `-pi` or `pi`; the share is of all values of the head. `update_norm` is the root mean
//! square over the epoch's steps of the Euclidean norm of the change, `parameter_norm` the norm of the weights after the
//! epoch, `probe_power` the sum of `|P|^2` over the masked probe (constant while no probe is trained).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::json::Real;
use crate::records::fold::Fold;
use crate::records::history::History;
use crate::records::steps::StepHistory;

/// The share of its range within which an activation is saturated.
pub const SATURATION_MARGIN: f64 = 1e-3;

/// Share of dead units of a layer above which a warning is given: a half is dead in good trainings.
const MAX_DEAD_SHARE: f64 = 0.75;

/// Share of saturated values of a head above which a warning is given.
const MAX_SATURATED_SHARE: f64 = 0.5;

/// Units of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Units {
    /// Units that are zero wherever one looks.
    pub dead: u64,
    /// All of them.
    pub of: u64,
}

/// Health of an epoch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EpochHealth {
    /// Per layer with a rectifier.
    pub units: BTreeMap<String, Units>,
    /// Per head: the share of values at a bound.
    pub pinned: BTreeMap<String, Real>,
    /// Norm of the weights.
    pub parameter_norm: Real,
    /// Sum of `|P|^2`.
    pub probe_power: Real,
}

/// Where a loss left its minimum behind: see [`super::telemetry`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Onset {
    /// Index of the minimum.
    pub argmin: Option<u64>,
    /// Index from which on it is never reached again.
    pub onset: u64,
    /// The epoch of that index.
    pub onset_epoch: Option<Real>,
}

/// Dead units of one layer, epoch by epoch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeadUnits {
    /// How many after each epoch.
    pub dead: Vec<u64>,
    /// How many units the layer has.
    pub of: u64,
}

/// The part of a summary about the health of a finite training.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Health {
    /// Per loss that ended having left its minimum behind.
    pub divergence: BTreeMap<String, Onset>,
    /// Per layer with a rectifier.
    pub dead_units: BTreeMap<String, DeadUnits>,
    /// Per head: the share of values at a bound.
    pub pinned: BTreeMap<String, Vec<Real>>,
    /// Root mean square of the steps' changes.
    pub update_norm: Vec<Real>,
    /// Norm of the weights.
    pub parameter_norm: Vec<Real>,
    /// Sum of `|P|^2`.
    pub probe_power: Vec<Real>,
}

impl Health {
    /// From the histories of a run and what its epochs left behind.
    pub fn of(history: &History, steps: &StepHistory, epochs: &[EpochHealth]) -> Self {
        let mut h = Self {
            divergence: divergence(history),
            ..Self::default()
        };
        for (k, v) in epochs.iter().enumerate() {
            for (layer, units) in &v.units {
                let entry = h.dead_units.entry(layer.clone()).or_default();
                entry.dead.push(units.dead);
                entry.of = units.of;
            }
            for (head, share) in &v.pinned {
                h.pinned.entry(head.clone()).or_default().push(*share);
            }
            let norms = steps.records.iter().filter(|r| r.epoch == k as u64);
            let (sum, count) = norms.fold((0.0, 0.0), |(s, n), r| {
                (s + r.update_norm * r.update_norm, n + 1.0)
            });
            h.update_norm.push(Real(f64::sqrt(sum / count)));
            h.parameter_norm.push(v.parameter_norm);
            h.probe_power.push(v.probe_power);
        }
        h
    }

    /// Warnings, a line each; none for a healthy training.
    pub fn warnings(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .divergence
            .iter()
            .map(|(name, o)| {
                let at = o.onset_epoch.map_or(o.onset as f64, Real::get);
                format!("{name} diverges: it stays above its minimum from epoch {at} on; take an earlier epoch or a smaller learning rate")
            })
            .collect();
        let last = |u: &DeadUnits| u.dead.last().copied().unwrap_or_default();
        let layers: Vec<String> = self
            .dead_units
            .iter()
            .filter(|(_, u)| u.of > 0 && last(u) as f64 >= MAX_DEAD_SHARE * u.of as f64)
            .map(|(layer, u)| format!("{} of {} in {layer}", last(u), u.of))
            .collect();
        if !layers.is_empty() {
            lines.push(format!(
                "dead units (zero at every pixel after the last epoch): {}; a smaller learning rate or another seed may keep them",
                layers.join(", ")
            ));
        }
        for (head, series) in &self.pinned {
            let share = series.last().map_or(0.0, |v| v.get());
            if share.is_nan() || share >= MAX_SATURATED_SHARE {
                lines.push(format!(
                    "{:.0} % of the {head} values are saturated at a bound after the last epoch; audit the scales of the run",
                    100.0 * share
                ));
            }
        }
        lines
    }
}

/// Per loss of a history that diverged: from where on.
fn divergence(history: &History) -> BTreeMap<String, Onset> {
    let mut found = BTreeMap::new();
    for (name, values) in &history.metrics {
        let mut fold = Fold::default();
        for (k, &v) in values.iter().enumerate() {
            fold.push(v, history.epochs.get(k).copied(), None);
        }
        let folded = fold.finish(name);
        if let Some(onset) = folded.divergence_onset {
            let onset = Onset {
                argmin: folded.argmin,
                onset,
                onset_epoch: folded.divergence_onset_epoch,
            };
            found.insert(name.clone(), onset);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::steps::StepRecord;

    fn history(losses: &[f64]) -> History {
        let mut h = History::default();
        for (k, &loss) in losses.iter().enumerate() {
            h.push(k as f64, [("loss", loss)]);
        }
        h
    }

    #[test]
    fn divergent_loss_has_an_onset_and_falling_loss_has_none() {
        let h = Health::of(
            &history(&[5.0, 1.0, 3.0, 9.0]),
            &StepHistory::default(),
            &[],
        );
        let o = h.divergence["loss"];
        assert_eq!(
            (o.argmin, o.onset, o.onset_epoch),
            (Some(1), 2, Some(Real(2.0)))
        );
        assert_eq!(
            h.warnings(),
            [
                "loss diverges: it stays above its minimum from epoch 2 on; take an earlier epoch or a smaller learning rate"
            ]
        );
        let well = Health::of(&history(&[5.0, 3.0, 2.0]), &StepHistory::default(), &[]);
        assert_eq!((well.divergence.len(), well.warnings().len()), (0, 0));
    }

    #[test]
    fn mostly_dead_layer_gives_a_warning() {
        let vitals = |dead, share| EpochHealth {
            units: [("encoder.conv1".to_owned(), Units { dead, of: 8 })].into(),
            pinned: [("phase".to_owned(), Real(share))].into(),
            parameter_norm: Real(2.0),
            probe_power: Real(400.0),
        };
        let record = |epoch, update_norm| StepRecord {
            epoch,
            update_norm,
            ..StepRecord::default()
        };
        let steps = StepHistory {
            records: vec![record(0, 3.0), record(0, 4.0), record(1, 2.0)],
        };
        let h = Health::of(
            &history(&[2.0, 1.0]),
            &steps,
            &[vitals(0, 0.1), vitals(6, 0.6)],
        );
        assert_eq!(
            h.dead_units["encoder.conv1"],
            DeadUnits {
                dead: vec![0, 6],
                of: 8
            }
        );
        assert_eq!(h.update_norm, [Real(12.5f64.sqrt()), Real(2.0)]);
        assert_eq!(h.pinned["phase"], [Real(0.1), Real(0.6)]);
        let warnings = h.warnings();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].contains("6 of 8 in encoder.conv1; "));
        assert!(warnings[1].contains("60 % of the phase values"));
    }
}
