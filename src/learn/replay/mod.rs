//! An operation of a training step, done again from its inputs: in float32 or float64, in either numerics.
//!
//! *Law.* In float32 and the numerics of the run, every node of [`super::trace`] comes out as the step made it, to the
//! bit (this room's tests). What Adam's moments were before the step is not kept: their operations give what
//! the step added.

mod network;
mod physics;
#[cfg(test)]
mod tests;

use num_complex::Complex;

use crate::error::{Error, Result};
use crate::ground::scalar::Scalar;
use crate::kernel::conv::{Arithmetic, Kernels};
use crate::network::adam::{BETA1, BETA2, EPSILON};
use crate::physics::loss::Guard;
use crate::physics::merge::Coverage;
use crate::physics::object::{Combination, Gauge, Numerics};
use crate::verify::event::{Operation, Setting};

use super::sentinel::Kept;
use crate::ground::geometry::PatchSize;

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
            coverage: Coverage::Light,
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
    /// Refuses inputs whose number or shapes the operation does not have: they came from a file.
    fn check(&self, operation: &Operation) -> Result<()> {
        let need: &[usize] = match operation {
            Operation::Given => &[],
            Operation::Convolution { .. } => &[4, 4, 1],
            Operation::Activate { .. } if self.inputs.len() == 2 => &[4, 4],
            Operation::Estimate => &[4, 3, 2],
            Operation::LedConvolution { .. } => &[4, 4, 1, 4],
            Operation::Combine
            | Operation::ActivationGradient { .. }
            | Operation::OuterGradient { .. }
            | Operation::MaxPoolGradient
            | Operation::UpsampleGradient
            | Operation::WeightGradient { .. } => &[4, 4],
            Operation::Cover => &[3, 2],
            Operation::Assemble => &[4, 3, 3, 2],
            Operation::Illuminate => &[3, 2, 3],
            Operation::Likelihood | Operation::LikelihoodGradient => &[4, 4, 4],
            Operation::MapGradient { .. } => &[4, 2, 3, 3, 4, 4],
            Operation::InputGradient { first, gated } => {
                let axes = vec![4; 2 * first.len() + usize::from(*gated)];
                return self.axes(operation, &axes);
            }
            Operation::FirstMoment | Operation::SecondMoment => {
                return self.axes(operation, &[self.rank(0)]);
            }
            Operation::Update { .. } => {
                return self.axes(operation, &[self.rank(0), self.rank(0)]);
            }
            _ => &[4],
        };
        self.axes(operation, need)
    }

    fn rank(&self, k: usize) -> usize {
        self.inputs.get(k).map_or(0, |i| i.shape.len())
    }

    fn axes(&self, operation: &Operation, need: &[usize]) -> Result<()> {
        let got: Vec<usize> = self.inputs.iter().map(|i| i.shape.len()).collect();
        let whole = |i: &Kept| {
            let count = i.shape.iter().try_fold(1usize, |a, &b| a.checked_mul(b));
            count.and_then(|c| c.checked_mul(1 + usize::from(i.complex))) == Some(i.values.len())
        };
        let some = self.inputs.iter().all(|i| !i.values.is_empty() && whole(i));
        let rest = self.groups() && self.sides(operation);
        if got == need && some && rest {
            return Ok(());
        }
        let shapes: Vec<String> = self
            .inputs
            .iter()
            .map(|i| format!("{} {:?}", i.name, i.shape))
            .collect();
        Err(Error::input("replaying an operation")
            .at(operation)
            .got(shapes.join(", "))
            .need("the operation's inputs, as the event was saved with"))
    }

    /// All tensors of groups, which have three axes and more and are no kernels, have as many groups.
    fn groups(&self) -> bool {
        let maps = self
            .inputs
            .iter()
            .filter(|i| !i.name.ends_with(".weight") && i.shape.len() > 2);
        let mut counts = maps.map(|i| i.shape[0]);
        let first = counts.next();
        counts.all(|c| Some(c) == first)
    }

    /// Planes of the physics are as wide as the patterns, and the offsets need no larger canvas than they have.
    fn sides(&self, operation: &Operation) -> bool {
        let n = self.setting.side;
        if PatchSize::new(n).is_err() {
            return false;
        }
        let named = |name: &str| self.inputs.iter().find(|i| i.name == name);
        let square =
            |i: &Kept, at: usize| i.shape.get(at) == Some(&n) && i.shape.get(at + 1) == Some(&n);
        let plane = |name: &str, at: usize| named(name).is_none_or(|i| square(i, at));
        let channels = |name: &str, at: usize| named(name).and_then(|i| i.shape.get(at)).copied();
        let offsets = channels("data.offsets", 1);
        let fields = channels("physics.far_field", 1).or(channels("physics.far_field.grad", 1));
        let reach = named("data.offsets").map_or(0.0, |i| {
            i.values
                .iter()
                .fold(0.0f64, |m, &v| m.max(f64::from(v).abs()))
        });
        // 4096 pixels are farther than any canvas that grouping admits
        reach < 4096.0
            && plane("physics.probe", 0)
            && [
                "physics.patches",
                "physics.exit_wave",
                "physics.far_field",
                "physics.far_field.grad",
                "physics.amplitude",
            ]
            .iter()
            .all(|name| plane(name, 2))
            && [
                "network.input",
                "network.amplitude",
                "network.phase",
                "data.amplitude",
            ]
            .iter()
            .all(|name| plane(name, 1))
            && match operation {
                Operation::Assemble => offsets == channels("physics.patches", 1),
                Operation::MapGradient { .. } => {
                    offsets == fields && offsets == channels("network.amplitude", 3)
                }
                Operation::Estimate => offsets == channels("data.amplitude", 3),
                Operation::Likelihood | Operation::LikelihoodGradient => {
                    fields == channels("data.amplitude", 3)
                }
                _ => true,
            }
    }

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
