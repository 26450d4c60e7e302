//! The stages of a run, in their order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::{Array2, ArrayView3};
use num_complex::Complex32;

use super::artifacts::{self, Results};
use super::job::{Job, Phases};
use super::prepare::{self, Grouped, Specimen};
use super::stopwatch::Stopwatch;
use super::watch::Watch;
use super::{digests, resume};
use crate::log::Log;
use crate::scenario::Splitting;
use ptyproof::assemble::phase_sync::synchronize_phases;
use ptyproof::assemble::{Stitched, Stitcher};
use ptyproof::error::{Error, Result};
use ptyproof::finite::Census;
use ptyproof::hub::{Hub, dir};
use ptyproof::io::dataset::Dataset;
use ptyproof::number::{count, figure};
use ptyproof::par::Pool;
use ptyproof::records::stage::{StageAccumulator, Stages};
use ptyproof::records::steps::StepRecord;
use ptyproof::score::{Comparison, compare};
use ptyproof_kernels::isa::Isa;
use ptyproof_pinn::data::training_set::TrainingSet;
use ptyproof_pinn::training::infer::{infer, infer_each};
use ptyproof_pinn::training::model_runner::ModelRunner;
use ptyproof_pinn::training::train::{Plan, Progress, StopReason, train};

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
    pub ending: StopReason,
    /// All results, as written.
    pub results: Results,
    /// Wall time per stage, seconds.
    pub stages: BTreeMap<String, f64>,
}

/// Runs a job and writes its artifacts into `hub`, which stays open.
///
/// A NaN stops nothing. An interruption is an error of kind [`ptyproof::error::Kind::Interrupted`], after
/// a checkpoint was left in the hub.
///
/// # Errors
/// If an input does not fit, a file cannot be written, or the person asked to stop.
pub fn run(job: &Job, hub: &Hub, ctx: &mut Context<'_>) -> Result<Outcome> {
    let mut run = Run::new(job, hub, ctx);
    let specimen = run.specimen()?;
    let data = run.data(&specimen)?;
    let sets = run.group_and_normalize(&specimen, &data)?;
    drop(data); // each set has its own
    let mut network = run.network(&specimen, &sets)?;
    let trained = run.train(&mut network, &sets)?;
    let stitcher = run.infer(&mut network, &sets)?;
    drop(network); // most of a run's memory; canvases and pictures are to come
    let stitched = run.stitch(stitcher, &sets)?;
    let comparison = run.score(&specimen, &stitched, &sets)?;
    run.write(trained, specimen, sets, stitched, comparison)
}

/// The two sets of groups, normalized.
struct Sets {
    training: TrainingSet,
    inference: TrainingSet,
    /// Side of the padded canvas.
    padded: usize,
}

struct Trained {
    progress: Progress,
    ending: StopReason,
}

/// What the stages share.
struct Run<'a, 'c> {
    job: &'a Job,
    hub: &'a Hub,
    ctx: &'a mut Context<'c>,
    pool: &'c Pool,
    log: &'c Log,
    stages: Stopwatch<'c>,
    /// Digests of what each stage made.
    trail: Stages,
    /// Things lost, by name.
    counters: BTreeMap<String, u64>,
    /// The inferred objects: their values and those that are not finite.
    tally: StageAccumulator,
    census: Census,
}

impl<'a, 'c> Run<'a, 'c> {
    fn new(job: &'a Job, hub: &'a Hub, ctx: &'a mut Context<'c>) -> Self {
        let (pool, log, clock) = (ctx.pool, ctx.log, ctx.clock);
        Self {
            job,
            hub,
            ctx,
            pool,
            log,
            stages: Stopwatch::new(clock),
            trail: Stages::default(),
            counters: BTreeMap::new(),
            tally: StageAccumulator::default(),
            census: Census::default(),
        }
    }

    fn specimen(&mut self) -> Result<Specimen> {
        self.stages.time("specimen", || prepare::specimen(self.job))
    }

