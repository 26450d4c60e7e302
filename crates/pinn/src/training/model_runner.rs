//! One batch through network, physics and loss, and its gradient back: the unit of all training.
//!
//! *Law.* The loss of a batch is the fold, in group order, of per-group sums that depend on nothing
//! but their group; so neither the number of threads nor the other groups of a batch change its bits.

use ndarray::ArrayView4;
use num_complex::Complex;
use rayon::prelude::*;

use super::network_input;
use crate::network::model::Model;
use crate::network::workspace::Workspace;
use crate::physics::forward::{GroupLoss, GroupState, Physics};
use ptyproof::geometry::Position;
use ptyproof_kernels::conv::Kernels;
use ptyproof_kernels::norm::{Norm, non_finite};

/// Means over a batch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BatchLoss {
    /// Mean Poisson loss per pixel.
    pub nll: f64,
    /// Mean `|s X - predicted amplitude|` per pixel, in sqrt(counts).
    pub absolute_error: f64,
    /// Pixels whose predicted intensity was below the floor of the guard.
    pub floored: usize,
    /// Pixels whose predicted amplitude was exactly zero.
    pub zeros: usize,
}

/// A network with its physics and the memory for batches of a fixed largest size.
#[derive(Debug)]
pub struct ModelRunner<T: Kernels> {
    model: Model<T>,
    physics: Physics<T>,
    workspace: Workspace<T>,
    states: Vec<GroupState<T>>,
    label: Vec<T>,
    relative: Vec<[T; 2]>,
    gradient: Vec<T>,
    losses: Vec<GroupLoss>,
    norm: Norm,
}

impl<T: Kernels> ModelRunner<T> {
    /// Memory for batches of up to `groups` groups; `training` adds what gradients need.
    pub fn new(model: Model<T>, physics: Physics<T>, groups: usize, training: bool) -> Self {
        let a = model.architecture();
        let workspace = Workspace::new(a, groups, training);
        let label = vec![T::zero(); groups * workspace.per_group()];
        let relative = vec![[T::zero(); 2]; groups * a.channels];
        let gradient = if training {
            vec![T::zero(); a.parameters()]
        } else {
            Vec::new()
        };
        let states = vec![GroupState::default(); groups];
        Self {
            model,
            physics,
            workspace,
            states,
            label,
            relative,
            gradient,
            losses: Vec::new(),
            norm: Norm::default(),
        }
    }

    /// The network.
    pub fn model(&self) -> &Model<T> {
        &self.model
    }

    /// The physics.
    pub fn physics(&self) -> &Physics<T> {
        &self.physics
    }

    /// The activations of the last batch.
    pub fn workspace(&self) -> &Workspace<T> {
        &self.workspace
    }

    /// The fields of group `k` of the last batch.
    pub fn state(&self, k: usize) -> &GroupState<T> {
        &self.states[k]
    }

    /// The offsets `[x, y]` of the channels of group `k` of the last batch, in pixels.
    pub fn relative_of(&self, k: usize) -> &[[T; 2]] {
        let c = self.model.architecture().channels;
        &self.relative[k * c..(k + 1) * c]
    }

    /// The labels of the last batch, `[group, row, col, channel]`, in sqrt(counts).
    pub fn label(&self) -> &[T] {
        &self.label[..self.workspace.groups() * self.workspace.per_group()]
    }

    /// The share of one pixel in the mean loss of the last batch.
    pub fn weight(&self) -> f64 {
        1.0 / (self.workspace.groups() * self.workspace.per_group()) as f64
    }

    /// The gradient of the last batch, flat, in the order of the parameters.
    pub fn gradient(&self) -> &[T] {
        &self.gradient
    }

    /// The Euclidean norm of the gradient, and how many of its values are not finite.
    pub fn gradient_norm(&mut self) -> (f64, u64) {
        self.norm.of(&self.gradient)
    }

    /// The Euclidean norm of the weights, and how many of them are not finite.
    pub fn weights_norm(&mut self) -> (f64, u64) {
        self.norm.of(self.model.weights())
    }

    /// The largest batch.
    pub fn capacity(&self) -> usize {
        self.states.len()
    }

    /// Updates the weights with the optimizer step `f` of weights and gradient.
    pub fn update<R>(&mut self, f: impl FnOnce(&mut [T], &[T]) -> R) -> R {
        let gradient = &self.gradient;
        let mut result = None;
        self.model
            .update(|weights| result = Some(f(weights, gradient)));
        result.expect("update calls its closure")
    }

    /// Loads the `members` of a data set as the batch.
    ///
    /// `amplitude` is `[group, row, col, channel]`, model amplitude `s X`; `relative` the offsets
    /// `[group * C + channel]` in pixels.
    ///
    /// # Panics
    /// If a member or the batch is out of bounds.
    pub fn load(
        &mut self,
        amplitude: &ArrayView4<'_, f32>,
        relative: &[Position],
        members: &[usize],
    ) {
        let (_, n, _, c) = amplitude.dim();
        let per_group = self.workspace.per_group();
        assert_eq!(n * n * c, per_group, "patterns of the network's size");
        self.workspace.set_groups(members.len());
        let scale = self.physics.scale();
        self.label
            .par_chunks_exact_mut(per_group)
            .zip(members)
            .for_each(|(label, &member)| {
                let from = amplitude.index_axis(ndarray::Axis(0), member);
                for (to, &v) in label.iter_mut().zip(from) {
                    *to = T::of(f64::from(v));
                }
            });
        for (k, &member) in members.iter().enumerate() {
            for (channel, p) in relative[member * c..(member + 1) * c].iter().enumerate() {
                // the reference hands positions to its model as float32
                #[expect(clippy::cast_possible_truncation, reason = "float32 is the meaning")]
                let [x, y] = [p.x as f32, p.y as f32];
                self.relative[k * c + channel] = [T::of(f64::from(x)), T::of(f64::from(y))];
            }
        }
        if self.model.architecture().estimates {
            network_input::fill_input(
                &self.physics,
                (&self.label, &self.relative),
                &mut self.states[..members.len()],
                &mut self.workspace.input,
            );
        } else {
            let label = &self.label;
            self.workspace.input.each_pixel(|image, row, col, pixel| {
                let from = ((image * n + row) * n + col) * c;
                for (t, &v) in pixel.iter_mut().zip(&label[from..from + c]) {
                    *t = v / scale;
                }
            });
        }
    }

