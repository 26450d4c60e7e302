//! What a run says about itself, and whether it is so: histories, summaries, canvases that hold what
//! is put on them.

pub mod event;
pub mod history;
pub mod limits;
pub mod stage;
pub mod steps;
pub mod summary;
pub mod telemetry;
