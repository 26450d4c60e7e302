//! `ptyproof reconstruct`: an iterative engine on a data file, and its hub.

mod args;

use std::collections::BTreeMap;
use std::path::Path;

use super::exit::Exit;
use super::progress;
use super::session::{Session, Start, Voice, cores, same, stem};
use ptyproof::error::Result;
use ptyproof::hub::metadata::{
    AmplitudeRange, Artifacts, RECONSTRUCT, RunMetadata, Seeds, Versions,
};
use ptyproof::hub::{Hub, dir, file};
use ptyproof::io::formats;
use ptyproof::json::Real;
use ptyproof::judgment::Judgment;
use ptyproof::par::Pool;
use ptyproof_harness::log::Log;
use ptyproof_harness::machine;
use ptyproof_harness::pipeline::reconstruct::{
    Context, InitialGuess, Outcome, Ready, Request, prepare, probe_of, run as reconstruct,
};
use ptyproof_harness::plot::Range;
use ptyproof_harness::scenario::Splitting;

pub(super) use args::{EngineArg, ReconstructArgs};

/// The key of the probe in a data file.
const PROBE_KEY: &str = "probeGuess";

pub(super) fn run(args: &ReconstructArgs) -> Result<Exit> {
    let start = Start::now();
    args.check()?;
    let threads = args.threads.map_or_else(cores, Ok)?;
    let pool = Pool::new(threads)?;
    let ready = prepare(request(args)?)?;

    let voice = Voice {
        quiet: args.quiet,
        json: args.json_log,
    };
    let hub = || Hub::create(&args.output_dir, &start.time);
    let session = Session::new(hub, voice, "iteration")?;
    let work = |s: &Session| -> Result<Outcome> {
        describe(&s.log, &ready, threads);
        let mut metadata = metadata(args, &ready, &start.time, threads)?;
        let mut on_iteration = |k, of, record: &_| progress::show_iteration(&s.bar, k, of, record);
        let clock = || start.elapsed();
        let mut ctx = Context {
            pool: &pool,
            log: &s.log,
            clock: &clock,
            stop: &s.stop,
            on_iteration: &mut on_iteration,
        };
        let outcome = reconstruct(ready, &s.hub, &mut ctx)?;
        s.bar.finish_and_clear();
        finish(&mut metadata, &outcome, clock());
        s.hub.write_json(dir::METADATA, &metadata)?;
        Ok(outcome)
    };
    session.work(&start, work, |log, outcome| {
        tell(log, outcome);
        outcome.judgment().into()
    })
}

/// Reads what was handed in.
fn request(args: &ReconstructArgs) -> Result<Request> {
    let mut digests = BTreeMap::new();
    let mut digest = |flag: &str, path: &Path| -> Result<()> {
        digests.insert(flag.to_owned(), file::digest(path)?.1);
        Ok(())
    };
    digest("data", &args.data)?;
    let data = formats::open(&args.data, &args.reading.told()?)?.into_dataset()?;
    let begin = match (&args.start, &args.probe, &args.probe_key) {
        (Some(hub), _, _) => {
            let object = hub.join(dir::PROBE);
            if object.is_file() {
                digest("start.probe", &object)?;
                digest("start.amplitude", &hub.join(dir::AMPLITUDE))?;
                digest("start.phase", &hub.join(dir::PHASE))?;
            }
            InitialGuess::Hub(hub.clone())
        }
        (None, None, None) => InitialGuess::Own,
        (None, path, key) => {
            let key = key.as_deref().unwrap_or(PROBE_KEY);
            let from = if let Some(path) = path {
                digest("probe", path)?;
                format!("{key} of a file")
            } else {
                format!("{key} of the data")
            };
            let path = path.as_ref().unwrap_or(&args.data);
            InitialGuess::Probe(from, probe_of(path, key)?)
        }
    };
    if let Some(words) = args.reading.words() {
        digests.insert("data, as told".into(), words);
    }
    Ok(Request {
        name: stem(&args.data),
        data,
        settings: args.settings(),
        begin,
        modes: args.modes,
        digests,
    })
}

/// Tells what the files were taken to mean.
fn describe(log: &Log, ready: &Ready, threads: usize) {
    for note in &ready.notes {
        log.note(format!("data: {note}"));
    }
    let (p, f) = (&ready.problem, ready.problem.frame);
    let masked = p.good.iter().filter(|g| !**g).count();
    if masked > 0 {
        log.warn(format!(
            "{masked} of {} detector pixels are masked, and are left out",
            p.good.len()
        ));
    }
    log.info(format!(
        "data: {} patterns of {} x {}; canvas {} x {}, from row {} and column {} of the object",
        p.len(),
        p.n,
        p.n,
        f.rows,
        f.cols,
        f.top,
        f.left
    ));
    log.info(format!(
        "engine: {}, {} iterations, {} mode{}, from {}; {threads} threads",
        ready.settings.method.name(),
        ready.settings.iterations,
        ready.modes,
        if ready.modes == 1 { "" } else { "s" },
        ready.began
    ));
}

