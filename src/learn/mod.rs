//! Training and inference: batches through network and physics, step by step.

pub mod engine;
