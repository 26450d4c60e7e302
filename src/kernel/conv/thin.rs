//! A few outputs of many inputs: registers hold inputs, and are summed across at the end.
//!
//! *Law.* An output is the sum of sixteen chains (input channel modulo 16, in the order tap, channel), added
//! pairwise (lane `l` and `l + 8`, then 4, 2, 1): the same on every instruction set. Against the definition
//! the rounding error is bounded by `(9 inputs / 16 + 5) eps sum |x| |w|`.

#![allow(unsafe_code, reason = "SIMD kernels; shapes are asserted on entry")]

use rayon::prelude::*;

use super::finish::Finish;
use super::packed::{INPUTS, WIDEST};
use super::{Direction, Epilogue, Method, Packed};
use crate::kernel::dispatch::{Work, run};
use crate::kernel::isa::Isa;
use crate::kernel::lanes::{Lanes, Portable};
use crate::kernel::map::FeatureMap;
use crate::kernel::shuffle::Shuffle;

/// The most outputs that are still a few.
pub(super) const MOST: usize = 8;
/// Lanes that a chain is modulo of.
const LANES: usize = 16;
/// Rows that one task works on.
const ROWS: usize = 4;

/// Numbers that the weights take: whole registers per output and tap.
pub(super) fn weights(inputs: usize, outputs: usize) -> usize {
    outputs * 9 * inputs.next_multiple_of(LANES)
}

/// Lays out `kernel`, or its adjoint, as `[output][tap][input]`, zero beyond the inputs.
pub(super) fn pack(weights: &mut Packed<f32>, kernel: &[f32], direction: Direction) {
    assert_eq!(weights.method, Method::Thin, "weights for this kernel");
    let (inputs, outputs) = (weights.inputs, weights.outputs);
    let padded = inputs.next_multiple_of(LANES);
    let mut taps = [[[0.0; WIDEST]; 9]; INPUTS];
    for first in (0..inputs).step_by(INPUTS) {
        let used = first..(first + INPUTS).min(inputs);
        direction.gather(
            kernel,
            (inputs, outputs),
            used.clone(),
            0..outputs,
            &mut taps,
        );
        for (i, taps) in used.zip(&taps) {
            for (tap, values) in taps.iter().enumerate() {
                for (o, &w) in values[..outputs].iter().enumerate() {
                    weights.panels[(o * 9 + tap) * padded + i] = w;
                }
            }
        }
    }
}

/// See [`super::Kernels::conv`].
pub(super) fn conv(
    isa: Isa,
    x: &FeatureMap<f32>,
    first_channel: usize,
    weights: &Packed<f32>,
    epilogue: Epilogue<'_, f32>,
    out: &mut FeatureMap<f32>,
) {
    weights.fit(Method::Thin, x, first_channel, out);
    let padded = weights.inputs.next_multiple_of(LANES);
    assert!(
        first_channel + padded <= x.stride(),
        "whole registers of inputs"
    );
    let finish = Finish::new(epilogue, out);
    let (row_len, stride, image_len) = (out.row_len(), out.stride(), out.image_len());
    out.bands_mut(ROWS).for_each(|band| {
        for (k, line) in band.values.chunks_exact_mut(row_len).enumerate() {
            let row = band.first_row + k;
            let at = band.image * image_len + (row + 1) * row_len + stride;
            let to = &mut line[stride..row_len - stride];
            let work = Line {
                x,
                first_channel,
                weights,
                finish: &finish,
                image: band.image,
                row,
                at,
                to,
            };
            // SAFETY: the shapes were asserted above.
            unsafe { run(isa, work) }
        }
    });
}

/// One row of outputs; `at` is where it lies in its map.
struct Line<'a> {
    x: &'a FeatureMap<f32>,
    first_channel: usize,
    weights: &'a Packed<f32>,
    finish: &'a Finish<'a>,
    image: usize,
    row: usize,
    at: usize,
    to: &'a mut [f32],
}

impl Work for Line<'_> {
    #[inline(always)]
    unsafe fn run<V: Shuffle>(mut self) {
        let width = self.x.width();
        let four = width - width % 4;
        // SAFETY: `P` pixels from `column` on lie in the row.
        unsafe {
            if self.weights.outputs == 1 {
                (0..four).step_by(4).for_each(|c| self.pixels::<V, 4, 1>(c));
                (four..width).for_each(|c| self.pixels::<V, 1, 1>(c));
                return;
            }
            for c in 0..width {
                match self.weights.outputs {
                    2 => self.pixels::<V, 1, 2>(c),
                    3 => self.pixels::<V, 1, 3>(c),
                    4 => self.pixels::<V, 1, 4>(c),
                    5 => self.pixels::<V, 1, 5>(c),
                    6 => self.pixels::<V, 1, 6>(c),
                    7 => self.pixels::<V, 1, 7>(c),
                    _ => self.pixels::<V, 1, 8>(c),
                }
            }
        }
    }
}

impl Line<'_> {
    /// `P` neighbouring pixels, `O` outputs: as many independent chains.
    #[inline(always)]
    unsafe fn pixels<V: Lanes, const P: usize, const O: usize>(&mut self, column: usize) {
        let (x, inputs) = (self.x, self.weights.inputs.next_multiple_of(LANES));
        let stride = x.stride();
        let corner = x.at(self.image, self.row, column) - x.row_len() - stride + self.first_channel;
        // a chain's sixteen lanes are one register or two
        let halves = LANES / V::COUNT;
        // SAFETY: taps end inside the border; channels and weights are stored in whole registers.
        unsafe {
            let mut sums = [[[V::zero(); 2]; O]; P];
            for tap in 0..9 {
                let from = x
                    .data()
                    .as_ptr()
                    .add(corner + tap / 3 * x.row_len() + tap % 3 * stride);
                let w = self.weights.panels.as_ptr().add(tap * inputs);
                for i in (0..inputs).step_by(LANES) {
                    for half in 0..halves {
                        let lane = i + half * V::COUNT;
                        let wv: [V; O] =
                            std::array::from_fn(|o| V::load(w.add(o * 9 * inputs + lane)));
                        for (p, sums) in sums.iter_mut().enumerate() {
                            let xv = V::load(from.add(p * stride + lane));
                            for (sum, w) in sums.iter_mut().zip(wv) {
                                sum[half] = xv.mul_add(w, sum[half]);
                            }
                        }
                    }
                }
            }
            for (p, sums) in sums.iter().enumerate() {
                let mut lanes = [0.0; LANES];
                for (lane, sum) in lanes.iter_mut().zip(sums) {
                    *lane = across(*sum, halves);
                }
                let at = (column + p) * self.to.len() / x.width();
                let value = Portable::load(lanes.as_ptr());
                let value = self.finish.apply(value, 0, self.at + at);
                value.store(self.to[at..at + LANES].as_mut_ptr());
            }
        }
    }
}

/// The sum of sixteen lanes, pairwise.
#[inline(always)]
unsafe fn across<V: Lanes>(sum: [V; 2], halves: usize) -> f32 {
    let mut lanes = [0.0f32; 16];
    // SAFETY: one register of sixteen or two of eight.
    unsafe {
        for (half, s) in sum.into_iter().enumerate().take(halves) {
            s.store(lanes.as_mut_ptr().add(half * V::COUNT));
        }
    }
    for distance in [8, 4, 2, 1] {
        for l in 0..distance {
            lanes[l] += lanes[l + distance];
        }
    }
    lanes[0]
}
