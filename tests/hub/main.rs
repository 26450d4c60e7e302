//! Laws of the artifact hub that need a file system, and its agreement with the reference's hubs.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail loudly, and says what it skips"
)]

mod directory;
mod reference;
mod schema;
mod snapshots;
#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;

use support::skips::{Lacks, skip};

/// The reference's published hubs, or nothing (with the reason printed) where they are not at hand.
fn reference_hubs(test: &str) -> Option<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/hubs");
    if dir.is_dir() {
        Some(dir)
    } else {
        let why = format!("{test}: no reference hubs at {}", dir.display());
        skip(Lacks::Vectors, why);
        None
    }
}
