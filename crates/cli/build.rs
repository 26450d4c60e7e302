//! Tells the crate which commit it is built from: `PTYPROOF_COMMIT`, or `unknown`.
//!
//! The commit is read from files, so that the build needs neither git nor a network. Only what names the commit is
//! watched: this crate is built again when it changes, and no other crate is.

#![allow(clippy::print_stdout, reason = "cargo reads standard output")]

use std::fs;
use std::path::{Path, PathBuf};

/// Digits of a commit that are shown.
const COMMIT_DIGITS: usize = 9;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let commit = of_package(&here).or_else(|| of_repository(&here.join("../..")));
    let short = commit.as_deref().and_then(|c| c.get(..COMMIT_DIGITS));
    println!(
        "cargo::rustc-env=PTYPROOF_COMMIT={}",
        short.unwrap_or("unknown")
    );
}

/// The commit that `cargo package` wrote down.
fn of_package(here: &Path) -> Option<String> {
    let text = watched(&here.join(".cargo_vcs_info.json"))?;
    let (_, after) = text.split_once("\"sha1\"")?;
    hash(after.split('"').nth(1)?)
}

/// The commit that is checked out at `root`; a repository further up is somebody else's.
fn of_repository(root: &Path) -> Option<String> {
    let git = root.join(".git");
    let git = if git.is_dir() {
        git
    } else {
        // a worktree: a file that names the directory
        root.join(
            fs::read_to_string(&git)
                .ok()?
                .strip_prefix("gitdir:")?
                .trim(),
        )
    };
    let shared = fs::read_to_string(git.join("commondir"))
        .map_or_else(|_| git.clone(), |common| git.join(common.trim()));
    let head = watched(&git.join("HEAD"))?;
    let Some(name) = head.strip_prefix("ref:").map(str::trim) else {
        return hash(head.trim());
    };
    let packed = watched(&shared.join("packed-refs"));
    if let Some(loose) = watched(&shared.join(name)) {
        return hash(loose.trim());
    }
    // the next commit makes the file of the branch, and a line here
    watched(&git.join("logs/HEAD"));
    let packed = packed?;
    let line = packed.lines().find(|l| l.split(' ').nth(1) == Some(name))?;
    hash(line.split(' ').next()?)
}

/// What a file says; cargo looks at it again. A file that is not there is not watched: cargo would build every time.
fn watched(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    println!("cargo::rerun-if-changed={}", path.display());
    Some(text)
}

/// A text that is a commit.
fn hash(text: &str) -> Option<String> {
    let is_hash = text.len() >= COMMIT_DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_hash.then(|| text.to_owned())
}
