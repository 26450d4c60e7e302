//! Laws of network, physics and loss together.

use ptyproof_testkit::tolerance::{F64_STEPS_4096, assert_close};
use std::f64::consts::PI;

use ndarray::Array4;
use num_complex::Complex;
use proptest::prelude::*;

use super::ModelRunner;
use crate::network::architecture::Architecture;
use crate::network::model::Model;
use crate::network::parameters::glorot_uniform;
use crate::physics::forward::{GroupState, Physics};
use crate::physics::object::Numerics;
use ptyproof::geometry::{PatchSize, Position};
use ptyproof_kernels::{conv::Kernels, isa::Isa};
use ptyproof_testkit::compare::{all_finite, non_empty};

const N: usize = 16;
const SCALE: f64 = 25.0;

fn wave(k: usize, f: f64) -> f64 {
    ((k as f64 + 1.0) * f).sin()
}

fn architecture(channels: usize, outer: Option<usize>, numerics: Numerics) -> Architecture {
    Architecture {
        n: N,
        channels,
        encoder: vec![3, 5],
        decoder: vec![6],
        outer,
        estimates: numerics.estimates,
    }
}

fn probe() -> Vec<Complex<f64>> {
    let at = |k: usize| k as f64 - 7.6;
    (0..N * N)
        .map(|k| {
            let r2 = at(k / N).powi(2) + at(k % N).powi(2);
            // rough, so that no pixel of the far field is dark enough to make the loss singular
            Complex::from_polar((-r2 / 8.0).exp(), 1.5 * wave(k, 1.1))
        })
        .collect()
}

fn guarded() -> Numerics {
    Numerics::guarded(N, probe().iter().map(Complex::norm_sqr).sum(), SCALE)
}

fn engine<T: Kernels>(
    a: &Architecture,
    weights: Vec<T>,
    numerics: Numerics,
    room: usize,
) -> ModelRunner<T> {
    let model = Model::new(
        a.clone(),
        weights,
        numerics.ceiling,
        numerics.arithmetic,
        Isa::best(),
    );
    let physics = Physics::new(PatchSize::new(N).unwrap(), &probe(), SCALE, numerics).unwrap();
    ModelRunner::new(model, physics, room, true)
}

fn data(groups: usize, c: usize) -> (Array4<f32>, Vec<Position>) {
    let x = Array4::from_shape_fn((groups, N, N, c), |(g, r, q, k)| {
        (SCALE * (1.2 + wave(g * 700 + r * 40 + q * 3 + k, 0.37))) as f32
    });
    let at = |k: usize| {
        if c == 1 {
            Position::default()
        } else {
            Position::new(wave(k, 1.3), wave(k, 2.2))
        }
    };
    (x, (0..groups * c).map(at).collect())
}

/// A network of `channels` (of four, with an outer branch) with a batch of two groups in it.
pub(in crate::training) fn loaded(reference: bool, channels: usize) -> ModelRunner<f32> {
    let numerics = if reference {
        Numerics::reference()
    } else {
        guarded()
    };
    let a = architecture(channels, (channels > 1).then_some(3), numerics);
    let weights = (0..a.parameters())
        .map(|k| (0.4 * wave(k, 1.9)) as f32)
        .collect();
    let (x, rel) = data(2, channels);
    let mut e = engine(&a, weights, numerics, 2);
    e.load(&x.view(), &rel, &[0, 1]);
    e
}

