//! What people read: Markdown built from values, never from files.

pub mod columns;
pub mod diff;
pub mod doctor;
pub mod hub;
pub mod inspect;
pub mod junit;
pub mod markdown;
pub mod network_vs_engine;
pub mod reconstruction;
pub mod scale_audit;
pub mod score;
pub mod telemetry;
pub mod training;
