//! Whether a hub is whole: everything is there, has the bytes it had, can be read, and agrees with itself.
//!
//! *Conventions.* A hub without a manifest, the reference's say, is held to the same list: what is missing is told, and
//! whatever is there is checked.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::dir;
use super::file::digest_text;
use super::manifest::{self, MANIFEST, walk};
use super::metadata::{RECONSTRUCT, RunMetadata};
use super::stats::{ArrayStats, Stats};
use crate::data::npz::read_plane;
use crate::error::{Error, Result};
use crate::ground::json;
use crate::scenario::Splitting;
use crate::verify::health::Vitals;
use crate::verify::history::History;
use crate::verify::stage::Stages;
use crate::verify::steps::StepHistory;
use crate::verify::summary::Summary;

/// What a look at a hub found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Whole {
    /// Files that were looked at.
    pub files: usize,
    /// What is wrong, file by file.
    pub problems: Vec<Problem>,
    /// Pixels of the reconstruction that are not finite.
    pub non_finite: usize,
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

struct Look<'a> {
    hub: &'a Path,
    files: BTreeSet<String>,
    problems: Vec<Problem>,
}

/// Looks at a hub.
///
/// # Errors
/// If it is no directory with files in it, or one cannot be listed.
pub fn look(hub: &Path) -> Result<Whole> {
    let action = "verifying a hub";
    if !hub.is_dir() {
        return Err(Error::input(action)
            .at(hub.display())
            .got(if hub.exists() { "a file" } else { "nothing" })
            .need("the directory of a run"));
    }
    let found = walk(hub)?;
    let plain = found.iter().filter(|(_, plain)| **plain);
    let files: BTreeSet<String> = plain.map(|(f, _)| f.clone()).collect();
    if found.is_empty() {
        return Err(Error::input(action)
            .at(hub.display())
            .got("an empty directory")
            .need("the directory of a run"));
    }
    let mut look = Look {
        hub,
        files,
        problems: Vec::new(),
    };
    for (file, _) in found.iter().filter(|(_, plain)| !**plain) {
        look.tell(file, "no plain file: a link, a pipe or a device");
    }
    look.presence();
    look.bytes()?;
    look.json();
    look.pictures();
    let non_finite = look.arrays();
    look.history();
    look.metadata();
    look.problems.sort();
    look.problems.dedup();
    Ok(Whole {
        files: look.files.len(),
        problems: look.problems,
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

    fn presence(&mut self) {
        // an iterative engine has no optimiser steps and no network, but a probe
        let metadata = self.parsed::<RunMetadata>(dir::METADATA);
        let engine = metadata.is_some_and(|m| m.made_by == RECONSTRUCT);
        let needed = NEEDED
            .iter()
            .filter(|f| !engine || **f != dir::HISTORY_STEPS);
        for file in needed
            .chain(engine.then_some(&dir::PROBE))
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

    fn bytes(&mut self) -> Result<()> {
        if !self.files.contains(MANIFEST) {
            return Ok(());
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
        Ok(())
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
            if serde_json::from_str::<Value>(&text).is_err() {
                match json::from_text::<Value>(&text) {
                    Ok(_) => self.tell(&file, "not strict JSON: a bare NaN or Infinity"),
                    Err(e) => self.tell(&file, e.to_string()),
                }
            }
        }
    }

    fn pictures(&mut self) {
        for file in self.with(".png") {
            if let Err(e) = picture(&self.hub.join(&file)) {
                self.tell(&file, format!("not a whole picture: {e}"));
            }
        }
    }

    /// Compares arrays with their statistics; counts pixels that are not finite.
    fn arrays(&mut self) -> usize {
        let mut shapes = Vec::new();
        let mut bad = 0;
        let stats: Option<Stats> = self.parsed(dir::STATS);
        for (file, part) in [(dir::AMPLITUDE, 0), (dir::PHASE, 1)] {
            if !self.files.contains(file) {
                continue;
            }
            let array = match read_plane(self.hub.join(file)) {
                Ok(array) => array,
                Err(e) => {
                    self.tell(file, e.to_string());
                    continue;
                }
            };
            bad = bad.max(array.iter().filter(|v| !v.is_finite()).count());
            shapes.push((file, array.dim()));
            if let Some(stats) = &stats {
                let narrow: Vec<f32> = array.iter().map(|&v| v as f32).collect();
                let now = ArrayStats::of(&narrow);
                let then = if part == 0 {
                    &stats.amplitude
                } else {
                    &stats.phase
                };
                if now != *then {
                    self.tell(
                        dir::STATS,
                        format!("does not agree with {file}: {}", differing(then, &now)),
                    );
                }
            }
        }
        self.shapes_of_stages(&shapes);
        if let [(_, a), (file, b)] = shapes[..]
            && a != b
        {
            self.tell(file, format!("shape {b:?}, and the amplitude's is {a:?}"));
        }
        bad
    }

    /// Holds the arrays to the shape that the stitched object had.
    fn shapes_of_stages(&mut self, shapes: &[(&'static str, (usize, usize))]) {
        let Some(stages) = self.parsed::<Stages>(dir::STAGES) else {
            return;
        };
        if stages.stages.is_empty() {
            self.tell(dir::STAGES, "no stage in it");
        }
        let mut all = stages.stages.iter();
        let object = all.find(|s| s.stage == "stitching" && s.tensor == "object");
        for (file, (rows, cols)) in shapes {
            if let Some(o) = object.filter(|o| o.shape != [*rows, *cols]) {
                let then = &o.shape;
                self.tell(
                    file,
                    format!("shape ({rows}, {cols}), and the stitched object had {then:?}"),
                );
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

    fn history(&mut self) {
        let Some(text) = self.text(dir::HISTORY) else {
            return;
        };
        let history = match History::from_text(&text) {
            Ok(h) => h,
            Err(e) => return self.tell(dir::HISTORY, e.to_string()),
        };
        let steps = match self
            .text(dir::HISTORY_STEPS)
            .map(|t| StepHistory::from_text(&t))
        {
            Some(Ok(steps)) => Some(steps),
            Some(Err(e)) => return self.tell(dir::HISTORY_STEPS, e.to_string()),
            None => None,
        };
        if let Some(then) = self.parsed::<Summary>(dir::HISTORY_SUMMARY) {
            let mut now = match &steps {
                None => Summary::of(&history),
                Some(s) => Summary::of_run(&history, s),
            };
            if let Some(told) = &then.health {
                let empty = StepHistory::default();
                let epochs = vec![Vitals::default(); told.parameter_norm.len()];
                now = now.with_health(&history, steps.as_ref().unwrap_or(&empty), &epochs);
            }
            // what is of activations no file holds; the rest follows from the histories
            if let (Some(h), Some(told)) = (&mut now.health, &then.health) {
                h.dead_units.clone_from(&told.dead_units);
                h.pinned.clone_from(&told.pinned);
                h.parameter_norm.clone_from(&told.parameter_norm);
                if steps.is_none() {
                    // an iterative engine has no optimiser steps: its norms are of what it moved
                    h.update_norm.clone_from(&told.update_norm);
                }
                h.probe_power.clone_from(&told.probe_power);
            }
            if now != then {
                self.tell(dir::HISTORY_SUMMARY, "does not agree with the history");
            }
        }
    }

    fn metadata(&mut self) {
        let Some(m) = self.parsed::<RunMetadata>(dir::METADATA) else {
            return;
        };
        if let Some(named) = &m.config_sha256
            && digest_text(&m.configuration.to_string()) != *named
        {
            self.tell(dir::METADATA, "config_sha256 is not of the configuration");
        }
        let text = self.text(dir::HISTORY);
        let epochs = text.and_then(|t| History::from_text(&t).ok());
        let epochs = epochs.map_or(0, |h| h.epochs.len() as u64);
        if epochs > m.nepochs {
            let told = m.nepochs;
            self.tell(
                dir::METADATA,
                format!("nepochs is {told}, and the history has {epochs}"),
            );
        }
        let [train, test, total] = [m.train_count, m.test_count, m.total_images];
        let counted = match m.split {
            Splitting::Halves => train + test == total,
            Splitting::None => train == total && test == total,
        };
        if !counted {
            let what = format!("{train} to train and {test} to test are not the {total} images");
            self.tell(dir::METADATA, what);
        }
        let inside = |path: &str| {
            let mut parts = Path::new(path).components();
            parts.all(|c| matches!(c, Component::Normal(_)))
        };
        let outside: Vec<String> = m
            .paths()
            .into_iter()
            .filter(|p| !inside(p))
            .map(str::to_owned)
            .collect();
        for path in outside {
            self.tell(
                dir::METADATA,
                format!("names {path}, which is no path inside the hub"),
            );
        }
        // the reference's paths begin at its own root
        let missing: Vec<String> = m
            .paths()
            .into_iter()
            .filter(|p| {
                let there = |tail: &str| self.hub.join(tail).exists();
                let tails =
                    std::iter::successors(Some(*p), |t| t.split_once('/').map(|(_, rest)| rest));
                !tails.into_iter().any(|t| !t.is_empty() && there(t))
            })
            .map(str::to_owned)
            .collect();
        for path in missing {
            self.tell(dir::METADATA, format!("names {path}, which is not there"));
        }
        let nan = m.training_nan_overview;
        if let (Some(named), Some(s)) = (nan, self.parsed::<Summary>(dir::HISTORY_SUMMARY))
            && named != s.nan_overview
        {
            self.tell(
                dir::METADATA,
                "its training_nan_overview is not that of the summary",
            );
        }
    }
}

/// The fields of two statistics that are not the same.
fn differing(then: &ArrayStats, now: &ArrayStats) -> String {
    let pairs = [
        ("min", then.min, now.min),
        ("max", then.max, now.max),
        ("mean", then.mean, now.mean),
        ("std", then.std, now.std),
    ];
    let mut all: Vec<String> = pairs
        .iter()
        .filter(|(_, a, b)| a != b)
        .map(|(name, a, b)| format!("{name} {} and now {}", a.get(), b.get()))
        .collect();
    if then.nan_count != now.nan_count {
        all.push(format!(
            "nan_count {} and now {}",
            then.nan_count, now.nan_count
        ));
    }
    all.join(", ")
}

/// Decodes a picture to its last pixel.
fn picture(path: &Path) -> std::result::Result<(), String> {
    let file = fs::File::open(path).map_err(|e| e.to_string())?;
    let mut reader = png::Decoder::new(std::io::BufReader::new(file))
        .read_info()
        .map_err(|e| e.to_string())?;
    let size = reader.output_buffer_size().ok_or("larger than memory")?;
    if size > 1 << 30 {
        return Err(format!("{size} bytes of pixels"));
    }
    reader
        .next_frame(&mut vec![0; size])
        .map_err(|e| e.to_string())?;
    reader.finish().map_err(|e| e.to_string())
}
