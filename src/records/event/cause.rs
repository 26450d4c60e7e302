//! Classification of the cause of a non-finite number, from an operation and the statistics of its inputs.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::operation::{Operation, Stage};
use super::{Event, TensorStats};

/// Physical classes of causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A predicted amplitude of zero, whose logarithm the loss takes.
    LogOfZero,
    /// A predicted amplitude of zero, where the square root has no finite derivative.
    ZeroAmplitudeUnderSqrt,
    /// A pixel of the group's canvas that nothing covers.
    DivisionByZeroCoverage,
    /// `|F|^2` beyond float32.
    OverflowOfIntensity,
    /// A finite gradient whose square is beyond float32.
    OverflowOfSquaredGradient,
    /// The optimizer moved the parameters further than they are long, and what they make overflows.
    StepTooLarge,
    /// A measured pixel that is not finite.
    BadInputPixel,
    /// Parameters that were not finite before this training made a step.
    BadParameters,
    /// Finite inputs whose sum or product is beyond float32.
    Overflow,
    /// An input was bad already.
    Propagated,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LogOfZero => "logarithm of zero",
            Self::ZeroAmplitudeUnderSqrt => "zero amplitude under a square root",
            Self::DivisionByZeroCoverage => "division by zero coverage",
            Self::OverflowOfIntensity => "overflow of |F|^2",
            Self::OverflowOfSquaredGradient => "overflow of the squared gradient",
            Self::StepTooLarge => "step too large",
            Self::BadInputPixel => "bad input pixel",
            Self::BadParameters => "bad parameters",
            Self::Overflow => "overflow",
            Self::Propagated => "propagated",
        })
    }
}

/// The input that is to blame, and the pixels of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZeroPixels {
    /// Its name.
    pub tensor: String,
    /// The kind of its bad values.
    pub what: String,
    /// The number of these values.
    pub count: usize,
    /// How many of them are on the Nyquist row or column (index 0, zero frequency in the center).
    pub on_nyquist: usize,
    /// The first few, `[n, c, y, x]`.
    pub first: Vec<[usize; 4]>,
}

/// Maximum number of listed pixels of a [`ZeroPixels`].
const MAX_LISTED_PIXELS: usize = 8;

impl ZeroPixels {
    /// The exact zeros of a far-field amplitude `[n, c, y, x]`; `None` if there is none.
    pub fn zeros(tensor: &str, shape: [usize; 4], values: &[f32]) -> Option<Self> {
        let [_, channels, rows, cols] = shape;
        let mut found = Self {
            tensor: tensor.to_owned(),
            what: "exactly zero".to_owned(),
            count: 0,
            on_nyquist: 0,
            first: Vec::new(),
        };
        for (k, _) in values.iter().enumerate().filter(|(_, v)| **v == 0.0) {
            let (y, x) = (k / cols % rows, k % cols);
            let plane = k / (rows * cols);
            found.count += 1;
            found.on_nyquist += usize::from(y == 0 || x == 0);
            if found.first.len() < MAX_LISTED_PIXELS {
                found.first.push([plane / channels, plane % channels, y, x]);
            }
        }
        (found.count > 0).then_some(found)
    }
}

/// Known facts for the classification of a cause.
#[derive(Debug, Clone, Copy)]
pub struct FailureContext<'a> {
    /// The first bad tensor.
    pub tensor: &'a str,
    /// The operation that made it.
    pub operation: &'a Operation,
    /// The inputs of that operation.
    pub inputs: &'a [TensorStats],
    /// The last update over the parameters, in 2-norms.
    pub update_ratio_before: Option<f64>,
}

impl FailureContext<'_> {
    fn input(&self, name: &str) -> Option<&TensorStats> {
        self.inputs.iter().find(|s| s.tensor == name)
    }

    fn zeros(&self, name: &str) -> usize {
        self.input(name).map_or(0, |s| s.zeros)
    }
}

