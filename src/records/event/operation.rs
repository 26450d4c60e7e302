//! The operations of a training step, by name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The parts of a training step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Inputs of the step: patterns, offsets, probe, parameters.
    Input,
    /// The network's forward pass.
    Network,
    /// From the network's maps to the predicted amplitude.
    Physics,
    /// The loss per pixel.
    Loss,
    /// Gradients.
    Backward,
    /// Moments and new parameters.
    Optimizer,
}

/// An operation of a step; the inputs are listed, in order, at each variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Operation {
    /// Nothing: it was handed over. No inputs.
    Given,
    /// Model amplitude over the scale. `[amplitude]`.
    Normalize,
    /// Steps of descent from a flat object, as each channel sees where they lead. `[amplitude, offsets, probe]`.
    Estimate,
    /// A 3 x 3 convolution with bias. `[map, weight, bias]`.
    Convolution {
        /// The first channel that it reads.
        first: usize,
        /// Whether a rectifier follows.
        relu: bool,
    },
    /// A 3 x 3 convolution with bias, added to the estimate of the object. `[map, weight, bias, estimate]`.
    LedConvolution {
        /// Whether it is of the phase, not of the amplitude.
        phase: bool,
    },
    /// The largest of each 2 x 2. `[map]`.
    MaxPool,
    /// Each value four times. `[map]`.
    Upsample,
    /// The head's activation, in the center; outside of it that of the outer branch (swish in `reference` numerics), or zero.
    /// `[logits]` or `[logits, outer logits]`.
    Activate {
        /// Whether it is the phase (`pi tanh`), not the amplitude (`ceiling * sigmoid`).
        phase: bool,
    },
    /// The complex object of amplitude and phase. `[amplitude, phase]`.
    Combine,
    /// The sum of channel weights at each pixel, plus a small number. `[offsets, probe]`.
    Cover,
    /// The sum of moved patches over the coverage. `[patches, coverage, offsets, probe]`.
    Assemble,
    /// The moved object times the probe. `[object, probe, offsets]`.
    Illuminate,
    /// The Fourier transform. `[exit waves]`.
    Propagate,
    /// `sqrt(|F|^2 / N^2)`. `[far field]`.
    Detect,
    /// The Poisson negative log-likelihood of each pixel. `[amplitude, far field, label]`.
    Likelihood,
    /// Its gradient with respect to the far field. `[amplitude, far field, label]`.
    LikelihoodGradient,
    /// Back through transform, probe, translation, coverage. `[far field gradient, probe, coverage, offsets, amplitude, phase]`.
    MapGradient {
        /// Whether it is the gradient of the phase, not of the amplitude.
        phase: bool,
    },
    /// Back through the head's activation. `[logits, gradient]`.
    ActivationGradient {
        /// Which head.
        phase: bool,
    },
    /// Back through the activation outside of the center. `[outer logits, gradient]`.
    OuterGradient {
        /// Which branch.
        phase: bool,
    },
    /// Each gradient to the largest of its 2 x 2, where the rectifier was open. `[map, gradient]`.
    MaxPoolGradient,
    /// The sum of each 2 x 2, where the rectifier was open. `[map, gradient]`.
    UpsampleGradient,
    /// The adjoint of convolutions, summed: `[gradient, weight]` for each, and the map whose rectifier gates the sum,
    /// if it is gated.
    InputGradient {
        /// For each convolution, the first channel that it read.
        first: Vec<usize>,
        /// Whether a map gates the sum.
        gated: bool,
    },
    /// The gradient of a kernel. `[map, gradient]`.
    WeightGradient {
        /// The first channel that the convolution read.
        first: usize,
    },
    /// The gradient of a bias. `[gradient]`.
    BiasGradient,
    /// The added part of the first moment of Adam. `[gradient]`.
    FirstMoment,
    /// The added part of the second moment of Adam, from the squared gradient. `[gradient]`.
    SecondMoment,
    /// The decrease of the parameters. `[first moment, second moment]`.
    Update {
        /// The learning rate with its bias correction.
        rate: f64,
    },
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given => "given",
            Self::Normalize => "X = label / s",
            Self::Estimate => "descent on (label / s - |FFT2(P O)| / N)^2 from a flat O",
            Self::Convolution { relu: true, .. } => "max(0, conv3x3(x, w) + b)",
            Self::Convolution { relu: false, .. } => "conv3x3(x, w) + b",
            Self::LedConvolution { .. } => "conv3x3(x, w) + b + estimate",
            Self::MaxPool => "maximum of 2 x 2",
            Self::Upsample => "each pixel repeated 2 x 2",
            Self::Activate { phase: false } => "A = ceiling * sigmoid(logits)",
            Self::Activate { phase: true } => "phi = pi * tanh(logits)",
            Self::Combine => "Z of amplitude and phase",
            Self::Cover => "W = sum of shifted weights + eps",
            Self::Assemble => "O = sum of shifted patches / W",
            Self::Illuminate => "psi = P * shifted O",
            Self::Propagate => "F = FFT2(psi)",
            Self::Detect => "a = sqrt(|F|^2 / N^2)",
            Self::Likelihood => "y - t ln y with y = (s a)^2, t = label^2",
            Self::LikelihoodGradient => "dL/dF through ln y, y = (s a)^2, a = sqrt(|F|^2 / N^2)",
            Self::MapGradient { phase: false } => "dL/dA of dL/dF",
            Self::MapGradient { phase: true } => "dL/dphi of dL/dF",
            Self::ActivationGradient { .. } => "derivative of the head's activation",
            Self::OuterGradient { .. } => "derivative of the border activation",
            Self::MaxPoolGradient => "gradient to the maximum of 2 x 2",
            Self::UpsampleGradient => "sum of gradients of 2 x 2",
            Self::InputGradient { .. } => "adjoint of conv3x3",
            Self::WeightGradient { .. } => "sum of x * gradient over pixels",
            Self::BiasGradient => "sum of the gradient over pixels",
            Self::FirstMoment => "(1 - b1) g",
            Self::SecondMoment => "(1 - b2) g^2",
            Self::Update { .. } => "rate * m / (sqrt(v) + eps)",
        })
    }
}
