//! `ptyproof score`: how good a reconstruction is, and whether that is good enough.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::args::{AlignArg, Convention, ScoreArgs};
use super::exit::Exit;
use super::output_paths::refuse_overwrite;
use super::session::cores;
use super::standard_streams::{Input, write_report};
use ptyproof::error::{Error, Kind, Result};
use ptyproof::hub::dir;
use ptyproof::io::dataset::Dataset;
use ptyproof::io::formats::{self, ReadOptions};
use ptyproof::json;
use ptyproof::judgment::Judgment;
use ptyproof::par::Pool;
use ptyproof::score::fidelity::{Alignment, Region};
use ptyproof::score::gate::{Gate, GateResult};
use ptyproof::score::scores::{GATES, Scores};
use ptyproof_harness::pipeline::score::{Reconstruction, ScoreRequest, score};
use ptyproof_harness::pipeline::{Job, Request};
use ptyproof_harness::report::junit::{Case, junit};
use ptyproof_harness::report::score::{curve, judged, markdown, picture, terminal};

pub(super) fn run(args: &ScoreArgs) -> Result<Exit> {
    let gates = gates(args)?;
    let known_at_least = args.known.at_least()?;
    let read = [&args.reconstruction]
        .into_iter()
        .chain(&args.truth)
        .chain(&args.data);
    let written = [
        &args.json,
        &args.junit,
        &args.markdown,
        &args.frc_csv,
        &args.frc_picture,
        &args.picture,
    ];
    refuse_overwrite("writing scores", read, written)?;
    let told = args.reading.options();
    let mut notes = Vec::new();
    let input = Input::of("reading a reconstruction", &args.reconstruction)?;
    let mut reconstruction = Reconstruction::read(input.path(), &told)?;
    let run = network(&args.reconstruction, &mut notes)?;
    let truth = match &args.truth {
        Some(path) => {
            let input = Input::of("reading a truth", path)?;
            let read = Reconstruction::read(input.path(), &told)?;
            Some((path.display().to_string(), placed(read, path)?))
        }
        None => None,
    };
    let data = args
        .data
        .as_deref()
        .map(|path| data(path, &told, &mut notes))
        .transpose()?;
    notes.append(&mut reconstruction.notes);
    // of one file, read as both, once
    let mut said = BTreeSet::new();
    notes.retain(|n| said.insert(n.clone()));
    reconstruction.notes = notes;
    let asked = ScoreRequest {
        of: args.reconstruction.display().to_string(),
        reconstruction,
        truth,
        data,
        run,
        alignment: match args.align {
            AlignArg::Gauge => Alignment::Gauge,
            AlignArg::Scalar => Alignment::Scalar,
            AlignArg::None => Alignment::None,
        },
        region: args.region.as_deref().map(region).transpose()?,
        known_at_least,
        reference: args.convention == Convention::Reference,
    };
    let pool = Pool::new(cores()?)?;
    let found = score(asked, &pool)?;
    let scores = &found.scores;
    out!("{}", terminal(scores));
    let gated: Vec<GateResult> = gates.iter().map(|g| g.judge(scores)).collect();
    for g in &gated {
        outln!("{}", g.message);
    }
    if let Some(d) = scores.detector.as_ref().filter(|d| d.dark > 0) {
        warnln!(
            "{} patterns have no light, and were left out; leave out what was taken with the shutter closed or the beam lost",
            d.dark
        );
    }
    let taken = scores.judgment();
    if let Some(path) = &args.junit {
        let mut cases = vec![Case::new("figures", taken, judged(scores))];
        cases.extend((gated.iter()).map(|g| Case::new(&g.name, g.judgment, &g.message)));
        write_report(path, junit("ptyproof score", cases)?.as_bytes())?;
    }
    let judgment = Judgment::worst(gated.iter().map(|g| g.judgment).chain([taken]));
    match write(args, scores, found.images.as_ref()) {
        // a curve that is not to be had is no news where the figures are not either
        Err(e) if e.kind() == Kind::Input && judgment != Judgment::Pass => noteln!("{e}"),
        other => other?,
    }
    Ok(judgment.into())
}

