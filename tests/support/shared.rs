//! Data files found elsewhere: `$PTYPROOF_DATA`, else `../shared/data`. A test that finds none is counted as skipped.

#![allow(dead_code, reason = "not each test binary uses it")]

use std::path::PathBuf;

use super::skips::{Lacks, skip};

/// The file of that name; `None`, with a word why, where there is none.
#[track_caller]
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("PTYPROOF_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let file = folder.join(name);
    if file.is_file() {
        return Some(file);
    }
    skip(Lacks::Vectors, format!("there is no {}", file.display()));
    None
}
