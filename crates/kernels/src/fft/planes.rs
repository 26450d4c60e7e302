//! The transform of 64, 128 and 256 by 256 float32 images, on whole registers.
//!
//! *Law.* One arithmetic, written against [`Lanes`](crate::lanes::Lanes): lanes are never added to each other, so the bits
//! depend neither on the instruction set nor on threads.
//!
//! A side is `n = R1 * R2`. With `j = q + R2 a` and `k = c + R1 d` a transform of `n` points is
//!
//! 1. for each `q`, `R1` points over `a`, and the product with `exp(-2 pi i q c / n)`;
//! 2. for each `c`, `R2` points over `q`, whose output `d` is number `c + R1 d`.
//!
//! *Rows.* Eight adjacent `q` of a row fill a group of lanes. Between the steps squares of eight are transposed so that
//! eight `c` fill it: step 2 needs no exchange between lanes, and leaves numbers `c + R1 d` that are adjacent. That is the
//! only exchange in the whole transform. *Columns.* The lanes are adjacent columns. Between the two passes the image is
//! stored in planes: panels of one register of columns, row after row, so that a panel of the second pass fits the
//! first-level cache.
//!
//! *Inverse.* With real and imaginary parts exchanged on the way in and out the forward transform is
//! the inverse, so that the two are adjoint by construction.

#![allow(
    unsafe_code,
    reason = "vector kernels; shapes are asserted on entry, instruction sets are compared to the bit"
)]

use std::f64::consts::TAU;
use std::sync::Arc;

use num_complex::Complex32;

use super::radix::{Cx, transform};
use crate::aligned::Aligned;
use crate::dispatch::{Work, run};
use crate::isa::Isa;
use crate::prefetch::prefetch;
use crate::shuffle::Shuffle;

/// Floats between the two steps of rows: two parts of 16 lanes, two groups of 16 points.
const GROUP_FLOATS: usize = 2 * 16 * 2 * 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Split {
    /// 64 = 8 * 8.
    Small,
    /// 128 = 16 * 8.
    Middle,
    /// 256 = 16 * 16.
    Large,
}

/// A planned transform.
#[derive(Debug, Clone)]
pub(super) struct Planes {
    split: Split,
    isa: Isa,
    /// `exp(-2 pi i q c / n)` at `c * R2 + q`: `n` real parts, then `n` imaginary ones.
    twiddles: Arc<[f32]>,
}

impl Planes {
    /// A plan, if the side is one of those.
    pub(super) fn new(n: usize, isa: Isa) -> Option<Self> {
        let (split, r2) = match n {
            64 => (Split::Small, 8),
            128 => (Split::Middle, 8),
            256 => (Split::Large, 16),
            _ => return None,
        };
        // whole quarters of a turn have parts 0 and 1, not 6e-17 and 1
        let turn = |k: usize| (k % r2) * (k / r2) % n;
        let angle = |k: usize| TAU * turn(k) as f64 / n as f64;
        let exact = |t: usize, v: f64| {
            if (4 * t).is_multiple_of(n) {
                v.round()
            } else {
                v
            }
        };
        let re = (0..n).map(|k| exact(turn(k), angle(k).cos()) as f32);
        let im = (0..n).map(|k| exact(turn(k), -angle(k).sin()) as f32);
        Some(Self {
            split,
            isa,
            twiddles: re.chain(im).collect(),
        })
    }

    /// The transform of `image`, `n * n` values, or with `back` its adjoint. The values of `next`
    /// are fetched into the cache meanwhile.
    pub(super) fn run(
        &self,
        back: bool,
        image: &mut [Complex32],
        next: &[Complex32],
        planes: &mut Aligned<f32>,
    ) {
        let n = self.twiddles.len() / 2;
        assert_eq!(image.len(), n * n, "an image of {n} x {n} values");
        planes.grow(2 * n * n + 2 * n + GROUP_FLOATS);
        let job = Job {
            split: self.split,
            image: image.as_mut_ptr().cast(),
            planes: planes.as_mut_ptr(),
            twiddles: self.twiddles.as_ptr(),
            back,
            next,
        };
        // SAFETY: the image holds `n * n` complex numbers, which are pairs of floats; the planes and
        // twiddles have the length that `Job` asks for, and `split` belongs to `n` because only `new`
        // makes a plan.
        unsafe { run(self.isa, job) }
    }
}

/// Pointers to `2 n n` floats of the image, `2 n n + 2 n + GROUP_FLOATS` of the planes, `2 n` twiddles.
struct Job<'a> {
    split: Split,
    image: *mut f32,
    planes: *mut f32,
    twiddles: *const f32,
    back: bool,
    next: &'a [Complex32],
}

impl Job<'_> {
    /// Prefetches part `k` of `parts` of the next image.
    #[inline(always)]
    fn prefetch(&self, k: usize, parts: usize) {
        let len = self.next.len() / parts;
        prefetch(&self.next[k * len..(k + 1) * len]);
    }
}

impl Work for Job<'_> {
    #[inline(always)]
    unsafe fn run<V: Shuffle>(self) {
        // SAFETY: the product of the radices is the side.
        unsafe {
            match self.split {
                Split::Small => {
                    rows::<V, 8, 8>(&self);
                    columns::<V, 8, 8>(&self);
                }
                Split::Middle => {
                    rows::<V, 16, 8>(&self);
                    columns::<V, 16, 8>(&self);
                }
                Split::Large => {
                    rows::<V, 16, 16>(&self);
                    columns::<V, 16, 16>(&self);
                }
            }
        }
    }
}

