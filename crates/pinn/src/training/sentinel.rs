//! Detection of the first non-finite number of a training, and of its origin.
//!
//! *How.* Every step counts non-finite values at its boundaries ([`ModelRunner::boundaries`], gradient, parameters): small
//! tensors, at negligible cost. Only if a count is not zero, every tensor of the step is checked in order
//! ([`super::trace`]), once per training: its batch and parameters are still in memory.
//!
//! *Limits.* Between two boundaries a rectifier may turn a `-inf` into zero, which is then not an event.

use super::model_runner::ModelRunner;
use super::trace::{Completed, Node, trace};
use crate::data::training_set::TrainingSet;
use crate::physics::loss::Guard;
use crate::physics::object::Numerics;
use ptyproof::json::Real;
use ptyproof::records::event::{
    Event, FailureContext, Member, SCHEMA, Setting, TensorStats, TrailEntry, ZeroPixels, explain,
};
use ptyproof_kernels::adam::Adam;

/// A tensor of an operation, saved for a replay.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedTensor {
    /// Its name.
    pub name: String,
    /// Its extents, without that of complex pairs.
    pub shape: Vec<usize>,
    /// Whether values are pairs.
    pub complex: bool,
    /// Its values, row-major.
    pub values: Vec<f32>,
}

/// The event, and the tensors of its operation: the inputs in order, then the output.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The event. Fields unknown to the training (seed, hash, file) are empty.
    pub event: Event,
    /// The inputs and the output of the operation.
    pub kept: Vec<SavedTensor>,
}

/// The state of the sentinel.
#[derive(Debug, Clone, Default)]
pub struct Sentinel {
    /// The first event, until it is taken.
    pub found: Option<Finding>,
    rests: bool,
    ratio_before: Option<f64>,
}

/// The place of a step in the training.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Step, from 1.
    pub step: u64,
    /// The groups of the batch.
    pub members: &'a [usize],
    /// The grouping that they belong to.
    pub data: &'a TrainingSet,
}

/// Squares of a gradient of this norm may overflow float32.
const LARGE_GRADIENT: f64 = 1e19;

impl Sentinel {
    /// An inactive sentinel: the event was found in an earlier part of the training.
    pub fn inactive() -> Self {
        Self {
            rests: true,
            ..Self::default()
        }
    }

    /// Checks the step when the gradients are known and the parameters are unchanged.
    pub(super) fn after_backward(
        &mut self,
        bad: bool,
        engine: &mut ModelRunner<f32>,
        place: Place<'_>,
    ) {
        if bad && !self.rests {
            // the way back wrote its gradients over the far fields
            engine.forward();
            self.look(&trace(engine, Completed::Backward), engine, place);
        }
    }

    /// Checks the optimizer step: norms of gradient, update and parameters, and the bad parameters.
    pub(super) fn after_update(
        &mut self,
        [gradient, update, parameters]: [f64; 3],
        (engine, adam, learning_rate): (&ModelRunner<f32>, &Adam<f32>, f64),
        place: Place<'_>,
    ) {
        let bad = !(gradient < LARGE_GRADIENT && update.is_finite() && parameters.is_finite());
        if bad && !self.rests {
            let nodes = trace(engine, Completed::Update(adam, learning_rate));
            self.look(&nodes, engine, place);
        }
        self.ratio_before = Some(update / parameters);
    }

