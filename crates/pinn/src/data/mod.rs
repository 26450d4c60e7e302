//! Training data: splits, groups, scales.

pub mod group;
pub mod group_count;
pub mod scale;
pub mod split;
pub mod training_set;
