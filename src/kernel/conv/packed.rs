//! Weights laid out for the kernels.

use crate::ground::scalar::Scalar;

/// Weights of one convolution, `[tap][in][out]` (HWIO), laid out for the kernels.
#[derive(Debug, Clone)]
pub struct Packed<T> {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// `[panel][9 * inputs][panel width]`, zero beyond `outputs`.
    panels: Vec<T>,
    pub(super) width: usize,
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

    /// The rows of one panel, `[9 * inputs][width]`.
    pub(super) fn panel(&self, k: usize) -> &[T] {
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
