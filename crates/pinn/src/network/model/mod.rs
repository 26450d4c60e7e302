//! The network: from normalized patterns to amplitude and phase maps, and back.
//!
//! *Conventions.* The input is `[group, row, col, channel]`, normalized amplitude or estimates of the object, whose amplitude and
//! phase are neighbors; the outputs are amplitude and phase (radians) of the object, `[group, row, col, channel]`. Outside the central half both are
//! zero unless the network has an outer branch.
//!
//! *Source.* Reference description, section i.

mod decoder;

use super::architecture::{Architecture, Branch};
use super::filters::Filters;
use super::outputs::{fill_logits, fill_outputs};
use super::parameters::{Tensor, tensors};
use super::workspace::{DecoderMaps, Maps, Workspace};
use ptyproof_kernels::conv::{Aligned, Arithmetic, Direction, Epilogue, Kernels};
use ptyproof_kernels::isa::Isa;
use ptyproof_kernels::layers::{Activation, add, max_pool, max_pool_backward};
use ptyproof_kernels::map::FeatureMap;

/// Maximum number of convolutions of a network; the largest of the reference has 34.
const MAX_CONVOLUTIONS: usize = 40;

/// The gradient of the weights and biases of each convolution.
type Parts<'g, T> = [&'g mut [T]; MAX_CONVOLUTIONS];

/// A network with its weights.
#[derive(Debug, Clone)]
pub struct Model<T: Kernels> {
    architecture: Architecture,
    tensors: Vec<Tensor>,
    weights: Vec<T>,
    filters: Filters<T>,
    ceiling: f64,
    isa: Isa,
}

impl<T: Kernels> Model<T> {
    /// A network with these weights (flat, in the order of [`tensors`]) and amplitude ceiling.
    ///
    /// # Panics
    /// If the number of weights is not the architecture's.
    pub fn new(
        architecture: Architecture,
        weights: Vec<T>,
        ceiling: f64,
        arithmetic: Arithmetic,
        isa: Isa,
    ) -> Self {
        assert_eq!(weights.len(), architecture.parameters(), "weights");
        let tensors = tensors(&architecture);
        let filters = Filters::new(&architecture, arithmetic);
        Self {
            architecture,
            tensors,
            weights,
            filters,
            ceiling,
            isa,
        }
    }

    /// The network's shape.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Names and places of the weights.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// All weights, flat.
    pub fn weights(&self) -> &[T] {
        &self.weights
    }

    /// Changes the weights by `f`.
    pub fn update(&mut self, f: impl FnOnce(&mut [T])) {
        f(&mut self.weights);
        self.filters.forget();
    }

    fn lay_out(&mut self, direction: Direction) {
        (self.filters).lay_out(direction, &self.weights, &self.tensors, self.isa);
    }

    fn bias(&self, k: usize) -> &[T] {
        &self.weights[self.tensors[2 * k + 1].range.clone()]
    }

    fn relu(&self, k: usize, x: &FeatureMap<T>, first: usize, out: &mut FeatureMap<T>) {
        T::conv(
            self.isa,
            x,
            first,
            self.filters.of(k, Direction::Forward),
            Epilogue::BiasRelu(self.bias(k)),
            out,
        );
    }

    fn linear(&self, k: usize, x: &FeatureMap<T>, out: &mut FeatureMap<T>) {
        T::conv(
            self.isa,
            x,
            0,
            self.filters.of(k, Direction::Forward),
            Epilogue::Bias(self.bias(k)),
            out,
        );
    }

    /// From `ws.input` to `ws.outputs`.
    pub fn forward(&mut self, ws: &mut Workspace<T>) {
        self.lay_out(Direction::Forward);
        let a = &self.architecture;
        let Workspace { input, maps, .. } = ws;
        for k in 0..a.encoder.len() {
            let (before, rest) = maps.encoder.split_at_mut(k);
            let block = &mut rest[0];
            let x = before.last().map_or(&*input, |b| &b.pooled);
            self.relu(a.encoder_conv(2 * k), x, 0, &mut block.first);
            self.relu(
                a.encoder_conv(2 * k + 1),
                &block.first,
                0,
                &mut block.second,
            );
            max_pool(&block.second, &mut block.pooled);
        }
        let encoded = &maps.encoder[a.encoder.len() - 1].pooled;
        let decode = |branch, maps: &mut DecoderMaps<T>, out: &mut [T]| {
            self.decode(branch, (input, encoded), maps);
            fill_outputs(a, maps, self.activation(branch), out);
        };
        let [maps, other_maps] = &mut maps.decoders;
        let [out, other_out] = &mut ws.outputs;
        // side by side: their maps are small, and each is better off with a thread than with a share of two
        rayon::join(
            || decode(Branch::Amplitude, maps, out),
            || decode(Branch::Phase, other_maps, other_out),
        );
    }

