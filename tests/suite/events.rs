//! The first non-finite event: it is located, and its replay is bit-identical.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use ptyproof::error::Result;
use ptyproof::io::domain::Groups;
use ptyproof::par::Pool;
use ptyproof::records::event::{Cause, Stage};
use ptyproof::records::steps::StepRecord;
use ptyproof_harness::pipeline::prepare::{Ready, ready};
use ptyproof_harness::pipeline::{Job, NumericsChoice};
use ptyproof_harness::scenario::{Overrides, Scenario, Snapshot};
use ptyproof_kernels::adam::Adam;
use ptyproof_pinn::training::replay::{numerics, replay};
use ptyproof_pinn::training::sentinel::Finding;
use ptyproof_pinn::training::train::{Observer, Plan, Progress, Validation, train};

/// Records its calls and continues.
#[derive(Default)]
struct Listener {
    findings: Vec<(u64, Finding)>,
    steps: u64,
}

impl Observer for Listener {
    fn step(&mut self, _: &StepRecord, _: u64) -> bool {
        self.steps += 1;
        true
    }
    fn event(&mut self, finding: Finding) -> Result<()> {
        self.findings.push((self.steps + 1, finding));
        Ok(())
    }
    fn epoch(&mut self, _: &Progress, _: &[f32], _: &Adam<f32>) -> Result<()> {
        Ok(())
    }
}

/// A small training of pairs of steps; `harm` may corrupt it first.
fn listen(scenario: &str, choice: NumericsChoice, harm: impl Fn(&mut Ready)) -> Listener {
    let flags = Overrides {
        base_total_images: Some(16),
        group_count: Some(8),
        batch_size: Some(2),
        ..Overrides::default()
    };
    let snapshot = Snapshot::builtin().unwrap();
    let scenario = Scenario::resolve(&snapshot, scenario, &flags).unwrap();
    let pool = Pool::new(2).unwrap();
    let mut made = ready(&Job::new(scenario, choice, 1), &pool).unwrap();
    harm(&mut made);
    let Ready {
        mut engine,
        training,
        ..
    } = made;
    let mut adam = Adam::new(engine.model().weights().len());
    let plan = Plan {
        epochs: 1,
        batch: 2,
        seed: 1,
        validation: Validation::HeldOut,
    };
    let mut heard = Listener::default();
    train(
        &mut engine,
        &mut adam,
        &mut Progress::default(),
        &training,
        plan,
        &pool,
        &mut heard,
    )
    .unwrap();
    heard
}

fn spoil(made: &mut Ready, at: [usize; 4], value: f32) {
    let mut amplitude = made.training.amplitude.values().clone();
    amplitude[at] = value;
    made.training.amplitude = Groups::new(amplitude);
}

#[test]
fn one_bad_pixel_is_located() {
    for (scenario, choice) in [
        ("gs1_ideal", NumericsChoice::Guarded),
        ("gs2_ideal", NumericsChoice::Reference),
    ] {
        for value in [f32::NAN, f32::INFINITY] {
            let channel = if scenario == "gs1_ideal" { 0 } else { 2 };
            let at = [3, 17, 40, channel];
            let heard = listen(scenario, choice, |made| spoil(made, at, value));
            let [(step, Finding { event, .. })] = &heard.findings[..] else {
                panic!("{} events", heard.findings.len());
            };
            assert_eq!(
                (event.tensor.as_str(), event.stage),
                ("data.amplitude", Stage::Input)
            );
            assert_eq!((event.cause, event.produced), (Cause::BadInputPixel, false));
            assert_eq!(event.step, *step);
            let [n, y, x, c] = event.index[..] else {
                panic!("{:?}", event.index);
            };
            assert_eq!([event.members[n].group, y, x, c], at, "{}", event.axes);
            let o = &event.output;
            assert_eq!((o.nan + o.pos_inf, o.neg_inf), (1, 0));
            assert_eq!(event.value.get().to_bits(), f64::from(value).to_bits());
            // the network saw it next
            assert!(event.trail.len() > 50 && event.trail[1..].iter().all(|t| t.propagated));
        }
    }
}

#[test]
fn bad_weight_is_attributed_to_the_parameters() {
    let heard = listen("gs1_ideal", NumericsChoice::Guarded, |made| {
        made.engine.update(|weights, _| {
            weights[0] = f32::NAN;
            0.0
        });
    });
    let (step, Finding { event, .. }) = &heard.findings[0];
    assert_eq!((heard.findings.len(), *step, event.step), (1, 1, 1));
    assert_eq!(event.cause, Cause::BadParameters, "{event}");
    assert!(event.tensor.starts_with("network.encoder.conv1"), "{event}");
}

#[test]
fn event_is_replayed_from_its_saved_inputs() {
    // a label whose square is beyond float32
    for choice in [NumericsChoice::Guarded, NumericsChoice::Reference] {
        let heard = listen("gs1_ideal", choice, |made| spoil(made, [2, 5, 6, 0], 1e30));
        let (_, Finding { event, kept }) = &heard.findings[0];
        assert!(event.produced && !event.inputs.is_empty(), "{event}");
        assert!(event.inputs.iter().all(|s| s.non_finite() == 0), "{event}");
        let (saved, inputs) = kept.split_last().unwrap();
        let own = numerics(&event.setting, &event.setting.numerics);
        let got: Vec<f32> = replay(&event.operation, inputs, &event.setting, own).unwrap();
        let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert!(
            !got.is_empty() && bits(&got) == bits(&saved.values),
            "{event}"
        );
        assert!(got.iter().any(|v| !v.is_finite()), "{event}");
    }
}

#[test]
fn healthy_training_has_no_event() {
    for scenario in ["gs1_ideal", "gs2_ideal"] {
        let heard = listen(scenario, NumericsChoice::Guarded, |_| ());
        assert!(heard.findings.is_empty() && heard.steps > 0);
    }
}
