//! Alignment of two complex images up to the ambiguities of diffraction: global phase and scale, a linear phase ramp, a
//! shift, and the conjugate mirror image (the twin).
//!
//! *Conventions.* A gauge says how the second image must change to be the first: `a(r) ~ scale exp(i phase) exp(i ramp (r -
//! r0)) b(r - shift)`, with `r0` the middle of the image, axes `[y, x]`, pixels and radians per pixel; a twin is conjugated
//! and mirrored first. Pixels that are exactly zero in both are outside; pixels that are not finite in either are unknown
//! and excluded. Distances are relative: rms to the rms of the first image, worst to its largest modulus.
//!
//! *How.* The whole-pixel shift maximizes the correlation of amplitudes and of products of neighbors, both blind
//! to ramps; Gauss-Newton then fits all six numbers at once. Whole pixels are moved exactly, fractions by
//! cubic convolution (R. Keys, doi:10.1109/TASSP.1981.1163711), which leaves some 1e-3 of a smooth image and some 1e-2 of a
//! sharp one: a shift by a fraction of a pixel is named, but does not pass a tight gate.
//!
//! *Law.* An image in any gauge aligns to itself with zero distance, and alignment never increases the distance.

mod distance;
mod fit;
mod register;
#[cfg(test)]
mod tests;

use std::ops::Range;

use ndarray::{Array2, s};
use num_complex::Complex64;
use serde::Serialize;

pub use distance::Distance;

use crate::json::Real;
use distance::{Compared, compare, covers, known};
use fit::Fit;
use register::whole_shift;

/// The transform that maps the second image onto the first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Gauge {
    /// Whether the second is the conjugate mirror image.
    pub twin: bool,
    /// Factor.
    pub scale: Real,
    /// Phase at the image's middle, radians.
    pub phase: Real,
    /// `[y, x]`, radians per pixel.
    pub ramp: [Real; 2],
    /// `[y, x]`, pixels.
    pub shift: [Real; 2],
}

impl Gauge {
    /// The gauge that changes nothing.
    pub fn none() -> Self {
        gauge(false, &Fit::default())
    }

    /// The gauge that moves by `[y, x]` pixels.
    pub fn shift(shift: [f64; 2]) -> Self {
        let fit = Fit {
            shift,
            ..Fit::default()
        };
        gauge(false, &fit)
    }

    /// `b` in this gauge, `[row, col]`; NaN where that needs unknown or outside pixels of `b`.
    pub fn apply(&self, b: &Array2<Complex64>) -> Array2<Complex64> {
        let fit = Fit {
            factor: Complex64::from_polar(self.scale.get(), self.phase.get()),
            ramp: self.ramp.map(Real::get),
            shift: self.shift.map(Real::get),
        };
        if self.twin {
            fit::moved(&mirrored(b), &fit)
        } else {
            fit::moved(b, &fit)
        }
    }
}

/// The twin: turned by a rotation by 180 degrees, conjugated.
fn mirrored(b: &Array2<Complex64>) -> Array2<Complex64> {
    b.slice(s![..;-1, ..;-1]).mapv(|z| z.conj())
}

/// Errors of orientation or sign, which are faults and not part of a gauge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The rows run the other way.
    FlippedY,
    /// The columns run the other way.
    FlippedX,
    /// Rows are columns.
    SwappedAxes,
    /// Turned by a rotation by 180 degrees, not conjugated.
    HalfTurn,
    /// The sign of the phase.
    Conjugated,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::FlippedY,
        Self::FlippedX,
        Self::SwappedAxes,
        Self::HalfTurn,
        Self::Conjugated,
    ];

    /// In words.
    pub fn description(self) -> &'static str {
        match self {
            Self::FlippedY => "the sign of the y axis",
            Self::FlippedX => "the sign of the x axis",
            Self::SwappedAxes => "swapped axes",
            Self::HalfTurn => "a rotation by 180 degrees",
            Self::Conjugated => "the sign of the phase",
        }
    }

    fn undo(self, b: &Array2<Complex64>) -> Array2<Complex64> {
        match self {
            Self::FlippedY => b.slice(s![..;-1, ..]).to_owned(),
            Self::FlippedX => b.slice(s![.., ..;-1]).to_owned(),
            Self::SwappedAxes => b.t().to_owned(),
            Self::HalfTurn => b.slice(s![..;-1, ..;-1]).to_owned(),
            Self::Conjugated => b.mapv(|z| z.conj()),
        }
    }
}

