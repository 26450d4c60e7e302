//! The reconstruction of a hub of this program or of the reference as one complex image, and the probe of an engine.

use std::path::Path;

use ndarray::{Array2, Array3};
use num_complex::{Complex32, Complex64};

use crate::error::{Error, Result};
use crate::hub::dir;
use crate::io::npz::{Values, read_npy, read_plane};

/// Amplitude and phase of a hub together, `[row, col]`: exactly zero where nothing was seen; NaN where amplitude or phase is NaN,
/// infinite where one of them is.
///
/// # Errors
/// If a file is missing, cannot be read, or the two differ in shape.
pub fn image(hub: &Path) -> Result<Array2<Complex64>> {
    let action = "reading the reconstruction of a hub";
    if !hub.join(dir::AMPLITUDE).is_file() {
        return Err(Error::input(action)
            .at(hub.join(dir::AMPLITUDE).display())
            .got("nothing")
            .need("the amplitude array")
            .help("this hub has only statistics of its images, so pixels cannot be compared"));
    }
    let [amplitude, phase] = [dir::AMPLITUDE, dir::PHASE].map(|f| read_plane(hub.join(f)));
    let (amplitude, phase) = (amplitude?, phase?);
    if amplitude.dim() != phase.dim() {
        return Err(Error::input(action)
            .at(hub.join(dir::PHASE).display())
            .got(format!("{:?}", phase.dim()))
            .need(format!("the shape of the amplitude, {:?}", amplitude.dim())));
    }
    Ok(ndarray::Zip::from(&amplitude)
        .and(&phase)
        .map_collect(|&a, &phi| pixel(a, phi)))
}

/// A pixel of amplitude and phase. A phase that is not finite is an event, whatever the amplitude.
fn pixel(amplitude: f64, phase: f64) -> Complex64 {
    if amplitude.is_finite() && phase.is_finite() {
        // an uncovered pixel has amplitude zero and any phase
        return if amplitude == 0.0 {
            Complex64::ZERO
        } else {
            Complex64::from_polar(amplitude, phase)
        };
    }
    let bad = if amplitude.is_nan() || phase.is_nan() {
        f64::NAN
    } else {
        f64::INFINITY
    };
    Complex64::new(bad, bad)
}

/// The probe that an iterative engine refined, `[mode, row, col]`, complex64.
///
/// # Errors
/// If the hub has no probe, or none of complex modes.
pub fn probe(hub: &Path) -> Result<Array3<Complex32>> {
    let path = hub.join(dir::PROBE);
    let refuse = |got: String| {
        Error::input("reading the probe of a hub")
            .at(path.display())
            .got(got)
            .need("complex modes, [mode, row, col], as `reconstruct` writes them")
    };
    let modes = match read_npy(&path)? {
        Values::Complex(a) => a,
        Values::Real(a) => return Err(refuse(format!("float32 {:?}", a.shape()))),
    };
    let shape = format!("complex64 {:?}", modes.shape());
    modes.into_dimensionality().map_err(|_| refuse(shape))
}
