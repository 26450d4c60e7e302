//! The float32 convolution, tiled for registers: the same bits as [`super::naive`], much faster.
//!
//! *Forward.* An implicit matrix product without copies: up to 6 pixels of a row times up to 64
//! output channels stay in registers while taps and input channels stream by: a few weight loads,
//! 6 broadcasts and 24 fused multiply-adds a step on AVX-512. *Weights.* Up to 6 rows (tap, input
//! channel) times 64 output channels stay in registers while a block of pixels streams by.
//!
//! *Safety.* The public functions check every shape and bound with `assert!`; below them pointers
//! stay inside the maps because a bordered map has a pixel of margin on each side of its interior,
//! channels are padded to whole registers, and packed panels to whole widths.
#![allow(
    unsafe_code,
    reason = "SIMD kernels; shapes are asserted on entry, twins are tested to the bit"
)]

use rayon::prelude::*;

use super::{Epilogue, Packed};
use crate::kernel::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::kernel::lanes::{Avx2, Avx512};
use crate::kernel::lanes::{Lanes, Portable};
use crate::kernel::map::FeatureMap;

/// Pixels of a band: its input stays in the second-level cache while the panels pass over it.
const BAND_PIXELS: usize = 512;

/// Pixels (or weight rows) that one register tile holds.
const TILE: usize = 6;

/// Weight rows are cut into this many tasks, whatever the number of threads.
const WEIGHT_TASKS: usize = 8;

/// See [`super::Kernels::conv`].
pub(super) fn conv(
    isa: Isa,
    x: &FeatureMap<f32>,
    first_channel: usize,
    weights: &Packed<f32>,
    epilogue: Epilogue<'_, f32>,
    out: &mut FeatureMap<f32>,
) {
    assert!(
        first_channel + weights.inputs <= x.stride(),
        "input channels"
    );
    assert_eq!(out.channels(), weights.outputs, "output channels");
    assert_eq!(
        (x.images(), x.height(), x.width()),
        (out.images(), out.height(), out.width()),
        "images, rows, columns"
    );
    let padded = out.stride();
    assert_eq!(
        padded,
        weights.outputs.next_multiple_of(16),
        "padded output channels"
    );
    let mut bias = [0.0f32; 1024];
    assert!(
        padded <= bias.len(),
        "at most {} output channels",
        bias.len()
    );
    let finish = match epilogue {
        Epilogue::Bias(b) => {
            bias[..b.len()].copy_from_slice(b);
            Finish::Bias
        }
        Epilogue::BiasRelu(b) => {
            bias[..b.len()].copy_from_slice(b);
            Finish::BiasRelu
        }
        Epilogue::Gate(g) => {
            assert_eq!(
                (g.images(), g.height(), g.width(), g.stride()),
                (out.images(), out.height(), out.width(), out.stride()),
                "the gate has the output's shape"
            );
            Finish::Gate(g)
        }
        Epilogue::Plain => Finish::Plain,
    };
    let rows = (BAND_PIXELS / x.width()).clamp(1, x.height());
    let (row_len, stride) = (out.row_len(), out.stride());
    let job = Job {
        x,
        first_channel,
        weights,
        finish,
        bias: &bias,
        row_len,
        stride,
    };
    out.bands_mut(rows).into_par_iter().for_each(|band| {
        let (image, first_row) = (band.image, band.first_row);
        match isa {
            // SAFETY: `Isa` values other than `Portable` come from `Isa::available`, and a caller
            // that made one up on another machine would fail the re-check.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if is_x86_feature_detected!("avx512f") => unsafe {
                band_avx512(&job, image, first_row, band.values);
            },
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") => unsafe {
                band_avx2(&job, image, first_row, band.values);
            },
            // SAFETY: needs no instruction set beyond the target's own.
            _ => unsafe { band_portable(&job, image, first_row, band.values) },
        }
    });
}

enum Finish<'a> {
    Bias,
    BiasRelu,
    Gate(&'a FeatureMap<f32>),
    Plain,
}