    fn data(&mut self, specimen: &Specimen) -> Result<Dataset> {
        let (job, pool, counters) = (self.job, self.pool, &mut self.counters);
        let data = self
            .stages
            .time("data", || prepare::data(job, specimen, pool, counters))?;
        let n = job.scenario.n.get();
        let from = match job.data {
            Some(_) => "from a file",
            None => "simulated",
        };
        let patterns = count(data.len());
        self.log
            .info(format!("data: {patterns} patterns of {n} x {n}, {from}"));
        let trail = &mut self.trail;
        self.stages
            .time("digests", || digests::inputs(trail, specimen, &data));
        Ok(data)
    }

    fn group_and_normalize(&mut self, specimen: &Specimen, data: &Dataset) -> Result<Sets> {
        let (s, pool) = (&self.job.scenario, self.pool);
        let mut rng = specimen.rng.clone();
        let grouped: Grouped = self.stages.time("grouping", || {
            pool.run(|| prepare::group(s, &data.positions, &mut rng))
        })?;
        let (training, inference) = self
            .stages
            .time("normalizing", || prepare::containers(s, data, &grouped))?;
        let trail = &mut self.trail;
        self.stages.time("digests", || {
            digests::groups(trail, &grouped);
            digests::normalized(trail, &training, &inference);
        });
        let padded = grouped.layout.padded_size(grouped.jitter)?;
        self.log.info(format!(
            "groups: {} to train on, {} to infer{}; canvas {} (jitter {}); k = {} / {}, s = {}",
            training.len(),
            inference.len(),
            match s.split {
                Splitting::Halves => "",
                Splitting::None => ", of the same positions",
            },
            padded.get(),
            grouped.jitter.get(),
            figure(training.normalization.factor(), 5),
            figure(inference.normalization.factor(), 5),
            figure(training.dose.factor(), 5)
        ));
        Ok(Sets {
            training,
            inference,
            padded: padded.get(),
        })
    }

    fn network(&mut self, specimen: &Specimen, sets: &Sets) -> Result<ModelRunner<f32>> {
        let job = self.job;
        let architecture = prepare::architecture(job)?;
        let parameters = count(architecture.parameters());
        let network = self.stages.time("network", || {
            prepare::engine(job, architecture, specimen, &sets.training)
        })?;
        self.log.info(format!(
            "network: {parameters} parameters, {} numerics, {} kernels, {} threads, seed {}",
            job.numerics.name(),
            Isa::best(),
            self.pool.threads(),
            job.seed
        ));
        digests::weights(
            &mut self.trail,
            "initial weights",
            network.model().weights(),
        );
        Ok(network)
    }

    fn train(&mut self, network: &mut ModelRunner<f32>, sets: &Sets) -> Result<Trained> {
        let (job, hub, log, pool) = (self.job, self.hub, self.log, self.pool);
        let s = &job.scenario;
        let config = job.training_hash()?;
        let architecture = network.model().architecture().clone();
        let (mut adam, mut progress) = resume::begin(job, &config, network, log)?;
        let plan = Plan {
            epochs: s.nepochs as u64,
            batch: s.batch_size,
            seed: job.seed,
            validation: job.validation(),
        };
        let ctx = &mut *self.ctx;
        let ending = self.stages.time("training", || {
            let mut watch = Watch::new(hub, log, ctx.stop, &architecture, config, plan);
            watch.on_step = Some(&mut *ctx.on_step);
            watch.begin(&progress, network.model().weights(), &adam)?;
            let training = &sets.training;
            train(
                network,
                &mut adam,
                &mut progress,
                training,
                plan,
                pool,
                &mut watch,
            )
        });
        // whatever happens from here on, the history is on disk
        artifacts::history(hub, &s.name, &progress)?;
        let ending = ending?;
        if ending == StopReason::Interrupted {
            let epoch = format!("epoch {} of {}", progress.epochs + 1, plan.epochs);
            return Err(interrupted(hub, "training").at(epoch));
        }
        digests::weights(
            &mut self.trail,
            "trained weights",
            network.model().weights(),
        );
        Ok(Trained { progress, ending })
    }

