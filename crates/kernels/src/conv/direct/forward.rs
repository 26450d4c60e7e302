//! The convolution itself.

#![allow(unsafe_code, reason = "SIMD kernels; shapes are asserted on entry")]

mod few_inputs;

use rayon::prelude::*;

use crate::conv::finish::Finish;
use crate::conv::tile::{next, write};
use crate::conv::{Epilogue, Method, Packed};
use crate::dispatch::{ColumnTile, Work, for_column_tiles, run};
use crate::isa::Isa;
use crate::lanes::Lanes;
use crate::map::FeatureMap;
use crate::shuffle::Shuffle;

/// Pixels of a band: its input stays in the second-level cache while all panels read it.
const BAND_PIXELS: usize = 512;

/// See [`super::super::Kernels::conv`].
pub(in crate::conv) fn conv(
    isa: Isa,
    x: &FeatureMap<f32>,
    first_channel: usize,
    weights: &Packed<f32>,
    epilogue: Epilogue<'_, f32>,
    out: &mut FeatureMap<f32>,
) {
    weights.fit(Method::Direct, x, first_channel, out);
    assert!(
        out.stride().is_multiple_of(16),
        "whole registers of outputs"
    );
    let finish = Finish::new(epilogue, out);
    let rows = (BAND_PIXELS / x.width()).clamp(1, x.height());
    let (row_len, stride) = (out.row_len(), out.stride());
    let taps: [usize; 9] = std::array::from_fn(|tap| tap / 3 * x.row_len() + tap % 3 * x.stride());
    out.bands_mut(rows).for_each(|band| {
        let work = Band {
            x,
            first_channel,
            weights,
            finish: &finish,
            taps: &taps,
            row_len,
            stride,
            image: band.image,
            first_row: band.first_row,
            values: band.values,
        };
        // SAFETY: the shapes were asserted above.
        unsafe { run(isa, work) }
    });
}

/// Some rows of outputs.
struct Band<'a> {
    x: &'a FeatureMap<f32>,
    first_channel: usize,
    weights: &'a Packed<f32>,
    finish: &'a Finish<'a>,
    /// Offsets of the taps of a pixel relative to the first: a slice, so that the compiler does not unroll all nine and
    /// keep nine pointers.
    taps: &'a [usize],
    row_len: usize,
    stride: usize,
    image: usize,
    first_row: usize,
    values: &'a mut [f32],
}

impl Work for Band<'_> {
    #[inline(always)]
    unsafe fn run<V: Shuffle>(self) {
        // SAFETY: the caller's.
        unsafe { for_column_tiles::<V>(self.weights.width, self) }
    }
}

impl ColumnTile for Band<'_> {
    #[inline(always)]
    unsafe fn run<V: Lanes, const NV: usize>(mut self) {
        // SAFETY: the caller's.
        unsafe {
            let done = match self.weights.inputs {
                1 => self.few::<V, NV, 1>(),
                2 => self.few::<V, NV, 2>(),
                4 => self.few::<V, NV, 4>(),
                8 => self.few::<V, NV, 8>(),
                _ => false,
            };
            if !done {
                self.rows::<V, NV>();
            }
        }
    }
}

/// Some neighboring pixels of a row.
#[derive(Clone, Copy)]
struct Pixels {
    /// The top left tap of the first.
    corner: *const f32,
    /// From one to the next, there.
    stride: usize,
    /// Index of the first among the values.
    to: usize,
}

impl Band<'_> {
    /// All rows, for any number of input channels.
    #[inline(always)]
    unsafe fn rows<V: Lanes, const NV: usize>(&mut self) {
        let (x, width) = (self.x, self.weights.width);
        for channel in (0..self.stride).step_by(NV * V::COUNT) {
            let w = self.weights.panel(channel / width)[channel % width..].as_ptr();
            for row in 0..self.values.len() / self.row_len {
                let corner = x.corner(self.image, self.first_row + row, 0);
                let mut at = Pixels {
                    corner: x.data()[corner + self.first_channel..].as_ptr(),
                    stride: x.stride(),
                    to: row * self.row_len + self.stride,
                };
                let mut left = x.width();
                while left > 0 {
                    let p = next(left);
                    // SAFETY: `p` pixels are left in the row; the channels are in the stride.
                    unsafe {
                        match p {
                            1 => self.pixels::<V, 1, NV>((w, channel), at),
                            2 => self.pixels::<V, 2, NV>((w, channel), at),
                            3 => self.pixels::<V, 3, NV>((w, channel), at),
                            4 => self.pixels::<V, 4, NV>((w, channel), at),
                            5 => self.pixels::<V, 5, NV>((w, channel), at),
                            _ => self.pixels::<V, 6, NV>((w, channel), at),
                        }
                    }
                    left -= p;
                    at.corner = at.corner.wrapping_add(p * at.stride);
                    at.to += p * self.stride;
                }
            }
        }
    }

    /// `P` pixels, their outputs from `channel` on.
    #[inline(always)]
    unsafe fn pixels<V: Lanes, const P: usize, const NV: usize>(
        &mut self,
        (w, channel): (*const f32, usize),
        at: Pixels,
    ) {
        let stride = self.stride;
        let image_len = (self.x.height() + 2) * self.row_len;
        let map = self.image * image_len + (self.first_row + 1) * self.row_len + at.to;
        let to = self.values[at.to..at.to + P * stride].as_mut_ptr();
        // SAFETY: taps reach at most one pixel beyond the interior, which the border provides; the
        // panel holds 9 * inputs rows of `width` values.
        unsafe {
            let w = (w, self.weights.width);
            let mut sums = sums::<V, P, NV>(self.taps, at, w, self.weights.inputs);
            self.finish
                .tile(&mut sums, channel, (map + channel, stride));
            write(&sums, to.add(channel), stride);
        }
    }
}

/// `P` neighboring pixels times `NV` registers of output channels.
#[inline(always)]
unsafe fn sums<V: Lanes, const P: usize, const NV: usize>(
    taps: &[usize],
    at: Pixels,
    (mut w, width): (*const f32, usize),
    inputs: usize,
) -> [[V; NV]; P] {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[V::zero(); NV]; P];
        for &offset in taps {
            let from = at.corner.wrapping_add(offset);
            // at least one input: a loop that may be empty has its sums copied by the compiler, in some builds
            let mut i = 0;
            loop {
                let mut wv = [V::zero(); NV];
                for (v, wv) in wv.iter_mut().enumerate() {
                    *wv = V::load(w.add(v * V::COUNT));
                }
                for (p, sum) in sums.iter_mut().enumerate() {
                    V::mul_add_each(from.add(i), p * at.stride, wv, sum);
                }
                w = w.wrapping_add(width);
                i += 1;
                if i >= inputs {
                    break;
                }
            }
        }
        sums
    }
}
