//! Placement of patches on a canvas is linear, and extraction is its adjoint:
//! `<place x, c> = <x, take c>`.
//!
//! *Conventions.* A patch of side `m` has its corner at `[pad, pad]` and is moved by a shift
//! `[dx, dy]` (content moves by `+d`): canvas pixel `[y, x]` receives the bilinear value of the padded
//! patch at `[y - dy, x - dx]`; taps outside the patch count as zero and weights are not renormalized.
//! Coordinates are formed in the scalar type of the placement, because in float32 the rounding of
//! `y - dy` is part of the reference's result. A tap of weight zero is not read, so a NaN stays
//! inside the footprint of its patch.
//!
//! *Cost.* Only the `(m + 1)^2` pixels of a footprint are visited. Patches are added one after the
//! other in their order, so the result has the same bits every time.
//!
//! *Source.* Reference description, sections j and l.

#![expect(
    clippy::needless_pass_by_value,
    reason = "array views are passed by value, as ndarray does"
)]

use std::fmt::Debug;
use std::ops::{AddAssign, Mul, Range};

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, ArrayViewMut2, Axis};
use ptyproof_kernels::scalar::Float;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::geometry::{CanvasSize, floor_index};

/// Element type of a patch: `f32`, `f64` and their complex numbers.
pub trait Element<T>: Copy + Default + AddAssign + Mul<T, Output = Self> {}
impl<T, V: Copy + Default + AddAssign + Mul<T, Output = V>> Element<T> for V {}

/// One canvas row (or column): which two rows of the patch it reads, and with what weight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tap<T> {
    pub(super) out: usize,
    pub(super) from: [usize; 2],
    pub(super) weight: [T; 2],
}

/// The taps of one patch along one axis.
#[derive(Debug, Clone)]
pub(super) struct Line<T> {
    pub(super) taps: Vec<Tap<T>>,
    kept: usize,
}

/// Patches of side `m` on a square canvas, each moved by its own shift.
#[derive(Debug, Clone)]
pub struct Placement<T> {
    m: usize,
    side: usize,
    pub(super) rows: Vec<Line<T>>,
    pub(super) cols: Vec<Line<T>>,
}

impl<T: Float + Debug + Send + Sync> Placement<T> {
    /// Patches of side `m`, `pad` pixels in from the corner of a canvas of `side`, moved by
    /// `shifts[k] = [dx, dy]` pixels.
    ///
    /// # Errors
    /// If `m` is 0, a shift is not finite, or a shift exceeds 2^52 pixels.
    pub fn new(m: usize, pad: usize, side: CanvasSize, shifts: &[[T; 2]]) -> Result<Self> {
        check_side(m)?;
        let lines = |axis: usize| -> Result<Vec<Line<T>>> {
            let found: Vec<Option<Line<T>>> = shifts
                .par_iter()
                .with_min_len(64)
                .map(|d| line(m, pad, side.get(), d[axis]))
                .collect();
            // in their order, so that it is always the first bad shift that is named
            let named = found
                .into_iter()
                .enumerate()
                .map(|(k, line)| line.ok_or_else(|| unusable(k, axis, shifts[k][axis])));
            named.collect()
        };
        Ok(Self {
            m,
            side: side.get(),
            rows: lines(1)?,
            cols: lines(0)?,
        })
    }

    /// The number of patches.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no patch.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Patch pixels that lose some or all of their weight over the edge of the canvas, over all patches.
    pub fn dropped(&self) -> usize {
        let area = self.m * self.m;
        self.rows
            .iter()
            .zip(&self.cols)
            .map(|(r, c)| area - r.kept * c.kept)
            .sum()
    }

    /// Canvas rows and columns that patch `k` can touch; empty ranges where it is outside.
    ///
    /// # Panics
    /// If `k >= len()`.
    pub fn bounds(&self, k: usize) -> (Range<usize>, Range<usize>) {
        (self.rows[k].span(), self.cols[k].span())
    }

