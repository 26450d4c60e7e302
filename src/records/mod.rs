//! What a run writes down about itself: histories, steps, health, stages, events, and their summary.

pub mod event;
pub mod health;
pub mod history;
pub mod stage;
pub mod steps;
pub mod summary;
pub mod telemetry;
