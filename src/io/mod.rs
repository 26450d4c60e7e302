//! Data files: formats, in-memory data sets, and inspection.

pub mod dataset;
pub mod domain;
pub mod format;
pub mod formats;
pub mod inspect;
pub mod measurement;
pub mod neighbors;
pub mod npz;
pub mod open_file;
pub mod unit;
