//! Many patches onto one canvas, fast: the canvas is cut into bands of rows, each with one writer that takes the
//! patches in their order.
//!
//! *Law.* Every pixel receives the same addends in the same order as from [`Placement::place`] and
//! [`Placement::coverage`]; so the bits are theirs, for every number of threads and every instruction set.
//!
//! *How.* Where the taps of a patch are regular ([`Run`]) whole registers of pixels are added ([`moved`]); what lies
//! outside the patch reads as zero and adds `+0 * weight`, and a sum that began at `+0` is never `-0`: so it changes
//! no bit. Where rounding makes a tap skip a pixel, taps are added one by one.
//!
//! *Memory.* The canvas and its weights, however many patches there are.

use ndarray::Array2;
use num_complex::Complex32;
use rayon::prelude::*;

use super::canvas::central;
use super::place::{Line, Reach, check_side, line, unusable};
use super::run::Run;
use crate::error::Result;
use crate::ground::geometry::{CanvasSize, floor_index};
use crate::kernel::isa::Isa;
use crate::kernel::moved::{self, COLUMN_STEP, Canvas, Columns, Patch, RowTap};
use crate::kernel::{Loop, vectorized};

/// Rows of a band, at most. In lower ones more patches are cut, whose parts come from memory in shorter pieces and are
/// prepared one by one; of higher ones less stays in a cache while patches come and go.
const ROWS: usize = 128;
/// Rows of a band, at least, however many threads there are.
const FEW: usize = 16;

/// A canvas that patches are added to; each row begins on a cache line and has room for a step of columns more.
#[derive(Debug)]
pub(super) struct Bands {
    sums: Lined<Complex32>,
    weights: Lined<f32>,
    stride: usize,
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

impl Bands {
    /// An empty canvas for patches of side `m`, `pad` pixels in from its corner.
    pub(super) fn new(m: usize, pad: usize, side: CanvasSize) -> Self {
        let stride = (side.get() + COLUMN_STEP).next_multiple_of(COLUMN_STEP);
        let len = stride * side.get();
        Self {
            sums: Lined::new(len),
            weights: Lined::new(len),
            stride,
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
        let (m, pad, side, stride) = (self.m, self.pad, self.side.get(), self.stride);
        check_side(m)?;
        // as many for each thread
        let threads = rayon::current_num_threads();
        let rows = side
            .div_ceil(side.div_ceil(ROWS).next_multiple_of(threads))
            .max(FEW);
        let mut visitors = vec![Vec::new(); side.div_ceil(rows)];
        for (k, shift) in shifts.iter().enumerate() {
            let reach = |axis: usize| {
                Reach::of(m, pad, side, f64::from(shift[axis]))
                    .ok_or_else(|| unusable(k, axis, shift[axis]))
            };
            let (x, y) = (reach(0)?, reach(1)?);
            self.dropped += m * m - x.kept * y.kept;
            visitors[y.from / rows..y.to.div_ceil(rows)]
                .iter_mut()
                .for_each(|band| band.push(k));
        }
        let patches = Stack {
            values,
            n,
            corner: central(n, m).start,
            m,
        };
        self.sums
            .get()
            .par_chunks_mut(rows * stride)
            .zip(self.weights.get().par_chunks_mut(rows * stride))
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
        let (side, stride) = (self.side.get(), self.stride);
        let sums = self.sums.get().par_chunks_mut(BLOCK);
        sums.zip(self.weights.get().par_chunks(BLOCK))
            .for_each(|(sums, weights)| {
                vectorized(Quotients {
                    sums,
                    weights,
                    guard,
                });
            });
        (
            self.sums.without_room(side, stride),
            self.weights.without_room(side, stride),
            self.dropped,
        )
    }
}

/// Pixels that are divided at once by one thread.
const BLOCK: usize = 1 << 14;

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

/// Values that begin on a cache line, where the allocator allows it.
#[derive(Debug)]
struct Lined<T> {
    room: Vec<T>,
    first: usize,
}

impl<T: Copy + Default> Lined<T> {
    fn new(len: usize) -> Self {
        let room = vec![T::default(); len + COLUMN_STEP];
        let first = room.as_ptr().align_offset(64).min(COLUMN_STEP);
        Self { room, first }
    }

    fn get(&mut self) -> &mut [T] {
        let end = self.room.len() - COLUMN_STEP + self.first;
        &mut self.room[self.first..end]
    }

    /// The first `side` of each `stride` values, moved together where they are: new memory would cost more than the move.
    fn without_room(mut self, side: usize, stride: usize) -> Array2<T> {
        for row in 0..side {
            let from = self.first + row * stride;
            self.room.copy_within(from..from + side, row * side);
        }
        self.room.truncate(side * side);
        self.room.shrink_to_fit();
        Array2::from_shape_vec((side, side), self.room).expect("as many rows as columns")
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
    rows: Run,
    row_taps: Vec<RowTap>,
    cols: Run,
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
            rows: Run::default(),
            row_taps: Vec::new(),
            cols: Run::default(),
            columns: Columns::default(),
        }
    }

    /// The rows of patch `k`, moved by `shift`, that lie in the band.
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
        let rows = (self.canvas.sums.len() / self.canvas.stride).cast_signed();
        let [begin, end] =
            [first - 1, first + rows].map(|r| usize::try_from(r).unwrap_or(0).min(side));
        values
            .get(begin * stride..(end * stride).min(values.len()))
            .unwrap_or_default()
    }

