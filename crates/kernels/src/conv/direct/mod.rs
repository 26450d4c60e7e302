//! The float32 convolution, tiled for registers: bit-identical to [`super::naive`], but much faster.
//!
//! *Forward.* An implicit matrix product without copies: up to 6 pixels of a row times up to 64
//! output channels stay in registers while taps and input channels stream by: a few weight loads,
//! 6 broadcasts and 24 fused multiply-adds a step on AVX-512. *Weights.* Up to 6 rows (tap, input
//! channel) times 64 output channels stay in registers while a block of pixels streams by.

mod forward;
mod weight_grad_few;
mod weights;

pub(super) use forward::conv;
pub(super) use weights::conv_weights;
