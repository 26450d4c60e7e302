//! Metadata of a measurement: lengths, energy, bad pixels, further modes of the probe.
//!
//! *Law.* Lengths and energies are finite and above zero; the mask has the patterns' size and a good
//! pixel; modes have the probe's size and are finite. What is not known is absent, never zero.
//!
//! *Source.* Far field geometry: a detector of `N` pixels of `d` meters at `z` meters samples the
//! object at `lambda z / (N d)`. `h c` is exact in SI units since 2019.

use ndarray::{Array2, Array3};
use num_complex::Complex32;
use serde::Serialize;

use crate::error::{Error, Result};

/// `h c` in electronvolt meters.
const HC_EV_M: f64 = 6.626_070_15e-34 * 299_792_458.0 / JOULE_PER_EV;
/// One electronvolt in joule.
pub const JOULE_PER_EV: f64 = 1.602_176_634e-19;

/// The lengths of a pixel in meters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PixelSize {
    /// Along a row: the width.
    pub x: f64,
    /// Along a column: the height.
    pub y: f64,
}

impl PixelSize {
    /// Both lengths, if they are finite and above zero.
    pub fn known(x: f64, y: f64) -> Option<Self> {
        (known(x).is_some() && known(y).is_some()).then_some(Self { x, y })
    }
}

/// A valid number: finite and above zero.
pub(crate) fn known(v: f64) -> Option<f64> {
    (v.is_finite() && v > 0.0).then_some(v)
}

/// Metadata for engines and other formats, besides patterns, positions, probe and object.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measurement {
    /// Modes of the probe beyond the first, `[mode, row, col]`, `N x N` each, complex64, in the
    /// probe's unit.
    pub further_modes: Option<Array3<Complex32>>,
    /// Which pixels of the detector to believe, `[row, col]`, `N x N`, true = good; DC at `[N/2, N/2]`.
    pub good: Option<Array2<bool>>,
    /// The object's pixel, in meters.
    pub pixel_m: Option<PixelSize>,
    /// The detector's pixel, in meters.
    pub detector_pixel_m: Option<PixelSize>,
    /// From the object to the detector, in meters.
    pub distance_m: Option<f64>,
    /// The energy of a photon, in electronvolt.
    pub photon_energy_ev: Option<f64>,
}

impl Measurement {
    /// Pixels that the mask calls bad.
    pub fn masked(&self) -> usize {
        self.good.iter().flatten().filter(|g| !**g).count()
    }

    /// The wavelength in meters, `h c / E`, where the energy is known.
    pub fn wavelength_m(&self) -> Option<f64> {
        self.photon_energy_ev.map(|e| HC_EV_M / e)
    }

    /// Fills in the object's pixel from wavelength, distance and detector, `lambda z / (N d)`, or the
    /// detector's from the object's, where one of the two is missing; `side` is `N`.
    pub fn complete(&mut self, side: usize) {
        let Some(k) = (self.wavelength_m().zip(self.distance_m)).map(|(l, z)| l * z / side as f64)
        else {
            return;
        };
        let other = |p: PixelSize| PixelSize::known(k / p.x, k / p.y);
        match (self.pixel_m, self.detector_pixel_m) {
            (None, Some(d)) => self.pixel_m = other(d),
            (Some(p), None) => self.detector_pixel_m = other(p),
            _ => {}
        }
    }

    /// Refuses a mask that is not of the patterns' size; `error` names the data.
    pub(crate) fn check_mask(
        &self,
        (rows, cols): (usize, usize),
        error: impl Fn(&str) -> Error,
    ) -> Result<()> {
        match &self.good {
            Some(g) if g.dim() != (rows, cols) => Err(error("mask of good pixels")
                .got(format!("{} x {} pixels", g.nrows(), g.ncols()))
                .need(format!("{rows} x {cols}, the size of the patterns"))),
            _ => Ok(()),
        }
    }

    /// Refuses what breaks the law of this module for patterns of `side`; `error` names the data.
    pub(crate) fn check(&self, side: usize, error: impl Fn(&str) -> Error) -> Result<()> {
        if let Some(m) = &self.further_modes {
            let (_, rows, cols) = m.dim();
            if (rows, cols) != (side, side) {
                return Err(error("further modes of the probe")
                    .got(format!("{rows} x {cols} pixels"))
                    .need(format!("{side} x {side}, the size of the patterns")));
            }
            let bad = |v: &&Complex32| !(v.re.is_finite() && v.im.is_finite());
            if let Some(v) = m.iter().find(bad) {
                return Err(error("further modes of the probe")
                    .not_finite()
                    .got(v)
                    .need("finite values"));
            }
        }
        self.check_mask((side, side), &error)?;
        if let Some(g) = &self.good
            && !g.iter().any(|v| *v)
        {
            return Err(error("mask of good pixels")
                .got("no good pixel")
                .need("at least one")
                .help(
                    "a mask of bad pixels (1 = bad) may have been used as a mask of good pixels",
                ));
        }
        let pixel = |p: Option<PixelSize>| p.map_or([None; 2], |p| [Some(p.x), Some(p.y)]);
        let [px, py] = pixel(self.pixel_m);
        let [dx, dy] = pixel(self.detector_pixel_m);
        for (what, value) in [
            ("width of an object pixel in meters", px),
            ("height of an object pixel in meters", py),
            ("width of a detector pixel in meters", dx),
            ("height of a detector pixel in meters", dy),
            ("distance in meters", self.distance_m),
            ("photon energy in electronvolts", self.photon_energy_ev),
        ] {
            if let Some(v) = value
                && known(v).is_none()
            {
                return Err(error(what)
                    .because_of(v)
                    .got(v)
                    .need("a finite number above zero"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ptyproof_testkit::tolerance::{DECIMALS_9, F64_STEPS_64, assert_close};

    #[test]
    fn object_pixel_matches_a_published_geometry() {
        // lambda = 12.39841984 keV Angstrom / E: 10 keV is 1.23984198 Angstrom
        let mut m = Measurement {
            photon_energy_ev: Some(1e4),
            distance_m: Some(2.0),
            detector_pixel_m: PixelSize::known(75e-6, 150e-6),
            ..Measurement::default()
        };
        let printed = 1.239_841_984;
        assert_close!(m.wavelength_m().unwrap() * 1e10, printed, DECIMALS_9);
        m.complete(128);
        let p = m.pixel_m.unwrap();
        let want = printed * 1e-10 * 2.0 / (128.0 * 75e-6);
        assert_close!(p.x, want, DECIMALS_9.as_relative());
        assert_close!(p.x / p.y, 2.0, F64_STEPS_64);
    }

    #[test]
    fn mask_without_good_pixels_is_refused() {
        let m = Measurement {
            good: Some(Array2::from_elem((4, 4), false)),
            ..Measurement::default()
        };
        let message = m.check(4, |at| Error::input(at)).unwrap_err().to_string();
        assert!(message.contains("no good pixel"), "{message}");
        assert!(
            Measurement::default()
                .check(4, |at| Error::input(at))
                .is_ok()
        );
    }
}
