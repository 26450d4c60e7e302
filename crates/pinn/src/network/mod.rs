//! The network: layers, model, optimizer, checkpoints.

pub mod architecture;
mod filters;
pub mod model;
pub mod outputs;
pub mod parameters;
pub mod workspace;
