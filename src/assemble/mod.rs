//! Between patches and the canvas: how large it is, how patches get onto it, and what comes of it.
//!
//! * [`canvas`]: sizes, in integers;
//! * [`place`]: the linear operator patches → canvas and its adjoint;
//! * [`stitch`](mod@stitch): the weighted average of overlapping patches.

pub mod canvas;
pub mod place;
pub mod stitch;

pub use canvas::{Jitter, Layout, required_canvas};
pub use place::Placement;
pub use stitch::{Stitched, stitch};
