//! A training step, an epoch, inference, and a simulation: what a run is made of.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::collections::BTreeMap;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ptyproof::error::Result;
use ptyproof::ground::par::Pool;
use ptyproof::kernel::isa::Isa;
use ptyproof::learn::engine::Engine;
use ptyproof::learn::infer::infer;
use ptyproof::learn::train::{Observer, Plan, Progress, step, train};
use ptyproof::network::adam::Adam;
use ptyproof::network::architecture::Architecture;
use ptyproof::network::model::Model;
use ptyproof::network::parameters::glorot_uniform;
use ptyproof::physics::expose::expose;
use ptyproof::physics::forward::Physics;
use ptyproof::physics::object::Numerics;
use ptyproof::pipeline::{NumericsChoice, Request, prepare};
use ptyproof::scenario::{Overrides, Scenario, Snapshot};
use ptyproof::specimen::probe;
use ptyproof::verify::steps::StepRecord;

struct Quiet;

impl Observer for Quiet {
    fn step(&mut self, _: &StepRecord, _: u64) -> bool {
        true
    }

    fn epoch(&mut self, _: &Progress, _: &[f32], _: &Adam<f32>) -> Result<()> {
        Ok(())
    }
}

fn request(name: &str) -> Request {
    let snapshot = Snapshot::builtin().unwrap();
    Request {
        scenario: Scenario::resolve(&snapshot, name, &Overrides::default()).unwrap(),
        numerics: NumericsChoice::Guarded,
        seed: 3,
        data: None,
        probe: None,
        object: None,
        object_phase: false,
        digests: BTreeMap::new(),
        resume: None,
    }
}

fn scenario(c: &mut Criterion, name: &str) {
    let request = request(name);
    let s = &request.scenario;
    let pool = Pool::new(2).unwrap();
    let specimen = prepare::specimen(&request).unwrap();
    let data = prepare::data(&request, &specimen, &pool, &mut BTreeMap::new()).unwrap();
    let mut rng = specimen.rng.clone();
    let grouped = prepare::group(s, &data.positions, &mut rng).unwrap();
    let (training, inference) = prepare::containers(s, &data, &grouped).unwrap();
    let masked = probe::masked(&specimen.probe, specimen.mask.as_ref());
    let energy = masked.iter().map(|p| p.norm_sqr()).sum();
    let scale = training.dose.factor();
    let numerics = Numerics::guarded(s.n.get(), energy, scale);
    let physics = Physics::new(s.n, &masked, scale, numerics).unwrap();
    let architecture = Architecture::reference(s.n, s.gridsize, 2, s.probe_big).unwrap();
    let weights = glorot_uniform(&architecture, request.seed);
    let model = Model::new(
        architecture,
        weights.clone(),
        numerics.ceiling,
        numerics.arithmetic,
        Isa::best(),
    );
    let mut engine = Engine::new(model, physics, s.batch_size, true);
    let mut adam = Adam::new(weights.len());
    let members: Vec<usize> = (0..s.batch_size).collect();

    let mut group = c.benchmark_group(name);
    group.sample_size(10);
    group.throughput(Throughput::Elements(s.batch_size as u64));
    group.bench_function("training step", |b| {
        b.iter(|| pool.run(|| step(&mut engine, &mut adam, &training, &members, 0.0)));
    });
    group.throughput(Throughput::Elements(training.len() as u64));
    group.bench_function("epoch", |b| {
        b.iter(|| {
            let plan = Plan {
                epochs: 1,
                batch: s.batch_size,
                seed: 1,
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
        b.iter(|| infer(&mut engine, &inference, &pool));
    });
    let object = specimen.object.as_ref().unwrap();
    group.throughput(Throughput::Elements(data.len() as u64));
    group.bench_function("simulation", |b| {
        b.iter(|| {
            expose(
                &object.view(),
                &specimen.probe,
                &data.positions,
                s.nphotons,
                1,
                &pool,
            )
            .unwrap()
        });
    });
    group.finish();
}

fn scenarios(c: &mut Criterion) {
    scenario(c, "gs1_ideal");
    scenario(c, "gs2_ideal");
}

criterion_group!(runs, scenarios);
criterion_main!(runs);