    /// Every batch goes onto the canvas as it comes. Objects whose phases are synchronized are kept until they are, as far
    /// as they are stitched.
    fn infer(&mut self, network: &mut ModelRunner<f32>, sets: &Sets) -> Result<Stitcher> {
        let (hub, pool, log, stop) = (self.hub, self.pool, self.log, self.ctx.stop);
        let s = &self.job.scenario;
        let inference = &sets.inference;
        let (centers, m) = (&inference.grouping.centers, s.reassemble_m);
        let (census, tally) = (&mut self.census, &mut self.tally);
        let mut look_at = |objects: &ArrayView3<'_, Complex32>| {
            tally.extend(objects.iter().copied());
            census.extend(objects.iter().map(|z| f64::from(z.re + z.im)));
            if stop.load(Ordering::Relaxed) {
                return Err(interrupted(hub, "inferring"));
            }
            Ok(())
        };
        let stages = &mut self.stages;
        let stitcher = match self.job.phases {
            Phases::Own => {
                let mut stitcher = pool.run(|| Stitcher::new(centers, s.n.get(), m))?;
                stages.time("inference", || {
                    infer_each(network, inference, pool, |objects| {
                        look_at(&objects)?;
                        pool.run(|| stitcher.add(objects))
                    })
                })?;
                stitcher
            }
            Phases::Overlaps => {
                let mut middles = stages.time("inference", || {
                    infer(network, inference, m, pool, |objects| look_at(&objects))
                })?;
                let found = stages.time("agreeing", || {
                    pool.run(|| synchronize_phases(&mut middles, centers, m))
                })?;
                log.info(format!(
                    "phases of overlapping objects: {} rounds, the largest turn {} rad at first, {} rad at last",
                    found.rounds,
                    figure(found.first, 3),
                    figure(found.last, 3)
                ));
                stages.time("stitching", || {
                    pool.run(|| {
                        let mut stitcher = Stitcher::new(centers, m, m)?;
                        stitcher.add(middles.view()).map(|()| stitcher)
                    })
                })?
            }
        };
        if !self.census.is_finite() {
            let census = &self.census;
            log.warn(format!("inference: the objects are not finite: {census}; `ptyproof replay HUB` repeats the first operation that failed"));
        }
        Ok(stitcher)
    }

    fn stitch(&mut self, stitcher: Stitcher, sets: &Sets) -> Result<Stitched> {
        let (pool, n) = (self.pool, self.job.scenario.n.get());
        let stitched = self
            .stages
            .time("stitching", || pool.run(|| stitcher.finish()))?;
        let patches = [sets.inference.len(), n, n];
        let tally = std::mem::take(&mut self.tally);
        digests::results(&mut self.trail, tally, &patches, &stitched);
        self.hub.write_json(dir::STAGES, &self.trail)?;
        let bad = self.census.non_finite() as u64;
        self.counters
            .insert("stitch_dropped_pixels".into(), stitched.dropped as u64);
        self.counters
            .insert("objects_non_finite_pixels".into(), bad);
        Ok(stitched)
    }

    fn score(
        &mut self,
        specimen: &Specimen,
        stitched: &Stitched,
        sets: &Sets,
    ) -> Result<Option<Comparison>> {
        let factor = sets.inference.normalization.factor();
        let score = |truth: &Array2<Complex32>| compare(stitched, truth.view(), factor);
        let truth = specimen.object.as_ref();
        truth
            .map(|truth| self.stages.time("scoring", || score(truth)))
            .transpose()
    }

    fn write(
        mut self,
        Trained { progress, ending }: Trained,
        specimen: Specimen,
        sets: Sets,
        stitched: Stitched,
        comparison: Option<Comparison>,
    ) -> Result<Outcome> {
        let results = Results {
            summary: artifacts::summary(&progress),
            progress,
            stitched,
            comparison,
            truth: specimen.object,
            factors: [
                sets.training.normalization.factor(),
                sets.inference.normalization.factor(),
            ],
            centers: sets.inference.grouping.centers,
            padded: sets.padded,
            counters: self.counters,
            probe_factor: specimen.probe_factor,
            dose: sets.training.dose.factor(),
        };
        let (hub, s) = (self.hub, &self.job.scenario);
        self.stages
            .time("writing", || artifacts::reconstruction(hub, s, &results))?;
        Ok(Outcome {
            ending,
            results,
            stages: self.stages.seconds,
        })
    }
}

fn interrupted(hub: &Hub, action: &str) -> Error {
    Error::interrupted(action)
        .got("a request to stop")
        .help(format!(
            "resume with `resume` {} and the same `output_dir`",
            hub.path().display()
        ))
}
