//! Training and inference: batches through network and physics, step by step.

pub mod checkpoint;
pub mod engine;
pub mod infer;
pub mod replay;
pub mod schedule;
pub mod sentinel;
mod sight;
pub mod trace;
pub mod train;
pub mod vitals;
