//! The artifact directory as a type: it appears whole, or not at all.

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
