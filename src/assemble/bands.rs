//! Many patches onto one canvas, fast: the canvas is cut into bands of rows, each with one writer that takes the
//! patches in their order.
//!
//! *Law.* Every pixel receives the same addends in the same order as from [`Placement::place`] and
//! [`Placement::coverage`]; so the bits are theirs, for every number of threads and every instruction set.
//!
//! *Memory.* The canvas, its weights, and the taps of 1024 patches, however many there are.

use std::ops::Range;

use ndarray::Array2;
use num_complex::Complex32;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::place::{Line, Placement};
use crate::error::Result;
use crate::ground::geometry::CanvasSize;

/// Rows of a band: its canvas stays in the second-level cache while patches come and go.
const ROWS: usize = 64;

/// Patches whose taps are held at a time.
const BATCH: usize = 1024;

/// A canvas that patches are added to.
#[derive(Debug)]
pub(super) struct Bands {
    pub(super) canvas: Array2<Complex32>,
    pub(super) coverage: Array2<f32>,
    pub(super) dropped: usize,
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
    #[inline(always)]
    fn row(&self, k: usize, r: usize) -> &'a [Complex32] {
        let at = (k * self.n + self.corner + r) * self.n + self.corner;
        &self.values[at..at + self.m]
    }
}

impl Bands {
    /// An empty canvas for patches of side `m`, `pad` pixels in from its corner.
    pub(super) fn new(m: usize, pad: usize, side: CanvasSize) -> Self {
        let shape = (side.get(), side.get());
        Self {
            canvas: Array2::default(shape),
            coverage: Array2::default(shape),
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
        assert_eq!(
            values.len(),
            n * n * shifts.len(),
            "a patch for every shift"
        );
        let (side, m) = (self.side.get(), self.m);
        let batches = values.chunks(BATCH * n * n).zip(shifts.chunks(BATCH));
        for (values, shifts) in batches {
            let placement = Placement::new(m, self.pad, self.side, shifts)?;
            self.dropped += placement.dropped();
            let mut visitors = vec![Vec::new(); side.div_ceil(ROWS)];
            for k in 0..shifts.len() {
                let rows = placement.bounds(k).0;
                for band in rows.start / ROWS..rows.end.div_ceil(ROWS) {
                    visitors[band].push(k);
                }
            }
            let corner = n / 2 - m / 2;
            let patches = Stack {
                values,
                n,
                corner,
                m,
            };
            let canvas = self.canvas.as_slice_mut().expect("a canvas of our own");
            let coverage = self.coverage.as_slice_mut().expect("a canvas of our own");
            let arch = Arch::new();
            canvas
                .par_chunks_mut(ROWS * side)
                .zip(coverage.par_chunks_mut(ROWS * side))
                .zip(&visitors)
                .enumerate()
                .for_each(|(band, ((canvas, coverage), visitors))| {
                    arch.dispatch(Band {
                        first: band * ROWS,
                        side,
                        canvas,
                        coverage,
                        visitors,
                        placement: &placement,
                        patches,
                    });
                });
        }
        Ok(())
    }
}

/// One band and the patches that touch it.
struct Band<'a> {
    first: usize,
    side: usize,
    canvas: &'a mut [Complex32],
    coverage: &'a mut [f32],
    visitors: &'a [usize],
    placement: &'a Placement<f32>,
    patches: Stack<'a>,
}

/// Columns in a row that read both their taps, or one: canvas columns, and the patch column of the first tap.
#[derive(Debug, Clone)]
struct Run {
    out: Range<usize>,
    taps: usize,
    from: usize,
    both: bool,
}

/// The columns of a patch as runs, with their weights in arrays: `weight[0]` belongs to column `from + i`, `weight[1]`, if both
/// are read, to the next.
#[derive(Debug, Default)]
struct Columns {
    runs: Vec<Run>,
    weight: [Vec<f32>; 2],
}

impl Columns {
    #[inline(always)]
    fn load(&mut self, line: &Line<f32>) {
        self.runs.clear();
        self.weight.iter_mut().for_each(Vec::clear);
        for (i, tap) in line.taps.iter().enumerate() {
            // a weight of zero says that its pixel must not be read: at an edge, or on a whole pixel
            let [a, b] = tap.weight;
            let both = a != 0.0 && b != 0.0;
            let second = usize::from(a == 0.0);
            let (from, first) = (tap.from[second], tap.weight[second]);
            self.weight[0].push(first);
            self.weight[1].push(b);
            match self.runs.last_mut() {
                Some(run)
                    if run.both == both
                        && run.out.end == tap.out
                        && run.from + run.out.len() == from
                        && (!both || tap.from[1] == from + 1) =>
                {
                    run.out.end += 1;
                }
                _ => self.runs.push(Run {
                    out: tap.out..tap.out + 1,
                    taps: i,
                    from,
                    both,
                }),
            }
        }
    }
}

