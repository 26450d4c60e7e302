//! A hub as the comparison sees it: its files, the values of its JSON, its reconstruction.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use num_complex::Complex64;
use serde_json::Value;

use super::tolerance::Step;
use crate::error::{Error, Result};
use crate::hub::dir;
use crate::hub::manifest::{MANIFEST, not_a_hub, walk};
use crate::hub::reconstruction::image;
use crate::json;

/// A hub, read.
#[derive(Debug)]
pub struct Side {
    /// Where it is.
    pub path: PathBuf,
    /// Whether this program wrote it: then nothing may be missing.
    pub own: bool,
    /// Relative paths of its plain files.
    pub files: Vec<String>,
    /// Other entries: links, pipes, devices.
    pub skipped: Vec<String>,
    /// The values of each JSON file, by place.
    pub values: BTreeMap<String, Values>,
    /// The reconstruction, `[row, col]`.
    pub image: Option<Array2<Complex64>>,
}

/// Leaves by place, in the order of the file.
pub type Values = BTreeMap<Vec<Step>, Leaf>;

/// The value at a place.
#[derive(Debug, Clone, PartialEq)]
pub enum Leaf {
    /// Written without point or exponent.
    Whole(i128),
    /// A number, NaN and infinities included.
    Number(f64),
    /// Anything else, as it is written.
    Other(String),
}

impl Leaf {
    /// Its number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Whole(k) => Some(*k as f64),
            Self::Number(v) => Some(*v),
            Self::Other(_) => None,
        }
    }
}

impl Leaf {
    /// Whether two values are equal: integers exactly, NaN equals NaN.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a == b,
            _ => match (self.number(), other.number()) {
                (Some(a), Some(b)) => a == b || (a.is_nan() && b.is_nan()),
                _ => self == other,
            },
        }
    }
}

impl std::fmt::Display for Leaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(k) => write!(f, "{k}"),
            Self::Number(v) => write!(f, "{v:?}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// JSON files that are not compared value by value, because they describe bytes.
const BYTE_LEVEL_FILES: [&str; 2] = [MANIFEST, dir::EVENT];

/// Whether a file is compared value by value, or as part of the reconstruction.
pub(super) fn compared(file: &str) -> bool {
    (file.ends_with(".json") && !BYTE_LEVEL_FILES.contains(&file))
        || file == dir::AMPLITUDE
        || file == dir::PHASE
}

/// Reads a hub.
///
/// # Errors
/// If it is not a directory, or a file in it has unexpected contents.
pub fn read(path: &Path) -> Result<Side> {
    let action = "reading a hub";
    if !path.is_dir() {
        return Err(not_a_hub(action, path));
    }
    let found = walk(path)?;
    let of = |plain: bool| -> Vec<String> {
        let chosen = found.iter().filter(|(_, p)| **p == plain);
        chosen.map(|(path, _)| path.clone()).collect()
    };
    let (files, skipped) = (of(true), of(false));
    if files.is_empty() {
        return Err(not_a_hub(action, path));
    }
    let mut values = BTreeMap::new();
    for file in files
        .iter()
        .filter(|f| f.ends_with(".json") && !BYTE_LEVEL_FILES.contains(&f.as_str()))
    {
        let at = path.join(file);
        let io = |e| Error::input(action).at(at.display()).because(e);
        let text = fs::read_to_string(&at).map_err(io)?;
        let bad = |e| Error::input(action).at(at.display()).because(e);
        let value: Value = json::from_text(&text).map_err(bad)?;
        let mut leaves = Values::new();
        if file == dir::STAGES {
            let twice = by_name(value, &mut leaves);
            if let Some(name) = twice {
                return Err(Error::input(action)
                    .at(at.display())
                    .got(format!("the stage {name} twice"))
                    .need("every tensor of every stage once"));
            }
        } else {
            flatten(value, &mut Vec::new(), &mut leaves);
        }
        values.insert(file.clone(), leaves);
    }
    let has = |f: &str| files.iter().any(|x| x == f);
    let seen = if has(dir::AMPLITUDE) && has(dir::PHASE) {
        Some(image(path)?)
    } else {
        None
    };
    // the reference writes neither; a hub of ours that has lost its manifest is still ours
    let ours = |p: &Vec<Step>| matches!(p.first(), Some(Step::Name(n)) if n == "config_sha256" || n == "versions");
    let own_metadata = values
        .get(dir::METADATA)
        .is_some_and(|v: &Values| v.keys().any(ours));
    Ok(Side {
        path: path.to_path_buf(),
        own: own_metadata || has(MANIFEST),
        files,
        skipped,
        values,
        image: seen,
    })
}

/// Stage digests by stage and tensor, so that a stage more or less does not move the others.
///
/// Says which tensor is there a second time, if one is.
fn by_name(value: Value, out: &mut Values) -> Option<String> {
    let Value::Object(mut fields) = value else {
        flatten(value, &mut Vec::new(), out);
        return None;
    };
    let mut seen = BTreeSet::new();
    let mut twice = None;
    let stages = fields.remove("stages");
    flatten(Value::Object(fields), &mut Vec::new(), out);
    for (k, mut stage) in stages
        .and_then(|s| match s {
            Value::Array(all) => Some(all),
            _ => None,
        })
        .into_iter()
        .flatten()
        .enumerate()
    {
        let mut take = |name: &str| {
            let taken = stage.as_object_mut().and_then(|s| s.remove(name));
            let text = taken.as_ref().and_then(Value::as_str).map(str::to_owned);
            Step::Name(text.unwrap_or_else(|| format!("stages[{k}]")))
        };
        let mut place = vec![take("stage"), take("tensor")];
        if !seen.insert(place.clone()) {
            twice.get_or_insert_with(|| super::tolerance::written(&place, false));
        }
        flatten(stage, &mut place, out);
    }
    twice
}

fn flatten(value: Value, place: &mut Vec<Step>, out: &mut Values) {
    let leaf = match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, v) in fields {
                place.push(Step::Name(name));
                flatten(v, place, out);
                place.pop();
            }
            return;
        }
        Value::Array(entries) if !entries.is_empty() => {
            for (k, v) in entries.into_iter().enumerate() {
                place.push(Step::Entry(k));
                flatten(v, place, out);
                place.pop();
            }
            return;
        }
        Value::Number(n) => n
            .as_i128()
            .map_or_else(|| Leaf::Number(n.as_f64().unwrap_or(f64::NAN)), Leaf::Whole),
        Value::String(s) => json::tagged(&s).map_or_else(|| Leaf::Other(s), Leaf::Number),
        other => Leaf::Other(other.to_string()),
    };
    out.insert(place.clone(), leaf);
}
