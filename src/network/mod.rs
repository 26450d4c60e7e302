//! The network: layers, model, optimizer, checkpoints.

pub mod adam;
pub mod architecture;
mod filters;
pub mod layers;
pub mod model;
pub mod outputs;
pub mod parameters;
pub mod workspace;
