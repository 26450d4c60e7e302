//! A record of every optimizer step, so that the first bad one can be named.
//!
//! *Conventions.* Steps are counted over the whole run from 1, as Adam counts them; epochs from 0.
//! In the file each quantity is a column, in step order. `loss` is the batch's total, the two parts
//! are its plain means; `gradient_norm` and `update_norm` are Euclidean norms over all parameters;
//! `floored_pixels` counts detector pixels where a floor of the `guarded` numerics acted;
//! `non_finite_*` count values of the batch that are NaN or infinite.
//!
//! *Source.* This project; the reference keeps epochs only, where "step" is an index of epochs.

use crate::error::{Error, Result};
use crate::json::{self, Real};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The record of one optimizer step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StepRecord {
    /// Optimizer step, from 1 over the whole run.
    pub step: u64,
    /// Epoch, from 0.
    pub epoch: u64,
    /// Groups in the batch; the last batch of an epoch may be smaller.
    pub batch_size: u64,
    /// Total loss of the batch.
    pub loss: f64,
    /// Mean Poisson loss of the batch.
    pub pred_intensity_loss: f64,
    /// Mean absolute error of the amplitude, in square roots of counts.
    pub intensity_scaler_inv_loss: f64,
    /// Step size used.
    pub learning_rate: f64,
    /// Euclidean norm of the gradient over all parameters.
    pub gradient_norm: f64,
    /// Euclidean norm of the change of all parameters.
    pub update_norm: f64,
    /// Pixels where a floor acted.
    pub floored_pixels: u64,
    /// Values of the prediction that are not finite.
    pub non_finite_prediction: u64,
    /// Values of the gradient that are not finite.
    pub non_finite_gradient: u64,
    /// Parameters that are not finite after the step.
    pub non_finite_parameters: u64,
}

impl StepRecord {
    /// Whether something in the step was not finite.
    pub fn is_bad(&self) -> bool {
        let bad =
            self.non_finite_prediction + self.non_finite_gradient + self.non_finite_parameters;
        bad > 0 || !self.loss.is_finite()
    }
}

/// Where a record keeps the value of a column.
type Field<T> = fn(&mut StepRecord) -> &mut T;

/// The float columns in the order in which a step computes them: the first to go bad is the cause.
const REAL: [(&str, Field<f64>); 6] = [
    ("pred_intensity_loss", |r| &mut r.pred_intensity_loss),
    ("intensity_scaler_inv_loss", |r| {
        &mut r.intensity_scaler_inv_loss
    }),
    ("loss", |r| &mut r.loss),
    ("gradient_norm", |r| &mut r.gradient_norm),
    ("learning_rate", |r| &mut r.learning_rate),
    ("update_norm", |r| &mut r.update_norm),
];

/// The integer columns.
const COUNT: [(&str, Field<u64>); 6] = [
    ("epoch", |r| &mut r.epoch),
    ("batch_size", |r| &mut r.batch_size),
    ("floored_pixels", |r| &mut r.floored_pixels),
    ("non_finite_prediction", |r| &mut r.non_finite_prediction),
    ("non_finite_gradient", |r| &mut r.non_finite_gradient),
    ("non_finite_parameters", |r| &mut r.non_finite_parameters),
];

/// `history_steps.json`: one record per optimizer step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepHistory {
    /// The records, in the order in which they happened.
    pub records: Vec<StepRecord>,
}

/// A number of a column: counts stay integers, floats stay floats.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Cell {
    Count(u64),
    Real(Real),
}

#[derive(Serialize, Deserialize)]
struct Form {
    columns: BTreeMap<String, Vec<Cell>>,
    steps: Vec<u64>,
}

impl StepHistory {
    /// Appends a step.
    pub fn push(&mut self, record: StepRecord) {
        self.records.push(record);
    }

