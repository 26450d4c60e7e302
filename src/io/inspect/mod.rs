//! Statistics of a file in one pass over its patterns.
//!
//! *Definitions.* Intensity is counts, or the square of amplitude. Of the patterns: the *dose* is the sum of intensity;
//! *dead* is a pixel that is zero in every pattern while the sums of its neighbors have a median of 20 or more (a Poisson
//! pixel would be zero with probability `exp(-20)`); *hot* is one, more than a pixel and `N / 32` away from DC, whose sum
//! is above five times its brightest neighbor's and 20; *saturated* are values at the largest value, if that occurs three
//! times or more and more often than the next smaller value (photon statistics thin out towards the largest). Of the scan:
//! *pitch* is the distance to the nearest neighbor; *linear overlap* is `1 - pitch / D`, `D` the diameter of a disc as
//! large as the probe, `A = (sum I)^2 / sum I^2`; *coverage* is the share of the scan's bounding box that is within `D /
//! 2` of a position.
//!
//! *Conventions.* Pixels `[row, col]`, positions `(x, y)` = (column, row) in object pixels.

mod patterns;
mod scan;

use ndarray::{Array2, Array3};
use serde::Serialize;

use crate::error::Result;
use crate::io::measurement::{Measurement, PixelSize};
use crate::io::open_file::OpenFile;
use crate::json::Real;
use crate::judgment::Judgment;

pub use patterns::{PatternFacts, Pixels};
pub use scan::ScanFacts;

/// Least, mean and largest.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread {
    /// The least.
    pub min: Real,
    /// The mean.
    pub mean: Real,
    /// The largest.
    pub max: Real,
}

impl Spread {
    /// NaN of nothing, and where a value is NaN.
    fn of(values: &[f64]) -> Self {
        let broken = values.is_empty() || values.iter().any(|v| v.is_nan());
        let fold = |f: fn(f64, f64) -> f64, from| {
            Real(if broken {
                f64::NAN
            } else {
                values.iter().copied().fold(from, f)
            })
        };
        Self {
            min: fold(f64::min, f64::INFINITY),
            mean: Real(values.iter().sum::<f64>() / values.len() as f64),
            max: fold(f64::max, f64::NEG_INFINITY),
        }
    }
}

/// Statistics of the probe.
#[derive(Debug, Clone, Serialize)]
pub struct ProbeFacts {
    /// Modes.
    pub modes: usize,
    /// Rows and columns.
    pub size: [usize; 2],
    /// Values that are not finite.
    pub not_finite: usize,
    /// Sum of squares over all modes.
    pub power: Real,
    /// Share of each mode.
    pub shares: Vec<Real>,
    /// Diameter of a disc as large as the probe, in pixels.
    pub diameter: Real,
    /// Mean dose over power: 1 if the probe is scaled to the data and the object is about 1.
    pub dose_over_power: Option<Real>,
}

/// All that was found.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// The format.
    pub format: String,
    /// Its generation, where there are several.
    pub generation: String,
    /// The name of the data.
    pub name: String,
    /// The patterns, if there are any.
    pub patterns: Option<PatternFacts>,
    /// The positions, if there are any.
    pub scan: Option<ScanFacts>,
    /// The probe, if there is one.
    pub probe: Option<ProbeFacts>,
    /// Rows and columns of the object, if there is one.
    pub object: Option<[usize; 2]>,
    /// Its pixels that are not finite.
    pub object_not_finite: usize,
    /// The object's pixel in meters.
    pub pixel_m: Option<PixelSize>,
    /// The detector's pixel in meters.
    pub detector_pixel_m: Option<PixelSize>,
    /// From object to detector, in meters.
    pub distance_m: Option<f64>,
    /// In electronvolt.
    pub photon_energy_ev: Option<f64>,
    /// Pixels that the mask calls bad, if there is a mask.
    pub masked: Option<usize>,
    /// Assumptions.
    pub notes: Vec<String>,
    /// The mean intensity, `[row, col]`.
    #[serde(skip)]
    pub mean: Option<Array2<f64>>,
}

impl Inspection {
    /// Values that are not finite, of patterns, positions, probe and object.
    pub fn non_finite(&self) -> usize {
        let patterns = self.patterns.as_ref().map_or(0, |p| p.not_finite);
        let scan = self.scan.as_ref().map_or(0, |s| s.not_finite);
        let probe = self.probe.as_ref().map_or(0, |p| p.not_finite);
        patterns + scan + probe + self.object_not_finite
    }

