//! The loops of [`add`](super::add): a canvas row at a time, a cache line at a time.
//!
//! *Why lines of two kinds.* What a pixel costs are its loads. Where all columns of a line have the same weights
//! the four products of weights are made once a row and stay in registers, and a register of inputs is an operand of its product
//! wherever it lies. First and last lines, which reach over the edge of the patch, take weights and lanes as they are
//! stored: two of nine lines of a patch of 64.

#![allow(
    unsafe_code,
    clippy::needless_range_loop,
    reason = "SIMD kernel; arrays of registers are indexed by constants"
)]

use std::ops::Range;

use num_complex::Complex32;

use super::columns::{Columns, PIXELS};
use super::{Canvas, Patch, RowTap};
use crate::kernel::dispatch::Work;
use crate::kernel::fetch::{LINE, ahead, fetch, later};
use crate::kernel::lanes::Lanes;
use crate::kernel::shuffle::Shuffle;

/// Rows of the canvas that are asked for before they are added to.
const AHEAD: usize = 4;

/// A patch onto a canvas. Rows and columns lie inside both.
pub(super) struct Rows<'a, 'b> {
    pub(super) patch: Patch<'a>,
    pub(super) taps: &'a [RowTap],
    pub(super) columns: &'a Columns,
    pub(super) canvas: &'a mut Canvas<'b>,
    pub(super) next: &'a [Complex32],
}

impl Work for Rows<'_, '_> {
    #[inline(always)]
    unsafe fn run<V: Shuffle>(mut self) {
        if self.columns.lines.is_empty() {
            return;
        }
        let part = self.next.len() / self.taps.len().max(1);
        // SAFETY: the caller's.
        unsafe {
            let plan = Plan::<V>::new(self.columns, self.patch.side);
            for (i, tap) in self.taps.iter().enumerate() {
                // with each line that is added to a line of the next patch is asked for: all at once would fill the buffers that the
                // loads of this row wait for
                let next = &self.next[i * part..(i + 1) * part];
                fetch(&next[part.min(PIXELS * plan.values.all.len())..]);
                let next = next.as_ptr().cast::<f32>();
                let next = next.wrapping_sub(plan.values.all.start * LINE);
                if self.columns.both {
                    self.tap::<V, 2>(tap, &plan, next);
                } else {
                    self.tap::<V, 1>(tap, &plan, next);
                }
            }
        }
    }
}