/// Floats of a panel: a register of columns, and a gap so that panels use different cache sets.
#[inline(always)]
fn panel<V: Shuffle>(n: usize) -> usize {
    2 * V::COUNT * (n + 1)
}

/// Rows of the image to panels.
#[inline(always)]
unsafe fn rows<V: Shuffle, const R1: usize, const R2: usize>(job: &Job<'_>) {
    let n = R1 * R2;
    let (together, row_len) = (V::COUNT / 8, 2 * n);
    // SAFETY: rows `row..row + together` are in the image, since `n` is a multiple of 16; GROUP_FLOATS
    // floats after the panels are R1 / 8 * R2 pairs of registers; a panel holds n rows of a pair.
    unsafe {
        let groups = job.planes.add(n / V::COUNT * panel::<V>(n));
        for row in (0..n).step_by(together) {
            job.prefetch(row / together, 2 * n / together);
            let from = job.image.add(row * row_len);
            for first in (0..R2).step_by(8) {
                let mut x = [Cx::<V>::zero(); R1];
                for (a, x) in x.iter_mut().enumerate() {
                    let (re, im) = V::split(from.add(2 * (first + R2 * a)), row_len);
                    *x = if job.back {
                        Cx { re: im, im: re }
                    } else {
                        Cx { re, im }
                    };
                }
                transform(&mut x);
                for (c, x) in x.iter_mut().enumerate().skip(1) {
                    let w = job.twiddles.add(c * R2 + first);
                    *x = x.times(Cx {
                        re: V::load_group(w),
                        im: V::load_group(w.add(n)),
                    });
                }
                for h in 0..R1 / 8 {
                    let re = V::transpose(std::array::from_fn(|i| x[8 * h + i].re));
                    let im = V::transpose(std::array::from_fn(|i| x[8 * h + i].im));
                    if R2 == 8 {
                        let z = std::array::from_fn(|q| Cx {
                            re: re[q],
                            im: im[q],
                        });
                        finish_row::<V, R1, 8>(job, row, h, z);
                    } else {
                        let to = groups.add(2 * V::COUNT * (h * R2 + first));
                        for q in 0..8 {
                            re[q].store(to.add(2 * V::COUNT * q));
                            im[q].store(to.add(2 * V::COUNT * q + V::COUNT));
                        }
                    }
                }
            }
            if R2 > 8 {
                for h in 0..R1 / 8 {
                    let z = read(groups.add(2 * V::COUNT * h * R2), 2 * V::COUNT);
                    finish_row::<V, R1, R2>(job, row, h, z);
                }
            }
        }
    }
}

/// Step 2 of the outputs `8 h..8 h + 8` and their like of rows from `row`.
#[inline(always)]
unsafe fn finish_row<V: Shuffle, const R1: usize, const R2: usize>(
    job: &Job<'_>,
    row: usize,
    h: usize,
    mut z: [Cx<V>; R2],
) {
    // SAFETY: column `8 h + R1 d` and the seven after it are in one panel, since V::COUNT and R1
    // are multiples of 8; a group goes to the row after that of the group before.
    unsafe {
        transform(&mut z);
        for (d, z) in z.iter().enumerate() {
            let column = 8 * h + R1 * d;
            let to = job.planes.add(
                column / V::COUNT * panel::<V>(R1 * R2) + 2 * V::COUNT * row + column % V::COUNT,
            );
            z.re.store_groups(to, 2 * V::COUNT);
            z.im.store_groups(to.add(V::COUNT), 2 * V::COUNT);
        }
    }
}

/// Columns of the panels to the image.
#[inline(always)]
unsafe fn columns<V: Shuffle, const R1: usize, const R2: usize>(job: &Job<'_>) {
    let n = R1 * R2;
    let step = 2 * V::COUNT;
    // SAFETY: a panel holds n rows of two registers; the image holds V::COUNT columns from `column`
    // on, since `n` is a multiple of 16.
    unsafe {
        for column in (0..n).step_by(V::COUNT) {
            let at = job.planes.add(column / V::COUNT * panel::<V>(n));
            for q in 0..R2 {
                let mut x: [Cx<V>; R1] = read(at.add(step * q), step * R2);
                transform(&mut x);
                for (c, x) in x.iter().enumerate() {
                    let w = job.twiddles.add(c * R2 + q);
                    let x = if c == 0 {
                        *x
                    } else {
                        x.times(Cx {
                            re: V::splat(*w),
                            im: V::splat(*w.add(n)),
                        })
                    };
                    let to = at.add(step * (q + R2 * c));
                    x.re.store(to);
                    x.im.store(to.add(V::COUNT));
                }
            }
            for c in 0..R1 {
                let part = column / V::COUNT * R1 + c;
                let parts = n / V::COUNT * R1;
                job.prefetch(parts + part, 2 * parts);
                let mut z: [Cx<V>; R2] = read(at.add(step * R2 * c), step);
                transform(&mut z);
                for (d, z) in z.iter().enumerate() {
                    let to = job.image.add(2 * ((c + R1 * d) * n + column));
                    if job.back {
                        V::join(z.im, z.re, to, 16);
                    } else {
                        V::join(z.re, z.im, to, 16);
                    }
                }
            }
        }
    }
}

/// `R` pairs of registers at a stride of `step` floats.
#[inline(always)]
unsafe fn read<V: Shuffle, const R: usize>(from: *const f32, step: usize) -> [Cx<V>; R] {
    // SAFETY: the caller grants them.
    unsafe {
        let mut x = [Cx::zero(); R];
        for (k, x) in x.iter_mut().enumerate() {
            *x = Cx {
                re: V::load(from.add(step * k)),
                im: V::load(from.add(step * k + V::COUNT)),
            };
        }
        x
    }
}
