//! The gradient of every tensor against differences, and a group against its batch.

use super::*;
use ptyproof_testkit::compare::{all_finite, non_empty, zip_eq};
use ptyproof_testkit::tolerance::{F64_GRADIENT, assert_close};

fn wave(k: usize, f: f64) -> f64 {
    ((k as f64 + 1.0) * f).sin()
}

fn tiny(outer: Option<usize>) -> Architecture {
    Architecture {
        n: 16,
        channels: 2,
        encoder: vec![3, 5],
        decoder: vec![6],
        outer,
        estimates: false,
    }
}

#[test]
fn tensor_gradients_match_finite_differences() {
    // L = <w, outputs>; per tensor, one random direction against central differences in f64
    for outer in [None, Some(3)] {
        let a = tiny(outer);
        let weights: Vec<f64> = (0..a.parameters()).map(|k| 0.4 * wave(k, 1.9)).collect();
        let mut ws = Workspace::new(&a, 2, true);
        for (p, image) in (0..2 * 256).map(|k| (k % 256, k / 256)) {
            let pixel = ws.input.pixel_mut(image, p / 16, p % 16);
            pixel
                .iter_mut()
                .enumerate()
                .for_each(|(c, v)| *v = wave(p * 2 + c + image, 0.37));
        }
        let mut cotangent = [Vec::new(), Vec::new()];
        for (b, w) in cotangent.iter_mut().enumerate() {
            w.extend((0..2 * 512).map(|k| wave(k, 1.1 + b as f64)));
        }
        let loss = |weights: &[f64]| {
            let mut model = Model::new(
                a.clone(),
                weights.to_vec(),
                1.7,
                Arithmetic::Fast,
                Isa::Portable,
            );
            let mut ws = ws.clone();
            model.forward(&mut ws);
            zip_eq(&ws.outputs, &cotangent)
                .flat_map(|(o, c)| zip_eq(o, c))
                .map(|(o, c)| o * c)
                .sum::<f64>()
        };
        let mut model = Model::new(
            a.clone(),
            weights.clone(),
            1.7,
            Arithmetic::Fast,
            Isa::Portable,
        );
        let mut run = ws.clone();
        model.forward(&mut run);
        run.d_outputs.clone_from(&cotangent);
        let mut gradient = vec![0.0; weights.len()];
        model.backward(&mut run, &mut gradient);
        for t in non_empty(model.tensors()) {
            let h = 1e-6;
            let moved = |h: f64| {
                let mut w = weights.clone();
                for k in t.range.clone() {
                    w[k] += h * wave(k, 2.7);
                }
                loss(&w)
            };
            let numeric = (moved(h) - moved(-h)) / (2.0 * h);
            let exact: f64 = t.range.clone().map(|k| gradient[k] * wave(k, 2.7)).sum();
            let norm: f64 = gradient[t.range.clone()]
                .iter()
                .map(|g| g * g)
                .sum::<f64>()
                .sqrt();
            assert!(norm > 0.0, "{}: no gradient at all", t.name);
            assert_close!(
                numeric,
                exact,
                F64_GRADIENT.scaled(norm.max(1e-3)),
                "{}, norm {norm}",
                t.name
            );
        }
    }
}

#[test]
fn model_output_is_batch_independent() {
    // the same bits alone and among others, whatever the batch
    let a = tiny(Some(2));
    let weights: Vec<f32> = (0..a.parameters())
        .map(|k| 0.4 * wave(k, 1.9) as f32)
        .collect();
    let mut model = Model::new(a.clone(), weights, 1.0, Arithmetic::Fast, Isa::best());
    let mut run = |groups: &[usize]| {
        let mut ws = Workspace::new(&a, groups.len(), false);
        for (image, &g) in groups.iter().enumerate() {
            for p in 0..256 {
                let pixel = ws.input.pixel_mut(image, p / 16, p % 16);
                pixel
                    .iter_mut()
                    .for_each(|v| *v = wave(p + 300 * g, 0.37) as f32);
            }
        }
        model.forward(&mut ws);
        ws.outputs[0]
            .chunks(512)
            .map(<[f32]>::to_vec)
            .collect::<Vec<_>>()
    };
    let together = run(&[0, 1, 2, 3]);
    assert_eq!(together.len(), 4);
    for (g, want) in together.iter().enumerate() {
        assert_eq!(run(&[g])[0], *want);
    }
}

#[test]
fn backward_does_not_change_forward() {
    // filters of both directions share their memory, and thin ones leave some of it alone
    for arithmetic in [Arithmetic::Fast, Arithmetic::Definition] {
        let a = Architecture {
            n: 32,
            channels: 1,
            encoder: vec![16, 32],
            decoder: vec![20],
            outer: Some(16),
            estimates: false,
        };
        let weights: Vec<f32> = (0..a.parameters())
            .map(|k| 0.2 * wave(k, 1.9) as f32)
            .collect();
        let mut model = Model::new(a.clone(), weights, 1.0, arithmetic, Isa::best());
        let mut ws = Workspace::new(&a, 2, true);
        for (p, image) in (0..2 * 1024).map(|k| (k % 1024, k / 1024)) {
            ws.input.pixel_mut(image, p / 32, p % 32)[0] = wave(p + 300 * image, 0.37) as f32;
        }
        let mut pass = || {
            model.forward(&mut ws);
            for (d, out) in ws.d_outputs.iter_mut().zip(&ws.outputs) {
                d.clone_from(out);
            }
            let mut gradient = vec![0.0; a.parameters()];
            model.backward(&mut ws, &mut gradient);
            (ws.outputs.clone(), gradient)
        };
        let first = pass();
        assert!(all_finite(first.1.iter().copied()) && first.1.iter().any(|v| *v != 0.0));
        assert!(pass() == first, "{arithmetic:?}");
    }
}
