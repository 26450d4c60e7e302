//! Records of a run: histories, steps, health, stages, events, and their summary.

pub mod event;
mod fold;
pub mod health;
pub mod history;
mod metric_summary;
pub mod stage;
pub mod steps;
pub mod summary;
pub mod telemetry;
