//! A training history: one list of numbers per metric, finite or not.
//!
//! *Conventions.* `epochs[k]` is the number of the epoch (from 0) that `metrics[name][k]` belongs to.
//! Metric names and meanings are those of the reference: `loss`, `pred_intensity_loss`,
//! `intensity_scaler_inv_loss`, `trimmed_obj_loss`, `learning_rate`, `train_loss` (a copy of `loss`),
//! and `val_*` for the validation part. A metric may have fewer values than there are epochs when a
//! run broke off; nothing is padded.
//!
//! *Source.* Reference description, sections j (history keys) and m (`history.json`).
//!
//! ```
//! use ptyproof::records::history::History;
//! let mut h = History::default();
//! h.push(0.0, [("loss", 2.0)]);
//! h.push(1.0, [("loss", f64::NAN)]);
//! let text = h.to_text().unwrap();
//! assert!(text.contains("\"NaN\"") && !text.contains("null"));
//! assert!(History::from_text(&text).unwrap().metrics["loss"][1].is_nan());
//! ```

use crate::error::Result;
use crate::json::{self, reals};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `history.json`: the epochs and, per metric, one number for each of them.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Epoch numbers, from 0.
    pub epochs: Vec<f64>,
    /// Values per metric, in epoch order.
    pub metrics: BTreeMap<String, Vec<f64>>,
}

/// The file's form; a text without `epochs` is read as one that has none, as the reference writes it.
#[derive(Serialize, Deserialize)]
struct Form {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    epochs: Vec<json::Real>,
    metrics: BTreeMap<String, Vec<json::Real>>,
}

impl History {
    /// Appends an epoch.
    pub fn push<'a>(&mut self, epoch: f64, values: impl IntoIterator<Item = (&'a str, f64)>) {
        self.epochs.push(epoch);
        for (name, v) in values {
            self.metrics.entry(name.into()).or_default().push(v);
        }
    }

    /// Whether both have equal numbers; NaN equals NaN.
    pub fn same(&self, other: &Self) -> bool {
        let (a, b) = (self.form(), other.form());
        a.epochs == b.epochs && a.metrics == b.metrics
    }

    /// The text of `history.json`.
    ///
    /// # Errors
    /// None that a history can cause.
    pub fn to_text(&self) -> Result<String> {
        json::to_text(&self.form())
    }

    /// Reads `history.json`, ours or the reference's.
    ///
    /// # Errors
    /// If the text is not JSON of that form.
    pub fn from_text(text: &str) -> Result<Self> {
        let f: Form = json::from_text(text)?;
        let plain = |v: Vec<json::Real>| v.into_iter().map(json::Real::get).collect();
        Ok(Self {
            epochs: plain(f.epochs),
            metrics: f.metrics.into_iter().map(|(k, v)| (k, plain(v))).collect(),
        })
    }

    fn form(&self) -> Form {
        Form {
            epochs: reals(self.epochs.iter().copied()),
            metrics: (self.metrics.iter())
                .map(|(k, v)| (k.clone(), reals(v.iter().copied())))
                .collect(),
        }
    }
}

impl Serialize for History {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        self.form().serialize(s)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any history: a few metrics with any floats, some shorter than the epochs.
    pub(crate) fn any_history() -> impl Strategy<Value = History> {
        let metric = ("[a-z_]{1,12}", prop::collection::vec(any::<f64>(), 0..8));
        (0..8u32, prop::collection::vec(metric, 0..5)).prop_map(|(n, metrics)| History {
            epochs: (0..n).map(f64::from).collect(),
            metrics: metrics.into_iter().collect(),
        })
    }

    #[test]
    fn empty_history_is_read() {
        let h = History::from_text("{\"metrics\": {\"loss\": [1, NaN]}}").unwrap();
        assert!(h.epochs.is_empty());
        assert!(h.metrics["loss"][1].is_nan());
    }

    proptest! {
        #[test]
        fn history_round_trips(h in any_history()) {
            let text = h.to_text().unwrap();
            prop_assert!(!text.contains("null"));
            let back = History::from_text(&text).unwrap();
            prop_assert!(back.same(&h));
            prop_assert_eq!(back.to_text().unwrap(), text); // and the bytes are stable
        }
    }
}
