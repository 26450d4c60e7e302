//! `ptyproof score`: how good a reconstruction is, and whether that is good enough.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::args::ReadingArgs;
use super::exit::Exit;
use super::output_paths::refuse_overwrite;
use super::session::cores;
use super::{run, stored_run};
use ptyproof::error::{Error, Kind, Result};
use ptyproof::file::write_atomic;
use ptyproof::hub::dir;
use ptyproof::io::dataset::Dataset;
use ptyproof::io::formats::{self, ReadOptions};
use ptyproof::json;
use ptyproof::judgment::Judgment;
use ptyproof::par::Pool;
use ptyproof::score::fidelity::{Alignment, Region};
use ptyproof::score::gate::{Gate, Gated};
use ptyproof::score::known::KNOWN_AT_LEAST;
use ptyproof::score::scores::{GATES, Scores};
use ptyproof_harness::pipeline::Request;
use ptyproof_harness::pipeline::score::{Reconstruction, ScoreRequest, score};
use ptyproof_harness::report::junit::{Case, junit};
use ptyproof_harness::report::score::{curve, judged, markdown, picture, terminal};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AlignArg {
    /// Phase and scale, ramp, shift, twin: all that diffraction cannot tell.
    Gauge,
    /// Phase and scale alone.
    Scalar,
    /// Nothing.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Convention {
    /// Stated peak, stated range, stated region.
    Standard,
    /// The reference program's own evaluation beside it.
    Reference,
}

/// How much must be known for a figure.
#[derive(Debug, Args)]
pub(super) struct KnownArgs {
    /// The share of the region, and of the patterns, that must be finite and covered: below it every figure is NaN.
    #[arg(
        long,
        value_name = "SHARE",
        default_value_t = KNOWN_AT_LEAST,
        allow_negative_numbers = true
    )]
    known_at_least: f64,
}

impl KnownArgs {
    /// The share, which is one.
    pub(super) fn at_least(&self) -> Result<f64> {
        let value = self.known_at_least;
        if value > 0.0 && value <= 1.0 {
            return Ok(value);
        }
        Err(Error::usage("reading the command line")
            .at("--known-at-least")
            .got(value)
            .need("a share above 0, up to 1"))
    }
}

#[derive(Debug, Args)]
pub(super) struct ScoreArgs {
    /// A hub (an engine's, a network's, the reference's), a complex .npy, or a file with an object.
    #[arg(value_name = "RECON")]
    reconstruction: PathBuf,
    /// What it should be, or another reconstruction [default: of a network's hub, the run's own object; else that of --data].
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// The patterns it is of, for figures on the detector [default: of a network's hub, the run's own].
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// What is taken off before the comparison.
    #[arg(long, value_enum, default_value_t = AlignArg::Gauge)]
    align: AlignArg,
    /// Where, in pixels of the truth: rows from, to, columns from, to, the ends exclusive
    /// [default: the middle of the scan; without positions all that the truth, or a hub, covers].
    #[arg(long, value_name = "R0,R1,C0,C1", value_delimiter = ',')]
    region: Option<Vec<usize>>,
    #[command(flatten)]
    known: KnownArgs,
    /// Whose evaluation.
    #[arg(long, value_enum, default_value_t = Convention::Standard)]
    convention: Convention,
    /// Fail (exit code 1; 4 if it could not be taken) if this figure is larger: nrmse=0.01, r_factor=0.1, ...
    #[arg(long, value_name = "FIGURE=VALUE")]
    at_most: Vec<String>,
    /// Fail (exit code 1; 4 if it could not be taken) if this figure is smaller: frc_mean=0.9, phase_ssim=0.8, ...
    #[arg(long, value_name = "FIGURE=VALUE")]
    at_least: Vec<String>,
    /// Write the scores as JSON.
    #[arg(long = "output-json", alias = "json", value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the gates as JUnit; without a gate, whether the figures could be taken.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write them as Markdown.
    #[arg(long = "output-markdown", alias = "markdown", value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write the ring correlation as CSV.
    #[arg(long, value_name = "FILE.csv")]
    frc_csv: Option<PathBuf>,
    /// Write it as a picture.
    #[arg(long, value_name = "FILE.png")]
    frc_picture: Option<PathBuf>,
    /// Write reconstruction, truth and difference, as compared, as a picture.
    #[arg(long, value_name = "FILE.png")]
    picture: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingArgs,
}

impl ScoreArgs {
    /// Where a JUnit report is asked for, if it is.
    pub(super) fn junit(&self) -> Option<&Path> {
        self.junit.as_deref()
    }
}

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
    let told = args.reading.told()?;
    let mut notes = Vec::new();
    let mut reconstruction = Reconstruction::read(&args.reconstruction, &told)?;
    let run = network(&args.reconstruction, &mut notes)?;
    let truth = match &args.truth {
        Some(path) => {
            let read = Reconstruction::read(path, &told)?;
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
    let gated: Vec<Gated> = gates.iter().map(|g| g.judge(scores)).collect();
    for g in &gated {
        outln!("{}", g.says);
    }
    if let Some(d) = scores.detector.as_ref().filter(|d| d.dark > 0) {
        warnln!("{} patterns have no light, and were left out", d.dark);
    }
    let taken = scores.judgment();
    if let Some(path) = &args.junit {
        let mut cases = vec![Case::new("figures", taken, judged(scores))];
        cases.extend((gated.iter()).map(|g| Case::new(&g.name, g.judgment, &g.says)));
        write_atomic(path, junit("ptyproof score", cases)?.as_bytes())?;
    }
    let judgment = Judgment::gravest(gated.iter().map(|g| g.judgment).chain([taken]));
    match write(args, scores, found.images.as_ref()) {
        // a curve that is not to be had is no news where the figures are not either
        Err(e) if e.kind() == Kind::Input && judgment != Judgment::Well => warnln!("{e}"),
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
        write_atomic(path, json::to_text(scores)?.as_bytes())?;
    }
    if let Some(path) = &args.markdown {
        write_atomic(path, markdown(scores).as_bytes())?;
    }
    if let Some(path) = &args.frc_csv {
        let frc = frc.ok_or_else(|| no_frc("--frc-csv"))?;
        write_atomic(path, frc.csv().as_bytes())?;
    }
    if let Some(path) = &args.frc_picture {
        let frc = frc.ok_or_else(|| no_frc("--frc-picture"))?;
        write_atomic(path, &curve(scores, frc)?)?;
    }
    if let Some(path) = &args.picture {
        let images =
            images.ok_or_else(|| refuse("--picture", "no truth", "one to stand beside"))?;
        write_atomic(path, &picture(scores, images)?)?;
    }
    Ok(())
}

/// The settings of a network's hub: it has no probe of its own.
fn network(path: &Path, notes: &mut Vec<String>) -> Result<Option<(PathBuf, Request)>> {
    if !path.is_dir() || path.join(dir::PROBE).is_file() {
        return Ok(None);
    }
    let request = run::request(&stored_run::arguments(path, notes)?)?;
    Ok(Some((path.to_path_buf(), request)))
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
    let file = formats::open(path, told)?.into_dataset()?;
    notes.extend(file.notes);
    let masked = file.dataset.measurement.masked();
    if masked > 0 {
        warnln!(
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
