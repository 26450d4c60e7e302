//! `ptyproof run`: the main job.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::args::RunArgs;
use super::exit::Exit;
use super::progress;
pub(super) use super::session::cores;
use super::session::{Session, Start, Voice, same};
use ptyproof::error::{Error, Result};
use ptyproof::hub::dir;
use ptyproof::hub::metadata::{Artifacts, RunMetadata, Seeds, Versions};
use ptyproof::hub::{Hub, file};
use ptyproof::io::formats;
use ptyproof::io::npz::{DataFile, read_object, read_probe};
use ptyproof::json::Real;
use ptyproof::judgment::Judgment;
use ptyproof::par::Pool;
use ptyproof_harness::log::Log;
use ptyproof_harness::machine;
use ptyproof_harness::pipeline::{self, Context, Outcome, Request};
use ptyproof_harness::scenario::{Measured, Overrides, ProbeMode, Scenario, Snapshot};
use ptyproof_pinn::training::train::Ending;

/// The snapshot in a file, or the built-in one.
pub(super) fn snapshot(path: Option<&Path>) -> Result<Snapshot> {
    path.map_or_else(Snapshot::builtin, Snapshot::read)
}

pub(super) fn run(args: &RunArgs) -> Result<Exit> {
    let start = Start::now();
    refuse_idle(args)?;
    let request = request(args)?;
    pipeline::check(&request)?;
    let threads = args.threads.map_or_else(cores, Ok)?;
    let pool = Pool::new(threads)?;

    let voice = Voice {
        quiet: args.quiet,
        json: args.json_log,
    };
    let session = Session::new(|| open(args, &start.time), voice, "step")?;
    let work = |s: &Session| -> Result<Outcome> {
        describe(&s.log, &request);
        let mut on_step = |record: &_, steps, epochs| progress::show(&s.bar, record, steps, epochs);
        let clock = || start.elapsed();
        let mut ctx = Context {
            pool: &pool,
            log: &s.log,
            clock: &clock,
            stop: &s.stop,
            on_step: &mut on_step,
        };
        let outcome = pipeline::run(&request, &s.hub, &mut ctx)?;
        s.bar.finish_and_clear();
        let metadata = metadata(args, &request, &outcome, &start.time, clock(), threads)?;
        s.hub.write_json(dir::METADATA, &metadata)?;
        Ok(outcome)
    };
    session.work(&start, work, |log, outcome| {
        tell(log, &request, outcome);
        outcome.results.judgment().into()
    })
}

/// Refuses what was typed about an object, a scan or a probe that will not be made.
pub(super) fn refuse_idle(args: &RunArgs) -> Result<()> {
    let typed = &args.overrides;
    let neither = "one of the two: neither object nor scan are made then";
    let (flag, instead, need) = match (&args.data, &args.custom_object) {
        _ if args.custom_probe.is_some() && typed.is_idealized() => (
            "--probe-mode idealized",
            "--custom-probe",
            "one of the two: the probe is made, or read",
        ),
        (Some(_), _) if typed.has_object() => ("--object", "--data", neither),
        (None, Some(_)) if typed.has_object() => ("--object", "--custom-object", neither),
        // of a simulation the margin is of any object
        (Some(_), _) if typed.has_buffer() => ("--buffer", "--data", neither),
        (Some(_), _) if typed.has_sim_seed() => ("--sim-seed", "--data", neither),
        _ => return Ok(()),
    };
    Err(Error::usage("settling a run")
        .at(flag)
        .got(format!("{instead} as well"))
        .need(need))
}

