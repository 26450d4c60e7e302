//! The outputs of the network from the maps of heads and outer branch: each activation in its part of the pattern.

use rayon::prelude::*;

use super::architecture::{Architecture, Branch};
use super::workspace::DecoderMaps;
use ptyproof_kernels::conv::Kernels;
use ptyproof_kernels::layers::Activation;
use ptyproof_kernels::map::FeatureMap;
use ptyproof_kernels::scalar::Scalar;

/// Gain of the network input over the deviation of an estimate from a flat object: a deviation of a fifth fills the input
/// range.
pub const GAIN: f64 = 5.0;

/// Maximum share of the range of an activation for an estimate: closer to the bounds the gradient of corrections would
/// vanish.
const MAX_INITIAL_RANGE_SHARE: f64 = 15.0 / 16.0;

/// The logit whose activation is the estimate in the input of the network: `A = ceiling * sigmoid(a)` is `ceiling / 2 * (1
/// + tanh(a / 2))`, and `phi = pi tanh(p)`.
fn logit<T: Scalar>(branch: Branch, seen: T) -> T {
    let (range, factor) = match branch {
        Branch::Amplitude => (GAIN, 2.0),
        Branch::Phase => (GAIN * std::f64::consts::PI, 1.0),
    };
    let (part, reach) = (seen / T::of(range), T::of(MAX_INITIAL_RANGE_SHARE));
    // a NaN stays one
    let clamped = if part.abs() > reach {
        reach * part.signum()
    } else {
        part
    };
    T::of(factor) * clamped.atanh()
}

/// Adds the logits of the estimates to the logits of the central half of the `input`: without a correction the outputs are
/// the estimates.
pub fn add_estimate<T: Kernels>(branch: Branch, input: &FeatureMap<T>, logits: &mut FeatureMap<T>) {
    let part = branch.index();
    let q = (input.height() - logits.height()) / 2;
    logits.each_pixel(|image, row, col, to| {
        let pairs = input.pixel(image, row + q, col + q).chunks_exact(2);
        for (t, pair) in to.iter_mut().zip(pairs) {
            *t = *t + logit(branch, pair[part]);
        }
    });
}

/// The activation outside the center: that of the reference for a network of amplitudes.
pub fn border_activation(estimates: bool, activation: Activation) -> Activation {
    if estimates {
        activation
    } else {
        Activation::Swish
    }
}

/// Whether pixel `(row, col)` of side `n` is in the central half, where the heads write.
fn central(n: usize, row: usize, col: usize) -> bool {
    let inside = |k: usize| (n / 4..n - n / 4).contains(&k);
    inside(row) && inside(col)
}

/// Applies the activations of a head and of the outer branch, and sets the rest to zero.
pub(super) fn fill_outputs<T: Kernels>(
    a: &Architecture,
    maps: &DecoderMaps<T>,
    activation: Activation,
    out: &mut [T],
) {
    let (n, c, q) = (a.n, a.channels, a.n / 4);
    let border = border_activation(a.estimates, activation);
    let images = maps.logits.images();
    out[..images * n * n * c]
        .par_chunks_exact_mut(n * n * c)
        .enumerate()
        .for_each(|(image, out)| {
            for (p, to) in out.chunks_exact_mut(c).enumerate() {
                let (row, col) = (p / n, p % n);
                if central(n, row, col) {
                    let from = maps.logits.pixel(image, row - q, col - q);
                    to.iter_mut()
                        .zip(from)
                        .for_each(|(t, &x)| *t = activation.value(x));
                } else if let Some(outer) = &maps.outer {
                    let from = outer.logits.pixel(image, row, col);
                    to.iter_mut()
                        .zip(from)
                        .for_each(|(t, &x)| *t = border.value(x));
                } else {
                    to.fill(T::zero());
                }
            }
        });
}

/// The adjoint of [`fill_outputs`]: gradients before the activations.
pub(super) fn fill_logits<T: Kernels>(
    a: &Architecture,
    maps: &DecoderMaps<T>,
    activation: Activation,
    d_out: &[T],
    d: &mut DecoderMaps<T>,
) {
    let (n, c, q) = (a.n, a.channels, a.n / 4);
    let border = border_activation(a.estimates, activation);
    let gradient = |image: usize, row: usize, col: usize| {
        let p = (image * n + row) * n + col;
        d_out[p * c..(p + 1) * c].iter()
    };
    d.logits.each_pixel(|image, row, col, to| {
        let x = maps.logits.pixel(image, row, col);
        for ((t, &x), &g) in to.iter_mut().zip(x).zip(gradient(image, row + q, col + q)) {
            *t = g * activation.derivative(x);
        }
    });
    if let (Some(outer), Some(d_outer)) = (&maps.outer, &mut d.outer) {
        d_outer.logits.each_pixel(|image, row, col, to| {
            if central(n, row, col) {
                return to.fill(T::zero());
            }
            let x = outer.logits.pixel(image, row, col);
            for ((t, &x), &g) in to.iter_mut().zip(x).zip(gradient(image, row, col)) {
                *t = g * border.derivative(x);
            }
        });
    }
}
