//! The convolution kernels: the only room where `unsafe` is allowed, and why.
//!
//! Three kernels carry the whole network: a 3x3 convolution forward (which also gives the gradient
//! with respect to its input, with turned weights) and the gradient with respect to its weights.
//! [`Kernels`] chooses them by type: `f64` takes the naive loops of [`naive`], which are the
//! definition; `f32` takes register-tiled ones, dispatched on [`Isa`] at run time.
//!
//! *Law.* Every output element has one writer and one chain of fused multiply-adds in a fixed
//! order, so the bits depend neither on the instruction set nor on the number of threads.

mod conv;
mod lanes;
pub mod naive;

use std::fmt;

use super::map::FeatureMap;
use crate::ground::scalar::Scalar;

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

/// Weights of one convolution, `[tap][in][out]` (HWIO), laid out for the kernels.
#[derive(Debug, Clone)]
pub struct Packed<T> {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// `[panel][9 * inputs][panel width]`, zero beyond `outputs`.
    panels: Vec<T>,
    width: usize,
}

impl<T: Scalar> Packed<T> {
    /// Room for a convolution of these sizes.
    pub fn new(inputs: usize, outputs: usize) -> Self {
        let padded = outputs.next_multiple_of(16);
        let width = if padded.is_multiple_of(64) {
            64
        } else if padded.is_multiple_of(32) {
            32
        } else {
            16
        };
        Self {
            inputs,
            outputs,
            panels: vec![T::zero(); 9 * inputs * padded],
            width,
        }
    }

    fn panel(&self, k: usize) -> &[T] {
        let len = 9 * self.inputs * self.width;
        &self.panels[k * len..(k + 1) * len]
    }

    /// The packed rows `(row, that row's columns of one panel)`, where a row is a tap and an input.
    fn rows_mut(&mut self, panel: usize) -> impl Iterator<Item = &mut [T]> {
        let len = 9 * self.inputs * self.width;
        self.panels[panel * len..(panel + 1) * len].chunks_exact_mut(self.width)
    }

    /// Packs `kernel` (HWIO, `9 * inputs * outputs` values) for the forward pass.
    pub fn pack_forward(&mut self, kernel: &[T]) {
        let (outputs, width) = (self.outputs, self.width);
        for panel in 0..outputs.div_ceil(width) {
            let columns = panel * width..((panel + 1) * width).min(outputs);
            for (to, from) in self.rows_mut(panel).zip(kernel.chunks_exact(outputs)) {
                to[..columns.len()].copy_from_slice(&from[columns.clone()]);
            }
        }
    }

    /// Packs `kernel` of the convolution `used -> inputs` turned by half a turn and transposed: the
    /// adjoint convolution, which takes output gradients to input gradients. Outputs beyond the
    /// `used` ones get zero weights: the layer did not read those channels.
    pub fn pack_adjoint(&mut self, kernel: &[T]) {
        let (inputs, width) = (self.inputs, self.width);
        let used = kernel.len() / (9 * inputs);
        assert!(used <= self.outputs, "channels");
        for panel in 0..used.div_ceil(width) {
            let first = panel * width;
            for (row, to) in self.rows_mut(panel).enumerate() {
                let (tap, i) = (8 - row / inputs, row % inputs);
                let from = kernel[(tap * used + first) * inputs + i..]
                    .iter()
                    .step_by(inputs);
                for (to, &from) in to.iter_mut().zip(from.take(used - first)) {
                    *to = from;
                }
            }
        }
    }
}

/// The instruction sets that [`f32`] kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// AVX-512F.
    Avx512,
    /// AVX2 with FMA.
    Avx2,
    /// Whatever the target's baseline is.
    Portable,
}

impl Isa {
    /// Every set this processor has, the fastest first.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut, reason = "nothing is added on other architectures")]
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                found.push(Self::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(Self::Avx2);
            }
        }
        found.push(Self::Portable);
        found
    }

    /// The fastest set this processor has.
    pub fn best() -> Self {
        Self::available()[0]
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Avx512 => "AVX-512",
            Self::Avx2 => "AVX2+FMA",
            Self::Portable => "portable",
        })
    }
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
        conv::conv(isa, x, first_channel, weights, epilogue, out);
    }

    fn conv_weights(
        isa: Isa,
        x: &FeatureMap<f32>,
        first_channel: usize,
        dy: &FeatureMap<f32>,
        kernel: &mut [f32],
        bias: &mut [f32],
    ) {
        conv::conv_weights(isa, x, first_channel, dy, kernel, bias);
    }
}
