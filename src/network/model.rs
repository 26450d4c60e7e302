//! The network proper: from normalized patterns to amplitude and phase maps, and back.
//!
//! *Conventions.* The input is `[group, row, col, channel]`, normalized amplitude; the outputs are
//! amplitude and phase (radians) of the object, the same shape. Outside the central half both are
//! zero unless the network has an outer branch.
//!
//! *Source.* Reference description, section i.

use rayon::prelude::*;

use super::architecture::{Architecture, Branch, OUTER_CHANNELS};
use super::layers::{Activation, add, max_pool, max_pool_backward, upsample, upsample_backward};
use super::outputs::{fill_logits, fill_outputs};
use super::parameters::{Tensor, tensors};
use super::workspace::{DecoderMaps, Maps, Workspace};
use crate::kernel::conv::{Aligned, Arithmetic, Direction, Epilogue, Kernels, Packed};
use crate::kernel::isa::Isa;
use crate::kernel::map::FeatureMap;

/// The most convolutions of a network; the largest of the reference has 34.
const MOST: usize = 40;

/// The gradient of the weights and biases of each convolution.
type Parts<'g, T> = [&'g mut [T]; MOST];

/// A network with its weights.
#[derive(Debug, Clone)]
pub struct Model<T: Kernels> {
    architecture: Architecture,
    tensors: Vec<Tensor>,
    weights: Vec<T>,
    forward: Vec<Packed<T>>,
    adjoint: Vec<Packed<T>>,
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
        let convolutions = architecture.convolutions();
        let forward = convolutions
            .iter()
            .map(|c| {
                let method = T::method(arithmetic, c.inputs, c.outputs, c.side);
                Packed::new(method, c.inputs, c.outputs)
            })
            .collect();
        // the adjoint writes every channel of the map the layer read from, also those it skipped
        let head = architecture.head(Branch::Amplitude);
        let decoded = architecture.decoded();
        let adjoint = convolutions
            .iter()
            .enumerate()
            .map(|(k, c)| {
                let wide = if k == head || k == head + 1 {
                    decoded
                } else {
                    c.inputs
                };
                Packed::new(
                    T::method(arithmetic, c.outputs, wide, c.side),
                    c.outputs,
                    wide,
                )
            })
            .collect();
        let tensors = tensors(&architecture);
        let mut model = Self {
            architecture,
            tensors,
            weights,
            forward,
            adjoint,
            ceiling,
            isa,
        };
        model.pack();
        model
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

    /// Changes the weights by `f` and lays them out anew for the kernels.
    pub fn update(&mut self, f: impl FnOnce(&mut [T])) {
        f(&mut self.weights);
        self.pack();
    }

    fn pack(&mut self) {
        let (weights, tensors, isa) = (&self.weights, &self.tensors, self.isa);
        let kernel = |k: usize| &weights[tensors[2 * k].range.clone()];
        let forward = self.forward.par_iter_mut().enumerate();
        // nothing lies in front of the first layer
        let adjoint = self.adjoint[1..].par_iter_mut().enumerate();
        let forward = forward.map(|(k, packed)| (k, packed, Direction::Forward));
        let adjoint = adjoint.map(|(k, packed)| (k + 1, packed, Direction::Adjoint));
        // one layout a task: the largest are a quarter of all
        let each = forward.chain(adjoint).with_max_len(1);
        each.for_each(|(k, packed, direction)| T::pack(isa, packed, kernel(k), direction));
    }

    fn bias(&self, k: usize) -> &[T] {
        &self.weights[self.tensors[2 * k + 1].range.clone()]
    }

    fn relu(&self, k: usize, x: &FeatureMap<T>, first: usize, out: &mut FeatureMap<T>) {
        T::conv(
            self.isa,
            x,
            first,
            &self.forward[k],
            Epilogue::BiasRelu(self.bias(k)),
            out,
        );
    }

    fn linear(&self, k: usize, x: &FeatureMap<T>, out: &mut FeatureMap<T>) {
        T::conv(
            self.isa,
            x,
            0,
            &self.forward[k],
            Epilogue::Bias(self.bias(k)),
            out,
        );
    }