fn write(
    args: &ScoreArgs,
    scores: &Scores,
    images: Option<&[ndarray::Array2<num_complex::Complex64>; 2]>,
) -> Result<()> {
    // with a truth it is the images that do not let it be drawn
    let refuse = |flag: &str, got: &str, need: &str| {
        let error = match args.truth {
            Some(_) => Error::input("writing scores"),
            None => Error::usage("writing scores"),
        };
        error.at(flag).got(got).need(need)
    };
    let frc = scores.fidelity.as_ref().and_then(|f| f.frc.as_ref());
    let no_frc = |flag| {
        refuse(
            flag,
            "no ring correlation",
            "a truth, and a region of 16 pixels a side",
        )
    };
    if let Some(path) = &args.json {
        write_report(path, json::to_text(scores)?.as_bytes())?;
    }
    if let Some(path) = &args.markdown {
        write_report(path, markdown(scores).as_bytes())?;
    }
    if let Some(path) = &args.frc_csv {
        let frc = frc.ok_or_else(|| no_frc("--frc-csv"))?;
        write_report(path, frc.csv().as_bytes())?;
    }
    if let Some(path) = &args.frc_picture {
        let frc = frc.ok_or_else(|| no_frc("--frc-picture"))?;
        write_report(path, &curve(scores, frc)?)?;
    }
    if let Some(path) = &args.picture {
        let images =
            images.ok_or_else(|| refuse("--picture", "no truth", "one to stand beside"))?;
        write_report(path, &picture(scores, images)?)?;
    }
    Ok(())
}

/// The settings of a network's hub: it has no probe of its own.
fn network(path: &Path, notes: &mut Vec<String>) -> Result<Option<(PathBuf, Job)>> {
    if !path.is_dir() || path.join(dir::PROBE).is_file() {
        return Ok(None);
    }
    let job = Request::of_hub(path, notes)?.read()?;
    Ok(Some((path.to_path_buf(), job)))
}

/// A truth that is a network's hub lies where its groups say; that is only known of the reconstruction.
fn placed(read: Reconstruction, path: &Path) -> Result<Reconstruction> {
    if path.is_dir() && !path.join(dir::PROBE).is_file() {
        return Err(Error::usage("scoring a reconstruction")
            .at("--truth")
            .got(format!("{}, the hub of a network", path.display()))
            .need("an object, or the hub of an engine")
            .help("score the network's hub against the other one"));
    }
    Ok(read)
}

fn data(path: &Path, told: &ReadOptions, notes: &mut Vec<String>) -> Result<(String, Dataset)> {
    let input = Input::of("reading patterns", path)?;
    let file = formats::open(input.path(), told)?.into_dataset()?;
    notes.extend(file.notes);
    let masked = file.dataset.measurement.masked();
    if masked > 0 {
        noteln!(
            "{}: {masked} detector pixels are masked, and were left out",
            path.display()
        );
    }
    Ok((path.display().to_string(), file.dataset))
}

fn region(values: &[usize]) -> Result<Region> {
    values.try_into().map_err(|_| {
        Error::usage("reading the command line")
            .at("--region")
            .got(format!("{} numbers", values.len()))
            .need("4: rows from, to, columns from, to")
    })
}

fn gates(args: &ScoreArgs) -> Result<Vec<Gate>> {
    let of = |texts: &[String], most: bool| -> Result<Vec<Gate>> {
        let flag = if most { "--at-most" } else { "--at-least" };
        let known = GATES[usize::from(!most)];
        let one = |text: &String| {
            let refuse = || Error::usage("reading the command line").at(flag).got(text);
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            if name.contains("correlation") {
                return Err(refuse()
                    .need("a figure that tells a reconstruction from nothing")
                    .help(
                        "a flat object has a complex correlation of .96: take nrmse or frc_mean",
                    ));
            }
            let bound = value.parse::<f64>().ok().filter(|v| v.is_finite());
            match bound {
                Some(bound) if known.contains(&name) => Ok(Gate {
                    figure: name.into(),
                    bound,
                    most,
                }),
                _ => Err(refuse().need(format!(
                    "FIGURE=VALUE, the value a finite number and the figure one of {}",
                    known.join(", ")
                ))),
            }
        };
        texts.iter().map(one).collect()
    };
    let mut all = of(&args.at_most, true)?;
    all.extend(of(&args.at_least, false)?);
    Ok(all)
}
