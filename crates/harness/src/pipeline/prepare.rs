//! From a scenario to containers that the network can learn from: specimen, exposure, split, groups,
//! scales, canvas.
//!
//! *Randomness.* One NumPy stream runs through it in the reference's order: it is seeded for the object,
//! goes on into the training groups, the test groups, and the inference groups. The scan has a stream
//! of its own.

use std::collections::BTreeMap;

use ndarray::{Array2, Array3};
use num_complex::{Complex, Complex32};

use super::{Job, NumericsChoice};
use crate::scenario::{ObjectKind, ProbeMode, Scenario};
use ptyproof::assemble::{Jitter, Layout, Stitched, stitch};
use ptyproof::error::{Error, Result};
use ptyproof::geometry::Position;
use ptyproof::io::dataset::Dataset;
use ptyproof::optics::simulate::simulate;
use ptyproof::optics::{object, probe, scan};
use ptyproof::par::Pool;
use ptyproof::rng::NumpyLegacy;
use ptyproof_kernels::isa::Isa;
use ptyproof_pinn::data::group::Grouping;
use ptyproof_pinn::data::group_count::GroupCount;
use ptyproof_pinn::data::split::Split;
use ptyproof_pinn::data::training_set::TrainingSet;
use ptyproof_pinn::network::architecture::Architecture;
use ptyproof_pinn::network::model::Model;
use ptyproof_pinn::network::parameters::glorot_uniform;
use ptyproof_pinn::physics::forward::Physics;
use ptyproof_pinn::physics::object::Numerics;
use ptyproof_pinn::training::model_runner::ModelRunner;

/// Filters are twice the reference's base numbers in every published run.
const FILTER_SCALE: usize = 2;

/// What is illuminated, with what, and where; and the stream that goes on from there.
#[derive(Debug)]
pub struct Specimen {
    /// The object, `[row, col]`, if it is known.
    pub object: Option<Array2<Complex32>>,
    /// The normalized probe, `[row, col]`.
    pub probe: Array2<Complex32>,
    /// The model's mask of the probe, if it has one.
    pub mask: Option<Array2<f32>>,
    /// Divisor that normalized the probe.
    pub probe_factor: f64,
    /// The NumPy stream after the object was drawn.
    pub rng: NumpyLegacy,
}

/// Builds the specimen of a job.
///
/// # Errors
/// If a custom probe is asked for and none is given, or a given one does not fit.
pub fn specimen(job: &Job) -> Result<Specimen> {
    let s = &job.scenario;
    let mut rng = NumpyLegacy::new(s.object_seed);
    let measured = job.data.as_ref().map(|d| &d.dataset);
    let object = match (&job.object, measured) {
        (Some(own), _) => Some(own.clone()),
        (None, Some(data)) => data.object.clone(),
        (None, None) => Some(synthetic(s, &mut rng)),
    };
    let object = match object {
        Some(o) if job.object_phase => Some(object::with_phase(&o)),
        other => other,
    };
    let raw = raw_probe(job)?;
    let mask = s.probe_mask.then(|| probe::mask(s.n));
    let (probe, probe_factor) = probe::normalize_guess(&raw, mask.as_ref(), s.probe_scale)?;
    Ok(Specimen {
        object,
        probe,
        mask,
        probe_factor,
        rng,
    })
}

/// The probe as it was given or made, not yet normalized.
///
/// # Errors
/// If a custom probe is asked for and none is given, or a given one does not fit.
pub fn raw_probe(job: &Job) -> Result<Array2<Complex32>> {
    let s = &job.scenario;
    let measured = job.data.as_ref().map(|d| &d.dataset);
    let raw = match (s.probe_mode, &job.probe) {
        (_, Some(own)) => own.clone(),
        (ProbeMode::Idealized, None) => probe::idealized(s.n, probe::DEFAULT_PROBE_SCALE),
        (ProbeMode::Custom, None) => measured.and_then(|d| d.probe.clone()).ok_or_else(|| {
            Error::usage("choosing the probe")
                .at(&s.name)
                .got("a custom probe without a file")
                .need("`custom_probe`, a file with the key probeGuess")
                .help("or `probe_mode` idealized")
        })?,
    };
    if raw.dim() != (s.n.get(), s.n.get()) {
        return Err(Error::input("choosing the probe")
            .got(format!("{} x {} pixels", raw.nrows(), raw.ncols()))
            .need(format!("{} x {}, as the patterns", s.n.get(), s.n.get())));
    }
    Ok(raw)
}

