//! The scale chain of a run or of a data file, computed from its settings: specimen, exposure, containers, canvas.
//!
//! Nothing is trained. What a hub keeps of its reconstruction, arrays or only their statistics, is put beside the truth
//! on the pixels that its groups cover.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::Array2;
use num_complex::Complex32;

use super::Job;
use super::prepare::{self, Specimen};
use crate::audit::scale_audit::{Factor, ScaleAudit};
use ptyproof::assemble::Stitched;
use ptyproof::error::{Error, Result};
use ptyproof::finite::PlaneCensus;
use ptyproof::hub::dir;
use ptyproof::hub::reconstruction::image;
use ptyproof::hub::stats::Stats;
use ptyproof::io::dataset::Dataset;
use ptyproof::io::domain::{CountAmplitude, Domain, Model, Normalized, Raw};
use ptyproof::io::npz::read_plane;
use ptyproof::json::{self, Real};
use ptyproof::optics::simulate::{expected_counts, patch, single};
use ptyproof::par::Pool;
use ptyproof::records::stage::{StageAccumulator, Stages};
use ptyproof::score::truth::sample;
use ptyproof_pinn::data::training_set::TrainingSet;

/// Every stored value was rounded to float32 at most so many times, by half a unit each.
const ROUNDED: f64 = 4.0 * f32::EPSILON as f64;
/// Standard deviations that photon noise may be away.
const SIGMAS: f64 = 5.0;
/// More than that of the energy is no noise: what is stored may not be photons.
const FEW_PHOTONS: f64 = 0.01;

/// The domain of an object in its own unit, times the probe.
const EXIT_WAVE: &str = "exit wave";

/// The chain of a job's data; with `hub`, its reconstruction too.
///
/// # Errors
/// If the data do not fit, or the hub's files cannot be read.
pub fn chain(job: &Job, hub: Option<&Path>, of: &str, pool: &Pool) -> Result<ScaleAudit> {
    let s = &job.scenario;
    let specimen = prepare::specimen(job)?;
    let data = prepare::data(job, &specimen, pool, &mut BTreeMap::new())?;
    let mut rng = specimen.rng.clone();
    let grouped = pool.run(|| prepare::group(s, &data.positions, &mut rng))?;
    let (training, inference) = prepare::containers(s, &data, &grouped)?;
    let mut notes = Vec::new();
    let mut links = if job.data.is_some() {
        stored(&data, &specimen, pool, &mut notes)?
    } else {
        exposed(job, &data, &specimen, pool)?
    };
    links.extend(learned(&training, &inference));
    let same = hub.and_then(|hub| same_patterns(hub, &data));
    let (measured, non_finite) = match (hub, &specimen.object) {
        (Some(hub), Some(truth)) => {
            reconstructed(hub, &prepare::covered(s, &grouped, pool)?, truth)?
        }
        (Some(hub), None) => (None, amplitude(hub)?.map_or(0, |a| bad(&a))),
        (None, _) => (None, 0),
    };
    let compared = measured.is_some();
    if hub.is_some() && !compared {
        notes.push("the reconstruction is not compared: no truth, or no finite amplitude".into());
    }
    match (same, &job.data) {
        (Some(true), _) => notes.push("the patterns are those of the run, to the bit".into()),
        (Some(false), None) => notes.push(
            "the patterns are not those of the run to the bit: other mathematical functions drew them".into(),
        ),
        _ => {}
    }
    let mut found = ScaleAudit::of(of, links, measured, notes);
    found.non_finite = non_finite;
    if let Some(hub) = hub {
        let has = |f: &str| hub.join(f).is_file();
        if job.data.is_some() && same.is_none() {
            found.unchecked = Some("whether the patterns are those of the run is not known".into());
        } else if specimen.object.is_some() && !compared && (has(dir::AMPLITUDE) || has(dir::STATS))
        {
            found.unchecked = Some("the amplitude could not be compared with the truth's".into());
        }
    }
    if same == Some(false) && job.data.is_some() {
        found
            .break_with("the data file has changed since the run: these are other patterns".into());
    }
    Ok(found)
}

