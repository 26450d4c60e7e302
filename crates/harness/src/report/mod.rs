//! What people read: Markdown built from values, never from files.

pub mod chain;
pub mod diff;
pub mod doctor;
pub mod hub;
pub mod inspect;
pub mod junit;
pub mod markdown;
pub mod reconstruction;
pub mod score;
pub mod telemetry;
pub mod training;
pub mod versus;
