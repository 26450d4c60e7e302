//! Medians in seconds as one line of JSON, for the scripts under `benches/peers`:
//! `timing --threads 2 network gs1_ideal`, `timing --threads 1 fft`, `timing --threads 2 group`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a line for another program to read"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use num_complex::Complex32;
use ptyproof::geometry::{GridSize, Position};
use ptyproof::par::Pool;
use ptyproof::rng::NumpyLegacy;
use ptyproof_harness::pipeline::prepare::{self, Ready};
use ptyproof_harness::pipeline::{Job, NumericsChoice};
use ptyproof_harness::scenario::{Overrides, Scenario, Snapshot};
use ptyproof_kernels::adam::Adam;
use ptyproof_kernels::fft::Fft2;
use ptyproof_pinn::data::group::Grouping;
use ptyproof_pinn::training::sentinel::{Place, Sentinel};
use ptyproof_pinn::training::train::step;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let ["--threads", threads, what @ ..] =
        &args.iter().map(String::as_str).collect::<Vec<_>>()[..]
    else {
        panic!("--threads N network SCENARIO | fft | group");
    };
    let pool = Pool::new(threads.parse().unwrap()).unwrap();
    let medians = match what {
        ["network", name] => network(name, &pool),
        ["fft"] => fft(&pool),
        ["group"] => group(&pool),
        _ => panic!("network SCENARIO | fft | group"),
    };
    println!("{}", serde_json::to_string(&medians).unwrap());
}

/// The median of `count` runs, after two to warm up.
fn median(count: usize, mut work: impl FnMut()) -> f64 {
    median_of(count, |clock| clock(&mut work))
}

/// As [`median`], of the time that each run measures.
fn median_of(count: usize, mut run: impl FnMut(&mut dyn FnMut(&mut dyn FnMut()))) -> f64 {
    let mut seconds = Vec::new();
    for _ in 0..count + 2 {
        run(&mut |work| {
            let start = Instant::now();
            work();
            seconds.push(start.elapsed().as_secs_f64());
        });
    }
    let seconds = &mut seconds[2..];
    seconds.sort_by(f64::total_cmp);
    seconds[count / 2]
}

fn network(name: &str, pool: &Pool) -> BTreeMap<String, f64> {
    let snapshot = Snapshot::builtin().unwrap();
    let scenario = Scenario::resolve(&snapshot, name, &Overrides::default()).unwrap();
    let request = Job::new(scenario, NumericsChoice::Guarded, 3);
    let Ready {
        mut engine,
        training,
        ..
    } = prepare::ready(&request, pool).unwrap();
    let mut adam = Adam::new(engine.model().weights().len());
    let batch = request.scenario.batch_size;
    let members: Vec<usize> = (0..batch).collect();
    let trains = median(8, || {
        let place = Place {
            epoch: 0,
            step: adam.t + 1,
            members: &members,
            data: &training,
        };
        let sentinel = &mut Sentinel::default();
        pool.run(|| black_box(step(&mut engine, &mut adam, place, 1e-3, sentinel)));
    });
    let infers = median(8, || {
        pool.run(|| {
            let amplitude = training.amplitude.values();
            engine.load(&amplitude.view(), &training.grouping.relative, &members);
            engine.assemble();
            black_box(engine.objects());
        });
    });
    BTreeMap::from([
        ("training step".into(), trains),
        (format!("inference of {batch}"), infers),
    ])
}

fn fft(pool: &Pool) -> BTreeMap<String, f64> {
    [64, 128, 256]
        .map(|n| {
            let fft = Fft2::<f32>::new(n);
            let value = |k: usize| Complex32::new((k as f32).sin(), (k as f32).cos());
            let images: Vec<Complex32> = (0..256 * n * n).map(value).collect();
            // in place, each time on the same numbers
            let seconds = median_of(5, |clock| {
                let mut stack = images.clone();
                clock(&mut || pool.run(|| fft.forward_all(&mut stack)));
            });
            (format!("{n} x {n}"), seconds)
        })
        .into()
}

fn group(pool: &Pool) -> BTreeMap<String, f64> {
    let mut r = NumpyLegacy::new(1);
    let mut even = || r.uniform(0.0, 5000.0);
    let at: Vec<Position> = (0..100_000)
        .map(|_| Position::new(even(), even()))
        .collect();
    let size = GridSize::new(2).unwrap();
    let seconds = median(3, || {
        let mut rng = NumpyLegacy::new(1);
        black_box(pool.run(|| Grouping::draw(&at, size, at.len(), 4, &mut rng).unwrap()));
    });
    BTreeMap::from([("build and query".into(), seconds)])
}
