//! Scores of a reconstruction: against a truth, or another reconstruction, and on the detector.
//!
//! *Where things lie.* Figures are taken on the truth's pixels. A hub of an engine says where its canvas lies; of a network's the
//! groups do, drawn again from its settings; an array that says nothing lies on the truth's first pixel if it has its shape, and
//! about its middle otherwise: the notes say which.

mod load;
pub mod network_vs_engine;
mod place;

use std::collections::BTreeMap;
use std::path::PathBuf;

use ndarray::{Array2, s};
use num_complex::{Complex32, Complex64};

pub use load::Reconstruction;
use place::{ACTION, UNKNOWN, extent, non_finite, onto, positions};

use super::Job;
use super::prepare::{self, Grouped};
use super::scale_audit::same_patterns;
use ptyproof::assemble::stitch::MIN_COVERAGE_WEIGHT;
use ptyproof::error::{Error, Result};
use ptyproof::geometry::Position;
use ptyproof::io::dataset::Dataset;
use ptyproof::json::Real;
use ptyproof::par::Pool;
use ptyproof::score::detector::{DetectorFit, on_detector};
use ptyproof::score::evaluation::{Evaluation, crop, evaluate};
use ptyproof::score::fidelity::{Alignment, Region, Scored, fidelity};
use ptyproof::score::scores::{self, NonFinite, Scores};
use ptyproof::solve::{Estimate, Problem};

/// The reference's reassembly side where no run says another.
const REASSEMBLY: usize = 20;

/// What is asked.
#[derive(Debug)]
pub struct ScoreRequest {
    /// What it is called.
    pub of: String,
    /// The reconstruction.
    pub reconstruction: Reconstruction,
    /// What it should be, and what that is called.
    pub truth: Option<(String, Reconstruction)>,
    /// Patterns, and what they are called.
    pub data: Option<(String, Dataset)>,
    /// The hub of a network, and what its run was told.
    pub run: Option<(PathBuf, Job)>,
    /// What is taken off before the comparison.
    pub alignment: Alignment,
    /// Where, in pixels of the truth; absent: the middle of the scan, or all that should be known.
    pub region: Option<Region>,
    /// The share of it, and of the patterns, that must be known: below it every figure is NaN.
    pub known_at_least: f64,
    /// Whether the reference's own evaluation is asked for too.
    pub reference: bool,
}

/// Scores, and the images they are of where there is a truth.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The figures.
    pub scores: Scores,
    /// Reconstruction and truth after the alignment, the region alone.
    pub images: Option<[Array2<Complex64>; 2]>,
}

/// What a network's run adds to its hub: place, probe, positions, and its own truth and patterns.
struct RunContext {
    place: [f64; 2],
    covered: Array2<bool>,
    probe: Array2<Complex32>,
    grouped: Grouped,
    truth: Option<Array2<Complex32>>,
    data: Dataset,
    reassembly: usize,
}

impl RunContext {
    /// Gives the image of a network's hub its place, its probe, and says where nothing is known.
    fn place_on(&self, of: &str, found: &mut Reconstruction) -> Result<()> {
        if self.covered.dim() != found.image.dim() {
            return Err(Error::input(ACTION)
                .at(of)
                .got(format!("{:?}", found.image.dim()))
                .need(format!(
                    "{:?}, the canvas of the run's groups",
                    self.covered.dim()
                )));
        }
        found.place = Some(self.place);
        if found.probe.is_none() {
            found.probe = Some(self.probe.clone().insert_axis(ndarray::Axis(0)));
        }
        found.covered = Some(self.covered.clone());
        for (z, seen) in found.image.iter_mut().zip(&self.covered) {
            if !seen {
                *z = UNKNOWN;
            }
        }
        Ok(())
    }
}

