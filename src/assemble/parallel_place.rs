//! Parallel placement of many patches on one canvas: the canvas is divided into bands of rows, each with one writer.
//!
//! *Law.* The patches of one call are added in the order of their columns, and patches of equal columns in their given
//! order; each adds the value of [`moved`] to every pixel. So the bits depend neither on the number of threads nor on the
//! instruction set, and differ from those of [`Placement::place`] and [`Placement::coverage`] by rounding alone.
//!
//! *How.* Where the taps of a patch are regular ([`UniformTaps`]) whole registers of pixels are added ([`moved`]). Pixels
//! outside the patch are read as zero and add `+0 * weight`; a sum that began at `+0` is never `-0`, so this changes no
//! bit. The few patches that are not regular are added tap by tap.
//!
//! *Why in the order of columns.* A thread then writes to a strip of its band as wide as a patch, which fits in its
//! second-level cache.
//!
//! *Memory.* The canvas and its weights, and a few numbers for each patch that is being added.
//!
//! [`Placement::place`]: super::Placement::place
//! [`Placement::coverage`]: super::Placement::coverage

use ndarray::Array2;
use num_complex::Complex32;
use rayon::prelude::*;

use super::canvas::central;
use super::padded_rows::PaddedRows;
use super::place::{Line, Reach, Tap, check_side, line, unusable};
use super::uniform_taps::UniformTaps;
use crate::error::Result;
use crate::geometry::{CanvasSize, floor_index};
use ptyproof_kernels::isa::Isa;
use ptyproof_kernels::scatter_add::{self, Canvas, Columns, Patch, Rows};
use ptyproof_kernels::{Loop, vectorized};

/// Rows of a band, at most. In lower ones more patches are cut, whose parts come from memory in shorter pieces and are
/// prepared one by one; of higher ones less stays in a cache while patches come and go.
const MAX_BAND_ROWS: usize = 320;
/// Rows of a band, at least, however many threads there are.
const MIN_BAND_ROWS: usize = 16;

/// A canvas that patches are added to.
#[derive(Debug)]
pub(super) struct ParallelPlace {
    sums: PaddedRows<Complex32>,
    weights: PaddedRows<f32>,
    dropped: usize,
    side: CanvasSize,
    pad: usize,
    m: usize,
}

/// Complex patches `[patch, n, n]` in one slice, of which the central `m x m` is used, from `corner` on.
#[derive(Debug, Clone, Copy)]
struct Stack<'a> {
    values: &'a [Complex32],
    n: usize,
    corner: usize,
    m: usize,
}

impl<'a> Stack<'a> {
    fn patch(&self, k: usize) -> Patch<'a> {
        let area = self.n * self.n;
        Patch {
            values: &self.values[k * area..(k + 1) * area][self.corner * (self.n + 1)..],
            stride: self.n,
            side: self.m,
        }
    }
}

impl ParallelPlace {
    /// An empty canvas for patches of side `m`, `pad` pixels in from its corner. Uses the threads of the pool that it is called
    /// in.
    pub(super) fn new(m: usize, pad: usize, side: CanvasSize) -> Self {
        Self {
            sums: PaddedRows::new(side.get()),
            weights: PaddedRows::new(side.get()),
            dropped: 0,
            side,
            pad,
            m,
        }
    }

