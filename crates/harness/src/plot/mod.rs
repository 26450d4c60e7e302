//! Pictures show everything that is in the array: what is not finite has its own color and is counted.
//!
//! *Conventions.* `[row, col]` arrays are drawn with row 0 at the top, one array pixel as a square of
//! `k` by `k` picture pixels (an array too large for the screen is averaged over squares, and says so).
//! Axes count array pixels. Pixels that are not finite are [`NOT_FINITE`], and a caption counts them
//! and those outside the color range. The same input gives the same PNG bytes.
//!
//! *Source.* Reference description, sections e (display domain: `vmin = 0`, `vmax = max`) and m
//! (`amp_png_range`, with its floor of `1e-9`); color tables in `lut.rs`.
//!
//! ```
//! use ptyproof_harness::plot::{self, Panel};
//! let a = ndarray::arr2(&[[0.0f32, 1.0], [f32::NAN, 2.0]]);
//! let png = plot::panels("two by two", &[Panel::amplitude("amplitude", a.view())]).unwrap();
//! assert_eq!(&png[1..4], b"PNG");
//! ```

mod axis;
mod canvas;
mod color;
mod curves;
mod lut;
mod panels;

pub use canvas::Rgb;
pub use color::{ColorMap, Range};
pub use curves::{Chart, Curve, charts};
pub use panels::{Panel, PanelAxis, comparison, panels};

/// The color of a pixel that is not finite: in no color table, visible on dark and on light.
pub const NOT_FINITE: Rgb = [0, 255, 127];
