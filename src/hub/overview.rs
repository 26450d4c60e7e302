//! The NaN overview: metrics that are not finite, their first place, and the first of them.
//!
//! *Conventions.* It is part of `history_summary.json` and, so that nobody has to open that, of
//! `run_metadata.json`. *Not finite* is NaN or an infinity.
//!
//! *Source.* Reference description, section m; mission, requirement 5. `first` is ours.

use crate::json::Real;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where one metric stopped being finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NanPlace {
    /// Its epoch, where known.
    pub first_nan_epoch: Option<Real>,
    /// Its step.
    pub first_nan_step: Option<u64>,
}

/// The first value of the whole run that is not finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FirstNan {
    /// The metric.
    pub metric: String,
    /// Its epoch, where known.
    pub epoch: Option<Real>,
    /// Its step.
    pub step: Option<u64>,
    /// The value: NaN or an infinity.
    pub value: Real,
}

/// Which metrics are not finite, and since when.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NanOverview {
    /// Whether any metric is not finite somewhere.
    pub has_nan: bool,
    /// The metrics that are not.
    pub metrics: BTreeMap<String, NanPlace>,
    /// The first of all of them; absent when everything is finite, and in the reference's files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<FirstNan>,
}