    fn activation(&self, branch: Branch) -> Activation {
        match branch {
            Branch::Amplitude => Activation::Sigmoid(self.ceiling),
            Branch::Phase => Activation::PiTanh,
        }
    }

    /// From `ws.d_outputs` to the gradient of every weight, into `gradient` (flat, overwritten).
    /// Call after [`Model::forward`] on the same workspace.
    ///
    /// # Panics
    /// If the workspace was made for inference.
    pub fn backward(&mut self, ws: &mut Workspace<T>, gradient: &mut [T]) {
        self.lay_out(Direction::Adjoint);
        let a = &self.architecture;
        let Workspace {
            input,
            maps,
            gradients,
            d_outputs,
            encoded: second,
            scratch,
            ..
        } = ws;
        let gradients = gradients.as_mut().expect("a workspace for training");
        let encoded = &maps.encoder[a.encoder.len() - 1].pooled;
        let Maps {
            encoder: d_encoder,
            decoders: [d_amplitude, d_phase],
        } = gradients;
        let [scratch, other_scratch] = scratch;
        let mut gradient = self.parts(gradient);
        let mut other_gradient: Parts<'_, T> = std::array::from_fn(|k| {
            if a.belongs_to(Branch::Phase, k) {
                std::mem::take(&mut gradient[k])
            } else {
                Default::default()
            }
        });
        let decode_backward =
            |branch, d: &mut DecoderMaps<T>, d_encoded: &mut _, out: (&mut _, &mut _)| {
                let (maps, d_out) = (maps.decoder(branch), &d_outputs[branch.index()]);
                fill_logits(a, maps, self.activation(branch), d_out, d);
                self.decode_backward(branch, (encoded, maps), d, d_encoded, out);
            };
        let d_encoded = &mut d_encoder[a.encoder.len() - 1].pooled;
        let out = (&mut gradient, &mut *scratch);
        let other_out = (&mut other_gradient, other_scratch);
        rayon::join(
            || decode_backward(Branch::Amplitude, d_amplitude, d_encoded, out),
            || decode_backward(Branch::Phase, d_phase, &mut *second, other_out),
        );
        let gradient = &mut gradient;
        add(&mut d_encoder[a.encoder.len() - 1].pooled, second);
        for k in (0..a.encoder.len()).rev() {
            let (before, rest) = d_encoder.split_at_mut(k);
            let (block, d) = (&maps.encoder[k], &mut rest[0]);
            max_pool_backward(&block.second, &d.pooled, &mut d.second);
            let conv = a.encoder_conv(2 * k + 1);
            self.weights_backward(conv, &block.first, 0, &d.second, (gradient, scratch));
            self.input_backward(conv, &d.second, Epilogue::Gate(&block.first), &mut d.first);
            let conv = a.encoder_conv(2 * k);
            let x = if k == 0 {
                &*input
            } else {
                &maps.encoder[k - 1].pooled
            };
            self.weights_backward(conv, x, 0, &d.first, (gradient, scratch));
            if let Some(before) = before.last_mut() {
                self.input_backward(conv, &d.first, Epilogue::Plain, &mut before.pooled);
            }
        }
    }

    /// The parts of a gradient for each convolution.
    fn parts<'g>(&self, gradient: &'g mut [T]) -> Parts<'g, T> {
        let mut rest = gradient;
        let mut parts: Parts<'_, T> = std::array::from_fn(|_| Default::default());
        for (part, tensors) in parts.iter_mut().zip(self.tensors.chunks(2)) {
            let len = tensors.iter().map(|t| t.range.len()).sum();
            (*part, rest) = std::mem::take(&mut rest).split_at_mut(len);
        }
        assert!(
            rest.is_empty(),
            "a network of at most {MAX_CONVOLUTIONS} convolutions"
        );
        parts
    }

    fn weights_backward(
        &self,
        k: usize,
        x: &FeatureMap<T>,
        first: usize,
        dy: &FeatureMap<T>,
        (gradient, scratch): (&mut Parts<'_, T>, &mut Aligned<T>),
    ) {
        let (left, right) = gradient[k].split_at_mut(self.tensors[2 * k].range.len());
        let method = self.filters.method(k);
        T::conv_weights(self.isa, method, x, first, dy, (left, right), scratch);
    }

    fn input_backward(
        &self,
        k: usize,
        dy: &FeatureMap<T>,
        epilogue: Epilogue<'_, T>,
        dx: &mut FeatureMap<T>,
    ) {
        let filters = self.filters.of(k, Direction::Adjoint);
        T::conv(self.isa, dy, 0, filters, epilogue, dx);
    }
}

#[cfg(test)]
mod tests;
