//! The trainable parameters: one flat vector of named tensors.

use std::ops::Range;

use super::architecture::Architecture;
use ptyproof::rng::Stream;
use ptyproof_kernels::scalar::Scalar;

/// Name, shape and place of one tensor in the flat vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Its name, such as `encoder.conv3.weight`.
    pub name: String,
    /// Its shape: HWIO for weights, one number for biases.
    pub shape: Vec<usize>,
    /// The range of its values.
    pub range: Range<usize>,
}

/// The tensors of a network, weights and bias of each convolution in turn.
pub fn tensors(architecture: &Architecture) -> Vec<Tensor> {
    let mut all = Vec::new();
    let mut at = 0;
    for c in architecture.convolutions() {
        for (part, shape) in [
            ("weight", vec![3, 3, c.inputs, c.outputs]),
            ("bias", vec![c.outputs]),
        ] {
            let len: usize = shape.iter().product();
            all.push(Tensor {
                name: format!("{}.{part}", c.name),
                shape,
                range: at..at + len,
            });
            at += len;
        }
    }
    all
}

/// Glorot uniform initialization of every weight, zero for every bias; in a network of estimates the last convolutions are
/// zero too, so that the untrained network returns its input.
///
/// The limit is `sqrt(6 / (9 inputs + 9 outputs))` (Glorot and Bengio 2010, AISTATS 9:249). Each tensor has a separate
/// stream of `seed`.
pub fn glorot_uniform<T: Scalar>(architecture: &Architecture, seed: u64) -> Vec<T> {
    let mut values = vec![T::zero(); architecture.parameters()];
    let last = |k: usize| architecture.estimates && architecture.is_output(k / 2);
    for (k, t) in tensors(architecture).iter().enumerate() {
        if let ([_, _, inputs, outputs], false) = (&t.shape[..], last(k)) {
            let limit = (6.0 / (9 * (inputs + outputs)) as f64).sqrt();
            let mut stream = Stream::new(seed, "weights", k as u64);
            for v in &mut values[t.range.clone()] {
                *v = T::of(limit * (2.0 * stream.uniform() - 1.0));
            }
        }
    }
    values
}
