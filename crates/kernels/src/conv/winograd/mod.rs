//! The 3x3 convolution by Winograd's F(4x4, 3x3): a quarter of the multiplications.
//!
//! The output is cut into tiles of 4x4 pixels. Each tile's 6x6 inputs are transformed, channel by channel,
//! to 36 numbers; for each of the 36 places the channels are mixed by one matrix (the transformed filter);
//! and the 36 sums become 16 outputs. The mixing is a product of matrices, `[tiles, inputs]` times
//! `[inputs, outputs]`, in the register tiles of [`super::tile`].
//!
//! *Law.* Every number is one fixed expression of the inputs of its tile, and in the gradient of the weights one chain over
//! tiles in order: the result is bit-identical for every instruction set, number of threads and batch. Against the
//! definition the rounding error is bounded by `(terms + 32) eps |A|^T (|G| |g| |G|^T . |B|^T |d| |B|) |A|`; the tests hold
//! it to that.

mod forward;
mod pack;
mod transform;
mod weights;

pub(super) use forward::conv;
pub(super) use pack::pack;
pub(super) use weights::conv_weights;

use crate::map::FeatureMap;

/// Side of a tile of outputs.
const TILE: usize = 4;
/// Numbers of a transformed tile: `(4 + 3 - 1)^2`.
pub(super) const PLACES: usize = 36;

/// Stride of places of `len` numbers: one cache line more, so that the 36 places of a tile do not compete for one cache
/// set.
fn padded_step(len: usize) -> usize {
    len + 16
}

/// Whether maps of these sides can be cut into tiles.
pub(super) fn divides(height: usize, width: usize) -> bool {
    height.is_multiple_of(TILE) && width.is_multiple_of(TILE)
}

/// The tiles of the images of a map, in the order image, row, column.
#[derive(Debug, Clone, Copy)]
struct Tiles {
    rows: usize,
    columns: usize,
    count: usize,
}

impl Tiles {
    fn of(map: &FeatureMap<f32>) -> Self {
        assert!(
            divides(map.height(), map.width()),
            "whole tiles of {TILE} pixels"
        );
        let (rows, columns) = (map.height() / TILE, map.width() / TILE);
        Self {
            rows,
            columns,
            count: map.images() * rows * columns,
        }
    }

    /// Image, first row and first column of the outputs of a tile.
    fn place(&self, tile: usize) -> (usize, usize, usize) {
        let (line, column) = (tile / self.columns, tile % self.columns);
        (line / self.rows, line % self.rows * TILE, column * TILE)
    }
}

#[cfg(test)]
mod tests;
