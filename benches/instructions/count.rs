//! Instruction counts of the hot loops, compared with `benches/instructions/baseline.json`.
//!
//! `cargo run --profile count -p ptyproof-instructions -- check` counts each loop with callgrind (AVX2 kernels: callgrind has no
//! AVX-512) on one thread and fails if one takes over 1 % more than its baseline; `-- bless` writes the baseline
//! anew. Time depends on who else uses the machine; these counts do not, so a slow-down of a few per cent shows.
//!
//! *Margin.* The same program counts the same to the instruction. The remaining variation is the choice of copy routines of
//! the C library by processor; the loops run with the baseline routines. Counts of another compiler are not comparable: the
//! check then prints that and passes.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a table to look at"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::process::{Command, ExitCode};

use ndarray::Array3;
use num_complex::Complex32;
use ptyproof::assemble::stitch;
use ptyproof::geometry::{GridSize, Position};
use ptyproof::optics::translate::translate_add;
use ptyproof::par::Pool;
use ptyproof::rng::{NumpyLegacy, Stream};
use ptyproof_kernels::adam::Adam;
use ptyproof_kernels::conv::{Aligned, Arithmetic, Direction, Epilogue, Kernels, Packed};
use ptyproof_kernels::fft::Fft2;
use ptyproof_kernels::isa::Isa;
use ptyproof_kernels::map::FeatureMap;
use ptyproof_kernels::norm::Norm;
use ptyproof_pinn::data::group::Grouping;
use serde::{Deserialize, Serialize};

/// Share by which a loop may take more instructions than its baseline: far above the spread of the counts, which is
/// zero, far below what a second is worth.
const MARGIN: f64 = 0.01;
const BASELINE: &str = "benches/instructions/baseline.json";
/// Restricts the C library to routines of every processor.
const PLAIN: &str = "glibc.cpu.hwcaps=-ERMS,-FSRM,-AVX2,-AVX512F,-AVX512VL";
const LOOPS: [&str; 11] = [
    "conv3x3 forward, Winograd",
    "conv3x3 weights, Winograd",
    "conv3x3 forward, first layer",
    "conv3x3 forward, head",
    "conv3x3 forward, definition",
    "fft2, 4 of 64 x 64",
    "translate 64 onto 78",
    "stitch 16 patches, M = 64",
    "poisson, 10000 draws",
    "group 1000 positions, K = 4",
    "adam and norm, 100000 weights",
];

#[derive(Serialize, Deserialize)]
struct Baseline {
    compiler: String,
    instructions: BTreeMap<String, u64>,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["loop", name] => {
            run(name);
            ExitCode::SUCCESS
        }
        ["check"] => check(),
        ["bless"] => {
            let text = serde_json::to_string_pretty(&count()).unwrap();
            std::fs::write(BASELINE, text + "\n").unwrap();
            ExitCode::SUCCESS
        }
        _ => {
            println!("check | bless | loop NAME");
            ExitCode::from(2)
        }
    }
}

fn check() -> ExitCode {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("instructions: not checked, valgrind is not here");
        return ExitCode::SUCCESS;
    }
    let baseline: Baseline = serde_json::from_slice(&std::fs::read(BASELINE).unwrap()).unwrap();
    let now = count();
    let comparable = now.compiler == baseline.compiler;
    let mut slower = false;
    println!("{:<32} {:>12} {:>12}  change", "loop", "baseline", "now");
    for (name, count) in &now.instructions {
        let Some(before) = baseline.instructions.get(name) else {
            println!("{name:<32} {:>12} {count:>12}  not in the baseline", "-");
            slower = true;
            continue;
        };
        let change = *count as f64 / *before as f64 - 1.0;
        let within = change <= MARGIN;
        slower |= !within;
        println!(
            "{name:<32} {before:>12} {count:>12}  {:+.2} %",
            100.0 * change
        );
    }
    for name in baseline.instructions.keys() {
        if !now.instructions.contains_key(name) {
            println!("{name:<32} is in the baseline and not counted");
            slower = true;
        }
    }
    if !comparable {
        println!(
            "not held against the baseline: it is of {}, this is {}",
            baseline.compiler, now.compiler
        );
        return ExitCode::SUCCESS;
    }
    if slower {
        println!("slower than the baseline by more than {} %", 100.0 * MARGIN);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn count() -> Baseline {
    let version = Command::new("rustc").arg("--version").output().unwrap();
    let this = std::env::current_exe().unwrap();
    let instructions = LOOPS.map(|name| {
        let out = Command::new("valgrind")
            .env("GLIBC_TUNABLES", PLAIN)
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg("--toggle-collect=*measured*")
            .arg(&this)
            .args(["loop", name])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        let line = said.lines().find_map(|l| l.split_once("Collected : "));
        let (_, number) = line.unwrap_or_else(|| panic!("no count of '{name}': {said}"));
        let number: u64 = number.trim().parse().unwrap();
        assert!(number > 0, "nothing was counted of '{name}': {said}");
        (name.to_owned(), number)
    });
    Baseline {
        compiler: String::from_utf8_lossy(&version.stdout).trim().into(),
        instructions: instructions.into(),
    }
}

/// What is counted: nothing outside of this function.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
}

