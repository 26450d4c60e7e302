//! A plane of numbers from an npy file, in whichever float type.

use std::fs;
use std::path::Path;

use ndarray::{Array2, ArrayD, Ix2};
use ndarray_npy::ReadNpyExt;

use crate::error::{Error, Result};

/// An npy of two axes, in float32 or float64.
///
/// # Errors
/// If it is not that, or not whole.
pub fn plane(path: &Path) -> Result<Array2<f64>> {
    let action = "reading an array";
    let bytes = fs::read(path).map_err(|e| Error::io(action).at(path.display()).because(e))?;
    let wide = match ArrayD::<f32>::read_npy(&bytes[..]) {
        Ok(a) => a.mapv(f64::from),
        Err(first) => ArrayD::<f64>::read_npy(&bytes[..]).map_err(|_| {
            Error::input(action)
                .at(path.display())
                .because(first)
                .need("a whole npy of float32 or float64")
        })?,
    };
    let shape = wide.shape().to_vec();
    wide.into_dimensionality::<Ix2>().map_err(|_| {
        Error::input(action)
            .at(path.display())
            .got(format!("shape {shape:?}"))
            .need("two axes")
    })
}
