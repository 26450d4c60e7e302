//! Writing what a file holds in another format.
//!
//! *Law.* What a format cannot hold is left out and said; nothing is made up but an object of ones for
//! a product without one, marked so that it is left out again. Roundings:
//!
//! | to | amplitude | positions |
//! |---|---|---|
//! | PtychoPINN NPZ | kept; of counts the root, rounded to float32 | kept |
//! | product | left out | metres, `(x - W/2) d`: on reading within `4 eps (x + W)` pixels |
//! | CXI | counts kept; of amplitude the square, rounded to float32, whose root is the amplitude again where the square is a normal number | metres without origin, within `8 eps` times the largest |

use std::path::Path;

use ndarray::Array2;
use num_complex::Complex32;

use super::{cxi_write, product_write};
use crate::error::{Error, Result};
use crate::geometry::CanvasSize;
use crate::io::formats::Format;
use crate::io::npz::write::write_contents;
use crate::io::open_file::OpenFile;

/// How to write.
#[derive(Debug, Clone, Copy, Default)]
pub struct Writing {
    /// Whether to leave arrays uncompressed, so that parts can be read.
    pub store: bool,
    /// Whether a CXI file's translation is to be the probe's motion and not the sample's.
    pub probe_moves: bool,
}

/// Writes `contents` to `path` in `format`, patterns batch by batch; says what was left out, put in or
/// set to zero. A file that is there is replaced, and only once the new one is whole.
///
/// # Errors
/// If the format needs what is not known, a pattern is not finite, or the file system refuses.
pub fn write(
    path: impl AsRef<Path>,
    contents: &mut OpenFile,
    format: Format,
    how: Writing,
) -> Result<Vec<String>> {
    let path = path.as_ref();
    let before = contents.notes.len();
    if let Some(side) = contents.side() {
        contents.measurement.complete(side);
    }
    match format {
        Format::PtychoPinn => write_contents(path, contents, how.store)?,
        Format::ProductHdf5 => product_write::hdf5(path, contents)?,
        Format::ProductNpz => product_write::npz(path, contents, how.store)?,
        Format::Cxi => cxi_write::write(path, contents, how)?,
        Format::Tike => {
            return Err(Error::usage(format!("writing {}", path.display()))
                .got("the format tike")
                .need("ptychopinn, product, product-npz or cxi"));
        }
    }
    Ok(contents.notes.split_off(before))
}

/// An object of ones that holds every patch of `side`, and says so in `notes`.
pub(super) fn placeholder(
    contents: &OpenFile,
    side: usize,
    notes: &mut Vec<String>,
) -> Result<Array2<Complex32>> {
    let reach = |of: fn(&crate::geometry::Position) -> f64| {
        let far = contents.positions.iter().map(of).fold(0.0, f64::max);
        let need = (far + side as f64 / 2.0).ceil() + 1.0;
        (need.is_finite() && need <= CanvasSize::MAX as f64).then_some(need as usize)
    };
    let (Some(w), Some(h)) = (reach(|p| p.x), reach(|p| p.y)) else {
        return Err(Error::input("making an object for a product")
            .at("positions")
            .got(format!("positions beyond {} pixels", CanvasSize::MAX))
            .need("positions in object pixels"));
    };
    notes.push(format!(
        "a product wants an object: {h} x {w} pixels of 1 were put in, and marked as such"
    ));
    Ok(Array2::from_elem((h, w), Complex32::new(1.0, 0.0)))
}
