//! The 3x3 convolution: its definition and its fast methods.
//!
//! The network uses two operations: a 3x3 convolution forward (which also gives the gradient with respect to its input,
//! with rotated weights) and the gradient with respect to its weights.
//! [`Kernels`] chooses how by type: `f64` takes the naive loops of [`naive`], which are the definition;
//! `f32` takes one of three methods, dispatched on [`Isa`] at run time.
//!
//! | [`Method`] | for | relation to the definition |
//! |---|---|---|
//! | `Winograd` | 16 channels and more on both sides, sides that are multiples of 4 | derived bound |
//! | `FewOutputs` | a few outputs of many inputs: the heads | derived bound; weights to the bit |
//! | `Direct` | everything else | to the bit |

mod direct;
mod few_outputs;
mod finish;
pub mod naive;
mod packed;
mod tile;
mod winograd;

pub use packed::{Direction, Packed};

pub use crate::aligned::Aligned;
use crate::isa::Isa;
use crate::map::FeatureMap;
use crate::scalar::Scalar;

/// Operation on the sums of a convolution before they are stored.
#[derive(Debug, Clone, Copy)]
pub enum Epilogue<'a, T> {
    /// Adds a bias per output channel.
    Bias(&'a [T]),
    /// Adds a bias per output channel and rectifies.
    BiasRelu(&'a [T]),
    /// Keeps the sum where this map (of the output's shape) is above zero, else writes zero: the
    /// derivative of the rectifier that made the map.
    Gate(&'a FeatureMap<T>),
    /// Writes the sum as it is.
    Plain,
}

/// Guarantee of the convolutions of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// Sums in the order of the definition, to the bit.
    Definition,
    /// The fastest [`Method`], within its bound.
    Fast,
}

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Sums in the order of the definition.
    Direct,
    /// Many inputs, a few outputs: registers hold inputs.
    FewOutputs,
    /// Winograd's F(4x4, 3x3).
    Winograd,
}

impl Method {
    /// The fastest for a convolution of these channels on maps of these sides.
    pub fn best(inputs: usize, outputs: usize, height: usize, width: usize) -> Self {
        if inputs < 16 {
            Self::Direct
        } else if outputs <= few_outputs::MAX_OUTPUTS {
            Self::FewOutputs
        } else if outputs >= 16 && winograd::divides(height, width) {
            Self::Winograd
        } else {
            Self::Direct
        }
    }
}

/// The precisions of the kernels: `f32` for runs, `f64` for tests.
pub trait Kernels: Scalar {
    /// The method for a convolution of these channels on maps of this side.
    fn method(arithmetic: Arithmetic, inputs: usize, outputs: usize, side: usize) -> Method;

    /// Lays out `kernel` (HWIO, `[9][in][out]`, as trained) for the method and direction that `weights` was
    /// made for.
    fn pack(isa: Isa, weights: &mut Packed<Self>, kernel: &[Self], direction: Direction);

    /// `out = epilogue(conv3x3(x[first_channel..], weights))`, zero "same" padding.
    ///
    /// `x` is `[image, h, w, c]`, `out` `[image, h, w, weights.outputs]`.
    fn conv(
        isa: Isa,
        x: &FeatureMap<Self>,
        first_channel: usize,
        weights: &Packed<Self>,
        epilogue: Epilogue<'_, Self>,
        out: &mut FeatureMap<Self>,
    );

    /// The gradient of a convolution with respect to its weights and bias.
    ///
    /// `kernel` is HWIO, `[9][inputs][outputs]`, overwritten, with `outputs = bias.len()`; `x` is the
    /// convolution's input, of which `inputs` channels from `first_channel` were read; `dy` the
    /// gradient of its output before the bias. `scratch` grows to what the method needs, once.
    fn conv_weights(
        isa: Isa,
        method: Method,
        x: &FeatureMap<Self>,
        first_channel: usize,
        dy: &FeatureMap<Self>,
        kernel_and_bias: (&mut [Self], &mut [Self]),
        scratch: &mut Aligned<Self>,
    );
}

impl Kernels for f64 {
    fn method(_: Arithmetic, _: usize, _: usize, _: usize) -> Method {
        Method::Direct
    }

    fn pack(_: Isa, weights: &mut Packed<f64>, kernel: &[f64], direction: Direction) {
        weights.pack_direct(kernel, direction);
    }

    fn conv(
        _: Isa,
        x: &FeatureMap<f64>,
        first_channel: usize,
        weights: &Packed<f64>,
        epilogue: Epilogue<'_, f64>,
        out: &mut FeatureMap<f64>,
    ) {
        naive::conv(x, first_channel, weights, epilogue, out);
    }

    fn conv_weights(
        _: Isa,
        _: Method,
        x: &FeatureMap<f64>,
        first_channel: usize,
        dy: &FeatureMap<f64>,
        (kernel, bias): (&mut [f64], &mut [f64]),
        _: &mut Aligned<f64>,
    ) {
        naive::conv_weights(x, first_channel, dy, kernel, bias);
    }
}

impl Kernels for f32 {
    fn method(arithmetic: Arithmetic, inputs: usize, outputs: usize, side: usize) -> Method {
        match arithmetic {
            Arithmetic::Definition => Method::Direct,
            Arithmetic::Fast => Method::best(inputs, outputs, side, side),
        }
    }

    fn pack(isa: Isa, weights: &mut Packed<f32>, kernel: &[f32], direction: Direction) {
        match weights.method {
            Method::Direct => weights.pack_direct(kernel, direction),
            Method::FewOutputs => few_outputs::pack(weights, kernel, direction),
            Method::Winograd => winograd::pack(isa, weights, kernel, direction),
        }
    }

    fn conv(
        isa: Isa,
        x: &FeatureMap<f32>,
        first_channel: usize,
        weights: &Packed<f32>,
        epilogue: Epilogue<'_, f32>,
        out: &mut FeatureMap<f32>,
    ) {
        match weights.method {
            Method::Direct => direct::conv(isa, x, first_channel, weights, epilogue, out),
            Method::FewOutputs => few_outputs::conv(isa, x, first_channel, weights, epilogue, out),
            Method::Winograd => winograd::conv(isa, x, first_channel, weights, epilogue, out),
        }
    }

    fn conv_weights(
        isa: Isa,
        method: Method,
        x: &FeatureMap<f32>,
        first_channel: usize,
        dy: &FeatureMap<f32>,
        (kernel, bias): (&mut [f32], &mut [f32]),
        scratch: &mut Aligned<f32>,
    ) {
        match method {
            Method::Winograd => {
                winograd::conv_weights(isa, x, first_channel, dy, (kernel, bias), scratch);
            }
            Method::Direct | Method::FewOutputs => {
                direct::conv_weights(isa, x, first_channel, dy, (kernel, bias), scratch);
            }
        }
    }
}

#[cfg(test)]
mod tests;