/// Scores what is asked.
///
/// # Errors
/// If there is neither a truth nor patterns, or a region is not on the truth.
pub fn score(mut asked: ScoreRequest, pool: &Pool) -> Result<Outcome> {
    let own = match asked.run.take() {
        Some((hub, job)) => {
            let own = own(&job, pool)?;
            let same = same_patterns(&hub, &own.data);
            if job.data.is_some() && same.is_none() {
                return Err(Error::undecided(ACTION)
                    .at(hub.display())
                    .got("no digest of the patterns that the run was given")
                    .need("one, to tell whether the data file is still the same")
                    .help("the hub's stage_digests.json is missing, or of an earlier version: give `truth` or `data`"));
            }
            if same == Some(false) && job.data.is_some() {
                return Err(Error::input(ACTION)
                    .at(hub.display())
                    .got("a data file that has changed since the run: these are other patterns")
                    .need("the one that the run was given")
                    .help("`ptyproof scale-audit` says more; the hub's metadata name the file"));
            }
            Some(own)
        }
        None => None,
    };
    let mut notes = std::mem::take(&mut asked.reconstruction.notes);
    let mut found = asked.reconstruction;
    let mut reassembly = REASSEMBLY;
    let mut centers = None;
    if let Some(own) = own {
        own.place_on(&asked.of, &mut found)?;
        reassembly = own.reassembly;
        centers = Some(own.grouped.inference.centers);
        if let (None, Some(truth)) = (&asked.truth, &own.truth) {
            let name = "the object of the run's own settings".to_owned();
            asked.truth = Some((name, Reconstruction::of(truth)));
        }
        if asked.data.is_none() {
            asked.data = Some(("the patterns of the run's own settings".into(), own.data));
        }
    }
    if asked.truth.is_none() {
        let object = asked.data.as_ref().and_then(|(_, d)| d.object.as_ref());
        asked.truth = object.map(|o| ("the object of the data".into(), Reconstruction::of(o)));
    }
    if asked.truth.is_none() && asked.data.is_none() {
        return Err(Error::usage(ACTION)
            .at(&asked.of)
            .got("neither a truth nor patterns")
            .need("`truth`, `data`, or both")
            .help(
                "the hub of a network knows its own; that of an engine, or an object, does not",
            ));
    }
    let detector = match &asked.data {
        Some((_, data)) => measured(&found, data, asked.known_at_least, pool, &mut notes)?,
        None => None,
    };
    let mut scores = Scores {
        schema: scores::SCHEMA.into(),
        of: asked.of,
        truth: None,
        data: asked.data.as_ref().map(|(name, _)| name.clone()),
        non_finite: NonFinite {
            reconstruction: found.non_finite,
            truth: None,
            probe: found.bad_probe(),
            in_region: true,
        },
        region: None,
        pixel_m: found.pixel_m.map(Real),
        fidelity: None,
        detector,
        reference: None,
        notes: Vec::new(),
    };
    let mut images = None;
    if let Some((name, truth)) = asked.truth {
        let on = onto(&found, &truth, &mut notes);
        let scan = positions(
            centers.as_ref(),
            &found,
            asked.data.as_ref().map(|(_, d)| d),
            &truth,
        );
        let least = asked.known_at_least;
        let (extent, words) = extent(asked.region, scan.as_ref(), &found, &truth, least)?;
        scores.region = Some(words);
        scores.truth = Some(name);
        scores.non_finite.truth = Some(truth.non_finite);
        if let (Some(r), None) = (asked.region, &scores.detector) {
            // what lies outside a region that was typed was not asked for
            let inside = s![r[0]..r[1], r[2]..r[3]];
            let any = |a: &Array2<bool>| a.slice(inside).iter().any(|bad| *bad);
            scores.non_finite.in_region = any(&non_finite(&found, &truth))
                || any(&truth.events())
                || scores.non_finite.probe > 0;
        }
        let Scored {
            fidelity,
            prediction,
            truth: there,
        } = fidelity(&on, &truth.image, &extent, asked.alignment)
            .ok_or_else(|| Error::bug(ACTION).got("a region that is not on the truth"))?;
        scores.fidelity = Some(fidelity);
        images = Some([prediction, there]);
        if asked.reference {
            let at: Vec<Position> = scan.map(|s| s.0).unwrap_or_default();
            scores.reference = as_the_reference(&found, &truth, &at, reassembly);
            if scores.reference.is_none() {
                notes.push(
                    "the reference's evaluation was not taken: something is not finite, a mean is zero, or the crop is smaller than its \
                     window"
                        .into(),
                );
            }
            if at.is_empty() {
                notes.push("no positions: the reference's crop to the scan was not made".into());
            }
        }
    }
    scores.notes = notes;
    Ok(Outcome { scores, images })
}

fn own(job: &Job, pool: &Pool) -> Result<RunContext> {
    let s = &job.scenario;
    let specimen = prepare::specimen(job)?;
    let data = prepare::data(job, &specimen, pool, &mut BTreeMap::new())?;
    let mut rng = specimen.rng.clone();
    let grouped = pool.run(|| prepare::group(s, &data.positions, &mut rng))?;
    let canvas = prepare::covered(s, &grouped, pool)?;
    let at = canvas.object_position(0, 0);
    Ok(RunContext {
        place: [at.y, at.x],
        covered: canvas.coverage.mapv(|w| w >= MIN_COVERAGE_WEIGHT),
        probe: specimen.probe,
        grouped,
        truth: specimen.object,
        data,
        reassembly: s.reassemble_m,
    })
}