#[test]
fn full_gradient_matches_finite_differences() {
    // per tensor, one random direction against central differences in f64, relative error <= 1e-6
    for (c, outer) in [(1, None), (4, None), (4, Some(3))] {
        for numerics in [Numerics::reference(), guarded()] {
            let a = architecture(c, outer, numerics);
            let weights: Vec<f64> = (0..a.parameters()).map(|k| 0.4 * wave(k, 1.9)).collect();
            let (x, rel) = data(2, c);
            let mut e = engine(&a, weights.clone(), numerics, 2);
            e.load(&x.view(), &rel, &[0, 1]);
            e.forward();
            e.backward();
            for t in non_empty(e.model().tensors().to_vec()) {
                let loss = |h: f64| {
                    let mut w = weights.clone();
                    t.range.clone().for_each(|k| w[k] += h * wave(k, 2.7));
                    let mut e = engine(&a, w, numerics, 2);
                    e.load(&x.view(), &rel, &[0, 1]);
                    e.forward().nll
                };
                // fourth order: the loss is steep enough for the second order's error to show, and at a smaller step its rounding
                let h = 6e-6;
                let slope = |h: f64| (loss(h) - loss(-h)) / (2.0 * h);
                let numeric = (4.0 * slope(h) - slope(2.0 * h)) / 3.0;
                let exact: f64 = t
                    .range
                    .clone()
                    .map(|k| e.gradient()[k] * wave(k, 2.7))
                    .sum();
                let norm = t
                    .range
                    .clone()
                    .map(|k| e.gradient()[k].powi(2))
                    .sum::<f64>()
                    .sqrt();
                let rounding = loss(0.0).abs() * f64::EPSILON / h;
                // measured: up to 6.1e-7 of the norm (polar, 4 channels), more than F64_GRADIENT allows
                assert!(
                    (numeric - exact).abs() <= 1e-6 * norm + 4.0 * rounding,
                    "{} ({numerics:?}): numeric {numeric}, exact {exact}, norm {norm}",
                    t.name
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn guarded_gradients_are_finite(
        level in -30.0f64..12.0, weight in -3.0f64..1.5, seed in 0usize..1000, dark in 0usize..4,
    ) {
        // patterns from 1e-30 to 1e12, weights from 1e-3 to 30 (heads saturate), dark patterns
        let a = architecture(1, None, guarded());
        let scale = 10f64.powf(weight);
        let w: Vec<f32> = (0..a.parameters()).map(|k| (scale * wave(k + seed, 1.9)) as f32).collect();
        let (mut x, rel) = data(2, 1);
        x.mapv_inplace(|v| v * 10f64.powf(level) as f32);
        if dark > 0 {
            x.index_axis_mut(ndarray::Axis(0), 0).fill(0.0);
        }
        let mut e = engine(&a, w, guarded(), 2);
        e.load(&x.view(), &rel, &[0, 1]);
        let loss = e.forward();
        e.backward();
        prop_assert!(loss.nll.is_finite() && loss.absolute_error.is_finite(), "{loss:?}");
        prop_assert!(all_finite(e.gradient().iter().copied()));
    }

    #[test]
    fn losses_are_batch_independent(seed in 0usize..1000) {
        // the loss of a group is the same bits alone and in a batch
        let a = architecture(4, None, guarded());
        let w: Vec<f32> = (0..a.parameters()).map(|k| (0.4 * wave(k + seed, 1.9)) as f32).collect();
        let (x, rel) = data(3, 4);
        let mut e = engine(&a, w, guarded(), 3);
        let mut objects = |members: &[usize]| {
            e.load(&x.view(), &rel, members);
            e.forward();
            e.objects()
        };
        let together = objects(&[0, 1, 2]);
        prop_assert_eq!(together.len(), 3);
        for (k, want) in together.iter().enumerate() {
            prop_assert_eq!(&objects(&[k])[0], want);
        }
    }
}

#[test]
fn untrained_network_returns_its_input() {
    for (c, outer) in [(1, None), (4, Some(3))] {
        let numerics = guarded();
        let a = architecture(c, outer, numerics);
        let mut e = engine(&a, glorot_uniform::<f64>(&a, 7), numerics, 2);
        let (x, rel) = data(2, c);
        e.load(&x.view(), &rel, &[0, 1]);
        e.assemble();
        let [amplitude, phase] = &e.workspace().outputs;
        for group in 0..2 {
            let (mut state, per) = (GroupState::default(), N * N * c);
            let label = &e.label()[group * per..(group + 1) * per];
            e.physics()
                .estimate(label, e.relative_of(group), &mut state);
            assert_eq!(state.fields.len(), per);
            let inside = |k: usize| (N / 4..N - N / 4).contains(&k);
            for (k, z) in state.fields.iter().enumerate() {
                let (channel, p) = (k / (N * N), k % (N * N));
                if outer.is_none() && !(inside(p / N) && inside(p % N)) {
                    continue;
                }
                // as far as an activation reaches
                let part = (z.norm() - 1.0).clamp(-0.9375, 0.9375);
                let turn = z.arg().clamp(-0.9375 * PI, 0.9375 * PI);
                let at = group * per + p * c + channel;
                let got = (amplitude[at] / (numerics.ceiling / 2.0), phase[at]);
                assert_close!(got.0 - 1.0, part, F64_STEPS_4096, "{got:?} {z}");
                assert_close!(got.1, turn, F64_STEPS_4096, "{got:?} {z}");
            }
        }
    }
}

#[test]
fn zero_amplitude_fails_in_reference_numerics_only() {
    // weights of zero give a constant object; with a symmetric probe the far field has exact zeros
    let flat = vec![Complex::new(1.0, 0.0); N * N];
    let (x, rel) = data(1, 1);
    for (numerics, finite) in [(Numerics::reference(), false), (guarded(), true)] {
        let a = architecture(1, None, numerics);
        let model = Model::new(
            a.clone(),
            vec![0.0f32; a.parameters()],
            numerics.ceiling,
            numerics.arithmetic,
            Isa::best(),
        );
        let physics = Physics::new(PatchSize::new(N).unwrap(), &flat, SCALE, numerics).unwrap();
        let mut e = ModelRunner::new(model, physics, 1, true);
        e.load(&x.view(), &rel, &[0]);
        let loss = e.forward();
        assert!(loss.zeros > 0, "{loss:?}");
        assert_eq!(loss.nll.is_finite(), finite, "{loss:?}");
        e.backward();
        assert_eq!(all_finite(e.gradient().iter().copied()), finite);
    }
}
