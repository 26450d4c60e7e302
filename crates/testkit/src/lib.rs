//! Helpers of the tests of all crates. Not published.
//!
//! | module | offers |
//! |---|---|
//! | [`compare`] | comparisons that fail on NaN, on no values and on unequal lengths |
//! | [`tolerance`] | `assert_close!`, and a table of derived tolerances |
//! | [`skips`] | a count of the tests that could not run here |
//! | [`vectors`], [`shared`] | reference vectors, published hubs and measured data, if present |

#![allow(
    clippy::missing_panics_doc,
    reason = "a test helper panics where a test fails"
)]

use std::path::PathBuf;

pub mod compare;
#[cfg(test)]
mod compare_tests;
pub mod shared;
pub mod skips;
pub mod tolerance;
pub mod vectors;

/// The root of the checkout.
pub fn repository() -> PathBuf {
    let crates = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    crates
        .ancestors()
        .nth(2)
        .map_or(crates.clone(), PathBuf::from)
}