fn link(stage: &str, (symbol, power, value): (&str, i32, f64), domains: [&str; 2]) -> Factor {
    Factor {
        stage: stage.into(),
        symbol: symbol.into(),
        power,
        value: Real(value),
        from: domains[0].into(),
        to: domains[1].into(),
        energy: Real(f64::NAN),
        mean: Real(f64::NAN),
        deviation: None,
        allowed: None,
        law: String::new(),
    }
}

impl Factor {
    /// With the energy and the mean amplitude of `values`, a stack of so many patterns, each times `scale`.
    fn of<'a>(
        mut self,
        values: impl IntoIterator<Item = &'a f32>,
        patterns: usize,
        scale: f64,
    ) -> Self {
        let (mut squares, mut sum, mut count) = (0.0, 0.0, 0usize);
        for &v in values {
            let v = scale * f64::from(v);
            squares += v * v;
            sum += v;
            count += 1;
        }
        self.energy = Real(squares / patterns.max(1) as f64);
        self.mean = Real(sum / count.max(1) as f64);
        self
    }

    /// Held to the energy that it must have.
    fn held(mut self, law: impl Into<String>, energy: f64, allowed: f64) -> Self {
        self.deviation = Some(Real(self.energy.get() / energy - 1.0));
        self.allowed = Some(Real(allowed));
        self.law = law.into();
        self
    }
}

/// Mean over positions of the sum of `|P O|^2` of all modes of the probe, and the mean of its root.
fn exit_wave(object: &Array2<Complex32>, probe: &Array2<Complex32>, data: &Dataset) -> (f64, f64) {
    let n = probe.nrows();
    let (mut squares, mut sum) = (0.0, 0.0);
    let further = data.measurement.further_modes.iter();
    let modes: Vec<_> = std::iter::once(probe.view())
        .chain(further.flat_map(|m| m.outer_iter()))
        .collect();
    let mut seen = vec![Complex32::default(); n * n];
    for &p in &data.positions {
        patch(&object.view(), single(p), n, &mut seen);
        for (i, o) in seen.iter().enumerate() {
            let at = (i / n, i % n);
            let waves = modes.iter().map(|m| o * m[at]);
            let power: f64 = waves
                .map(|z| f64::from(z.re).powi(2) + f64::from(z.im).powi(2))
                .sum();
            squares += power;
            sum += power.sqrt();
        }
    }
    let count = data.len().max(1) as f64;
    (squares / count, sum / (count * (n * n) as f64))
}

fn probe_link(specimen: &Specimen, energy: f64, mean: f64) -> Factor {
    let mut illuminate = link("illumination", ("", 0, 1.0), ["object", EXIT_WAVE]);
    (illuminate.energy, illuminate.mean) = (Real(energy), Real(mean));
    illuminate.law = format!("probe normalized by {:.6}", specimen.probe_factor);
    illuminate
}

/// From the object to the stored amplitude of a simulation.
fn exposed(job: &Job, data: &Dataset, specimen: &Specimen, pool: &Pool) -> Result<Vec<Factor>> {
    let dose = job.scenario.nphotons;
    let Some(object) = &specimen.object else {
        return Err(Error::bug("balancing scales").got("a simulation without an object"));
    };
    let (energy, mean) = exit_wave(object, &specimen.probe, data);
    let (counts, scale, _) =
        expected_counts(&object.view(), &specimen.probe, &data.positions, dose, pool)?;
    let s = scale.factor();
    let photons = CountAmplitude::NAME;
    let mut scaled = link(
        "exposure",
        ("s_sim", 1, s),
        [EXIT_WAVE, "exit wave, photons"],
    );
    (scaled.energy, scaled.mean) = (Real(s * s * energy), Real(s * mean));
    let amplitude: Vec<f32> = counts.values().iter().map(|v| v.sqrt()).collect();
    let patterns = data.len();
    let raw = data.patterns.values();
    let total = dose * patterns as f64;
    Ok(vec![
        probe_link(specimen, energy, mean),
        scaled.held("mean photons per pattern as asked for", dose, ROUNDED),
        link("far field", ("", 0, 1.0), ["exit wave, photons", photons])
            .of(&amplitude, patterns, 1.0)
            .held(
                "Parseval: sum |F|^2 / N^2 = sum |P O|^2",
                s * s * energy,
                ROUNDED,
            ),
        link("detection", ("", 0, 1.0), [photons, photons])
            .of(raw, patterns, s)
            .held(
                "photon noise keeps the mean",
                dose,
                SIGMAS / total.sqrt() + ROUNDED,
            ),
        link("storage", ("s_sim", -1, s), [photons, Raw::NAME])
            .of(raw, patterns, 1.0)
            .held(
                "s_sim undone: again sum |P O|^2",
                energy,
                SIGMAS / total.sqrt() + ROUNDED,
            ),
    ])
}

