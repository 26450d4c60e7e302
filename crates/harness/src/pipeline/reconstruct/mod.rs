//! Reconstruction by an iterative engine: data, start, iterations, artifacts, in the form of every other run.

mod artifacts;
mod compare;
mod record;
mod request;
mod start;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::Array2;
use num_complex::Complex32;
use serde_json::{Value, json};

use super::event;
use super::stopwatch::Stopwatch;
use crate::log::Log;
use ptyproof::error::{Error, Result};
use ptyproof::hub::file::digest_text;
use ptyproof::hub::{Hub, dir};
use ptyproof::io::npz::DataFile;
use ptyproof::judgment::Judgment;
use ptyproof::number::figure;
use ptyproof::par::Pool;
use ptyproof::records::health::EpochHealth;
use ptyproof::records::history::History;
use ptyproof::records::stage::Stages;
use ptyproof::records::summary::Summary;
use ptyproof::solve::{Estimate, Event, Problem, Record, Settings, Solver};
use ptyproof::solve::{Residuals, residuals};

pub use artifacts::RESIDUALS;
pub(super) use artifacts::{POSITIONS, SCAN};
pub use compare::{Comparison, region};
pub use record::{begun, ended};
pub use request::Request;
pub(super) use start::canvas;
pub use start::{InitialGuess, probe_of};

/// Pixels around the patches for positions that move.
const REFINEMENT_MARGIN_PX: usize = 8;
/// Lines of the log that tell of iterations, at most.
const MAX_LINES: usize = 20;

/// A request with its files read.
#[derive(Debug)]
pub struct Job {
    /// What it is called, in files and headings.
    pub name: String,
    /// The data.
    pub data: DataFile,
    /// The engine's settings.
    pub settings: Settings,
    /// Where it begins.
    pub begin: InitialGuess,
    /// Incoherent modes of the probe; absent: those of the data's probe, or of the hub that it begins from.
    pub modes: Option<usize>,
    /// Digests of the files handed in, by the field of the request.
    pub digests: BTreeMap<String, String>,
}

/// A job that can be done, laid out; the patterns are in memory once.
#[derive(Debug)]
pub struct Ready {
    /// What it is called.
    pub name: String,
    /// Patterns and positions.
    pub problem: Problem,
    /// The engine's settings.
    pub settings: Settings,
    /// Where it begins, in words.
    pub began: String,
    /// Modes of the probe.
    pub modes: usize,
    /// What a person should know of the data.
    pub notes: Vec<String>,
    digests: BTreeMap<String, String>,
    estimate: Estimate,
    truth: Option<Array2<Complex32>>,
    trail: Stages,
}

impl Ready {
    /// Everything that decides the result.
    ///
    /// # Errors
    /// Never for valid settings.
    pub fn configuration(&self) -> Result<Value> {
        let bug = |e| Error::bug("writing the configuration").because(e);
        Ok(json!({
            "engine": serde_json::to_value(&self.settings).map_err(bug)?,
            "modes": self.modes,
            "start": self.began,
            "canvas": serde_json::to_value(self.problem.frame).map_err(bug)?,
            "patterns": self.problem.len(),
            "side": self.problem.n,
            "files": self.digests,
        }))
    }

    /// SHA-256 of [`Ready::configuration`] as JSON with sorted keys and no spaces.
    ///
    /// # Errors
    /// Never for valid settings.
    pub fn hash(&self) -> Result<String> {
        Ok(digest_text(&self.configuration()?.to_string()))
    }
}

/// Lays out a job; nothing is written yet.
///
/// # Errors
/// If a setting cannot be, the canvas would be too large, or the start does not fit.
pub fn prepare(job: Job) -> Result<Ready> {
    job.settings.check()?;
    let data = job.data.dataset;
    let margin = if job.settings.refine_positions {
        REFINEMENT_MARGIN_PX
    } else {
        1
    };
    let problem = Problem::with_margin(&data, margin)?;
    let started = start::estimate(&problem, &job.begin, &data, job.modes)?;
    let mut trail = Stages::default();
    artifacts::inputs(&mut trail, &data, &problem, &started.estimate);
    Ok(Ready {
        name: job.name,
        modes: started.estimate.probes.len() / problem.area(),
        problem,
        settings: job.settings,
        began: started.from,
        notes: job.data.notes,
        digests: job.digests,
        estimate: started.estimate,
        truth: data.object,
        trail,
    })
}

/// What a reconstruction may use and whom it tells.
pub struct Context<'a> {
    /// Threads.
    pub pool: &'a Pool,
    /// Where lines go.
    pub log: &'a Log,
    /// Seconds since the command began.
    pub clock: &'a dyn Fn() -> f64,
    /// Set when the person asked to stop.
    pub stop: &'a AtomicBool,
    /// Told of every iteration: its number from 1, how many, what it came to.
    pub on_iteration: &'a mut dyn FnMut(usize, usize, &Record),
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

/// What a reconstruction came to.
#[derive(Debug)]
pub struct Outcome {
    /// The request as it was laid out.
    pub name: String,
    /// Per iteration.
    pub history: History,
    /// Its summary.
    pub summary: Summary,
    /// Object, probe, positions.
    pub estimate: Estimate,
    /// How well the estimate explains the patterns at the end.
    pub residuals: Residuals,
    /// Against the truth, where the data have it.
    pub comparison: Option<Comparison>,
    /// The first thing that was not finite.
    pub event: Option<Event>,
    /// Things lost, by name.
    pub counters: BTreeMap<String, u64>,
    /// Wall time per stage, seconds.
    pub stages: BTreeMap<String, f64>,
}

