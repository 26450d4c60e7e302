//! Two complex images, compared up to what diffraction cannot tell apart: global phase and scale, a linear phase
//! ramp, a shift, and the conjugate mirror (the twin).
//!
//! *Conventions.* A gauge says how the second image must change to be the first:
//! `a(r) ~ scale exp(i phase) exp(i ramp (r - r0)) b(r - shift)`, with `r0` the middle of the image, axes `[y, x]`, pixels and
//! radians per pixel; a twin is conjugated and mirrored first. Pixels that are exactly zero in both are outside.
//! Distances are relative: rms to the rms of the first image, worst to its largest modulus.
//!
//! *How.* The whole-pixel shift maximises the correlation of amplitudes and of products of neighbours, both blind
//! to ramps; Gauss-Newton then fits all six numbers at once. Whole pixels are moved exactly, fractions by
//! cubic convolution (R. Keys, doi:10.1109/TASSP.1981.1163711).
//!
//! *Law.* An image is itself in any gauge, and no alignment is farther than none.

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
    /// The fault that explains most of what is left, if one does.
    pub fault: Option<Fault>,
}

/// Above this, what is left is looked at for a [`Fault`].
const GROSS: f64 = 0.02;
/// A fault explains a difference when so much of it, at most, is left.
const EXPLAINED: f64 = 0.5;
/// An ambiguity is used when so much of the difference, at most, is left: otherwise the simpler gauge stays.
const BETTER: f64 = 0.9;

/// Compares two images of one shape; `None` if they differ in shape, or nothing finite is in both.
pub fn align(a: &Array2<Complex64>, b: &Array2<Complex64>) -> Option<Alignment> {
    if a.dim() != b.dim() {
        return None;
    }
    let (a, b) = (finite(a), finite(b));
    let pixels = a.iter().zip(&b).filter(|(p, q)| outside(**p, **q)).count();
    if pixels == 0 {
        return None;
    }
    let raw = distance(&a, &b, |q| q);
    let identity = Fit::default();
    if raw.worst.get() == 0.0 {
        return Some(Alignment {
            pixels,
            raw,
            scalar: raw,
            aligned: raw,
            gauge: gauge(false, &identity),
            fault: None,
        });
    }
    let alone = Fit {
        factor: fit::factor(&a, &b),
        ..identity
    };
    let scalar = distance(&a, &b, |q| alone.factor * q);
    let (mut best, mut aligned, mut twin) = (alone, scalar, false);
    let (found, after) = fitted(&a, &b);
    if after.rms.get() < BETTER * aligned.rms.get() {
        (best, aligned) = (found, after);
    }
    if aligned.rms.get() > GROSS {
        let mirrored = b.slice(s![..;-1, ..;-1]).mapv(|z| z.conj());
        let (found, after) = fitted(&a, &mirrored);
        if after.rms.get() < EXPLAINED * aligned.rms.get() {
            (best, aligned, twin) = (found, after, true);
        }
    }
    let mut fault = None;
    if aligned.rms.get() > GROSS {
        let mut least = EXPLAINED * aligned.rms.get();
        for candidate in Fault::ALL {
            let undone = candidate.undo(&b);
            if undone.dim() == a.dim() {
                let left = fitted(&a, &undone).1.rms.get();
                if left < least {
                    (least, fault) = (left, Some(candidate));
                }
            }
        }
    }
    Some(Alignment {
        pixels,
        raw,
        scalar,
        aligned,
        gauge: gauge(twin, &best),
        fault,
    })
}

/// Values that are not finite count as outside; they are counted elsewhere.
fn finite(image: &Array2<Complex64>) -> Array2<Complex64> {
    image.mapv(|z| if z.is_finite() { z } else { Complex64::ZERO })
}

fn outside(p: Complex64, q: Complex64) -> bool {
    p != Complex64::ZERO || q != Complex64::ZERO
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

/// The best whole gauge but the twin, and what it leaves.
fn fitted(a: &Array2<Complex64>, b: &Array2<Complex64>) -> (Fit, Distance) {
    let found = fit::refine(a, b, whole_shift(a, b));
    let moved = fit::moved(b, &found);
    (found, distance(a, &moved, |q| q))
}

/// The distance after a change of the second image.
fn distance(
    a: &Array2<Complex64>,
    b: &Array2<Complex64>,
    change: impl Fn(Complex64) -> Complex64,
) -> Distance {
    let (mut squares, mut own, mut most) = (0.0, 0.0, 0.0f64);
    let (mut worst, mut at) = (0.0, [0, 0]);
    for ((index, p), q) in a.indexed_iter().zip(b) {
        // a NaN marks where the moved image says nothing
        if q.re.is_nan() {
            continue;
        }
        let d = (p - change(*q)).norm();
        squares += d * d;
        own += p.norm_sqr();
        most = most.max(p.norm());
        if d > worst {
            (worst, at) = (d, index.into());
        }
    }
    let ratio = |d: f64, by: f64| if d == 0.0 { 0.0 } else { d / by };
    Distance {
        rms: Real(ratio(squares.sqrt(), own.sqrt())),
        worst: Real(ratio(worst, most)),
        at,
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
