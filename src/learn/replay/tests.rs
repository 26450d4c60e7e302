//! Every operation of a real step, done again.

use super::*;
use crate::learn::engine::{Engine, tests::loaded};
use crate::learn::sentinel::keep_whole;
use crate::learn::sentinel::setting;
use crate::learn::trace::{Done, trace};

fn replayed(name: &str, channels: usize) {
    let mut engine = loaded(name == "reference", channels);
    engine.forward();
    engine.backward();
    engine.forward();
    let engine: &Engine<f32> = &engine;
    let (setting, numerics) = (setting(engine), engine.physics().numerics());
    let nodes = trace(engine, Done::Backward);
    let mut seen = 0;
    for node in nodes.iter().filter(|n| !n.inputs.is_empty()) {
        let find = |name: &String| {
            nodes
                .iter()
                .find(|n| n.name == *name)
                .expect("listed before")
        };
        let inputs: Vec<Kept> = node.inputs.iter().map(|n| keep_whole(find(n))).collect();
        let got: Vec<f32> = replay(&node.operation, &inputs, &setting, numerics).unwrap();
        let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert!(bits(&got) == bits(&node.values()), "{name}: {}", node.name);
        let wide: Vec<f64> = replay(&node.operation, &inputs, &setting, numerics).unwrap();
        let most = node
            .values()
            .iter()
            .fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
        for (a, b) in wide.iter().zip(&got) {
            // sums of up to 256 products whose terms may cancel: far above what any of them needs
            assert!(
                (a - f64::from(*b)).abs() <= 1e-3 * most,
                "{name}: {} {a} {b}",
                node.name
            );
        }
        seen += 1;
    }
    assert!(seen > 60, "{seen} operations");
}

#[test]
fn every_operation_of_a_step_comes_out_again() {
    for channels in [1, 4] {
        replayed("reference", channels);
        replayed("guarded", channels);
    }
}
