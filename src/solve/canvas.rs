//! Reading a patch of the object at a position, and adding one there: the one is the other's adjoint.
//!
//! Bilinear, as [`crate::optics::simulate::patch`]: pixel `[i, j]` of a patch at `(x, y)` is the canvas at
//! `(y + i - N/2, x + j - N/2)`. At whole positions that is a copy.

use ndarray::Array2;
use num_complex::Complex32;

use crate::geometry::{Position, floor_index};

/// Where a patch lies: its upper left corner and the four weights of its taps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    row: usize,
    col: usize,
    /// Of `[0, 0]`, `[0, 1]`, `[1, 0]`, `[1, 1]`.
    weights: [f32; 4],
}

impl Placement {
    /// The placement of a patch of side `n` at a canvas position, or `None` if a pixel with weight falls off a canvas
    /// of these `(rows, cols)`.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "weights are float32, as the object is"
    )]
    pub fn new(p: Position, n: usize, (rows, cols): (usize, usize)) -> Option<Self> {
        let corner = |v: f64, most: usize| {
            let (low, fraction) = floor_index(v)?;
            let low = usize::try_from(low.checked_sub(n as isize / 2)?).ok()?;
            (low + n + usize::from(fraction > 0.0) <= most).then_some((low, fraction))
        };
        let ((row, fy), (col, fx)) = (corner(p.y, rows)?, corner(p.x, cols)?);
        let weights = [
            (1.0 - fy) * (1.0 - fx),
            (1.0 - fy) * fx,
            fy * (1.0 - fx),
            fy * fx,
        ];
        Some(Self {
            row,
            col,
            weights: weights.map(|w| w as f32),
        })
    }

    fn is_whole(&self) -> bool {
        self.weights == [1.0, 0.0, 0.0, 0.0]
    }

    /// Taps with weight: rows down, columns right.
    fn taps(self) -> impl Iterator<Item = (usize, usize, f32)> {
        let places = [(0, 0), (0, 1), (1, 0), (1, 1)];
        let all = places.into_iter().zip(self.weights);
        all.filter(|(_, w)| *w != 0.0).map(|((r, c), w)| (r, c, w))
    }
}

/// The patch of `canvas` at a placement, into `out` of `n * n` values.
pub fn cut(canvas: &Array2<Complex32>, at: Placement, n: usize, out: &mut [Complex32]) {
    let (cols, values) = flat(canvas);
    let row = |r: usize, dr: usize, dc: usize| {
        let from = (at.row + r + dr) * cols + at.col + dc;
        &values[from..from + n]
    };
    for (r, to) in out.chunks_exact_mut(n).enumerate() {
        if at.is_whole() {
            to.copy_from_slice(row(r, 0, 0));
            continue;
        }
        to.fill(Complex32::ZERO);
        for (dr, dc, w) in at.taps() {
            for (t, v) in to.iter_mut().zip(row(r, dr, dc)) {
                *t += v * w;
            }
        }
    }
}

/// Adds `patch` (`n * n` values) to `canvas` at a placement: the adjoint of [`cut`].
pub fn add(canvas: &mut Array2<Complex32>, at: Placement, n: usize, patch: &[Complex32]) {
    let cols = canvas.ncols();
    let values = canvas
        .as_slice_mut()
        .expect("a canvas of our own is contiguous");
    for (r, from) in patch.chunks_exact(n).enumerate() {
        for (dr, dc, w) in at.taps() {
            let to = (at.row + r + dr) * cols + at.col + dc;
            for (t, v) in values[to..to + n].iter_mut().zip(from) {
                *t += v * w;
            }
        }
    }
}

/// Adds real `weights` (`n * n` values) to `canvas` at a placement.
pub fn add_real(canvas: &mut Array2<f32>, at: Placement, n: usize, weights: &[f32]) {
    let cols = canvas.ncols();
    let values = canvas
        .as_slice_mut()
        .expect("a canvas of our own is contiguous");
    for (r, from) in weights.chunks_exact(n).enumerate() {
        for (dr, dc, w) in at.taps() {
            let to = (at.row + r + dr) * cols + at.col + dc;
            for (t, v) in values[to..to + n].iter_mut().zip(from) {
                *t += v * w;
            }
        }
    }
}

fn flat(canvas: &Array2<Complex32>) -> (usize, &[Complex32]) {
    let values = canvas
        .as_slice()
        .expect("a canvas of our own is contiguous");
    (canvas.ncols(), values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ptyproof_testkit::tolerance::{F32_STEPS_16, assert_close};

    fn wave(k: usize, f: f32) -> Complex32 {
        Complex32::new((k as f32 * f).sin(), (k as f32 * (f + 0.3)).cos())
    }

    proptest! {
        #[test]
        fn cutting_and_adding_are_adjoint_and_cut_as_the_simulation_does(
            y in 4.0f64..11.0, x in 4.0f64..12.0, whole in any::<bool>(), f in 0.1f32..2.0,
        ) {
            // <cut(O), p> = <O, add(p)>
            let (n, dim) = (8, (16, 17));
            let p = if whole { Position::new(x.floor(), y.floor()) } else { Position::new(x, y) };
            let Some(at) = Placement::new(p, n, dim) else {
                return Err(TestCaseError::fail("inside"));
            };
            let object = Array2::from_shape_fn(dim, |(r, c)| wave(r * 17 + c, f));
            let patch: Vec<Complex32> = (0..n * n).map(|k| wave(k, f + 0.7)).collect();
            let mut seen = vec![Complex32::ZERO; n * n];
            cut(&object, at, n, &mut seen);
            let mut back = Array2::zeros(dim);
            add(&mut back, at, n, &patch);
            let wide = |z: Complex32| num_complex::Complex64::new(z.re.into(), z.im.into());
            let left: num_complex::Complex64 = seen.iter().zip(&patch).map(|(a, b)| wide(*a) * wide(*b).conj()).sum();
            let right: num_complex::Complex64 = object.iter().zip(&back).map(|(a, b)| wide(*a) * wide(*b).conj()).sum();
            // 64 products of values below 2, each rounded a few times
            prop_assert!((left - right).norm() < 64.0 * 2.0 * 8.0 * f64::from(f32::EPSILON));
            let mut simulated = vec![Complex32::ZERO; n * n];
            crate::optics::simulate::patch(&object.view(), p, n, &mut simulated);
            for (a, b) in seen.iter().zip(&simulated) {
                assert_close!(a, b, F32_STEPS_16);
            }
        }
    }

    #[test]
    fn a_patch_that_falls_off_has_no_placement() {
        let at = |x, y| Placement::new(Position::new(x, y), 8, (16, 16));
        assert!(at(4.0, 4.0).is_some() && at(12.0, 12.0).is_some());
        assert!(at(3.9, 4.0).is_none() && at(4.0, 12.1).is_none());
        assert!(at(f64::NAN, 4.0).is_none() && at(4.0, -1e300).is_none());
    }
}
