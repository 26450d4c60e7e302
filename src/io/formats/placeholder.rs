//! The object of a product that has none.

use ndarray::Array2;
use num_complex::Complex32;

use crate::error::{Error, Result};
use crate::geometry::CanvasSize;
use crate::io::open_file::OpenFile;

/// The attribute or key of a placeholder object of ones.
pub(super) const PLACEHOLDER: &str = "ptyproof_placeholder";

/// An object of ones that contains every patch of `side`, recorded in `notes`.
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
        return Err(Error::input("creating an object for a product")
            .at("positions")
            .got(format!("positions beyond {} pixels", CanvasSize::MAX))
            .need("positions in object pixels"));
    };
    notes.push(format!(
        "a product needs an object: {h} x {w} pixels of 1 were written and marked as a placeholder"
    ));
    Ok(Array2::from_elem((h, w), Complex32::new(1.0, 0.0)))
}
