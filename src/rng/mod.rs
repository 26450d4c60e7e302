//! Random numbers that depend only on explicit seeds.
//!
//! Two generators, for two purposes:
//!
//! * [`NumpyLegacy`] is NumPy's `RandomState` bit for bit, so that scans, objects and groups are those
//!   of published runs.
//! * [`Stream`] is this project's own: one independent stream per `(seed, purpose, index)`, so that
//!   weights, shuffles and photon noise depend neither on each other nor on the order of work.

mod numpy;
mod stream;

pub use numpy::NumpyLegacy;
pub use stream::Stream;
