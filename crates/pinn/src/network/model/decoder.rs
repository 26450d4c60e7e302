//! A decoder, forward and backward: from the encoded maps to the logits of one branch.

use super::super::architecture::{Branch, OUTER_CHANNELS};
use super::super::outputs::add_estimate;
use super::super::workspace::DecoderMaps;
use super::{Model, Parts};
use ptyproof_kernels::conv::{Aligned, Epilogue, Kernels};
use ptyproof_kernels::layers::{add_channels, upsample, upsample_backward};
use ptyproof_kernels::map::FeatureMap;

impl<T: Kernels> Model<T> {
    pub(super) fn decode(
        &self,
        branch: Branch,
        (input, encoded): (&FeatureMap<T>, &FeatureMap<T>),
        maps: &mut DecoderMaps<T>,
    ) {
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
        if a.estimates {
            add_estimate(branch, input, &mut maps.logits);
            if let Some(outer) = &mut maps.outer {
                add_estimate(branch, input, &mut outer.logits);
            }
        }
    }

    pub(super) fn decode_backward(
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
}
