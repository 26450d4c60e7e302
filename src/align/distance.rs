//! The distance of two images over the pixels known in both.

use ndarray::Array2;
use num_complex::Complex64;
use serde::Serialize;

use crate::json::Real;

/// The distance of two images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Distance {
    /// Of the difference, relative to the first image's.
    pub rms: Real,
    /// The largest difference, relative to the first image's largest modulus.
    pub worst: Real,
    /// Where that is: row and column.
    pub at: [usize; 2],
}

/// Both with NaN for non-finite pixels (unknown), in units of the largest modulus of the first
/// modulus, so that no square is too small.
pub(super) fn known(
    a: &Array2<Complex64>,
    b: &Array2<Complex64>,
) -> (Array2<Complex64>, Array2<Complex64>) {
    let most = a
        .iter()
        .filter(|z| z.is_finite())
        .fold(0.0f64, |m, z| m.max(z.norm()));
    let by = if most > 0.0 { most } else { 1.0 };
    let mut pair = (a.mapv(|z| z / by), b.mapv(|z| z / by));
    for z in pair.0.iter_mut().chain(pair.1.iter_mut()) {
        if !z.is_finite() {
            *z = Complex64::new(f64::NAN, f64::NAN);
        }
    }
    pair
}

/// Whether a pixel is known, and inside.
pub(super) fn covers(z: Complex64) -> bool {
    !z.is_nan() && z != Complex64::ZERO
}

/// Two images, pixel by pixel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compared {
    pub distance: Distance,
    /// Pixels that either covers, where both are known.
    pub pixels: usize,
    /// Pixels that both cover.
    pub both: usize,
    /// Pixels that one alone covers.
    pub alone: [usize; 2],
}

/// The distance of two images over the pixels known (not NaN) in both; infinite if there are none.
pub(super) fn compare(a: &Array2<Complex64>, b: &Array2<Complex64>) -> Compared {
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
