//! The network input of a batch: estimates of the object, one patch per channel.
//!
//! *Law.* The input of a group depends only on that group.

use rayon::prelude::*;

use crate::network::outputs::GAIN;
use crate::physics::forward::{GroupState, Physics};
use ptyproof_kernels::map::FeatureMap;
use ptyproof_kernels::scalar::Scalar;

/// Fills the input of a network from the labels of a batch, model amplitude `[group, row, col, channel]`, and the offsets
/// of all channels: the relative deviation of the amplitude of the estimate from the expected amplitude, and its phase in
/// radians, both times [`GAIN`]. Estimates are computed in the states of the groups.
pub(super) fn fill_input<T: Scalar>(
    physics: &Physics<T>,
    (label, relative): (&[T], &[[T; 2]]),
    states: &mut [GroupState<T>],
    input: &mut FeatureMap<T>,
) {
    let (area, c) = (input.height() * input.width(), input.channels() / 2);
    let groups = label.par_chunks(area * c).zip(relative.par_chunks(c));
    states
        .par_iter_mut()
        .zip(groups)
        .for_each(|(state, (label, rel))| physics.estimate(label, rel, state));
    let (states, gain, side) = (&*states, T::of(GAIN), input.width());
    input.each_pixel(|image, row, col, pixel| {
        let at = row * side + col;
        for (k, pair) in pixel.chunks_exact_mut(2).enumerate() {
            let (modulus, phase) = states[image].fields[k * area + at].to_polar();
            pair.copy_from_slice(&[gain * (modulus - T::one()), gain * phase]);
        }
    });
}