    /// `canvas += ` patch `k`, moved. `patch`: `[m, m]`; `canvas`: `[side, side]`.
    ///
    /// # Panics
    /// If `k >= len()` or a shape differs.
    pub fn add<V: Element<T>>(
        &self,
        k: usize,
        patch: ArrayView2<'_, V>,
        mut canvas: ArrayViewMut2<'_, V>,
    ) {
        assert_eq!(patch.dim(), (self.m, self.m), "patch shape");
        assert_eq!(canvas.dim(), (self.side, self.side), "canvas shape");
        self.visit(k, |y, x, r, c, w| {
            canvas[[y, x]] += patch[[r, c]] * w;
        });
    }

    /// The canvas `[side, side]` with every patch of `patches` `[patch, m, m]` added to it.
    ///
    /// # Errors
    /// If the shape of `patches` is not `[len(), m, m]`.
    pub fn place<V: Element<T>>(&self, patches: ArrayView3<'_, V>) -> Result<Array2<V>> {
        self.expect("placing patches", patches.dim())?;
        let mut canvas = Array2::from_elem((self.side, self.side), V::default());
        for (k, patch) in patches.axis_iter(Axis(0)).enumerate() {
            self.add(k, patch, canvas.view_mut());
        }
        Ok(canvas)
    }

    /// The adjoint of [`Placement::place`]: patches `[patch, m, m]`, each read from `canvas`
    /// `[side, side]` at its place.
    ///
    /// # Errors
    /// If the shape of `canvas` is not `[side, side]`.
    pub fn take<V: Element<T>>(&self, canvas: ArrayView2<'_, V>) -> Result<Array3<V>> {
        let (h, w) = canvas.dim();
        if (h, w) != (self.side, self.side) {
            return Err(Error::input("extracting patches from the canvas")
                .got(format!("a canvas of {h} x {w}"))
                .need(format!("{0} x {0}", self.side)));
        }
        let mut patches = Array3::from_elem((self.len(), self.m, self.m), V::default());
        for (k, mut patch) in patches.axis_iter_mut(Axis(0)).enumerate() {
            self.visit(k, |y, x, r, c, weight| {
                patch[[r, c]] += canvas[[y, x]] * weight;
            });
        }
        Ok(patches)
    }

    /// The result of [`Placement::place`] for patches of ones: the weight of each pixel.
    pub fn coverage(&self) -> Array2<T> {
        let mut canvas = Array2::from_elem((self.side, self.side), T::zero());
        for k in 0..self.len() {
            self.visit(k, |y, x, _, _, w| {
                canvas[[y, x]] = canvas[[y, x]] + w;
            });
        }
        canvas
    }

    fn visit(&self, k: usize, mut f: impl FnMut(usize, usize, usize, usize, T)) {
        for row in &self.rows[k].taps {
            for col in &self.cols[k].taps {
                for (r, wr) in row.parts() {
                    for (c, wc) in col.parts() {
                        f(row.out, col.out, r, c, wr * wc);
                    }
                }
            }
        }
    }

    fn expect(&self, action: &str, (k, h, w): (usize, usize, usize)) -> Result<()> {
        if (k, h, w) == (self.len(), self.m, self.m) {
            Ok(())
        } else {
            Err(Error::input(action)
                .got(format!("{k} patches of {h} x {w}"))
                .need(format!("{} of {1} x {1}", self.len(), self.m)))
        }
    }
}

impl<T: Float> Tap<T> {
    pub(super) fn parts(&self) -> impl Iterator<Item = (usize, T)> + '_ {
        (0..2)
            .filter(|i| self.weight[*i] != T::zero())
            .map(|i| (self.from[i], self.weight[i]))
    }
}

impl<T> Line<T> {
    fn span(&self) -> Range<usize> {
        match (self.taps.first(), self.taps.last()) {
            (Some(a), Some(b)) => a.out..b.out + 1,
            _ => 0..0,
        }
    }
}

/// Refuses patches whose side is no size of a canvas.
pub(super) fn check_side(m: usize) -> Result<()> {
    if (1..=CanvasSize::MAX).contains(&m) {
        return Ok(());
    }
    Err(Error::input("placing patches on the canvas")
        .got(format!("patches of side {m}"))
        .need(format!("a side from 1 to {}", CanvasSize::MAX)))
}