    /// Names of the float columns, in the order in which a step computes them.
    pub fn metrics() -> impl Iterator<Item = &'static str> {
        REAL.iter().map(|(name, _)| *name)
    }

    /// The float column `metric`, or nothing if there is no such column.
    pub fn column(&self, metric: &str) -> Option<Vec<f64>> {
        let (_, field) = REAL.iter().find(|(name, _)| *name == metric)?;
        Some(
            self.records
                .iter()
                .map(|r| *field(&mut r.clone()))
                .collect(),
        )
    }

    /// The first step whose `metric` is not finite.
    pub fn first_bad(&self, metric: &str) -> Option<&StepRecord> {
        let k = self.column(metric)?.iter().position(|v| !v.is_finite())?;
        self.records.get(k)
    }

    /// The last step of `epoch`.
    pub fn last_of(&self, epoch: f64) -> Option<u64> {
        let in_epoch = self.records.iter().filter(|r| r.epoch as f64 == epoch);
        in_epoch.map(|r| r.step).max()
    }

    /// The text of `history_steps.json`.
    ///
    /// # Errors
    /// None that a history can cause.
    pub fn to_text(&self) -> Result<String> {
        json::to_text(self)
    }

    /// Reads `history_steps.json`.
    ///
    /// # Errors
    /// If the text is not JSON of that form, a column is missing, or its length is not the number of
    /// steps.
    pub fn from_text(text: &str) -> Result<Self> {
        let form: Form = json::from_text(text)?;
        let mut records: Vec<StepRecord> = (form.steps.iter())
            .map(|&step| StepRecord {
                step,
                ..Default::default()
            })
            .collect();
        let bad = |name: &str, got: String, need: String| {
            Error::input("reading the step history")
                .at(format!("columns.{name}"))
                .got(got)
                .need(need)
        };
        let column = |name: &str| {
            let cells = form.columns.get(name);
            let cells = cells.ok_or_else(|| bad(name, "nothing".into(), "a column".into()))?;
            if cells.len() == form.steps.len() {
                Ok(cells)
            } else {
                let need = format!("{} (one per step)", form.steps.len());
                Err(bad(name, format!("{} values", cells.len()), need))
            }
        };
        for (name, field) in REAL {
            for (r, cell) in records.iter_mut().zip(column(name)?) {
                *field(r) = match cell {
                    Cell::Real(v) => v.0,
                    Cell::Count(n) => *n as f64,
                };
            }
        }
        for (name, field) in COUNT {
            for (r, cell) in records.iter_mut().zip(column(name)?) {
                *field(r) = match cell {
                    Cell::Count(n) => *n,
                    Cell::Real(v) => return Err(bad(name, v.to_string(), "a count".into())),
                };
            }
        }
        Ok(Self { records })
    }
}

impl Serialize for StepHistory {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        let mut records = self.records.clone();
        let mut columns = BTreeMap::new();
        for (name, field) in REAL {
            let cells = records.iter_mut().map(|r| Cell::Real(Real(*field(r))));
            columns.insert(name.to_string(), cells.collect());
        }
        for (name, field) in COUNT {
            let cells = records.iter_mut().map(|r| Cell::Count(*field(r)));
            columns.insert(name.to_string(), cells.collect());
        }
        let steps = records.iter().map(|r| r.step).collect();
        Form { columns, steps }.serialize(s)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn any_steps() -> impl Strategy<Value = StepHistory> {
        prop::collection::vec((any::<[f64; 6]>(), any::<[u64; 6]>(), any::<u64>()), 0..12).prop_map(
            |rows| {
                let record = |(reals, counts, step): ([f64; 6], [u64; 6], u64)| {
                    let mut r = StepRecord {
                        step,
                        ..Default::default()
                    };
                    for ((_, field), v) in REAL.iter().zip(reals) {
                        *field(&mut r) = v;
                    }
                    for ((_, field), n) in COUNT.iter().zip(counts) {
                        *field(&mut r) = n;
                    }
                    r
                };
                StepHistory {
                    records: rows.into_iter().map(record).collect(),
                }
            },
        )
    }

    #[test]
    fn short_column_is_refused() {
        let h = StepHistory {
            records: vec![StepRecord {
                step: 1,
                ..Default::default()
            }],
        };
        let text = h
            .to_text()
            .unwrap()
            .replace("\"steps\": [\n    1\n  ]", "\"steps\": [1, 2]");
        let e = StepHistory::from_text(&text).unwrap_err().to_string();
        assert!(e.contains("got 1 values, need 2"), "{e}");
    }

    proptest! {
        #[test]
        fn step_history_round_trips(h in any_steps()) {
            let text = h.to_text().unwrap();
            prop_assert!(!text.contains("null"));
            let back = StepHistory::from_text(&text).unwrap();
            prop_assert_eq!(back.to_text().unwrap(), text);
            for m in StepHistory::metrics() {
                let bits = |h: &StepHistory| -> Vec<Option<u64>> {
                    let value = |v: f64| (!v.is_nan()).then(|| v.to_bits());
                    h.column(m).unwrap().into_iter().map(value).collect()
                };
                prop_assert_eq!(bits(&back), bits(&h));
            }
        }
    }
}
