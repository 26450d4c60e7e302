//! What is illuminated, with what, and where: the object, the probe, the scan.

pub mod filter;
pub mod object;
pub mod probe;
pub mod scan;
