//! Figures of a network and of an engine side by side.

use serde::Serialize;

use super::detector::OnDetector;
use super::fidelity::Fidelity;

/// The version of the form.
pub const SCHEMA: &str = "ptyproof.compare/1";

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
    /// The network.
    pub network: Side,
    /// The engine.
    pub engine: Side,
    /// The network against the engine, as if that were the truth.
    pub between: Fidelity,
    /// What was assumed.
    pub notes: Vec<String>,
}
