//! Replay of every operation of a training step.

use super::*;
use crate::training::model_runner::{ModelRunner, tests::loaded};
use crate::training::sentinel::keep_whole;
use crate::training::sentinel::setting;
use crate::training::trace::{Completed, Node, trace};
use ptyproof_testkit::compare::{largest, zip_eq};
use ptyproof_testkit::tolerance::{F32_SUM_16384, assert_close};

/// An engine after a step whose tensors can all be traced.
fn stepped(reference: bool, channels: usize) -> ModelRunner<f32> {
    let mut engine = loaded(reference, channels);
    engine.forward();
    engine.backward();
    engine.forward();
    engine
}

/// The nodes of an operation, each with its inputs.
fn made<'n, 'e>(nodes: &'n [Node<'e>]) -> impl Iterator<Item = (&'n Node<'e>, Vec<SavedTensor>)> {
    let find = |name: &String| {
        let node = nodes.iter().find(|n| n.name == *name);
        keep_whole(node.expect("listed before"))
    };
    let made = nodes.iter().filter(|n| !n.inputs.is_empty());
    made.map(move |n| (n, n.inputs.iter().map(find).collect()))
}

fn replayed(name: &str, channels: usize) {
    let engine = &stepped(name == "reference", channels);
    let (setting, numerics) = (setting(engine), engine.physics().numerics());
    let nodes = trace(engine, Completed::Backward);
    let mut seen = 0;
    for (node, inputs) in made(&nodes) {
        let got: Vec<f32> = replay(&node.operation, &inputs, &setting, numerics).unwrap();
        let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert!(bits(&got) == bits(&node.values()), "{name}: {}", node.name);
        let wide: Vec<f64> = replay(&node.operation, &inputs, &setting, numerics).unwrap();
        let most = largest(node.values().iter().map(|v| v.abs()));
        for (a, b) in zip_eq(&wide, &got) {
            // sums of up to 256 products whose terms may cancel: far above what any of them needs
            assert_close!(a, b, F32_SUM_16384.scaled(most), "{name}: {}", node.name);
        }
        seen += 1;
    }
    assert!(seen > 60, "{seen} operations");
}

#[test]
fn every_operation_is_replayed_bit_for_bit() {
    for channels in [1, 4] {
        replayed("reference", channels);
        replayed("guarded", channels);
    }
}

/// Changes one property of the inputs, as a truncated or malicious file might.
fn spoil(inputs: &mut Vec<SavedTensor>, operation: &mut Operation, which: usize, how: usize) {
    let Some(k) = which.checked_rem(inputs.len()) else {
        return;
    };
    let axis = which / 7 % inputs[k].shape.len().max(1);
    match how {
        0..6 => {
            let tensor = &mut inputs[k];
            let Some(extent) = tensor.shape.get_mut(axis) else {
                return;
            };
            *extent = [
                *extent + 1,
                extent.saturating_sub(1),
                2 * *extent,
                *extent / 2,
                1,
                7,
            ][how];
            let count = tensor.shape.iter().product::<usize>() * (1 + usize::from(tensor.complex));
            tensor.values.resize(count, 0.5);
        }
        6 => inputs[k].shape.reverse(),
        7 => inputs[k].complex ^= true,
        8 => {
            inputs[k].name =
                ["decoder.amplitude.head.grad", "x", "network.input"][which % 3].into();
        }
        9 => inputs[k]
            .values
            .fill([f32::NAN, f32::INFINITY, 1e30, 4000.0][which % 4]),
        10 => drop(inputs.remove(k)),
        11 => inputs.push(inputs[k].clone()),
        _ => match operation {
            Operation::Convolution { first, .. } | Operation::WeightGradient { first } => {
                *first = [1, 61, usize::MAX][which % 3];
            }
            Operation::InputGradient { first, gated } => match which % 3 {
                0 => *gated ^= true,
                1 => first.push(usize::MAX),
                _ => first.iter_mut().for_each(|f| *f += 3),
            },
            _ => {}
        },
    }
}

#[test]
fn mismatched_replay_inputs_are_refused() {
    let engine = &stepped(false, 4);
    let (setting, numerics) = (setting(engine), engine.physics().numerics());
    let nodes = trace(engine, Completed::Backward);
    let (mut done, mut refused, mut seen) = (0, 0, std::collections::BTreeSet::new());
    for (turn, (node, inputs)) in made(&nodes).enumerate() {
        // of large inputs one of each kind of operation
        let small = inputs.iter().map(|i| i.values.len()).sum::<usize>() < 40_000;
        if !small && !seen.insert(format!("{:?}", std::mem::discriminant(&node.operation))) {
            continue;
        }
        for how in 0..13 {
            for which in 0..6 {
                let (mut inputs, mut operation) = (inputs.clone(), node.operation.clone());
                spoil(&mut inputs, &mut operation, which * 5 + turn, how);
                // what is refused for its numbers (a probe of infinities) is refused by the physics
                match replay::<f32>(&operation, &inputs, &setting, numerics) {
                    Ok(_) => done += 1,
                    Err(_) => refused += 1,
                }
            }
        }
    }
    println!("{done} done, {refused} refused");
    assert!(
        done > 100 && refused > 500,
        "{done} done, {refused} refused"
    );
}
