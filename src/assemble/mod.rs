//! Patches and the canvas: its size, placement of patches, and stitching.
//!
//! * [`canvas`]: sizes, in integers;
//! * [`place`]: the linear operator patches → canvas and its adjoint;
//! * `parallel_place`: the same operator for many patches, on threads;
//! * [`stitch`](mod@stitch): the weighted average of overlapping patches;
//! * [`phase_sync`]: synchronization of the global phases of overlapping patches.

pub mod canvas;
mod padded_rows;
mod parallel_place;
pub mod phase_sync;
pub mod place;
pub mod stitch;
mod uniform_taps;

pub use canvas::{Jitter, Layout, central, required_canvas};
pub use place::Placement;
pub use stitch::{Stitched, Stitcher, stitch};