    /// Adds the central `m x m` of patches of side `n`, `shifts.len()` of them in `values`, each moved by its shift. Uses
    /// the threads of the pool that it is called in.
    ///
    /// # Errors
    /// As [`Placement::new`].
    ///
    /// # Panics
    /// Unless there are `n * n` values for every shift.
    pub(super) fn add(
        &mut self,
        values: &[Complex32],
        n: usize,
        shifts: &[[f32; 2]],
    ) -> Result<()> {
        assert_eq!(values.len(), n * n * shifts.len(), "a patch for each shift");
        let (m, pad, side) = (self.m, self.pad, self.side.get());
        let stride = self.sums.stride();
        check_side(m)?;
        // as many for each thread
        let threads = rayon::current_num_threads();
        let rows = side
            .div_ceil(side.div_ceil(MAX_BAND_ROWS).next_multiple_of(threads))
            .max(MIN_BAND_ROWS);
        let mut places = Vec::with_capacity(shifts.len());
        for (k, shift) in shifts.iter().enumerate() {
            let reach = |axis: usize| {
                Reach::of(m, pad, side, f64::from(shift[axis]))
                    .ok_or_else(|| unusable(k, axis, shift[axis]))
            };
            let (x, y) = (reach(0)?, reach(1)?);
            self.dropped += m * m - x.kept * y.kept;
            places.push((x.from, k, y.from / rows..y.to.div_ceil(rows)));
        }
        places.par_sort_unstable_by_key(|(column, k, _)| (*column, *k));
        let mut visitors = vec![Vec::new(); side.div_ceil(rows)];
        for (_, k, parallel_place) in places {
            visitors[parallel_place]
                .iter_mut()
                .for_each(|band| band.push(k));
        }
        let patches = Stack {
            values,
            n,
            corner: central(n, m).start,
            m,
        };
        let sums = self.sums.rows().par_chunks_mut(rows * stride);
        sums.zip(self.weights.rows().par_chunks_mut(rows * stride))
            .zip(&visitors)
            .enumerate()
            .for_each(|(band, ((sums, weights), visitors))| {
                let canvas = Canvas {
                    sums,
                    weights,
                    stride,
                };
                let mut writer = Writer::new(band * rows, canvas, (pad, side), patches);
                for (i, &k) in visitors.iter().enumerate() {
                    let next = visitors.get(i + 1).map(|&k| writer.rows_of(k, shifts[k]));
                    writer.add(k, shifts[k], next.unwrap_or_default());
                }
            });
        Ok(())
    }

    /// The sums over their weights plus `guard`, the weights, each `[row, col]`, and the patch pixels that fell over the edge.
    pub(super) fn finish(mut self, guard: f32) -> (Array2<Complex32>, Array2<f32>, usize) {
        let rows = self.side.get().div_ceil(rayon::current_num_threads());
        let sums = self.sums.parts(rows).into_par_iter();
        sums.zip(self.weights.parts(rows))
            .for_each(|(mut sums, mut weights)| {
                for row in 0..sums.rows() {
                    vectorized(Quotients {
                        sums: sums.row(row),
                        weights: weights.row(row),
                        guard,
                    });
                    sums.close(row);
                    weights.close(row);
                }
            });
        let (sums, weights) = (self.sums, self.weights);
        let (sums, weights) = rayon::join(|| sums.joined(rows), || weights.joined(rows));
        (sums, weights, self.dropped)
    }
}

/// Every sum over its weight.
struct Quotients<'a> {
    sums: &'a mut [Complex32],
    weights: &'a [f32],
    guard: f32,
}

impl Loop for Quotients<'_> {
    #[inline(always)]
    fn run(self) {
        for (v, w) in self.sums.iter_mut().zip(self.weights) {
            let w = self.guard + w;
            (v.re, v.im) = (v.re / w, v.im / w);
        }
    }
}

/// Adds patches to one band of the canvas.
struct Writer<'a> {
    /// The band's first row.
    first: usize,
    canvas: Canvas<'a>,
    pad: usize,
    side: usize,
    patches: Stack<'a>,
    isa: Isa,
    rows: UniformTaps,
    cols: UniformTaps,
    columns: Columns,
}

impl<'a> Writer<'a> {
    fn new(
        first: usize,
        canvas: Canvas<'a>,
        (pad, side): (usize, usize),
        patches: Stack<'a>,
    ) -> Self {
        Self {
            first,
            canvas,
            pad,
            side,
            patches,
            isa: Isa::best(),
            rows: UniformTaps::default(),
            cols: UniformTaps::default(),
            columns: Columns::default(),
        }
    }

