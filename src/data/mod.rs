//! What the network sees, and in which unit: domains, data sets, splits, groups, scales, files.

pub mod container;
pub mod contents;
pub mod dataset;
pub mod domain;
pub mod formats;
pub mod group;
pub mod group_count;
pub mod inspect;
pub mod measurement;
pub mod neighbours;
pub mod npz;
pub mod scale;
pub mod split;
