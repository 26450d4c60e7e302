//! What the network is shown of a batch: estimates of the object, made of what deviates from the mean pattern.
//!
//! *Law.* What is shown of a pattern depends on that pattern alone.

use num_complex::Complex;
use rayon::prelude::*;

use crate::ground::scalar::Scalar;
use crate::kernel::map::FeatureMap;
use crate::network::outputs::GAIN;
use crate::physics::estimate::Estimator;
use crate::physics::forward::GroupState;

/// The mean pattern, and the way from there to the object.
#[derive(Debug)]
pub(super) struct Sight<T: Scalar> {
    mean: Vec<T>,
    estimator: Estimator<T>,
}

impl<T: Scalar> Sight<T> {
    /// For a probe, `[row, col]`; the mean pattern is zero until it is set.
    pub(super) fn of_probe(n: usize, probe: &[Complex<T>]) -> Self {
        Self {
            mean: vec![T::zero(); n * n],
            estimator: Estimator::new(n, probe),
        }
    }

    pub(super) fn set_mean(&mut self, mean: Vec<T>) {
        assert_eq!(
            mean.len(),
            self.mean.len(),
            "one value a pixel of the detector"
        );
        self.mean = mean;
    }

    pub(super) fn mean(&self) -> &[T] {
        &self.mean
    }

    /// Fills the input of a network from the labels of a batch, model amplitude `[group, row, col, channel]` in units of `scale`. The
    /// fields of each group's state are where its estimates are made.
    pub(super) fn show(
        &self,
        (label, scale): (&[T], T),
        states: &mut [GroupState<T>],
        input: &mut FeatureMap<T>,
    ) {
        let area = self.mean.len();
        let c = input.channels() / 2;
        let zero = Complex::new(T::zero(), T::zero());
        let groups = label.par_chunks_exact(area * c);
        states
            .par_iter_mut()
            .zip(groups)
            .for_each(|(state, label)| {
                state.fields.clear();
                state.fields.resize(c * area, zero);
                for (k, plane) in state.fields.chunks_exact_mut(area).enumerate() {
                    let deviation = |p: usize| label[p * c + k] / scale - self.mean[p];
                    (self.estimator).estimate(deviation, plane, &mut state.scratch);
                }
            });
        let (states, gain) = (&*states, T::of(GAIN));
        let n = input.width();
        input.each_pixel(|image, row, col, pixel| {
            let at = row * n + col;
            for (k, pair) in pixel.chunks_exact_mut(2).enumerate() {
                let g = states[image].fields[k * area + at];
                pair.copy_from_slice(&[gain * g.re, gain * g.im]);
            }
        });
    }
}
