//! Training and inference: batches through network and physics, step by step.

pub mod activation_stats;
pub mod checkpoint;
pub mod infer;
pub mod model_runner;
mod network_input;
pub mod replay;
pub mod schedule;
pub mod sentinel;
pub mod trace;
pub mod train;
