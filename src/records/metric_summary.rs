//! The summary of one metric.

use serde::{Deserialize, Serialize};

use crate::json::Real;

/// The summary of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricSummary {
    /// Number of values.
    pub count: usize,
    /// The last value; absent if there is none.
    pub last: Option<Real>,
    /// The least value that is not NaN.
    pub min: Option<Real>,
    /// The greatest value that is not NaN.
    pub max: Option<Real>,
    /// Step of the first value that is not finite.
    pub first_nan_step: Option<u64>,
    /// Epoch of the first value that is not finite.
    pub first_nan_epoch: Option<Real>,
    /// Whether any value is not finite.
    pub has_nan: bool,
}
