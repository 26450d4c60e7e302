//! The Adam optimizer, in the form that Keras gives it.
//!
//! `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
//! `w -= lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps)`.
//!
//! *Source.* Kingma and Ba, arXiv:1412.6980, with the epsilon outside of the bias correction;
//! reference description, section k.

use rayon::prelude::*;

use crate::dispatch::{Loop, vectorized};
use crate::norm::{CHUNK, LANES};
use crate::scalar::Scalar;

/// Decay of the first moment.
pub const BETA1: f64 = 0.9;
/// Decay of the second moment.
pub const BETA2: f64 = 0.999;
/// Added to the root of the second moment.
pub const EPSILON: f64 = 1e-7;

/// The learning rate with the bias correction of step `t`, from 1.
pub fn corrected_rate(learning_rate: f64, t: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "2^53 steps are out of reach")]
    let t = t as f64;
    learning_rate * (1.0 - BETA2.powf(t)).sqrt() / (1.0 - BETA1.powf(t))
}

/// The state of the optimizer.
#[derive(Debug, Clone)]
pub struct Adam<T> {
    /// First moments, one per weight.
    pub m: Vec<T>,
    /// Second moments, one per weight.
    pub v: Vec<T>,
    /// Number of steps taken.
    pub t: u64,
    /// Work space: the squared change of each chunk.
    squares: Vec<f64>,
}

impl<T: PartialEq> PartialEq for Adam<T> {
    fn eq(&self, other: &Self) -> bool {
        (&self.m, &self.v, self.t) == (&other.m, &other.v, other.t)
    }
}

impl<T: Scalar> Adam<T> {
    /// The state before the first step, for `len` weights.
    pub fn new(len: usize) -> Self {
        Self {
            m: vec![T::zero(); len],
            v: vec![T::zero(); len],
            t: 0,
            squares: Vec::new(),
        }
    }

    /// The state after `t` steps, from its moments.
    ///
    /// # Panics
    /// If there are not as many of both.
    pub fn resumed(m: Vec<T>, v: Vec<T>, t: u64) -> Self {
        assert_eq!(m.len(), v.len(), "moments");
        let squares = Vec::new();
        Self { m, v, t, squares }
    }

    /// Takes one step; returns the 2-norm of the change.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn step(&mut self, weights: &mut [T], gradient: &[T], learning_rate: f64) -> f64 {
        assert_eq!(
            (weights.len(), gradient.len()),
            (self.m.len(), self.m.len()),
            "weights"
        );
        T::adam(self, weights, gradient, learning_rate)
    }
}

/// [`Adam::step`] of as many weights as moments.
pub(crate) fn step<T: Scalar>(
    state: &mut Adam<T>,
    weights: &mut [T],
    gradient: &[T],
    learning_rate: f64,
) -> f64 {
    state.t += 1;
    let rule = Rule {
        rate: T::of(corrected_rate(learning_rate, state.t)),
        decays: [T::of(1.0 - BETA1), T::of(1.0 - BETA2)],
        epsilon: T::of(EPSILON),
    };
    // fixed chunks, folded in order: the threads change no bit
    state
        .m
        .par_chunks_mut(CHUNK)
        .zip(state.v.par_chunks_mut(CHUNK))
        .zip(
            weights
                .par_chunks_mut(CHUNK)
                .zip(gradient.par_chunks(CHUNK)),
        )
        .map(|((m, v), (weights, gradient))| {
            let mut sum = 0.0;
            vectorized(Chunk {
                moments: (m, v),
                weights,
                gradient,
                rule,
                sum: &mut sum,
            });
            sum
        })
        .collect_into_vec(&mut state.squares);
    state.squares.iter().sum::<f64>().sqrt()
}

/// The numbers of one step.
#[derive(Debug, Clone, Copy)]
struct Rule<T> {
    rate: T,
    /// Weights of the new values in the moments: `1 - b1`, `1 - b2`.
    decays: [T; 2],
    epsilon: T,
}

impl<T: Scalar> Rule<T> {
    /// The change of a weight, and its new moments.
    #[inline(always)]
    fn change(self, g: T, m: &mut T, v: &mut T) -> T {
        *m = *m + (g - *m) * self.decays[0];
        *v = *v + (g * g - *v) * self.decays[1];
        self.rate * *m / (v.sqrt() + self.epsilon)
    }
}

/// The step of some weights.
struct Chunk<'a, T> {
    moments: (&'a mut [T], &'a mut [T]),
    weights: &'a mut [T],
    gradient: &'a [T],
    rule: Rule<T>,
    sum: &'a mut f64,
}

impl<T: Scalar> Loop for Chunk<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Self {
            moments: (m, v),
            weights,
            gradient,
            ..
        } = self;
        let mut sums = [0.0; LANES];
        let (m, m_rest) = m.as_chunks_mut::<LANES>();
        let (v, v_rest) = v.as_chunks_mut::<LANES>();
        let (w, w_rest) = weights.as_chunks_mut::<LANES>();
        let (g, g_rest) = gradient.as_chunks::<LANES>();
        let rows = m.iter_mut().zip(v).zip(w.iter_mut().zip(g));
        for ((m, v), (w, g)) in rows {
            for k in 0..LANES {
                let change = self.rule.change(g[k], &mut m[k], &mut v[k]);
                w[k] = w[k] - change;
                sums[k] += change.wide() * change.wide();
            }
        }
        let rest = m_rest
            .iter_mut()
            .zip(v_rest)
            .zip(w_rest.iter_mut().zip(g_rest));
        for (((m, v), (w, g)), sum) in rest.zip(&mut sums) {
            let change = self.rule.change(*g, m, v);
            *w = *w - change;
            *sum += change.wide() * change.wide();
        }
        *self.sum = sums.iter().sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ptyproof_testkit::tolerance::{F64_STEPS_64, F64_STEPS_4096, assert_close};

    #[test]
    fn first_adam_step_is_the_learning_rate() {
        // m = 0.1 g, v = 0.001 g^2: the corrections cancel and the change is lr * sign(g)
        let mut adam = Adam::<f64>::new(2);
        let mut w = [1.0, 1.0];
        let norm = adam.step(&mut w, &[5.0, -0.02], 1e-3);
        // epsilon takes its share: eps / (|g| sqrt(1 - b2)), 1.6e-4 for the smaller gradient
        let share = |g: f64| {
            let root = (1.0 - BETA2).sqrt();
            1e-3 * g * root / (g.abs() * root + EPSILON)
        };
        let changes = [5.0, -0.02].map(share);
        assert_close!(w[0], 1.0 - changes[0], F64_STEPS_64);
        assert_close!(w[1], 1.0 - changes[1], F64_STEPS_64);
        assert_close!(norm, changes[0].hypot(changes[1]), F64_STEPS_64);
    }

    #[test]
    fn adam_converges_on_a_quadratic() {
        let mut adam = Adam::<f64>::new(1);
        let mut w = [1.0];
        for _ in 0..2000 {
            let g = [2.0 * (w[0] - 0.25)];
            adam.step(&mut w, &g, 1e-2);
        }
        // the steps decay: the quadratic ends at its minimum but for roundings
        assert_close!(w[0], 0.25, F64_STEPS_4096);
    }

    #[test]
    fn nan_gradient_affects_only_its_weight() {
        let mut adam = Adam::<f32>::new(2);
        let mut w = [1.0, 1.0];
        let norm = adam.step(&mut w, &[f32::NAN, 1.0], 1e-3);
        assert!(w[0].is_nan() && w[1].is_finite() && norm.is_nan());
    }
}
