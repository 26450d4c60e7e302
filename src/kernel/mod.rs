//! The hot loops: the only room where `unsafe` is allowed, and why.
//!
//! *Law.* Every kernel is one arithmetic, compiled for several instruction sets and chosen at run time
//! ([`isa::Isa`]). An output element has one writer and a fixed order of operations, so its bits depend
//! neither on the instruction set nor on the number of threads. Each kernel stands on a definition in
//! plain loops: a test compares it with that, and the instruction sets with each other to the bit.
//!
//! *Safety.* Public functions check shapes and bounds with `assert!`; below them pointers stay inside
//! because a [`map::FeatureMap`] has a pixel of margin on each side and channels padded to whole registers.

mod aligned;
pub mod conv;
mod dispatch;
pub use dispatch::{Loop, vectorized};
mod fetch;
pub use fetch::fetch;
pub mod fft;
pub mod isa;
mod lanes;
pub mod map;
pub mod moved;
pub mod norm;
pub mod peak;
mod shared;
mod shuffle;
