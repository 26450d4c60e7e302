//! The columns of a shifted patch: their place on the canvas, the columns they read, and the weights.

use std::ops::Range;

use super::COLUMN_STEP;
use crate::aligned::Aligned;
use crate::prefetch::LINE;

/// Pixels of a line of values: a real and an imaginary part each.
pub(super) const PIXELS: usize = LINE / 2;

/// The columns of a moved patch: canvas column `out + i` reads columns `from + i - 1` and, unless the shift is by
/// whole pixels, `from + i`; columns outside the patch are read as zero.
#[derive(Debug, Default, Clone)]
pub struct Columns {
    /// A multiple of [`COLUMN_STEP`], so that registers are aligned to cache lines if the rows of the canvas are.
    pub(super) out: usize,
    /// The column of the patch above the first; may be negative.
    pub(super) from: isize,
    pub(super) both: bool,
    /// Columns, those before the first that has weight included.
    pub(super) used: usize,
    /// Lines of values that have weight. All but the first and the last read inside the patch.
    pub(super) lines: Range<usize>,
    /// Of those, neighbors whose columns all have the weights `common`; none of the first and the last.
    pub(super) even: Range<usize>,
    pub(super) common: [f32; 2],
    /// For each column, zero before the first and beyond the last.
    pub(super) single: [Vec<f32>; 2],
    /// Every weight twice, for real and imaginary parts, on lines that are not `even`.
    pub(super) double: [Vec<f32>; 2],
    /// Weights of the lower and the higher column together.
    pub(super) together: Vec<f32>,
    /// Buffer for a row of the patch interpolated between the columns.
    pub(super) kept: Aligned<f32>,
}

impl Columns {
    /// Columns from `out` on that read from `from` on, with their weights of the lower and of the higher.
    ///
    /// # Panics
    /// If there are not as many of both.
    pub fn load(&mut self, out: usize, from: usize, low: &[f32], high: Option<&[f32]>) {
        // if no column has weight none is read: `out` and `from` are then undefined
        let lead = if low.is_empty() { 0 } else { out % COLUMN_STEP };
        self.out = out - lead;
        self.from = from.cast_signed() - lead.cast_signed();
        self.both = high.is_some();
        self.used = lead + low.len();
        self.lines = lead / PIXELS..self.used.div_ceil(PIXELS);
        let count = self.used.next_multiple_of(COLUMN_STEP);
        for (k, weights) in [low, high.unwrap_or_default()].into_iter().enumerate() {
            assert!(
                weights.len() == low.len() || (k, high) == (1, None),
                "as many of both"
            );
            let single = &mut self.single[k];
            single.clear();
            single.resize(lead, 0.0);
            single.extend_from_slice(weights);
            single.resize(count, 0.0);
        }
        self.together.clear();
        let [low, high] = &self.single;
        self.together
            .extend(low.iter().zip(high).map(|(a, b)| a + b));
        self.kept.resize(2 * count);
        self.find_even();
        for (double, single) in self.double.iter_mut().zip(&self.single) {
            double.resize(2 * count, 0.0);
            for part in [
                self.lines.start..self.even.start,
                self.even.end..self.lines.end,
            ] {
                let (from, to) = (part.start * PIXELS, part.end * PIXELS);
                let pairs = double[2 * from..2 * to].as_chunks_mut::<2>().0;
                for (pair, w) in pairs.iter_mut().zip(&single[from..to]) {
                    *pair = [*w, *w];
                }
            }
        }
    }

    /// Columns of the canvas that may be written, from `out` on.
    pub(super) fn count(&self) -> usize {
        self.single[0].len()
    }

    /// Weights differ by the rounding of a coordinate, so they change where coordinates pass a power of two: most patches
    /// have equal weights from the second line to the last but one.
    fn find_even(&mut self) {
        let Range { start, end } = self.lines;
        let middle = start.midpoint(end).max((start + 1).min(end));
        self.even = middle..middle;
        if middle + 1 >= end {
            return;
        }
        let weights = |k: usize, line: usize| &self.single[k][line * PIXELS..][..PIXELS];
        self.common = [0, 1].map(|k| weights(k, middle)[0]);
        let is_common = |line: &usize| {
            let differ = |k: usize| {
                let bits = self.common[k].to_bits();
                let differ = weights(k, *line).iter().map(|w| w.to_bits() ^ bits);
                differ.fold(0, |any, d| any | d)
            };
            differ(0) | differ(1) == 0
        };
        let after = (middle..end - 1).take_while(is_common).count();
        if after > 0 {
            let before = (start + 1..middle).rev().take_while(is_common).count();
            self.even = middle - before..middle + after;
        }
    }
}
