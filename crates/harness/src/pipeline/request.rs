//! What is asked of a run, as its hub records it: a run can be repeated from its record alone.
//!
//! *Law.* What was written is read back equal. The command line is not in it: a flag can be renamed, and a library can make a
//! request without one. Version 1, the command line field by field, is still read ([`Request::of_hub`]).
//!
//! ```
//! use ptyproof_harness::pipeline::Request;
//! let mut request = Request::of_scenario("gs2_ideal");
//! request.overrides.nepochs = Some(2);
//! let job = request.read()?;
//! assert_eq!((job.scenario.nepochs, job.scenario.total_images), (2, 1024));
//! # Ok::<(), ptyproof::error::Error>(())
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::job::{Job, NumericsChoice, Phases};
use crate::scenario::{Measured, Overrides, ProbeMode, Scenario, Snapshot};
use ptyproof::error::{Error, Result};
use ptyproof::hub::file;
use ptyproof::io::formats::{self, ReadOptions};
use ptyproof::io::npz::{DataFile, read_object, read_probe};
use ptyproof::setting::flag;

/// The version of the record.
pub const VERSION: u32 = 2;

/// What the files of a hub are named after: names have 255 bytes at most.
const MAX_NAME_BYTES: usize = 160;

/// What is asked of a run. Paths are as they were given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// [`VERSION`] of the program that wrote it.
    pub version: u32,
    /// The scenario; none where the data file makes one by itself.
    pub scenario: Option<String>,
    /// A snapshot of scenarios instead of the built-in one.
    pub snapshot: Option<PathBuf>,
    /// Measured or earlier simulated data instead of a simulation.
    pub data: Option<PathBuf>,
    /// What the data file does not say.
    pub reading: ReadOptions,
    /// A file with a probe, key `probeGuess`.
    pub custom_probe: Option<PathBuf>,
    /// A file with an object to simulate with.
    pub custom_object: Option<PathBuf>,
    /// Whether the object gets a phase made from its amplitude.
    pub object_phase: bool,
    /// Which numerics.
    pub numerics: NumericsChoice,
    /// Which global phases the inferred objects get.
    pub phase_sync: Phases,
    /// Seed of weights, shuffling and photon noise.
    pub seed: u64,
    /// A checkpoint, or a hub with one, to go on from.
    pub resume: Option<PathBuf>,
    /// What a person put in place of the scenario's values.
    pub overrides: Overrides,
    /// What the command put in place of the scenario's values, where the person did not.
    pub chosen: Overrides,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            version: VERSION,
            scenario: None,
            snapshot: None,
            data: None,
            reading: ReadOptions::default(),
            custom_probe: None,
            custom_object: None,
            object_phase: false,
            numerics: NumericsChoice::Guarded,
            phase_sync: Phases::Own,
            seed: 1,
            resume: None,
            overrides: Overrides::default(),
            chosen: Overrides::default(),
        }
    }
}

impl Request {
    /// A simulated scenario, all else by default.
    pub fn of_scenario(name: &str) -> Self {
        Self {
            scenario: Some(name.to_owned()),
            ..Self::default()
        }
    }

    /// A data file, all else by default.
    pub fn of_data(path: &Path) -> Self {
        Self {
            data: Some(path.to_path_buf()),
            ..Self::default()
        }
    }

    /// Refuses what contradicts itself: settings of an object, a scan or a probe that will not be made.
    ///
    /// # Errors
    /// Naming the two fields of which one has to go.
    pub fn check(&self) -> Result<()> {
        let typed = &self.overrides;
        let neither = "one of the two: neither object nor scan is simulated then";
        let idealized = typed.probe_mode == Some(ProbeMode::Idealized);
        let (field, instead, need) = match (&self.data, &self.custom_object) {
            _ if self.custom_probe.is_some() && idealized => (
                "probe_mode",
                "custom_probe",
                "one of the two: an idealized probe is not read from a file",
            ),
            (Some(_), _) if typed.object.is_some() => ("object", "data", neither),
            (None, Some(_)) if typed.object.is_some() => ("object", "custom_object", neither),
            (Some(_), Some(_)) => ("custom_object", "data", neither),
            (Some(_), _) if self.object_phase => ("object_phase", "data", neither),
            // the margin is that of any simulated object
            (Some(_), _) if typed.buffer.is_some() => ("buffer", "data", neither),
            (Some(_), _) if typed.sim_seed.is_some() => ("sim_seed", "data", neither),
            (None, _) if self.reading != ReadOptions::default() => {
                let words = self.reading.record().unwrap_or_default();
                return Err(Error::usage("settling a run")
                    .got(format!("{words} without `data`"))
                    .need("a data file that this is said of"));
            }
            _ => return Ok(()),
        };
        Err(Error::usage("settling a run")
            .field(field)
            .got(format!("`{instead}` as well"))
            .need(need))
    }

    /// Reads the files and settles the scenario; nothing is written yet.
    ///
    /// # Errors
    /// If a file cannot be read, or a value breaks a bound.
    pub fn read(&self) -> Result<Job> {
        self.check()?;
        let snapshot = snapshot(self.snapshot.as_deref())?;
        let mut digests = BTreeMap::new();
        let mut digest = |field: &str, path: &Path| -> Result<()> {
            digests.insert(field.to_owned(), file::digest(path)?.1);
            Ok(())
        };
        let data = match &self.data {
            Some(path) => {
                digest("data", path)?;
                Some(read_data(path, &self.reading)?)
            }
            None => None,
        };
        let scenario = self.settle(&snapshot, data.as_ref())?;
        let probe = match &self.custom_probe {
            Some(path) => {
                digest("custom_probe", path)?;
                Some(read_probe(path, scenario.n)?)
            }
            None => None,
        };
        let object = match &self.custom_object {
            Some(path) => {
                digest("custom_object", path)?;
                Some(read_object(path)?)
            }
            None => None,
        };
        if let Some(record) = self.reading.record() {
            digests.insert("data, as told".into(), record);
        }
        Ok(Job {
            scenario,
            numerics: self.numerics,
            seed: self.seed,
            data,
            probe,
            object,
            object_phase: self.object_phase,
            phases: self.phase_sync,
            digests,
            resume: self.resume.clone(),
        })
    }