impl WithSimd for Band<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let mut columns = Columns::default();
        let rows = self.first..self.first + self.canvas.len() / self.side;
        for &k in self.visitors {
            columns.load(&self.placement.cols[k]);
            for tap in &self.placement.rows[k].taps {
                if !rows.contains(&tap.out) {
                    continue;
                }
                let at = (tap.out - rows.start) * self.side;
                let canvas = &mut self.canvas[at..at + self.side];
                let coverage = &mut self.coverage[at..at + self.side];
                let parts = [0, 1].map(|i| (self.patches.row(k, tap.from[i]), tap.weight[i]));
                for run in &columns.runs {
                    let (v, w) = (&mut canvas[run.out.clone()], &mut coverage[run.out.clone()]);
                    let taps = run.taps..run.taps + v.len();
                    let (w0, w1) = (&columns.weight[0][taps.clone()], &columns.weight[1][taps]);
                    let [upper, lower] = parts.map(|(row, wr)| (&row[run.from..], wr));
                    match (upper.1 != 0.0, lower.1 != 0.0, run.both) {
                        (true, true, true) => four(v, w, [upper, lower], w0, w1),
                        (upper_read, lower_read, _) => {
                            for part in [(upper_read, upper), (lower_read, lower)] {
                                match (part.0, run.both) {
                                    (true, true) => two(v, w, part.1, w0, w1),
                                    (true, false) => one(v, w, part.1, w0),
                                    (false, _) => {}
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A row of a patch and its weight.
type Part<'a> = (&'a [Complex32], f32);

/// Both taps of both rows. The order of the additions is that of [`Placement::add`].
#[inline(always)]
fn four(v: &mut [Complex32], w: &mut [f32], [p, q]: [Part<'_>; 2], w0: &[f32], w1: &[f32]) {
    let n = v.len();
    let (w, w0, w1) = (&mut w[..n], &w0[..n], &w1[..n]);
    let (p0, p1, q0, q1) = (&p.0[..n], &p.0[1..=n], &q.0[..n], &q.0[1..=n]);
    for i in 0..n {
        let (a, b) = (p.1 * w0[i], p.1 * w1[i]);
        let (c, d) = (q.1 * w0[i], q.1 * w1[i]);
        v[i].re = v[i].re + p0[i].re * a + p1[i].re * b + q0[i].re * c + q1[i].re * d;
        v[i].im = v[i].im + p0[i].im * a + p1[i].im * b + q0[i].im * c + q1[i].im * d;
        w[i] = w[i] + a + b + c + d;
    }
}

/// Both taps of one row.
#[inline(always)]
fn two(v: &mut [Complex32], w: &mut [f32], p: Part<'_>, w0: &[f32], w1: &[f32]) {
    let n = v.len();
    let (w, w0, w1) = (&mut w[..n], &w0[..n], &w1[..n]);
    let (p0, p1) = (&p.0[..n], &p.0[1..=n]);
    for i in 0..n {
        let (a, b) = (p.1 * w0[i], p.1 * w1[i]);
        v[i].re = v[i].re + p0[i].re * a + p1[i].re * b;
        v[i].im = v[i].im + p0[i].im * a + p1[i].im * b;
        w[i] = w[i] + a + b;
    }
}

/// One tap of one row.
#[inline(always)]
fn one(v: &mut [Complex32], w: &mut [f32], p: Part<'_>, w0: &[f32]) {
    let n = v.len();
    let (w, w0, p0) = (&mut w[..n], &w0[..n], &p.0[..n]);
    for i in 0..n {
        let a = p.1 * w0[i];
        v[i].re += p0[i].re * a;
        v[i].im += p0[i].im * a;
        w[i] += a;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::par::Pool;
    use ndarray::{Array3, s};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bands_are_the_definition_to_the_bit(
            n in 1usize..14, cut in 0usize..14, pad in 0usize..80, grain in 0i32..3, bad in 0usize..40,
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
                prop_assert_eq!(bits(&b.canvas), bits(&want));
                prop_assert_eq!(&b.coverage, &weight);
                prop_assert_eq!(b.dropped, placement.dropped());
            }
        }
    }
}
