//! The network: convolution kernels, feature maps, layers, model, optimizer, checkpoints.

pub mod kernel;
pub mod map;
