//! Figures of a network and of an engine side by side.

use serde::Serialize;

use super::detector::OnDetector;
use super::fidelity::Fidelity;
use super::scores::MIN_PIXELS;
use crate::ground::json::Real;
use crate::ground::judgment::Judgment;

/// The version of the form.
pub const SCHEMA: &str = "ptyproof.compare/1";

/// Whence the network has its probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeOf {
    /// The data or the scenario.
    Given,
    /// A file of its own, which the engine did not have.
    Custom,
    /// The `--probe-mode` that was typed; the engine began with that of the data.
    Scenario,
    /// The engine, which refined it on all patterns.
    Engine,
    /// A second run of the engine with a single mode.
    EngineOfOneMode,
}

/// What the network has seen of the patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Patterns that it was trained on.
    pub trained: usize,
    /// Patterns that it inferred.
    pub inferred: usize,
    /// Patterns that it inferred and was trained on.
    pub both: usize,
}

/// One of the two.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// Against the truth, where there is one.
    pub fidelity: Option<Fidelity>,
    /// On the detector, with its own probe.
    pub detector: Option<OnDetector>,
}

/// Both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Versus {
    /// [`SCHEMA`].
    pub schema: String,
    /// Of what data.
    pub of: String,
    /// How many patterns they have.
    pub patterns: usize,
    /// Whence the network has its probe.
    pub network_probe: ProbeOf,
    /// What the network has seen of them.
    pub network_seen: Seen,
    /// The network.
    pub network: Side,
    /// The engine.
    pub engine: Side,
    /// The network against the engine, as if that were the truth.
    pub between: Fidelity,
    /// What was assumed.
    pub notes: Vec<String>,
}

impl Versus {
    /// How the comparison ended: whether enough is known for every figure, and the engine explains anything.
    pub fn judgment(&self) -> Judgment {
        let figure = |f: &Fidelity| {
            let enough = f.is_known() && f.pixels >= MIN_PIXELS;
            (f.nrmse, enough, f64::INFINITY)
        };
        let of = |s: &Side| {
            let unknown = (Real(f64::NAN), false, 1.0);
            let detector =
                (s.detector.as_ref()).map_or(unknown, |d| (d.residual, d.is_known(), 1.0));
            [s.fidelity.as_ref().map(figure), Some(detector)]
        };
        let between = figure(&self.between);
        let figures = [&self.network, &self.engine].map(of).into_iter().flatten();
        Judgment::gravest(figures.flatten().chain([between]).map(
            |(v, known, most)| match v.get() {
                _ if !known => Judgment::Undecided,
                v if !v.is_finite() => Judgment::NonFinite,
                v => Judgment::holds(v <= most, 1),
            },
        ))
    }
}
