//! From the network's patches to predicted far fields, each operator with its adjoint beside it.

pub mod estimate;
pub mod forward;
pub mod loss;
pub mod merge;
pub mod object;
