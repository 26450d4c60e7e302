//! The reconstruction of a hub, this program's or the reference's, as one complex image; and the probe that an engine left there.

use std::path::Path;

use ndarray::{Array2, Array3};
use num_complex::{Complex32, Complex64};

use super::dir;
use crate::data::npz::{Values, read_npy, read_plane};
use crate::error::{Error, Result};

/// Amplitude and phase of a hub together, `[row, col]`: exactly zero where nothing was seen, NaN where amplitude or phase is not
/// finite.
///
/// # Errors
/// If a file is missing, cannot be read, or the two differ in shape.
pub fn image(hub: &Path) -> Result<Array2<Complex64>> {
    let action = "reading the reconstruction of a hub";
    if !hub.join(dir::AMPLITUDE).is_file() {
        return Err(Error::input(action)
            .at(hub.join(dir::AMPLITUDE).display())
            .got("nothing")
            .need("the amplitude as an array")
            .help("a hub that keeps only statistics of its images cannot be compared by pixel"));
    }
    let [amplitude, phase] = [dir::AMPLITUDE, dir::PHASE].map(|f| read_plane(hub.join(f)));
    let (amplitude, phase) = (amplitude?, phase?);
    if amplitude.dim() != phase.dim() {
        return Err(Error::input(action)
            .at(hub.join(dir::PHASE).display())
            .got(format!("{:?}", phase.dim()))
            .need(format!("the amplitude's shape, {:?}", amplitude.dim())));
    }
    let mut image = amplitude.mapv(Complex64::from);
    for (z, phi) in image.iter_mut().zip(&phase) {
        // an uncovered pixel has amplitude zero and any phase
        *z = if *z == Complex64::ZERO {
            *z
        } else {
            *z * Complex64::cis(*phi)
        };
        // a phase that is no number is one, whatever the amplitude
        if !(z.is_finite() && phi.is_finite()) {
            *z = Complex64::new(f64::NAN, f64::NAN);
        }
    }
    Ok(image)
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
            .need("complex modes, [mode, row, col], as `reconstruct` leaves them")
    };
    let modes = match read_npy(&path)? {
        Values::Complex(a) => a,
        Values::Real(a) => return Err(refuse(format!("float32 {:?}", a.shape()))),
    };
    let shape = format!("complex64 {:?}", modes.shape());
    modes.into_dimensionality().map_err(|_| refuse(shape))
}
