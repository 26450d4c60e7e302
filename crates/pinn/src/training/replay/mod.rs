//! Replay of an operation of a training step from its inputs: in float32 or float64, in either numerics.
//!
//! *Law.* In float32 and the numerics of the run, the replay of every node of [`super::trace`] is bit-identical to the step
//! (see the tests of this module). The moments of Adam before the step are not saved: their operations give the added part.

mod fit;
mod network;
mod physics;
#[cfg(test)]
mod tests;

use num_complex::Complex;

use crate::physics::loss::Guard;
use crate::physics::merge::Weighting;
use crate::physics::object::{Combination, Gauge, Numerics};
use ptyproof::error::Result;
use ptyproof::records::event::{Operation, Setting};
use ptyproof_kernels::adam::{BETA1, BETA2, EPSILON};
use ptyproof_kernels::conv::{Arithmetic, Kernels};
use ptyproof_kernels::scalar::Scalar;

use super::sentinel::SavedTensor;

/// The numerics of that name, with the values of the setting.
pub fn numerics(setting: &Setting, name: &str) -> Numerics {
    match name {
        "reference" => Numerics::reference(),
        _ => Numerics {
            combination: Combination::Polar,
            ceiling: setting.guarded_ceiling,
            guard: Guard::Floor(setting.guarded_floor),
            arithmetic: Arithmetic::Fast,
            estimates: true,
            coverage: Weighting::Illumination,
            gauge: Gauge::PositiveMean,
        },
    }
}

/// The operation's output from its inputs; complex values are stored as pairs.
///
/// # Errors
/// If inputs are missing, or their shapes are not those of the operation.
pub fn replay<T: Kernels>(
    operation: &Operation,
    inputs: &[SavedTensor],
    setting: &Setting,
    numerics: Numerics,
) -> Result<Vec<T>> {
    let bench = Bench {
        inputs,
        setting,
        numerics,
    };
    bench.check(operation)?;
    Ok(match operation {
        Operation::Given => Vec::new(),
        Operation::FirstMoment | Operation::SecondMoment | Operation::Update { .. } => {
            bench.optimizer(operation)
        }
        Operation::Normalize
        | Operation::Convolution { .. }
        | Operation::LedConvolution { .. }
        | Operation::MaxPool
        | Operation::Upsample
        | Operation::Activate { .. }
        | Operation::ActivationGradient { .. }
        | Operation::OuterGradient { .. }
        | Operation::MaxPoolGradient
        | Operation::UpsampleGradient
        | Operation::InputGradient { .. }
        | Operation::WeightGradient { .. }
        | Operation::BiasGradient => bench.network(operation),
        _ => bench.physics(operation)?,
    })
}

/// The inputs of the replay.
struct Bench<'a> {
    inputs: &'a [SavedTensor],
    setting: &'a Setting,
    numerics: Numerics,
}

impl Bench<'_> {
    fn values<T: Scalar>(&self, k: usize) -> Vec<T> {
        self.inputs[k]
            .values
            .iter()
            .map(|&v| T::of(f64::from(v)))
            .collect()
    }

    fn complexes<T: Scalar>(&self, k: usize) -> Vec<Complex<T>> {
        let (pairs, _) = self.inputs[k].values.as_chunks::<2>();
        pairs
            .iter()
            .map(|[re, im]| Complex::new(T::of(f64::from(*re)), T::of(f64::from(*im))))
            .collect()
    }

    fn optimizer<T: Scalar>(&self, operation: &Operation) -> Vec<T> {
        let first: Vec<T> = self.values(0);
        match operation {
            Operation::FirstMoment => first.iter().map(|&g| g * T::of(1.0 - BETA1)).collect(),
            Operation::SecondMoment => {
                let share = T::of(1.0 - BETA2);
                first.iter().map(|&g| g * g * share).collect()
            }
            Operation::Update { rate } => {
                let (rate, epsilon) = (T::of(*rate), T::of(EPSILON));
                let pairs = first.iter().zip(self.values::<T>(1));
                pairs
                    .map(|(&m, v)| rate * m / (v.sqrt() + epsilon))
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}