/// The cause, and a sentence with its numbers.
pub fn explain(c: FailureContext<'_>) -> (Cause, String) {
    let bad: Vec<&str> = c
        .inputs
        .iter()
        .filter(|s| s.non_finite() > 0)
        .map(|s| s.tensor.as_str())
        .collect();
    if !bad.is_empty() {
        let text = format!("not finite before: {}", bad.join(", "));
        return (Cause::Propagated, text);
    }
    let dark = c.zeros("physics.amplitude");
    let largest = |name: &str| {
        c.input(name)
            .map_or(f64::NAN, |s| s.max.get().abs().max(s.min.get().abs()))
    };
    match c.operation {
        Operation::Given if c.tensor.starts_with("network.") => (
            Cause::BadParameters,
            "the parameters were already not finite before the step".to_owned(),
        ),
        Operation::Given => (
            Cause::BadInputPixel,
            format!("{} contains it as it was read", c.tensor),
        ),
        Operation::Likelihood if dark > 0 => (
            Cause::LogOfZero,
            format!(
                "{dark} predicted amplitudes are exactly zero; the loss takes the logarithm of their squares"
            ),
        ),
        Operation::LikelihoodGradient if dark > 0 => (
            Cause::ZeroAmplitudeUnderSqrt,
            format!(
                "{dark} predicted amplitudes are exactly zero; the derivative of the square root is infinite there"
            ),
        ),
        Operation::Assemble if c.zeros("physics.coverage") > 0 => (
            Cause::DivisionByZeroCoverage,
            format!(
                "{} pixels of the canvas have no coverage",
                c.zeros("physics.coverage")
            ),
        ),
        Operation::Detect | Operation::Likelihood | Operation::LikelihoodGradient => (
            Cause::OverflowOfIntensity,
            format!(
                "the far field reaches {:e}; the float32 maximum is 3.4e38",
                largest("physics.far_field")
            ),
        ),
        Operation::SecondMoment => (
            Cause::OverflowOfSquaredGradient,
            format!(
                "the gradient reaches {:e}; its square overflows float32",
                c.inputs
                    .first()
                    .map_or(f64::NAN, |s| s.max.get().abs().max(s.min.get().abs()))
            ),
        ),
        _ => match c.update_ratio_before {
            Some(ratio) if ratio > 1.0 => (
                Cause::StepTooLarge,
                format!("the previous update was {ratio:.3} times the norm of the parameters"),
            ),
            _ => {
                let sizes: Vec<String> = c
                    .inputs
                    .iter()
                    .map(|s| format!("{} in {:e} to {:e}", s.tensor, s.min.get(), s.max.get()))
                    .collect();
                let text = format!("sums or products overflow float32: {}", sizes.join(", "));
                (Cause::Overflow, text)
            }
        },
    }
}

impl Event {
    /// The part of the step, in words.
    pub(super) fn part(&self) -> &'static str {
        match self.stage {
            Stage::Input => "the input",
            Stage::Network => "the network",
            Stage::Physics => "the physics",
            Stage::Loss => "the loss",
            Stage::Backward => "the gradients",
            Stage::Optimizer => "the optimizer",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(operation: &Operation, inputs: &[(&str, &[f32])]) -> Cause {
        let inputs: Vec<_> = inputs
            .iter()
            .map(|(name, values)| TensorStats::of(name, &[values.len()], values))
            .collect();
        let tensor = "t";
        explain(FailureContext {
            tensor,
            operation,
            inputs: &inputs,
            update_ratio_before: Some(1.5),
        })
        .0
    }

    #[test]
    fn each_operation_has_its_failure_cause() {
        let dark: (&str, &[f32]) = ("physics.amplitude", &[1.0, 0.0]);
        let light: (&str, &[f32]) = ("physics.amplitude", &[1.0, 2.0]);
        let likelihood = Operation::Likelihood;
        assert_eq!(cause(&likelihood, &[dark]), Cause::LogOfZero);
        assert_eq!(cause(&likelihood, &[light]), Cause::OverflowOfIntensity);
        let gradient = Operation::LikelihoodGradient;
        assert_eq!(cause(&gradient, &[dark]), Cause::ZeroAmplitudeUnderSqrt);
        let uncovered: (&str, &[f32]) = ("physics.coverage", &[0.0, 1.0]);
        let assemble = Operation::Assemble;
        assert_eq!(
            cause(&assemble, &[uncovered]),
            Cause::DivisionByZeroCoverage
        );
        assert_eq!(cause(&Operation::Given, &[]), Cause::BadInputPixel);
        let g: (&str, &[f32]) = ("g", &[1e30]);
        assert_eq!(
            cause(&Operation::SecondMoment, &[g]),
            Cause::OverflowOfSquaredGradient
        );
        let conv = Operation::Convolution {
            first: 0,
            relu: true,
        };
        assert_eq!(cause(&conv, &[g]), Cause::StepTooLarge);
        let nan: (&str, &[f32]) = ("g", &[f32::NAN]);
        assert_eq!(cause(&conv, &[nan]), Cause::Propagated);
    }

    #[test]
    fn zeros_are_counted_and_placed() {
        let mut values = vec![1.0; 2 * 4 * 4];
        values[16] = 0.0; // second group, corner
        values[16 + 5] = -0.0; // row 1, column 1
        let c = ZeroPixels::zeros("a", [2, 1, 4, 4], &values).unwrap();
        assert_eq!((c.count, c.on_nyquist), (2, 1));
        assert_eq!(c.first, [[1, 0, 0, 0], [1, 0, 1, 1]]);
        assert!(ZeroPixels::zeros("a", [1, 1, 4, 4], &values[..16]).is_none());
    }
}
