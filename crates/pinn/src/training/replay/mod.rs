//! An operation of a training step, done again from its inputs: in float32 or float64, in either numerics.
//!
//! *Law.* In float32 and the numerics of the run, every node of [`super::trace`] comes out as the step made it, to the
//! bit (this room's tests). What Adam's moments were before the step is not kept: their operations give what
//! the step added.

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

use super::sentinel::Kept;

/// The numerics of that name, with the figures of the setting.
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

/// The operation's output from its inputs; complex values lie as pairs.
///
/// # Errors
/// If inputs are missing, or their shapes are not those of the operation.
pub fn replay<T: Kernels>(
    operation: &Operation,
    inputs: &[Kept],
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

/// The inputs on the table.
struct Bench<'a> {
    inputs: &'a [Kept],
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