    fn look(&mut self, nodes: &[Node<'_>], engine: &ModelRunner<f32>, place: Place<'_>) {
        let stats: Vec<TensorStats> = nodes
            .iter()
            .map(|n| TensorStats::of(&n.name, &n.full_shape(), &n.values()))
            .collect();
        let Some(first) = stats.iter().position(|s| s.non_finite() > 0) else {
            return;
        };
        self.rests = true;
        self.found = Some(find(nodes, &stats, first, engine, place, self.ratio_before));
    }
}

fn find(
    nodes: &[Node<'_>],
    stats: &[TensorStats],
    first: usize,
    engine: &ModelRunner<f32>,
    place: Place<'_>,
    update_ratio_before: Option<f64>,
) -> Finding {
    let node = &nodes[first];
    let of_name = |name: &String| nodes.iter().position(|n| n.name == *name);
    let inputs: Vec<usize> = node.inputs.iter().filter_map(of_name).collect();
    let read: Vec<TensorStats> = inputs.iter().map(|&k| stats[k].clone()).collect();
    let (cause, explanation) = explain(FailureContext {
        tensor: &node.name,
        operation: &node.operation,
        inputs: &read,
        update_ratio_before,
    });
    let values = node.values();
    let at = values.iter().position(|v| !v.is_finite()).unwrap_or(0);
    let index = unravel(at, &node.full_shape(), node.shape.len());
    let group = node.axes.starts_with("n ").then(|| index[0]);
    let bad = |k: usize| stats[k].non_finite() > 0;
    let trail = (0..nodes.len()).filter(|&k| bad(k)).map(|k| TrailEntry {
        tensor: nodes[k].name.clone(),
        non_finite: stats[k].non_finite(),
        count: stats[k].shape.iter().product(),
        propagated: nodes[k].inputs.iter().filter_map(of_name).any(bad),
    });
    let event = Event {
        schema: SCHEMA.to_owned(),
        tensor: node.name.clone(),
        stage: node.stage,
        operation: node.operation.clone(),
        produced: !node.inputs.is_empty() && !inputs.iter().any(|&k| bad(k)),
        cause,
        explanation,
        culprit: inputs.iter().find_map(|&k| culprit(&nodes[k])),
        epoch: place.epoch,
        step: place.step,
        axes: node.axes.to_owned(),
        index,
        value: Real(f64::from(values[at])),
        output: stats[first].clone(),
        trail: trail.collect(),
        inputs: read,
        tensors: nodes.len(),
        members: members(place),
        update_ratio_before: update_ratio_before.map(Real),
        seed: 0,
        configuration_hash: String::new(),
        setting: setting(engine),
        saved: String::new(),
    };
    let all = inputs.iter().chain([&first]).map(|&k| &nodes[k]);
    let kept = all.map(|n| keep(n, group)).collect();
    Finding { event, kept }
}

/// Zeros of the predicted amplitude are a cause; zeros of other tensors are harmless.
fn culprit(node: &Node<'_>) -> Option<ZeroPixels> {
    let shape = <[usize; 4]>::try_from(node.shape.as_slice()).ok()?;
    (node.name == "physics.amplitude")
        .then(|| ZeroPixels::zeros(&node.name, shape, &node.values()))
        .flatten()
}

/// The first `axes` indices of flat index `at` in an array of this shape.
fn unravel(mut at: usize, shape: &[usize], axes: usize) -> Vec<usize> {
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&extent| {
            let k = at % extent;
            at /= extent;
            k
        })
        .collect();
    index.reverse();
    index.truncate(axes);
    index
}

/// The tensor, or of one with an axis of groups one group.
fn keep(node: &Node<'_>, group: Option<usize>) -> SavedTensor {
    let (mut shape, mut values) = (node.shape.clone(), node.values().into_owned());
    if let (Some(g), true) = (group, node.axes.starts_with("n ")) {
        let each = values.len() / shape[0];
        values = values[g * each..(g + 1) * each].to_vec();
        shape[0] = 1;
    }
    SavedTensor {
        name: node.name.clone(),
        shape,
        complex: node.complex,
        values,
    }
}

/// The whole tensor.
#[cfg(test)]
pub(super) fn keep_whole(node: &Node<'_>) -> SavedTensor {
    keep(node, None)
}

fn members(place: Place<'_>) -> Vec<Member> {
    let (grouping, c) = (&place.data.grouping, place.data.grouping.channels);
    let member = |&group: &usize| Member {
        group,
        patterns: grouping.members[group * c..(group + 1) * c].to_vec(),
        positions: grouping.relative[group * c..(group + 1) * c]
            .iter()
            .map(|r| {
                let center = grouping.centers[group];
                [Real(center.x - r.x), Real(center.y - r.y)]
            })
            .collect(),
    };
    place.members.iter().map(member).collect()
}

pub(super) fn setting(engine: &ModelRunner<f32>) -> Setting {
    let physics = engine.physics();
    let (side, scale) = (physics.side(), f64::from(physics.scale()));
    let numerics = physics.numerics();
    let guarded = match numerics.guard {
        Guard::Floor(_) => numerics,
        Guard::None => {
            let energy = physics
                .probe()
                .iter()
                .map(|p| f64::from(p.norm_sqr()))
                .sum();
            Numerics::guarded(side, energy, scale)
        }
    };
    let floor = match guarded.guard {
        Guard::Floor(floor) => floor,
        Guard::None => 0.0,
    };
    Setting {
        numerics: match numerics.guard {
            Guard::None => "reference",
            Guard::Floor(_) => "guarded",
        }
        .to_owned(),
        side,
        scale,
        weight: engine.weight(),
        guarded_ceiling: guarded.ceiling,
        guarded_floor: floor,
    }
}
