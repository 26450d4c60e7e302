//! Options of readers and writers.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::io::unit::Unit;

/// Values that override those of a file. Its record has the names of the command line's options.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadOptions {
    /// The unit of the pattern values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// The side of an object pixel, in meters.
    #[serde(rename = "pixel_size", skip_serializing_if = "Option::is_none")]
    pub pixel_m: Option<f64>,
    /// The energy of a photon, in electronvolt.
    #[serde(rename = "energy", skip_serializing_if = "Option::is_none")]
    pub photon_energy_ev: Option<f64>,
    /// From the object to the detector, in meters.
    #[serde(rename = "distance", skip_serializing_if = "Option::is_none")]
    pub distance_m: Option<f64>,
    /// Whether a CXI file's translation is the probe's motion and not the sample's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub probe_moves: bool,
}

impl ReadOptions {
    /// The record as JSON; `None` where nothing is given. It is part of what decides a result.
    pub fn record(&self) -> Option<String> {
        let text = serde_json::to_string(self).unwrap_or_default();
        (text != "{}").then_some(text)
    }

    /// Refuses lengths and energies that cannot be.
    ///
    /// # Errors
    /// If one is not finite or not above zero.
    pub fn check(&self) -> Result<()> {
        for (field, value) in [
            ("pixel_size", self.pixel_m),
            ("energy", self.photon_energy_ev),
            ("distance", self.distance_m),
        ] {
            if let Some(v) = value.filter(|v| !(v.is_finite() && *v > 0.0)) {
                return Err(Error::usage("reading a data file")
                    .field(field)
                    .got(v)
                    .need("a finite number above 0"));
            }
        }
        Ok(())
    }
}

/// Options of writing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Writing {
    /// Whether to leave arrays uncompressed, so that parts can be read.
    pub store: bool,
    /// Whether a CXI file's translation is to be the probe's motion and not the sample's.
    pub probe_moves: bool,
}
