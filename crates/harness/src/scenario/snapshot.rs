//! A snapshot is the list of scenarios that can be asked for, read from JSON with nothing guessed.
//!
//! *Conventions.* The file holds `run_params` (what all scenarios share) and `scenarios`, each with
//! `name`, `inputs`, `defaults` (used where an input is null) and, optionally, its own `group_count`,
//! `neighbor_count` and `reassemble_M`. Other fields are passed over. The built-in snapshot carries
//! the facts of the published one (2026-01-16) over: `gs1_ideal`, `gs1_custom`, `gs2_ideal`, `gs2_custom`.
//!
//! *Source.* Reference description, section o.

use std::path::Path;

use serde::Deserialize;
use strsim::levenshtein;

use super::settings::{ObjectKind, ProbeMode};
use ptyproof::error::{Error, Result};

/// The built-in snapshot, as text.
pub const BUILTIN: &str = include_str!("snapshot.json");

/// Scenarios and what they share.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Where it was read from: a path, or `built-in`.
    pub source: String,
    /// What all scenarios share.
    pub run_params: RunParams,
    /// The scenarios, in the order of the file; names are unique.
    pub scenarios: Vec<Entry>,
    /// The probe file of scenarios with a custom probe.
    pub custom_probe_path: Option<String>,
}

/// What all scenarios share. Not yet checked: that is done when a scenario is resolved.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(expecting = "the parameters that all scenarios share")]
pub struct RunParams {
    /// Side of a pattern, pixels.
    #[serde(rename = "N")]
    pub n: usize,
    /// Patterns before the factors `gs^2` and the image multiplier.
    pub base_total_images: usize,
    /// Margin without scan positions, pixels.
    pub buffer: f64,
    /// Groups asked of each subset.
    pub group_count: usize,
    /// Neighbours a group is drawn from.
    pub neighbor_count: usize,
    /// Mean photons per pattern.
    pub nphotons: f64,
    /// Seed of the object.
    pub object_seed: u32,
    /// Side of the object, pixels.
    pub object_size: usize,
    /// Side of the central part used of each patch in stitching, pixels.
    #[serde(rename = "reassemble_M")]
    pub reassemble_m: usize,
    /// Seed of the scan.
    pub sim_seed: u32,
    /// Share of the positions that make the test half.
    pub split_fraction: f64,
    /// What the object is; lines where absent.
    #[serde(default)]
    pub object: ObjectKind,
}

/// One scenario of a snapshot.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Entry {
    /// Name, unique in the snapshot.
    pub name: String,
    /// What sets it apart.
    pub inputs: Inputs,
    /// Where an input is null.
    pub defaults: Defaults,
    /// Instead of the shared one.
    pub group_count: Option<usize>,
    /// Instead of the shared one.
    pub neighbor_count: Option<usize>,
    /// Instead of the shared one.
    #[serde(rename = "reassemble_M")]
    pub reassemble_m: Option<usize>,
}

/// What sets a scenario apart.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Inputs {
    /// Group side.
    pub gridsize: usize,
    /// Where the probe comes from.
    pub probe_mode: ProbeMode,
    /// The probe is normalised to a mean modulus of `1 / probe_scale`.
    pub probe_scale: f64,
    /// Whether the network also reconstructs the border of a patch; null for the default.
    pub probe_big: Option<bool>,
    /// Whether the model masks the illuminated patch; null for the default.
    pub probe_mask: Option<bool>,
}

/// Values for inputs that are null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Defaults {
    /// See [`Inputs::probe_big`].
    pub probe_big: bool,
    /// See [`Inputs::probe_mask`].
    pub probe_mask: bool,
}

#[derive(Deserialize)]
#[serde(expecting = "a snapshot")]
struct File {
    run_params: RunParams,
    scenarios: Vec<Entry>,
    custom_probe_path: Option<String>,
}

impl Snapshot {
    /// The scenarios that ship with the program.
    ///
    /// # Errors
    /// Never, as long as the tests of this module pass.
    pub fn builtin() -> Result<Self> {
        Self::parse("built-in", BUILTIN)
    }