    /// Rows of the band.
    fn height(&self) -> usize {
        self.canvas.sums.len() / self.canvas.stride
    }

    /// The rows of patch `k`, moved by `shift`, that are in the band.
    fn rows_of(&self, k: usize, shift: [f32; 2]) -> &'a [Complex32] {
        let Patch {
            values,
            stride,
            side,
        } = self.patches.patch(k);
        let Some((down, _)) = floor_index(f64::from(shift[1])) else {
            return &[];
        };
        let first = self.first.cast_signed() - self.pad.cast_signed() - down;
        let rows = self.height().cast_signed();
        let [begin, end] =
            [first - 1, first + rows].map(|r| usize::try_from(r).unwrap_or(0).min(side));
        values
            .get(begin * stride..(end * stride).min(values.len()))
            .unwrap_or_default()
    }

    /// Adds what is in the band of patch `k`, moved by `shift`.
    fn add(&mut self, k: usize, shift: [f32; 2], next: &[Complex32]) {
        let (m, pad, side) = (self.patches.m, self.pad, self.side);
        let reach = shift.map(|d| Reach::of(m, pad, side, f64::from(d)));
        let [Some(x), Some(y)] = reach else {
            unreachable!("shifts are checked before a writer begins")
        };
        if !self.rows.load(m, pad, &y, shift[1]) || !self.cols.load(m, pad, &x, shift[0]) {
            return self.add_tap_by_tap(k, shift);
        }
        let UniformTaps {
            out, from, whole, ..
        } = self.rows;
        let (begin, end) = (
            out.max(self.first),
            (out + self.rows.low.len()).min(self.first + self.height()),
        );
        if begin >= end {
            return;
        }
        let part = begin - out..end - out;
        let rows = Rows {
            out: begin - self.first,
            from: from + part.start,
            low: &self.rows.low[part.clone()],
            high: (!whole).then_some(&self.rows.high[part]),
        };
        let high = (!self.cols.whole).then_some(&*self.cols.high);
        self.columns
            .load(self.cols.out, self.cols.from, &self.cols.low, high);
        scatter_add::add(
            self.isa,
            self.patches.patch(k),
            rows,
            &mut self.columns,
            &mut self.canvas,
            next,
        );
    }

    /// As [`Writer::add`], for patches that are not regular; reads no pixel whose weight is zero.
    fn add_tap_by_tap(&mut self, k: usize, shift: [f32; 2]) {
        let band = self.first..self.first + self.height();
        let lines = shift.map(|d| line(self.patches.m, self.pad, self.side, d));
        let [Some(Line { taps: cols, .. }), Some(Line { taps: rows, .. })] = lines else {
            unreachable!("shifts are checked before a writer begins")
        };
        let patch = self.patches.patch(k);
        for row in rows.iter().filter(|tap| band.contains(&tap.out)) {
            for col in &cols {
                let at = (row.out - self.first) * self.canvas.stride + col.out;
                let value = |r: usize, c: usize| patch.values[r * patch.stride + c];
                for (r, weight) in row.parts() {
                    let between = col.parts().fold(Complex32::default(), |sum, (c, w)| {
                        fused(value(r, c), w, sum)
                    });
                    let sum = &mut self.canvas.sums[at];
                    *sum = fused(between, weight, *sum);
                }
                let together = |tap: &Tap<f32>| tap.weight[0] + tap.weight[1];
                let weight = &mut self.canvas.weights[at];
                *weight = together(col).mul_add(together(row), *weight);
            }
        }
    }
}

/// `v * w + sum`, rounded once.
fn fused(v: Complex32, w: f32, sum: Complex32) -> Complex32 {
    Complex32::new(v.re.mul_add(w, sum.re), v.im.mul_add(w, sum.im))
}

#[cfg(test)]
#[path = "parallel_place_tests.rs"]
mod tests;
