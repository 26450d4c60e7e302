//! What integration tests share.

pub(crate) mod compare;
pub(crate) mod vectors;