/// Reads what was handed in and settles the scenario; nothing is written yet.
pub(super) fn request(args: &RunArgs) -> Result<Request> {
    let snapshot = snapshot(args.snapshot.as_deref())?;
    let mut flags = args.overrides.overrides(args.amp_vmax);
    let mut digests = BTreeMap::new();
    let mut digest = |flag: &str, path: &Path| -> Result<()> {
        digests.insert(flag.to_owned(), file::digest(path)?.1);
        Ok(())
    };
    args.reading.needs_file(args.data.is_some())?;
    let data = match &args.data {
        Some(path) => {
            digest("data", path)?;
            let mut file = formats::open(path, &args.reading.told()?)?.into_dataset()?;
            let m = &file.dataset.measurement;
            let modes = m.further_modes.as_ref().map_or(0, |m| m.dim().0);
            if modes > 0 {
                file.notes.push(format!("{modes} further modes of the probe: the network knows one, `reconstruct` several"));
            }
            Some(file)
        }
        None => None,
    };
    let resolve = |flags: &Overrides| {
        let name = args.scenario.as_deref();
        let Some(file) = &data else {
            return Scenario::resolve(&snapshot, name.unwrap_or_default(), flags);
        };
        let mut facts = facts(file, args.data.as_deref());
        facts.probe |= args.custom_probe.is_some();
        Scenario::resolve_measured(&snapshot, name, flags, &facts)
    };
    let mut scenario = resolve(&flags)?;
    if args.custom_probe.is_some() && scenario.probe_mode == ProbeMode::Idealized {
        // the probe of the file is the one that is used: so it is recorded
        flags.probe_mode = Some(ProbeMode::Custom);
        flags.chosen.push("probe_mode".into());
        scenario = resolve(&flags)?;
    }
    let probe = match &args.custom_probe {
        Some(path) => {
            digest("custom_probe", path)?;
            Some(read_probe(path, scenario.n)?)
        }
        None => None,
    };
    let object = match &args.custom_object {
        Some(path) => {
            digest("custom_object", path)?;
            Some(read_object(path)?)
        }
        None => None,
    };
    if let Some(words) = data.as_ref().and_then(|_| args.reading.words()) {
        digests.insert("data, as told".into(), words);
    }
    Ok(Request {
        scenario,
        numerics: args.numerics.into(),
        seed: args.seed,
        data,
        probe,
        object,
        object_phase: args.object_phase,
        phases: args.phases.map(Into::into).unwrap_or_default(),
        digests,
        resume: args.resume.clone(),
    })
}

/// What the scenario must take over from a data file.
pub(super) fn facts(file: &DataFile, path: Option<&Path>) -> Measured {
    let data = &file.dataset;
    let stem = path.and_then(Path::file_stem).map(|s| {
        // files of the hub are named after it, and names have 255 bytes at most
        let mut stem = s.to_string_lossy().into_owned();
        stem.truncate(stem.floor_char_boundary(160));
        stem
    });
    let sum: f64 = data
        .patterns
        .values()
        .iter()
        .map(|&v| f64::from(v) * f64::from(v))
        .sum();
    Measured {
        name: stem.unwrap_or_else(|| data.name.clone()),
        n: data.side(),
        total: data.len(),
        dose: sum / data.len().max(1) as f64,
        probe: data.probe.is_some(),
    }
}

/// A new hub, or the partial one that is to be resumed in place.
fn open(args: &RunArgs, started: &str) -> Result<Hub> {
    if let Some(resume) = &args.resume {
        let mut partial = args.output_dir.clone().into_os_string();
        partial.push(".partial");
        let same = |a: &Path, b: &Path| match (a.canonicalize(), b.canonicalize()) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        };
        if same(resume, &PathBuf::from(&partial)) {
            return Hub::reopen(&PathBuf::from(partial), started);
        }
    }
    Hub::create(&args.output_dir, started)
}

/// Tells before the run what was displaced and what a file was taken to mean. What a person typed is
/// no surprise to them; what overrules a recommendation, or was guessed of a file, may be.
fn describe(log: &Log, request: &Request) {
    let s = &request.scenario;
    for line in s.warnings() {
        log.note(line);
    }
    for o in s.overrides() {
        let source = serde_json::to_value(o.source).unwrap_or_default();
        let displaced = o
            .displaced
            .as_ref()
            .map_or("nothing".to_owned(), Value::to_string);
        log.info(format!(
            "{} = {} (from {}) instead of {displaced}",
            o.field,
            o.value,
            source.as_str().unwrap_or_default()
        ));
    }
    for note in request.data.iter().flat_map(|file| &file.notes) {
        log.note(format!("data: {note}"));
    }
    let masked = (request.data.iter()).map(|file| file.dataset.measurement.masked());
    let masked: usize = masked.sum();
    if masked > 0 {
        log.warn(format!(
            "{masked} detector pixels are masked: the network does not know masks, `reconstruct` does"
        ));
    }
}

