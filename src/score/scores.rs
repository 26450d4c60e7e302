//! All scores of a reconstruction, and the figures that may gate.
//!
//! *Law.* Every figure that has a bound has a direction: less error, or more likeness. The complex correlation has none, because a
//! flat object scores .96 on it (peers, section 5.5).

use serde::Serialize;

use super::detector::DetectorFit;
use super::evaluation::Evaluation;
use super::fidelity::Fidelity;
use super::ssim::Window;
use crate::finite::PlaneCensus;
use crate::json::Real;
use crate::judgment::Judgment;

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
    /// Inputs that are not finite.
    pub non_finite: NonFinite,
    /// Description of the region.
    pub region: Option<String>,
    /// Side of an object pixel, meters.
    pub pixel_m: Option<Real>,
    /// Against the truth.
    pub fidelity: Option<Fidelity>,
    /// On the detector.
    pub detector: Option<DetectorFit>,
    /// The reference's own evaluation.
    pub reference: Option<Evaluation>,
    /// Assumptions.
    pub notes: Vec<String>,
}

/// Values that are not finite in what was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct NonFinite {
    /// Pixels of the reconstruction, on its own pixels.
    pub reconstruction: PlaneCensus,
    /// Pixels of the truth, on its own pixels.
    pub truth: Option<PlaneCensus>,
    /// Values of the reconstruction's probe.
    pub probe: usize,
    /// Whether any of them is in the requested region.
    pub in_region: bool,
}

impl NonFinite {
    /// Whether everything is finite.
    pub fn is_empty(&self) -> bool {
        self.reconstruction.is_finite()
            && self.truth.is_none_or(|t| t.is_finite())
            && self.probe == 0
    }
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
    /// A figure of [`GATES`]; `None` if there is none of that name, or nothing that it could be taken of.
    pub fn figure(&self, name: &str) -> Option<Real> {
        match of_detector(name) {
            Some(of) => self.detector.as_ref().map(of),
            None => self.fidelity.as_ref().and_then(|f| of_fidelity(f, name)),
        }
    }

    /// Windows of a similarity that are known, and all that fit into the region; `None` for other figures.
    pub fn windows(&self, name: &str) -> Option<[usize; 2]> {
        let f = self.fidelity.as_ref()?;
        let quality = match name {
            "amplitude_ssim" | "amplitude_ms_ssim" => &f.amplitude,
            "phase_ssim" | "phase_ms_ssim" => &f.phase,
            _ => return None,
        };
        let [top, bottom, left, right] = f.region;
        let fit = |from: usize, to: usize| (to - from + 1).saturating_sub(Window::Gaussian.side());
        quality
            .ssim
            .map(|s| [s.windows, fit(top, bottom) * fit(left, right)])
    }

    /// Whether something is not finite where figures were asked for.
    pub fn has_events(&self) -> bool {
        !self.non_finite.is_empty() && self.non_finite.in_region
    }

    /// The outcome without a gate: whether they could be taken, of numbers that are finite, and whether
    /// the reconstruction explains anything on the detector.
    pub fn judgment(&self) -> Judgment {
        if self.has_events() {
            return Judgment::NonFinite;
        }
        let fidelity = self.fidelity.as_ref().map(Fidelity::judgment);
        let detector = self.detector.as_ref().map(DetectorFit::judgment);
        let patterns = (self.data.is_some() && detector.is_none()).then_some(Judgment::Undecided);
        Judgment::worst(fidelity.into_iter().chain(detector).chain(patterns))
    }
}

/// Whether a figure is one on the detector.
pub(super) fn is_on_detector(name: &str) -> bool {
    of_detector(name).is_some()
}

/// The figure of that name on the detector, if it is one of those.
fn of_detector(name: &str) -> Option<fn(&DetectorFit) -> Real> {
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
