//! What a run says about itself, and whether it is so: histories, summaries, canvases that hold what
//! is put on them.

pub mod chain;
pub mod event;
pub mod health;
pub mod history;
pub mod limits;
pub mod stage;
pub mod steps;
pub mod summary;
pub mod telemetry;
