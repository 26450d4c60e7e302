//! What integration tests share.

pub(crate) mod compare;
pub(crate) mod shared;
pub(crate) mod skips;
pub(crate) mod vectors;