    fn settle(&self, snapshot: &Snapshot, data: Option<&DataFile>) -> Result<Scenario> {
        let measured = data.map(|file| {
            let mut facts = measured(file, self.data.as_deref());
            facts.probe |= self.custom_probe.is_some();
            facts
        });
        let resolve = |chosen: &Overrides| {
            let name = self.scenario.as_deref();
            Scenario::settle(snapshot, name, &self.overrides, chosen, measured.as_ref())
        };
        let scenario = resolve(&self.chosen)?;
        if self.custom_probe.is_some() && scenario.probe_mode == ProbeMode::Idealized {
            // the probe of the file is the one that is used, and is recorded so
            let chosen = Overrides {
                probe_mode: Some(ProbeMode::Custom),
                ..self.chosen.clone()
            };
            return resolve(&chosen);
        }
        Ok(scenario)
    }

    /// The request as the reference's metadata have it: one flat list, null where nothing was given.
    pub fn cli_args(&self, output_dir: &Path) -> BTreeMap<String, Value> {
        let mut all = Map::new();
        for setting in Overrides::TABLE {
            all.insert(flag(setting.name).replace('-', "_"), Value::Null);
        }
        let asked = self.overrides.or(&self.chosen);
        let parts = [
            serde_json::to_value(asked),
            serde_json::to_value(self.reading),
        ];
        for part in parts.into_iter().flatten() {
            all.extend(part.as_object().cloned().unwrap_or_default());
        }
        let chosen = self.chosen.given();
        if !chosen.is_empty() {
            all.insert("chosen".into(), json!(chosen));
        }
        if self.phase_sync != Phases::Own {
            all.insert("phases".into(), self.phase_sync.into());
        }
        for (name, v) in [
            ("scenario", json!(self.scenario)),
            ("output_dir", json!(output_dir)),
            ("snapshot", json!(self.snapshot)),
            ("data", json!(self.data)),
            ("custom_probe", json!(self.custom_probe)),
            ("custom_object", json!(self.custom_object)),
            ("object_phase", json!(self.object_phase)),
            ("numerics", self.numerics.into()),
            ("seed", json!(self.seed)),
            ("resume", json!(self.resume)),
        ] {
            all.insert(name.into(), v);
        }
        all.into_iter().collect()
    }
}

/// The snapshot in a file, or the built-in one.
///
/// # Errors
/// As [`Snapshot::read`].
pub fn snapshot(path: Option<&Path>) -> Result<Snapshot> {
    path.map_or_else(Snapshot::builtin, Snapshot::read)
}

fn read_data(path: &Path, reading: &ReadOptions) -> Result<DataFile> {
    let mut file = formats::open(path, reading)?.into_dataset()?;
    let modes = file.dataset.measurement.further_modes.as_ref();
    let modes = modes.map_or(0, |m| m.dim().0);
    if modes > 0 {
        file.notes.push(format!(
            "{modes} further modes of the probe: the network knows one, `reconstruct` several"
        ));
    }
    Ok(file)
}

/// What the scenario must take over from a data file.
pub fn measured(file: &DataFile, path: Option<&Path>) -> Measured {
    let data = &file.dataset;
    let stem = path.and_then(Path::file_stem).map(|s| {
        let mut stem = s.to_string_lossy().into_owned();
        stem.truncate(stem.floor_char_boundary(MAX_NAME_BYTES));
        stem
    });
    let squares = data.patterns.values().iter().map(|&v| f64::from(v).powi(2));
    let sum: f64 = squares.sum();
    Measured {
        name: stem.unwrap_or_else(|| data.name.clone()),
        n: data.side(),
        total: data.len(),
        dose: sum / data.len().max(1) as f64,
        probe: data.probe.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_equal() {
        let mut request = Request::of_data(Path::new("scan.npz"));
        request.reading.pixel_m = Some(1.5e-8);
        request.overrides.reassemble_m = Some(24);
        request.overrides.probe_mask = Some(false);
        request.chosen.nepochs = Some(40);
        request.phase_sync = Phases::Overlaps;
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
    }

    #[test]
    fn two_fields_of_which_one_has_no_effect_are_refused() {
        let data = || Request::of_data(Path::new("scan.npz"));
        let refused = |change: fn(&mut Request), mut request: Request, words: [&str; 2]| {
            change(&mut request);
            let e = request.check().unwrap_err().to_string();
            assert!(words.iter().all(|w| e.contains(&format!("`{w}`"))), "{e}");
        };
        refused(
            |r| r.overrides.buffer = Some(3.0),
            data(),
            ["buffer", "data"],
        );
        refused(
            |r| r.overrides.sim_seed = Some(3),
            data(),
            ["sim_seed", "data"],
        );
        refused(|r| r.object_phase = true, data(), ["object_phase", "data"]);
        let simulated = Request::of_scenario("gs2_ideal");
        refused(
            |r| {
                r.custom_probe = Some("probe.npz".into());
                r.overrides.probe_mode = Some(ProbeMode::Idealized);
            },
            simulated,
            ["probe_mode", "custom_probe"],
        );
    }
}
