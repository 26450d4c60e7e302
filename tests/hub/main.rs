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

/// The reference's published hubs, or nothing (with the reason printed) where they are not at hand.
fn reference_hubs(test: &str) -> Option<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/hubs");
    if dir.is_dir() {
        Some(dir)
    } else {
        println!("skipped {test}: no reference hubs at {}", dir.display());
        None
    }
}