impl Rows<'_, '_> {
    /// One canvas row, from the rows of the patch that have weight and `C` columns each.
    #[inline(always)]
    unsafe fn tap<V: Lanes, const C: usize>(
        &mut self,
        tap: &RowTap,
        plan: &Plan<V>,
        next: *const f32,
    ) {
        let [a, b] = [0, 1].map(|k| (tap.from[k], tap.weight[k]));
        // SAFETY: the caller's.
        unsafe {
            match tap.weight.map(|w| w != 0.0) {
                [true, true] => self.row::<V, 2, C>(tap.out, [a, b], plan, next),
                [true, false] => self.row::<V, 1, C>(tap.out, [a], plan, next),
                [false, true] => self.row::<V, 1, C>(tap.out, [b], plan, next),
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
        plan: &Plan<V>,
        next: *const f32,
    ) {
        let at = out * self.canvas.stride + self.columns.out;
        // the canvas lies in the second-level cache at best
        let below = AHEAD * self.canvas.stride;
        // SAFETY: complex numbers are pairs of floats; the lines of the canvas that the columns reach lie inside.
        unsafe {
            let values = self.patch.values.as_ptr().cast::<f32>();
            let first = values.wrapping_offset(2 * self.columns.from);
            let mut rows = [first; P];
            let mut weights = [V::zero(); P];
            let mut common = [[V::zero(); C]; P];
            for p in 0..P {
                let (row, weight) = parts[p];
                rows[p] = first.wrapping_add(2 * row * self.patch.stride);
                weights[p] = V::splat(weight);
                for c in 0..C {
                    common[p][c] = V::splat(weight * plan.common[c]);
                }
            }
            let row = Row {
                rows,
                weights,
                common,
            };
            let sums = self.canvas.sums.as_mut_ptr().add(at).cast::<f32>();
            let sums = To {
                sums,
                below: sums.wrapping_add(2 * below),
                next,
            };
            row.add::<true>(&plan.values, plan, sums);
            let sums = self.canvas.weights.as_mut_ptr().add(at);
            let sums = To {
                sums,
                below: sums.wrapping_add(below),
                next,
            };
            row.add::<false>(&plan.coverage, plan, sums);
        }
    }
}

/// Registers of a line, at most.
const REGISTERS: usize = 2;

/// Where the registers of a line lie inside the rows of a patch, as they read the lower column and the higher.
type Edge<V> = [[<V as Lanes>::Mask; 2]; REGISTERS];

/// What all rows of a patch have in common.
struct Plan<V: Lanes> {
    values: Span,
    coverage: Span,
    /// Weights of the columns on even lines.
    common: [f32; 2],
    /// Of the first line of values, of the last and of all between.
    edges: [Edge<V>; 3],
}

/// Lines that are added to.
struct Span {
    all: Range<usize>,
    even: Range<usize>,
    /// Weights of the columns on lines that are not even.
    weights: [*const f32; 2],
}

impl<V: Lanes> Plan<V> {
    #[inline(always)]
    unsafe fn new(columns: &Columns, side: usize) -> Self {
        const { assert!(V::COUNT * REGISTERS >= LINE, "a line fits") };
        let (lines, even) = (columns.lines.clone(), columns.even.clone());
        // a line of weights has the pixels of two lines of values
        let first = even.start.div_ceil(2);
        let coverage = Span {
            all: lines.start / 2..lines.end.div_ceil(2),
            even: first..(even.end / 2).max(first),
            weights: [columns.single[0].as_ptr(), columns.single[1].as_ptr()],
        };
        let (side, count) = (2 * side.cast_signed(), V::COUNT.cast_signed());
        // SAFETY: at most `COUNT` lanes.
        unsafe {
            let mut edges = [[[V::mask(0, V::COUNT); 2]; REGISTERS]; 3];
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
            Self {
                values: Span {
                    all: lines,
                    even,
                    weights: [columns.double[0].as_ptr(), columns.double[1].as_ptr()],
                },
                coverage,
                common: columns.common,
                edges,
            }
        }
    }

    #[inline(always)]
    fn edge(&self, line: usize) -> &Edge<V> {
        let Range { start, end } = self.values.all;
        let other = if line + 1 == end { 1 } else { 2 };
        &self.edges[if line == start { 0 } else { other }]
    }
}

/// A row of the canvas, of values or of weights, and what is asked for meanwhile, line for line.
#[derive(Clone, Copy)]
struct To {
    sums: *mut f32,
    /// Another row of the canvas.
    below: *const f32,
    /// Of the next patch.
    next: *const f32,
}

/// `P` rows of the patch.
struct Row<V, const P: usize, const C: usize> {
    /// Where each is read for the first column, which may lie before the row.
    rows: [*const f32; P],
    weights: [V; P],
    /// Times those of the columns, on even lines.
    common: [[V; C]; P],
}

impl<V: Lanes, const P: usize, const C: usize> Row<V, P, C> {
    /// Adds values (`VALUES`), or else weights.
    #[inline(always)]
    unsafe fn add<const VALUES: bool>(&self, span: &Span, plan: &Plan<V>, to: To) {
        let Span { all, even, .. } = span;
        // SAFETY: the caller's.
        unsafe {
            self.lines::<VALUES, false>(all.start..even.start, span, plan, to);
            self.lines::<VALUES, true>(even.clone(), span, plan, to);
            self.lines::<VALUES, false>(even.end..all.end, span, plan, to);
        }
    }

    /// Adds to lines that are even (`EVEN`) and read inside the patch, or to any, where zero is read beyond its edge.
    #[inline(always)]
    unsafe fn lines<const VALUES: bool, const EVEN: bool>(
        &self,
        lines: Range<usize>,
        span: &Span,
        plan: &Plan<V>,
        to: To,
    ) {
        // SAFETY: the caller's.
        unsafe {
            for i in lines {
                if VALUES {
                    later(to.next.wrapping_add(i * LINE));
                }
                ahead(to.below.wrapping_add(i * LINE));
                let edge = plan.edge(i);
                for v in 0..LINE / V::COUNT {
                    let k = i * LINE + v * V::COUNT;
                    let mut sum = V::load(to.sums.add(k));
                    for p in 0..P {
                        for c in 0..C {
                            let weight = if EVEN {
                                self.common[p][c]
                            } else {
                                self.weights[p].mul(V::load(span.weights[c].add(k)))
                            };
                            // the lower column lies a pixel before the higher
                            let at = self.rows[p].wrapping_add(k).wrapping_sub(2 * (1 - c));
                            sum = sum.add(match (VALUES, EVEN) {
                                (false, _) => weight,
                                (true, true) => V::load(at).mul(weight),
                                (true, false) => V::load_some(at, edge[v][c]).mul(weight),
                            });
                        }
                    }
                    sum.store(to.sums.add(k));
                }
            }
        }
    }
}
