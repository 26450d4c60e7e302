//! Data files: formats, what they hold in memory, and what `inspect` says of them.

pub mod dataset;
pub mod domain;
pub mod formats;
pub mod inspect;
pub mod measurement;
pub mod neighbours;
pub mod npz;
pub mod open_file;
