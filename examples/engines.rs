//! Every engine on a problem with ground truth: time per iteration and final error.
//!
//!     cargo run --release --example engines -- bench_problem.npz 100
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an example, for people"
)]

use std::time::Instant;

use ndarray::{Array2, Array3, Ix2, Ix3, s};
use num_complex::{Complex32, Complex64};
use ptyproof::align::align;
use ptyproof::io::dataset::Dataset;
use ptyproof::io::domain::Patterns;
use ptyproof::io::npz::{Values, read_array, read_dataset};
use ptyproof::par::Pool;
use ptyproof::solve::{Estimate, Method, Problem, Settings, Solver};

fn center(a: &Array2<Complex32>) -> Array2<Complex64> {
    a.slice(s![48..208, 48..208])
        .mapv(|z| Complex64::new(z.re.into(), z.im.into()))
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let path = &args[0];
    let iterations: usize = args[1].parse().unwrap();
    let only = args.get(2).map(String::as_str);
    let file = read_dataset(path).unwrap().dataset;
    let truth = center(file.object.as_ref().unwrap());
    let complex = |key: &str| -> Array2<Complex32> {
        match read_array(path, key).unwrap() {
            Values::Complex(a) => a.into_dimensionality::<Ix2>().unwrap(),
            Values::Real(_) => panic!("complex"),
        }
    };
    let real = |key: &str| -> Array3<f32> {
        match read_array(path, key).unwrap() {
            Values::Real(a) => a.into_dimensionality::<Ix3>().unwrap(),
            Values::Complex(_) => panic!("real"),
        }
    };
    let start = complex("probeInit");
    let pool = Pool::new(2).unwrap();
    let env = |name: &str, or: f64| std::env::var(name).ok().map_or(or, |v| v.parse().unwrap());
    for key in ["diffraction", "diffraction_poisson"] {
        let data = Dataset::new(
            key,
            Patterns::new(real(key)),
            file.positions.clone(),
            file.scan_index.clone(),
            None,
            file.object.clone(),
        )
        .unwrap();
        let problem = Problem::new(&data).unwrap();
        for &method in Method::ALL {
            if only.is_some_and(|o| o != method.name()) {
                continue;
            }
            let mut settings = Settings::new(method, iterations);
            settings.whole_steps = env("WHOLE", settings.whole_steps);
            settings.object_step = env("OSTEP", settings.object_step);
            settings.probe_step = env("PSTEP", settings.probe_step);
            settings.regularization = env("REG", settings.regularization);
            settings.relaxation = env("RELAX", settings.relaxation);
            settings.momentum = env("MOM", settings.momentum);
            settings.batch = env("BATCH", settings.batch as f64) as usize;
            if std::env::var_os("POISSON").is_some() {
                settings.likelihood = ptyproof::solve::Likelihood::Poisson;
            }
            let first = Estimate::start(&problem, &start, 1).unwrap();
            let mut solver = Solver::new(&problem, settings, first).unwrap();
            let (mut times, mut line) = (Vec::new(), String::new());
            for k in 0..iterations {
                let begin = Instant::now();
                let r = solver.step(&pool);
                times.push(begin.elapsed().as_secs_f64());
                if [9, 49].contains(&k) || k + 1 == iterations {
                    let e = align(&truth, &center(&solver.estimate().object)).unwrap();
                    line += &format!(
                        "  @{}: R {:.4} NRMSE {:.5} ({:.4})",
                        k + 1,
                        r.residual,
                        e.aligned.rms.get(),
                        e.scalar.rms.get()
                    );
                }
            }
            times.sort_by(f64::total_cmp);
            println!(
                "{key:<20} {:<6} {:.4} s/it{line}",
                method.name(),
                times[times.len() / 2]
            );
        }
    }
}
