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

use std::path::PathBuf;

use ptyproof_testkit::skips::{SkipReason, skip};

/// The published hubs of the reference, or `None` with a message if they are missing.
fn reference_hubs(test: &str) -> Option<PathBuf> {
    let dir = ptyproof_testkit::repository().join("../shared/reference/hubs");
    if dir.is_dir() {
        Some(dir)
    } else {
        let why = format!("{test}: no reference hubs at {}", dir.display());
        skip(SkipReason::Vectors, why);
        None
    }
}
