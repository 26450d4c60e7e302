//! The first non-finite number of a training: its tensor, operation, inputs and cause.
//!
//! *Law.* Tensors are checked in the order of their computation, so the first bad one either has finite inputs (its
//! operation *produced* the number) or is an input (data, parameters).
//!
//! *Conventions.* An index is `n` (group of the batch), `y`, `x` (row and column, far fields with the zero
//! frequency in the center, so that the Nyquist row and column have index 0) and `c` (channel). Weights have the
//! axes of their tensor: `ky, kx, in, out`. Complex tensors count real and imaginary parts one by one.
//!
//! *Source.* Reproduction notes, "Root cause of the gs1 collapse".

mod cause;
mod operation;
mod text;

pub use cause::{Cause, FailureContext, ZeroPixels, explain};
pub use operation::{Operation, Stage};

use serde::{Deserialize, Serialize};

use crate::finite::Census;
use crate::json::Real;

/// The version of the schema of [`Event`].
pub const SCHEMA: &str = "ptyproof.nonfinite_event/1";

/// Statistics of one tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TensorStats {
    /// Its name, such as `physics.amplitude` or `network.encoder.conv3.weight.grad`.
    pub tensor: String,
    /// Its extent along each axis.
    pub shape: Vec<usize>,
    /// Values that are not a number.
    pub nan: usize,
    /// Values that are `+inf`.
    pub pos_inf: usize,
    /// Values that are `-inf`.
    pub neg_inf: usize,
    /// The smallest finite value.
    pub min: Real,
    /// The largest finite value.
    pub max: Real,
    /// Euclidean norm of the finite values.
    pub norm: Real,
    /// Values that are exactly zero.
    pub zeros: usize,
}

impl TensorStats {
    /// The numbers of `values`; of nothing finite, `min` and `max` are NaN.
    pub fn of(tensor: &str, shape: &[usize], values: &[f32]) -> Self {
        let census = Census::of(values.iter().map(|&v| f64::from(v)));
        let (mut min, mut max, mut squares, mut zeros) = (f64::NAN, f64::NAN, 0.0, 0);
        for v in values.iter().map(|&v| f64::from(v)) {
            if v.is_finite() {
                // `min` and `max` of numbers pass over a NaN
                (min, max) = (min.min(v), max.max(v));
                squares += v * v;
                zeros += usize::from(v == 0.0);
            }
        }
        Self {
            tensor: tensor.to_owned(),
            shape: shape.to_vec(),
            nan: census.nan,
            pos_inf: census.pos_inf,
            neg_inf: census.neg_inf,
            min: Real(min),
            max: Real(max),
            norm: Real(squares.sqrt()),
            zeros,
        }
    }

    /// How many values are not finite.
    pub fn non_finite(&self) -> usize {
        self.nan + self.pos_inf + self.neg_inf
    }
}

/// One tensor of the step, and whether its bad values were produced there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrailEntry {
    /// The tensor.
    pub tensor: String,
    /// Values that are not finite.
    pub non_finite: usize,
    /// Values in all.
    pub count: usize,
    /// Whether an input of its operation was not finite either.
    pub propagated: bool,
}

/// A group of the batch: the positions of its patterns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its number among the training groups.
    pub group: usize,
    /// Its patterns, by number in the training half.
    pub patterns: Vec<usize>,
    /// Scan positions `[x, y]` of the patterns, in object pixels.
    pub positions: Vec<[Real; 2]>,
}

/// A setting of the operation besides tensors; together they suffice to replay it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// `reference` or `guarded`: what the run used.
    pub numerics: String,
    /// Side of the patterns.
    pub side: usize,
    /// Factor from normalized to model amplitude.
    pub scale: f64,
    /// The share of one pixel in the mean loss.
    pub weight: f64,
    /// The guarded numerics' largest amplitude.
    pub guarded_ceiling: f64,
    /// The guarded numerics' floor under the intensity, counts.
    pub guarded_floor: f64,
}

/// The event, as stored in `nonfinite_event.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// [`SCHEMA`].
    pub schema: String,
    /// The first tensor that is not finite.
    pub tensor: String,
    /// The part of the step that made it.
    pub stage: Stage,
    /// The operation that made it.
    pub operation: Operation,
    /// Whether the operation made the number itself: all its inputs are finite.
    pub produced: bool,
    /// The physical class of the cause.
    pub cause: Cause,
    /// The cause in a sentence, with its figures.
    pub explanation: String,
    /// The input that is to blame, if one is.
    pub culprit: Option<ZeroPixels>,
    /// Epoch, from 0.
    pub epoch: u64,
    /// Step of the training, from 1.
    pub step: u64,
    /// Names of the tensor's axes.
    pub axes: String,
    /// Index of the first bad value, one number per axis.
    pub index: Vec<usize>,
    /// That value: one of `NaN`, `Infinity`, `-Infinity`.
    pub value: Real,
    /// The tensor itself.
    pub output: TensorStats,
    /// The inputs of the operation.
    pub inputs: Vec<TensorStats>,
    /// Every tensor of the step that is not finite, in the order of the step.
    pub trail: Vec<TrailEntry>,
    /// Tensors that were looked at.
    pub tensors: usize,
    /// The batch.
    pub members: Vec<Member>,
    /// The 2-norm of the update before, over that of the parameters; absent in the first step.
    pub update_ratio_before: Option<Real>,
    /// Seed of the run.
    pub seed: u64,
    /// Hash of everything that decides the training.
    pub configuration_hash: String,
    /// Parameters of the operation.
    pub setting: Setting,
    /// The file beside this one with the operation's inputs and output. Of tensors with an axis `n` it holds the
    /// group of the first bad value alone.
    pub saved: String,
}
