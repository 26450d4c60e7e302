//! The loops of [`add`](super::add): one row of the canvas or two at a time, a cache line at a time.
//!
//! *Why a row is kept.* Two rows of the canvas read each row of the patch: its interpolation between columns is computed
//! once, for the lower row, and kept in the first-level cache for the upper row. A line then costs two loads from the
//! patch, not four.
//!
//! *Why lines of two kinds.* If all columns of a line have equal weights, these stay in registers. First and last lines,
//! which cross the edge of the patch, load weights and lanes: two of nine lines of a patch of 64.

#![allow(
    unsafe_code,
    clippy::needless_range_loop,
    reason = "SIMD kernel; arrays of registers are indexed by constants"
)]

use std::ops::Range;

use num_complex::Complex32;

use super::columns::{Columns, PIXELS};
use super::{Canvas, Patch, Rows};
use crate::dispatch::Work;
use crate::lanes::Lanes;
use crate::prefetch::{LINE, prefetch, prefetch_l1, prefetch_l2};
use crate::shuffle::Shuffle;

/// Number of canvas rows that are prefetched.
const PREFETCH_ROWS: usize = 4;

/// Number of rows that are added at once.
const ROWS_AT_ONCE: usize = 2;

/// Adds a patch to a canvas. Rows and columns are inside both.
pub(super) struct Adding<'a, 'b> {
    pub(super) patch: Patch<'a>,
    pub(super) rows: Rows<'a>,
    pub(super) columns: &'a mut Columns,
    pub(super) canvas: &'a mut Canvas<'b>,
    pub(super) next: &'a [Complex32],
}

impl Work for Adding<'_, '_> {
    #[inline(always)]
    unsafe fn run<V: Shuffle>(self) {
        let rows = self.rows;
        if self.columns.lines.is_empty() || rows.low.is_empty() {
            return;
        }
        // SAFETY: the caller's.
        unsafe {
            if self.columns.both {
                Plan::<V, 2>::new(self).add(rows);
            } else {
                Plan::<V, 1>::new(self).add(rows);
            }
        }
    }
}

/// Treatment of the rows of the patch: keep the last; add the kept one; keep and add it; all of these.
const KEEP: u8 = 0;
const KEPT: u8 = 1;
const NEW: u8 = 2;
const BOTH: u8 = 3;

/// Maximum number of registers of a line.
const MAX_LINE_REGISTERS: usize = 2;

/// Places of the registers of a line in the rows of a patch, for the lower and the higher column.
type Edge<V> = [[<V as Lanes>::Mask; 2]; MAX_LINE_REGISTERS];

/// Parameters common to all rows. `C` columns of the patch are read.
struct Plan<'a, V: Lanes, const C: usize> {
    /// Lines that are added to.
    all: Range<usize>,
    /// Of those, lines that are even.
    even: Range<usize>,
    /// Weights of the columns on even lines.
    common: [V; 2],
    /// Weights of the columns on the others.
    weights: [*const f32; 2],
    /// Weights of the columns together.
    together: *const f32,
    /// Of the first line of values, of the last and of all between.
    edges: [Edge<V>; 3],
    /// Where the patch is read for the first column of row 0; may be before the patch.
    patch: *const f32,
    /// Floats from one of its rows to the next.
    pitch: usize,
    /// The previous row of the patch, interpolated between the columns.
    kept: *mut f32,
    /// Where the first row is added to.
    sums: *mut f32,
    coverage: *mut f32,
    /// Pixels from one row of the canvas to the next.
    stride: usize,
    /// Data that is read next, and how much of it is prefetched with each row.
    next: &'a [Complex32],
    part: usize,
}

