//! The physics-informed network of `ptyproof`: grouping and scales, network, physics, training.
//!
//! | module | holds |
//! |---|---|
//! | [`data`] | splits, groups of overlapping patterns, scales, the training set |
//! | [`network`] | architecture, parameters, model: each file has forward and backward |
//! | [`physics`] | patches to far fields, the loss, and their adjoints |
//! | [`training`] | a training step, epochs, checkpoints, inference, traces and replays of a non-finite step |
//!
//! *Law.* Training is bit-identical for every number of threads and every instruction set.

pub mod data;
pub mod network;
pub mod physics;
pub mod training;