/// The refusal of a shift for which there is no [`Reach`].
pub(super) fn unusable(k: usize, axis: usize, shift: impl Debug) -> Error {
    Error::input("placing patches on the canvas")
        .at(format!("shift {k}, axis {}", ["x", "y"][axis]))
        .got(format!("{shift:?}"))
        .need("a finite number of pixels")
}

/// The range of a shifted patch along one axis of a canvas.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// The first canvas pixel that may be touched.
    pub(super) from: usize,
    /// The first one after it that is not.
    pub(super) to: usize,
    /// Patch pixels that keep all their weight.
    pub(super) kept: usize,
}

impl Reach {
    /// A patch of side `m` moved by `d`; `None` if `d` is not a usable number.
    pub(super) fn of(m: usize, pad: usize, side: usize, d: f64) -> Option<Self> {
        let (whole, frac) = floor_index(d)?;
        let index = |i: usize| isize::try_from(i).ok();
        let first = index(pad)?.checked_add(whole)?;
        let end = first.checked_add(index(m)?)?;
        let margin = isize::from(frac > 0.0);
        Some(Self {
            // One pixel of slack on both sides: rounding of `y - d` may move a tap across a pixel border.
            from: usize::try_from(first - 1).unwrap_or(0).min(side),
            to: usize::try_from(end + 2).unwrap_or(0).min(side),
            kept: (first.max(0)..end.min(index(side)? - margin)).count(),
        })
    }
}