/// What a file says of its own scale, if it holds object and probe.
fn stored(
    data: &Dataset,
    specimen: &Specimen,
    pool: &Pool,
    notes: &mut Vec<String>,
) -> Result<Vec<Factor>> {
    let raw = data.patterns.values();
    let storage = link("storage", ("", 0, 1.0), ["detector", Raw::NAME]).of(raw, data.len(), 1.0);
    let (Some(object), Some(probe)) = (&data.object, &data.probe) else {
        notes.push(
            "no object and probe in the file: the chain begins at the stored amplitude".into(),
        );
        return Ok(vec![storage]);
    };
    let (energy, mean) = exit_wave(object, probe, data);
    if !(energy.is_finite() && energy > 0.0) {
        notes.push(
            "object and probe of the file give no light: the chain begins at the stored amplitude"
                .into(),
        );
        return Ok(vec![storage]);
    }
    let (_, _, outside) = expected_counts(&object.view(), probe, &data.positions, energy, pool)?;
    if outside > 0 {
        notes.push(format!(
            "{outside} patch pixels lie outside the object and count as zero"
        ));
    }
    let mut illuminate = probe_link(specimen, energy, mean);
    illuminate.law = "probe and object as the file has them".into();
    // nothing was applied if that is all, but for the noise of as many photons
    let total = storage.energy.get() * data.len() as f64;
    let noise = (SIGMAS / total.sqrt()).min(FEW_PHOTONS) + ROUNDED;
    if (storage.energy.get() / energy - 1.0).abs() <= noise {
        let storage = storage.held("what probe and object give", energy, noise);
        return Ok(vec![illuminate, storage]);
    }
    // what the file's own probe and object do not account for stays in the object
    let ratio = (storage.energy.get() / energy).sqrt();
    let mut stored = link("storage", ("c", 1, ratio), [EXIT_WAVE, Raw::NAME]);
    (stored.energy, stored.mean) = (storage.energy, storage.mean);
    stored.law = "the stored amplitude over what probe and object give".into();
    Ok(vec![illuminate, stored])
}

/// From the stored amplitude to the network's object.
fn learned(training: &TrainingSet, inference: &TrainingSet) -> Vec<Factor> {
    let s = training.dose.factor();
    let mut links = Vec::new();
    for (c, symbol, power) in [(training, "k_train", 0), (inference, "k", 1)] {
        let (_, n, _, channels) = c.amplitude.values().dim();
        let half = (n as f64 / 2.0).powi(2);
        let k = c.normalization.factor();
        let patterns = c.len() * channels;
        let stage = format!("normalization, {}", c.name);
        links.push(
            link(&stage, (symbol, power, k), [Raw::NAME, Normalized::NAME])
                .of(c.amplitude.values(), patterns, 1.0 / s)
                .held("mean sum of squares (N/2)^2", half, ROUNDED),
        );
        if power == 0 {
            continue;
        }
        let model = || {
            link("", ("s", 1, s), [Normalized::NAME, Model::NAME]).of(
                c.amplitude.values(),
                patterns,
                1.0,
            )
        };
        links.push(
            Factor {
                stage: "dose".into(),
                ..model()
            }
            .held("mean photons per pattern, nominal", s * s * half, ROUNDED),
        );
        links.push(
            link(
                "network input",
                ("s", -1, s),
                [Model::NAME, Normalized::NAME],
            )
            .of(c.amplitude.values(), patterns, 1.0 / s)
            .held("s undone", half, ROUNDED),
        );
        let mut physics = Factor {
            stage: "prediction and label".into(),
            power: 0,
            ..model()
        };
        physics.law = "on both sides of the loss: no part of the object".into();
        links.push(physics);
        let mut object = link(
            "network, stitching",
            ("", 0, 1.0),
            [Normalized::NAME, "reconstruction"],
        );
        object.law =
            "the object that explains the normalized amplitude; stitching is a mean".into();
        links.push(object);
    }
    links
}

