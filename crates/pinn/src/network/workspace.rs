//! The feature maps of a network for a batch: allocated once, used by every step.

use super::architecture::{Architecture, Branch};
use ptyproof_kernels::conv::Aligned;
use ptyproof_kernels::map::FeatureMap;
use ptyproof_kernels::scalar::Scalar;

/// Maps of one encoder block.
#[derive(Debug, Clone)]
pub struct EncoderBlock<T> {
    /// After the first convolution and ReLU.
    pub first: FeatureMap<T>,
    /// After the second convolution and ReLU.
    pub second: FeatureMap<T>,
    /// After pooling.
    pub pooled: FeatureMap<T>,
}

/// Maps of one decoder block.
#[derive(Debug, Clone)]
pub struct DecoderBlock<T> {
    /// After the first convolution and ReLU.
    pub first: FeatureMap<T>,
    /// After the second convolution and ReLU.
    pub second: FeatureMap<T>,
    /// After up-sampling.
    pub raised: FeatureMap<T>,
}

/// Maps of the branch that fills the border outside the central half.
#[derive(Debug, Clone)]
pub struct OuterMaps<T> {
    /// After the first convolution and ReLU, side `N / 2`.
    pub first: FeatureMap<T>,
    /// After the second convolution and ReLU.
    pub second: FeatureMap<T>,
    /// After up-sampling, side `N`.
    pub raised: FeatureMap<T>,
    /// Before the activation, side `N`.
    pub logits: FeatureMap<T>,
    /// The gradient of the four channels that the branch reads; unused in the forward pass.
    pub input: FeatureMap<T>,
}

/// Maps of one decoder with its head.
#[derive(Debug, Clone)]
pub struct DecoderMaps<T> {
    /// Blocks, in order.
    pub blocks: Vec<DecoderBlock<T>>,
    /// Before the head's activation, side `N / 2`.
    pub logits: FeatureMap<T>,
    /// The outer branch, if the network has one.
    pub outer: Option<OuterMaps<T>>,
}

/// All maps of a network: once for activations, once more for their gradients.
#[derive(Debug, Clone)]
pub struct Maps<T> {
    /// Encoder blocks, in order.
    pub encoder: Vec<EncoderBlock<T>>,
    /// Amplitude and phase decoder.
    pub decoders: [DecoderMaps<T>; 2],
}

impl<T: Scalar> Maps<T> {
    fn new(a: &Architecture, images: usize) -> Self {
        let mut side = a.n;
        let encoder = a
            .encoder
            .iter()
            .map(|&f| {
                side /= 2;
                EncoderBlock {
                    first: FeatureMap::new(images, 2 * side, 2 * side, f),
                    second: FeatureMap::new(images, 2 * side, 2 * side, f),
                    pooled: FeatureMap::new(images, side, side, f),
                }
            })
            .collect();
        let decoder = || {
            let mut side = a.n >> a.encoder.len();
            let blocks = a
                .decoder
                .iter()
                .map(|&f| {
                    side *= 2;
                    DecoderBlock {
                        first: FeatureMap::new(images, side / 2, side / 2, f),
                        second: FeatureMap::new(images, side / 2, side / 2, f),
                        raised: FeatureMap::new(images, side, side, f),
                    }
                })
                .collect();
            let half = a.half();
            DecoderMaps {
                blocks,
                logits: FeatureMap::new(images, half, half, a.channels),
                outer: a.outer.map(|f| OuterMaps {
                    first: FeatureMap::new(images, half, half, f),
                    second: FeatureMap::new(images, half, half, f),
                    raised: FeatureMap::new(images, a.n, a.n, f),
                    logits: FeatureMap::new(images, a.n, a.n, a.channels),
                    input: FeatureMap::new(images, half, half, super::architecture::OUTER_CHANNELS),
                }),
            }
        };
        Self {
            encoder,
            decoders: [decoder(), decoder()],
        }
    }

    fn each(&mut self, mut f: impl FnMut(&mut FeatureMap<T>)) {
        for b in &mut self.encoder {
            [&mut b.first, &mut b.second, &mut b.pooled]
                .into_iter()
                .for_each(&mut f);
        }
        for d in &mut self.decoders {
            for b in &mut d.blocks {
                [&mut b.first, &mut b.second, &mut b.raised]
                    .into_iter()
                    .for_each(&mut f);
            }
            f(&mut d.logits);
            if let Some(o) = &mut d.outer {
                [
                    &mut o.first,
                    &mut o.second,
                    &mut o.raised,
                    &mut o.logits,
                    &mut o.input,
                ]
                .into_iter()
                .for_each(&mut f);
            }
        }
    }

    /// The maps of one decoder.
    pub fn decoder(&self, branch: Branch) -> &DecoderMaps<T> {
        &self.decoders[branch.index()]
    }
}

/// All buffers of a forward and a backward pass of a batch.
#[derive(Debug, Clone)]
pub struct Workspace<T> {
    /// The network's input, normalized amplitude, `[group, row, col, channel]`.
    pub input: FeatureMap<T>,
    /// Activations.
    pub maps: Maps<T>,
    /// Gradients of the activations; `None` for inference.
    pub gradients: Option<Maps<T>>,
    /// Amplitude and phase maps, each `[group, row, col, channel]`, `N * N * C` values a group.
    pub outputs: [Vec<T>; 2],
    /// Gradients of the loss with respect to [`Workspace::outputs`].
    pub d_outputs: [Vec<T>; 2],
    /// The gradient of the encoder's result through the second decoder.
    pub encoded: FeatureMap<T>,
    /// Scratch memory of the weight gradients, for each decoder; allocated in the first step.
    pub scratch: [Aligned<T>; 2],
    per_group: usize,
}

impl<T: Scalar> Workspace<T> {
    /// Memory for batches of up to `groups` groups; `training` adds memory for gradients.
    pub fn new(a: &Architecture, groups: usize, training: bool) -> Self {
        let per_group = a.n * a.n * a.channels;
        let room = || vec![T::zero(); groups * per_group];
        let empty = Vec::new;
        let side = a.n >> a.encoder.len();
        let filters = a.encoder[a.encoder.len() - 1];
        Self {
            input: FeatureMap::input(groups, a.n, a.n, a.inputs()),
            maps: Maps::new(a, groups),
            gradients: training.then(|| Maps::new(a, groups)),
            outputs: [room(), room()],
            d_outputs: if training {
                [room(), room()]
            } else {
                [empty(), empty()]
            },
            encoded: FeatureMap::new(if training { groups } else { 0 }, side, side, filters),
            scratch: [Aligned::default(), Aligned::default()],
            per_group,
        }
    }

    /// Uses memory for `groups` of the groups that the workspace was made for.
    ///
    /// # Panics
    /// If it was made for fewer.
    pub fn set_groups(&mut self, groups: usize) {
        self.input.set_images(groups);
        self.maps.each(|m| m.set_images(groups));
        if let Some(g) = &mut self.gradients {
            g.each(|m| m.set_images(groups));
            self.encoded.set_images(groups);
        }
    }

    /// The groups in use.
    pub fn groups(&self) -> usize {
        self.input.images()
    }

    /// Values of one group in [`Workspace::outputs`].
    pub fn per_group(&self) -> usize {
        self.per_group
    }
}