/// The taps of a patch of side `m` moved by `d`; `None` if `d` is not a usable number.
pub(super) fn line<T: Float>(m: usize, pad: usize, side: usize, d: T) -> Option<Line<T>> {
    let Reach { from, to, kept } = Reach::of(m, pad, side, d.to_f64()?)?;
    let index = |i: usize| isize::try_from(i).ok();
    let mut taps = Vec::with_capacity(m + 1);
    for out in from..to {
        let coordinate = T::from(out)? - d;
        let (at, rest) = floor_index(coordinate.to_f64()?)?;
        let f = T::from(rest)?;
        let low = at - index(pad)?;
        let pick = |i: isize, w: T| match usize::try_from(i) {
            Ok(i) if i < m && w != T::zero() => (i, w),
            _ => (0, T::zero()),
        };
        let (a, b) = (pick(low, T::one() - f), pick(low + 1, f));
        if a.1 != T::zero() || b.1 != T::zero() {
            taps.push(Tap {
                out,
                from: [a.0, b.0],
                weight: [a.1, b.1],
            });
        }
    }
    Some(Line { taps, kept })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array;
    use num_complex::Complex;
    use proptest::prelude::*;
    use ptyproof_testkit::compare::zip_eq;
    use ptyproof_testkit::tolerance::{F64_STEPS_512, assert_close};

    /// A cheap, well-spread sequence in (-1, 1).
    fn wave(seed: u32, i: usize) -> f64 {
        ((i as f64 + 1.0) * 12.9898 + f64::from(seed) * 78.233)
            .sin()
            .mul_add(43758.5453, 0.0)
            .fract()
    }

    fn complex<T: Float>(seed: u32, i: usize) -> Complex<T> {
        Complex::new(
            T::from(wave(seed, 2 * i)).unwrap(),
            T::from(wave(seed, 2 * i + 1)).unwrap(),
        )
    }

    fn dot<T: Float>(
        a: impl IntoIterator<Item = Complex<T>>,
        b: impl IntoIterator<Item = Complex<T>>,
    ) -> (Complex<f64>, f64) {
        let mut sum = Complex::new(0.0, 0.0);
        let mut size = 0.0;
        for (x, y) in zip_eq(a, b) {
            let wide = |z: Complex<T>| Complex::new(z.re.to_f64().unwrap(), z.im.to_f64().unwrap());
            let p = wide(x) * wide(y).conj();
            sum += p;
            size += p.norm();
        }
        (sum, size)
    }

    /// The adjoint defect relative to the sum of the moduli of the products.
    fn defect<T: Float + Debug + Send + Sync>(
        m: usize,
        side: usize,
        shifts: &[[f64; 2]],
        seed: u32,
    ) -> f64
    where
        Complex<T>: Element<T>,
    {
        let shifts: Vec<[T; 2]> = shifts
            .iter()
            .map(|s| s.map(|v| T::from(v).unwrap()))
            .collect();
        let pad = side.saturating_sub(m) / 2;
        let p = Placement::new(m, pad, CanvasSize::new(side).unwrap(), &shifts).unwrap();
        let x = Array::from_shape_fn((shifts.len(), m, m), |(k, r, c)| {
            complex::<T>(seed, (k * m + r) * m + c)
        });
        let y = Array::from_shape_fn((side, side), |(r, c)| complex::<T>(seed + 1, r * side + c));
        let (left, size) = dot(p.place(x.view()).unwrap(), y.clone());
        let (right, other) = dot(x, p.take(y.view()).unwrap());
        (left - right).norm() / size.max(other).max(1e-30)
    }

    #[test]
    fn delta_moves_by_the_shift() {
        // law: delta at row 4, col 4 and shift [2, -1] -> row 3, col 6
        let p = Placement::<f64>::new(9, 0, CanvasSize::new(9).unwrap(), &[[2.0, -1.0]]).unwrap();
        let mut x = Array3::zeros((1, 9, 9));
        x[[0, 4, 4]] = 1.0;
        let y = p.place(x.view()).unwrap();
        assert_eq!(y[[3, 6]], 1.0);
        assert_eq!(y.sum(), 1.0);
        assert_eq!(p.dropped(), 81 - 8 * 7);
    }

    #[test]
    fn patch_outside_the_canvas_is_dropped_and_counted() {
        for far in [-380.25, 380.25, -1e9] {
            let p =
                Placement::<f32>::new(64, 5, CanvasSize::new(74).unwrap(), &[[far, 0.0]]).unwrap();
            assert_eq!(p.dropped(), 64 * 64);
            assert_eq!(p.coverage().sum(), 0.0);
        }
    }

    #[test]
    fn nonfinite_shift_is_refused() {
        let e = Placement::<f32>::new(
            4,
            0,
            CanvasSize::new(8).unwrap(),
            &[[0.0, 0.0], [1.0, f32::NAN]],
        );
        insta::assert_snapshot!(e.unwrap_err(), @"placing patches on the canvas: at shift 1, axis y: got NaN, need a finite number of pixels");
    }

    proptest! {
        #[test]
        fn extraction_is_the_adjoint_of_placement(
            m in 1usize..12, side in 1usize..40, seed in 0u32..1000,
            shifts in proptest::collection::vec([-30.0f64..30.0, -30.0f64..30.0], 1..6),
        ) {
            // law: <place x, y> = <x, take y>; both sides are sums of the same products, so the
            // defect is a few rounding units per addition of a place (at most 6 patches of 4 taps)
            prop_assert!(defect::<f64>(m, side, &shifts, seed) <= 32.0 * f64::EPSILON);
            prop_assert!(defect::<f32>(m, side, &shifts, seed) <= 32.0 * f64::from(f32::EPSILON));
        }

        #[test]
        fn interior_patch_keeps_its_weight(m in 1usize..20, dx in -6.0f64..6.0, dy in -6.0f64..6.0) {
            // law: dropped = 0  =>  sum(coverage) = m^2
            let side = CanvasSize::new(m + 12)?;
            let p = Placement::<f64>::new(m, 6, side, &[[dx, dy]])?;
            prop_assert_eq!(p.dropped(), 0);
            let area = (m * m) as f64;
            assert_close!(p.coverage().sum(), area, F64_STEPS_512.scaled(area * area));
            let (rows, cols) = p.bounds(0);
            prop_assert!(rows.len() <= m + 1 && cols.len() <= m + 1);
        }
    }
}
