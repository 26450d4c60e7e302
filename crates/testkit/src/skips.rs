//! Tests that cannot run here are skipped: each is counted, and `tests/zz_summary.rs`, which cargo runs last, prints the sum.
//!
//! With `PTYPROOF_REQUIRE_VECTORS=1` a test that needs the reference's vectors, hubs or data and has none fails.

use std::fmt::Display;
use std::fs::{File, create_dir_all};
use std::io::Write;
use std::path::PathBuf;

/// The reason why a test is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// Vectors, hubs or data beside the checkout.
    Vectors,
    /// `PTYPROOF_SLOW`, or `PTYPROOF_SLOW=all`.
    Time,
    /// A property of this machine or this user.
    Machine,
}

impl SkipReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Vectors, Self::Time, Self::Machine];

    /// Its name in the records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vectors => "vectors",
            Self::Time => "time",
            Self::Machine => "machine",
        }
    }
}

/// The records of one run of cargo: a line for each skipped test.
pub fn records() -> PathBuf {
    #[cfg(unix)]
    let run = std::os::unix::process::parent_id();
    #[cfg(not(unix))]
    let run = 0;
    let exe = std::env::current_exe().unwrap_or_default();
    // target/<profile>/deps/<test>
    let target = exe
        .ancestors()
        .nth(3)
        .map_or_else(PathBuf::new, PathBuf::from);
    target.join("tmp").join(format!("skipped-{run}.txt"))
}

/// Counts the calling test as skipped, with the reason.
///
/// # Panics
/// If vectors are missing and required.
#[track_caller]
pub fn skip(lacks: SkipReason, why: impl Display) {
    let required = std::env::var_os("PTYPROOF_REQUIRE_VECTORS").is_some_and(|v| v == "1");
    assert!(
        !(required && lacks == SkipReason::Vectors),
        "PTYPROOF_REQUIRE_VECTORS is set: {why}"
    );
    #[allow(
        clippy::print_stdout,
        reason = "who reads the test's output sees what is missing"
    )]
    {
        println!("skipped: {why}");
    }
    let thread = std::thread::current();
    let exe = std::env::current_exe().unwrap_or_default();
    let binary = exe.file_stem().unwrap_or_default().to_string_lossy();
    // with a single thread all tests have the name of the first: then the source line distinguishes them
    let place = std::panic::Location::caller();
    let name = match thread.name() {
        None | Some("main") => place.to_string(),
        Some(name) => name.to_owned(),
    };
    let line = format!("{}\t{binary}: {name}\n", lacks.name());
    let path = records();
    let folder = path.parent().map_or(Ok(()), create_dir_all);
    let file = folder.and_then(|()| File::options().create(true).append(true).open(&path));
    let written = file.and_then(|mut f| f.write_all(line.as_bytes()));
    assert!(written.is_ok(), "{}: {written:?}", path.display());
}
