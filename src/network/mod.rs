//! The network: convolution kernels, feature maps, layers, model, optimizer, checkpoints.

pub mod adam;
pub mod architecture;
pub mod kernel;
pub mod layers;
pub mod map;
pub mod model;
pub mod parameters;
pub mod workspace;
