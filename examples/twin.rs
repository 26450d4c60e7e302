//! Ambiguity of single patterns with a centrosymmetric probe: the smallest error of a reconstruction that does not choose
//! between an object and its mirror image.
//!
//! The pattern of `P O` equals that of the mirrored `conj O` if `P` equals its mirrored conjugate, as the idealized probe
//! does. A network that sees patterns without positions cannot distinguish the two. Of the true patches of a scenario's
//! scan this prints how far their patterns are from those of their mirror images, and how far from the truth three answers
//! are, amplitudes of the part that is stitched: one value for all, the mean of each patch, and the mean of each patch and
//! its mirror image.
//!
//! ```text
//! cargo run --release --example twin -- gs1_ideal gs2_ideal
//! ```
#![allow(clippy::print_stdout, reason = "a table for people")]

use num_complex::Complex32;
use ptyproof::assemble::central;
use ptyproof::error::{Error, Result};
use ptyproof::optics::probe::masked;
use ptyproof::optics::propagate::to_far_field;
use ptyproof::optics::simulate::patch;
use ptyproof_harness::pipeline::{Job, NumericsChoice, prepare};
use ptyproof_harness::report::markdown::{Table, g6};
use ptyproof_harness::scenario::{Overrides, Scenario, Snapshot};
use ptyproof_kernels::fft::{Fft2, Scratch};

/// The sum of squares of what two lists differ by, and of the second.
#[derive(Default)]
struct Apart(f64, f64);

impl Apart {
    fn add(&mut self, found: impl Iterator<Item = f64>, want: impl Iterator<Item = f64>) {
        for (f, w) in found.zip(want) {
            self.0 += (f - w).powi(2);
            self.1 += w * w;
        }
    }

    fn relative(&self) -> String {
        g6((self.0 / self.1).sqrt())
    }
}

fn row(name: &str) -> Result<[String; 5]> {
    let scenario = Scenario::resolve(&Snapshot::builtin()?, name, &Overrides::default())?;
    let request = Job::new(scenario, NumericsChoice::Guarded, 1);
    let (s, specimen) = (&request.scenario, prepare::specimen(&request)?);
    let object = specimen.object.as_ref().expect("a simulation has a truth");
    let (n, m) = (s.n.get(), s.reassemble_m);
    let probe = masked(&specimen.probe, None);
    let fft = Fft2::<f64>::new(n);
    let pattern = |object: &[Complex32]| -> Vec<f64> {
        let wide = |z: &Complex32| num_complex::Complex64::new(z.re.into(), z.im.into());
        let mut exit: Vec<_> = (object.iter().zip(&probe))
            .map(|(o, p)| wide(o) * p)
            .collect();
        to_far_field(&fft, &mut exit, &mut Scratch::default());
        exit.iter().map(|z| z.norm()).collect()
    };
    let stitched = |patch: &[Complex32]| -> Vec<f64> {
        let inside = |k: &usize| [k / n, k % n].iter().all(|i| central(n, m).contains(i));
        let all = (0..n * n).filter(inside);
        all.map(|k| f64::from(patch[k].norm())).collect()
    };
    let between = |(a, b): (&Complex32, &Complex32)| (a + b) * 0.5;
    let mut truths = Vec::new();
    let [mut patterns, mut flat, mut mean, mut both] = [const { Apart(0.0, 0.0) }; 4];
    for position in prepare::positions(s, object.dim())? {
        let mut true_patch = vec![Complex32::ZERO; n * n];
        patch(&object.view(), position, n, &mut true_patch);
        let mirrored: Vec<_> = true_patch.iter().rev().map(|z| z.conj()).collect();
        let measured = pattern(&true_patch);
        patterns.add(pattern(&mirrored).into_iter(), measured.into_iter());
        let even: Vec<_> = true_patch.iter().zip(&mirrored).map(between).collect();
        let (t, q) = (stitched(&true_patch), stitched(&even));
        let middle = t.iter().sum::<f64>() / t.len() as f64;
        mean.add(std::iter::repeat(middle), t.iter().copied());
        both.add(q.into_iter(), t.iter().copied());
        truths.extend(t);
    }
    let one = truths.iter().sum::<f64>() / truths.len() as f64;
    flat.add(std::iter::repeat(one), truths.iter().copied());
    let [patterns, flat, mean, both] = [patterns, flat, mean, both].map(|a| a.relative());
    Ok([name.to_owned(), patterns, flat, mean, both])
}

fn main() -> Result<()> {
    let mut table = Table::new(&[
        "scenario",
        "patterns of mirror images",
        "one value",
        "a value per patch",
        "patch and mirror image",
    ]);
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        return Err(Error::usage("averaging mirror images")
            .got("no scenario")
            .need("one or more, as gs1_ideal gs2_ideal"));
    }
    for name in names {
        table.row(row(&name)?);
    }
    println!("{}", table.text());
    Ok(())
}
