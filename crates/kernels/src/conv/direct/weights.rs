//! The gradient with respect to weights and bias.

#![allow(unsafe_code, reason = "SIMD kernels; shapes are asserted on entry")]

use rayon::prelude::*;

use super::weight_grad_few::{self, GROUP};
use crate::aligned::Aligned;
use crate::conv::tile::{Left, ROWS, Right, To, multiply};
use crate::dispatch::{ColumnTile, Work, for_column_tiles, run};
use crate::isa::Isa;
use crate::lanes::Lanes;
use crate::map::FeatureMap;
use crate::shuffle::Shuffle;

/// Number of tasks that the weight rows are divided into, for any number of threads.
const ROW_TASKS: usize = 8;
/// Bias channels per task: a cache line.
const BIAS_CHANNELS_PER_TASK: usize = 16;

/// See [`super::super::Kernels::conv_weights`].
///
/// Registers hold outputs. With few outputs and many inputs the roles are exchanged: equal products, summed in equal order
/// of pixels, with mirrored taps.
pub(in crate::conv) fn conv_weights(
    isa: Isa,
    x: &FeatureMap<f32>,
    first_channel: usize,
    dy: &FeatureMap<f32>,
    (kernel, bias): (&mut [f32], &mut [f32]),
    scratch: &mut Aligned<f32>,
) {
    let outputs = bias.len();
    assert!(
        outputs > 0 && kernel.len().is_multiple_of(9 * outputs),
        "kernel is [9][in][out]"
    );
    let inputs = kernel.len() / (9 * outputs);
    assert!(first_channel + inputs <= x.stride(), "input channels");
    assert!(
        outputs <= dy.stride() && dy.stride().is_multiple_of(16),
        "output channels"
    );
    x.assert_same_pixels(dy);
    let lanes = inputs.next_multiple_of(16);
    let turned = outputs < 16 && inputs >= 16 && first_channel + lanes <= x.stride();
    let job = if turned {
        Job {
            scalar: dy,
            scalars: outputs,
            scalar_from: 0,
            vector: x,
            vector_from: first_channel,
            columns: lanes,
        }
    } else {
        Job {
            scalar: x,
            scalars: inputs,
            scalar_from: first_channel,
            vector: dy,
            vector_from: 0,
            columns: outputs.next_multiple_of(16),
        }
    };
    let rows = 9 * job.scalars;
    // sums of row r and column c at `(c / group * rows_of_group + r) * group + c % group`
    let (group, group_len) = if weight_grad_few::fits(&job) {
        scratch.grow(weight_grad_few::len(&job));
        weight_grad_few::sum(
            isa,
            &job,
            turned,
            &mut scratch[..weight_grad_few::len(&job)],
        );
        let total = |o: usize| match turned {
            true => 9 * job.scalars * GROUP + o,
            false => {
                o / GROUP * weight_grad_few::group_len(&job) + 9 * job.scalars * GROUP + o % GROUP
            }
        };
        let sums = &*scratch;
        bias.iter_mut()
            .enumerate()
            .for_each(|(o, b)| *b = sums[total(o)]);
        (GROUP, weight_grad_few::group_len(&job))
    } else {
        sum_pixels(dy, bias);
        scratch.grow(rows * job.columns);
        sum_rows(isa, &job, &mut scratch[..rows * job.columns]);
        (job.columns, rows * job.columns)
    };
    let vectors = if turned { inputs } else { outputs };
    for (first, sums) in (0..vectors)
        .step_by(group)
        .zip(scratch.chunks_exact(group_len))
    {
        let columns = group.min(vectors - first);
        for (row, sums) in sums.chunks_exact(group).take(rows).enumerate() {
            let (tap, scalar, sums) = (row / job.scalars, row % job.scalars, &sums[..columns]);
            if turned {
                // the tap seen from the other side; columns are inputs
                let to = ((8 - tap) * inputs + first) * outputs + scalar;
                let to = kernel[to..].iter_mut().step_by(outputs);
                to.zip(sums).for_each(|(to, &sum)| *to = sum);
            } else {
                let to = (tap * inputs + scalar) * outputs + first;
                kernel[to..to + columns].copy_from_slice(sums);
            }
        }
    }
}

/// All rows of the job, each in the order of pixels.
fn sum_rows(isa: Isa, job: &Job<'_>, sums: &mut [f32]) {
    let per_task = (9 * job.scalars).div_ceil(ROW_TASKS).next_multiple_of(ROWS);
    sums.par_chunks_mut(per_task * job.columns)
        .enumerate()
        .for_each(|(task, sums)| {
            sums.fill(0.0);
            let work = Rows {
                job,
                first: task * per_task,
                sums,
            };
            // SAFETY: a job's shapes were asserted when it was made.
            unsafe { run(isa, work) }
        });
}

