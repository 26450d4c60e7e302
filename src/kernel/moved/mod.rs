//! A moved patch, added to the rows of a canvas by bilinear weights.
//!
//! *Law.* Every pixel receives `value * (row weight * column weight)` for the rows and then the columns that
//! it lies between, each product and each sum rounded: the bits of the loop that one would write first, on
//! every instruction set. A row of weight zero is not read.

#![allow(
    unsafe_code,
    reason = "SIMD kernel; bounds are asserted before the loop"
)]

mod columns;
mod rows;

use num_complex::Complex32;

pub use self::columns::Columns;
use self::rows::Rows;
use super::dispatch::run;
use super::isa::Isa;

/// Columns are added in multiples of this many pixels: what reaches further meets zeros.
pub const COLUMN_STEP: usize = 16;

/// One canvas row: the two rows of the patch that it reads, and their weights.
#[derive(Debug, Clone, Copy)]
pub struct RowTap {
    /// The row of [`Canvas`] that is added to.
    pub out: usize,
    /// Rows of [`Patch`].
    pub from: [usize; 2],
    /// Their weights; 0 for "not read".
    pub weight: [f32; 2],
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

/// Rows of a canvas and of the weights on it, each with room for [`COLUMN_STEP`] columns more.
#[derive(Debug)]
pub struct Canvas<'a> {
    /// `[row, column]`.
    pub sums: &'a mut [Complex32],
    /// `[row, column]`.
    pub weights: &'a mut [f32],
    /// Columns, the room included.
    pub stride: usize,
}

/// Adds `patch` to `canvas`, row by row of `taps`; meanwhile `next`, which will be read next, is fetched.
///
/// # Panics
/// If a tap or a column lies outside.
pub fn add(
    isa: Isa,
    patch: Patch<'_>,
    taps: &[RowTap],
    columns: &Columns,
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
    let outs = canvas.sums.len().min(canvas.weights.len()) / canvas.stride;
    for tap in taps {
        let inside = |k: usize| tap.weight[k] == 0.0 || tap.from[k] < side;
        assert!(tap.out < outs && inside(0) && inside(1), "rows inside");
    }
    let work = Rows {
        patch,
        taps,
        columns,
        canvas,
        next,
    };
    // SAFETY: rows and columns were asserted to lie inside.
    unsafe { run(isa, work) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_instruction_set_gives_the_bits_of_the_plain_loop(
            side in 1usize..70, gap in 0usize..3, from in 0usize..3, both in any::<bool>(), weight in 0.0f32..1.0,
            change in 0usize..70, out in 0usize..20,
        ) {
            // law: canvas[y, x] += patch[r, c] * (row weight * column weight), for the rows, then the columns
            let stride = side + gap;
            let value = |k: usize| Complex32::new((k as f32).sin(), (1.7 * k as f32).cos());
            let values: Vec<_> = (0..side * stride).map(value).collect();
            let patch = Patch { values: &values, stride, side };
            let count = (side + 1).saturating_sub(from);
            let at = |i: usize| from + i; // one more than the patch column below
            // somewhere the weights become others, as where a coordinate passes a power of two
            let weight_of = |i: usize| if i < change { weight } else { 0.999 * weight };
            let low: Vec<f32> = (0..count).map(|i| if at(i) == 0 { 0.0 } else { 1.0 - weight_of(i) }).collect();
            let high: Vec<f32> = (0..count).map(|i| if at(i) == side { 0.0 } else { weight_of(i) }).collect();
            let mut columns = Columns::default();
            columns.load(5, 0, &[1.0; 40], None);
            columns.load(out, from, &low, both.then_some(&high));
            let taps = [
                RowTap { out: 1, from: [0, side - 1], weight: [weight, 0.5] },
                RowTap { out: 0, from: [side - 1, 99], weight: [0.25, 0.0] },
                RowTap { out: 2, from: [99, 0], weight: [0.0, 1.0] },
            ];
            let width = out + count + COLUMN_STEP;
            let start = |k: usize| value(7 * k);
            let mut want: Vec<_> = (0..3 * width).map(start).collect();
            let mut want_weights = vec![0.5f32; 3 * width];
            for tap in &taps {
                for i in 0..count {
                    let to = tap.out * width + out + i;
                    for (r, wr) in (0..2).filter(|k| tap.weight[*k] != 0.0).map(|k| (tap.from[k], tap.weight[k])) {
                        if at(i) > 0 && at(i) <= side {
                            want[to] += values[r * stride + at(i) - 1] * (wr * low[i]);
                        }
                        want_weights[to] += wr * low[i];
                        if both && at(i) < side {
                            want[to] += values[r * stride + at(i)] * (wr * high[i]);
                        }
                        if both {
                            want_weights[to] += wr * high[i];
                        }
                    }
                }
            }
            for isa in Isa::available() {
                let mut sums: Vec<_> = (0..3 * width).map(start).collect();
                let mut weights = vec![0.5f32; 3 * width];
                let mut canvas = Canvas { sums: &mut sums, weights: &mut weights, stride: width };
                add(isa, patch, &taps, &columns, &mut canvas, &values);
                prop_assert_eq!(&sums, &want, "{}", isa);
                prop_assert_eq!(&weights, &want_weights, "{}", isa);
            }
        }
    }

    #[test]
    #[should_panic(expected = "columns inside the patch")]
    fn columns_that_the_patch_lacks_are_refused() {
        let (mut sums, mut weights) = ([Complex32::default(); 40], [0.0; 40]);
        let mut columns = Columns::default();
        columns.load(3, 1, &[1.0; 3], None);
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
        add(Isa::best(), patch, &[], &columns, &mut canvas, &[]);
    }

    #[test]
    #[should_panic(expected = "rows inside")]
    fn a_row_that_the_patch_lacks_is_refused() {
        let (mut sums, mut weights) = ([Complex32::default(); 40], [0.0; 40]);
        let mut columns = Columns::default();
        columns.load(0, 1, &[1.0], None);
        let values = [Complex32::default(); 4];
        let patch = Patch {
            values: &values,
            stride: 2,
            side: 2,
        };
        let tap = RowTap {
            out: 0,
            from: [2, 0],
            weight: [1.0, 0.0],
        };
        let mut canvas = Canvas {
            sums: &mut sums,
            weights: &mut weights,
            stride: 40,
        };
        add(Isa::best(), patch, &[tap], &columns, &mut canvas, &[]);
    }
}
