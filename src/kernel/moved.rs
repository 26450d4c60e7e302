//! A moved patch, added to the rows of a canvas by bilinear weights.
//!
//! *Law.* Every pixel receives `value * (row weight * column weight)` for the rows and then the columns that
//! it lies between, each product and each sum rounded: the bits of the loop that one would write first, on
//! every instruction set. A row of weight zero is not read.

#![allow(
    unsafe_code,
    reason = "SIMD kernel; bounds are asserted before the loop"
)]

use std::ops::Range;

use num_complex::Complex32;

use super::dispatch::{Work, run};
use super::fetch::{ahead, fetch};
use super::isa::Isa;
use super::lanes::Lanes;
use super::shuffle::Shuffle;

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

/// The columns of a moved patch: canvas column `out + i` reads columns `from + i - 1` and, unless the shift is by
/// whole pixels, `from + i`; what lies outside the patch reads as zero.
#[derive(Debug, Default, Clone)]
pub struct Columns {
    /// A multiple of [`COLUMN_STEP`], so that registers lie on cache lines of the canvas where its rows begin on one.
    out: usize,
    /// The column of the patch above the first; may lie before it.
    from: isize,
    both: bool,
    /// Columns, those before the first that has weight included.
    used: usize,
    /// For each column, zero before the first and beyond the last.
    single: [Vec<f32>; 2],
    /// The same twice, for real and imaginary parts.
    double: [Vec<f32>; 2],
}

