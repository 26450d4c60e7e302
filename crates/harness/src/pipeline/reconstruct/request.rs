//! What is asked of a reconstruction, as its hub records it.
//!
//! ```no_run
//! use ptyproof::solve::Method;
//! use ptyproof_harness::pipeline::reconstruct::{Request, prepare};
//! let mut request = Request::new("scan.npz", Method::Rpie, 100);
//! request.steps.regularization = Some(0.1);
//! let ready = prepare(request.read()?)?;
//! # Ok::<(), ptyproof::error::Error>(())
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Job;
use super::start::{InitialGuess, probe_of};
use crate::pipeline::request::VERSION;
use ptyproof::error::{Error, Result};
use ptyproof::hub::{dir, file};
use ptyproof::io::formats::{self, ReadOptions};
use ptyproof::setting::flag;
use ptyproof::solve::{Likelihood, Method, Settings, Steps};

/// The key of the probe in a data file.
const PROBE_KEY: &str = "probeGuess";

/// What is asked of a reconstruction. Paths are as they were given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The version of the record: [`VERSION`].
    pub version: u32,
    /// Patterns and positions.
    pub data: PathBuf,
    /// What the data file does not say.
    pub reading: ReadOptions,
    /// Which engine.
    pub engine: Method,
    /// Passes over all patterns.
    pub iterations: usize,
    /// Incoherent modes of the probe; none: those of the data's probe, or of the hub that it starts from.
    pub modes: Option<usize>,
    /// What is minimized on the detector.
    pub likelihood: Likelihood,
    /// Whether positions move.
    pub refine_positions: bool,
    /// A file with a probe to start from.
    pub probe: Option<PathBuf>,
    /// The key of that probe, in that file or in the data.
    pub probe_key: Option<String>,
    /// The hub of an earlier reconstruction to start from.
    pub start: Option<PathBuf>,
    /// Seed of the order of patterns.
    pub seed: u64,
    /// What is put in place of the engine's own steps.
    pub steps: Steps,
}

impl Request {
    /// An engine on a data file, all else by default.
    pub fn new(data: impl Into<PathBuf>, engine: Method, iterations: usize) -> Self {
        Self {
            version: VERSION,
            data: data.into(),
            reading: ReadOptions::default(),
            engine,
            iterations,
            modes: None,
            likelihood: Likelihood::Amplitude,
            refine_positions: false,
            probe: None,
            probe_key: None,
            start: None,
            seed: 1,
            steps: Steps::default(),
        }
    }

    /// The settings of the engine.
    ///
    /// # Errors
    /// If one is out of bounds, or one that the engine does not read.
    pub fn settings(&self) -> Result<Settings> {
        let mut s = Settings::new(self.engine, self.iterations).with(&self.steps)?;
        s.seed = self.seed;
        s.refine_positions = self.refine_positions;
        s.likelihood = self.likelihood;
        s.check()?;
        Ok(s)
    }

    /// Reads the files; nothing is written yet.
    ///
    /// # Errors
    /// If a setting cannot be, or a file cannot be read.
    pub fn read(&self) -> Result<Job> {
        let settings = self.settings()?;
        if self.start.is_some() && (self.probe.is_some() || self.probe_key.is_some()) {
            return Err(Error::usage("setting up the reconstruction")
                .field("start")
                .got("`probe` or `probe_key` as well")
                .need("one of the two: the hub has a probe"));
        }
        let mut digests = BTreeMap::new();
        let mut digest = |field: &str, path: &Path| -> Result<()> {
            digests.insert(field.to_owned(), file::digest(path)?.1);
            Ok(())
        };
        digest("data", &self.data)?;
        let data = formats::open(&self.data, &self.reading)?.into_dataset()?;
        let begin = match (&self.start, &self.probe, &self.probe_key) {
            (Some(hub), _, _) => {
                let probe = hub.join(dir::PROBE);
                if probe.is_file() {
                    digest("start.probe", &probe)?;
                    digest("start.amplitude", &hub.join(dir::AMPLITUDE))?;
                    digest("start.phase", &hub.join(dir::PHASE))?;
                }
                InitialGuess::Hub(hub.clone())
            }
            (None, None, None) => InitialGuess::Own,
            (None, path, key) => {
                let key = key.as_deref().unwrap_or(PROBE_KEY);
                let from = if let Some(path) = path {
                    digest("probe", path)?;
                    format!("{key} of a file")
                } else {
                    format!("{key} of the data")
                };
                let path = path.as_ref().unwrap_or(&self.data);
                InitialGuess::Probe(from, probe_of(path, key)?)
            }
        };
        if let Some(record) = self.reading.record() {
            digests.insert("data, as told".into(), record);
        }
        Ok(Job {
            name: stem(&self.data),
            data,
            settings,
            begin,
            modes: self.modes,
            digests,
        })
    }

    /// The request as the reference's metadata have it: one flat list, null where nothing was given.
    pub fn cli_args(&self, output_dir: &Path) -> BTreeMap<String, Value> {
        let mut all = Map::new();
        for setting in Steps::TABLE {
            all.insert(flag(setting.name).replace('-', "_"), Value::Null);
        }
        let whole = serde_json::to_value(self).unwrap_or_default();
        for (name, value) in whole.as_object().into_iter().flatten() {
            match (name.as_str(), value) {
                ("version", _) => {}
                ("reading" | "steps", Value::Object(part)) => all.extend(part.clone()),
                _ => drop(all.insert(name.clone(), value.clone())),
            }
        }
        all.insert("output_dir".into(), json!(output_dir));
        all.into_iter().collect()
    }
}

/// The name of a file without its ending, as part of a file name: other characters become `_`.
fn stem(path: &Path) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
    let stem = path.file_stem().map(|s| s.to_string_lossy());
    let characters = stem.iter().flat_map(|s| s.chars());
    let name: String = characters.map(|c| if plain(c) { c } else { '_' }).collect();
    if name.is_empty() {
        "reconstruction".into()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_equal() {
        let mut request = Request::new("scan.cxi", Method::Lsqml, 30);
        request.reading.probe_moves = true;
        request.steps.batch = Some(8);
        request.likelihood = Likelihood::Poisson;
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
        let flat = request.cli_args(Path::new("hub"));
        assert_eq!(
            (&flat["batch"], &flat["probe_step"]),
            (&json!(8), &Value::Null)
        );
        assert_eq!(flat["probe_moves"], true);
    }

    #[test]
    fn a_name_is_part_of_a_file_name() {
        assert_eq!(stem(Path::new("a/b c.1:2.npz")), "b c.1_2");
        assert_eq!(stem(Path::new("/")), "reconstruction");
    }
}
