//! The physics-informed network of `ptyproof`: grouping and scales, network, physics, training.
//!
//! | module | holds |
//! |---|---|
//! | [`data`] | splits, groups of overlapping patterns, scales, the training set |
//! | [`network`] | architecture, parameters, model: forward and backward in every file |
//! | [`physics`] | patches to far fields, the loss, and their adjoints |
//! | [`training`] | a training step, epochs, checkpoints, inference, traces and replays of a non-finite step |
//!
//! *Law.* A training gives the same bits for every number of threads and every instruction set.

pub mod data;
pub mod network;
pub mod physics;
pub mod training;
