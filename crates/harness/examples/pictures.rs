//! Draws one of each kind of picture: `cargo run -p ptyproof-harness --example pictures -- DIRECTORY`.

use ndarray::Array2;
use ptyproof::error::{Error, Result};
use ptyproof::records::history::History;
use ptyproof::records::steps::{StepHistory, StepRecord};
use ptyproof_harness::plot::{self, ColorMap, Panel};
use ptyproof_harness::report::training;

fn main() -> Result<()> {
    let dir = std::env::args_os()
        .nth(1)
        .unwrap_or_else(|| "target/pictures".into());
    let dir = std::path::PathBuf::from(dir);
    let failed = |e| Error::output("writing the pictures").because(e);
    std::fs::create_dir_all(&dir).map_err(failed)?;
    let write = |name: &str, png: Vec<u8>| std::fs::write(dir.join(name), png).map_err(failed);

    // A smooth object of interfering waves, and the same seen through a slightly wrong eye.
    let wave = |r: usize, c: usize, s: f32| {
        let (y, x) = (r as f32 / 40.0, c as f32 / 40.0);
        1.2 + (x * 1.7 + y).sin() * (y * 2.3 - x * s).cos()
    };
    let truth = Array2::from_shape_fn((392, 392), |(r, c)| wave(r, c, 0.6));
    let mut prediction =
        truth.mapv(|v| 0.9 * v) + Array2::from_shape_fn((392, 392), |(r, c)| 0.1 * wave(c, r, 0.9));
    let phase =
        prediction.mapv(|v| (3.0 * v).rem_euclid(std::f32::consts::TAU) - std::f32::consts::PI);
    write(
        "amplitude.png",
        plot::panels("gs2_ideal", &[Panel::amplitude("amplitude", truth.view())])?,
    )?;
    write(
        "phase.png",
        plot::panels("", &[Panel::phase("gs2_ideal: phase", phase.view())])?,
    )?;

    for r in 120..180 {
        for c in 200..330 {
            if (r - 150) * (r - 150) * 4 + (c - 265) * (c - 265) < 4000 {
                prediction[[r as usize, c as usize]] = f32::NAN;
            }
        }
    }
    write(
        "comparison.png",
        plot::comparison(
            "gs2_ideal: amplitude",
            "amplitude",
            ColorMap::Magma,
            prediction.view(),
            truth.view(),
        )?,
    )?;
    let collapsed =
        Array2::from_shape_fn(
            (64, 64),
            |(r, c)| if r.abs_diff(c) < 20 { f32::NAN } else { 0.0 },
        );
    write(
        "collapsed.png",
        plot::panels(
            "",
            &[Panel::amplitude("gs1_ideal: amplitude", collapsed.view())],
        )?,
    )?;
    let nothing = Array2::from_elem((50, 80), f32::NAN);
    write(
        "nothing.png",
        plot::panels("", &[Panel::phase("nothing but NaN", nothing.view())])?,
    )?;

    for broken in [false, true] {
        let (mut h, mut s) = (History::default(), StepHistory::default());
        for k in 0..155u64 {
            let t = k as f64 / 31.0;
            let noise = 2.5e4 * ((k * k * 7 % 31) as f64 / 31.0 - 0.5);
            let loss = if broken && k >= 66 {
                f64::NAN
            } else {
                -3.9e6 + 4e5 * (-t * 4.0).exp() + noise
            };
            s.push(StepRecord {
                step: k + 1,
                epoch: k / 31,
                loss,
                ..Default::default()
            });
        }
        for e in 0..5u32 {
            let loss = if broken && e >= 2 {
                f64::NAN
            } else {
                -3.9e6 + 9e4 * (-f64::from(e)).exp()
            };
            h.push(f64::from(e), [("loss", loss), ("val_loss", loss * 1.04)]);
        }
        let name = if broken {
            "history_broken.png"
        } else {
            "history.png"
        };
        write(name, training::picture("gs1_ideal", &h, &s)?)?;
    }
    Ok(())
}
