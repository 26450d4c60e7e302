//! Summary of a history, with the first number that is not finite: its metric, epoch and step.
//!
//! *Conventions.* `min` and `max` skip NaN but not infinities (NumPy's `nanmin`, `nanmax`; NaN when
//! there is nothing else), `last` is the last value whatever it is, `has_nan` means *not finite*. Of a
//! history alone, `first_nan_step` is the index in the metric's list, as in the reference. Where the
//! optimizer steps are known it is the true step: for a metric that each step measures, the step that
//! did it; for one that is measured after an epoch (`val_*`), the last step before the measurement.
//! `nan_overview.first` is ours and exists only if something is not finite.
//!
//! *Source.* Reference description, section m, and its published hubs of January 2026.

pub use super::metric_summary::MetricSummary;
pub use crate::hub::overview::{FirstNan, NanOverview, NanPlace};
use crate::json::Real;
use crate::records::health::{EpochHealth, Health};
use crate::records::history::History;
use crate::records::steps::StepHistory;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `history_summary.json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Per metric of the history.
    pub metrics: BTreeMap<String, MetricSummary>,
    /// Values that are not finite.
    pub nan_overview: NanOverview,
    /// Health of a finite training; only for runs of this program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

impl Summary {
    /// The summary of an epoch history by the reference's rule: steps are indices of its lists.
    pub fn of(history: &History) -> Self {
        Self::build(history, |name, k| {
            let epoch = history.epochs.get(k).copied();
            (epoch, Some(k as u64), order(name))
        })
    }

    /// The summary of a run whose optimizer steps are known: steps are true steps.
    pub fn of_run(history: &History, steps: &StepHistory) -> Self {
        let mut s = Self::build(history, |name, k| {
            let per_step = if name == "train_loss" { "loss" } else { name };
            if let Some(r) = steps.first_bad(per_step) {
                return (Some(r.epoch as f64), Some(r.step), order(name));
            }
            let epoch = history.epochs.get(k).copied();
            (epoch, epoch.and_then(|e| steps.last_of(e)), order(name))
        });
        // A step may go bad in a quantity that has no epoch mean, or in an epoch that never ended.
        let earliest = StepHistory::metrics()
            .filter_map(|m| steps.first_bad(m).map(|r| (r.step, order(m), m, r.epoch)))
            .min_by_key(|&(step, order, _, _)| (step, order));
        if let Some((step, _, metric, epoch)) = earliest {
            let value = steps
                .column(metric)
                .and_then(|c| c.into_iter().find(|v| !v.is_finite()));
            let at = s.nan_overview.first.as_ref().and_then(|f| f.step);
            if at.is_none_or(|at| step <= at) {
                s.nan_overview.has_nan = true;
                s.nan_overview.first = Some(FirstNan {
                    metric: metric.into(),
                    epoch: Some(Real(epoch as f64)),
                    step: Some(step),
                    value: Real(value.unwrap_or(f64::NAN)),
                });
            }
        }
        for m in StepHistory::metrics() {
            if let Some(r) = steps.first_bad(m) {
                let place = NanPlace {
                    first_nan_epoch: Some(Real(r.epoch as f64)),
                    first_nan_step: Some(r.step),
                };
                s.nan_overview.metrics.entry(m.into()).or_insert(place);
            }
        }
        s
    }

    /// Adds the health of the training.
    pub fn with_health(
        mut self,
        history: &History,
        steps: &StepHistory,
        epochs: &[EpochHealth],
    ) -> Self {
        self.health = Some(Health::of(history, steps, epochs));
        self
    }

    /// `place` gives epoch, step and rank of the first bad value of a metric, from its index.
    fn build(
        history: &History,
        place: impl Fn(&str, usize) -> (Option<f64>, Option<u64>, usize),
    ) -> Self {
        let mut s = Self::default();
        let mut first: Option<((u64, usize), FirstNan)> = None;
        for (name, values) in &history.metrics {
            let bad = values.iter().position(|v| !v.is_finite());
            let at = bad.map(|k| place(name, k));
            let (epoch, step) = at.map_or((None, None), |(e, s, _)| (e.map(Real), s));
            let fold = |f: fn(f64, f64) -> f64| {
                let least = values.iter().copied().fold(f64::NAN, f); // NaN only if all are
                (!values.is_empty()).then_some(Real(least))
            };
            s.metrics.insert(
                name.clone(),
                MetricSummary {
                    count: values.len(),
                    last: values.last().copied().map(Real),
                    min: fold(f64::min),
                    max: fold(f64::max),
                    first_nan_step: step,
                    first_nan_epoch: epoch,
                    has_nan: bad.is_some(),
                },
            );
            let (Some(k), Some((_, _, rank))) = (bad, at) else {
                continue;
            };
            s.nan_overview.metrics.insert(
                name.clone(),
                NanPlace {
                    first_nan_epoch: epoch,
                    first_nan_step: step,
                },
            );
            let when = (step.unwrap_or(u64::MAX), rank);
            if first.as_ref().is_none_or(|(t, _)| when < *t) {
                let metric = name.clone();
                first = Some((
                    when,
                    FirstNan {
                        metric,
                        epoch,
                        step,
                        value: Real(values[k]),
                    },
                ));
            }
        }
        s.nan_overview.has_nan = first.is_some();
        s.nan_overview.first = first.map(|(_, f)| f);
        s
    }

    /// One warning line per metric that is not finite, and the health warnings, for the terminal and the log.
    pub fn warnings(&self) -> Vec<String> {
        let line = |(name, p): (&String, &NanPlace)| {
            let mut line = format!("metric {name} is not finite");
            if let Some(epoch) = p.first_nan_epoch {
                line += &format!(" from epoch {}", epoch.0);
            }
            if let Some(step) = p.first_nan_step {
                line += &format!(", step {step} on");
            }
            line + "; its course is in the history"
        };
        let warnings = self.health.iter().flat_map(Health::warnings);
        let bad = self.nan_overview.metrics.iter().map(line);
        bad.chain(warnings).collect()
    }
}

/// Rank of a metric within a step, in the order of computation.
pub(super) fn order(name: &str) -> usize {
    let computed = StepHistory::metrics().position(|m| m == name);
    computed.unwrap_or(if name.starts_with("val_") { 101 } else { 100 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{from_text, to_text};
    use crate::records::history::tests::any_history;
    use crate::records::steps::StepRecord;
    use crate::records::steps::tests::any_steps;
    use proptest::prelude::*;

    fn history(losses: &[f64]) -> History {
        let mut h = History::default();
        for (k, &loss) in losses.iter().enumerate() {
            h.push(k as f64, [("loss", loss), ("val_loss", -loss)]);
        }
        h
    }

    #[test]
    fn first_nonfinite_value_is_named_by_index() {
        let s = Summary::of(&history(&[3.0, f64::INFINITY, f64::NAN, 1.0]));
        let m = &s.metrics["loss"];
        assert_eq!(
            (m.first_nan_step, m.first_nan_epoch),
            (Some(1), Some(Real(1.0)))
        );
        assert_eq!((m.min, m.max), (Some(Real(1.0)), Some(Real(f64::INFINITY))));
        let f = s.nan_overview.first.unwrap();
        assert_eq!((f.metric.as_str(), f.value), ("loss", Real(f64::INFINITY)));
    }

    #[test]
    fn event_names_the_true_step_and_first_quantity() {
        let record = |step: u64, gradient_norm: f64, loss: f64| StepRecord {
            step,
            epoch: (step - 1) / 3,
            gradient_norm,
            loss,
            pred_intensity_loss: loss,
            ..Default::default()
        };
        let steps = StepHistory {
            records: vec![
                record(1, 1.0, 1.0),
                record(2, 1.0, 1.0),
                record(3, 1.0, 1.0),
                record(4, f64::NAN, f64::INFINITY),
                record(5, f64::NAN, f64::NAN),
                record(6, f64::NAN, f64::NAN),
            ],
        };
        let s = Summary::of_run(&history(&[1.0, f64::NAN]), &steps);
        let loss = &s.metrics["loss"];
        assert_eq!(
            (loss.first_nan_step, loss.first_nan_epoch),
            (Some(4), Some(Real(1.0)))
        );
        assert_eq!(s.metrics["val_loss"].first_nan_step, Some(6));
        assert_eq!(
            s.nan_overview.metrics["gradient_norm"].first_nan_step,
            Some(4)
        );
        let f = s.nan_overview.first.clone().unwrap();
        assert_eq!(
            (f.metric.as_str(), f.step),
            ("pred_intensity_loss", Some(4))
        );
        assert_eq!(f.value, Real(f64::INFINITY));
        assert_eq!(s.warnings().len(), 5 - 1);
    }

    #[test]
    fn unfinished_epoch_has_its_event() {
        let bad = StepRecord {
            step: 2,
            loss: f64::NAN,
            ..Default::default()
        };
        let s = Summary::of_run(&History::default(), &StepHistory { records: vec![bad] });
        assert!(s.nan_overview.has_nan);
        let f = s.nan_overview.first.unwrap();
        assert_eq!(
            (f.epoch, f.step, f.metric.as_str()),
            (Some(Real(0.0)), Some(2), "loss")
        );
    }

    #[test]
    fn empty_metric_is_absent() {
        let mut h = History::default();
        h.metrics.insert("loss".into(), vec![]);
        let m = &Summary::of(&h).metrics["loss"];
        assert_eq!((m.count, m.last, m.min, m.has_nan), (0, None, None, false));
    }

    proptest! {
        #[test]
        fn last_value_is_between_min_and_max(h in any_history()) {
            // min <= last <= max unless last is NaN; first bad index < count; has_nan <=> there is one
            for (name, m) in &Summary::of(&h).metrics {
                prop_assert_eq!(m.count, h.metrics[name].len());
                prop_assert_eq!(m.has_nan, h.metrics[name].iter().any(|v| !v.is_finite()));
                if let Some(last) = m.last.filter(|l| !l.0.is_nan()) {
                    let (min, max) = (m.min.unwrap(), m.max.unwrap());
                    prop_assert!(min.0 <= last.0 && last.0 <= max.0);
                }
                if let Some(k) = m.first_nan_step {
                    let k = usize::try_from(k).unwrap();
                    prop_assert!(!h.metrics[name][k].is_finite());
                    prop_assert!(h.metrics[name][..k].iter().all(|v| v.is_finite()));
                }
            }
        }

        #[test]
        fn overview_names_exactly_the_nonfinite_metrics(h in any_history()) {
            let s = Summary::of(&h);
            let bad: Vec<_> = s.metrics.iter().filter(|(_, m)| m.has_nan).map(|(n, _)| n).collect();
            prop_assert_eq!(s.nan_overview.metrics.keys().collect::<Vec<_>>(), bad);
            prop_assert_eq!(s.nan_overview.has_nan, s.nan_overview.first.is_some());
            prop_assert_eq!(s.warnings().len(), s.nan_overview.metrics.len());
        }

        #[test]
        fn summary_round_trips(h in any_history(), steps in any_steps()) {
            let s = Summary::of_run(&h, &steps);
            prop_assert_eq!(from_text::<Summary>(&to_text(&s).unwrap()).unwrap(), s);
        }
    }
}
