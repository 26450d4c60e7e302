//! Addition of a shifted patch to a canvas with bilinear weights.
//!
//! *Law.* A row of the patch is interpolated between its columns first, `between = high * right + low * left`, where pixels
//! outside the patch are zero; then each pixel of the canvas receives `low * between(row below)` and `high * between(row
//! above)`, in that order. Every product but the innermost, `low * left`, is fused with its sum: bit-identical to the
//! simple loop on every instruction set. The weight of a pixel grows by that of its rows times that of its columns. A row
//! of weight zero is not read.

#![allow(
    unsafe_code,
    reason = "SIMD kernel; bounds are asserted before the loop"
)]

mod columns;
mod rows;

use num_complex::Complex32;

pub use self::columns::Columns;
use self::rows::Adding;
use super::dispatch::run;
use super::isa::Isa;

/// Columns are added in multiples of this many pixels: further columns have zero weight.
pub const COLUMN_STEP: usize = 16;

/// The rows of a moved patch: canvas row `out + i` reads row `from + i - 1` of the patch with weight `low[i]` and, unless the
/// shift is by whole pixels, row `from + i` with weight `high[i]`. A weight of zero is one of a row that is not read.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The first row of [`Canvas`] that is added to.
    pub out: usize,
    /// The row of [`Patch`] above the first.
    pub from: usize,
    /// Weights of the rows below.
    pub low: &'a [f32],
    /// Weights of the rows above.
    pub high: Option<&'a [f32]>,
}

/// The part of a patch that is used.
#[derive(Debug, Clone, Copy)]
pub struct Patch<'a> {
    /// `[row, column]`, from the first pixel that is used on.
    pub values: &'a [Complex32],
    /// From one row to the next.
    pub stride: usize,
    /// Rows and columns that are used.
    pub side: usize,
}

/// Rows of a canvas and of its weights, each with [`COLUMN_STEP`] extra columns.
#[derive(Debug)]
pub struct Canvas<'a> {
    /// `[row, column]`.
    pub sums: &'a mut [Complex32],
    /// `[row, column]`.
    pub weights: &'a mut [f32],
    /// Columns, with the extra ones.
    pub stride: usize,
}

