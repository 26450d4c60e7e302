//! Between patches and the canvas: how large it is, how patches get onto it, and what comes of it.
//!
//! * [`canvas`]: sizes, in integers;
//! * [`place`]: the linear operator patches → canvas and its adjoint;
//! * `bands`: the same operator for many patches, on threads;
//! * [`stitch`](mod@stitch): the weighted average of overlapping patches;
//! * [`agree`](mod@agree): global phases on which patches agree where they overlap.

pub mod agree;
mod bands;
pub mod canvas;
mod lined;
pub mod place;
mod run;
pub mod stitch;

pub use canvas::{Jitter, Layout, central, required_canvas};
pub use place::Placement;
pub use stitch::{Stitched, Stitcher, stitch};
