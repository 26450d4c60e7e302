//! One iteration of each engine on 400 patterns of 64 x 64.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;
use num_complex::Complex32;
use ptyproof::geometry::Position;
use ptyproof::par::Pool;
use ptyproof::solve::canvas::cut;
use ptyproof::solve::problem::Frame;
use ptyproof::solve::{Estimate, Method, Problem, Settings, Solver};
use ptyproof_kernels::fft::{Fft2, Scratch};

const N: usize = 64;
const SIDE: usize = 256;

/// A smooth object behind a curved Gaussian probe, on a grid of 20 x 20 positions that is not regular.
fn problem() -> (Problem, Array2<Complex32>) {
    let wave = |r: usize, c: usize, f: f32| (r as f32 * f + (c as f32 * f * 0.7).sin()).sin();
    let object = Array2::from_shape_fn((SIDE, SIDE), |(r, c)| {
        Complex32::from_polar(0.8 + 0.2 * wave(r, c, 0.21), wave(c, r, 0.13))
    });
    let probe = Array2::from_shape_fn((N, N), |(r, c)| {
        let [y, x] = [r, c].map(|v| v as f32 - N as f32 / 2.0);
        let square = x * x + y * y;
        Complex32::from_polar((-square / 300.0).exp() * 50.0, square / 160.0)
    });
    let positions: Vec<Position> = (0..400)
        .map(|k| {
            let at = |v: usize, f: f64| 34.0 + 9.8 * v as f64 + (k as f64 * f).sin();
            Position::new(at(k % 20, 1.7).round(), at(k / 20, 2.3).round())
        })
        .collect();
    let truth = Estimate {
        object,
        probes: probe.iter().copied().collect(),
        positions: positions.clone(),
    };
    let (fft, mut scratch) = (Fft2::<f32>::new(N), Scratch::default());
    let mut amplitude = Vec::new();
    let mut patch = vec![Complex32::ZERO; N * N];
    for k in 0..400 {
        cut(&truth.object, truth.placement(k, N).unwrap(), N, &mut patch);
        let mut exit: Vec<_> = probe.iter().zip(&patch).map(|(p, o)| p * o).collect();
        fft.forward(&mut exit, &mut scratch);
        amplitude.extend(exit.iter().map(|f| f.norm() / N as f32));
    }
    let squares: f64 = amplitude.iter().map(|a| f64::from(*a).powi(2)).sum();
    let frame = Frame {
        top: 0,
        left: 0,
        rows: SIDE,
        cols: SIDE,
    };
    let problem = Problem {
        n: N,
        amplitude,
        positions,
        frame,
        good: vec![true; N * N],
        power: squares / 400.0,
    };
    (problem, probe)
}

fn engines(c: &mut Criterion) {
    let (problem, probe) = problem();
    let mut group = c.benchmark_group("engines");
    group.sample_size(10);
    group.throughput(Throughput::Elements(400));
    for &method in Method::ALL {
        for threads in [1, 2] {
            let pool = Pool::new(threads).unwrap();
            let start = Estimate::start(&problem, &probe, 1).unwrap();
            let settings = Settings::new(method, 1000);
            let mut solver = Solver::new(&problem, settings, start).unwrap();
            let name = format!("{}, one iteration, {threads} threads", method.name());
            group.bench_function(name, |b| b.iter(|| solver.step(&pool)));
        }
    }
    group.finish();
}

criterion_group!(benches, engines);
criterion_main!(benches);
