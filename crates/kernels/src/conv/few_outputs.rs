//! Convolution of many inputs to few outputs: registers hold inputs and are reduced at the end.
//!
//! *Law.* An output is the sum of sixteen chains (input channel modulo 16, in the order row of taps, channel, tap of the
//! row), added pairwise (lane `l` and `l + 8`, then 4, 2, 1), on every instruction set. Against the definition the rounding
//! error is bounded by `(9 inputs / 16 + 5) eps sum |x| |w|`.

#![allow(unsafe_code, reason = "SIMD kernels; shapes are asserted on entry")]

use rayon::prelude::*;

use super::finish::Finish;
use super::packed::{MAX_PANEL_WIDTH, PACKED_INPUTS};
use super::{Direction, Epilogue, Method, Packed};
use crate::dispatch::{Work, run};
use crate::isa::Isa;
use crate::lanes::Lanes;
use crate::map::FeatureMap;
use crate::prefetch::prefetch_l1;
use crate::shuffle::Shuffle;

/// Maximum number of outputs of this kernel.
pub(super) const MAX_OUTPUTS: usize = 8;
/// Number of chains of an output.
const LANES: usize = 16;
/// Number of rows per task.
const ROWS_PER_TASK: usize = 32;

/// Numbers that the weights take: whole registers per output and tap.
pub(super) fn weights(inputs: usize, outputs: usize) -> usize {
    outputs * 9 * inputs.next_multiple_of(LANES)
}

/// Lays out `kernel`, or its adjoint, as `[output][tap][input]`, zero beyond the inputs.
pub(super) fn pack(weights: &mut Packed<f32>, kernel: &[f32], direction: Direction) {
    assert_eq!(
        weights.method,
        Method::FewOutputs,
        "weights for this kernel"
    );
    let (inputs, outputs) = (weights.inputs, weights.outputs);
    let padded = inputs.next_multiple_of(LANES);
    // what is added to fill registers has to be zero
    weights.panels.fill(0.0);
    let mut taps = [[[0.0; MAX_PANEL_WIDTH]; 9]; PACKED_INPUTS];
    for first in (0..inputs).step_by(PACKED_INPUTS) {
        let used = first..(first + PACKED_INPUTS).min(inputs);
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
    weights.fit(Method::FewOutputs, x, first_channel, out);
    let padded = weights.inputs.next_multiple_of(LANES);
    assert!(
        first_channel + padded <= x.stride(),
        "whole registers of inputs"
    );
    let finish = Finish::new(epilogue, out);
    let (row_len, stride, image_len) = (out.row_len(), out.stride(), out.image_len());
    out.bands_mut(ROWS_PER_TASK).for_each(|band| {
        let work = Band {
            x,
            first_channel,
            weights,
            finish: &finish,
            image: band.image,
            first_row: band.first_row,
            at: band.image * image_len + (band.first_row + 1) * row_len + stride,
            row_len,
            stride,
            to: band.values,
        };
        // SAFETY: the shapes were asserted above.
        unsafe { run(isa, work) }
    });
}

/// Some rows of outputs; `at` is the index of the first pixel in its map.
struct Band<'a> {
    x: &'a FeatureMap<f32>,
    first_channel: usize,
    weights: &'a Packed<f32>,
    finish: &'a Finish<'a>,
    image: usize,
    first_row: usize,
    at: usize,
    row_len: usize,
    stride: usize,
    to: &'a mut [f32],
}

impl Work for Band<'_> {
    #[inline(always)]
    unsafe fn run<V: Shuffle>(self) {
        // SAFETY: the caller's.
        unsafe {
            // with all channels of 64 read, sixteen pixels need one address
            let padded = self.weights.inputs.next_multiple_of(LANES);
            let wide = if padded == self.x.stride() { padded } else { 0 };
            match (self.weights.outputs, wide) {
                (1, 64) => self.all::<V, 16, 8, 1, 64>(),
                (1, _) => self.all::<V, 16, 8, 1, 0>(),
                (2, _) => self.all::<V, 8, 4, 2, 0>(),
                (3, _) => self.all::<V, 4, 2, 3, 0>(),
                (4, 64) => self.all::<V, 4, 2, 4, 64>(),
                (4, _) => self.all::<V, 4, 2, 4, 0>(),
                (5, _) => self.all::<V, 2, 1, 5, 0>(),
                (6, _) => self.all::<V, 2, 1, 6, 0>(),
                (7, _) => self.all::<V, 2, 1, 7, 0>(),
                _ => self.all::<V, 2, 1, 8, 0>(),
            }
        }
    }
}

