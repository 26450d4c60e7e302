//! The first number of a reconstruction that is not finite: in which iteration, at which pattern, in which field.
//!
//! *Law.* Fields are looked at in the order in which a pattern makes them: probe and object as the pattern found them, its
//! far field, then what it made of the object and of the probe. The first that is not finite is named.

use serde::{Deserialize, Serialize};

use super::buffers::Buffers;
use super::canvas::cut;
use super::estimate::{Estimate, non_finite};

use super::fourier_constraint::Detector;
use super::problem::Problem;
use crate::json::Real;

/// The version of the schema of [`Event`].
pub const SCHEMA: &str = "ptyproof.reconstruct_event/1";

/// A field of an iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Far field or its intensity, of a probe and an object that are finite.
    FarField,
    /// The object, by an update of the pattern named.
    Object,
    /// The probe, by an update of the pattern named.
    Probe,
}

impl Stage {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::FarField => "the far field",
            Self::Object => "the object",
            Self::Probe => "the probe",
        }
    }
}

/// Values that are not finite when it happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Detector pixels whose intensity is not.
    pub far_field: u64,
    /// Pixels of the object.
    pub object: u64,
    /// Values of the probe, all modes.
    pub probe: u64,
}

/// `nonfinite_event.json` of a reconstruction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// [`SCHEMA`].
    pub schema: String,
    /// Iteration, from 0.
    pub iteration: u64,
    /// The field.
    pub stage: Stage,
    /// The pattern, where one is to blame: of a batch the first that reaches the bad pixel.
    pub pattern: Option<u64>,
    /// Its position `[x, y]`, pixels of the object.
    pub position: Option<[Real; 2]>,
    /// What is not finite.
    pub counts: Counts,
}

impl Event {
    /// The event in one line.
    pub fn headline(&self) -> String {
        let c = &self.counts;
        let at = match (self.pattern, self.position) {
            (Some(k), Some([x, y])) => format!(", pattern {k} at x {x}, y {y}"),
            _ => String::new(),
        };
        format!(
            "iteration {}{at}: {} is not finite ({} detector pixels, {} of the object, {} values of the probe)",
            self.iteration,
            self.stage.words(),
            c.far_field,
            c.object,
            c.probe
        )
    }
}

/// The event of a stage at a pattern, as the estimate stands.
pub(super) fn event(
    problem: &Problem,
    estimate: &Estimate,
    iteration: usize,
    stage: Stage,
    pattern: Option<usize>,
    far_field: u64,
) -> Event {
    let origin = [problem.frame.left as f64, problem.frame.top as f64];
    let place = |k: usize| {
        let p = estimate.positions[k];
        [Real(p.x + origin[0]), Real(p.y + origin[1])]
    };
    Event {
        schema: SCHEMA.into(),
        iteration: iteration as u64,
        stage,
        pattern: pattern.map(|k| k as u64),
        position: pattern.map(place),
        counts: Counts {
            far_field,
            object: non_finite(estimate.object.as_slice().unwrap_or(&[])),
            probe: non_finite(&estimate.probes),
        },
    }
}

/// The event of a pattern whose misfit is not finite.
pub(super) fn of_pattern(
    problem: &Problem,
    detector: &Detector,
    estimate: &Estimate,
    iteration: usize,
    k: usize,
) -> Event {
    let (n, area) = (problem.n, problem.area());
    let mut b = Buffers::new(area);
    let mut far = 0;
    if let Some(at) = estimate.placement(k, n) {
        cut(&estimate.object, at, n, &mut b.patch);
        for probe in estimate.probes.chunks_exact(area) {
            b.waves
                .extend(probe.iter().zip(&b.patch).map(|(p, o)| p * o));
        }
        far = detector.not_finite(&mut b.waves, problem.pattern(k), &mut b.scratch);
    }
    let stage = if non_finite(&estimate.probes) > 0 {
        Stage::Probe
    } else if non_finite(&b.patch) > 0 {
        Stage::Object
    } else {
        Stage::FarField
    };
    event(problem, estimate, iteration, stage, Some(k), far)
}

/// The event of an update of many patterns at once, if it left anything that is not finite.
pub(super) fn of_update(
    problem: &Problem,
    estimate: &Estimate,
    iteration: usize,
    members: impl IntoIterator<Item = usize>,
) -> Option<Event> {
    let (n, dim) = (problem.n as f64, estimate.object.dim());
    let first = estimate
        .object
        .iter()
        .position(|z| !z.is_finite())
        .map(|at| ((at / dim.1) as f64, (at % dim.1) as f64));
    if let Some((row, col)) = first {
        let reaches = |k: &usize| {
            let p = estimate.positions[*k];
            (row - p.y).abs() <= n / 2.0 && (col - p.x).abs() <= n / 2.0
        };
        let pattern = members.into_iter().find(reaches);
        return Some(event(
            problem,
            estimate,
            iteration,
            Stage::Object,
            pattern,
            0,
        ));
    }
    (non_finite(&estimate.probes) > 0)
        .then(|| event(problem, estimate, iteration, Stage::Probe, None, 0))
}
