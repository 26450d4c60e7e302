//! The run directory as a type, written atomically.

pub mod blocked;
pub mod dir;
pub mod file;
pub mod manifest;
pub mod metadata;
pub mod overview;
pub mod reconstruction;
pub mod splitting;
pub mod stats;
pub mod verify;

pub use dir::Hub;
