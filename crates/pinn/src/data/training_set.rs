//! A training set: the grouped patterns of one subset in the unit of the network, with their scale factors.
//!
//! *Law.* Each set is normalized separately: training half, test half and the inference subset have different factors, and
//! each factor records its origin.
//!
//! *Source.* Reference description, section e.

use crate::data::group::Grouping;
use crate::data::scale::{gather, nominal_dose, statistical};
use ptyproof::error::{Error, Result};
use ptyproof::geometry::PatchSize;
use ptyproof::io::domain::{Groups, Model, Normalized, Patterns, Raw, Scale};

/// Grouped patterns, ready for the network.
#[derive(Debug, Clone)]
pub struct TrainingSet {
    /// Its name in messages: `train`, `test`, `inference`.
    pub name: String,
    /// The patterns of each group, and their positions.
    pub grouping: Grouping,
    /// Network input and label, `[group, row, col, channel]`, sqrt(photons) at the nominal dose.
    pub amplitude: Groups<Model>,
    /// From stored to normalized amplitude, computed from this set.
    pub normalization: Scale<Raw, Normalized>,
    /// From normalized to model amplitude.
    pub dose: Scale<Normalized, Model>,
}

impl TrainingSet {
    /// Gathers, normalizes and scales the `patterns` (of one subset) of a grouping.
    ///
    /// # Errors
    /// If the patterns cannot be normalized, or a label's intensity would not fit float32.
    pub fn new(
        name: &str,
        patterns: &Patterns<Raw>,
        grouping: Grouping,
        nphotons: f64,
    ) -> Result<Self> {
        let raw = gather(patterns, &grouping);
        let n = PatchSize::new(raw.values().dim().1)?;
        let normalization = statistical(&raw, name)?;
        let dose = nominal_dose(nphotons, n)?;
        let amplitude = dose.apply_groups(normalization.apply_groups(raw));
        if let Some(v) = amplitude.values().iter().find(|v| !(*v * *v).is_finite()) {
            return Err(Error::input("scaling patterns to the nominal dose")
                .at(name)
                .got(format!("an amplitude of {v}"))
                .need("an intensity within the range of float32")
                .help("lower `nphotons`"));
        }
        Ok(Self {
            name: name.to_owned(),
            grouping,
            amplitude,
            normalization,
            dose,
        })
    }

    /// The number of groups.
    pub fn len(&self) -> usize {
        self.grouping.len()
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.grouping.is_empty()
    }
}
