//! Many patches onto one canvas, fast: the canvas is cut into bands of rows, each with one writer that takes the
//! patches in their order.
//!
//! *Law.* Every pixel receives the same addends in the same order as from [`Placement::place`] and
//! [`Placement::coverage`]; so the bits are theirs, for every number of threads and every instruction set.
//!
//! *How.* Real and imaginary parts lie apart, so that eight pixels are one vector; rows of a patch are copied between zeros, so
//! that a patch's edges and the rest of the last vector are columns like all others. What these add is `+0 * weight`,
//! and a sum that began at `+0` is never `-0`: so it changes no bit. A weight of zero over a pixel that is not zero (a
//! shift by a whole pixel) must not be multiplied, because of NaN: such patches take the slow way.
//!
//! *Memory.* The canvas twice at the end, its weights, and the taps of 1024 patches, however many there are.

use std::ops::Range;

use ndarray::Array2;
use num_complex::Complex32;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::place::{Line, Placement, Tap};
use crate::error::Result;
use crate::ground::geometry::CanvasSize;

/// Rows of a band: its canvas stays in the second-level cache while patches come and go.
const ROWS: usize = 64;

/// Patches whose taps are held at a time.
const BATCH: usize = 1024;

/// Pixels in a step: one vector of AVX2, two of SSE2.
const LANES: usize = 8;

/// A canvas that patches are added to; each row has room for a vector more.
#[derive(Debug)]
pub(super) struct Bands {
    re: Vec<f32>,
    im: Vec<f32>,
    weight: Vec<f32>,
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
    #[inline(always)]
    fn row(&self, k: usize, r: usize) -> &'a [Complex32] {
        let at = (k * self.n + self.corner + r) * self.n + self.corner;
        &self.values[at..at + self.m]
    }
}

impl Bands {
    /// An empty canvas for patches of side `m`, `pad` pixels in from its corner.
    pub(super) fn new(m: usize, pad: usize, side: CanvasSize) -> Self {
        let stride = side.get() + LANES;
        let plane = vec![0.0; stride * side.get()];
        Self {
            re: plane.clone(),
            im: plane.clone(),
            weight: plane,
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
        let (m, stride) = (self.m, self.stride);
        let batches = values.chunks(BATCH * n * n).zip(shifts.chunks(BATCH));
        for (values, shifts) in batches {
            let placement = Placement::new(m, self.pad, self.side, shifts)?;
            self.dropped += placement.dropped();
            let mut visitors = vec![Vec::new(); self.side.get().div_ceil(ROWS)];
            for k in 0..shifts.len() {
                let rows = placement.bounds(k).0;
                let bands = rows.start / ROWS..rows.end.div_ceil(ROWS);
                visitors[bands].iter_mut().for_each(|band| band.push(k));
            }
            let corner = n / 2 - m / 2;
            let patches = Stack {
                values,
                n,
                corner,
                m,
            };
            let arch = Arch::new();
            self.re
                .par_chunks_mut(ROWS * stride)
                .zip(self.im.par_chunks_mut(ROWS * stride))
                .zip(self.weight.par_chunks_mut(ROWS * stride))
                .zip(&visitors)
                .enumerate()
                .for_each(|(band, (((re, im), weight), visitors))| {
                    arch.dispatch(Band {
                        first: band * ROWS,
                        stride,
                        planes: [re, im, weight],
                        visitors,
                        placement: &placement,
                        patches,
                    });
                });
        }
        Ok(())
    }

    /// The sums and the weights, each `[row, col]`, and the patch pixels that fell over the edge.
    pub(super) fn finish(self) -> (Array2<Complex32>, Array2<f32>, usize) {
        let side = self.side.get();
        let at = |(r, c)| r * self.stride + c;
        let sums = Array2::from_shape_fn((side, side), |i| {
            Complex32::new(self.re[at(i)], self.im[at(i)])
        });
        let weight = Array2::from_shape_fn((side, side), |i| self.weight[at(i)]);
        (sums, weight, self.dropped)
    }
}

/// One band and the patches that touch it.
struct Band<'a> {
    first: usize,
    stride: usize,
    planes: [&'a mut [f32]; 3],
    visitors: &'a [usize],
    placement: &'a Placement<f32>,
    patches: Stack<'a>,
}

/// The columns of a patch for whole vectors: column `out + i` reads `row[from + i]` and the next of a row between zeros.
#[derive(Debug, Default)]
struct Columns {
    out: usize,
    from: usize,
    weight: [Vec<f32>; 2],
}

impl Columns {
    /// Takes over `line` for patches of side `m`; false if it cannot be read that way: if a tap skips a column, or a
    /// weight of zero lies over a pixel.
    #[inline(always)]
    fn load(&mut self, line: &Line<f32>, m: usize) -> bool {
        let Some(first) = line.taps.first() else {
            return false;
        };
        // one more than the first tap's column: the column in a row between zeros
        let from = if first.weight[0] != 0.0 {
            first.from[0] + 1
        } else {
            first.from[1]
        };
        (self.out, self.from) = (first.out, from);
        let count = line.taps.len().next_multiple_of(LANES);
        for w in &mut self.weight {
            w.clear();
            w.resize(count, 0.0);
        }
        let mut regular = true;
        for (i, tap) in line.taps.iter().enumerate() {
            let [a, b] = tap.weight;
            self.weight[0][i] = a;
            self.weight[1][i] = b;
            let at = from + i;
            let low = if a != 0.0 {
                tap.from[0] + 1 == at
            } else {
                at == 0
            };
            let high = if b != 0.0 { tap.from[1] == at } else { at == m };
            regular &= low && high && tap.out == first.out + i;
        }
        regular
    }
}

/// A row of a patch between zeros, real and imaginary parts apart.
#[derive(Debug)]
struct Row {
    re: Vec<f32>,
    im: Vec<f32>,
    holds: Option<usize>,
}

impl Row {
    fn new(m: usize) -> Self {
        let zeros = vec![0.0; m + 2 * LANES];
        Self {
            re: zeros.clone(),
            im: zeros,
            holds: None,
        }
    }