/// `bias[o] = sum over pixels of dy[.., o]`, in pixel order.
fn sum_pixels(dy: &FeatureMap<f32>, bias: &mut [f32]) {
    assert!(bias.len() <= dy.stride(), "output channels");
    bias.par_chunks_mut(BIAS_CHANNELS_PER_TASK)
        .enumerate()
        .for_each(|(chunk, part)| {
            let first = chunk * BIAS_CHANNELS_PER_TASK;
            let mut sums = [0.0; BIAS_CHANNELS_PER_TASK];
            for image in 0..dy.images() {
                for row in 0..dy.height() {
                    for pixel in dy.row(image, row).chunks_exact(dy.stride()) {
                        for (b, &g) in sums
                            .iter_mut()
                            .zip(&pixel[first..first + BIAS_CHANNELS_PER_TASK])
                        {
                            *b += g;
                        }
                    }
                }
            }
            part.copy_from_slice(&sums[..part.len()]);
        });
}

/// `sum over pixels p of scalar[p + tap - 1, s] vector[p, v]` for every tap, `s` and `v`.
pub(super) struct Job<'a> {
    pub(super) scalar: &'a FeatureMap<f32>,
    pub(super) scalars: usize,
    pub(super) scalar_from: usize,
    pub(super) vector: &'a FeatureMap<f32>,
    pub(super) vector_from: usize,
    pub(super) columns: usize,
}

/// Rows `(tap, s)` of one task, all columns, all pixels in order.
struct Rows<'a> {
    job: &'a Job<'a>,
    first: usize,
    sums: &'a mut [f32],
}

impl Work for Rows<'_> {
    #[inline(always)]
    unsafe fn run<V: Shuffle>(self) {
        // SAFETY: the caller's.
        unsafe { for_column_tiles::<V>(self.job.columns, self) }
    }
}

impl ColumnTile for Rows<'_> {
    #[inline(always)]
    unsafe fn run<V: Lanes, const NV: usize>(mut self) {
        let (x, y, columns) = (self.job.scalar, self.job.vector, self.job.columns);
        let block_pixels = (16384 / x.stride().max(y.stride())).clamp(64, 512);
        let block_rows = (block_pixels / x.width()).clamp(1, x.height());
        for image in 0..x.images() {
            for top in (0..x.height()).step_by(block_rows) {
                let rows = top..(top + block_rows).min(x.height());
                for column in (0..columns).step_by(NV * V::COUNT) {
                    for row in rows.clone() {
                        // SAFETY: see `line`.
                        unsafe { self.line::<V, NV>(image, row, column) }
                    }
                }
            }
        }
    }
}

impl Rows<'_> {
    /// One row of pixels, `NV` registers of columns, all rows of the task.
    #[inline(always)]
    unsafe fn line<V: Lanes, const NV: usize>(&mut self, image: usize, row: usize, column: usize) {
        let Job {
            scalar: x,
            vector: y,
            scalars,
            columns,
            ..
        } = *self.job;
        let corner = x.corner(image, row, 0) + self.job.scalar_from;
        let from = y.at(image, row, 0) + self.job.vector_from + column;
        let rows = self.sums.len() / columns;
        // rows at a constant stride: those of one tap, and those of three if no channels are between them
        let (evenly, step) = match scalars {
            1 => (3, x.stride()),
            all if all == x.stride() => (3 * all, 1),
            some => (some, 1),
        };
        let mut done = 0;
        while done < rows {
            let row = self.first + done;
            let (tap, s) = (row / scalars, row % scalars);
            let count = (evenly - row % evenly).min(rows - done);
            // SAFETY: a tap of every pixel is inside the border; `y` is read in whole registers
            // below its padded stride; `sums` holds `rows` rows of `columns` values.
            unsafe {
                let left = corner + tap / 3 * x.row_len() + tap % 3 * x.stride() + s;
                let left = Left {
                    at: x.data().as_ptr().add(left),
                    row_step: step,
                    depth_step: x.stride(),
                };
                let right = Right {
                    at: y.data().as_ptr().add(from),
                    depth_step: y.stride(),
                    next: None,
                };
                let to = To {
                    at: self.sums.as_mut_ptr().add(done * columns + column),
                    row_step: columns,
                    add: true,
                };
                multiply::<V, NV>(left, count, right, x.width(), to);
            }
            done += count;
        }
    }
}
