//! The gradient of the weights where one side of the convolution has one, two, four or eight channels: the first layer and the
//! heads. They have few products for each value, so each value should be read only once.
//!
//! All nine taps of one channel, or three of four channels, times 32 channels of the other side are sums in registers
//! while a row of pixels streams by; the sum for the bias goes with them. So each value comes from memory once.

#![allow(
    unsafe_code,
    reason = "SIMD kernel; shapes are asserted where a job is made"
)]

use rayon::prelude::*;

use super::weights::Job;
use crate::dispatch::{Work, run};
use crate::isa::Isa;
use crate::lanes::Lanes;
use crate::prefetch::prefetch_l1;
use crate::shuffle::Shuffle;

/// Columns of a group of sums; a task has some of these groups.
pub(super) const GROUP: usize = 32;
/// Maximum number of channels of the few-channel side that are summed for the bias.
const MAX_FEW_CHANNELS: usize = 16;

/// Number of pixels whose sums stay in registers, if rows are shorter: 16 kB of 64 channels, which stay in the first-level
/// cache for the other groups.
const REGISTER_PIXELS: usize = 64;

/// Prefetch distance of the columns in floats: the work on 64 pixels of 64 channels takes as long as a load from memory.
/// The hardware prefetcher reacts too late to half lines of a pixel.
const PREFETCH_DISTANCE: usize = 4096;

/// Whether the job is one for this kernel.
pub(super) fn fits(job: &Job<'_>) -> bool {
    let known = [
        (1, 1),
        (2, 2),
        (4, 4),
        (8, 8),
        (1, MAX_FEW_CHANNELS),
        (4, MAX_FEW_CHANNELS),
    ];
    job.scalar_from == 0 && known.contains(&(job.scalars, job.scalar.stride()))
}

/// Numbers that [`sum`] writes.
pub(super) fn len(job: &Job<'_>) -> usize {
    job.columns.div_ceil(GROUP) * group_len(job)
}

/// Rows `(tap, scalar)` and one for the bias.
pub(super) fn group_len(job: &Job<'_>) -> usize {
    (9 * job.scalars + 1) * GROUP
}

/// Sums all rows of the job, as `[group of columns][row][GROUP]`, each in the order of pixels. The last row of each
/// group is the sum of its columns or, with `narrow_bias`, of the first group that of the narrow side's channels.
pub(super) fn sum(isa: Isa, job: &Job<'_>, narrow_bias: bool, sums: &mut [f32]) {
    let groups = job.columns.div_ceil(GROUP);
    // the bits of a sum do not depend on what else its task does
    let share = groups.div_ceil(rayon::current_num_threads());
    let len = group_len(job);
    sums.par_chunks_mut(share * len)
        .enumerate()
        .for_each(|(task, sums)| {
            sums.fill(0.0);
            let work = Groups {
                job,
                narrow_bias,
                first: task * share,
                sums,
            };
            // SAFETY: a job's shapes were asserted when it was made.
            unsafe { run(isa, work) }
        });
}

/// Groups of columns from `first` on.
struct Groups<'a> {
    job: &'a Job<'a>,
    narrow_bias: bool,
    first: usize,
    sums: &'a mut [f32],
}

