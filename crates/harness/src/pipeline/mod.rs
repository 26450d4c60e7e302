//! The one place that knows the order: specimen, data, groups, training, inference, stitching, score,
//! artifacts. No arithmetic lives here.

pub mod artifacts;
pub mod digests;
pub mod event;
pub mod prepare;
pub mod reconstruct;
pub mod request;
pub mod rerun;
pub mod scale_audit;
pub mod score;
pub mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::ArrayView3;
use num_complex::Complex32;

use crate::log::Log;
use crate::scenario::Splitting;
use ptyproof::assemble::Stitcher;
use ptyproof::assemble::phase_sync::synchronize_phases;
use ptyproof::error::{Error, Result};
use ptyproof::finite::Census;
use ptyproof::hub::{Hub, dir};
use ptyproof::io::dataset::Dataset;
use ptyproof::par::Pool;
use ptyproof::records::stage::{Stages, Tally};
use ptyproof::records::steps::StepRecord;
use ptyproof::score::compare;
use ptyproof_kernels::adam::Adam;
use ptyproof_kernels::isa::Isa;
use ptyproof_pinn::network::architecture::Architecture;
use ptyproof_pinn::training::checkpoint::Checkpoint;
use ptyproof_pinn::training::infer::{infer, infer_each};
use ptyproof_pinn::training::model_runner::ModelRunner;
use ptyproof_pinn::training::train::{Ending, Plan, Progress, train};
pub use request::{NumericsChoice, Phases, Request};

use artifacts::Results;
use watch::Watch;

/// The data set that a request simulates, with its object and probe.
///
/// # Errors
/// If the simulation's inputs do not fit.
pub fn simulated(request: &Request, pool: &Pool) -> Result<Dataset> {
    let specimen = prepare::specimen(request)?;
    prepare::data(request, &specimen, pool, &mut BTreeMap::new())
}

/// What a run may use and whom it tells.
pub struct Context<'a> {
    /// Threads.
    pub pool: &'a Pool,
    /// Where lines go.
    pub log: &'a Log,
    /// Seconds since the run began.
    pub clock: &'a dyn Fn() -> f64,
    /// Set when the person asked to stop.
    pub stop: &'a AtomicBool,
    /// Told of every step: the record, steps per epoch, epochs.
    pub on_step: &'a mut dyn FnMut(&StepRecord, u64, u64),
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// What the training came to.
    pub ending: Ending,
    /// All results, as written.
    pub results: Results,
    /// Wall time per stage, seconds.
    pub stages: BTreeMap<String, f64>,
}

struct Stopwatch<'a> {
    clock: &'a dyn Fn() -> f64,
    seconds: BTreeMap<String, f64>,
}

impl Stopwatch<'_> {
    fn time<R>(&mut self, stage: &str, f: impl FnOnce() -> R) -> R {
        let begin = (self.clock)();
        let result = f();
        *self.seconds.entry(stage.into()).or_default() += (self.clock)() - begin;
        result
    }
}

/// Refuses what can be refused before anything is written: a size that the network does not have, a
/// custom probe that is not there, a checkpoint of another configuration.
///
/// # Errors
/// If the request cannot be met.
pub fn check(request: &Request) -> Result<()> {
    let architecture = prepare::architecture(request)?;
    prepare::raw_probe(request)?;
    restore(request, &request.training_hash()?, &architecture)?;
    Ok(())
}

/// Groups the positions and sizes the canvas, so that positions that cannot be are refused before anything is written.
///
/// # Errors
/// If there is no such scan or grouping, or the canvas would be too large.
pub fn lay_out(request: &Request, pool: &Pool) -> Result<()> {
    let s = &request.scenario;
    let specimen = prepare::specimen(request)?;
    let object = specimen.object.as_ref().map(ndarray::Array2::dim);
    let positions = match (&request.data, object) {
        (Some(file), _) => file.dataset.positions.clone(),
        (None, Some(object)) => prepare::positions(s, object)?,
        (None, None) => return Ok(()),
    };
    let mut rng = specimen.rng;
    let grouped = pool.run(|| prepare::group(s, &positions, &mut rng))?;
    grouped.layout.padded_size(grouped.jitter)?;
    Stitcher::check(&grouped.inference.centres, s.n.get(), s.reassemble_m)
}