/// Two images beside one another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alignment {
    /// Pixels that are compared.
    pub pixels: usize,
    /// As they are.
    pub raw: Distance,
    /// After phase and scale.
    pub scalar: Distance,
    /// After the whole gauge.
    pub aligned: Distance,
    /// The gauge.
    pub gauge: Gauge,
    /// Pixels that only the first, or only the second, covers after the whole gauge, of those that are known.
    pub covered_alone: [usize; 2],
    /// The fault that explains most of the remaining difference, if one does.
    pub fault: Option<Fault>,
}

impl Alignment {
    /// That of images of which too little is known: every distance is NaN.
    pub fn unknown() -> Self {
        let nan = Real(f64::NAN);
        let distance = Distance {
            rms: nan,
            worst: nan,
            at: [0, 0],
        };
        Self {
            pixels: 0,
            raw: distance,
            scalar: distance,
            aligned: distance,
            gauge: Gauge::none(),
            covered_alone: [0; 2],
            fault: None,
        }
    }
}

/// A larger remaining distance is searched for a [`Fault`].
const MIN_FAULT_DISTANCE: f64 = 0.02;
/// A fault explains a difference if at most this share of it remains.
const MAX_FAULT_REMAINDER_SHARE: f64 = 0.5;
/// An ambiguity is used if at most this share of the difference remains; otherwise the simpler gauge is kept.
const MAX_REMAINING_SHARE: f64 = 0.9;
/// Minimum share of the known pixels of the second image on the first: images that do not overlap have no gauge.
const MIN_OVERLAP_SHARE: f64 = 0.9;
/// Minimum known share of the smaller image: interpolation loses the edge, and a shift loses what leaves the frame.
const MIN_KNOWN_SHARE: f64 = 0.5;
/// A gauge is fitted on at most this many pixels a side, in the center of the covered area; distances use all pixels.
const MAX_FIT_SIDE_PX: usize = 512;

/// Compares two images of one shape; `None` if they differ in shape, or nothing finite is in both.
pub fn align(a: &Array2<Complex64>, b: &Array2<Complex64>) -> Option<Alignment> {
    if a.dim() != b.dim() {
        return None;
    }
    let (a, b) = known(a, b);
    let raw = compare(&a, &b);
    let pixels = raw.pixels;
    if pixels == 0 {
        return None;
    }
    let found = |scalar: Distance, best: &Best, fault| Alignment {
        pixels,
        raw: raw.distance,
        scalar,
        aligned: best.compared.distance,
        gauge: gauge(best.twin, &best.fit),
        covered_alone: best.compared.alone,
        fault,
    };
    if raw.distance.worst.get() == 0.0 {
        let best = Best::new(Fit::default(), raw, false);
        return Some(found(raw.distance, &best, None));
    }
    let best = nearest(&a, &b);
    let mut fault = None;
    if best.compared.distance.rms.get() > MIN_FAULT_DISTANCE {
        let mut least = MAX_FAULT_REMAINDER_SHARE * best.compared.distance.rms.get();
        for candidate in Fault::ALL {
            let undone = candidate.undo(&b);
            // rows and columns of an oblong image cannot be taken for one another
            if undone.dim() != a.dim() {
                continue;
            }
            if let Some((_, c)) = fitted(&a, &undone).filter(|(_, c)| c.distance.rms.get() < least)
            {
                (least, fault) = (c.distance.rms.get(), Some(candidate));
            }
        }
    }
    Some(found(alone(&a, &b).1.distance, &best, fault))
}

/// The complex factor that minimizes the distance of `b` to `a` over the pixels known in both.
pub fn scalar(a: &Array2<Complex64>, b: &Array2<Complex64>) -> Gauge {
    let factor = fit::factor(a, b);
    gauge(
        false,
        &Fit {
            factor,
            ..Fit::default()
        },
    )
}

/// The relative distance after full alignment; `None` as for [`align`].
pub fn distance_between(a: &Array2<Complex64>, b: &Array2<Complex64>) -> Option<Real> {
    let (a, b) = known(a, b);
    let raw = compare(&a, &b);
    match (raw.pixels, raw.distance.worst.get() == 0.0) {
        (0, _) => None,
        (_, true) => Some(raw.distance.rms),
        _ => Some(nearest(&a, &b).compared.distance.rms),
    }
}

