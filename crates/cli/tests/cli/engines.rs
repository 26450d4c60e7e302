//! Every engine on the common problem of 400 patterns, whose truth is known: how near each comes in 100 iterations, and in how
//! much memory.
//!
//! It needs `bench_problem.npz` in `PTYPROOF_DATA` (default `../shared/data`), and `PTYPROOF_SLOW`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail loudly, and says what it skips"
)]

use std::path::PathBuf;
use std::time::Instant;

use ndarray::{Array2, Array3, Ix2, Ix3, s};
use num_complex::{Complex32, Complex64};
use ptyproof::align::align;
use ptyproof::io::dataset::Dataset;
use ptyproof::io::domain::Patterns;
use ptyproof::io::npz::{Values, read_array, read_dataset};
use ptyproof::par::Pool;
use ptyproof::solve::{Estimate, Method, Problem, Settings, Solver};
use ptyproof_testkit::shared::shared;
use ptyproof_testkit::skips::{SkipReason, skip};

/// Largest relative rms in the middle, up to the gauge: of noise-free data, of data with photon noise.
const BOUNDS: [(Method, [f64; 2]); 5] = [
    (Method::Epie, [0.005, 0.011]),
    (Method::Rpie, [0.005, 0.012]),
    (Method::Dm, [0.030, 0.045]),
    // of this one it is only asked that it converges: no worse than the difference map must be
    (Method::Raar, [0.030, 0.045]),
    (Method::Lsqml, [0.0030, 0.008]),
];
const ITERATIONS: usize = 100;

fn data() -> Option<PathBuf> {
    if std::env::var_os("PTYPROOF_SLOW").is_none() {
        skip(SkipReason::Time, "PTYPROOF_SLOW is not set");
        return None;
    }
    shared("bench_problem.npz")
}

fn middle(a: &Array2<Complex32>) -> Array2<Complex64> {
    a.slice(s![48..208, 48..208])
        .mapv(|z| Complex64::new(z.re.into(), z.im.into()))
}

#[test]
fn every_engine_reaches_its_required_error() {
    let Some(path) = data() else { return };
    let file = read_dataset(&path).unwrap().dataset;
    let truth = middle(file.object.as_ref().unwrap());
    let Values::Complex(probe) = read_array(&path, "probeInit").unwrap() else {
        panic!("a complex probe");
    };
    let probe = probe.into_dimensionality::<Ix2>().unwrap();
    let pool = Pool::new(2).unwrap();
    let mut wrong = Vec::new();
    for (which, key) in ["diffraction", "diffraction_poisson"].iter().enumerate() {
        let Values::Real(patterns) = read_array(&path, key).unwrap() else {
            panic!("real patterns");
        };
        let patterns: Array3<f32> = patterns.into_dimensionality::<Ix3>().unwrap();
        let data = Dataset::new(
            *key,
            Patterns::new(patterns),
            file.positions.clone(),
            file.scan_index.clone(),
            None,
            file.object.clone(),
        );
        let problem = Problem::new(&data.unwrap()).unwrap();
        for (method, bounds) in BOUNDS {
            let start = Estimate::start(&problem, &probe, 1).unwrap();
            let settings = Settings::new(method, ITERATIONS);
            let mut solver = Solver::new(&problem, settings, start).unwrap();
            let begin = Instant::now();
            let residuals: Vec<f64> = (0..ITERATIONS)
                .map(|_| solver.step(&pool).residual)
                .collect();
            let each = begin.elapsed().as_secs_f64() / ITERATIONS as f64;
            let found = align(&truth, &middle(&solver.estimate().object)).unwrap();
            let rms = found.aligned.rms.get();
            let name = method.name();
            println!(
                "{key:<20} {name:<6} {each:.4} s, residual {:.5}, rms {rms:.5} (at most {})",
                residuals[ITERATIONS - 1],
                bounds[which]
            );
            let falls = residuals[ITERATIONS - 1] <= residuals[0];
            if !(rms <= bounds[which] && falls) {
                wrong.push(format!("{key}, {name}: {rms}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_command_runs_in_80_mb() {
    let Some(path) = data() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (method, _) in BOUNDS {
        let hub = folder.path().join(method.name());
        let mut command = assert_cmd::Command::cargo_bin("ptyproof").unwrap();
        command.arg("reconstruct").arg(&path).arg("--output-dir");
        let flags = ["--iterations", "20", "--threads", "2", "--engine"];
        command.arg(&hub).args(flags).arg(method.name()).arg("-q");
        command.assert().success();
        let told = std::fs::read(hub.join("run_metadata.json")).unwrap();
        let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
        let peak = told["peak_memory_bytes"].as_u64().unwrap() as f64 * 1e-6;
        println!("{:<6} {peak:.0} MB (at most 80)", method.name());
        assert!(peak < 80.0, "{}: {peak} MB", method.name());
    }
}
