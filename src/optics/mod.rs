//! What is illuminated, with what and where, and what a detector sees of it.

pub mod filter;
pub mod object;
pub mod probe;
pub mod propagate;
pub mod scan;
pub mod simulate;
pub mod translate;
