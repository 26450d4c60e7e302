//! Two complex images, compared up to what diffraction cannot tell apart: global phase and scale, a linear phase
//! ramp, a shift, and the conjugate mirror (the twin).
//!
//! *Conventions.* A gauge says how the second image must change to be the first:
//! `a(r) ~ scale exp(i phase) exp(i ramp (r - r0)) b(r - shift)`, with `r0` the middle of the image, axes `[y, x]`, pixels and
//! radians per pixel; a twin is conjugated and mirrored first. Pixels that are exactly zero in both are outside; those that are
//! not finite in either are unknown, and left out.
//! Distances are relative: rms to the rms of the first image, worst to its largest modulus.
//!
//! *How.* The whole-pixel shift maximises the correlation of amplitudes and of products of neighbours, both blind
//! to ramps; Gauss-Newton then fits all six numbers at once. Whole pixels are moved exactly, fractions by
//! cubic convolution (R. Keys, doi:10.1109/TASSP.1981.1163711), which leaves some 1e-3 of a smooth image and some 1e-2 of a
//! sharp one: a shift by a fraction of a pixel is named, but does not pass a tight gate.
//!
//! *Law.* An image is itself in any gauge, and no alignment is farther than none.

use std::ops::Range;

use ndarray::{Array2, s};
use num_complex::Complex64;
use serde::Serialize;

use super::fit::{self, Fit};
use super::register::whole_shift;
use crate::ground::json::Real;

/// How the second image must change to be the first.
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

/// How far two images are from one another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Distance {
    /// Of the difference, relative to the first image's.
    pub rms: Real,
    /// The largest difference, relative to the first image's largest modulus.
    pub worst: Real,
    /// Where that is: row and column.
    pub at: [usize; 2],
}

/// What an image can be mistaken for: no gauge, but a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The rows run the other way.
    FlippedY,
    /// The columns run the other way.
    FlippedX,
    /// Rows are columns.
    SwappedAxes,
    /// Turned by half a turn, not conjugated.
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
    pub fn words(self) -> &'static str {
        match self {
            Self::FlippedY => "the sign of the y axis",
            Self::FlippedX => "the sign of the x axis",
            Self::SwappedAxes => "swapped axes",
            Self::HalfTurn => "half a turn",
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
    /// The fault that explains most of what is left, if one does.
    pub fault: Option<Fault>,
}

