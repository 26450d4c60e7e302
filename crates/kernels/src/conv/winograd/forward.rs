//! Forward: transform, mix and transform back, block by block of tiles, in the second-level cache.

#![allow(unsafe_code, reason = "SIMD kernels; shapes are asserted on entry")]

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::transform::{Input, Output, Place, square, store};
use super::{PLACES, TILE, Tiles, padded_step};
use crate::aligned::Aligned;
use crate::conv::finish::Finish;
use crate::conv::tile::{Left, Right, To, multiply};
use crate::conv::{Epilogue, Method, Packed};
use crate::dispatch::{ColumnTile, Work, for_column_tiles, run};
use crate::isa::Isa;
use crate::lanes::Lanes;
use crate::map::FeatureMap;
use crate::shared::Shared;
use crate::shuffle::Shuffle;

/// Maximum number of floats of the transformed inputs and sums of a block: 512 KiB.
const MAX_BLOCK_FLOATS: usize = 128 << 10;
/// Minimum number of tiles of a block, to amortize reading the filters.
const MIN_BLOCK_TILES: usize = 48;

thread_local! {
    /// The transformed inputs and sums of one block; grown once.
    static SCRATCH: RefCell<Aligned<f32>> = RefCell::new(Aligned::default());
}

/// See [`super::super::Kernels::conv`].
pub(in crate::conv) fn conv(
    isa: Isa,
    x: &FeatureMap<f32>,
    first_channel: usize,
    weights: &Packed<f32>,
    epilogue: Epilogue<'_, f32>,
    out: &mut FeatureMap<f32>,
) {
    weights.fit(Method::Winograd, x, first_channel, out);
    assert_eq!(first_channel, 0, "whole registers of inputs");
    let strides = [x.stride(), out.stride()];
    assert!(
        strides.iter().all(|s| s.is_multiple_of(16)),
        "whole registers of channels"
    );
    let tiles = Tiles::of(x);
    let finish = Finish::new(epilogue, out);
    let (inputs, outputs) = (weights.inputs.next_multiple_of(16), out.stride());
    let most = (MAX_BLOCK_FLOATS / (PLACES * (inputs + outputs))).max(MIN_BLOCK_TILES);
    let threads = rayon::current_num_threads();
    // the bits of a tile do not depend on the other tiles of its block
    let panels = outputs / weights.width;
    let (blocks, sheets) = if tiles.count <= most && panels >= threads {
        (1, panels.div_ceil(panels.div_ceil(threads)))
    } else {
        let blocks = tiles.count.div_ceil(most).next_multiple_of(threads);
        (blocks, 1)
    };
    let per_block = tiles.count.div_ceil(blocks);
    let per_sheet = panels.div_ceil(sheets) * weights.width;
    let row_len = out.row_len();
    let to = Shared::new(out.data_mut());
    (0..tiles.count.div_ceil(per_block) * sheets)
        .into_par_iter()
        .for_each(|task| {
            let (block, sheet) = (task / sheets, task % sheets);
            let first = block * per_block;
            let count = per_block.min(tiles.count - first);
            let channels = sheet * per_sheet..((sheet + 1) * per_sheet).min(outputs);
            SCRATCH.with_borrow_mut(|scratch| {
                let steps = [inputs, channels.len()].map(|c| padded_step(count * c));
                scratch.grow(PLACES * (steps[0] + steps[1]));
                let (transformed, sums) = scratch.split_at_mut(PLACES * steps[0]);
                let work = Block {
                    x,
                    weights,
                    finish: &finish,
                    tiles,
                    first,
                    count,
                    inputs,
                    outputs,
                    channels,
                    row_len,
                    transformed,
                    sums: sums.as_mut_ptr(),
                    steps,
                    to: &to,
                };
                // SAFETY: the shapes were asserted; tasks write disjoint tiles or channels of the output.
                unsafe { run(isa, work) }
            });
        });
}

/// Some tiles, and some of their outputs.
struct Block<'a> {
    x: &'a FeatureMap<f32>,
    weights: &'a Packed<f32>,
    finish: &'a Finish<'a>,
    tiles: Tiles,
    first: usize,
    count: usize,
    inputs: usize,
    /// Output channels of the whole map.
    outputs: usize,
    /// Those of this block: whole panels.
    channels: Range<usize>,
    row_len: usize,
    transformed: &'a mut [f32],
    sums: *mut f32,
    /// Stride of the places, of both.
    steps: [usize; 2],
    to: &'a Shared<'a, f32>,
}