/// The reference has no unknown pixels: what was not covered is zero. What is not finite stays so.
fn as_the_reference(
    found: &Reconstruction,
    truth: &Reconstruction,
    positions: &[Position],
    m: usize,
) -> Option<Evaluation> {
    let zero = |r: &Reconstruction| match &r.covered {
        None => r.image.clone(),
        Some(covered) => ndarray::Zip::from(&r.image)
            .and(covered)
            .map_collect(|z, covered| if *covered { *z } else { Complex64::ZERO }),
    };
    let (own, base) = (zero(found), zero(truth));
    let [p, t] = crop(own.view(), base.view(), positions, m);
    let ones = |r: &Reconstruction, a: &Array2<Complex64>| match &r.covered {
        None => Array2::from_elem(a.dim(), Complex64::ONE),
        Some(covered) => covered.mapv(|c| Complex64::from(f64::from(u8::from(c)))),
    };
    let masks = [ones(found, &own), ones(truth, &base)];
    let [a, b] = crop(masks[0].view(), masks[1].view(), positions, m);
    let both = a.iter().zip(b).filter(|(a, b)| (*a * *b).re > 0.0);
    let known = both.count() as f64 / a.len().max(1) as f64;
    evaluate(p, t).map(|e| Evaluation {
        known: Real(known),
        ..e
    })
}

/// On the detector, with the reconstruction's probe or the data's.
fn measured(
    found: &Reconstruction,
    data: &Dataset,
    known_at_least: f64,
    pool: &Pool,
    notes: &mut Vec<String>,
) -> Result<Option<DetectorFit>> {
    let problem = Problem::new(data)?;
    let n = problem.n;
    let probe = match (&found.probe, &data.probe) {
        (Some(p), _) if p.dim().1 == n && p.dim().2 == n => p.iter().copied().collect::<Vec<_>>(),
        (Some(p), _) => {
            let (_, rows, cols) = p.dim();
            return Err(Error::input(ACTION)
                .at("the probe of the reconstruction")
                .got(format!("modes of {rows} x {cols} pixels"))
                .need(format!("{n} x {n}, as the patterns are"))
                .help("these may not be the patterns that it was reconstructed from"));
        }
        (None, Some(p)) => {
            notes.push(
                "on the detector with the probe of the data: none comes with the reconstruction"
                    .into(),
            );
            let further = data.measurement.further_modes.iter().flatten();
            p.iter().chain(further).copied().collect()
        }
        _ => {
            notes.push("not compared on the detector: no probe of the patterns' size".into());
            return Ok(None);
        }
    };
    let frame = problem.frame;
    let canvas = Reconstruction {
        place: Some([frame.top as f64, frame.left as f64]),
        image: Array2::zeros((frame.rows, frame.cols)),
        ..Reconstruction::of(&Array2::zeros((0, 0)))
    };
    let image = onto(found, &canvas, notes);
    let known = image.mapv(Complex64::is_finite);
    let count = known.iter().filter(|k| **k).count();
    let mean = image.iter().filter(|z| z.is_finite()).sum::<Complex64>() / count.max(1) as f64;
    #[expect(clippy::cast_possible_truncation, reason = "objects are complex64")]
    let object = image.mapv(|z| {
        let z = if z.is_finite() { z } else { mean };
        Complex32::new(z.re as f32, z.im as f32)
    });
    // those of a file with an object may be of another scan; those that an engine moved are of these patterns; of a hub that moved
    // none the data's are as good, and may be those of other patterns of the same object
    let is_hub = found.covered.is_some();
    let same = |all: &&Vec<Position>| all.len() == problem.len() && (found.refined || !is_hub);
    if found.refined
        && let Some(all) = found.positions.as_ref().filter(|all| !same(all))
    {
        return Err(Error::input(ACTION)
            .at("the positions of the reconstruction")
            .got(all.len())
            .need(format!("{}, one for each pattern", problem.len()))
            .help("these may not be the patterns that it was reconstructed from"));
    }
    let positions = match found.positions.as_ref().filter(same) {
        Some(all) => {
            let moved =
                |p: &Position| Position::new(p.x - frame.left as f64, p.y - frame.top as f64);
            all.iter().map(moved).collect()
        }
        None => problem.positions.clone(),
    };
    let estimate = Estimate {
        object,
        probes: probe,
        positions,
    };
    let found = on_detector(&problem, &estimate, &known, known_at_least, pool);
    if found.is_none() {
        notes.push("not compared on the detector: no pattern has light".into());
    }
    Ok(found)
}
