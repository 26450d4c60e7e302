//! Numbers that the reference program printed or stored, against this library's.
//!
//! Two sources: `golden/figures.json` in this repository, which is always there, and the vectors described in
//! their own `MANIFEST.md`, found by `PTYPROOF_VECTORS` or beside the checkout. Where those are absent the
//! tests say `skipped:` and why, and pass. Tolerances are the manifest's.

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
#[path = "../support/mod.rs"]
mod support;

pub(crate) use support::compare::largest_difference as worst;
use support::{compare, vectors};

/// One array of an archive among the vectors, which are there.
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
