//! The gradient of the weights where one side of the convolution has one, two, four or eight channels: the first layer and the
//! heads, which have so few products for each value they read that reading it once is what counts.
//!
//! All nine taps of one channel, or three of two or four channels, times 32 channels of the other side are sums in registers
//! while a row of pixels streams by; the sum for the bias goes with them. So each value comes from memory once.

#![allow(
    unsafe_code,
    reason = "SIMD kernel; shapes are asserted where a job is made"
)]

use rayon::prelude::*;

use super::weights::Job;
use crate::kernel::dispatch::{Work, run};
use crate::kernel::fetch::ahead;
use crate::kernel::isa::Isa;
use crate::kernel::lanes::Lanes;
use crate::kernel::shuffle::Shuffle;

/// Columns whose sums lie side by side; a task has some of these groups.
pub(super) const GROUP: usize = 32;
/// Channels of a pixel on the narrow side that are summed for the bias.
const PIXEL: usize = 16;

/// How far ahead of what is read columns are fetched: sixteen pixels of 64 channels take as long as a line from the last
/// cache. The processor by itself follows half lines of a pixel too late.
const AHEAD: usize = 1024;

/// Whether the job is one for this kernel.
pub(super) fn fits(job: &Job<'_>) -> bool {
    let known = [(1, 1), (2, 2), (4, 4), (8, 8), (1, PIXEL), (4, PIXEL)];
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
        for image in 0..scalar.images() {
            for row in 0..scalar.height() {
                for (k, sums) in self.sums.chunks_exact_mut(len).enumerate() {
                    let column = (self.first + k) * GROUP;
                    let mut line = Line {
                        job: self.job,
                        above: scalar.at(image, row, 0) - scalar.row_len() - scalar.stride(),
                        from: vector.at(image, row, 0) + self.job.vector_from + column,
                        bias: match self.narrow_bias {
                            false => COLUMNS,
                            true if column == 0 => NARROW,
                            true => NONE,
                        },
                        sums,
                    };
                    let columns = GROUP.min(columns - column);
                    // SAFETY: the caller's; columns are whole registers.
                    unsafe {
                        // 24 sums of the 32 registers that AVX-512 has, 12 of AVX2's 16
                        if V::ABREAST >= 4 && columns.is_multiple_of(2 * V::COUNT) {
                            line.channels::<V, 2>(0);
                            continue;
                        }
                        for column in (0..columns).step_by(V::COUNT) {
                            line.channels::<V, 1>(column);
                            if line.bias == NARROW {
                                line.bias = NONE;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What is summed for the bias: nothing,
const NONE: u8 = 0;
/// the columns,
const COLUMNS: u8 = 1;
/// or the channels of the narrow side.
const NARROW: u8 = 2;

/// One row of pixels and one group of columns.
struct Line<'a> {
    job: &'a Job<'a>,
    /// The top left tap of the first pixel.
    above: usize,
    /// The first pixel's columns.
    from: usize,
    bias: u8,
    sums: &'a mut [f32],
}

impl Line<'_> {
    #[inline(always)]
    unsafe fn channels<V: Lanes, const NV: usize>(&mut self, column: usize) {
        // SAFETY: the caller's.
        unsafe {
            if self.job.scalars == 1 {
                return self.biased::<V, NV, 3, 1>((0, 0), self.bias, column);
            }
            for kh in 0..3 {
                for first in (0..self.job.scalars).step_by(4) {
                    let bias = if (kh, first) == (0, 0) {
                        self.bias
                    } else {
                        NONE
                    };
                    match self.job.scalars {
                        2 => self.biased::<V, NV, 1, 2>((kh, first), bias, column),
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
                NONE => self.taps::<V, NV, KH, S, NONE>(at, column),
                COLUMNS => self.taps::<V, NV, KH, S, COLUMNS>(at, column),
                _ => self.taps::<V, NV, KH, S, NARROW>(at, column),
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
        let (registers, stride) = (PIXEL / V::COUNT, scalar.stride());
        // SAFETY: taps of every pixel lie inside the border, columns below the padded stride, sums in the group; where
        // `BIAS` is `NARROW` the pixel in the middle has sixteen channels from its first on.
        unsafe {
            let to = self.sums.as_mut_ptr().add(column);
            let all = self.job.scalars;
            let tap = |kh: usize, kw: usize, s: usize| ((kh * 3 + kw) * all + first + s) * GROUP;
            let last = to.add(9 * all * GROUP);
            let mut sums = [[[[V::zero(); NV]; S]; 3]; KH];
            let mut totals = [V::zero(); 2];
            for (h, sums) in sums.iter_mut().enumerate() {
                for (kw, sums) in sums.iter_mut().enumerate() {
                    for (s, sums) in sums.iter_mut().enumerate() {
                        for (v, sum) in sums.iter_mut().enumerate() {
                            *sum = V::load(to.add(tap(kh + h, kw, s) + v * V::COUNT));
                        }
                    }
                }
            }
            for (v, total) in totals.iter_mut().enumerate() {
                if BIAS == COLUMNS && v < NV || BIAS == NARROW && v < registers {
                    *total = V::load(last.add(v * V::COUNT));
                }
            }
            let mut b = vector.data().as_ptr().add(self.from + column);
            let above = scalar.data().as_ptr().add(self.above);
            let above = above.add(kh * scalar.row_len() + first);
            let mut left = [above; KH];
            for (h, left) in left.iter_mut().enumerate() {
                *left = left.add(h * scalar.row_len());
            }
            // read only where `first` is 0
            let mut middle = above.wrapping_add(scalar.row_len() + stride);
            for _ in 0..scalar.width() {
                let mut bv = [V::zero(); NV];
                for (v, bv) in bv.iter_mut().enumerate() {
                    ahead(b.wrapping_add(AHEAD + v * V::COUNT));
                    *bv = V::load(b.add(v * V::COUNT));
                }
                for (sums, left) in sums.iter_mut().zip(&mut left) {
                    for (kw, sums) in sums.iter_mut().enumerate() {
                        for (s, sums) in sums.iter_mut().enumerate() {
                            V::mul_add_each(left.add(s), kw * stride, bv, sums);
                        }
                    }
                    *left = left.wrapping_add(stride);
                }
                for (v, total) in totals.iter_mut().enumerate() {
                    if BIAS == COLUMNS && v < NV {
                        *total = total.add(bv[v % NV]);
                    }
                    if BIAS == NARROW && v < registers {
                        *total = total.add(V::load(middle.add(v * V::COUNT)));
                    }
                }
                middle = middle.wrapping_add(stride);
                b = b.wrapping_add(vector.stride());
            }
            for (h, sums) in sums.iter().enumerate() {
                for (kw, sums) in sums.iter().enumerate() {
                    for (s, sums) in sums.iter().enumerate() {
                        for (v, sum) in sums.iter().enumerate() {
                            sum.store(to.add(tap(kh + h, kw, s) + v * V::COUNT));
                        }
                    }
                }
            }
            for (v, total) in totals.iter().enumerate() {
                if BIAS == COLUMNS && v < NV || BIAS == NARROW && v < registers {
                    total.store(last.add(v * V::COUNT));
                }
            }
        }
    }
}