    /// Reads a snapshot file.
    ///
    /// # Errors
    /// If it cannot be read, is not JSON (says line and column), lacks a field or holds one of the wrong type (says
    /// which), or holds no scenario or two of the same name.
    pub fn read(path: &Path) -> Result<Self> {
        let source = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| {
            Error::input("reading the snapshot")
                .at(&source)
                .because(e)
                .help("Without `snapshot` the built-in scenarios are used.")
        })?;
        Self::parse(&source, &text)
    }

    /// Parses `text`, which came from `source`.
    ///
    /// # Errors
    /// As [`Snapshot::read`].
    pub fn parse(source: &str, text: &str) -> Result<Self> {
        let file: File = serde_json::from_str(text).map_err(|e| explain(source, &e))?;
        if file.scenarios.is_empty() {
            return Err(Error::input("reading the snapshot")
                .at(format!("{source}, scenarios"))
                .got("none")
                .need("at least one"));
        }
        for (i, entry) in file.scenarios.iter().enumerate() {
            if !is_plain(&entry.name) {
                return Err(Error::input("reading the snapshot")
                    .at(format!("{source}, scenarios[{i}]"))
                    .got(format!("the name {:?}", entry.name))
                    .need("up to 100 letters, digits, '_', '-', '.', not a dot at first: files are named after it"));
            }
            if file.scenarios[..i].iter().any(|e| e.name == entry.name) {
                return Err(Error::input("reading the snapshot")
                    .at(format!("{source}, scenarios[{i}]"))
                    .got(format!("a second `{}`", entry.name))
                    .need("names that are unique"));
            }
        }
        Ok(Self {
            source: source.to_owned(),
            run_params: file.run_params,
            scenarios: file.scenarios,
            custom_probe_path: file.custom_probe_path,
        })
    }

    /// The names of the scenarios, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.scenarios.iter().map(|e| e.name.as_str())
    }

    /// The scenario called `name`.
    ///
    /// # Errors
    /// If there is none; the advice names the nearest one, and all of them.
    pub fn find(&self, name: &str) -> Result<&Entry> {
        self.scenarios
            .iter()
            .find(|e| e.name == name)
            .ok_or_else(|| {
                let all: Vec<&str> = self.names().collect();
                let nearest = all.iter().min_by_key(|n| levenshtein(name, n));
                Error::usage("choosing a scenario")
                    .at(&self.source)
                    .got(format!("`{name}`"))
                    .need(format!("one of {}", all.join(", ")))
                    .help(match nearest {
                        Some(n) if levenshtein(name, n) <= n.len().div_ceil(2) => {
                            format!("Did you mean `{n}`?")
                        }
                        _ => "Name one of the scenarios listed.".to_owned(),
                    })
            })
    }
}

/// Whether files of a hub can be named after it.
fn is_plain(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    (1..=100).contains(&name.len()) && name.chars().all(known) && !name.starts_with('.')
}

fn explain(source: &str, e: &serde_json::Error) -> Error {
    let place = format!("{source}, line {}, column {}", e.line(), e.column());
    // serde_json ends its message with the place, which is already named.
    let text = e.to_string();
    let said = text.split(" at line ").next().unwrap_or(&text).to_owned();
    let error = Error::input("reading the snapshot").at(place);
    match e.classify() {
        serde_json::error::Category::Data => error
            .got(said)
            .need("run_params and scenarios[] with name, inputs, defaults")
            .help("Compare with the built-in snapshot, src/scenario/snapshot.json."),
        _ => error.got(format!("no JSON: {said}")).need("a JSON file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_builtin_snapshot_holds_the_published_scenarios() {
        let s = Snapshot::builtin().unwrap();
        let names: Vec<_> = s.names().collect();
        assert_eq!(
            names,
            ["gs1_ideal", "gs1_custom", "gs2_ideal", "gs2_custom"]
        );
        assert_eq!(s.find("gs2_ideal").unwrap().inputs.gridsize, 2);
    }

    #[test]
    fn invalid_snapshot_error_names_place_and_value() {
        let mut said = String::new();
        let missing = BUILTIN.replacen("\"nphotons\": 1000000000.0,", "", 1);
        let wrong = BUILTIN.replacen("\"gridsize\": 1", "\"gridsize\": \"one\"", 1);
        let mode = BUILTIN.replacen("idealized", "idealised", 1);
        let twice = BUILTIN.replacen("gs1_custom", "gs1_ideal", 1);
        let away = BUILTIN.replacen("gs1_custom", "../../away", 1);
        let params = BUILTIN.split("\"scenarios\"").next().unwrap();
        let none = format!("{params}\"scenarios\": []}}");
        for text in [
            "", "{", "NaN", "[1,", &missing, &wrong, &mode, &twice, &away, &none,
        ] {
            let e = Snapshot::parse("my.json", text).unwrap_err();
            said += &format!("{e}\n");
        }
        said += &format!(
            "{}\n",
            Snapshot::read(Path::new("no/such/file.json")).unwrap_err()
        );
        insta::assert_snapshot!(said);
    }

    #[test]
    fn unknown_scenario_suggests_the_nearest() {
        let s = Snapshot::builtin().unwrap();
        let mut said = String::new();
        for name in [
            "gs1_idael",
            "GS2_custom",
            "gs3_ideal",
            "",
            "something else entirely",
        ] {
            let e = s.find(name).unwrap_err();
            said += &format!("{e}\n  help: {}\n", e.advice().unwrap());
        }
        insta::assert_snapshot!(said);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in ".{0,200}", cut in 0usize..2000) {
            let _ = Snapshot::parse("x", &text);
            let _ = Snapshot::parse("x", &BUILTIN[..cut.min(BUILTIN.len())]);
        }
    }
}
