//! The 3x3 convolution: what it means, and its fast forms.
//!
//! Three kernels carry the whole network: a 3x3 convolution forward (which also gives the gradient
//! with respect to its input, with turned weights) and the gradient with respect to its weights.
//! [`Kernels`] chooses them by type: `f64` takes the naive loops of [`naive`], which are the
//! definition; `f32` takes register-tiled ones, dispatched on [`Isa`] at run time.
//!
//! *Law.* Every output element has one writer and one chain of fused multiply-adds in a fixed
//! order, so the bits depend neither on the instruction set nor on the number of threads.

mod direct;
pub mod naive;
mod packed;

pub use packed::Packed;

use crate::ground::scalar::Scalar;
use crate::kernel::isa::Isa;
use crate::kernel::map::FeatureMap;

/// What is done to a convolution's sums on their way to memory.
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

/// The precisions that the kernels exist in: `f32` to run, `f64` to prove.
pub trait Kernels: Scalar {
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
    /// gradient of its output before the bias.
    fn conv_weights(
        isa: Isa,
        x: &FeatureMap<Self>,
        first_channel: usize,
        dy: &FeatureMap<Self>,
        kernel: &mut [Self],
        bias: &mut [Self],
    );
}

impl Kernels for f64 {
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
        x: &FeatureMap<f64>,
        first_channel: usize,
        dy: &FeatureMap<f64>,
        kernel: &mut [f64],
        bias: &mut [f64],
    ) {
        naive::conv_weights(x, first_channel, dy, kernel, bias);
    }
}

impl Kernels for f32 {
    fn conv(
        isa: Isa,
        x: &FeatureMap<f32>,
        first_channel: usize,
        weights: &Packed<f32>,
        epilogue: Epilogue<'_, f32>,
        out: &mut FeatureMap<f32>,
    ) {
        direct::conv(isa, x, first_channel, weights, epilogue, out);
    }

    fn conv_weights(
        isa: Isa,
        x: &FeatureMap<f32>,
        first_channel: usize,
        dy: &FeatureMap<f32>,
        kernel: &mut [f32],
        bias: &mut [f32],
    ) {
        direct::conv_weights(isa, x, first_channel, dy, kernel, bias);
    }
}