impl Work for Block<'_> {
    #[inline(always)]
    unsafe fn run<V: Shuffle>(self) {
        let Self { count, inputs, .. } = self;
        // SAFETY: the caller's; see `conv`.
        unsafe {
            for t in 0..count {
                let place = self.tiles.place(self.first + t);
                let to = self.transformed.as_mut_ptr().add(t * inputs);
                transform_tile::<V>(self.x, place, inputs, to, self.steps[0]);
            }
            for_column_tiles::<V>(self.weights.width, Mix(&self));
            for t in 0..count {
                back::<V>(&self, t);
            }
        }
    }
}

/// The 36 numbers of every channel of one tile: `to[place * step + channel]`.
///
/// # Safety
/// `x` has `inputs` stored channels, and `to` room for `36 * step`.
#[inline(always)]
pub(super) unsafe fn transform_tile<V: Lanes>(
    x: &FeatureMap<f32>,
    (image, row, column): (usize, usize, usize),
    inputs: usize,
    to: *mut f32,
    step: usize,
) {
    let (line, pixel) = (x.row_len(), x.stride());
    // one row and one pixel back, inside the border; five more rows and pixels end in it at most
    let corner = x.at(image, row, column) - line - pixel;
    for channel in (0..inputs).step_by(V::COUNT) {
        // SAFETY: as above; channels are stored in whole registers.
        unsafe {
            let from = x.data().as_ptr().add(corner + channel);
            let from = Place {
                at: from,
                row_step: line,
                step: pixel,
            };
            let to = Place {
                at: to.add(channel),
                row_step: 6 * step,
                step,
            };
            store(&square::<V, Input, 6, 6>(from), to);
        }
    }
}

/// `sums[place, tile, o] = sum over i of transformed[place, tile, i] filter[place, i, o]`.
struct Mix<'a>(&'a Block<'a>);

impl ColumnTile for Mix<'_> {
    #[inline(always)]
    unsafe fn run<V: Lanes, const NV: usize>(self) {
        let Self(block) = self;
        let (count, inputs, outputs) = (block.count, block.inputs, block.channels.len());
        let (depth, width) = (block.weights.inputs, block.weights.width);
        let (panel, filters) = (depth * width, &block.weights.panels);
        for place in 0..PLACES {
            for column in (0..outputs).step_by(width) {
                let k = (place * block.outputs + block.channels.start + column) / width;
                for sub in (0..width).step_by(NV * V::COUNT) {
                    // SAFETY: `count` rows of `inputs` and of `outputs` numbers per place; panels of
                    // `depth` rows of `width`.
                    unsafe {
                        let left = Left {
                            at: block.transformed.as_ptr().add(place * block.steps[0]),
                            row_step: inputs,
                            depth_step: 1,
                        };
                        let right = Right {
                            at: filters.as_ptr().add(k * panel + sub),
                            depth_step: width,
                            next: Some(filters.as_ptr().wrapping_add((k + 1) * panel)),
                        };
                        let to = To {
                            at: block.sums.add(place * block.steps[1] + column + sub),
                            row_step: outputs,
                            add: false,
                        };
                        multiply::<V, NV>(left, count, right, depth, to);
                    }
                }
            }
        }
    }
}

/// The 16 outputs of one tile, finished.
#[inline(always)]
unsafe fn back<V: Lanes>(block: &Block<'_>, t: usize) {
    let outputs = block.outputs;
    let Range { start, end } = block.channels;
    let (image, row, column) = block.tiles.place(block.first + t);
    let image_len = (block.x.height() + 2) * block.row_len;
    let corner = image * image_len + (row + 1) * block.row_len + (column + 1) * outputs;
    for channel in (start..end).step_by(V::COUNT) {
        // SAFETY: a tile is in the interior; channels are stored in whole registers.
        unsafe {
            let from = block.sums.add(t * (end - start) + channel - start);
            let from = Place {
                at: from.cast_const(),
                row_step: 6 * block.steps[1],
                step: block.steps[1],
            };
            let tile = square::<V, Output, 6, TILE>(from);
            for (r, row) in tile.into_iter().enumerate() {
                for (c, value) in row.into_iter().enumerate() {
                    let at = corner + r * block.row_len + c * outputs + channel;
                    let value = block.finish.apply(value, channel, at);
                    value.store(block.to.at(at));
                }
            }
        }
    }
}