    /// Values looked at: of patterns, positions, probe and object.
    pub fn values(&self) -> usize {
        let area = |[rows, cols]: [usize; 2]| rows * cols;
        let patterns = (self.patterns.as_ref()).map_or(0, |p| p.count * area(p.size));
        let scan = self.scan.as_ref().map_or(0, |s| 2 * s.count);
        let probe = self.probe.as_ref().map_or(0, |p| p.modes * area(p.size));
        patterns + scan + probe + self.object.map_or(0, area)
    }

    /// Inconsistencies, a line each.
    pub fn mismatches(&self) -> Vec<String> {
        let mut all = Vec::new();
        if let Some(p) = &self.patterns {
            let positions = self.scan.as_ref().map_or(0, |s| s.count);
            if positions != p.count {
                all.push(format!("{} patterns and {positions} positions", p.count));
            }
            if p.count > 0 && p.dark_patterns == p.count {
                all.push(format!("all {} patterns are zero", p.count));
            }
            if let Some(probe) = self.probe.as_ref().filter(|q| q.size != p.size) {
                let ([a, b], [c, d]) = (p.size, probe.size);
                all.push(format!(
                    "patterns of {a} x {b} but a probe of {c} x {d} pixels"
                ));
            }
        }
        let off = self
            .scan
            .as_ref()
            .and_then(|s| Some((s.off_object?, s.count)));
        if let (Some((off @ 1.., count)), Some([rows, cols])) = (off, self.object) {
            all.push(format!(
                "{off} of {count} positions are outside the object of {rows} x {cols} pixels"
            ));
        }
        all
    }

    /// The outcome of its check.
    pub fn judgment(&self) -> Judgment {
        if self.non_finite() > 0 {
            Judgment::NonFinite
        } else {
            Judgment::holds(self.mismatches().is_empty(), self.values())
        }
    }
}

/// Looks at everything; patterns are read once, in batches.
///
/// # Errors
/// If the patterns cannot be read.
pub fn inspect(contents: &mut OpenFile) -> Result<Inspection> {
    let m: Measurement = contents.measurement.clone();
    let (patterns, mean) = match &mut contents.stack {
        Some(stack) => {
            let (facts, mean) = patterns::patterns(stack, m.good.as_ref())?;
            (Some(facts), Some(mean))
        }
        None => (None, None),
    };
    let probe = contents.probe.as_ref().map(|p| {
        let dose = patterns.as_ref().map(|f| f.dose.mean.get());
        probe(p, dose)
    });
    let side = (patterns.as_ref().map(|f| f.size[1])).or(probe.as_ref().map(|p| p.size[1]));
    let diameter = probe.as_ref().map(|p| p.diameter.get());
    let object = contents.object.as_ref().map(Array2::dim);
    let scan = (!contents.positions.is_empty()).then(|| {
        scan::scan(
            &contents.positions,
            &contents.scan_index,
            side,
            diameter,
            object,
        )
    });
    Ok(Inspection {
        format: contents.format.to_string(),
        generation: contents.generation.clone(),
        name: contents.name.clone(),
        patterns,
        scan,
        probe,
        object: object.map(|(h, w)| [h, w]),
        object_not_finite: (contents.object.iter().flatten())
            .filter(|z| !z.is_finite())
            .count(),
        pixel_m: m.pixel_m,
        detector_pixel_m: m.detector_pixel_m,
        distance_m: m.distance_m,
        photon_energy_ev: m.photon_energy_ev,
        masked: m.good.map(|g| g.iter().filter(|g| !**g).count()),
        notes: contents.notes.clone(),
        mean,
    })
}

fn probe(modes: &Array3<num_complex::Complex32>, dose: Option<f64>) -> ProbeFacts {
    let (count, rows, cols) = modes.dim();
    let power: Vec<f64> = (modes.outer_iter())
        .map(|m| m.iter().map(|v| f64::from(v.norm_sqr())).sum())
        .collect();
    let all: f64 = power.iter().sum();
    let mut intensity = Array2::<f64>::zeros((rows, cols));
    for mode in modes.outer_iter() {
        for (l, v) in intensity.iter_mut().zip(mode) {
            *l += f64::from(v.norm_sqr());
        }
    }
    let squares: f64 = intensity.iter().map(|l| l * l).sum();
    let area = all * all / squares;
    ProbeFacts {
        modes: count,
        size: [rows, cols],
        not_finite: modes.iter().filter(|z| !z.is_finite()).count(),
        power: Real(all),
        shares: power.iter().map(|p| Real(p / all)).collect(),
        diameter: Real(2.0 * (area / std::f64::consts::PI).sqrt()),
        dose_over_power: dose.map(|d| Real(d / all)),
    }
}