impl<'a, V: Lanes, const C: usize> Plan<'a, V, C> {
    #[inline(always)]
    unsafe fn new(work: Adding<'a, '_>) -> Self {
        const { assert!(V::COUNT * MAX_LINE_REGISTERS >= LINE, "a line fits") };
        let Adding {
            patch,
            rows,
            columns,
            canvas,
            next,
        } = work;
        let (lines, even) = (columns.lines.clone(), columns.even.clone());
        let (side, count) = (2 * patch.side.cast_signed(), V::COUNT.cast_signed());
        let at = rows.out * canvas.stride + columns.out;
        // SAFETY: at most `COUNT` lanes; complex numbers are pairs of floats; rows and columns are inside the canvas.
        unsafe {
            let mut edges = [[[V::mask(0, V::COUNT); 2]; MAX_LINE_REGISTERS]; 3];
            for (edge, line) in edges.iter_mut().zip([lines.start, lines.end - 1]) {
                let mut at = 2 * columns.from + (line * LINE).cast_signed();
                for register in edge {
                    for (mask, at) in register.iter_mut().zip([at - 2, at]) {
                        let (from, to) = ((-at).clamp(0, count), (side - at).clamp(0, count));
                        *mask = V::mask(from.cast_unsigned(), to.cast_unsigned());
                    }
                    at += count;
                }
            }
            let values = patch.values.as_ptr().cast::<f32>();
            Self {
                all: lines,
                even,
                common: columns.common.map(|w| V::splat(w)),
                weights: [columns.double[0].as_ptr(), columns.double[1].as_ptr()],
                together: columns.together.as_ptr(),
                edges,
                patch: values.wrapping_offset(2 * columns.from),
                pitch: 2 * patch.stride,
                kept: columns.kept.as_mut_ptr(),
                sums: canvas.sums.as_mut_ptr().add(at).cast(),
                coverage: canvas.weights.as_mut_ptr().add(at),
                stride: canvas.stride,
                next,
                part: next.len() / rows.low.len(),
            }
        }
    }

    /// Adds every row.
    #[inline(always)]
    unsafe fn add(&self, rows: Rows<'_>) {
        let Rows {
            from, low, high, ..
        } = rows;
        let weights = |i: usize| [low[i], high.map_or(0.0, |high| high[i])];
        let (mut i, mut is_kept) = (0, false);
        // SAFETY: rows that have weight are inside the patch.
        unsafe {
            while i < low.len() {
                if is_kept && i + ROWS_AT_ONCE <= low.len() {
                    let weights = std::array::from_fn(|k| weights(i + k));
                    if weights.iter().flatten().all(|w| *w != 0.0) {
                        self.rows::<BOTH, ROWS_AT_ONCE>(i, from + i, weights);
                        i += ROWS_AT_ONCE;
                        continue;
                    }
                }
                let [low, high] = weights(i);
                match [low != 0.0, high != 0.0] {
                    [true, true] => {
                        if !is_kept {
                            self.rows::<KEEP, 1>(i, from + i - 1, [[0.0; 2]]);
                        }
                        self.rows::<BOTH, 1>(i, from + i, [[low, high]]);
                    }
                    [true, false] if is_kept => self.rows::<KEPT, 1>(i, 0, [[low, 0.0]]),
                    [true, false] => self.rows::<NEW, 1>(i, from + i - 1, [[0.0, low]]),
                    [false, true] => self.rows::<NEW, 1>(i, from + i, [[0.0, high]]),
                    [false, false] => {}
                }
                is_kept = high != 0.0;
                i += 1;
            }
        }
    }

    /// Adds to `R` rows of the canvas from row `i` on, and reads as many of the patch from `row` on.
    #[inline(always)]
    unsafe fn rows<const DO: u8, const R: usize>(
        &self,
        i: usize,
        row: usize,
        weights: [[f32; 2]; R],
    ) {
        let at = i * self.stride;
        let next = &self.next[i * self.part..];
        if DO != KEEP {
            // what is beyond the lines of these rows
            let lines = (PIXELS * self.all.len()).min(self.part);
            let parts = next[..R * self.part].chunks_exact(self.part.max(1));
            parts.for_each(|part| prefetch(&part[lines..]));
        }
        // SAFETY: the caller's.
        unsafe {
            let rows = Block {
                patch: self.patch.wrapping_add(row * self.pitch),
                sums: self.sums.add(2 * at),
                next: next.as_ptr().cast(),
                weights: weights.map(|w| w.map(|w| V::splat(w))),
            };
            let Range { start, end } = self.even;
            self.lines::<DO, R, false>(self.all.start..start, &rows);
            self.lines::<DO, R, true>(start..end, &rows);
            self.lines::<DO, R, false>(end..self.all.end, &rows);
            if DO != KEEP {
                self.cover(at, weights.map(|[low, high]| low + high));
            }
        }
    }

