//! Data files outside the checkout: `$PTYPROOF_DATA`, else `../shared/data`. A test without them is counted as skipped.

use std::path::PathBuf;

use crate::skips::{SkipReason, skip};

/// The file of that name; `None`, with a message, if there is none.
#[track_caller]
pub fn shared(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("PTYPROOF_DATA")
        .map_or_else(|| crate::repository().join("../shared/data"), PathBuf::from);
    let file = folder.join(name);
    if file.is_file() {
        return Some(file);
    }
    skip(
        SkipReason::Vectors,
        format!("there is no {}", file.display()),
    );
    None
}