fn synthetic(s: &Scenario, rng: &mut NumpyLegacy) -> Array2<Complex32> {
    let size = s.object_size.get();
    match s.object {
        ObjectKind::Lines => object::lines(size, rng).object,
        ObjectKind::Grf => object::grf(size, rng),
        ObjectKind::Points => object::points(size, rng),
        ObjectKind::Diagonals => object::diagonals(size, rng),
    }
}

/// The scan positions that a scenario simulates, in an object of these rows and columns.
///
/// # Errors
/// As [`scan::nongrid`].
pub fn positions(s: &Scenario, object: (usize, usize)) -> Result<Vec<Position>> {
    scan::nongrid(object, s.total_images, s.buffer, s.sim_seed)
}

/// The measured data, or the simulated ones.
///
/// # Errors
/// If the simulation's inputs do not fit.
pub fn data(
    job: &Job,
    specimen: &Specimen,
    pool: &Pool,
    counters: &mut BTreeMap<String, u64>,
) -> Result<Dataset> {
    if let Some(file) = &job.data {
        return Ok(file.dataset.clone());
    }
    let s = &job.scenario;
    let object = specimen
        .object
        .as_ref()
        .ok_or_else(|| Error::bug("simulating without an object"))?;
    let positions = positions(s, object.dim())?;
    let exposed = simulate(
        &object.view(),
        &specimen.probe,
        &positions,
        s.nphotons,
        job.seed,
        pool,
    )?;
    counters.insert(
        "simulated_patch_pixels_outside_object".into(),
        exposed.pixels_outside,
    );
    let count = positions.len();
    Dataset::new(
        &s.name,
        exposed.patterns,
        positions,
        vec![0; count],
        Some(specimen.probe.clone()),
        Some(object.clone()),
    )
}

/// Both halves and their groups.
#[derive(Debug)]
pub struct Grouped {
    /// Which positions train, and which are inferred.
    pub split: Split,
    /// Groups of those that train; members index those.
    pub train: Grouping,
    /// Groups of those that are inferred.
    pub test: Grouping,
    /// The groups of them that inference uses.
    pub inference: Grouping,
    /// How a group lies on its canvas.
    pub layout: Layout,
    /// The canvas's margin after both halves.
    pub jitter: Jitter,
}

/// Splits and groups, in the reference's order of draws.
///
/// # Errors
/// If there are too few positions, or an offset has no canvas.
pub fn group(s: &Scenario, positions: &[Position], rng: &mut NumpyLegacy) -> Result<Grouped> {
    let split = s.divide(positions)?;
    let of =
        |indices: &[usize]| -> Vec<Position> { indices.iter().map(|&i| positions[i]).collect() };
    let (train_positions, test_positions) = (of(&split.train), of(&split.test));
    let mut draw = |positions: &[Position], count: GroupCount| {
        Grouping::draw(positions, s.gridsize, count.used, s.neighbor_count, rng)
    };
    let train = draw(&train_positions, s.train_groups())?;
    let test = draw(&test_positions, s.test_groups())?;
    let inference = draw(&test_positions, s.inference_groups())?;
    let layout = s.layout();
    let jitter = Jitter::REFERENCE
        .grow(layout, train.reach())?
        .grow(layout, test.reach())?;
    Ok(Grouped {
        split,
        train,
        test,
        inference,
        layout,
        jitter,
    })
}

/// The containers of training and inference.
///
/// # Errors
/// As [`TrainingSet::new`].
pub fn containers(
    s: &Scenario,
    data: &Dataset,
    grouped: &Grouped,
) -> Result<(TrainingSet, TrainingSet)> {
    // one part after the other: neither outlives its container
    let container = |name, subset, part: &[usize], grouping: &Grouping| {
        let part = data.subset(part, subset)?;
        TrainingSet::new(name, &part.patterns, grouping.clone(), s.nphotons)
    };
    Ok((
        container("train", "train", &grouped.split.train, &grouped.train)?,
        container("inference", "test", &grouped.split.test, &grouped.inference)?,
    ))
}