    /// Adds to lines that are even (`EVEN`) and read inside the patch, or to any, where zero is read beyond its edge.
    ///
    /// With each line one line of the next patch is prefetched: prefetching all at once would fill the load buffers.
    #[inline(always)]
    unsafe fn lines<const DO: u8, const R: usize, const EVEN: bool>(
        &self,
        lines: Range<usize>,
        rows: &Block<V, R>,
    ) {
        // SAFETY: the caller's.
        unsafe {
            for line in lines {
                if DO != KEEP {
                    for r in 0..R {
                        let next = rows.next.wrapping_add(2 * r * self.part);
                        prefetch_l2(next.wrapping_add((line - self.all.start) * LINE));
                        let below = rows
                            .sums
                            .wrapping_add(2 * (PREFETCH_ROWS + r) * self.stride);
                        prefetch_l1(below.wrapping_add(line * LINE));
                    }
                }
                for v in 0..LINE / V::COUNT {
                    let k = line * LINE + v * V::COUNT;
                    let mut kept = V::zero();
                    if DO == KEPT || DO == BOTH {
                        kept = V::load(self.kept.add(k));
                    }
                    for r in 0..R {
                        let mut sum = V::zero();
                        let to = rows.sums.wrapping_add(2 * r * self.stride + k);
                        if DO != KEEP {
                            sum = V::load(to);
                        }
                        if DO == KEPT || DO == BOTH {
                            sum = rows.weights[r][0].mul_add(kept, sum);
                        }
                        if DO != KEPT {
                            let row = rows.patch.wrapping_add(r * self.pitch);
                            kept = self.between::<EVEN>(row, line, v);
                            sum = rows.weights[r][1].mul_add(kept, sum);
                        }
                        if DO != KEEP {
                            sum.store(to);
                        }
                    }
                    if DO != KEPT {
                        kept.store(self.kept.add(k));
                    }
                }
            }
        }
    }

    /// Register `v` of a line of a row of the patch, between the columns.
    #[inline(always)]
    unsafe fn between<const EVEN: bool>(&self, row: *const f32, line: usize, v: usize) -> V {
        let k = line * LINE + v * V::COUNT;
        // the lower column is a pixel before the higher
        let at = [0, 1].map(|c| row.wrapping_add(k).wrapping_sub(2 * (1 - c)));
        let Range { start, end } = self.all;
        let other = if line + 1 == end { 1 } else { 2 };
        let edge = &self.edges[if line == start { 0 } else { other }][v];
        // SAFETY: the caller's.
        unsafe {
            let mut values = [V::zero(); 2];
            let mut weights = self.common;
            for c in 0..C {
                if EVEN {
                    values[c] = V::load(at[c]);
                } else {
                    values[c] = V::load_some(at[c], edge[c]);
                    weights[c] = V::load(self.weights[c].add(k));
                }
            }
            let low = weights[0].mul(values[0]);
            if C == 1 {
                low
            } else {
                weights[1].mul_add(values[1], low)
            }
        }
    }

    /// Adds the weights of rows, and of the columns together, to the coverage from `at` on.
    #[inline(always)]
    unsafe fn cover<const R: usize>(&self, at: usize, weights: [f32; R]) {
        // a line of weights has the pixels of two lines of values
        let lines = self.all.start / 2..self.all.end.div_ceil(2);
        // SAFETY: the caller's.
        unsafe {
            let weights = weights.map(|w| V::splat(w));
            let coverage = self.coverage.add(at);
            for line in lines {
                for v in 0..LINE / V::COUNT {
                    let k = line * LINE + v * V::COUNT;
                    let columns = V::load(self.together.add(k));
                    for r in 0..R {
                        let to = coverage.wrapping_add(r * self.stride + k);
                        if v == 0 {
                            prefetch_l1(to.wrapping_add(PREFETCH_ROWS * self.stride));
                        }
                        columns.mul_add(weights[r], V::load(to)).store(to);
                    }
                }
            }
        }
    }
}

/// `R` rows, from where the first column of the first is read, or added to.
struct Block<V, const R: usize> {
    patch: *const f32,
    sums: *mut f32,
    /// Data to prefetch.
    next: *const f32,
    /// Interpolated values of the previous row and of this one.
    weights: [[V; 2]; R],
}
