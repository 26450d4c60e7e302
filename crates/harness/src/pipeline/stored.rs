//! A request read back from a hub: this program's of any version, or the reference's.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::job::{NumericsChoice, Phases};
use super::request::{Request, VERSION};
use crate::scenario::Overrides;
use ptyproof::error::{Error, Result};
use ptyproof::hub::dir;
use ptyproof::hub::metadata::{RECONSTRUCT, RunMetadata};
use ptyproof::io::formats::ReadOptions;
use ptyproof::json;

const ACTION: &str = "reading the request of a run";

impl Request {
    /// The request of a hub's run; what had to be assumed is added to `notes`.
    ///
    /// # Errors
    /// If the hub's metadata hold none, or one of a later version.
    pub fn of_hub(hub: &Path, notes: &mut Vec<String>) -> Result<Self> {
        let path = hub.join(dir::METADATA);
        let place = path.display().to_string();
        let bad = |e: std::io::Error| Error::input(ACTION).at(&place).because(e);
        let text = fs::read_to_string(&path).map_err(bad)?;
        let metadata: RunMetadata =
            json::from_text(&text).map_err(|e| Error::input(ACTION).at(&place).because(e))?;
        if metadata.made_by == RECONSTRUCT {
            return Err(Error::input(ACTION)
                .at(&place)
                .got("the hub of an iterative engine")
                .need("that of a run with a network")
                .help(
                    "an engine has no scales to balance: probe and object share one free factor",
                ));
        }
        if metadata.request.is_null() {
            let args = metadata.cli_args.into_iter().collect();
            return version_1(args, notes, &format!("{place}, cli_args"));
        }
        let version = metadata.request.get("version").and_then(Value::as_u64);
        let refuse = |got: String| {
            let e = Error::input(ACTION).at(format!("{place}, request"));
            e.got(got).need(format!("version {VERSION} or earlier"))
        };
        match version {
            None => return Err(refuse("no version".into())),
            Some(v) if v > u64::from(VERSION) => {
                let e = refuse(format!("version {v}"));
                return Err(e.help("a later version of ptyproof wrote this hub: use that one"));
            }
            Some(_) => {}
        }
        serde_json::from_value(metadata.request).map_err(|e| {
            let place = format!("{place}, request");
            Error::input(ACTION).at(place).because(e).need("a request")
        })
    }
}

/// Version 1: the command line, field by field, as the reference writes it too.
#[derive(Deserialize)]
struct Version1 {
    scenario: Option<String>,
    snapshot: Option<PathBuf>,
    data: Option<PathBuf>,
    custom_probe: Option<PathBuf>,
    custom_object: Option<PathBuf>,
    object_phase: Option<bool>,
    numerics: Option<NumericsChoice>,
    phases: Option<Phases>,
    seed: Option<u64>,
    resume: Option<PathBuf>,
    #[serde(default)]
    chosen: Vec<String>,
    #[serde(flatten)]
    reading: ReadOptions,
    #[serde(flatten)]
    overrides: Overrides,
}

fn version_1(args: Map<String, Value>, notes: &mut Vec<String>, place: &str) -> Result<Request> {
    let mut old: Version1 = serde_json::from_value(Value::Object(args)).map_err(|e| {
        let e = Error::input(ACTION).at(place).because(e);
        e.need("the command line of a run")
    })?;
    if old.numerics.is_none() {
        notes.push("no numerics and no seed in the metadata: a hub of the reference, its noise is drawn anew".into());
        if old.snapshot.as_ref().is_some_and(|p| !p.exists()) {
            notes.push(
                "its snapshot is not here: the built-in one, which is the published one".into(),
            );
            old.snapshot = None;
        }
    }
    let chosen = old.overrides.take(&old.chosen);
    Ok(Request {
        version: 1,
        scenario: old.scenario,
        snapshot: old.snapshot,
        data: old.data,
        reading: old.reading,
        custom_probe: old.custom_probe,
        custom_object: old.custom_object,
        object_phase: old.object_phase.unwrap_or_default(),
        numerics: old.numerics.unwrap_or(NumericsChoice::Reference),
        phase_sync: old.phases.unwrap_or_default(),
        seed: old.seed.unwrap_or(1),
        resume: old.resume,
        overrides: old.overrides,
        chosen,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(args: Value) -> (Result<Request>, Vec<String>) {
        let mut notes = Vec::new();
        let Value::Object(args) = args else {
            return (Err(Error::bug("testing")), notes);
        };
        let found = version_1(args, &mut notes, "here");
        (found, notes)
    }

    #[test]
    fn a_command_line_of_version_1_is_the_request_that_it_was() {
        let (found, notes) = read(json!({
            "scenario": "gs1_ideal", "output_dir": "hub", "quiet": true, "json_log": false, "threads": null,
            "numerics": "reference", "seed": 14, "nepochs": 3, "reassemble_m": 24, "probe_mask": null, "amp_vmax": 2.5,
            "phases": "overlaps", "chosen": ["nepochs", "reassemble_M"], "unit": "counts",
        }));
        let found = found.unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!((found.version, found.seed), (1, 14));
        assert_eq!(found.numerics, NumericsChoice::Reference);
        assert_eq!(found.phase_sync, Phases::Overlaps);
        assert_eq!(found.overrides.given(), ["amp_vmax"]);
        assert_eq!(found.chosen.given(), ["nepochs", "reassemble_M"]);
        assert_eq!(found.reading.unit.map(|u| u.name()), Some("counts"));
    }

    #[test]
    fn a_command_line_of_the_reference_is_read_with_what_it_lacks() {
        let (found, notes) = read(json!({
            "scenario": "gs2_ideal", "snapshot": "/nowhere/snapshot.json", "nepochs": 5, "group_limit": 64, "buffer": null,
        }));
        let found = found.unwrap();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert_eq!((found.snapshot, found.seed), (None, 1));
        assert_eq!(found.numerics, NumericsChoice::Reference);
        assert_eq!(found.overrides.given(), ["group_limit", "nepochs"]);
    }

    #[test]
    fn the_flat_list_of_a_request_is_version_1_of_it() {
        let mut request = Request::of_data(Path::new("scan.npz"));
        request.reading.distance_m = Some(2.0);
        request.overrides.reassemble_m = Some(24);
        request.chosen.nepochs = Some(40);
        let args = request.cli_args(Path::new("hub"));
        let (found, _) = read(Value::Object(args.into_iter().collect()));
        request.version = 1;
        assert_eq!(found.unwrap(), request);
    }
}
