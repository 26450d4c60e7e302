//! The tests that need more than one crate: reference vectors, hubs, formats, events, structure.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail loudly, and says what it skips"
)]

mod data;
mod doctor;
mod events;
mod formats;
mod house;
mod hub;
#[path = "../laws/mod.rs"]
mod laws;
mod limits_published;
mod parity;
mod replay;
mod tolerances;
mod vectors;
mod vectors_assemble;
