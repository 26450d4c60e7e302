//! Reference vectors: `$PTYPROOF_VECTORS`, else `../shared/reference/vectors`. A test without them is counted as skipped.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::fs::File;
use std::path::PathBuf;

use ndarray::{Array, Dimension};
use ndarray_npy::{NpzReader, ReadableElement};

use crate::skips::{SkipReason, skip};

/// The folder of the vectors; `None`, with a message, if there is none.
#[track_caller]
pub fn folder() -> Option<PathBuf> {
    let path = std::env::var_os("PTYPROOF_VECTORS").map_or_else(
        || crate::repository().join("../shared/reference/vectors"),
        PathBuf::from,
    );
    if path.is_dir() {
        Some(path)
    } else {
        let why = format!("no reference vectors at {}", path.display());
        skip(SkipReason::Vectors, why);
        None
    }
}

/// The folder of published artifact hubs, beside the vectors.
#[track_caller]
pub fn hubs() -> Option<PathBuf> {
    let path = folder()?.join("../hubs");
    if path.is_dir() {
        Some(path)
    } else {
        skip(
            SkipReason::Vectors,
            format!("no published hubs at {}", path.display()),
        );
        None
    }
}

/// A JSON file of the vectors.
#[track_caller]
pub fn json(name: &str) -> Option<serde_json::Value> {
    let text = std::fs::read_to_string(folder()?.join(name)).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

/// An archive of the vectors.
#[track_caller]
pub fn npz(name: &str) -> Option<NpzReader<File>> {
    Some(NpzReader::new(File::open(folder()?.join(name)).unwrap()).unwrap())
}

/// An array of an archive.
pub fn array<T: ReadableElement, D: Dimension>(z: &mut NpzReader<File>, key: &str) -> Array<T, D> {
    z.by_name(key).unwrap_or_else(|e| panic!("{key}: {e}"))
}
