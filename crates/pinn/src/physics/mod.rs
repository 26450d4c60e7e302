//! From the patches of the network to predicted far fields; each operator has its adjoint.

pub mod estimate;
pub mod forward;
pub mod loss;
pub mod merge;
pub mod object;
