//! `ptyproof run`: the main job.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::args::RunArgs;
use super::exit::Exit;
use super::progress;
use super::session::{Session, Start, Voice, cores};
use ptyproof::error::Result;
use ptyproof::hub::{Hub, dir};
use ptyproof::par::Pool;
use ptyproof_harness::log::Log;
use ptyproof_harness::machine;
use ptyproof_harness::pipeline::{self, Circumstances, Context, Job, Outcome, Request};
use ptyproof_pinn::training::train::StopReason;

pub(super) fn run(args: &RunArgs) -> Result<Exit> {
    let output = Output {
        dir: &args.output_dir,
        threads: args.threads,
        voice: Voice {
            quiet: args.quiet,
            json: args.json_log,
        },
    };
    into_hub(&args.request(), output)
}

/// Where a run writes, on how many threads, and how much it says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output<'a> {
    pub(super) dir: &'a Path,
    pub(super) threads: Option<usize>,
    pub(super) voice: Voice,
}

/// Runs a request and leaves its hub.
pub(super) fn into_hub(request: &Request, output: Output<'_>) -> Result<Exit> {
    let start = Start::now();
    let job = request.read()?;
    pipeline::check(&job)?;
    let threads = output.threads.map_or_else(cores, Ok)?;
    let pool = Pool::new(threads)?;

    let hub = || open(request, output.dir, &start.time);
    let session = Session::new(hub, output.voice, "step")?;
    let work = |s: &Session| -> Result<Outcome> {
        describe(&s.log, &job);
        let mut on_step = |record: &_, steps, epochs| progress::show(&s.bar, record, steps, epochs);
        let clock = || start.elapsed();
        let mut ctx = Context {
            pool: &pool,
            log: &s.log,
            clock: &clock,
            stop: &s.stop,
            on_step: &mut on_step,
        };
        let outcome = pipeline::run(&job, &s.hub, &mut ctx)?;
        s.bar.finish_and_clear();
        let around = Circumstances {
            output_dir: output.dir,
            started: &start.time,
            elapsed: clock(),
            threads,
        };
        let metadata = pipeline::metadata(request, &job, &outcome, around)?;
        s.hub.write_json(dir::METADATA, &metadata)?;
        Ok(outcome)
    };
    session.work(&start, work, |log, outcome| {
        tell(log, &job, outcome);
        outcome.results.judgment().into()
    })
}

/// A new hub, or the partial one that is to be resumed in place.
fn open(request: &Request, output_dir: &Path, started: &str) -> Result<Hub> {
    if let Some(resume) = &request.resume {
        let mut partial = output_dir.as_os_str().to_owned();
        partial.push(".partial");
        let same = |a: &Path, b: &Path| match (a.canonicalize(), b.canonicalize()) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        };
        if same(resume, &PathBuf::from(&partial)) {
            return Hub::reopen(&PathBuf::from(partial), started);
        }
    }
    Hub::create(output_dir, started)
}

/// Tells before the run what was displaced and what a file was taken to mean. What a person typed is
/// no surprise to them; what overrules a recommendation, or was guessed of a file, may be.
fn describe(log: &Log, job: &Job) {
    let s = &job.scenario;
    for line in s.warnings() {
        log.note(line);
    }
    for o in s.overrides() {
        let displaced = o
            .displaced
            .as_ref()
            .map_or("nothing".to_owned(), Value::to_string);
        log.info(format!(
            "{} = {} (from {}) instead of {displaced}",
            o.field,
            o.value,
            o.source.name()
        ));
    }
    for note in job.data.iter().flat_map(|file| &file.notes) {
        log.note(format!("data: {note}"));
    }
    let masked = (job.data.iter()).map(|file| file.dataset.measurement.masked());
    let masked: usize = masked.sum();
    if masked > 0 {
        log.warn(format!(
            "{masked} detector pixels are masked: the network does not know masks, `reconstruct` does"
        ));
    }
}

/// The last lines: what came out.
fn tell(log: &Log, job: &Job, outcome: &Outcome) {
    let r = &outcome.results;
    for warning in r.summary.warnings() {
        log.warn(warning);
    }
    if outcome.ending == StopReason::Stopped {
        let why = job.numerics.schedule().stop_reason();
        log.note(format!("training stopped early: {why}"));
    }
    let bad = r
        .stitched
        .canvas
        .iter()
        .filter(|z| !(z.re.is_finite() && z.im.is_finite()))
        .count();
    let (rows, cols) = r.stitched.canvas.dim();
    let line = format!(
        "reconstruction: {rows} x {cols}, {} of {} pixels covered, {bad} not finite",
        r.stitched.covered(),
        rows * cols
    );
    if bad > 0 || r.stitched.covered() == 0 {
        log.warn(line + "; `ptyproof hub verify HUB` lists where");
    } else {
        log.info(line);
    }
    if let Some([required, padded]) = r.canvas_too_small(job.scenario.n.get()) {
        log.warn(format!(
            "the padded canvas of {padded} px does not hold the inferred groups, which need {required}: what is stitched has its own; `ptyproof canvas-check` says which positions"
        ));
    }
    for (name, count) in r.counters.iter().filter(|(_, c)| **c > 0) {
        super::advice::tell_counter(log, name, *count);
    }
    if let Some(c) = &r.comparison {
        let (m, g) = (&c.metrics.amplitude.metrics, &c.metrics.registered);
        let show = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{v:.4}"));
        log.info(format!(
            "against the truth, as the reference compares: amplitude mae {}, r {} (known {:.4}); registered, covered \
             pixels, scaled by {}: mae {}, r {} (known {:.4})",
            show(m.mae),
            show(m.pearson_r),
            c.metrics.known,
            show(g.amplitude_scale),
            show(g.amplitude_scaled.mae),
            show(g.amplitude_scaled.pearson_r),
            g.known
        ));
    }
    let total: f64 = outcome.stages.values().sum();
    let training = outcome.stages.get("training").copied().unwrap_or_default();
    log.info(format!(
        "{total:.1} s in all, {training:.1} s of it training; peak memory {}",
        machine::peak_memory_bytes()
            .map_or("unknown".to_owned(), |b| format!("{} MB", b / 1_000_000))
    ));
}
