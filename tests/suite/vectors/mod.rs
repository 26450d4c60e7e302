//! Numbers that the reference program printed or stored, against this library's.
//!
//! Two sources: `golden/figures.json` in this repository, which is always there, and the vectors described in
//! their own `MANIFEST.md`, found by `PTYPROOF_VECTORS` or beside the checkout. Where those are absent the
//! tests print `skipped:` with the reason, and pass. Tolerances are the manifest's.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot read its numbers must fail, and one that is skipped must say so"
)]

use ndarray::{ArrayBase, Dimension, OwnedRepr};
use ndarray_npy::ReadableElement;
use num_complex::Complex32;

mod data;
mod golden;
mod physics;
mod specimen;

pub(crate) use ptyproof_testkit::compare::largest_difference as worst;
use ptyproof_testkit::{compare, vectors};

/// An array of an archive of the vectors, which must exist.
pub(crate) fn load<T: ReadableElement, D: Dimension>(
    file: &str,
    key: &str,
) -> ArrayBase<OwnedRepr<T>, D> {
    let mut archive = vectors::npz(file).expect("the folder was found before");
    vectors::array(&mut archive, key)
}

/// Real parts, then imaginary parts, as float64.
pub(crate) fn parts<'a>(
    z: impl IntoIterator<Item = &'a Complex32> + Clone,
) -> impl Iterator<Item = f64> {
    let re: Vec<f64> = z.clone().into_iter().map(|z| f64::from(z.re)).collect();
    re.into_iter()
        .chain(z.into_iter().map(|z| f64::from(z.im)).collect::<Vec<_>>())
}

/// Runs one test of this binary without vectors; returns whether it passed, and its output.
fn without_vectors(required: bool) -> (bool, String) {
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again
        .args([
            "vectors::skip_is_counted_or_fails",
            "--exact",
            "--nocapture",
        ])
        .env("PTYPROOF_VECTORS", "/no/such/folder")
        .env("PTYPROOF_SKIPS_AGAIN", "1")
        .env_remove("PTYPROOF_REQUIRE_VECTORS");
    if required {
        again.env("PTYPROOF_REQUIRE_VECTORS", "1");
    }
    let done = again.output().unwrap();
    let both = [done.stdout, done.stderr].concat();
    (
        done.status.success(),
        String::from_utf8_lossy(&both).into_owned(),
    )
}

#[test]
fn skip_is_counted_or_fails() {
    if std::env::var_os("PTYPROOF_SKIPS_AGAIN").is_some() {
        // the test to run: it needs vectors and has none
        assert!(vectors::folder().is_none());
        return;
    }
    let (passed, message) = without_vectors(false);
    assert!(
        passed && message.contains("skipped: no reference vectors at /no/such/folder"),
        "{message}"
    );
    // what it counted is under the number of its parent, which is this process
    let own = ptyproof_testkit::skips::records();
    let name = format!("skipped-{}.txt", std::process::id());
    let counted = own.with_file_name(name);
    let lines = std::fs::read_to_string(&counted).unwrap();
    std::fs::remove_file(&counted).unwrap();
    assert!(
        lines.starts_with("vectors\t") && lines.contains("skip_is_counted_or_fails"),
        "{lines}"
    );
    let (passed, message) = without_vectors(true);
    assert!(
        !passed && message.contains("PTYPROOF_REQUIRE_VECTORS is set"),
        "{message}"
    );
}