/// Above this, what is left is looked at for a [`Fault`].
const GROSS: f64 = 0.02;
/// A fault explains a difference when so much of it, at most, is left.
const EXPLAINED: f64 = 0.5;
/// An ambiguity is used when so much of the difference, at most, is left: otherwise the simpler gauge stays.
const BETTER: f64 = 0.9;
/// A gauge must lay so much of what it knows of the second image onto the first: images that do not overlap have none.
const OVERLAP: f64 = 0.9;
/// And it must know so much of the smaller image: interpolation loses a rim, a shift what leaves the frame.
const KNOWN: f64 = 0.5;
/// A gauge is fitted on so many pixels a side, in the middle of what the images cover; distances are taken of all.
const FITTED: usize = 512;

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
    if best.compared.distance.rms.get() > GROSS {
        let mut least = EXPLAINED * best.compared.distance.rms.get();
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

/// What is left after the whole gauge, relative to the first image; `None` as for [`align`].
pub(super) fn distance_between(a: &Array2<Complex64>, b: &Array2<Complex64>) -> Option<Real> {
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
    if let Some((fit, c)) = fitted(a, b).filter(|(_, c)| left(c) < BETTER * left(&best.compared)) {
        best = Best::new(fit, c, false);
    }
    if left(&best.compared) > GROSS {
        let mirrored = b.slice(s![..;-1, ..;-1]).mapv(|z| z.conj());
        let twin = fitted(a, &mirrored).filter(|(_, c)| left(c) < EXPLAINED * left(&best.compared));
        if let Some((fit, c)) = twin {
            best = Best::new(fit, c, true);
        }
    }
    best
}

/// Both without what is not finite in either (a NaN says that nothing is known there), in units of the first's largest
/// modulus, so that no square is too small.
fn known(a: &Array2<Complex64>, b: &Array2<Complex64>) -> (Array2<Complex64>, Array2<Complex64>) {
    let most = a
        .iter()
        .filter(|z| z.is_finite())
        .fold(0.0f64, |m, z| m.max(z.norm()));
    let by = if most > 0.0 { most } else { 1.0 };
    let unknown = Complex64::new(f64::NAN, f64::NAN);
    let mut pair = (a.mapv(|z| z / by), b.mapv(|z| z / by));
    for (p, q) in pair.0.iter_mut().zip(pair.1.iter_mut()) {
        if !(p.is_finite() && q.is_finite()) {
            (*p, *q) = (unknown, unknown);
        }
    }
    pair
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

/// The best whole gauge but the twin, and what it leaves; `None` if it does not lay one image onto the other.
fn fitted(a: &Array2<Complex64>, b: &Array2<Complex64>) -> Option<(Fit, Compared)> {
    let (rows, cols) = middle(a, b);
    let cut = |image: &Array2<Complex64>| image.slice(s![rows.clone(), cols.clone()]).to_owned();
    let (inner_a, inner_b) = (cut(a), cut(b));
    let mut found = fit::refine(&inner_a, &inner_b, whole_shift(&inner_a, &inner_b));
    // phases are told at the middle of the whole image
    let centre = |whole: usize, part: &Range<usize>| {
        part.start as f64 + part.len() as f64 / 2.0 - whole as f64 / 2.0
    };
    let away = [centre(a.nrows(), &rows), centre(a.ncols(), &cols)];
    found.factor *= Complex64::cis(-(found.ramp[0] * away[0] + found.ramp[1] * away[1]));
    let moved = fit::moved(b, &found);
    let compared = compare(a, &moved);
    let support = |image: &Array2<Complex64>| image.iter().filter(|z| covers(**z)).count();
    let (least, there) = (support(a).min(support(b)) as f64, support(&moved) as f64);
    let lies = there >= KNOWN * least && compared.both as f64 >= OVERLAP * there;
    lies.then_some((found, compared))
}

/// Rows and columns that both images cover together, at most [`FITTED`] of each, from their middle.
fn middle(a: &Array2<Complex64>, b: &Array2<Complex64>) -> (Range<usize>, Range<usize>) {
    let mut bounds = [[usize::MAX, 0]; 2];
    for ((y, x), p) in a.indexed_iter() {
        if covers(*p) || covers(b[[y, x]]) {
            for (b, v) in bounds.iter_mut().zip([y, x]) {
                *b = [b[0].min(v), b[1].max(v + 1)];
            }
        }
    }
    let [rows, cols] = bounds.map(|[low, high]| {
        let low = low.min(high);
        let spare = (high - low).saturating_sub(FITTED);
        low + spare / 2..high - spare.div_ceil(2)
    });
    (rows, cols)
}

fn covers(z: Complex64) -> bool {
    !z.is_nan() && z != Complex64::ZERO
}

/// Two images, pixel by pixel.
#[derive(Debug, Clone, Copy)]
struct Compared {
    distance: Distance,
    /// Pixels that either covers, where both are known.
    pixels: usize,
    /// Pixels that both cover.
    both: usize,
    /// Pixels that one alone covers.
    alone: [usize; 2],
}

/// The distance of two images, over what is known (no NaN) of both. Nothing known is infinitely far.
fn compare(a: &Array2<Complex64>, b: &Array2<Complex64>) -> Compared {
    let (mut squares, mut own, mut most) = (0.0, 0.0, 0.0f64);
    let (mut worst, mut at) = (0.0, [0, 0]);
    let (mut both, mut alone) = (0, [0; 2]);
    for ((index, p), q) in a.indexed_iter().zip(b) {
        if p.is_nan() || q.is_nan() {
            continue;
        }
        match (covers(*p), covers(*q)) {
            (true, true) => both += 1,
            (true, false) => alone[0] += 1,
            (false, true) => alone[1] += 1,
            _ => {}
        }
        let d = (p - q).norm();
        squares += d * d;
        own += p.norm_sqr();
        most = most.max(p.norm());
        if d > worst {
            (worst, at) = (d, index.into());
        }
    }
    let pixels = both + alone[0] + alone[1];
    let ratio = |d: f64, by: f64| {
        if pixels == 0 {
            f64::INFINITY
        } else if d == 0.0 {
            0.0
        } else {
            d / by
        }
    };
    Compared {
        distance: Distance {
            rms: Real(ratio(squares.sqrt(), own.sqrt())),
            worst: Real(ratio(worst, most)),
            at,
        },
        pixels,
        both,
        alone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A smooth object on a disc that the frame holds with room to spare, moved by `shift`.
    fn object(side: usize, shift: [f64; 2]) -> Array2<Complex64> {
        Array2::from_shape_fn((side, side), |(y, x)| {
            let at = [y as f64 - shift[0], x as f64 - shift[1]];
            let c = side as f64 / 2.0;
            let (u, v) = (at[0] - c, at[1] - c);
            if (u * u + v * v).sqrt() > c - 9.0 {
                return Complex64::ZERO;
            }
            let amplitude =
                1.0 + 0.3 * (u / 4.1).sin() * (v / 5.3 + 0.4).cos() + 0.2 * (v / 7.0).sin();
            let phase = 0.6 * (u / 6.2 + 0.3).cos() + 0.4 * ((u + 2.0 * v) / 9.0).sin();
            Complex64::from_polar(amplitude, phase)
        })
    }

    fn gauged(mut b: Array2<Complex64>, f: Complex64, ramp: [f64; 2]) -> Array2<Complex64> {
        let c = b.dim().0 as f64 / 2.0;
        for ((y, x), z) in b.indexed_iter_mut() {
            *z *= f * Complex64::cis(ramp[0] * (y as f64 - c) + ramp[1] * (x as f64 - c));
        }
        b
    }

    #[test]
    fn an_image_is_itself() {
        let a = object(48, [0.0; 2]);
        let r = align(&a, &a).unwrap();
        assert_eq!(
            (r.raw.rms.get(), r.aligned.rms.get(), r.fault),
            (0.0, 0.0, None)
        );
        assert_eq!((r.gauge.shift, r.gauge.scale), ([Real(0.0); 2], Real(1.0)));
        assert!(align(&a, &object(50, [0.0; 2])).is_none());
        assert!(align(&Array2::zeros((4, 4)), &Array2::zeros((4, 4))).is_none());
    }

    #[test]
    fn the_twin_is_found() {
        let a = object(48, [0.0; 2]);
        let b = a.slice(s![..;-1, ..;-1]).mapv(|z| z.conj());
        let r = align(&a, &b).unwrap();
        assert!(r.gauge.twin && r.aligned.rms.get() < 1e-12, "{r:?}");
        assert!(r.raw.rms.get() > 0.1);
    }

    #[test]
    fn faults_have_names() {
        let a = object(48, [0.0; 2]);
        for fault in Fault::ALL {
            let b = fault.undo(&a);
            let r = align(&a, &b).unwrap();
            assert_eq!(r.fault, Some(fault), "{r:?}");
            assert!(r.aligned.rms.get() > GROSS);
        }
    }

    #[test]
    fn halves_that_do_not_overlap_have_no_gauge() {
        let whole = object(64, [0.0; 2]);
        let keep = |left: bool| {
            Array2::from_shape_fn(whole.dim(), |(y, x)| {
                if (x < 32) == left {
                    whole[[y, x]]
                } else {
                    Complex64::ZERO
                }
            })
        };
        let (l, r) = (keep(true), keep(false));
        for (a, b) in [(&l, &r), (&r, &l)] {
            let found = align(a, b).unwrap();
            assert!(found.aligned.rms.get() > 0.3, "{found:?}");
        }
        let spot = |at: [usize; 2]| {
            let mut one = Array2::from_elem((64, 64), Complex64::ZERO);
            one[at] = Complex64::ONE;
            one
        };
        // a single pixel moved is a shift like any other, a pixel more is not
        let mut two = spot([3, 4]);
        two[[60, 60]] = Complex64::ONE;
        assert!(align(&two, &spot([60, 60])).unwrap().aligned.rms.get() > 0.5);
    }

    #[test]
    fn oblong_images_are_compared_too() {
        let a = object(48, [0.0; 2]).slice(s![..40, ..]).to_owned();
        let b = a.slice(s![..;-1, ..]).to_owned();
        let r = align(&a, &b).unwrap();
        assert!(r.aligned.rms.get() > GROSS, "{r:?}");
    }

    #[test]
    fn what_is_not_finite_in_one_is_left_out_of_both() {
        let a = object(48, [0.0; 2]);
        let mut b = a.clone();
        b[[20, 21]].re = f64::NAN;
        let r = align(&a, &b).unwrap();
        assert_eq!((r.raw.rms.get(), r.aligned.rms.get()), (0.0, 0.0));
        let mut c = a.mapv(|z| z * Complex64::cis(0.3));
        c[[30, 31]].im = f64::INFINITY;
        let r = align(&b, &c).unwrap();
        assert!(
            r.aligned.rms.get() < 1e-12 && r.gauge.shift == [Real(0.0); 2],
            "{r:?}"
        );
        let nothing = a.mapv(|_| Complex64::new(f64::NAN, 0.0));
        assert!(align(&a, &nothing).is_none());
    }

    #[test]
    fn tiny_values_are_as_far_apart_as_large_ones() {
        let a = object(48, [0.0; 2]);
        let mut b = a.clone();
        b[[20, 21]] *= -1.0;
        let large = align(&a, &b).unwrap();
        let small = align(&a.mapv(|z| z * 1e-200), &b.mapv(|z| z * 1e-200)).unwrap();
        assert!(large.raw.rms.get() > 0.0);
        assert!(
            (small.raw.rms.get() / large.raw.rms.get() - 1.0).abs() < 1e-9,
            "{small:?}"
        );
    }

    #[test]
    fn large_and_long_images_are_fitted_in_their_middle() {
        let long = Array2::from_shape_fn((1, 20_000), |(_, x)| {
            Complex64::cis(x as f64 / 9.0) * (1.5 + (x as f64 / 7.0).sin())
        });
        let turned = long.mapv(|z| z * Complex64::from_polar(2.0, 1.0));
        assert!(align(&long, &turned).unwrap().aligned.rms.get() < 1e-9);
        let a = object(700, [0.0; 2]);
        let b = gauged(
            object(700, [3.0, -2.0]),
            Complex64::from_polar(0.7, 0.4),
            [0.01, -0.02],
        );
        let r = align(&a, &b).unwrap();
        assert!(r.aligned.rms.get() < 1e-9, "{r:?}");
        assert!((r.gauge.phase.get() + 0.4).abs() < 0.1, "{r:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn whole_gauges_are_undone_exactly(
            dy in -6i32..=6, dx in -6i32..=6, scale in 0.1f64..4.0, phase in -3.0f64..3.0,
            ry in -0.3f64..0.3, rx in -0.3f64..0.3,
        ) {
            let shift = [f64::from(dy), f64::from(dx)];
            let a = object(56, [0.0; 2]);
            let f = Complex64::from_polar(scale, phase);
            let b = gauged(object(56, shift), f, [ry, rx]);
            let r = align(&a, &b).unwrap();
            prop_assert!(r.aligned.rms.get() < 1e-9, "{r:?}");
            prop_assert!((r.gauge.scale.get() * scale - 1.0).abs() < 1e-9);
            for k in 0..2 {
                prop_assert!((r.gauge.shift[k].get() + shift[k]).abs() < 1e-9, "{r:?}");
                prop_assert!((r.gauge.ramp[k].get() + [ry, rx][k]).abs() < 1e-9, "{r:?}");
            }
            prop_assert!(r.aligned.rms.get() <= r.scalar.rms.get() && r.scalar.rms.get() <= r.raw.rms.get() * (1.0 + 1e-12));
        }

        #[test]
        fn fractions_of_pixels_are_found(dy in -3.0f64..3.0, dx in -3.0f64..3.0, rx in -0.1f64..0.1) {
            let a = object(56, [0.0; 2]);
            let b = gauged(object(56, [dy, dx]), Complex64::ONE, [0.0, rx]);
            let r = align(&a, &b).unwrap();
            for (k, d) in [dy, dx].into_iter().enumerate() {
                prop_assert!((r.gauge.shift[k].get() + d).abs() < 0.02, "{d} {r:?}");
            }
            // cubic convolution of waves of 26 pixels and more
            prop_assert!(r.aligned.rms.get() < 2e-3, "{r:?}");
        }
    }
}