/// The canvas of the groups of inference, of objects that are ones: where it is, and what they cover.
pub(super) fn covered(s: &Scenario, grouped: &Grouped, pool: &Pool) -> Result<Stitched> {
    let (centers, n) = (&grouped.inference.centers, s.n.get());
    let ones = Array3::from_elem((centers.len(), n, n), Complex32::ONE);
    pool.run(|| stitch(ones.view(), centers, s.reassemble_m))
}

/// The network of a scenario.
///
/// # Errors
/// If there is none for its size.
pub fn architecture(job: &Job) -> Result<Architecture> {
    let s = &job.scenario;
    let a = Architecture::reference(s.n, s.gridsize, FILTER_SCALE, s.probe_big)?;
    Ok(match job.numerics {
        NumericsChoice::Reference => a,
        NumericsChoice::Guarded => a.with_estimates(),
    })
}

/// The network with its first weights, its physics, and room for batches.
///
/// # Errors
/// As [`Physics::new`].
pub fn engine(
    job: &Job,
    architecture: Architecture,
    specimen: &Specimen,
    training: &TrainingSet,
) -> Result<ModelRunner<f32>> {
    let s = &job.scenario;
    let probe = probe::masked(&specimen.probe, specimen.mask.as_ref());
    let scale = training.dose.factor();
    let numerics = match job.numerics {
        NumericsChoice::Reference => Numerics::reference(),
        NumericsChoice::Guarded => {
            let energy: f64 = probe.iter().map(Complex::norm_sqr).sum();
            Numerics::guarded(s.n.get(), energy, scale)
        }
    };
    let physics = Physics::new(s.n, &probe, scale, numerics)?;
    let weights = glorot_uniform(&architecture, job.seed);
    let model = Model::new(
        architecture,
        weights,
        numerics.ceiling,
        numerics.arithmetic,
        Isa::best(),
    );
    let batch = s.batch_size.min(training.len());
    Ok(ModelRunner::new(model, physics, batch, true))
}

/// A scenario made ready to train.
#[derive(Debug)]
pub struct Ready {
    /// What is illuminated.
    pub specimen: Specimen,
    /// The patterns.
    pub data: Dataset,
    /// Groups to train on.
    pub training: TrainingSet,
    /// Groups to infer.
    pub inference: TrainingSet,
    /// The network with its first weights.
    pub engine: ModelRunner<f32>,
}

/// All of it: what a run does before it trains.
///
/// # Errors
/// As the single steps.
pub fn ready(job: &Job, pool: &Pool) -> Result<Ready> {
    let s = &job.scenario;
    let specimen = specimen(job)?;
    let data = data(job, &specimen, pool, &mut BTreeMap::new())?;
    let mut rng = specimen.rng.clone();
    let grouped = pool.run(|| group(s, &data.positions, &mut rng))?;
    let (training, inference) = containers(s, &data, &grouped)?;
    let engine = engine(job, architecture(job)?, &specimen, &training)?;
    Ok(Ready {
        specimen,
        data,
        training,
        inference,
        engine,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Overrides, Snapshot};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn drawn_group_count_matches_the_scenario(
            name in "gs[12]_ideal", base in 8usize..24, count in 1usize..24, limit in 0usize..24,
        ) {
            let flags = Overrides {
                base_total_images: Some(base),
                group_count: Some(count),
                group_limit: Some(limit),
                ..Overrides::default()
            };
            let Ok(s) = Scenario::resolve(&Snapshot::builtin()?, &name, &flags) else {
                // more groups than a half has positions are refused
                let c = if name.starts_with("gs2") { 4 } else { 1 };
                prop_assert!(count > base * c / 2);
                return Ok(());
            };
            let scan = positions(&s, (392, 392))?;
            let drawn = group(&s, &scan, &mut NumpyLegacy::new(42))?;
            let inferred = if limit == 0 { count } else { count.min(limit) };
            prop_assert_eq!([drawn.train.len(), drawn.test.len(), drawn.inference.len()], [count, count, inferred]);
        }
    }
}