fn metadata(
    args: &ReconstructArgs,
    ready: &Ready,
    started: &str,
    threads: usize,
) -> Result<RunMetadata> {
    let patterns = ready.problem.len() as u64;
    Ok(RunMetadata {
        artifacts: Artifacts {
            amplitude_npy: dir::AMPLITUDE.into(),
            amplitude_png: dir::AMPLITUDE_PICTURE.into(),
            inference_dir: "inference_outputs".into(),
            phase_npy: dir::PHASE.into(),
            phase_png: dir::PHASE_PICTURE.into(),
            stats_json: dir::STATS.into(),
            train_dir: "train_outputs".into(),
        },
        cli_args: same(args)?,
        nepochs: args.iterations as u64,
        nphotons: Real(ready.problem.power),
        probe_mode: "custom".into(),
        probe_scale: Real(1.0),
        scenario: ready.name.clone(),
        split: Splitting::Halves,
        split_fraction: Real(1.0),
        timestamp: started.into(),
        total_images: patterns,
        train_count: patterns,
        configuration: ready.configuration()?,
        config_sha256: Some(ready.hash()?),
        cpu: machine::cpu(),
        data_notes: ready.notes.clone(),
        made_by: RECONSTRUCT.into(),
        seeds: Seeds {
            seed: args.seed,
            ..Seeds::default()
        },
        threads: threads as u64,
        versions: Versions {
            ptyproof: env!("CARGO_PKG_VERSION").into(),
            rustc: None,
        },
        ..RunMetadata::default()
    })
}

/// What is known at the end.
fn finish(m: &mut RunMetadata, outcome: &Outcome, elapsed: f64) {
    let amplitude = outcome.estimate.object.mapv(|z| z.norm());
    m.amp_png_range = AmplitudeRange {
        vmin: Real(0.0),
        vmax: Real(Range::amplitude(amplitude.view()).high),
    };
    m.elapsed_seconds = Real((elapsed * 100.0).round() / 100.0);
    m.counters.clone_from(&outcome.counters);
    m.peak_memory_bytes = machine::peak_memory_bytes();
    m.status = outcome.status().into();
    m.wall_seconds = outcome
        .stages
        .iter()
        .map(|(k, &v)| (k.clone(), Real(v)))
        .collect();
    let markdown = dir::summary_markdown(&outcome.name);
    let overview = &outcome.summary.nan_overview;
    m.refer_to_history(dir::HISTORY, dir::HISTORY_SUMMARY, &markdown, overview);
}

/// The last lines: what came out.
fn tell(log: &Log, outcome: &Outcome) {
    for warning in outcome.summary.warnings() {
        log.warn(warning);
    }
    for (name, count) in outcome.counters.iter().filter(|(_, c)| **c > 0) {
        let line = format!("{name}: up to {count} in an iteration");
        // a pixel that is exactly dark has no phase to keep and waits for the next iteration
        if name == "dark_pixels" {
            log.info(line);
        } else {
            log.warn(line);
        }
    }
    let r = &outcome.residuals;
    for (count, what) in [
        (r.dark, "have no light, and are left out of the residual"),
        (
            r.outside,
            "lie off the canvas, and are left out of the residual",
        ),
    ] {
        if count > 0 {
            log.warn(format!("{count} of {} patterns {what}", r.each.len()));
        }
    }
    let of = format!("of {} of {} patterns", r.counted(), r.each.len());
    if let Some((k, worst)) = r.worst() {
        log.info(format!(
            "residual {:.6e}, {of}; the worst pattern is {k} with {worst:.6e}",
            r.whole
        ));
    }
    match r.judgment() {
        Judgment::Well => {}
        Judgment::Undecided => log.warn(format!("too few patterns count for the residual, {of}")),
        Judgment::NotWell => log.warn(format!(
            "the reconstruction explains nothing: its residual of {:.4e} is above 1, that of a dark object",
            r.whole
        )),
        Judgment::NonFinite => log.warn(format!("the residual is not finite, {of}")),
    }
    if let Some(c) = &outcome.comparison {
        let [t, b, l, r] = c.region;
        log.info(format!(
            "against the truth, rows {t} to {b}, columns {l} to {r}: relative rms {:.5} gauge-aligned, {:.5} after \
             phase and scale, {:.5} as it is; known {:.4} of it",
            c.alignment.aligned.rms.get(),
            c.alignment.scalar.rms.get(),
            c.alignment.raw.rms.get(),
            c.known.get()
        ));
    }
    let total: f64 = outcome.stages.values().sum();
    let own = outcome
        .stages
        .get("iterations")
        .copied()
        .unwrap_or_default();
    log.info(format!(
        "{total:.2} s in all, {own:.2} s of it iterations; peak memory {}",
        machine::peak_memory_bytes()
            .map_or("unknown".to_owned(), |b| format!("{} MB", b / 1_000_000))
    ));
}
