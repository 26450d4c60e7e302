//! All scores of a reconstruction, and the figures that may gate.
//!
//! *Law.* Every figure that has a bound has a direction: less error, or more likeness. The complex correlation has none, because a
//! flat object scores .96 on it (peers, section 5.5).

use serde::Serialize;

use super::detector::OnDetector;
use super::evaluation::Evaluation;
use super::fidelity::Fidelity;
use crate::ground::json::Real;

/// Pixels below which a figure against a truth gates nothing: the gauge alone has six numbers to fit them with.
pub const FEW: usize = 64;

/// The version of the form.
pub const SCHEMA: &str = "ptyproof.score/1";

/// All scores.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scores {
    /// `ptyproof.score/1`.
    pub schema: String,
    /// Of what.
    pub of: String,
    /// Against what.
    pub truth: Option<String>,
    /// On which patterns.
    pub data: Option<String>,
    /// What the region is, in words.
    pub region: Option<String>,
    /// Side of an object pixel, metres.
    pub pixel_m: Option<Real>,
    /// Against the truth.
    pub fidelity: Option<Fidelity>,
    /// On the detector.
    pub detector: Option<OnDetector>,
    /// The reference's own evaluation.
    pub reference: Option<Evaluation>,
    /// What was assumed.
    pub notes: Vec<String>,
}

/// Figures that a gate can hold, by name: first those that are good when small, then those that are good when large.
pub const GATES: [&[&str]; 2] = [
    &[
        "nrmse",
        "amplitude_mae",
        "amplitude_mse",
        "phase_mae",
        "phase_mse",
        "r_factor",
        "residual",
        "chi_square",
    ],
    &[
        "amplitude_psnr",
        "amplitude_ssim",
        "amplitude_ms_ssim",
        "phase_psnr",
        "phase_ssim",
        "phase_ms_ssim",
        "frc_mean",
        "frc_half",
        "frc_half_bit",
    ],
];

impl Scores {
    /// Whether a figure of [`GATES`] is of a truth on fewer than [`FEW`] pixels.
    pub fn is_of_few(&self, name: &str) -> bool {
        let of_truth = of_detector(name).is_none();
        of_truth && self.fidelity.as_ref().is_some_and(|f| f.pixels < FEW)
    }

    /// A figure of [`GATES`]; `None` if there is none of that name, or it was not to be had.
    pub fn figure(&self, name: &str) -> Option<f64> {
        let value = match of_detector(name) {
            Some(of) => self.detector.as_ref().map(of),
            None => self.fidelity.as_ref().and_then(|f| of_fidelity(f, name)),
        };
        value.map(Real::get).filter(|v| !v.is_nan())
    }
}

/// The figure of that name on the detector, if it is one of those.
fn of_detector(name: &str) -> Option<fn(&OnDetector) -> Real> {
    match name {
        "r_factor" => Some(|d| d.r_factor),
        "residual" => Some(|d| d.residual),
        "chi_square" => Some(|d| d.chi_square),
        _ => None,
    }
}

fn of_fidelity(f: &Fidelity, name: &str) -> Option<Real> {
    let frc = f.frc.as_ref();
    match name {
        "nrmse" => return Some(f.nrmse),
        "frc_mean" => return frc.map(|c| c.mean),
        "frc_half" => return frc.map(|c| c.half.of_nyquist),
        "frc_half_bit" => return frc.map(|c| c.half_bit.of_nyquist),
        _ => {}
    }
    let (image, figure) = name.split_once('_')?;
    let quality = match image {
        "amplitude" => &f.amplitude,
        "phase" => &f.phase,
        _ => return None,
    };
    match figure {
        "mae" => Some(quality.mae),
        "mse" => Some(quality.mse),
        "psnr" => Some(quality.psnr),
        "ssim" => quality.ssim.map(|s| s.value),
        "ms_ssim" => quality.ms_ssim.map(|s| s.value),
        _ => None,
    }
}
