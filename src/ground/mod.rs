//! The ground that every other room stands on; it knows none of them.

pub mod file;
pub mod finite;
pub mod geometry;
pub mod json;
pub mod judgment;
pub mod par;
pub mod rng;

/// Comparisons for tests, shared with the integration tests.
#[cfg(test)]
#[path = "../../tests/support/compare.rs"]
pub(crate) mod compare;
#[cfg(test)]
mod compare_tests;