/// Whether the patterns are those of the run, where the hub has their digest.
pub(super) fn same_patterns(hub: &Path, data: &Dataset) -> Option<bool> {
    let text = std::fs::read_to_string(hub.join(dir::STAGES)).ok()?;
    let then: Stages = json::from_text(&text).ok()?;
    let then = then.stages.into_iter().find(|s| s.stage == "diffraction")?;
    let mut tally = StageAccumulator::default();
    tally.extend(data.patterns.values().iter().copied());
    let now = tally.finish::<f32>("diffraction", "amplitude", data.patterns.values().shape());
    Some(now.sha256 == then.sha256)
}

/// A mean amplitude over the truth's, of how many pixels, and where it was read.
type Ratio = (f64, usize, String);

/// The ratio on covered pixels, where it is a number, and how many pixels of the reconstruction are not finite.
fn reconstructed(
    hub: &Path,
    canvas: &Stitched,
    truth: &Array2<Complex32>,
) -> Result<(Option<Ratio>, usize)> {
    let truth_sum: f64 = seen(canvas)
        .map(|(r, c)| sample(truth.view(), canvas.object_position(r, c)).norm())
        .sum();
    let pixels = seen(canvas).count();
    let (sum, source, non_finite) = if let Some(amplitude) = amplitude(hub)? {
        if amplitude.dim() != canvas.canvas.dim() {
            return Err(Error::input("balancing scales")
                .at(hub.join(dir::AMPLITUDE).display())
                .got(format!("{:?}", amplitude.dim()))
                .need(format!(
                    "{:?}, the canvas of the run's groups",
                    canvas.canvas.dim()
                )));
        }
        let sum = seen(canvas).map(|p| amplitude[p]).sum::<f64>();
        (sum, dir::AMPLITUDE, bad(&amplitude))
    } else if hub.join(dir::STATS).exists() {
        let path = hub.join(dir::STATS);
        let io = |e| {
            Error::input("balancing scales")
                .at(path.display())
                .because(e)
        };
        let text = std::fs::read_to_string(&path).map_err(io)?;
        let bad = |e| {
            Error::input("balancing scales")
                .at(path.display())
                .because(e)
        };
        let stats: Stats = json::from_text(&text).map_err(bad)?;
        // uncovered pixels are zero, so the mean over the canvas has the sum over what is covered
        let mean = stats.amplitude.mean.get();
        let sum = mean * canvas.canvas.len() as f64;
        // an infinity is no NaN, but shows in the mean
        let infinite = usize::from(!mean.is_finite());
        let bad = stats.amplitude.nan_count.max(infinite);
        (sum, dir::STATS, bad)
    } else {
        return Ok((None, 0));
    };
    let ratio = sum / truth_sum;
    let known = ratio.is_finite() && ratio > 0.0;
    let measured = known.then(|| (ratio, pixels, source.to_owned()));
    Ok((measured, non_finite))
}

/// The amplitude of a hub, if it has one as an array; NaN too where its phase is not finite.
fn amplitude(hub: &Path) -> Result<Option<Array2<f64>>> {
    let [path, phase] = [dir::AMPLITUDE, dir::PHASE].map(|f| hub.join(f));
    if !path.exists() {
        return Ok(None);
    }
    if phase.exists() {
        return Ok(Some(image(hub)?.mapv(|z| z.norm())));
    }
    read_plane(path).map(Some)
}

/// Its pixels that are not finite.
fn bad(amplitude: &Array2<f64>) -> usize {
    PlaneCensus::of_real(&amplitude.view()).non_finite()
}

fn seen(canvas: &Stitched) -> impl Iterator<Item = (usize, usize)> {
    let covered = canvas.coverage.indexed_iter();
    covered
        .filter(|(_, w)| **w >= ptyproof::assemble::stitch::MIN_COVERAGE_WEIGHT)
        .map(|(p, _)| p)
}