/// Runs a request and writes its artifacts into `hub`, which stays open.
///
/// A NaN stops nothing. An interruption is an error of kind [`ptyproof::error::Kind::Interrupted`], after
/// a checkpoint was left in the hub.
///
/// # Errors
/// If an input does not fit, a file cannot be written, or the person asked to stop.
pub fn run(request: &Request, hub: &Hub, ctx: &mut Context<'_>) -> Result<Outcome> {
    let (s, log, pool) = (&request.scenario, ctx.log, ctx.pool);
    let mut stages = Stopwatch {
        clock: ctx.clock,
        seconds: BTreeMap::new(),
    };
    let mut counters = BTreeMap::new();
    let architecture = prepare::architecture(request)?;

    let specimen = stages.time("specimen", || prepare::specimen(request))?;
    let data = stages.time("data", || {
        prepare::data(request, &specimen, pool, &mut counters)
    })?;
    log.info(format!(
        "data: {} patterns of {} x {}, {}",
        data.len(),
        s.n.get(),
        s.n.get(),
        if request.data.is_some() {
            "from a file"
        } else {
            "simulated"
        }
    ));
    let mut trail = Stages::default();
    stages.time("digests", || digests::inputs(&mut trail, &specimen, &data));
    let mut rng = specimen.rng.clone();
    let grouped = stages.time("grouping", || {
        pool.run(|| prepare::group(s, &data.positions, &mut rng))
    })?;
    let (training, inference) =
        stages.time("normalizing", || prepare::containers(s, &data, &grouped))?;
    stages.time("digests", || {
        digests::groups(&mut trail, &grouped);
        digests::normalized(&mut trail, &training, &inference);
    });
    drop(data); // each container has its own
    let padded = grouped.layout.padded_size(grouped.jitter)?;
    log.info(format!(
        "groups: {} to train on, {} to infer{}; canvas {} (jitter {}); k = {:.6} / {:.6}, s = {}",
        training.len(),
        inference.len(),
        match s.split {
            Splitting::Halves => "",
            Splitting::None => ", of the same positions",
        },
        padded.get(),
        grouped.jitter.get(),
        training.normalization.factor(),
        inference.normalization.factor(),
        training.dose.factor()
    ));
    let mut engine = stages.time("network", || {
        prepare::engine(request, architecture.clone(), &specimen, &training)
    })?;
    log.info(format!(
        "network: {} parameters, {} numerics, {} kernels, {} threads, seed {}",
        architecture.parameters(),
        request.numerics.name(),
        Isa::best(),
        pool.threads(),
        request.seed
    ));

    digests::weights(&mut trail, "initial weights", engine.model().weights());

    let config = request.training_hash()?;
    let (mut adam, mut progress) = begin(request, &config, &mut engine, log)?;
    let plan = Plan {
        epochs: s.nepochs as u64,
        batch: s.batch_size,
        seed: request.seed,
        validation: request.validation(),
    };
    let ending = stages.time("training", || {
        let mut watch = Watch::new(hub, log, ctx.stop, &architecture, config, plan);
        watch.on_step = Some(&mut *ctx.on_step);
        watch.begin(&progress, engine.model().weights(), &adam)?;
        train(
            &mut engine,
            &mut adam,
            &mut progress,
            &training,
            plan,
            pool,
            &mut watch,
        )
    });
    drop(adam);
    // whatever happens from here on, the history is on disk
    artifacts::history(hub, &s.name, &progress)?;
    let ending = ending?;
    if ending == Ending::Interrupted {
        let epoch = format!("epoch {} of {}", progress.epochs + 1, plan.epochs);
        return Err(interrupted(hub, "training").at(epoch));
    }

    digests::weights(&mut trail, "trained weights", engine.model().weights());
    // every batch goes onto the canvas as it comes; objects that have to agree are kept until they do, as far as they are stitched
    let (centres, m) = (&inference.grouping.centres, s.reassemble_m);
    let (mut census, mut tally) = (Census::default(), Tally::default());
    let stop = ctx.stop;
    let mut look_at = |objects: &ArrayView3<'_, Complex32>| {
        tally.extend(objects.iter().copied());
        census.extend(objects.iter().map(|z| f64::from(z.re + z.im)));
        if stop.load(Ordering::Relaxed) {
            return Err(interrupted(hub, "inferring"));
        }
        Ok(())
    };
    let stitcher = match request.phases {
        Phases::Own => {
            let mut stitcher = pool.run(|| Stitcher::new(centres, s.n.get(), m))?;
            stages.time("inference", || {
                infer_each(&mut engine, &inference, pool, |objects| {
                    look_at(&objects)?;
                    pool.run(|| stitcher.add(objects))
                })
            })?;
            stitcher
        }
        Phases::Overlaps => {
            let mut middles = stages.time("inference", || {
                infer(&mut engine, &inference, m, pool, |objects| {
                    look_at(&objects)
                })
            })?;
            let found = stages.time("agreeing", || {
                pool.run(|| synchronize_phases(&mut middles, centres, m))
            })?;
            log.info(format!(
                "phases of overlapping objects: {} rounds, the largest turn {:.3} rad at first, {:.4} rad at last",
                found.rounds, found.first, found.last
            ));
            stages.time("stitching", || {
                pool.run(|| {
                    let mut stitcher = Stitcher::new(centres, m, m)?;
                    stitcher.add(middles.view()).map(|()| stitcher)
                })
            })?
        }
    };
    drop(engine); // most of a run's memory; canvases and pictures are to come
    if !census.is_finite() {
        log.warn(format!("inference: the objects are not finite: {census}"));
    }
    let stitched = stages.time("stitching", || pool.run(|| stitcher.finish()))?;
    let patches = [inference.len(), s.n.get(), s.n.get()];
    digests::results(&mut trail, tally, &patches, &stitched);
    hub.write_json(dir::STAGES, &trail)?;
    counters.insert("stitch_dropped_pixels".into(), stitched.dropped as u64);
    counters.insert(
        "objects_non_finite_pixels".into(),
        census.non_finite() as u64,
    );
    let comparison = match &specimen.object {
        Some(truth) => Some(stages.time("scoring", || {
            compare(&stitched, truth.view(), inference.normalization.factor())
        })?),
        None => None,
    };
    let results = Results {
        summary: artifacts::summary(&progress),
        progress,
        stitched,
        comparison,
        truth: specimen.object,
        centres: inference.grouping.centres,
        padded: padded.get(),
        counters,
        probe_factor: specimen.probe_factor,
        factors: [
            training.normalization.factor(),
            inference.normalization.factor(),
        ],
        dose: training.dose.factor(),
    };
    stages.time("writing", || artifacts::reconstruction(hub, s, &results))?;
    Ok(Outcome {
        ending,
        results,
        stages: stages.seconds,
    })
}