    #[inline(always)]
    fn load(&mut self, r: usize, values: &[Complex32]) {
        if self.holds != Some(r) {
            self.holds = Some(r);
            let (re, im) = (&mut self.re[1..], &mut self.im[1..]);
            for ((re, im), z) in re.iter_mut().zip(im).zip(values) {
                (*re, *im) = (z.re, z.im);
            }
        }
    }
}

impl WithSimd for Band<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            first,
            stride,
            planes: [re, im, weight],
            ..
        } = self;
        let m = self.patches.m;
        let mut columns = Columns::default();
        // row r is in buffer r % 2, so that a row read by two canvas rows is copied once
        let mut buffers = [Row::new(m), Row::new(m)];
        let rows = first..first + re.len() / stride;
        for &k in self.visitors {
            let line = &self.placement.cols[k];
            let regular = columns.load(line, m);
            buffers.iter_mut().for_each(|b| b.holds = None);
            for tap in &self.placement.rows[k].taps {
                if !rows.contains(&tap.out) {
                    continue;
                }
                let at = (tap.out - rows.start) * stride;
                if !regular {
                    let row = at..at + stride;
                    let planes = [&mut re[row.clone()], &mut im[row.clone()], &mut weight[row]];
                    plain(planes, self.patches, k, tap, line);
                    continue;
                }
                let count = columns.weight[0].len();
                let cut: Range<usize> = at + columns.out..at + columns.out + count;
                let planes = [&mut re[cut.clone()], &mut im[cut.clone()], &mut weight[cut]];
                for i in [0, 1] {
                    if tap.weight[i] != 0.0 {
                        let r = tap.from[i];
                        buffers[r % 2].load(r, self.patches.row(k, r));
                    }
                }
                let part = |i: usize| (&buffers[tap.from[i] % 2], tap.weight[i]);
                match tap.weight.map(|w| w != 0.0) {
                    [true, true] => vectors([part(0), part(1)], &columns, planes),
                    [true, false] => vectors([part(0)], &columns, planes),
                    [false, true] => vectors([part(1)], &columns, planes),
                    [false, false] => {}
                }
            }
        }
    }
}

/// One canvas row from `P` rows of a patch, each with its weight; additions in the order of [`Placement::add`].
#[inline(always)]
fn vectors<const P: usize>(parts: [(&Row, f32); P], columns: &Columns, planes: [&mut [f32]; 3]) {
    let [w0, w1] = columns.weight.each_ref().map(|w| w.as_chunks::<LANES>().0);
    let [re, im, weight] = planes.map(|p| p.as_chunks_mut::<LANES>().0);
    let (from, count) = (columns.from, w0.len());
    let lanes = |v| -> &[[f32; LANES]] {
        let v: &[f32] = v;
        &v.as_chunks::<LANES>().0[..count]
    };
    let taps = parts.map(|(row, wr)| {
        let shifted = |by: usize| (lanes(&row.re[from + by..]), lanes(&row.im[from + by..]));
        (shifted(0), shifted(1), wr)
    });
    let (w1, re, im, weight) = (
        &w1[..count],
        &mut re[..count],
        &mut im[..count],
        &mut weight[..count],
    );
    for i in 0..count {
        for (low, high, wr) in &taps {
            for l in 0..LANES {
                let (a, b) = (wr * w0[i][l], wr * w1[i][l]);
                re[i][l] = re[i][l] + low.0[i][l] * a + high.0[i][l] * b;
                im[i][l] = im[i][l] + low.1[i][l] * a + high.1[i][l] * b;
                weight[i][l] = weight[i][l] + a + b;
            }
        }
    }
}

/// One canvas row tap by tap, reading no pixel whose weight is zero.
fn plain(planes: [&mut [f32]; 3], patches: Stack<'_>, k: usize, tap: &Tap<f32>, line: &Line<f32>) {
    let [re, im, weight] = planes;
    for col in &line.taps {
        for (r, wr) in tap.parts() {
            let row = patches.row(k, r);
            for (c, wc) in col.parts() {
                let w = wr * wc;
                re[col.out] += row[c].re * w;
                im[col.out] += row[c].im * w;
                weight[col.out] += w;
            }
        }
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
                let (sums, coverage, dropped) = b.finish();
                prop_assert_eq!(bits(&sums), bits(&want));
                prop_assert_eq!(&coverage, &weight);
                prop_assert_eq!(dropped, placement.dropped());
            }
        }
    }
}