impl Outcome {
    /// Whether anything was not finite.
    pub fn has_non_finite(&self) -> bool {
        self.event.is_some() || self.summary.nan_overview.has_nan
    }

    /// How it ended: whether everything is finite, and whether it explains anything.
    pub fn judgment(&self) -> Judgment {
        let finite = match self.has_non_finite() {
            true => Judgment::NonFinite,
            false => Judgment::Pass,
        };
        Judgment::worst([finite, self.residuals.judgment()])
    }

    /// Its name in the metadata.
    pub fn status(&self) -> &'static str {
        match self.judgment() {
            Judgment::Pass => "complete",
            Judgment::Undecided => "complete_undecided",
            Judgment::Fail => "complete_explains_nothing",
            Judgment::NonFinite => "complete_non_finite",
        }
    }
}

/// Histories of an engine while it iterates.
#[derive(Debug, Default)]
struct Progress {
    history: History,
    vitals: Vec<EpochHealth>,
}

impl Progress {
    fn push(&mut self, k: usize, r: &Record) {
        self.history.push(
            k as f64,
            [
                // what an engine makes small, and its root
                ("loss", r.residual * r.residual),
                ("residual", r.residual),
                ("probe_power", r.probe_power),
                ("object_update", r.object_update),
                ("position_update", r.position_update),
                ("dark_pixels", r.dark_pixels as f64),
                ("patterns_outside", r.patterns_outside as f64),
                ("non_finite", r.non_finite as f64),
            ],
        );
        let names = ["position step", "object step", "probe step"];
        self.vitals.push(EpochHealth {
            pinned: names
                .iter()
                .zip(r.held)
                .map(|(n, share)| ((*n).to_owned(), share.into()))
                .collect(),
            probe_power: r.probe_power.into(),
            ..EpochHealth::default()
        });
    }

    fn summary(&self) -> Summary {
        artifacts::summary(&self.history, &self.vitals)
    }
}

/// Reconstructs, and writes the artifacts into `hub`, which stays open.
///
/// A NaN stops nothing. If the person stops it, what there is by then is left in the hub, from where a later
/// reconstruction can begin.
///
/// # Errors
/// If a file cannot be written, or the person asked to stop.
pub fn run(ready: Ready, hub: &Hub, ctx: &mut Context<'_>) -> Result<Outcome> {
    let mut stages = Stopwatch::new(ctx.clock);
    let Ready {
        name,
        problem,
        settings,
        estimate,
        truth,
        mut trail,
        ..
    } = ready;
    let (total, log) = (settings.iterations, ctx.log);
    let mut solver = Solver::new(&problem, settings, estimate)?;
    let mut progress = Progress::default();
    stages.time("iterations", || {
        iterate(&mut solver, &mut progress, total, hub, ctx)
    })?;
    let event = solver.event().cloned();
    let done = solver.iteration();
    // frees the engine's waves before anything is drawn
    let estimate = solver.finish();
    artifacts::history(hub, &name, &progress.history, &progress.summary())?;
    if done < total {
        artifacts::arrays(hub, &problem, &estimate)?;
        return Err(Error::interrupted("reconstructing")
            .at(format!("iteration {done} of {total}"))
            .got("a request to stop")
            .help(format!(
                "begin from what there is with `start` {}",
                hub.path().display()
            )));
    }
    let residuals = stages.time("residuals", || residuals(&problem, &estimate, ctx.pool));
    let comparison = stages.time("scoring", || {
        truth
            .as_ref()
            .and_then(|t| compare::compare(&problem, &estimate, t))
    });
    let outcome = Outcome {
        summary: progress.summary(),
        counters: artifacts::counters(&progress.history),
        history: progress.history,
        name,
        estimate,
        residuals,
        comparison,
        event,
        stages: BTreeMap::new(),
    };
    artifacts::outputs(&mut trail, &outcome.estimate, problem.n);
    hub.write_json(dir::STAGES, &trail)?;
    stages.time("writing", || {
        artifacts::reconstruction(hub, &problem, &outcome, log)
    })?;
    Ok(Outcome {
        stages: stages.seconds,
        ..outcome
    })
}

fn iterate(
    solver: &mut Solver<'_>,
    progress: &mut Progress,
    total: usize,
    hub: &Hub,
    ctx: &mut Context<'_>,
) -> Result<()> {
    let every = total.div_ceil(MAX_LINES);
    let mut told = false;
    for k in 0..total {
        if ctx.stop.load(Ordering::Relaxed) {
            break;
        }
        let record = solver.step(ctx.pool);
        progress.push(k, &record);
        (ctx.on_iteration)(k + 1, total, &record);
        if let (Some(event), false) = (solver.event(), told) {
            told = true;
            let first = event.headline();
            ctx.log.warn(format!(
                "first non-finite event: {first}; the reconstruction goes on: a smaller `object_step` or `probe_step` may avoid it"
            ));
            hub.write_json(event::EVENT, event)?;
        }
        if (k + 1) % every == 0 || k == 0 || k + 1 == total {
            ctx.log.info(format!(
                "iteration {}/{total}: residual {}, object moved by {}, probe power {}",
                k + 1,
                figure(record.residual, 5),
                figure(record.object_update, 3),
                figure(record.probe_power, 5)
            ));
        }
    }
    Ok(())
}

/// A path as it is written in a record: its last part.
fn last_part(path: &Path) -> PathBuf {
    path.file_name().map_or_else(|| path.into(), PathBuf::from)
}
