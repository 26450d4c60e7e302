//! Verification of a hub: every file is present, unchanged, readable, and consistent with the others.
//!
//! *Law.* A hub of which nothing was read never passes. Values that are not finite are events, which outrank problems.
//!
//! *Conventions.* A hub without a manifest, for example of the reference, needs the same files: missing files are reported,
//! and present files are checked.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Result;
use crate::hub::dir;
use crate::hub::manifest::{self, MANIFEST, not_a_hub, walk};
use crate::hub::metadata::{RECONSTRUCT, RunMetadata};
use crate::json;
use crate::judgment::Judgment;

mod arrays;
mod records;

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Files that were looked at.
    pub files: usize,
    /// Values that were read: elements of arrays, numbers of histories.
    pub values: usize,
    /// Problems, sorted by file.
    pub problems: Vec<Problem>,
    /// Values that are not finite, sorted by file.
    pub events: Vec<Problem>,
    /// Pixels of the reconstruction that are not finite.
    pub non_finite: usize,
}

impl Verification {
    /// The outcome.
    pub fn judgment(&self) -> Judgment {
        let finite = match self.events.is_empty() {
            true => Judgment::holds(true, self.values),
            false => Judgment::NonFinite,
        };
        Judgment::worst([
            Judgment::holds(self.problems.is_empty(), self.files),
            finite,
        ])
    }

    /// Files in which something is not finite.
    pub fn files_with_events(&self) -> usize {
        let files: BTreeSet<&str> = self.events.iter().map(|e| e.file.as_str()).collect();
        files.len()
    }
}

/// Something that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Relative to the hub.
    pub file: String,
    /// The problem.
    pub what: String,
}

/// Files of every complete hub, without checkpoint and summary page.
const REQUIRED_FILES: [&str; 13] = [
    MANIFEST,
    dir::METADATA,
    dir::LOG,
    dir::STAGES,
    dir::HISTORY,
    dir::HISTORY_STEPS,
    dir::HISTORY_SUMMARY,
    dir::HISTORY_PICTURE,
    dir::AMPLITUDE,
    dir::PHASE,
    dir::AMPLITUDE_PICTURE,
    dir::PHASE_PICTURE,
    dir::STATS,
];

/// Numbers of a JSON value, and those that are not finite.
#[derive(Default)]
struct Numbers {
    count: usize,
    bad: usize,
    /// Where the first of these is.
    first: Option<String>,
}

impl Numbers {
    fn walk(&mut self, value: &Value, at: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, v) in fields {
                    at.push(name.clone());
                    self.walk(v, at);
                    at.pop();
                }
            }
            Value::Array(entries) => {
                for (k, v) in entries.iter().enumerate() {
                    at.push(format!("[{k}]"));
                    self.walk(v, at);
                    at.pop();
                }
            }
            Value::Number(_) => self.count += 1,
            Value::String(text) if json::tagged(text).is_some() => {
                self.count += 1;
                self.bad += 1;
                self.first
                    .get_or_insert_with(|| at.join(".").replace(".[", "["));
            }
            _ => {}
        }
    }
}

struct Checker<'a> {
    hub: &'a Path,
    files: BTreeSet<String>,
    problems: Vec<Problem>,
    events: Vec<Problem>,
    values: usize,
}

/// Verifies a hub.
///
/// # Errors
/// If it is no directory with files in it, or one cannot be listed.
pub fn verify(hub: &Path) -> Result<Verification> {
    let action = "verifying a hub";
    if !hub.is_dir() {
        return Err(not_a_hub(action, hub));
    }
    let found = walk(hub)?;
    let plain = found.iter().filter(|(_, plain)| **plain);
    let files: BTreeSet<String> = plain.map(|(f, _)| f.clone()).collect();
    if found.is_empty() {
        return Err(not_a_hub(action, hub));
    }
    let mut checker = Checker {
        hub,
        files,
        problems: Vec::new(),
        events: Vec::new(),
        values: 0,
    };
    for (file, _) in found.iter().filter(|(_, plain)| !**plain) {
        checker.problem(file, "not a regular file: a link, a pipe or a device");
    }
    checker.presence();
    checker.bytes();
    checker.json();
    checker.pictures();
    let non_finite = checker.image();
    checker.other_arrays();
    checker.history();
    checker.residual();
    checker.metadata();
    for list in [&mut checker.problems, &mut checker.events] {
        list.sort();
        list.dedup();
    }
    Ok(Verification {
        files: checker.files.len(),
        values: checker.values,
        problems: checker.problems,
        events: checker.events,
        non_finite,
    })
}

