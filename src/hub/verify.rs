//! Whether a hub is whole: everything is there, has the bytes it had, can be read, and agrees with itself.
//!
//! *Law.* A hub of which nothing was read is not whole. What is not finite is an event of its own, and wins over what is wrong.
//!
//! *Conventions.* A hub without a manifest, the reference's say, is held to the same list: what is missing is told, and
//! whatever is there is checked.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Result;
use crate::hub::dir;
use crate::hub::manifest::{self, MANIFEST, no_hub, walk};
use crate::hub::metadata::{RECONSTRUCT, RunMetadata};
use crate::json;
use crate::judgment::Judgment;

mod arrays;
mod records;

/// What a look at a hub found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Files that were looked at.
    pub files: usize,
    /// Values that were read: elements of arrays, numbers of histories.
    pub values: usize,
    /// What is wrong, file by file.
    pub problems: Vec<Problem>,
    /// What is not finite, file by file.
    pub events: Vec<Problem>,
    /// Pixels of the reconstruction that are not finite.
    pub non_finite: usize,
}

impl Verification {
    /// How it ended.
    pub fn judgment(&self) -> Judgment {
        let finite = match self.events.is_empty() {
            true => Judgment::holds(true, self.values),
            false => Judgment::NonFinite,
        };
        Judgment::gravest([
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
    /// What is wrong.
    pub what: String,
}

/// What every complete hub has, but the checkpoint and the page.
const NEEDED: [&str; 13] = [
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

struct Look<'a> {
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
        return Err(no_hub(action, hub));
    }
    let found = walk(hub)?;
    let plain = found.iter().filter(|(_, plain)| **plain);
    let files: BTreeSet<String> = plain.map(|(f, _)| f.clone()).collect();
    if found.is_empty() {
        return Err(no_hub(action, hub));
    }
    let mut look = Look {
        hub,
        files,
        problems: Vec::new(),
        events: Vec::new(),
        values: 0,
    };
    for (file, _) in found.iter().filter(|(_, plain)| !**plain) {
        look.tell(file, "no plain file: a link, a pipe or a device");
    }
    look.presence();
    look.bytes();
    look.json();
    look.pictures();
    let non_finite = look.image();
    look.other_arrays();
    look.history();
    look.residual();
    look.metadata();
    for list in [&mut look.problems, &mut look.events] {
        list.sort();
        list.dedup();
    }
    Ok(Verification {
        files: look.files.len(),
        values: look.values,
        problems: look.problems,
        events: look.events,
        non_finite,
    })
}

impl Look<'_> {
    fn tell(&mut self, file: &str, what: impl Into<String>) {
        self.problems.push(Problem {
            file: file.into(),
            what: what.into(),
        });
    }

    fn tell_event(&mut self, file: &str, what: impl Into<String>) {
        self.events.push(Problem {
            file: file.into(),
            what: what.into(),
        });
    }

    fn presence(&mut self) {
        // an iterative engine has no optimiser steps and no network, but a probe
        let metadata = self.parsed::<RunMetadata>(dir::METADATA);
        let engine = metadata.is_some_and(|m| m.made_by == RECONSTRUCT);
        let needed = NEEDED
            .iter()
            .filter(|f| !engine || **f != dir::HISTORY_STEPS);
        for file in needed
            .chain(engine.then_some(&dir::PROBE))
            .chain(engine.then_some(&records::RESIDUALS))
            .filter(|f| !self.files.contains(**f))
            .copied()
            .collect::<Vec<_>>()
        {
            self.tell(file, "missing");
        }
        let ends = |end: &str| self.files.iter().any(|f| f.ends_with(end));
        let (page, checkpoint) = (ends("_training_summary.md"), ends(".safetensors"));
        if !page {
            self.tell("*_training_summary.md", "missing");
        }
        if !(checkpoint || engine || self.is_golden()) {
            self.tell("train_outputs/checkpoints", "no checkpoint");
        }
        if self.files.contains(dir::EVENT) {
            self.tell_event(dir::EVENT, "the run met a number that was not finite");
        }
        for file in &self.files.clone() {
            if fs::metadata(self.hub.join(file)).is_ok_and(|m| m.len() == 0) {
                self.tell(file, "an empty file");
            }
        }
        if self.files.contains(dir::INCOMPLETE) {
            self.tell(
                dir::INCOMPLETE,
                "the run did not end well; the file says why",
            );
        }
        if self.files.contains(dir::LOCK) {
            self.tell(dir::LOCK, "a run is at work here, or died here");
        }
    }

    /// Whether the weights are known by their digests and no checkpoint was ever listed: a golden is kept so.
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
                            (path, "in the manifest, but missing".to_owned())
                        }
                        manifest::Problem::Changed { path, how } => {
                            (path, format!("not as in the manifest: {how}"))
                        }
                        manifest::Problem::Extra { path } => {
                            (path, "not in the manifest".to_owned())
                        }
                    };
                    self.tell(file, what);
                }
            }
            Err(e) => self.tell(MANIFEST, e.to_string()),
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
                    self.tell(&file, e.to_string());
                    continue;
                }
            };
            match json::from_text::<Value>(&text) {
                Err(e) => self.tell(&file, e.to_string()),
                Ok(value) => {
                    if serde_json::from_str::<Value>(&text).is_err() {
                        self.tell(&file, "not strict JSON: a bare NaN or Infinity");
                    }
                    let mut numbers = Numbers::default();
                    numbers.walk(&value, &mut Vec::new());
                    self.values += numbers.count;
                    if let Some(at) = numbers.first {
                        let (bad, of) = (numbers.bad, numbers.count);
                        self.tell_event(
                            &file,
                            format!("{bad} of {of} numbers are not finite, the first at {at}"),
                        );
                    }
                }
            }
        }
    }

    /// The value of a JSON file, if it is there and fits; what does not fit is told.
    fn parsed<T: DeserializeOwned>(&mut self, file: &str) -> Option<T> {
        if !self.files.contains(file) {
            return None;
        }
        let text = fs::read_to_string(self.hub.join(file)).ok()?;
        match json::from_text(&text) {
            Ok(v) => Some(v),
            Err(e) => {
                self.tell(file, e.to_string());
                None
            }
        }
    }

    fn text(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.hub.join(file)).ok()
    }
}