fn interrupted(hub: &Hub, action: &str) -> Error {
    Error::interrupted(action)
        .got("a request to stop")
        .help(format!(
            "resume with --resume {} and the same --output-dir",
            hub.path().display()
        ))
}

/// A fresh training, or the one a checkpoint holds.
fn begin(
    request: &Request,
    config: &str,
    engine: &mut ModelRunner<f32>,
    log: &Log,
) -> Result<(Adam<f32>, Progress)> {
    let planned = request.scenario.nepochs as u64;
    let Some(mut c) = restore(request, config, engine.model().architecture())? else {
        let mut schedule = request.numerics.schedule();
        schedule.plan(planned);
        return Ok((
            Adam::new(engine.model().weights().len()),
            Progress {
                schedule,
                ..Progress::default()
            },
        ));
    };
    engine.update(|weights, _| weights.copy_from_slice(&c.weights));
    log.info(format!(
        "resuming after epoch {} ({} steps)",
        c.progress.epochs, c.adam.t
    ));
    if let Some(before) = c.progress.schedule.plan(planned) {
        log.warn(format!(
            "the learning rate was planned for --nepochs {before}, and is for --nepochs {planned} from here on: the end is not \
             that of {planned} epochs from the start"
        ));
    }
    Ok((c.adam, c.progress))
}

/// The checkpoint to go on from, if one is named.
fn restore(
    request: &Request,
    config: &str,
    architecture: &Architecture,
) -> Result<Option<Checkpoint>> {
    let Some(path) = &request.resume else {
        return Ok(None);
    };
    let action = "resuming a training";
    let path = checkpoint_of(path)?;
    let bytes =
        std::fs::read(&path).map_err(|e| Error::input(action).at(path.display()).because(e))?;
    let c = Checkpoint::from_bytes(&bytes, architecture).map_err(|e| {
        let advice = e.advice().map(str::to_owned);
        let help = advice.unwrap_or_else(|| "take another checkpoint".into());
        Error::input(action)
            .at(path.display())
            .because(e)
            .help(help)
    })?;
    if c.config != config {
        return Err(Error::usage(action)
            .at(path.display())
            .got("a checkpoint of another configuration")
            .need("the same scenario, flags, seed, numerics and files (epochs may differ)")
            .help(format!(
                "a version whose {} numerics learn otherwise makes other checkpoints too",
                request.numerics.name()
            )));
    }
    let (done, asked) = (c.progress.epochs, request.scenario.nepochs as u64);
    if done > asked {
        return Err(Error::usage(action)
            .at(path.display())
            .got(format!(
                "a checkpoint after epoch {done}, and --nepochs {asked}"
            ))
            .need(format!(
                "--nepochs {done} or more: epochs are counted from the start"
            )));
    }
    Ok(Some(c))
}

/// The checkpoint that a path means: the file itself, or the latest in a hub.
///
/// # Errors
/// If there is none.
pub fn checkpoint_of(path: &Path) -> Result<PathBuf> {
    if path.is_file() {
        return Ok(path.to_path_buf());
    }
    let folder = path.join(watch::CHECKPOINTS);
    let mut found: Vec<PathBuf> = std::fs::read_dir(&folder)
        .map(|entries| entries.flatten().map(|e| e.path()).collect())
        .unwrap_or_default();
    found.retain(|p| p.extension().is_some_and(|e| e == "safetensors"));
    found.sort();
    found.pop().ok_or_else(|| {
        Error::input("resuming a training")
            .at(path.display())
            .got("no checkpoint")
            .need(format!(
                "a .safetensors file, or a hub with one in {}",
                watch::CHECKPOINTS
            ))
    })
}

/// Where the hub's log lies.
///
/// # Errors
/// If the file system refuses.
pub fn log_path(hub: &Hub) -> Result<PathBuf> {
    hub.place(dir::LOG)
}