impl Checker<'_> {
    fn problem(&mut self, file: &str, what: impl Into<String>) {
        self.problems.push(Problem {
            file: file.into(),
            what: what.into(),
        });
    }

    fn event(&mut self, file: &str, what: impl Into<String>) {
        self.events.push(Problem {
            file: file.into(),
            what: what.into(),
        });
    }

    fn presence(&mut self) {
        // an iterative engine has a probe, but no optimizer steps and no network
        let metadata = self.parsed::<RunMetadata>(dir::METADATA);
        let engine = metadata.is_some_and(|m| m.made_by == RECONSTRUCT);
        let needed = REQUIRED_FILES
            .iter()
            .filter(|f| !engine || **f != dir::HISTORY_STEPS);
        for file in needed
            .chain(engine.then_some(&dir::PROBE))
            .chain(engine.then_some(&records::RESIDUALS))
            .filter(|f| !self.files.contains(**f))
            .copied()
            .collect::<Vec<_>>()
        {
            self.problem(file, "missing");
        }
        let ends = |end: &str| self.files.iter().any(|f| f.ends_with(end));
        let (page, checkpoint) = (ends("_training_summary.md"), ends(".safetensors"));
        if !page {
            self.problem("*_training_summary.md", "missing");
        }
        if !(checkpoint || engine || self.is_golden()) {
            self.problem("train_outputs/checkpoints", "no checkpoint");
        }
        if self.files.contains(dir::EVENT) {
            self.event(dir::EVENT, "the run produced a number that is not finite");
        }
        for file in &self.files.clone() {
            if fs::metadata(self.hub.join(file)).is_ok_and(|m| m.len() == 0) {
                self.problem(file, "an empty file");
            }
        }
        if self.files.contains(dir::INCOMPLETE) {
            self.problem(
                dir::INCOMPLETE,
                "the run did not finish; this file has the reason",
            );
        }
        if self.files.contains(dir::LOCK) {
            self.problem(dir::LOCK, "a run is active here, or was killed");
        }
    }

    /// Whether the weights are recorded by digests only and no checkpoint was listed, as in a golden.
    fn is_golden(&self) -> bool {
        let listed = self
            .text(MANIFEST)
            .is_some_and(|t| t.contains(".safetensors"));
        let digests = self
            .text(dir::STAGES)
            .is_some_and(|t| t.contains("trained weights"));
        digests && !listed && self.files.contains(MANIFEST)
    }

    fn bytes(&mut self) {
        if !self.files.contains(MANIFEST) {
            return;
        }
        match manifest::verify(self.hub) {
            Ok(problems) => {
                for p in problems {
                    let (file, what) = match &p {
                        manifest::Problem::Missing { path } => {
                            (path, "listed in the manifest, but missing".to_owned())
                        }
                        manifest::Problem::Changed { path, how } => {
                            (path, format!("differs from the manifest: {how}"))
                        }
                        manifest::Problem::Extra { path } => {
                            (path, "not in the manifest".to_owned())
                        }
                    };
                    self.problem(file, what);
                }
            }
            Err(e) => self.problem(MANIFEST, e.to_string()),
        }
    }

    fn with(&self, ending: &str) -> Vec<String> {
        let chosen = self.files.iter().filter(|f| f.ends_with(ending));
        chosen.cloned().collect()
    }

    fn json(&mut self) {
        for file in self.with(".json") {
            let text = match fs::read_to_string(self.hub.join(&file)) {
                Ok(text) => text,
                Err(e) => {
                    self.problem(&file, e.to_string());
                    continue;
                }
            };
            match json::from_text::<Value>(&text) {
                Err(e) => self.problem(&file, e.to_string()),
                Ok(value) => {
                    if serde_json::from_str::<Value>(&text).is_err() {
                        self.problem(&file, "not strict JSON: it contains a bare NaN or Infinity");
                    }
                    let mut numbers = Numbers::default();
                    numbers.walk(&value, &mut Vec::new());
                    self.values += numbers.count;
                    if let Some(at) = numbers.first {
                        let (bad, of) = (numbers.bad, numbers.count);
                        self.event(
                            &file,
                            format!("{bad} of {of} numbers are not finite, the first at {at}"),
                        );
                    }
                }
            }
        }
    }

    /// The value of a JSON file, if it exists and parses; a parse error is a problem.
    fn parsed<T: DeserializeOwned>(&mut self, file: &str) -> Option<T> {
        if !self.files.contains(file) {
            return None;
        }
        let text = fs::read_to_string(self.hub.join(file)).ok()?;
        match json::from_text(&text) {
            Ok(v) => Some(v),
            Err(e) => {
                self.problem(file, e.to_string());
                None
            }
        }
    }

    fn text(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.hub.join(file)).ok()
    }
}
