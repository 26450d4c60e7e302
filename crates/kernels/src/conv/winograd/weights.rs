//! The gradient of the weights: products of the tiles, summed place by place, then transformed back.

#![allow(unsafe_code, reason = "SIMD kernels; shapes are asserted on entry")]

use rayon::prelude::*;

use super::forward::transform_tile;
use super::transform::{FilterAdjoint, OutputAdjoint, Place, square, square_and_sum, store};
use super::{PLACES, TILE, Tiles, padded_step};
use crate::aligned::Aligned;
use crate::conv::tile::{Left, Right, To, multiply};
use crate::dispatch::{ColumnTile, Work, for_column_tiles, run};
use crate::isa::Isa;
use crate::lanes::Lanes;
use crate::map::FeatureMap;
use crate::shared::Shared;
use crate::shuffle::Shuffle;

/// Maximum number of floats of the transformed tiles of a round per thread: 512 KiB, which stay in the second-level cache.
const MAX_ROUND_FLOATS: usize = 128 << 10;
/// Tiles transformed per task.
const TILES_PER_TASK: usize = 8;
/// Tiles per sum of products: their gradients stay in the first-level cache.
const TILES_PER_SUM: usize = 64;

/// See [`super::super::Kernels::conv_weights`].
pub(in crate::conv) fn conv_weights(
    isa: Isa,
    x: &FeatureMap<f32>,
    first_channel: usize,
    dy: &FeatureMap<f32>,
    (kernel, bias): (&mut [f32], &mut [f32]),
    scratch: &mut Aligned<f32>,
) {
    let (inputs, outputs) = (x.stride(), dy.stride());
    assert_eq!(first_channel, 0, "all inputs");
    assert!(
        inputs.is_multiple_of(16) && outputs.is_multiple_of(16),
        "whole registers"
    );
    assert_eq!(
        kernel.len(),
        9 * x.channels() * dy.channels(),
        "kernel is [9][in][out]"
    );
    x.assert_same_pixels(dy);
    let tiles = Tiles::of(x);
    let most = (MAX_ROUND_FLOATS * rayon::current_num_threads() / (PLACES * (inputs + outputs)))
        .max(TILES_PER_SUM)
        .min(tiles.count);
    let lens = [
        inputs * outputs,
        padded_step(most * inputs),
        padded_step(most * outputs),
    ]
    .map(|l| PLACES * l);
    scratch.grow(lens.iter().sum::<usize>() + most * outputs);
    let (sums, rest) = scratch.split_at_mut(lens[0]);
    let (left, rest) = rest.split_at_mut(lens[1]);
    let (right, totals) = rest.split_at_mut(lens[2]);
    bias.fill(0.0);
    for first in (0..tiles.count).step_by(most) {
        let count = most.min(tiles.count - first);
        let (a, b) = (Shared::new(left), Shared::new(right));
        let c = Shared::new(totals);
        (0..count.div_ceil(TILES_PER_TASK))
            .into_par_iter()
            .for_each(|chunk| {
                let range = chunk * TILES_PER_TASK..((chunk + 1) * TILES_PER_TASK).min(count);
                let work = Transforms {
                    x,
                    dy,
                    tiles,
                    first,
                    count,
                    range,
                    a: &a,
                    b: &b,
                    c: &c,
                };
                // SAFETY: the scratch holds `most` tiles; every tile is written by one task.
                unsafe { run(isa, work) }
            });
        let (a, b) = (&*left, &*right);
        let products = || {
            sums.par_chunks_mut(inputs * outputs)
                .enumerate()
                .for_each(|(place, sums)| {
                    let work = Products {
                        left: &a[place * padded_step(count * inputs)..][..count * inputs],
                        right: &b[place * padded_step(count * outputs)..][..count * outputs],
                        sums,
                        inputs,
                        outputs,
                        go_on: first > 0,
                    };
                    // SAFETY: `count` rows of both matrices; `inputs` rows of `outputs` sums.
                    unsafe { run(isa, work) }
                });
        };
        let totals = || {
            for total in totals.chunks_exact(outputs).take(count) {
                bias.iter_mut().zip(total).for_each(|(b, &t)| *b += t);
            }
        };
        rayon::join(products, totals);
    }
    let to = Shared::new(kernel);
    let (rows, columns) = (x.channels(), dy.channels());
    (0..rows).into_par_iter().for_each(|row| {
        let work = Filters {
            sums,
            inputs,
            outputs,
            row,
            rows,
            columns,
            to: &to,
        };
        // SAFETY: `[9][rows][columns]` taps; every row is written by one task.
        unsafe { run(isa, work) }
    });
}

