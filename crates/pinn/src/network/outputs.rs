//! Between the maps of heads and outer branch and the network's outputs: activations, each in its part of the pattern.

use rayon::prelude::*;

use super::architecture::{Architecture, Branch};
use super::workspace::DecoderMaps;
use ptyproof_kernels::conv::Kernels;
use ptyproof_kernels::layers::Activation;
use ptyproof_kernels::map::FeatureMap;
use ptyproof_kernels::scalar::Scalar;

/// What the network sees of an estimate is so many times its deviation from a flat object: objects of a fifth fill the range of its numbers.
pub const GAIN: f64 = 5.0;

/// The largest part of an activation's range that an estimate begins at: nearer to its ends corrections would find no slope.
const REACH: f64 = 15.0 / 16.0;

/// The logit whose activation is what the network `sees` of an estimate: `A = ceiling * sigmoid(a)` is `ceiling / 2 * (1 + tanh(a / 2))`, and
/// `phi = pi tanh(p)`.
fn logit<T: Scalar>(branch: Branch, seen: T) -> T {
    let (range, factor) = match branch {
        Branch::Amplitude => (GAIN, 2.0),
        Branch::Phase => (GAIN * std::f64::consts::PI, 1.0),
    };
    let (part, reach) = (seen / T::of(range), T::of(REACH));
    // a NaN stays one
    let held = if part.abs() > reach {
        reach * part.signum()
    } else {
        part
    };
    T::of(factor) * held.atanh()
}

/// Adds to logits, which lie in the middle of the `input`, those of the estimates there: without any correction the outputs are the estimates.
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

/// The activation outside of the centre: the reference's, of a network that sees amplitudes.
pub fn of_border(estimates: bool, activation: Activation) -> Activation {
    if estimates {
        activation
    } else {
        Activation::Swish
    }
}

/// Whether pixel `(row, col)` of side `n` lies in the central half, where the heads write.
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
    let border = of_border(a.estimates, activation);
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
    let border = of_border(a.estimates, activation);
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