fn metadata(
    args: &RunArgs,
    request: &Request,
    outcome: &Outcome,
    started: &str,
    elapsed: f64,
    threads: usize,
) -> Result<RunMetadata> {
    let (s, results) = (&request.scenario, &outcome.results);
    let mut m = RunMetadata {
        amp_png_range: results.amplitude_range(s.amp_vmax),
        artifacts: Artifacts {
            amplitude_npy: dir::AMPLITUDE.into(),
            amplitude_png: dir::AMPLITUDE_PICTURE.into(),
            inference_dir: "inference_outputs".into(),
            phase_npy: dir::PHASE.into(),
            phase_png: dir::PHASE_PICTURE.into(),
            stats_json: dir::STATS.into(),
            train_dir: "train_outputs".into(),
        },
        buffer: Real(s.buffer),
        cli_args: same(args)?,
        elapsed_seconds: Real((elapsed * 100.0).round() / 100.0),
        group_count: s.train_groups().used as u64,
        group_limit: Some(s.group_limit as u64),
        neighbor_count: s.neighbor_count as u64,
        nepochs: s.nepochs as u64,
        nphotons: Real(s.nphotons),
        object_seed: u64::from(s.object_seed),
        probe_big: Some(s.probe_big),
        probe_mask: Some(s.probe_mask),
        probe_mode: s.probe_mode.name().into(),
        probe_scale: Real(s.probe_scale),
        profile: same(s.profile())?,
        scenario: s.name.clone(),
        sim_seed: u64::from(s.sim_seed),
        split: s.split,
        split_fraction: Real(s.split_fraction),
        test_count: s.test_count as u64,
        timestamp: started.into(),
        total_images: s.total_images as u64,
        train_count: s.train_count as u64,
        configuration: request.configuration()?,
        config_sha256: Some(request.training_hash()?),
        counters: results.counters.clone(),
        cpu: machine::cpu(),
        data_notes: request
            .data
            .as_ref()
            .map(|d| d.notes.clone())
            .unwrap_or_default(),
        numerics: request.numerics.name().into(),
        overrides: same(&s.overrides())?,
        peak_memory_bytes: machine::peak_memory_bytes(),
        seeds: Seeds {
            object_seed: u64::from(s.object_seed),
            sim_seed: u64::from(s.sim_seed),
            seed: request.seed,
        },
        status: status(outcome).into(),
        threads: threads as u64,
        versions: Versions {
            ptyproof: env!("CARGO_PKG_VERSION").into(),
            rustc: None,
        },
        wall_seconds: outcome
            .stages
            .iter()
            .map(|(k, &v)| (k.clone(), Real(v)))
            .collect(),
        ..RunMetadata::default()
    };
    let markdown = dir::summary_markdown(&s.name);
    let overview = &results.summary.nan_overview;
    m.refer_to_history(dir::HISTORY, dir::HISTORY_SUMMARY, &markdown, overview);
    Ok(m)
}

fn status(outcome: &Outcome) -> &'static str {
    match (outcome.results.judgment(), outcome.ending) {
        (Judgment::NonFinite, _) => "complete_non_finite",
        (Judgment::Undecided, _) => "complete_nothing_covered",
        (_, Ending::Stopped) => "complete_stopped_early",
        (_, _) => "complete",
    }
}

/// The last lines: what came out.
fn tell(log: &Log, request: &Request, outcome: &Outcome) {
    let r = &outcome.results;
    for warning in r.summary.warnings() {
        log.warn(warning);
    }
    if outcome.ending == Ending::Stopped {
        let why = request.numerics.schedule().stops_when();
        log.warn(format!("training stopped early: {why}"));
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
        log.warn(line);
    } else {
        log.info(line);
    }
    if let Some([required, padded]) = r.canvas_too_small(request.scenario.n.get()) {
        log.warn(format!(
            "the padded canvas of {padded} px does not hold the inferred groups, which need {required}; what is stitched has its own"
        ));
    }
    for (name, count) in r.counters.iter().filter(|(_, c)| **c > 0) {
        log.warn(format!("{name}: {count}"));
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
