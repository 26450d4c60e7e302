//! Convolution of few inputs: the first layer forward, and the input gradient of a head.
//!
//! A pixel has so few products that the overhead between tiles would take a third of the time. So the tiles of a row are
//! planned once, and they are small: the processor overlaps consecutive tiles.

use super::Band;
use crate::conv::Packed;
use crate::conv::finish::Finish;
use crate::conv::tile::write;
use crate::lanes::Lanes;
use crate::map::CHANNEL_STEP;
use crate::prefetch::{LINE, prefetch_l1};

/// Prefetch distance of the output in floats where pixels are written in several parts: two tiles of 64 channels.
const PREFETCH_DISTANCE: usize = 768;

/// Pixels of the longer tiles: 12 or 16 registers of sums, 1.5 or 2 times what two FMA units need.
const fn longest(registers: usize) -> usize {
    if registers == 4 { 4 } else { 6 }
}

/// Numbers of tiles of `longest` pixels and of one less that sum to a row of `width`, if there are any.
fn split(width: usize, longest: usize) -> Option<(usize, usize)> {
    let tiles = width.div_ceil(longest);
    let shorter = tiles * longest - width;
    (shorter <= tiles).then(|| (tiles - shorter, shorter))
}

impl Band<'_> {
    /// All rows, for `I` inputs; returns `false` without work for other layouts or epilogues.
    #[inline(always)]
    pub(super) unsafe fn few<V: Lanes, const NV: usize, const I: usize>(&mut self) -> bool {
        let Some(tiles) = split(self.x.width(), longest(NV)) else {
            return false;
        };
        // from the weights of some outputs to those of the next: other panels, or parts of one
        let width = self.weights.width;
        let step = match (width == NV * V::COUNT, width == self.stride) {
            (true, _) => 9 * I * width,
            (false, true) => NV * V::COUNT,
            (false, false) => return false,
        };
        // SAFETY: the caller's; the tiles make up a row.
        unsafe {
            if self.x.stride() == I && self.finish.is_rectified() {
                self.tiled::<V, NV, I, I, true>(tiles, step);
            } else if (I == 1 || I == 4)
                && self.x.stride() == CHANNEL_STEP
                && self.finish.is_plain()
            {
                self.tiled::<V, NV, I, CHANNEL_STEP, false>(tiles, step);
            } else {
                return false;
            }
        }
        true
    }

    /// All rows, whose pixels of the input are `S` numbers, in so many longer and shorter tiles.
    #[inline(always)]
    unsafe fn tiled<
        V: Lanes,
        const NV: usize,
        const I: usize,
        const S: usize,
        const RECTIFIED: bool,
    >(
        &mut self,
        (longer, shorter): (usize, usize),
        step: usize,
    ) {
        let x = self.x;
        let tiles = Tiles::<NV, I, S, RECTIFIED> {
            weights: self.weights,
            finish: self.finish,
            parts: self.stride / (NV * V::COUNT),
            step,
            stride: self.stride,
            row_len: x.row_len(),
        };
        for (row, values) in (self.first_row..).zip(self.values.chunks_exact_mut(self.row_len)) {
            let corner = x.corner(self.image, row, 0) + self.first_channel;
            let mut at = At {
                corner: x.data()[corner..].as_ptr(),
                to: values[self.stride..].as_mut_ptr(),
            };
            // SAFETY: the tiles make up the row.
            unsafe {
                if longest(NV) == 4 {
                    tiles.row::<V, 4>(&mut at, longer);
                    tiles.row::<V, 3>(&mut at, shorter);
                } else {
                    tiles.row::<V, 6>(&mut at, longer);
                    tiles.row::<V, 5>(&mut at, shorter);
                }
            }
        }
    }
}

/// Where a tile is: the top left tap of its first pixel, and its first output.
struct At {
    corner: *const f32,
    to: *mut f32,
}

/// Parameters common to all tiles: `NV` registers of outputs for each pixel, of `I` inputs at a pixel stride of `S`
/// numbers.
struct Tiles<'a, const NV: usize, const I: usize, const S: usize, const RECTIFIED: bool> {
    weights: &'a Packed<f32>,
    finish: &'a Finish<'a>,
    /// Parts of the outputs, each of the width of adjacent registers,
    parts: usize,
    /// and from the weights of one to those of the next.
    step: usize,
    /// Outputs of a pixel.
    stride: usize,
    /// From one row of the input to the next.
    row_len: usize,
}

impl<const NV: usize, const I: usize, const S: usize, const RECTIFIED: bool>
    Tiles<'_, NV, I, S, RECTIFIED>
{
    /// `count` consecutive tiles of `P` pixels.
    #[inline(always)]
    unsafe fn row<V: Lanes, const P: usize>(&self, at: &mut At, count: usize) {
        for _ in 0..count {
            // SAFETY: the caller's.
            unsafe { self.tile::<V, P>(at) }
            at.corner = at.corner.wrapping_add(P * S);
            at.to = at.to.wrapping_add(P * self.stride);
        }
    }

    /// All outputs of `P` pixels.
    #[inline(always)]
    unsafe fn tile<V: Lanes, const P: usize>(&self, at: &At) {
        // the processor does not follow what is written part by part
        if self.parts > 1 {
            for line in (0..P * self.stride).step_by(LINE) {
                prefetch_l1(at.to.wrapping_add(PREFETCH_DISTANCE + line));
            }
        }
        let mut w = self.weights.panels.as_ptr();
        for k in 0..self.parts {
            let channel = k * NV * V::COUNT;
            // SAFETY: taps reach at most one pixel beyond the interior, which the border provides; a part holds 9 * I
            // rows of weights; the channels are in the stride.
            unsafe {
                let mut sums =
                    sums::<V, P, NV, I, S>((at.corner, self.row_len), (w, self.weights.width));
                if RECTIFIED {
                    self.finish.rectified(&mut sums, channel);
                }
                write(&sums, at.to.add(channel), self.stride);
            }
            w = w.wrapping_add(self.step);
        }
    }
}

/// `P` neighboring pixels at a stride of `S` numbers, times `NV` registers of output channels.
#[inline(always)]
unsafe fn sums<V: Lanes, const P: usize, const NV: usize, const I: usize, const S: usize>(
    (corner, row_len): (*const f32, usize),
    (mut w, width): (*const f32, usize),
) -> [[V; NV]; P] {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[V::zero(); NV]; P];
        for kh in 0..3 {
            let from = corner.add(kh * row_len);
            for kw in 0..3 {
                for i in 0..I {
                    let wv: [V; NV] = std::array::from_fn(|v| V::load(w.add(v * V::COUNT)));
                    for (p, sum) in sums.iter_mut().enumerate() {
                        V::mul_add_each(from, (p + kw) * S + i, wv, sum);
                    }
                    w = w.wrapping_add(width);
                }
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tile_widths_sum_to_the_row_or_are_unsupported() {
        for longest in [4, 6] {
            for width in 1..200 {
                match split(width, longest) {
                    Some((longer, shorter)) => {
                        assert_eq!(longer * longest + shorter * (longest - 1), width);
                    }
                    // no number of tiles of `longest - 1` and one more does
                    None => assert!(width % (longest - 1) > width / (longest - 1), "{width}"),
                }
            }
        }
        assert_eq!(split(64, 4), Some((16, 0)));
        assert_eq!(split(128, 6), Some((18, 4)));
        assert_eq!(split(4, 6), None);
    }
}
