//! The convolution itself.

#![allow(unsafe_code, reason = "SIMD kernels; shapes are asserted on entry")]

use rayon::prelude::*;

use crate::kernel::conv::finish::Finish;
use crate::kernel::conv::tile::next;
use crate::kernel::conv::{Epilogue, Method, Packed};
use crate::kernel::dispatch::{Wide, Work, abreast, run};
use crate::kernel::isa::Isa;
use crate::kernel::lanes::Lanes;
use crate::kernel::map::FeatureMap;
use crate::kernel::shuffle::Shuffle;

/// Pixels of a band: its input stays in the second-level cache while the panels pass over it.
const BAND_PIXELS: usize = 512;

/// See [`super::super::Kernels::conv`].
pub(in crate::kernel::conv) fn conv(
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
    /// Where the taps of a pixel lie, from the first on: a slice, so that no compiler unrolls the nine and carries
    /// pointers for all of them through each.
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
        unsafe { abreast::<V>(self.weights.width, self) }
    }
}

#[derive(Clone, Copy)]
struct Place {
    row: usize,
    col: usize,
    channel: usize,
}

impl Wide for Band<'_> {
    #[inline(always)]
    unsafe fn run<V: Lanes, const NV: usize>(mut self) {
        let (width, step) = (self.weights.width, NV * V::COUNT);
        let rows = self.values.len() / self.row_len;
        for panel in 0..self.stride / width {
            for sub in (0..width).step_by(step) {
                let channel = panel * width + sub;
                let w = self.weights.panel(panel)[sub..].as_ptr();
                for row in 0..rows {
                    let mut col = 0;
                    while col < self.x.width() {
                        let p = next(self.x.width() - col);
                        let at = Place { row, col, channel };
                        let start = self.start(at);
                        debug_assert!(start + (p - 1) * self.stride + step <= self.values.len());
                        // SAFETY: `p` pixels from `col` lie in the row; `step` channels in the stride.
                        unsafe {
                            match p {
                                1 => self.tile::<V, 1, NV>(w, at),
                                2 => self.tile::<V, 2, NV>(w, at),
                                3 => self.tile::<V, 3, NV>(w, at),
                                4 => self.tile::<V, 4, NV>(w, at),
                                5 => self.tile::<V, 5, NV>(w, at),
                                _ => self.tile::<V, 6, NV>(w, at),
                            }
                        }
                        col += p;
                    }
                }
            }
        }
    }
}

impl Band<'_> {
    /// Where a pixel's channel lies among the values.
    #[inline(always)]
    fn start(&self, at: Place) -> usize {
        at.row * self.row_len + (at.col + 1) * self.stride + at.channel
    }

    /// `P` neighbouring pixels times `NV` registers of output channels.
    #[inline(always)]
    unsafe fn tile<V: Lanes, const P: usize, const NV: usize>(&mut self, w: *const f32, at: Place) {
        // SAFETY: the caller's.
        unsafe {
            match self.weights.inputs {
                1 => self.pixels::<V, P, NV, 1>(w, at),
                2 => self.pixels::<V, P, NV, 2>(w, at),
                4 => self.pixels::<V, P, NV, 4>(w, at),
                8 => self.pixels::<V, P, NV, 8>(w, at),
                _ => self.pixels::<V, P, NV, 0>(w, at),
            }
        }
    }

    /// As [`Band::tile`], for `I` input channels, or any number where `I` is zero.
    #[inline(always)]
    unsafe fn pixels<V: Lanes, const P: usize, const NV: usize, const I: usize>(
        &mut self,
        w: *const f32,
        at: Place,
    ) {
        let x = self.x;
        let inputs = if I > 0 { I } else { self.weights.inputs };
        let (stride, width) = (x.stride(), self.weights.width);
        // the top left tap of the first pixel: one row and one pixel back, inside the border
        let corner = x.at(self.image, self.first_row + at.row, at.col) - x.row_len() - stride;
        let start = self.start(at);
        // SAFETY: taps reach at most one pixel beyond the interior, which the border provides; the
        // panel holds 9 * inputs rows of `width` values.
        unsafe {
            let to = self.values.as_mut_ptr().add(start);
            let corner = x.data().as_ptr().add(corner + self.first_channel);
            let mut sums = [[V::zero(); NV]; P];
            for (tap, &offset) in self.taps.iter().enumerate() {
                let from = corner.add(offset);
                let w = w.add(tap * inputs * width);
                // at least one input: a loop that may be empty has its sums copied by the compiler, in some builds
                let mut i = 0;
                loop {
                    let mut wv = [V::zero(); NV];
                    for (v, wv) in wv.iter_mut().enumerate() {
                        *wv = V::load(w.add(i * width + v * V::COUNT));
                    }
                    for (p, sum) in sums.iter_mut().enumerate() {
                        V::mul_add_each(from.add(i), p * stride, wv, sum);
                    }
                    i += 1;
                    if i >= inputs {
                        break;
                    }
                }
            }
            let image_len = (x.height() + 2) * self.row_len;
            let map = self.image * image_len + (self.first_row + 1) * self.row_len + start;
            self.finish.tile(&mut sums, at.channel, (map, self.stride));
            for (p, sum) in sums.iter().enumerate() {
                for (v, s) in sum.iter().enumerate() {
                    s.store(to.add(p * self.stride + v * V::COUNT));
                }
            }
        }
    }
}