/// Some tiles of the input and of the output's gradient, transformed, and the latter's sums.
struct Transforms<'a> {
    x: &'a FeatureMap<f32>,
    dy: &'a FeatureMap<f32>,
    tiles: Tiles,
    first: usize,
    count: usize,
    range: std::ops::Range<usize>,
    a: &'a Shared<'a, f32>,
    b: &'a Shared<'a, f32>,
    c: &'a Shared<'a, f32>,
}

impl Work for Transforms<'_> {
    #[inline(always)]
    unsafe fn run<V: Shuffle>(self) {
        let (x, dy) = (self.x, self.dy);
        let (inputs, outputs) = (x.stride(), dy.stride());
        for t in self.range {
            let place = self.tiles.place(self.first + t);
            // SAFETY: see `conv_weights`.
            unsafe {
                transform_tile::<V>(
                    x,
                    place,
                    inputs,
                    self.a.at(t * inputs),
                    padded_step(self.count * inputs),
                );
                let from = dy.data().as_ptr().add(dy.at(place.0, place.1, place.2));
                let to = self.b.at(t * outputs);
                for channel in (0..outputs).step_by(V::COUNT) {
                    let from = Place {
                        at: from.add(channel),
                        row_step: dy.row_len(),
                        step: outputs,
                    };
                    let step = padded_step(self.count * outputs);
                    let to = Place {
                        at: to.add(channel),
                        row_step: 6 * step,
                        step,
                    };
                    let (transformed, total) = square_and_sum::<V, OutputAdjoint, TILE, 6>(from);
                    store(&transformed, to);
                    total.store(self.c.at(t * outputs + channel));
                }
            }
        }
    }
}

/// `sums[i, o] += sum over tiles of left[tile, i] right[tile, o]`, one place.
struct Products<'a> {
    left: &'a [f32],
    right: &'a [f32],
    sums: &'a mut [f32],
    inputs: usize,
    outputs: usize,
    go_on: bool,
}

impl ColumnTile for Products<'_> {
    #[inline(always)]
    unsafe fn run<V: Lanes, const NV: usize>(self) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let count = self.left.len() / inputs;
        for first in (0..count).step_by(TILES_PER_SUM) {
            for column in (0..outputs).step_by(NV * V::COUNT) {
                // SAFETY: inside the slices, whose lengths were taken from these numbers.
                unsafe {
                    let left = Left {
                        at: self.left.as_ptr().add(first * inputs),
                        row_step: 1,
                        depth_step: inputs,
                    };
                    let right = Right {
                        at: self.right.as_ptr().add(first * outputs + column),
                        depth_step: outputs,
                        next: None,
                    };
                    let to = To {
                        at: self.sums.as_mut_ptr().add(column),
                        row_step: outputs,
                        add: self.go_on || first > 0,
                    };
                    multiply::<V, NV>(left, inputs, right, TILES_PER_SUM.min(count - first), to);
                }
            }
        }
    }
}

impl Work for Products<'_> {
    #[inline(always)]
    unsafe fn run<V: Shuffle>(self) {
        // SAFETY: the caller's.
        unsafe { for_column_tiles::<V>(self.outputs, self) }
    }
}

/// The nine taps of one input channel, from its 36 sums.
struct Filters<'a> {
    sums: &'a [f32],
    inputs: usize,
    outputs: usize,
    row: usize,
    rows: usize,
    columns: usize,
    to: &'a Shared<'a, f32>,
}

impl Work for Filters<'_> {
    #[inline(always)]
    unsafe fn run<V: Shuffle>(self) {
        let mut last = [0.0; 16];
        for column in (0..self.columns).step_by(V::COUNT) {
            let whole = column + V::COUNT <= self.columns;
            // SAFETY: whole registers of sums; a register that reaches beyond the columns is copied.
            unsafe {
                let from = self.sums.as_ptr().add(self.row * self.outputs + column);
                let step = self.inputs * self.outputs;
                let from = Place {
                    at: from,
                    row_step: 6 * step,
                    step,
                };
                let taps = square::<V, FilterAdjoint, 6, 3>(from);
                let step = self.rows * self.columns;
                let to = Place {
                    at: self.to.at(self.row * self.columns + column),
                    row_step: 3 * step,
                    step,
                };
                if whole {
                    store(&taps, to);
                    continue;
                }
                for (k, tap) in taps.as_flattened().iter().enumerate() {
                    tap.store(last.as_mut_ptr());
                    for (c, &v) in last[..self.columns - column].iter().enumerate() {
                        *to.at.add(k * step + c) = v;
                    }
                }
            }
        }
    }
}
