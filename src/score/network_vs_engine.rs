//! Figures of a network and of an engine side by side.

use serde::Serialize;

use super::detector::OnDetector;
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

/// What one look of a comparison came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What was looked at, and by what.
    pub of: &'static str,
    /// How it ended.
    pub judgment: Judgment,
    /// Of how many values, and what was needed.
    pub says: String,
}

impl Look {
    fn fidelity(of: &'static str, f: &Fidelity) -> Self {
        Self {
            of,
            judgment: f.judgment(),
            says: format!(
                "{} of {} pixels are known in both; {} of them and {MIN_PIXELS} pixels are needed (--known-at-least)",
                f.pixels,
                f.region_pixels,
                f.known_at_least.get()
            ),
        }
    }

    fn detector(of: &'static str, d: Option<&OnDetector>) -> Self {
        let Some(d) = d else {
            let says = "no pattern was compared: there is no probe".into();
            return Self {
                of,
                judgment: Judgment::Undecided,
                says,
            };
        };
        Self {
            of,
            judgment: d.judgment(),
            says: format!(
                "{} of {} patterns with light lie in what is known; {} of those in the middle and half of all are needed (--known-at-least), and a residual of at most 1",
                d.patterns,
                d.patterns + d.left_out,
                d.known_at_least.get()
            ),
        }
    }
}

impl Versus {
    /// Every look of the comparison: whether enough is known for every figure, and whether each side explains anything.
    pub fn looks(&self) -> Vec<Look> {
        let truth = [
            ("network against the truth", &self.network),
            ("engine against the truth", &self.engine),
        ];
        let mut looks: Vec<Look> = (truth.into_iter())
            .filter_map(|(of, s)| s.fidelity.as_ref().map(|f| Look::fidelity(of, f)))
            .collect();
        looks.push(Look::fidelity("network against engine", &self.between));
        let [network, engine] = [&self.network, &self.engine].map(|s| s.detector.as_ref());
        looks.push(Look::detector("network on the detector", network));
        looks.push(Look::detector("engine on the detector", engine));
        looks
    }

    /// How the comparison ended: the gravest of its looks.
    pub fn judgment(&self) -> Judgment {
        Judgment::gravest(self.looks().into_iter().map(|l| l.judgment))
    }
}
