//! Weights laid out for the kernels.

use std::ops::Range;

use super::{Method, few_outputs, winograd};
use crate::aligned::Aligned;
use crate::dispatch::columns;
use crate::isa::Isa;
use crate::map::FeatureMap;
use crate::scalar::Scalar;

/// Maximum panel width: four AVX-512 registers.
pub(super) const MAX_PANEL_WIDTH: usize = 64;
/// Inputs packed at a time: a cache line of the kernel when it is read transposed.
pub(super) const PACKED_INPUTS: usize = 16;

/// Weights of one convolution, laid out for the kernel that will read them.
#[derive(Debug, Clone)]
pub struct Packed<T> {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// The kernel that they are laid out for.
    pub method: Method,
    /// Direct: `[panel][tap][input][width]`; Winograd: `[place][panel][input][width]`; thin:
    /// `[output][tap][input]`. Zero beyond `outputs`.
    pub(super) panels: Aligned<T>,
    /// The tile width of this processor: reads from a wider panel would use only a quarter of the cache sets.
    pub(super) width: usize,
}

/// Which convolution a kernel (HWIO, as trained) is laid out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The convolution itself.
    Forward,
    /// Its adjoint, from output gradients to input gradients: rotated by 180 degrees and transposed. Outputs beyond those
    /// the kernel has get zero weights: the layer did not read them.
    Adjoint,
}

/// Nine taps of some inputs (at most [`PACKED_INPUTS`]) and one panel of outputs.
pub(super) type Taps<T> = [[[T; MAX_PANEL_WIDTH]; 9]; PACKED_INPUTS];

impl<T: Scalar> Packed<T> {
    /// Memory for a convolution of these sizes.
    pub fn new(method: Method, inputs: usize, outputs: usize) -> Self {
        let mut new = Self {
            inputs,
            outputs,
            method,
            panels: Aligned::default(),
            width: 0,
        };
        new.reshape(method, inputs, outputs);
        new
    }

    /// Reuses the memory for another convolution; its contents are undefined until they are packed.
    pub fn reshape(&mut self, method: Method, inputs: usize, outputs: usize) {
        let padded = outputs.next_multiple_of(16);
        let columns = columns(Isa::best());
        let fits = |w: &usize| *w <= columns && padded.is_multiple_of(*w);
        let width = [MAX_PANEL_WIDTH, 32].into_iter().find(fits);
        self.width = width.unwrap_or(16);
        (self.method, self.inputs, self.outputs) = (method, inputs, outputs);
        self.panels.resize(match method {
            Method::Direct => 9 * inputs * padded,
            Method::Winograd => winograd::PLACES * inputs * padded,
            Method::FewOutputs => few_outputs::weights(inputs, outputs),
        });
    }

    /// Whether these weights are for this method and these maps.
    ///
    /// # Panics
    /// Unless they are, and both maps have the same pixels and channels in whole registers.
    pub(super) fn fit(
        &self,
        method: Method,
        x: &FeatureMap<T>,
        first_channel: usize,
        out: &FeatureMap<T>,
    ) {
        assert_eq!(self.method, method, "weights for this kernel");
        assert!(self.inputs > 0, "an input channel");
        assert!(first_channel + self.inputs <= x.stride(), "input channels");
        assert_eq!(out.channels(), self.outputs, "output channels");
        x.assert_same_pixels(out);
    }

    /// The rows of one panel of a direct kernel, `[9 * inputs][width]`.
    pub(super) fn panel(&self, k: usize) -> &[T] {
        let len = 9 * self.inputs * self.width;
        &self.panels[k * len..(k + 1) * len]
    }

    /// Lays out `kernel` for the direct kernel.
    pub(super) fn pack_direct(&mut self, kernel: &[T], direction: Direction) {
        assert_eq!(self.method, Method::Direct, "weights for this kernel");
        let (inputs, outputs, width) = (self.inputs, self.outputs, self.width);
        let mut taps = [[[T::zero(); MAX_PANEL_WIDTH]; 9]; PACKED_INPUTS];
        for (k, panel) in self.panels.chunks_exact_mut(9 * inputs * width).enumerate() {
            for first in (0..inputs).step_by(PACKED_INPUTS) {
                let used = first..(first + PACKED_INPUTS).min(inputs);
                let columns = k * width..(k + 1) * width;
                direction.gather(kernel, (inputs, outputs), used.clone(), columns, &mut taps);
                for (i, taps) in used.zip(&taps) {
                    for (tap, values) in taps.iter().enumerate() {
                        let at = (tap * inputs + i) * width;
                        panel[at..at + width].copy_from_slice(&values[..width]);
                    }
                }
            }
        }
    }
}

impl Direction {
    /// The taps of inputs `used` and outputs `columns` of this direction's convolution
    /// (`inputs -> outputs`) into `taps[input][tap][column]`; zero where the kernel has no such output.
    pub(super) fn gather<T: Scalar>(
        self,
        kernel: &[T],
        (inputs, outputs): (usize, usize),
        used: Range<usize>,
        columns: Range<usize>,
        taps: &mut Taps<T>,
    ) {
        match self {
            Self::Forward => {
                let columns = columns.start..columns.end.min(outputs);
                for (i, taps) in used.zip(taps) {
                    for (tap, to) in taps.iter_mut().enumerate() {
                        let row = (tap * inputs + i) * outputs;
                        let from = &kernel[row + columns.start..row + columns.end];
                        to[..from.len()].copy_from_slice(from);
                        to[from.len()..].fill(T::zero());
                    }
                }
            }
            Self::Adjoint => {
                let had = kernel.len() / (9 * inputs);
                for (column, o) in columns.enumerate() {
                    for tap in 0..9 {
                        let row = ((8 - tap) * had + o) * inputs;
                        for (i, taps) in used.clone().zip(taps.iter_mut()) {
                            let there = o < had;
                            taps[tap][column] = if there { kernel[row + i] } else { T::zero() };
                        }
                    }
                }
            }
        }
    }
}