    /// The network's pass over the loaded batch, up to the assembled object of every group.
    pub fn assemble(&mut self) {
        self.model.forward(&mut self.workspace);
        let (groups, per_group) = (self.workspace.groups(), self.workspace.per_group());
        let c = self.model.architecture().channels;
        let [amplitude, phase] = &self.workspace.outputs;
        let (physics, relative) = (&self.physics, &self.relative);
        self.states[..groups]
            .par_iter_mut()
            .enumerate()
            .for_each(|(k, state)| {
                let range = k * per_group..(k + 1) * per_group;
                let rel = &relative[k * c..(k + 1) * c];
                physics.assemble(&amplitude[range.clone()], &phase[range], rel, state);
            });
    }

    /// The loss of the loaded batch.
    pub fn forward(&mut self) -> BatchLoss {
        self.assemble();
        let (groups, per_group) = (self.workspace.groups(), self.workspace.per_group());
        let c = self.model.architecture().channels;
        let (physics, relative, label) = (&self.physics, &self.relative, &self.label);
        self.states[..groups]
            .par_iter_mut()
            .enumerate()
            .map(|(k, state)| {
                let rel = &relative[k * c..(k + 1) * c];
                physics.forward(rel, &label[k * per_group..(k + 1) * per_group], state)
            })
            .collect_into_vec(&mut self.losses);
        let sum = self
            .losses
            .iter()
            .fold(GroupLoss::default(), |a, b| GroupLoss {
                nll: a.nll + b.nll,
                absolute_error: a.absolute_error + b.absolute_error,
                floored: a.floored + b.floored,
                zeros: a.zeros + b.zeros,
            });
        let count = (groups * per_group) as f64;
        BatchLoss {
            nll: sum.nll / count,
            absolute_error: sum.absolute_error / count,
            floored: sum.floored,
            zeros: sum.zeros,
        }
    }

    /// How many predicted amplitudes of the batch are not finite. Call after [`ModelRunner::forward`] and
    /// before [`ModelRunner::backward`].
    pub fn non_finite_predictions(&self) -> u64 {
        let groups = &self.states[..self.workspace.groups()];
        let bad = |z: &Complex<T>| u64::from(!(z.re.is_finite() && z.im.is_finite()));
        groups
            .par_iter()
            .map(|s| s.fields.iter().map(bad).sum::<u64>())
            .sum()
    }

    /// How many values at the boundaries of the network are not finite: input, encoded input, logits, maps,
    /// gradients of the maps. Call after [`ModelRunner::backward`].
    pub fn boundaries(&self) -> u64 {
        let ws = &self.workspace;
        let used = ws.groups() * ws.per_group();
        let mut bad = non_finite(ws.input.data());
        bad += ws
            .maps
            .encoder
            .last()
            .map_or(0, |b| non_finite(b.pooled.data()));
        for (d, maps) in ws
            .maps
            .decoders
            .iter()
            .zip(ws.outputs.iter().zip(&ws.d_outputs))
        {
            bad += non_finite(d.logits.data());
            bad += d.outer.as_ref().map_or(0, |o| non_finite(o.logits.data()));
            bad += non_finite(&maps.0[..used]) + non_finite(&maps.1[..used]);
        }
        bad
    }

    /// The gradient of the batch's mean loss, into [`ModelRunner::gradient`]. Call after
    /// [`ModelRunner::forward`], once.
    pub fn backward(&mut self) {
        let (groups, per_group) = (self.workspace.groups(), self.workspace.per_group());
        let c = self.model.architecture().channels;
        let weight = self.weight();
        let (physics, relative, label) = (&self.physics, &self.relative, &self.label);
        let Workspace {
            outputs: [amplitude, phase],
            d_outputs: [da, dp],
            ..
        } = &mut self.workspace;
        self.states[..groups]
            .par_iter_mut()
            .zip(
                da.par_chunks_exact_mut(per_group)
                    .zip(dp.par_chunks_exact_mut(per_group)),
            )
            .enumerate()
            .for_each(|(k, (state, (da, dp)))| {
                let range = k * per_group..(k + 1) * per_group;
                let rel = &relative[k * c..(k + 1) * c];
                let maps = (&amplitude[range.clone()], &phase[range.clone()]);
                physics.backward(maps, rel, &label[range], weight, state, (da, dp));
            });
        self.model.backward(&mut self.workspace, &mut self.gradient);
    }

    /// The objects of the loaded batch, `N x N` each, in order, in the gauge of the numerics; call after
    /// [`ModelRunner::assemble`].
    pub fn objects(&self) -> Vec<Vec<Complex<T>>> {
        let n = self.physics.side();
        self.states[..self.workspace.groups()]
            .iter()
            .map(|state| {
                let mut out = vec![Complex::new(T::zero(), T::zero()); n * n];
                self.physics.trimmed(state, &mut out);
                let gauge = self.physics.numerics().gauge;
                gauge.fix(&mut out, self.physics.probe());
                out
            })
            .collect()
    }
}

#[cfg(test)]
#[path = "model_runner_tests.rs"]
pub(super) mod tests;