impl Band<'_> {
    /// All pixels, `P` of them a turn, which with their `O` outputs are at most [`LANES`] chains. Where a chain is two
    /// registers, `Q` pixels fill the registers. Steps go down the rows, so that the input of three rows stays in the
    /// cache.
    #[inline(always)]
    unsafe fn all<
        V: Shuffle,
        const P: usize,
        const Q: usize,
        const O: usize,
        const STRIDE: usize,
    >(
        mut self,
    ) {
        let (width, rows) = (self.x.width(), self.to.len() / self.row_len);
        let whole = width - width % P;
        for column in (0..whole).step_by(P) {
            for row in 0..rows {
                // SAFETY: pixels up to `whole` are in the row.
                unsafe {
                    let mut chains = [[V::zero(); 2]; LANES];
                    if V::COUNT == LANES {
                        self.chains::<V, P, O, STRIDE>((row, column), &mut chains, 0);
                    } else {
                        for q in (0..P).step_by(Q) {
                            self.chains::<V, Q, O, STRIDE>((row, column + q), &mut chains, q * O);
                        }
                    }
                    self.finish::<P, O>((row, column), &across(&chains));
                }
            }
        }
        for row in 0..rows {
            for column in whole..width {
                // SAFETY: as above.
                unsafe {
                    let mut chains = [[V::zero(); 2]; LANES];
                    self.chains::<V, 1, O, STRIDE>((row, column), &mut chains, 0);
                    self.finish::<1, O>((row, column), &across(&chains));
                }
            }
        }
    }

    /// The chains of `P` neighboring pixels and `O` outputs, from number `first` on.
    #[inline(always)]
    unsafe fn chains<V: Lanes, const P: usize, const O: usize, const STRIDE: usize>(
        &self,
        (row, column): (usize, usize),
        chains: &mut [[V; 2]; LANES],
        first: usize,
    ) {
        let (x, inputs) = (self.x, self.weights.inputs.next_multiple_of(LANES));
        let inputs = if STRIDE > 0 { STRIDE } else { inputs };
        let stride = if STRIDE > 0 { STRIDE } else { x.stride() };
        let corner = x.corner(self.image, self.first_row + row, column) + self.first_channel;
        let corner = x.data()[corner..].as_ptr();
        // a chain's sixteen lanes are one register or two, one after the other
        for half in 0..LANES / V::COUNT {
            // SAFETY: taps end inside the border; channels and weights are stored in whole registers.
            unsafe {
                let mut sums = [[V::zero(); O]; P];
                for kh in 0..3 {
                    let from = corner.add(kh * x.row_len());
                    // what the turn below reads that this one does not, a third with each row of taps
                    let below = corner.wrapping_add(3 * x.row_len() + (1 + kh * P / 3) * stride);
                    let ahead_of = if half == 0 { P.div_ceil(3) } else { 0 };
                    let w = self.weights.panels.as_ptr().add(kh * 3 * inputs);
                    for i in (0..inputs).step_by(LANES) {
                        for pixel in 0..ahead_of {
                            prefetch_l1(below.wrapping_add(pixel * stride + i));
                        }
                        let lane = i + half * V::COUNT;
                        row_of_taps((from.add(lane), stride), (w.add(lane), inputs), &mut sums);
                    }
                }
                for (chain, sum) in chains[first..].iter_mut().zip(sums.as_flattened()) {
                    chain[half] = *sum;
                }
            }
        }
    }

    /// Writes the outputs of `P` pixels, `sums[pixel * O + output]`.
    #[inline(always)]
    fn finish<const P: usize, const O: usize>(
        &mut self,
        (row, column): (usize, usize),
        sums: &[f32; LANES],
    ) {
        let at = row * self.row_len + column * self.stride;
        let room = self.to[self.stride + at..].len();
        assert!(room >= P * self.stride, "pixels inside the band");
        let place = (self.at + at, self.stride);
        // padding channels are zero, and stay so
        let to = &mut self.to[self.stride + at..];
        self.finish.few::<P, O>(sums, place, to);
    }
}

/// Adds a register of inputs for one row of taps: each is read once for the three pixels that use it.
///
/// # Safety
/// `P + 2` pixels of `x`, and the weights of three taps for each of `O` outputs, are readable.
#[inline(always)]
unsafe fn row_of_taps<V: Lanes, const P: usize, const O: usize>(
    (x, stride): (*const f32, usize),
    (w, inputs): (*const f32, usize),
    sums: &mut [[V; O]; P],
) {
    // SAFETY: the caller's.
    unsafe {
        let mut taps = [[V::zero(); O]; 3];
        for (kw, taps) in taps.iter_mut().enumerate() {
            for (o, tap) in taps.iter_mut().enumerate() {
                *tap = V::load(w.add((o * 9 + kw) * inputs));
            }
        }
        // the end pixels have fewer taps: they are separate, so that the loop between has no branch and unrolls
        for q in 0..2 {
            under(V::load(x.add(q * stride)), q, &taps, sums);
        }
        for q in 2..P {
            under(V::load(x.add(q * stride)), q, &taps, sums);
        }
        for q in P.max(2)..P + 2 {
            under(V::load(x.add(q * stride)), q, &taps, sums);
        }
    }
}

/// Adds `value`, of pixel `q` counted from the left neighbor of the first, to the sums of the pixels that use it.
#[inline(always)]
unsafe fn under<V: Lanes, const P: usize, const O: usize>(
    value: V,
    q: usize,
    taps: &[[V; O]; 3],
    sums: &mut [[V; O]; P],
) {
    for (kw, taps) in taps.iter().enumerate() {
        if kw <= q && q - kw < P {
            for (sum, tap) in sums[q - kw].iter_mut().zip(taps) {
                // SAFETY: registers only.
                *sum = unsafe { value.mul_add(*tap, *sum) };
            }
        }
    }
}

/// The sums of sixteen chains, each over its lanes, pairwise: transposed, so that registers hold one lane of many chains.
#[inline(always)]
unsafe fn across<V: Shuffle>(chains: &[[V; 2]; LANES]) -> [f32; LANES] {
    let mut sums = [0.0; LANES];
    // SAFETY: registers only, and sixteen values to store in.
    unsafe {
        for first in (0..LANES).step_by(V::COUNT) {
            let mut folded = [V::zero(); 8];
            for (i, folded) in folded.iter_mut().enumerate() {
                *folded = V::fold(chains[first + i], chains[(first + i + 8) % LANES]);
            }
            let lane = V::transpose(folded);
            let even = lane[0].add(lane[4]).add(lane[2].add(lane[6]));
            let odd = lane[1].add(lane[5]).add(lane[3].add(lane[7]));
            even.add(odd).store(sums.as_mut_ptr().add(first));
        }
    }
    sums
}