impl Work for Groups<'_> {
    #[inline(always)]
    unsafe fn run<V: Shuffle>(self) {
        let Job {
            scalar,
            vector,
            columns,
            ..
        } = *self.job;
        let len = group_len(self.job);
        let (height, together) = (scalar.height(), REGISTER_PIXELS.div_ceil(scalar.width()));
        for image in 0..scalar.images() {
            for row in (0..height).step_by(together) {
                for (k, sums) in self.sums.chunks_exact_mut(len).enumerate() {
                    let column = (self.first + k) * GROUP;
                    let mut line = Line {
                        job: self.job,
                        above: scalar.corner(image, row, 0),
                        from: vector.at(image, row, 0) + self.job.vector_from + column,
                        rows: together.min(height - row),
                        bias: match self.narrow_bias {
                            false => BIAS_OF_COLUMNS,
                            true if column == 0 => BIAS_OF_FEW,
                            true => BIAS_NONE,
                        },
                        sums,
                    };
                    let columns = GROUP.min(columns - column);
                    // SAFETY: the caller's; columns are whole registers.
                    unsafe {
                        // 24 sums of the 32 registers that AVX-512 has, 12 of AVX2's 16
                        if V::COLUMN_TILE >= 4 && columns.is_multiple_of(2 * V::COUNT) {
                            line.channels::<V, 2>(0);
                            continue;
                        }
                        for column in (0..columns).step_by(V::COUNT) {
                            line.channels::<V, 1>(column);
                            if line.bias == BIAS_OF_FEW {
                                line.bias = BIAS_NONE;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Sums for the bias: none,
const BIAS_NONE: u8 = 0;
/// the columns,
const BIAS_OF_COLUMNS: u8 = 1;
/// or the channels of the few-channel side.
const BIAS_OF_FEW: u8 = 2;

/// One row of pixels, or some short ones, and one group of columns.
struct Line<'a> {
    job: &'a Job<'a>,
    /// The top left tap of the first pixel.
    above: usize,
    /// The first pixel's columns.
    from: usize,
    rows: usize,
    bias: u8,
    sums: &'a mut [f32],
}

impl Line<'_> {
    #[inline(always)]
    unsafe fn channels<V: Lanes, const NV: usize>(&mut self, column: usize) {
        // SAFETY: the caller's.
        unsafe {
            // as many sums as the multipliers need to be busy
            let (rows, channels) = if self.job.scalars <= 2 {
                (3, 1)
            } else {
                (1, 4)
            };
            for kh in (0..3).step_by(rows) {
                for first in (0..self.job.scalars).step_by(channels) {
                    let bias = match (kh, first) {
                        (0, 0) => self.bias,
                        _ => BIAS_NONE,
                    };
                    match rows {
                        3 => self.biased::<V, NV, 3, 1>((kh, first), bias, column),
                        _ => self.biased::<V, NV, 1, 4>((kh, first), bias, column),
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn biased<V: Lanes, const NV: usize, const KH: usize, const S: usize>(
        &mut self,
        at: (usize, usize),
        bias: u8,
        column: usize,
    ) {
        // SAFETY: the caller's; the narrow side is summed only where a pixel has sixteen channels.
        unsafe {
            match bias {
                BIAS_NONE => self.taps::<V, NV, KH, S, BIAS_NONE>(at, column),
                BIAS_OF_COLUMNS => self.taps::<V, NV, KH, S, BIAS_OF_COLUMNS>(at, column),
                _ => self.taps::<V, NV, KH, S, BIAS_OF_FEW>(at, column),
            }
        }
    }

    /// `KH` rows of taps from `kh` on, three taps each, of `S` channels from `first` on, times `NV` registers of columns.
    #[inline(always)]
    unsafe fn taps<V: Lanes, const NV: usize, const KH: usize, const S: usize, const BIAS: u8>(
        &mut self,
        (kh, first): (usize, usize),
        column: usize,
    ) {
        let Job { scalar, vector, .. } = *self.job;
        let registers = MAX_FEW_CHANNELS / V::COUNT;
        // SAFETY: taps of every pixel are inside the border, columns below the padded stride, sums in the group; where
        // `BIAS` is `BIAS_OF_FEW` the pixel in the middle has sixteen channels from its first on.
        unsafe {
            let to = self.sums.as_mut_ptr().add(column);
            let all = self.job.scalars;
            let tap = |kh: usize, kw: usize, s: usize| ((kh * 3 + kw) * all + first + s) * GROUP;
            let last = to.add(9 * all * GROUP);
            let mut sums = Sums {
                taps: [[[[V::zero(); NV]; S]; 3]; KH],
                totals: [V::zero(); 2],
            };
            for (h, sums) in sums.taps.iter_mut().enumerate() {
                for (kw, sums) in sums.iter_mut().enumerate() {
                    for (s, sums) in sums.iter_mut().enumerate() {
                        for (v, sum) in sums.iter_mut().enumerate() {
                            *sum = V::load(to.add(tap(kh + h, kw, s) + v * V::COUNT));
                        }
                    }
                }
            }
            for (v, total) in sums.totals.iter_mut().enumerate() {
                if BIAS == BIAS_OF_COLUMNS && v < NV || BIAS == BIAS_OF_FEW && v < registers {
                    *total = V::load(last.add(v * V::COUNT));
                }
            }
            for row in 0..self.rows {
                let above = self.above + (row + kh) * scalar.row_len() + first;
                let from = self.from + row * vector.row_len() + column;
                let mut walk = Walk {
                    vector: vector.data().as_ptr().add(from),
                    scalar: scalar.data().as_ptr().add(above),
                    steps: [vector.stride(), scalar.stride()],
                    row_len: scalar.row_len(),
                };
                for _ in 0..scalar.width() / 2 {
                    walk.pixels::<V, NV, KH, S, BIAS, 2>(&mut sums);
                }
                if !scalar.width().is_multiple_of(2) {
                    walk.pixels::<V, NV, KH, S, BIAS, 1>(&mut sums);
                }
            }
            for (h, sums) in sums.taps.iter().enumerate() {
                for (kw, sums) in sums.iter().enumerate() {
                    for (s, sums) in sums.iter().enumerate() {
                        for (v, sum) in sums.iter().enumerate() {
                            sum.store(to.add(tap(kh + h, kw, s) + v * V::COUNT));
                        }
                    }
                }
            }
            for (v, total) in sums.totals.iter().enumerate() {
                if BIAS == BIAS_OF_COLUMNS && v < NV || BIAS == BIAS_OF_FEW && v < registers {
                    total.store(last.add(v * V::COUNT));
                }
            }
        }
    }
}

/// The sums of [`Line::taps`].
struct Sums<V, const NV: usize, const KH: usize, const S: usize> {
    taps: [[[[V; NV]; S]; 3]; KH],
    /// For the bias.
    totals: [V; 2],
}

/// Where a line of pixels is read.
struct Walk {
    vector: *const f32,
    /// The top left tap.
    scalar: *const f32,
    /// From one pixel to the next, of both.
    steps: [usize; 2],
    /// From one row of taps to the next.
    row_len: usize,
}

impl Walk {
    /// Adds the next `N` pixels, one or two: a broadcast for a tap of the first pixel is reused for the tap to its left of
    /// the second.
    ///
    /// # Safety
    /// As [`Line::taps`]; `N` pixels are left.
    #[inline(always)]
    unsafe fn pixels<
        V: Lanes,
        const NV: usize,
        const KH: usize,
        const S: usize,
        const BIAS: u8,
        const N: usize,
    >(
        &mut self,
        sums: &mut Sums<V, NV, KH, S>,
    ) {
        let [across, stride] = self.steps;
        // SAFETY: the caller's.
        unsafe {
            let mut b = [[V::zero(); NV]; 2];
            for (pixel, b) in b.iter_mut().enumerate().take(N) {
                for (v, b) in b.iter_mut().enumerate() {
                    let at = self.vector.wrapping_add(pixel * across + v * V::COUNT);
                    prefetch_l1(at.wrapping_add(PREFETCH_DISTANCE));
                    *b = V::load(at);
                }
            }
            for (h, taps) in sums.taps.iter_mut().enumerate() {
                let at = self.scalar.wrapping_add(h * self.row_len);
                let [left, middle, right] = taps;
                for s in 0..S {
                    let (at, [left, middle, right]) = (
                        at.wrapping_add(s),
                        [&mut left[s], &mut middle[s], &mut right[s]],
                    );
                    V::mul_add_each(at, 0, b[0], left);
                    if N == 2 {
                        V::mul_add_both(at, stride, b, [middle, left]);
                        V::mul_add_both(at, 2 * stride, b, [right, middle]);
                        V::mul_add_each(at, 3 * stride, b[1], right);
                    } else {
                        V::mul_add_each(at, stride, b[0], middle);
                        V::mul_add_each(at, 2 * stride, b[0], right);
                    }
                }
            }
            for (pixel, b) in b.iter().enumerate().take(N) {
                // read only by the job's first line of taps
                let middle = self
                    .scalar
                    .wrapping_add(self.row_len + (pixel + 1) * stride);
                for (v, total) in sums.totals.iter_mut().enumerate() {
                    if BIAS == BIAS_OF_COLUMNS && v < NV {
                        *total = total.add(b[v % NV]);
                    }
                    if BIAS == BIAS_OF_FEW && v < MAX_FEW_CHANNELS / V::COUNT {
                        *total = total.add(V::load(middle.add(v * V::COUNT)));
                    }
                }
            }
            self.vector = self.vector.wrapping_add(N * across);
            self.scalar = self.scalar.wrapping_add(N * stride);
        }
    }
}