    /// Adds what lies in the band of patch `k`, moved by `shift`.
    fn add(&mut self, k: usize, shift: [f32; 2], next: &[Complex32]) {
        let (m, pad, side) = (self.patches.m, self.pad, self.side);
        let reach = shift.map(|d| Reach::of(m, pad, side, f64::from(d)));
        let [Some(x), Some(y)] = reach else {
            unreachable!("shifts are checked before a writer begins")
        };
        if !self.rows.load(m, pad, &y, shift[1]) || !self.cols.load(m, pad, &x, shift[0]) {
            return self.add_tap_by_tap(k, shift);
        }
        let band = self.first..self.first + self.canvas.sums.len() / self.canvas.stride;
        let Run {
            out, from, whole, ..
        } = self.rows;
        let used = out..out + self.rows.low.len();
        self.row_taps.clear();
        for row in used.start.max(band.start)..used.end.min(band.end) {
            let i = row - out;
            let weight = [
                self.rows.low[i],
                if whole { 0.0 } else { self.rows.high[i] },
            ];
            let mut rows = [0; 2];
            for (part, row) in rows.iter_mut().enumerate() {
                if weight[part] != 0.0 {
                    *row = from + i + part - 1;
                }
            }
            self.row_taps.push(RowTap {
                out: row - self.first,
                from: rows,
                weight,
            });
        }
        let high = (!self.cols.whole).then_some(&*self.cols.high);
        self.columns
            .load(self.cols.out, self.cols.from, &self.cols.low, high);
        moved::add(
            self.isa,
            self.patches.patch(k),
            &self.row_taps,
            &self.columns,
            &mut self.canvas,
            next,
        );
    }

    /// As [`Writer::add`], for patches that are not regular; reads no pixel whose weight is zero.
    fn add_tap_by_tap(&mut self, k: usize, shift: [f32; 2]) {
        let band = self.first..self.first + self.canvas.sums.len() / self.canvas.stride;
        let lines = shift.map(|d| line(self.patches.m, self.pad, self.side, d));
        let [Some(Line { taps: cols, .. }), Some(Line { taps: rows, .. })] = lines else {
            unreachable!("shifts are checked before a writer begins")
        };
        let patch = self.patches.patch(k);
        for row in rows.iter().filter(|tap| band.contains(&tap.out)) {
            for col in &cols {
                let at = (row.out - self.first) * self.canvas.stride + col.out;
                for (r, wr) in row.parts() {
                    for (c, wc) in col.parts() {
                        let w = wr * wc;
                        self.canvas.sums[at] += patch.values[r * patch.stride + c] * w;
                        self.canvas.weights[at] += w;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::Placement;
    use crate::ground::par::Pool;
    use ndarray::{Array3, Zip, s};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bands_are_the_definition_to_the_bit(
            n in prop_oneof![1usize..14, 30usize..50], cut in 0usize..14, pad in 0usize..80, grain in 0i32..3, bad in 0usize..40,
            shifts in proptest::collection::vec([-90.0f32..90.0, -90.0f32..90.0], 1..30),
        ) {
            // law: canvas = place(crops), coverage = coverage(), for 1 and 3 threads, a NaN included
            let m = n - cut.min(n - 1);
            let shifts: Vec<[f32; 2]> = shifts.iter().map(|d| d.map(|v| match grain {
                0 => v,
                1 => v.floor(),
                _ => v.floor() + 1e-9 * v,
            })).collect();
            let side = CanvasSize::new(m + 2 * pad)?;
            let mut x = Array3::from_shape_fn((shifts.len(), n, n), |(k, r, c)| {
                let t = ((k * n + r) * n + c) as f32;
                Complex32::new(t.sin(), (1.3 * t).cos())
            });
            if let Some(z) = x.get_mut([bad, 0, 0]) {
                z.re = f32::NAN;
            }
            let corner = n / 2 - m / 2;
            let crops = x.slice(s![.., corner..corner + m, corner..corner + m]);
            let placement = Placement::new(m, pad, side, &shifts)?;
            let (want, weight) = (placement.place(crops)?, placement.coverage());
            let bits = |a: &Array2<Complex32>| -> Vec<[u32; 2]> {
                let bit = |v: f32| if v.is_nan() { u32::MAX } else { v.to_bits() };
                a.iter().map(|z| [bit(z.re), bit(z.im)]).collect()
            };
            for threads in [1, 3] {
                let mut b = Bands::new(m, pad, side);
                let values = x.as_slice().expect("contiguous");
                Pool::new(threads)?.run(|| b.add(values, n, &shifts))?;
                let (quotients, coverage, dropped) = b.finish(1.0);
                let want = Zip::from(&want).and(&weight).map_collect(|v, w| v / (1.0 + w));
                prop_assert_eq!(bits(&quotients), bits(&want));
                prop_assert_eq!(&coverage, &weight);
                prop_assert_eq!(dropped, placement.dropped());
            }
        }
    }

    #[test]
    fn a_nan_beside_the_canvas_touches_nothing_whatever_came_before() {
        // the second patch has no column on the canvas; those of the first must not be taken for its own
        let side = CanvasSize::new(23).expect("a side");
        let mut b = Bands::new(1, 11, side);
        let values = [Complex32::new(1.0, 0.0), Complex32::new(f32::NAN, 0.0)];
        let shifts = [[0.0, 0.0], [37.5, 0.0]];
        b.add(&values, 1, &shifts).expect("two patches");
        let (quotients, ..) = b.finish(1.0);
        assert!(quotients.iter().all(|z| z.re.is_finite()));
        assert_eq!(quotients.iter().map(|z| z.re).sum::<f32>(), 0.5);
    }
}
