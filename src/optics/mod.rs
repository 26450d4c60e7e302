//! Objects, probes, scans, and simulated diffraction.

pub mod filter;
pub mod object;
pub mod probe;
pub mod propagate;
pub mod scan;
pub mod simulate;
pub mod translate;
