//! Figures of a network and of an engine side by side.

use serde::Serialize;

use super::detector::DetectorFit;
use super::fidelity::Fidelity;
use super::known::MIN_PIXELS;
use crate::judgment::Judgment;

/// The version of the form.
pub const SCHEMA: &str = "ptyproof.compare/1";

/// Whence the network has its probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeOf {
    /// The data or the scenario.
    Given,
    /// A separate file, which the engine did not use.
    Custom,
    /// The requested `probe_mode`; the engine started from the probe of the data.
    Scenario,
    /// The engine, which refined it on all patterns.
    Engine,
    /// A second run of the engine with a single mode.
    EngineOfOneMode,
}

/// Numbers of patterns that the network has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PatternsSeen {
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
    pub detector: Option<DetectorFit>,
}

/// Both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NetworkVsEngine {
    /// [`SCHEMA`].
    pub schema: String,
    /// Of what data.
    pub of: String,
    /// Number of patterns.
    pub patterns: usize,
    /// Whence the network has its probe.
    pub network_probe: ProbeOf,
    /// Patterns that the network has seen.
    pub network_seen: PatternsSeen,
    /// The network.
    pub network: Side,
    /// The engine.
    pub engine: Side,
    /// The network compared with the engine as ground truth.
    pub between: Fidelity,
    /// Assumptions.
    pub notes: Vec<String>,
}

/// The outcome of one check of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The compared sides.
    pub of: &'static str,
    /// The outcome.
    pub judgment: Judgment,
    /// The number of values, and what is required.
    pub message: String,
}

impl Check {
    fn fidelity(of: &'static str, f: &Fidelity) -> Self {
        Self {
            of,
            judgment: f.judgment(),
            message: format!(
                "{} of {} pixels are known in both; required: a share of {} (`known_at_least`) and {MIN_PIXELS} pixels",
                f.pixels,
                f.region_pixels,
                f.known_at_least.get()
            ),
        }
    }

    fn detector(of: &'static str, d: Option<&DetectorFit>) -> Self {
        let Some(d) = d else {
            let message = "no pattern was compared because there is no probe".into();
            return Self {
                of,
                judgment: Judgment::Undecided,
                message,
            };
        };
        Self {
            of,
            judgment: d.judgment(),
            message: format!(
                "{} of {} non-zero patterns are on known pixels; required: a share of {} in the center (`known_at_least`), half of all, and a residual of at most 1",
                d.patterns,
                d.patterns + d.left_out,
                d.known_at_least.get()
            ),
        }
    }
}

impl NetworkVsEngine {
    /// All checks of the comparison: whether enough is known for every figure, and whether each residual is at most 1.
    pub fn checks(&self) -> Vec<Check> {
        let truth = [
            ("network against ground truth", &self.network),
            ("engine against ground truth", &self.engine),
        ];
        let mut checks: Vec<Check> = (truth.into_iter())
            .filter_map(|(of, s)| s.fidelity.as_ref().map(|f| Check::fidelity(of, f)))
            .collect();
        checks.push(Check::fidelity("network against engine", &self.between));
        let [network, engine] = [&self.network, &self.engine].map(|s| s.detector.as_ref());
        checks.push(Check::detector("network on the detector", network));
        checks.push(Check::detector("engine on the detector", engine));
        checks
    }

    /// The outcome of the comparison: the worst of its checks.
    pub fn judgment(&self) -> Judgment {
        Judgment::worst(self.checks().into_iter().map(|l| l.judgment))
    }
}
