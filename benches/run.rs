//! A training step, an epoch, and inference.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ptyproof::error::Result;
use ptyproof::par::Pool;
use ptyproof::records::steps::StepRecord;
use ptyproof_harness::pipeline::prepare::{self, Ready};
use ptyproof_harness::pipeline::{Job, NumericsChoice};
use ptyproof_harness::scenario::{Overrides, Scenario, Snapshot};
use ptyproof_kernels::adam::Adam;
use ptyproof_pinn::training::infer::infer;
use ptyproof_pinn::training::sentinel::{Finding, Place, Sentinel};
use ptyproof_pinn::training::train::{Observer, Plan, Progress, Validation, step, train};

struct Quiet;

impl Observer for Quiet {
    fn event(&mut self, _: Finding) -> Result<()> {
        Ok(())
    }
    fn step(&mut self, _: &StepRecord, _: u64) -> bool {
        true
    }

    fn epoch(&mut self, _: &Progress, _: &[f32], _: &Adam<f32>) -> Result<()> {
        Ok(())
    }
}

fn scenario(c: &mut Criterion, name: &str) {
    let snapshot = Snapshot::builtin().unwrap();
    let scenario = Scenario::resolve(&snapshot, name, &Overrides::default()).unwrap();
    let request = Job::new(scenario, NumericsChoice::Guarded, 3);
    let s = &request.scenario;
    let pool = Pool::new(2).unwrap();
    let Ready {
        mut engine,
        training,
        inference,
        ..
    } = prepare::ready(&request, &pool).unwrap();
    let mut adam = Adam::new(engine.model().weights().len());
    let members: Vec<usize> = (0..s.batch_size).collect();

    let mut group = c.benchmark_group(name);
    group.sample_size(10);
    group.throughput(Throughput::Elements(s.batch_size as u64));
    for threads in [1, 2] {
        let pool = Pool::new(threads).unwrap();
        group.bench_function(format!("training step, {threads} threads"), |b| {
            b.iter(|| {
                let place = Place {
                    epoch: 0,
                    step: adam.t + 1,
                    members: &members,
                    data: &training,
                };
                let sentinel = &mut Sentinel::default();
                pool.run(|| step(&mut engine, &mut adam, place, 0.0, sentinel))
            });
        });
    }
    // cost of the non-finite check of a step: below 2 %
    group.bench_function("census of a step, 1 threads", |b| {
        let one = Pool::new(1).expect("one thread");
        b.iter(|| one.run(|| engine.boundaries() + engine.non_finite_predictions()));
    });
    group.throughput(Throughput::Elements(training.len() as u64));
    group.bench_function("epoch", |b| {
        b.iter(|| {
            let plan = Plan {
                epochs: 1,
                batch: s.batch_size,
                seed: 1,
                validation: Validation::HeldOut,
            };
            let mut progress = Progress::default();
            train(
                &mut engine,
                &mut adam,
                &mut progress,
                &training,
                plan,
                &pool,
                &mut Quiet,
            )
        });
    });
    group.throughput(Throughput::Elements(inference.len() as u64));
    group.bench_function("inference", |b| {
        b.iter(|| infer(&mut engine, &inference, s.n.get(), &pool, |_| Ok(())));
    });
    group.finish();
}

fn scenarios(c: &mut Criterion) {
    scenario(c, "gs1_ideal");
    scenario(c, "gs2_ideal");
}

criterion_group!(runs, scenarios);
criterion_main!(runs);