impl Columns {
    /// Columns from `out` on that read from `from` on, with their weights of the lower and of the higher.
    ///
    /// # Panics
    /// If there are not as many of both.
    pub fn load(&mut self, out: usize, from: usize, low: &[f32], high: Option<&[f32]>) {
        // where no column has weight none is read: `out` and `from` then say nothing
        let lead = if low.is_empty() { 0 } else { out % COLUMN_STEP };
        self.out = out - lead;
        self.from = from.cast_signed() - lead.cast_signed();
        self.both = high.is_some();
        self.used = lead + low.len();
        let count = self.used.next_multiple_of(COLUMN_STEP);
        for (k, weights) in [low, high.unwrap_or_default()].into_iter().enumerate() {
            assert!(
                weights.len() == low.len() || (k, high) == (1, None),
                "as many of both"
            );
            let (single, double) = (&mut self.single[k], &mut self.double[k]);
            single.clear();
            single.resize(lead, 0.0);
            single.extend_from_slice(weights);
            single.resize(count, 0.0);
            double.resize(2 * count, 0.0);
            for (pair, w) in double.as_chunks_mut::<2>().0.iter_mut().zip(&*single) {
                *pair = [*w, *w];
            }
        }
    }
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
    let count = columns.single[0].len();
    assert!(
        columns.out + count <= canvas.stride,
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

struct Rows<'a, 'b> {
    patch: Patch<'a>,
    taps: &'a [RowTap],
    columns: &'a Columns,
    canvas: &'a mut Canvas<'b>,
    next: &'a [Complex32],
}

impl Work for Rows<'_, '_> {
    #[inline(always)]
    unsafe fn run<V: Shuffle>(mut self) {
        let part = self.next.len() / self.taps.len().max(1);
        for (i, tap) in self.taps.iter().enumerate() {
            fetch(&self.next[i * part..(i + 1) * part]);
            // SAFETY: the caller's.
            unsafe {
                if self.columns.both {
                    self.tap::<V, 2>(tap);
                } else {
                    self.tap::<V, 1>(tap);
                }
            }
        }
    }
}

#[inline(always)]
fn part(tap: &RowTap, k: usize) -> (usize, f32) {
    (tap.from[k], tap.weight[k])
}

impl Rows<'_, '_> {
    /// One canvas row, from the rows of the patch that have weight and `C` columns each.
    #[inline(always)]
    unsafe fn tap<V: Lanes, const C: usize>(&mut self, tap: &RowTap) {
        // SAFETY: the caller's.
        unsafe {
            match tap.weight.map(|w| w != 0.0) {
                [true, true] => self.row::<V, 2, C>(tap.out, [part(tap, 0), part(tap, 1)]),
                [true, false] => self.row::<V, 1, C>(tap.out, [part(tap, 0)]),
                [false, true] => self.row::<V, 1, C>(tap.out, [part(tap, 1)]),
                [false, false] => {}
            }
        }
    }

    /// One canvas row, from `P` rows of the patch.
    #[inline(always)]
    unsafe fn row<V: Lanes, const P: usize, const C: usize>(
        &mut self,
        out: usize,
        parts: [(usize, f32); P],
    ) {
        let Columns {
            out: column,
            from,
            used,
            single: [s0, s1],
            double: [d0, d1],
            ..
        } = self.columns;
        let at = out * self.canvas.stride + column;
        let side = 2 * self.patch.side;
        let first = 2 * from;
        // the canvas lies in the second-level cache at best: two rows on it is asked for
        let below = 2 * self.canvas.stride;
        // pointers of their own: through `self` they would be read again after each store
        let (double, single) = ([d0.as_ptr(), d1.as_ptr()], [s0.as_ptr(), s1.as_ptr()]);
        let used = *used;
        // SAFETY: complex numbers are pairs of floats; `count` columns of the canvas lie inside; of the
        // patch `load` reads what is inside.
        unsafe {
            let sums = self.canvas.sums.as_mut_ptr().add(at).cast::<f32>();
            let weights = self.canvas.weights.as_mut_ptr().add(at);
            let mut rows = [(self.patch.values.as_ptr().cast::<f32>(), V::zero()); P];
            for (row, (r, w)) in rows.iter_mut().zip(parts) {
                *row = (row.0.add(2 * r * self.patch.stride), V::splat(w));
            }
            let mut line = Line {
                rows,
                before: [V::zero(); P],
                first,
                side: side.cast_signed(),
                weights: double,
                sums,
                ahead: sums.wrapping_add(2 * below),
            };
            // each register of a row is read once, as the higher columns; the lower ones are its neighbours
            for (before, row) in line.before.iter_mut().zip(rows) {
                *before = some::<V>(row.0, first - V::COUNT.cast_signed(), line.side);
            }
            // where whole registers lie inside the row: no lane there is asked whether it does
            let whole = |floats: isize| {
                let steps = floats.max(0).cast_unsigned() / V::COUNT;
                (steps * V::COUNT).min(2 * used)
            };
            let start = whole(V::COUNT.cast_signed() - 1 - first);
            let end = whole(line.side - first).max(start);
            line.add::<C, false>(0..start);
            line.add::<C, true>(start..end);
            line.add::<C, false>(end..2 * used);
            for i in (0..used).step_by(V::COUNT) {
                let (w0, w1) = (V::load(single[0].add(i)), V::load(single[1].add(i)));
                ahead(weights.wrapping_add(below + i));
                let mut weight = V::load(weights.add(i));
                for (_, w) in rows {
                    weight = weight.add(w.mul(w0));
                    if C == 2 {
                        weight = weight.add(w.mul(w1));
                    }
                }
                weight.store(weights.add(i));
            }
        }
    }
}

/// The values of one canvas row, and of `P` rows of the patch. All counts are of floats.
struct Line<V, const P: usize> {
    /// Where each begins, and its weight.
    rows: [(*const f32, V); P],
    /// The register before the next of each.
    before: [V; P],
    /// Where the rows are read for the first column; may lie before them.
    first: isize,
    side: isize,
    /// Of the lower and of the higher column.
    weights: [*const f32; 2],
    sums: *mut f32,
    /// What is asked for meanwhile.
    ahead: *const f32,
}

impl<V: Lanes, const P: usize> Line<V, P> {
    /// Adds the columns `range`, in which every register lies inside the rows if `WHOLE`; they begin at whole registers.
    #[inline(always)]
    unsafe fn add<const C: usize, const WHOLE: bool>(&mut self, range: Range<usize>) {
        // SAFETY: the caller's.
        unsafe {
            for k in range.step_by(V::COUNT) {
                let w = self.weights.map(|w| V::load(w.add(k)));
                ahead(self.ahead.wrapping_add(k));
                let mut sum = V::load(self.sums.add(k));
                for ((row, weight), before) in self.rows.into_iter().zip(&mut self.before) {
                    let at = self.first + k.cast_signed();
                    let high = if WHOLE {
                        V::load(row.offset(at))
                    } else {
                        some::<V>(row, at, self.side)
                    };
                    let low = V::pair_back(*before, high);
                    *before = high;
                    sum = sum.add(low.mul(weight.mul(w[0])));
                    if C == 2 {
                        sum = sum.add(high.mul(weight.mul(w[1])));
                    }
                }
                sum.store(self.sums.add(k));
            }
        }
    }
}

/// The floats from `at` on of a row of `len`, zero outside it.
///
/// # Safety
/// `row` is valid for `len` floats.
#[inline(always)]
unsafe fn some<V: Lanes>(row: *const f32, at: isize, len: isize) -> V {
    let count = V::COUNT.cast_signed();
    let lane = |p: isize| p.clamp(0, count).cast_unsigned();
    // SAFETY: lanes inside the row.
    unsafe { V::load_some(row.wrapping_offset(at), lane(-at), lane(len - at)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_instruction_set_gives_the_bits_of_the_plain_loop(
            side in 1usize..40, gap in 0usize..3, from in 0usize..3, both in any::<bool>(), weight in 0.0f32..1.0,
        ) {
            // law: canvas[y, x] += patch[r, c] * (row weight * column weight), for the rows, then the columns
            let stride = side + gap;
            let value = |k: usize| Complex32::new((k as f32).sin(), (1.7 * k as f32).cos());
            let values: Vec<_> = (0..side * stride).map(value).collect();
            let patch = Patch { values: &values, stride, side };
            let count = (side + 1).saturating_sub(from);
            let at = |i: usize| from + i; // one more than the patch column below
            let low: Vec<f32> = (0..count).map(|i| if at(i) == 0 { 0.0 } else { 1.0 - weight }).collect();
            let high: Vec<f32> = (0..count).map(|i| if at(i) == side { 0.0 } else { weight }).collect();
            let mut columns = Columns::default();
            columns.load(2, from, &low, both.then_some(&high));
            let taps = [
                RowTap { out: 1, from: [0, side - 1], weight: [weight, 0.5] },
                RowTap { out: 0, from: [side - 1, 99], weight: [0.25, 0.0] },
                RowTap { out: 2, from: [99, 0], weight: [0.0, 1.0] },
            ];
            let width = 2 + count + COLUMN_STEP;
            let start = |k: usize| value(7 * k);
            let mut want: Vec<_> = (0..3 * width).map(start).collect();
            let mut want_weights = vec![0.5f32; 3 * width];
            for tap in &taps {
                for i in 0..count {
                    let to = tap.out * width + 2 + i;
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