/// Runs the loop once to warm up and once to be counted, on the one thread of a pool.
fn counted(mut work: impl FnMut() + Send) {
    Pool::new(1).unwrap().run(|| {
        work();
        measured(&mut work);
    });
}

fn wave(k: usize) -> f32 {
    (k as f32 * 0.7).sin()
}

fn filled(side: usize, channels: usize) -> FeatureMap<f32> {
    let mut map = FeatureMap::new(1, side, side, channels);
    for p in 0..side * side {
        let pixel = &mut map.pixel_mut(0, p / side, p % side)[..channels];
        let values = pixel.iter_mut().enumerate();
        values.for_each(|(c, v)| *v = wave(p * channels + c));
    }
    map
}

fn conv(arithmetic: Arithmetic, side: usize, inputs: usize, outputs: usize) {
    let isa = Isa::best();
    let (x, mut out) = (filled(side, inputs), filled(side, outputs));
    let kernel: Vec<f32> = (0..9 * inputs * outputs).map(wave).collect();
    let bias = vec![0.1; outputs];
    let method = f32::method(arithmetic, inputs, outputs, side);
    let mut packed = Packed::new(method, inputs, outputs);
    f32::pack(isa, &mut packed, &kernel, Direction::Forward);
    counted(|| f32::conv(isa, &x, 0, &packed, Epilogue::BiasRelu(&bias), &mut out));
}

fn run(name: &str) {
    let image = |n: usize| -> Vec<Complex32> {
        let values = (0..n * n).map(|k| Complex32::new(wave(k), wave(k + 1)));
        values.collect()
    };
    let even = |count: usize, side: f64| -> Vec<Position> {
        let mut r = NumpyLegacy::new(3);
        let one = |_| Position::new(r.uniform(0.0, side), r.uniform(0.0, side));
        (0..count).map(one).collect()
    };
    match name {
        "conv3x3 forward, Winograd" => conv(Arithmetic::Fast, 32, 64, 64),
        "conv3x3 forward, first layer" => conv(Arithmetic::Fast, 64, 1, 64),
        "conv3x3 forward, head" => conv(Arithmetic::Fast, 32, 60, 1),
        "conv3x3 forward, definition" => conv(Arithmetic::Definition, 32, 64, 64),
        "conv3x3 weights, Winograd" => {
            let (x, y) = (filled(32, 64), filled(32, 64));
            let (mut kernel, mut bias) = (vec![0.0; 9 * 64 * 64], vec![0.0; 64]);
            let (isa, mut scratch) = (Isa::best(), Aligned::default());
            let method = f32::method(Arithmetic::Fast, 64, 64, 32);
            counted(|| {
                let out = (&mut kernel[..], &mut bias[..]);
                f32::conv_weights(isa, method, &x, 0, &y, out, &mut scratch);
            });
        }
        "fft2, 4 of 64 x 64" => {
            let mut images = image(128);
            let fft = Fft2::<f32>::new(64);
            counted(|| fft.forward_all(&mut images));
        }
        "translate 64 onto 78" => {
            let (from, mut to) = (image(64), image(78));
            counted(|| translate_add(&from, 64, &mut to, 78, [1.3, -2.4]));
        }
        "stitch 16 patches, M = 64" => {
            let patches = Array3::from_elem((16, 64, 64), Complex32::new(1.0, 0.5));
            let at = even(16, 100.0);
            counted(|| _ = black_box(stitch(patches.view(), &at, 64).unwrap()));
        }
        "poisson, 10000 draws" => counted(|| {
            let mut stream = Stream::new(1, "photons", 0);
            let mean = |k: usize| 10f64.powf(0.001 * (k % 8000) as f64 - 2.0);
            black_box((0..10_000).map(|k| stream.poisson(mean(k))).sum::<f64>());
        }),
        "group 1000 positions, K = 4" => {
            let (at, size) = (even(1000, 500.0), GridSize::new(2).unwrap());
            counted(|| {
                let mut rng = NumpyLegacy::new(1);
                black_box(Grouping::draw(&at, size, 1000, 4, &mut rng).unwrap());
            });
        }
        "adam and norm, 100000 weights" => {
            let gradient: Vec<f32> = (0..100_000).map(wave).collect();
            let mut weights = gradient.clone();
            let (mut adam, mut norm) = (Adam::new(weights.len()), Norm::default());
            counted(|| {
                adam.step(&mut weights, &gradient, 1e-3);
                black_box(norm.of(&weights));
            });
        }
        other => panic!("no loop '{other}'"),
    }
}
