//! Hot loops of `ptyproof`: the only crate with `unsafe` code.
//!
//! *Law.* Every kernel is one arithmetic, compiled for several instruction sets and chosen at run time ([`isa::Isa`]). An
//! output element has one writer and a fixed order of operations, so its bits depend neither on the instruction set nor on
//! the number of threads. Each kernel has a definition in plain loops: a test compares it with that, and the instruction
//! sets with each other to the bit.
//!
//! *Safety.* Public functions check shapes and bounds with `assert!`; below them pointers stay inside
//! because a [`map::FeatureMap`] has a pixel of margin on each side and channels padded to whole registers.
//!
//! *Compilation.* Generic kernels are compiled here for `f32` and `f64` ([`compiled`]), so that a change to
//! another crate changes no instruction of them.
//!
//! | module | operation |
//! |---|---|
//! | [`conv`] | 3x3 convolution, forward and gradients |
//! | [`layers`] | pooling, up-sampling, activations, and their adjoints |
//! | [`adam`], [`norm`] | optimizer step; norm and count of non-finite values |
//! | [`fft`] | two-dimensional discrete Fourier transform |
//! | [`scatter_add`] | a patch moved by a fraction of a pixel, added to a canvas |
//! | [`map`], [`scalar`] | the arrays and the two precisions they come in |
//! | [`isa`], [`peak`] | instruction sets, and their peak performance |

pub mod adam;
mod aligned;
pub mod compiled;
pub mod conv;
mod dispatch;
pub use dispatch::{Loop, vectorized};
pub mod fft;
pub mod isa;
mod lanes;
pub mod layers;
pub mod map;
pub mod norm;
pub mod peak;
mod prefetch;
pub use prefetch::prefetch;
pub mod scalar;
pub mod scatter_add;
mod shared;
mod shuffle;

#[cfg(test)]
mod testing;
