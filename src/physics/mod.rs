//! The measurement: from an object to a far field, each operator with its adjoint beside it.

pub mod estimate;
pub mod expose;
pub mod forward;
pub mod loss;
pub mod merge;
pub mod object;
pub mod propagate;
pub mod translate;