struct Job<'a> {
    x: &'a FeatureMap<f32>,
    first_channel: usize,
    weights: &'a Packed<f32>,
    finish: Finish<'a>,
    bias: &'a [f32],
    row_len: usize,
    stride: usize,
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn band_avx512(job: &Job<'_>, image: usize, first_row: usize, values: &mut [f32]) {
    // SAFETY: this function has the instruction set; bounds as the module says.
    unsafe {
        match job.weights.width {
            64 => band::<Avx512, 4>(job, image, first_row, values),
            32 => band::<Avx512, 2>(job, image, first_row, values),
            _ => band::<Avx512, 1>(job, image, first_row, values),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn band_avx2(job: &Job<'_>, image: usize, first_row: usize, values: &mut [f32]) {
    // SAFETY: this function has the instruction set; bounds as the module says.
    unsafe { band::<Avx2, 2>(job, image, first_row, values) }
}

unsafe fn band_portable(job: &Job<'_>, image: usize, first_row: usize, values: &mut [f32]) {
    // SAFETY: bounds as the module says.
    unsafe { band::<Portable, 1>(job, image, first_row, values) }
}

/// The next tile of at most [`TILE`] of the `left` items, as evenly as the rest allows.
#[inline(always)]
fn next_tile(left: usize) -> usize {
    left.div_ceil(left.div_ceil(TILE))
}

#[inline(always)]
unsafe fn band<V: Lanes, const NV: usize>(
    job: &Job<'_>,
    image: usize,
    first_row: usize,
    values: &mut [f32],
) {
    let (width, step) = (job.weights.width, NV * V::COUNT);
    debug_assert!(width.is_multiple_of(step));
    let rows = values.len() / job.row_len;
    for panel in 0..job.stride / width {
        for sub in (0..width).step_by(step) {
            let channel = panel * width + sub;
            let w = job.weights.panel(panel)[sub..].as_ptr();
            for row in 0..rows {
                let mut col = 0;
                while col < job.x.width() {
                    let p = next_tile(job.x.width() - col);
                    let at = Place {
                        image,
                        row: first_row + row,
                        col,
                        channel,
                    };
                    let start = row * job.row_len + (col + 1) * job.stride + channel;
                    debug_assert!(start + (p - 1) * job.stride + step <= values.len());
                    // SAFETY: `p` pixels from `col` lie in the row; `step` channels in the stride.
                    unsafe {
                        let to = values.as_mut_ptr().add(start);
                        match p {
                            1 => pixels::<V, 1, NV>(job, w, at, to),
                            2 => pixels::<V, 2, NV>(job, w, at, to),
                            3 => pixels::<V, 3, NV>(job, w, at, to),
                            4 => pixels::<V, 4, NV>(job, w, at, to),
                            5 => pixels::<V, 5, NV>(job, w, at, to),
                            _ => pixels::<V, 6, NV>(job, w, at, to),
                        }
                    }
                    col += p;
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Place {
    image: usize,
    row: usize,
    col: usize,
    channel: usize,
}

/// `P` neighbouring pixels times `NV` registers of output channels.
#[inline(always)]
unsafe fn pixels<V: Lanes, const P: usize, const NV: usize>(
    job: &Job<'_>,
    w: *const f32,
    at: Place,
    to: *mut f32,
) {
    let x = job.x;
    let (stride, inputs, width) = (x.stride(), job.weights.inputs, job.weights.width);
    // the top left tap of the first pixel: one row and one pixel back, inside the border
    let corner = x.at(at.image, at.row, at.col) - x.row_len() - stride + job.first_channel;
    // SAFETY: taps reach at most one pixel beyond the interior, which the border provides; the
    // panel holds 9 * inputs rows of `width` values.
    unsafe {
        let mut sums = [[V::zero(); NV]; P];
        let mut wp = w;
        for kh in 0..3 {
            for kw in 0..3 {
                let tap = x
                    .data()
                    .as_ptr()
                    .add(corner + kh * x.row_len() + kw * stride);
                let from: [*const f32; P] = std::array::from_fn(|p| tap.add(p * stride));
                for i in 0..inputs {
                    let wv: [V; NV] = std::array::from_fn(|v| V::load(wp.add(v * V::COUNT)));
                    for (sum, from) in sums.iter_mut().zip(from) {
                        let b = V::splat(*from.add(i));
                        for (s, w) in sum.iter_mut().zip(wv) {
                            *s = b.mul_add(w, *s);
                        }
                    }
                    wp = wp.add(width);
                }
            }
        }
        // Plain stores first, in a loop simple enough to unroll: with anything more in it the sums
        // would live in memory instead of registers, and the loop above would store them each time.
        for (p, sum) in sums.iter().enumerate() {
            for (v, s) in sum.iter().enumerate() {
                s.store(to.add(p * job.stride + v * V::COUNT));
            }
        }
        for p in 0..P {
            finish::<V, NV>(job, at, p, to.add(p * job.stride));
        }
    }
}

/// What is left to do to the sums of pixel `p`, which lie at `to`.
#[inline(always)]
unsafe fn finish<V: Lanes, const NV: usize>(job: &Job<'_>, at: Place, p: usize, to: *mut f32) {
    // SAFETY: `to` holds NV registers; the bias is padded; the gate has the output's shape.
    unsafe {
        for lane in (0..NV).map(|v| v * V::COUNT) {
            let s = V::load(to.add(lane));
            let bias = || V::load(job.bias.as_ptr().add(at.channel + lane));
            let value = match job.finish {
                Finish::Bias => s.add(bias()),
                Finish::BiasRelu => s.add(bias()).rectify(),
                Finish::Gate(g) => {
                    let from = g.at(at.image, at.row, at.col + p) + at.channel + lane;
                    s.gate(V::load(g.data().as_ptr().add(from)))
                }
                Finish::Plain => return,
            };
            value.store(to.add(lane));
        }
    }
}

/// See [`super::Kernels::conv_weights`].
pub(super) fn conv_weights(
    isa: Isa,
    x: &FeatureMap<f32>,
    first_channel: usize,
    dy: &FeatureMap<f32>,
    kernel: &mut [f32],
    bias: &mut [f32],
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
    assert_eq!(
        (x.images(), x.height(), x.width()),
        (dy.images(), dy.height(), dy.width()),
        "images, rows, columns"
    );
    sum_pixels(dy, bias);
    let rows = 9 * inputs;
    let per_task = rows.div_ceil(WEIGHT_TASKS).next_multiple_of(TILE);
    let job = WeightJob {
        x,
        dy,
        first_channel,
        inputs,
        columns: outputs.next_multiple_of(16),
    };
    kernel
        .par_chunks_mut(per_task * outputs)
        .enumerate()
        .for_each(|(task, part)| {
            let first = task * per_task;
            let mut sums = vec![0.0f32; part.len() / outputs * job.columns];
            match isa {
                // SAFETY: as in `conv`.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 if is_x86_feature_detected!("avx512f") => unsafe {
                    rows_avx512(&job, first, &mut sums);
                },
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2
                    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") =>
                unsafe {
                    rows_avx2(&job, first, &mut sums);
                },
                // SAFETY: needs no instruction set beyond the target's own.
                _ => unsafe { rows_portable(&job, first, &mut sums) },
            }
            for (to, from) in part.chunks_mut(outputs).zip(sums.chunks(job.columns)) {
                to.copy_from_slice(&from[..outputs]);
            }
        });
}

/// `bias[o] = sum over pixels of dy[.., o]`, in pixel order.
fn sum_pixels(dy: &FeatureMap<f32>, bias: &mut [f32]) {
    bias.par_chunks_mut(32)
        .enumerate()
        .for_each(|(chunk, part)| {
            let first = chunk * 32;
            part.fill(0.0);
            for image in 0..dy.images() {
                for row in 0..dy.height() {
                    for pixel in dy.row(image, row).chunks_exact(dy.stride()) {
                        for (b, &g) in part.iter_mut().zip(&pixel[first..]) {
                            *b += g;
                        }
                    }
                }
            }
        });
}

struct WeightJob<'a> {
    x: &'a FeatureMap<f32>,
    dy: &'a FeatureMap<f32>,
    first_channel: usize,
    inputs: usize,
    columns: usize,
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn rows_avx512(job: &WeightJob<'_>, first: usize, sums: &mut [f32]) {
    // SAFETY: this function has the instruction set; bounds as the module says.
    unsafe {
        if job.columns.is_multiple_of(64) {
            weight_rows::<Avx512, 4>(job, first, sums);
        } else if job.columns.is_multiple_of(32) {
            weight_rows::<Avx512, 2>(job, first, sums);
        } else {
            weight_rows::<Avx512, 1>(job, first, sums);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn rows_avx2(job: &WeightJob<'_>, first: usize, sums: &mut [f32]) {
    // SAFETY: this function has the instruction set; bounds as the module says.
    unsafe { weight_rows::<Avx2, 2>(job, first, sums) }
}

unsafe fn rows_portable(job: &WeightJob<'_>, first: usize, sums: &mut [f32]) {
    // SAFETY: bounds as the module says.
    unsafe { weight_rows::<Portable, 1>(job, first, sums) }
}

/// Weight rows `first..` of one task, all columns, all pixels in order.
#[inline(always)]
unsafe fn weight_rows<V: Lanes, const NV: usize>(
    job: &WeightJob<'_>,
    first: usize,
    sums: &mut [f32],
) {
    let (x, dy, columns) = (job.x, job.dy, job.columns);
    let rows = sums.len() / columns;
    let block_pixels = (16384 / x.stride().max(dy.stride())).clamp(64, 512);
    let block_rows = (block_pixels / x.width()).clamp(1, x.height());
    for image in 0..x.images() {
        for top in (0..x.height()).step_by(block_rows) {
            let height = block_rows.min(x.height() - top);
            for column in (0..columns).step_by(NV * V::COUNT) {
                let mut row = 0;
                while row < rows {
                    let r = next_tile(rows - row);
                    let block = Block {
                        image,
                        top,
                        height,
                        column,
                        first: first + row,
                    };
                    // SAFETY: `r` rows of `columns` values lie in `sums`.
                    unsafe {
                        let to = sums.as_mut_ptr().add(row * columns + column);
                        match r {
                            1 => outer::<V, 1, NV>(job, block, to),
                            2 => outer::<V, 2, NV>(job, block, to),
                            3 => outer::<V, 3, NV>(job, block, to),
                            4 => outer::<V, 4, NV>(job, block, to),
                            5 => outer::<V, 5, NV>(job, block, to),
                            _ => outer::<V, 6, NV>(job, block, to),
                        }
                    }
                    row += r;
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Block {
    image: usize,
    top: usize,
    height: usize,
    column: usize,
    first: usize,
}

/// `R` weight rows times `NV` registers of columns, over one block of pixels.
#[inline(always)]
unsafe fn outer<V: Lanes, const R: usize, const NV: usize>(
    job: &WeightJob<'_>,
    block: Block,
    to: *mut f32,
) {
    let (x, dy, columns) = (job.x, job.dy, job.columns);
    // SAFETY: a weight row reads its tap of every pixel, inside the border; `dy` is read in whole
    // registers below its padded stride; `to` holds R rows of `columns` values.
    unsafe {
        let mut sums: [[V; NV]; R] = std::array::from_fn(|r| {
            std::array::from_fn(|v| V::load(to.add(r * columns + v * V::COUNT)))
        });
        for row in block.top..block.top + block.height {
            let corner = x.at(block.image, row, 0) - x.row_len() - x.stride() + job.first_channel;
            let from: [*const f32; R] = std::array::from_fn(|r| {
                let (tap, i) = (
                    (block.first + r) / job.inputs,
                    (block.first + r) % job.inputs,
                );
                x.data()
                    .as_ptr()
                    .add(corner + tap / 3 * x.row_len() + tap % 3 * x.stride() + i)
            });
            let mut g = dy
                .data()
                .as_ptr()
                .add(dy.at(block.image, row, 0) + block.column);
            let mut at = 0;
            for _ in 0..x.width() {
                let gv: [V; NV] = std::array::from_fn(|v| V::load(g.add(v * V::COUNT)));
                for (sum, from) in sums.iter_mut().zip(from) {
                    let b = V::splat(*from.add(at));
                    for (s, g) in sum.iter_mut().zip(gv) {
                        *s = b.mul_add(g, *s);
                    }
                }
                at += x.stride();
                g = g.add(dy.stride());
            }
        }
        for (r, sum) in sums.iter().enumerate() {
            for (v, s) in sum.iter().enumerate() {
                s.store(to.add(r * columns + v * V::COUNT));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kernels, naive};
    use super::*;
    use proptest::prelude::*;

    fn fill(m: &mut FeatureMap<f32>, seed: u32) {
        let mut s = seed.wrapping_mul(2654435761).wrapping_add(12345);
        for image in 0..m.images() {
            for row in 0..m.height() {
                for col in 0..m.width() {
                    let c = m.channels();
                    for v in &mut m.pixel_mut(image, row, col)[..c] {
                        s = s.wrapping_mul(1664525).wrapping_add(1013904223);
                        *v = (s >> 8) as f32 / (1 << 23) as f32 - 1.0;
                    }
                }
            }
        }
    }

    fn numbers(n: usize, seed: u32) -> Vec<f32> {
        let mut m = FeatureMap::<f32>::dense(1, 1, n, 1);
        fill(&mut m, seed);
        m.row(0, 0).to_vec()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn every_instruction_set_gives_the_bits_of_the_definition(
            images in 1usize..3, h in 1usize..9, w in 1usize..20,
            cin in 1usize..20, cout in 1usize..130, skip in 0usize..5, finish in 0usize..4, seed in 0u32..1000,
        ) {
            let mut x = FeatureMap::<f32>::dense(images, h, w, cin + skip);
            fill(&mut x, seed);
            let kernel = numbers(9 * cin * cout, seed + 1);
            let bias = numbers(cout, seed + 2);
            let mut packed = Packed::new(cin, cout);
            packed.pack_forward(&kernel);
            let mut gate = FeatureMap::new(images, h, w, cout);
            fill(&mut gate, seed + 3);
            let epilogue = match finish {
                0 => Epilogue::Bias(&bias),
                1 => Epilogue::BiasRelu(&bias),
                2 => Epilogue::Gate(&gate),
                _ => Epilogue::Plain,
            };
            let mut want = FeatureMap::new(images, h, w, cout);
            naive::conv(&x, skip, &packed, epilogue, &mut want);
            for isa in Isa::available() {
                let mut got = FeatureMap::new(images, h, w, cout);
                f32::conv(isa, &x, skip, &packed, epilogue, &mut got);
                prop_assert_eq!(&got, &want, "{}", isa);
            }
            let (mut kw, mut bw) = (vec![0.0; kernel.len()], vec![0.0; cout]);
            naive::conv_weights(&x, skip, &gate, &mut kw, &mut bw);
            for isa in Isa::available() {
                let (mut k, mut b) = (vec![9.0; kernel.len()], vec![9.0; cout]);
                f32::conv_weights(isa, &x, skip, &gate, &mut k, &mut b);
                prop_assert_eq!(&k, &kw, "{}", isa);
                prop_assert_eq!(&b, &bw, "{}", isa);
            }
        }
    }

    #[test]
    fn the_adjoint_pack_gives_the_adjoint() {
        // <A x, y> = <x, A* y>, in f64 (the definition) and f32 (the kernels)
        let (cin, cout) = (5, 20);
        let mut x = FeatureMap::<f32>::new(2, 7, 9, cin);
        let mut y = FeatureMap::<f32>::new(2, 7, 9, cout);
        fill(&mut x, 1);
        fill(&mut y, 2);
        let kernel = numbers(9 * cin * cout, 3);
        let (mut fwd, mut adj) = (Packed::new(cin, cout), Packed::new(cout, cin));
        fwd.pack_forward(&kernel);
        adj.pack_adjoint(&kernel);
        let (mut ax, mut aty) = (y.clone(), x.clone());
        f32::conv(Isa::best(), &x, 0, &fwd, Epilogue::Plain, &mut ax);
        f32::conv(Isa::best(), &y, 0, &adj, Epilogue::Plain, &mut aty);
        let dot = |a: &FeatureMap<f32>, b: &FeatureMap<f32>| -> f64 {
            a.data()
                .iter()
                .zip(b.data())
                .map(|(&p, &q)| f64::from(p) * f64::from(q))
                .sum()
        };
        let norm = (dot(&ax, &ax) * dot(&y, &y)).sqrt();
        // eps times the length of a chain of fused multiply-adds
        let tol = f64::from(f32::EPSILON) * (9 * cout) as f64;
        assert!((dot(&ax, &y) - dot(&x, &aty)).abs() / norm < tol);
    }
}