/// Adds `patch` to `canvas`; meanwhile `next`, which will be read next, is fetched.
///
/// # Panics
/// If a row or a column is outside.
pub fn add(
    isa: Isa,
    patch: Patch<'_>,
    rows: Rows<'_>,
    columns: &mut Columns,
    canvas: &mut Canvas<'_>,
    next: &[Complex32],
) {
    assert!(
        columns.out + columns.count() <= canvas.stride,
        "columns inside the canvas"
    );
    let Patch {
        values,
        stride,
        side,
    } = patch;
    assert!(
        side <= stride && side > 0 && (side - 1) * stride + side <= values.len(),
        "rows inside the values"
    );
    // the first that has weight reads the lower of two columns from -1 on, the last the higher up to `side`
    assert!(
        columns.used == 0 || columns.from + columns.used.cast_signed() <= side.cast_signed() + 1,
        "columns inside the patch"
    );
    let Rows {
        out,
        from,
        low,
        high,
    } = rows;
    let count = low.len();
    assert!(
        high.is_none_or(|high| high.len() == count),
        "as many of both"
    );
    let outs = canvas.sums.len().min(canvas.weights.len()) / canvas.stride;
    assert!(out + count <= outs, "rows inside the canvas");
    let unread = |weight: Option<&f32>| weight.is_none_or(|w| *w == 0.0);
    let last = high.and_then(|high| high.last());
    let end = from + count;
    assert!(
        (from > 0 || unread(low.first())) && (end <= side || end == side + 1 && unread(last)),
        "rows inside the patch"
    );
    let work = Adding {
        patch,
        rows,
        columns,
        canvas,
        next,
    };
    // SAFETY: rows and columns were asserted to be inside.
    unsafe { run(isa, work) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Weights of `count` rows or columns from `from` on of a patch of `side`: `weight` of the higher one, from `change` on a little
    /// less, as where a coordinate passes a power of two.
    fn weights(from: usize, side: usize, weight: f32, change: usize) -> [Vec<f32>; 2] {
        let count = (side + 1).saturating_sub(from);
        let of = |i: usize| if i < change { weight } else { 0.999 * weight };
        let low = |i| if from + i == 0 { 0.0 } else { 1.0 - of(i) };
        let high = |i| if from + i == side { 0.0 } else { of(i) };
        [
            (0..count).map(low).collect(),
            (0..count).map(high).collect(),
        ]
    }

    proptest! {
        #[test]
        fn scatter_add_is_bit_identical_to_the_scalar_loop(
            side in 1usize..70, gap in 0usize..3, from in [0usize..3, 0usize..3], both in [any::<bool>(), any::<bool>()],
            weight in [0.0f32..1.0, 0.0f32..1.0], change in 0usize..70, out in [0usize..3, 0usize..20], none in 0usize..99,
        ) {
            // law: see the module
            let stride = side + gap;
            let value = |k: usize| Complex32::new((k as f32).sin(), (1.7 * k as f32).cos());
            let values: Vec<_> = (0..side * stride).map(value).collect();
            let patch = Patch { values: &values, stride, side };
            let [mut below, above] = weights(from[0], side, weight[0], 99);
            if let Some(w) = below.get_mut(none) {
                *w = 0.0; // a row that is not read, though others around it are
            }
            let [low, high] = weights(from[1], side, weight[1], change);
            let mut columns = Columns::default();
            columns.load(5, 0, &[1.0; 40], None);
            columns.load(out[1], from[1], &low, both[1].then_some(&high));
            let rows = Rows { out: out[0], from: from[0], low: &below, high: both[0].then_some(&above) };

            let pixel = |r: usize, c: usize| if (1..=side).contains(&c) { values[r * stride + c - 1] } else { Complex32::default() };
            let between = |r: usize, i: usize| {
                let (left, right) = (pixel(r, from[1] + i) * low[i], pixel(r, from[1] + i + 1));
                if both[1] { fused(right, high[i], left) } else { left }
            };
            let (width, height) = (out[1] + low.len() + COLUMN_STEP, out[0] + below.len() + 1);
            let start = |k: usize| value(7 * k);
            let mut want: Vec<_> = (0..height * width).map(start).collect();
            let mut want_weights = vec![0.5f32; height * width];
            for (i, below) in below.iter().enumerate() {
                let above = if both[0] { above[i] } else { 0.0 };
                for (j, (low, high)) in low.iter().zip(&high).enumerate() {
                    let to = (out[0] + i) * width + out[1] + j;
                    if *below != 0.0 {
                        want[to] = fused(between(from[0] + i - 1, j), *below, want[to]);
                    }
                    if above != 0.0 {
                        want[to] = fused(between(from[0] + i, j), above, want[to]);
                    }
                    let column = if both[1] { low + high } else { *low };
                    want_weights[to] = column.mul_add(below + above, want_weights[to]);
                }
            }
            for isa in Isa::available() {
                let mut sums: Vec<_> = (0..height * width).map(start).collect();
                let mut weights = vec![0.5f32; height * width];
                let mut canvas = Canvas { sums: &mut sums, weights: &mut weights, stride: width };
                add(isa, patch, rows, &mut columns, &mut canvas, &values);
                prop_assert_eq!(&sums, &want, "{}", isa);
                prop_assert_eq!(&weights, &want_weights, "{}", isa);
            }
        }
    }

    fn fused(v: Complex32, w: f32, sum: Complex32) -> Complex32 {
        Complex32::new(v.re.mul_add(w, sum.re), v.im.mul_add(w, sum.im))
    }

    fn refused(rows: Rows<'_>, columns: &mut Columns) {
        let (mut sums, mut weights) = ([Complex32::default(); 80], [0.0; 80]);
        let values = [Complex32::default(); 4];
        let patch = Patch {
            values: &values,
            stride: 2,
            side: 2,
        };
        let mut canvas = Canvas {
            sums: &mut sums,
            weights: &mut weights,
            stride: 40,
        };
        add(Isa::best(), patch, rows, columns, &mut canvas, &[]);
    }

    fn one_column() -> Columns {
        let mut columns = Columns::default();
        columns.load(0, 1, &[1.0], None);
        columns
    }

    const ROW: Rows<'static> = Rows {
        out: 0,
        from: 1,
        low: &[0.5],
        high: Some(&[0.5]),
    };

    #[test]
    #[should_panic(expected = "columns inside the patch")]
    fn columns_outside_the_patch_are_refused() {
        let mut columns = Columns::default();
        columns.load(3, 1, &[1.0; 3], None);
        refused(ROW, &mut columns);
    }

    #[test]
    #[should_panic(expected = "rows inside the patch")]
    fn row_before_the_patch_is_refused() {
        refused(Rows { from: 0, ..ROW }, &mut one_column());
    }

    #[test]
    #[should_panic(expected = "rows inside the patch")]
    fn row_after_the_patch_is_refused() {
        refused(Rows { from: 2, ..ROW }, &mut one_column());
    }

    #[test]
    #[should_panic(expected = "rows inside the canvas")]
    fn row_outside_the_canvas_is_refused() {
        refused(Rows { out: 2, ..ROW }, &mut one_column());
    }
}