    /// From `ws.input` to `ws.outputs`.
    pub fn forward(&self, ws: &mut Workspace<T>) {
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
            self.decode(branch, encoded, maps);
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

    fn decode(&self, branch: Branch, encoded: &FeatureMap<T>, maps: &mut DecoderMaps<T>) {
        let a = &self.architecture;
        for k in 0..a.decoder.len() {
            let (before, rest) = maps.blocks.split_at_mut(k);
            let block = &mut rest[0];
            let x = before.last().map_or(encoded, |b| &b.raised);
            self.relu(a.decoder_conv(branch, 2 * k), x, 0, &mut block.first);
            self.relu(
                a.decoder_conv(branch, 2 * k + 1),
                &block.first,
                0,
                &mut block.second,
            );
            upsample(&block.second, &mut block.raised);
        }
        let last = &maps.blocks[a.decoder.len() - 1].raised;
        self.linear(a.head(branch), last, &mut maps.logits);
        if let Some(outer) = &mut maps.outer {
            let first = a.decoded() - OUTER_CHANNELS;
            self.relu(a.outer_conv(branch, 0), last, first, &mut outer.first);
            self.relu(a.outer_conv(branch, 1), &outer.first, 0, &mut outer.second);
            upsample(&outer.second, &mut outer.raised);
            self.linear(a.outer_conv(branch, 2), &outer.raised, &mut outer.logits);
        }
    }

    /// From `ws.d_outputs` to the gradient of every weight, into `gradient` (flat, overwritten).
    /// Call after [`Model::forward`] on the same workspace.
    ///
    /// # Panics
    /// If the workspace was made for inference.
    pub fn backward(&self, ws: &mut Workspace<T>, gradient: &mut [T]) {
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
            if a.is_of(Branch::Phase, k) {
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

    fn decode_backward(
        &self,
        branch: Branch,
        (encoded, maps): (&FeatureMap<T>, &DecoderMaps<T>),
        d: &mut DecoderMaps<T>,
        d_encoded: &mut FeatureMap<T>,
        (gradient, scratch): (&mut Parts<'_, T>, &mut Aligned<T>),
    ) {
        let a = &self.architecture;
        let depth = a.decoder.len();
        let last = &maps.blocks[depth - 1].raised;
        let head = a.head(branch);
        self.weights_backward(head, last, 0, &d.logits, (gradient, scratch));
        self.input_backward(
            head,
            &d.logits,
            Epilogue::Plain,
            &mut d.blocks[depth - 1].raised,
        );
        if let (Some(outer), Some(d_outer)) = (&maps.outer, &mut d.outer) {
            let conv = a.outer_conv(branch, 2);
            self.weights_backward(conv, &outer.raised, 0, &d_outer.logits, (gradient, scratch));
            self.input_backward(conv, &d_outer.logits, Epilogue::Plain, &mut d_outer.raised);
            upsample_backward(&outer.second, &d_outer.raised, &mut d_outer.second);
            let conv = a.outer_conv(branch, 1);
            self.weights_backward(conv, &outer.first, 0, &d_outer.second, (gradient, scratch));
            let gate = Epilogue::Gate(&outer.first);
            self.input_backward(conv, &d_outer.second, gate, &mut d_outer.first);
            let conv = a.outer_conv(branch, 0);
            let first = a.decoded() - OUTER_CHANNELS;
            self.weights_backward(conv, last, first, &d_outer.first, (gradient, scratch));
            self.input_backward(conv, &d_outer.first, Epilogue::Plain, &mut d_outer.input);
            add_channels(&mut d.blocks[depth - 1].raised, first, &d_outer.input);
        }
        for k in (0..depth).rev() {
            let (before, rest) = d.blocks.split_at_mut(k);
            let (block, d) = (&maps.blocks[k], &mut rest[0]);
            upsample_backward(&block.second, &d.raised, &mut d.second);
            let conv = a.decoder_conv(branch, 2 * k + 1);
            self.weights_backward(conv, &block.first, 0, &d.second, (gradient, scratch));
            self.input_backward(conv, &d.second, Epilogue::Gate(&block.first), &mut d.first);
            let conv = a.decoder_conv(branch, 2 * k);
            let x = if k == 0 {
                encoded
            } else {
                &maps.blocks[k - 1].raised
            };
            self.weights_backward(conv, x, 0, &d.first, (gradient, scratch));
            let to = before.last_mut().map_or(&mut *d_encoded, |b| &mut b.raised);
            self.input_backward(conv, &d.first, Epilogue::Plain, to);
        }
    }

    /// What of a gradient belongs to each convolution.
    fn parts<'g>(&self, gradient: &'g mut [T]) -> Parts<'g, T> {
        let mut rest = gradient;
        let mut parts: Parts<'_, T> = std::array::from_fn(|_| Default::default());
        for (part, tensors) in parts.iter_mut().zip(self.tensors.chunks(2)) {
            let len = tensors.iter().map(|t| t.range.len()).sum();
            (*part, rest) = std::mem::take(&mut rest).split_at_mut(len);
        }
        assert!(rest.is_empty(), "a network of at most {MOST} convolutions");
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
        let method = self.forward[k].method;
        T::conv_weights(self.isa, method, x, first, dy, (left, right), scratch);
    }

    fn input_backward(
        &self,
        k: usize,
        dy: &FeatureMap<T>,
        epilogue: Epilogue<'_, T>,
        dx: &mut FeatureMap<T>,
    ) {
        T::conv(self.isa, dy, 0, &self.adjoint[k], epilogue, dx);
    }
}

/// `to[.., first + c] += from[.., c]` over the channels of `from`.
fn add_channels<T: Kernels>(to: &mut FeatureMap<T>, first: usize, from: &FeatureMap<T>) {
    for image in 0..from.images() {
        for row in 0..from.height() {
            for col in 0..from.width() {
                let pixel = &mut to.pixel_mut(image, row, col)[first..];
                for (x, &y) in pixel
                    .iter_mut()
                    .zip(&from.pixel(image, row, col)[..from.channels()])
                {
                    *x = *x + y;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(k: usize, f: f64) -> f64 {
        ((k as f64 + 1.0) * f).sin()
    }

    fn tiny(outer: Option<usize>) -> Architecture {
        Architecture {
            n: 16,
            channels: 2,
            encoder: vec![3, 5],
            decoder: vec![6],
            outer,
        }
    }

    #[test]
    fn the_gradient_of_every_tensor_is_the_derivative() {
        // L = <w, outputs>; per tensor, one random direction against central differences in f64
        for outer in [None, Some(3)] {
            let a = tiny(outer);
            let weights: Vec<f64> = (0..a.parameters()).map(|k| 0.4 * wave(k, 1.9)).collect();
            let mut ws = Workspace::new(&a, 2, true);
            for (p, image) in (0..2 * 256).map(|k| (k % 256, k / 256)) {
                let pixel = ws.input.pixel_mut(image, p / 16, p % 16);
                pixel
                    .iter_mut()
                    .enumerate()
                    .for_each(|(c, v)| *v = wave(p * 2 + c + image, 0.37));
            }
            let mut cotangent = [Vec::new(), Vec::new()];
            for (b, w) in cotangent.iter_mut().enumerate() {
                w.extend((0..2 * 512).map(|k| wave(k, 1.1 + b as f64)));
            }
            let loss = |weights: &[f64]| {
                let model = Model::new(
                    a.clone(),
                    weights.to_vec(),
                    1.7,
                    Arithmetic::Fast,
                    Isa::Portable,
                );
                let mut ws = ws.clone();
                model.forward(&mut ws);
                ws.outputs
                    .iter()
                    .zip(&cotangent)
                    .flat_map(|(o, c)| o.iter().zip(c))
                    .map(|(o, c)| o * c)
                    .sum::<f64>()
            };
            let model = Model::new(
                a.clone(),
                weights.clone(),
                1.7,
                Arithmetic::Fast,
                Isa::Portable,
            );
            let mut run = ws.clone();
            model.forward(&mut run);
            run.d_outputs.clone_from(&cotangent);
            let mut gradient = vec![0.0; weights.len()];
            model.backward(&mut run, &mut gradient);
            for t in model.tensors() {
                let h = 1e-6;
                let moved = |h: f64| {
                    let mut w = weights.clone();
                    for k in t.range.clone() {
                        w[k] += h * wave(k, 2.7);
                    }
                    loss(&w)
                };
                let numeric = (moved(h) - moved(-h)) / (2.0 * h);
                let exact: f64 = t.range.clone().map(|k| gradient[k] * wave(k, 2.7)).sum();
                let norm: f64 = gradient[t.range.clone()]
                    .iter()
                    .map(|g| g * g)
                    .sum::<f64>()
                    .sqrt();
                assert!(norm > 0.0, "{}: no gradient at all", t.name);
                assert!(
                    (numeric - exact).abs() <= 1e-6 * norm.max(1e-3),
                    "{}: numeric {numeric}, exact {exact}, norm {norm}",
                    t.name
                );
            }
        }
    }

    #[test]
    fn a_group_does_not_depend_on_its_batch() {
        // the same bits alone and among others, whatever the batch
        let a = tiny(Some(2));
        let weights: Vec<f32> = (0..a.parameters())
            .map(|k| 0.4 * wave(k, 1.9) as f32)
            .collect();
        let model = Model::new(a.clone(), weights, 1.0, Arithmetic::Fast, Isa::best());
        let run = |groups: &[usize]| {
            let mut ws = Workspace::new(&a, groups.len(), false);
            for (image, &g) in groups.iter().enumerate() {
                for p in 0..256 {
                    let pixel = ws.input.pixel_mut(image, p / 16, p % 16);
                    pixel
                        .iter_mut()
                        .for_each(|v| *v = wave(p + 300 * g, 0.37) as f32);
                }
            }
            model.forward(&mut ws);
            ws.outputs[0]
                .chunks(512)
                .map(<[f32]>::to_vec)
                .collect::<Vec<_>>()
        };
        let together = run(&[0, 1, 2, 3]);
        for (g, want) in together.iter().enumerate() {
            assert_eq!(run(&[g])[0], *want);
        }
    }
}