/// A gauge, and what it leaves.
#[derive(Clone, Copy)]
struct Best {
    fit: Fit,
    compared: Compared,
    twin: bool,
}

impl Best {
    fn new(fit: Fit, compared: Compared, twin: bool) -> Self {
        Self {
            fit,
            compared,
            twin,
        }
    }
}

/// Phase and scale alone.
fn alone(a: &Array2<Complex64>, b: &Array2<Complex64>) -> (Fit, Compared) {
    let fit = Fit {
        factor: fit::factor(a, b),
        ..Fit::default()
    };
    (fit, compare(a, &b.mapv(|q| fit.factor * q)))
}

/// The simplest gauge that leaves about as little as any.
fn nearest(a: &Array2<Complex64>, b: &Array2<Complex64>) -> Best {
    let (fit, compared) = alone(a, b);
    let mut best = Best::new(fit, compared, false);
    let left = |c: &Compared| c.distance.rms.get();
    if let Some((fit, c)) =
        fitted(a, b).filter(|(_, c)| left(c) < MAX_REMAINING_SHARE * left(&best.compared))
    {
        best = Best::new(fit, c, false);
    }
    if left(&best.compared) > MIN_FAULT_DISTANCE {
        let twin = fitted(a, &mirrored(b))
            .filter(|(_, c)| left(c) < MAX_FAULT_REMAINDER_SHARE * left(&best.compared));
        if let Some((fit, c)) = twin {
            best = Best::new(fit, c, true);
        }
    }
    best
}

fn gauge(twin: bool, f: &Fit) -> Gauge {
    Gauge {
        twin,
        scale: Real(f.factor.norm()),
        phase: Real(f.factor.arg()),
        ramp: f.ramp.map(Real),
        shift: f.shift.map(Real),
    }
}

/// The best full gauge without the twin, and its remaining distance; `None` if the images do not overlap.
fn fitted(a: &Array2<Complex64>, b: &Array2<Complex64>) -> Option<(Fit, Compared)> {
    let (rows, cols) = middle(a, b);
    let cut = |image: &Array2<Complex64>| image.slice(s![rows.clone(), cols.clone()]).to_owned();
    let (inner_a, inner_b) = (cut(a), cut(b));
    let mut found = fit::refine(&inner_a, &inner_b, whole_shift(&inner_a, &inner_b));
    // phases refer to the center of the full image
    let center = |whole: usize, part: &Range<usize>| {
        part.start as f64 + part.len() as f64 / 2.0 - whole as f64 / 2.0
    };
    let away = [center(a.nrows(), &rows), center(a.ncols(), &cols)];
    found.factor *= Complex64::cis(-(found.ramp[0] * away[0] + found.ramp[1] * away[1]));
    let moved = fit::moved(b, &found);
    let compared = compare(a, &moved);
    let support = |image: &Array2<Complex64>| image.iter().filter(|z| covers(**z)).count();
    let least = support(a).min(support(b)) as f64;
    // pixels that move to unknown pixels of the first image do not count
    let onto = a
        .iter()
        .zip(&moved)
        .filter(|(p, q)| !p.is_nan() && covers(**q));
    let there = onto.count() as f64;
    let overlaps =
        there >= MIN_KNOWN_SHARE * least && compared.both as f64 >= MIN_OVERLAP_SHARE * there;
    overlaps.then_some((found, compared))
}

/// Rows and columns that the images cover together where both are known, at most [`MAX_FIT_SIDE_PX`] of each, from their middle.
fn middle(a: &Array2<Complex64>, b: &Array2<Complex64>) -> (Range<usize>, Range<usize>) {
    let mut bounds = [[usize::MAX, 0]; 2];
    for ((y, x), p) in a.indexed_iter() {
        let q = &b[[y, x]];
        if !(p.is_nan() || q.is_nan()) && (covers(*p) || covers(*q)) {
            for (b, v) in bounds.iter_mut().zip([y, x]) {
                *b = [b[0].min(v), b[1].max(v + 1)];
            }
        }
    }
    let [rows, cols] = bounds.map(|[low, high]| {
        let low = low.min(high);
        let spare = (high - low).saturating_sub(MAX_FIT_SIDE_PX);
        low + spare / 2..high - spare.div_ceil(2)
    });
    (rows, cols)
}
