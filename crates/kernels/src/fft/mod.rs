//! The two-dimensional discrete Fourier transform of square images, unnormalized, DC at the corner.
//!
//! `F[u, v] = sum_{i, j} f[i, j] exp(-2 pi i (u i + v j) / n)`; the inverse has the plus sign and is
//! unnormalized too, so `inverse(forward(f)) = n^2 f`. Since the matrix is symmetric and unitary up
//! to the factor `n`, the adjoint of `forward` is exactly `inverse`.
//!
//! *Law.* The bits depend neither on the processor nor on the number of threads, so golden files are valid on every
//! machine: float32 images of side 64, 128 and 256 go through `planes`, one arithmetic for every instruction set; all
//! others through RustFFT's scalar plan.

mod planes;
mod radix;

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use num_complex::{Complex, Complex32};
use rayon::prelude::*;
use rustfft::{Fft, FftPlannerScalar};

use super::aligned::Aligned;
use super::isa::Isa;
use super::scalar::Scalar;
use planes::Planes;

/// A planned transform of `n` by `n` images.
#[derive(Clone)]
pub struct Fft2<T> {
    n: usize,
    plan: Plan<T>,
}

/// How [`Fft2`] computes.
#[derive(Clone)]
#[doc(hidden)]
pub struct Plan<T>(Way<T>);

impl<T> fmt::Debug for Plan<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Way::Scalar { .. } => "RustFFT, scalar",
            Way::Planes(_) => "planes",
        })
    }
}

#[derive(Clone)]
enum Way<T> {
    Scalar {
        forward: Arc<dyn Fft<T>>,
        inverse: Arc<dyn Fft<T>>,
    },
    /// Only where `T` is `f32`.
    Planes(Planes),
}

impl<T> fmt::Debug for Fft2<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fft2")
            .field("n", &self.n)
            .finish_non_exhaustive()
    }
}

impl<T: Scalar> Fft2<T> {
    /// Plans the transform of `n` by `n` images, `n >= 1`.
    pub fn new(n: usize) -> Self {
        Self::on(Isa::best(), n)
    }

    /// As [`Fft2::new`], for one instruction set; the bits do not depend on it.
    pub fn on(isa: Isa, n: usize) -> Self {
        let plan = T::fft_plan(isa, n);
        Self { n, plan }
    }

    /// The side of the images.
    pub fn side(&self) -> usize {
        self.n
    }

    /// Transforms `image` (`[row, col]`, `n * n` values) in place.
    ///
    /// # Panics
    /// If `image.len() != n * n`.
    pub fn forward(&self, image: &mut [Complex<T>], scratch: &mut Scratch<T>) {
        T::fft(&self.plan, self.n, false, image, scratch);
    }

    /// The adjoint of [`Fft2::forward`], in place; `n^2` times its inverse.
    ///
    /// # Panics
    /// If `image.len() != n * n`.
    pub fn inverse(&self, image: &mut [Complex<T>], scratch: &mut Scratch<T>) {
        T::fft(&self.plan, self.n, true, image, scratch);
    }

    /// Transforms consecutive images on the threads of the current pool.
    ///
    /// *Law.* The bits are those of [`Fft2::forward`] of one image after the other.
    ///
    /// # Panics
    /// Unless the length is a multiple of `n * n`.
    pub fn forward_all(&self, images: &mut [Complex<T>]) {
        T::fft_all(&self.plan, self.n, false, images);
    }

    /// The adjoint of [`Fft2::forward_all`], and its law.
    ///
    /// # Panics
    /// Unless the length is a multiple of `n * n`.
    pub fn inverse_all(&self, images: &mut [Complex<T>]) {
        T::fft_all(&self.plan, self.n, true, images);
    }
}

pub(crate) fn plan<T: Scalar>(isa: Isa, n: usize) -> Plan<T> {
    let float32 = TypeId::of::<T>() == TypeId::of::<f32>();
    let planes = float32.then(|| Planes::new(n, isa)).flatten();
    Plan(planes.map_or_else(
        || {
            let mut planner = FftPlannerScalar::new();
            Way::Scalar {
                forward: planner.plan_fft_forward(n),
                inverse: planner.plan_fft_inverse(n),
            }
        },
        Way::Planes,
    ))
}

pub(crate) fn run_all<T: Scalar>(plan: &Plan<T>, n: usize, back: bool, images: &mut [Complex<T>]) {
    let size = n * n;
    assert!(
        images.len().is_multiple_of(size),
        "whole images of {size} values"
    );
    if images.is_empty() {
        return;
    }
    // a few parts per thread: each needs scratch memory, and several parts balance the load
    let parts = 4 * rayon::current_num_threads();
    let part = (images.len() / size).div_ceil(parts) * size;
    images.par_chunks_mut(part).for_each(|images| {
        let mut scratch = Scratch::default();
        let mut rest = images;
        while let Some((image, others)) = rest.split_at_mut_checked(size) {
            let next = &others[..size.min(others.len())];
            run(plan, n, back, image, next, &mut scratch);
            rest = others;
        }
    });
}

pub(crate) fn run<T: Scalar>(
    plan: &Plan<T>,
    n: usize,
    back: bool,
    image: &mut [Complex<T>],
    next: &[Complex<T>],
    scratch: &mut Scratch<T>,
) {
    assert_eq!(image.len(), n * n, "an image of {n} x {n} values");
    match &plan.0 {
        Way::Planes(planes) => planes.run(
            back,
            as_float32(image),
            next_float32(next),
            &mut scratch.planes,
        ),
        Way::Scalar { forward, inverse } => {
            let plan = if back { inverse } else { forward };
            let zero = Complex::new(T::zero(), T::zero());
            scratch.plan.resize(plan.get_inplace_scratch_len(), zero);
            scratch.turned.resize(n * n, zero);
            plan.process_with_scratch(image, &mut scratch.plan);
            transpose(image, &mut scratch.turned, n);
            plan.process_with_scratch(&mut scratch.turned, &mut scratch.plan);
            transpose(&scratch.turned, image, n);
        }
    }
}

/// The values as `f32`, if `T` is `f32`.
#[allow(unsafe_code, reason = "a cast between a type and itself")]
fn as_float32<T: 'static>(image: &mut [Complex<T>]) -> &mut [Complex32] {
    assert_eq!(TypeId::of::<T>(), TypeId::of::<f32>(), "a float32 image");
    // SAFETY: `T` is `f32`, as asserted, so that source and target are the same type; pointer,
    // length and lifetime are those of the exclusive reference that is given up.
    unsafe { std::slice::from_raw_parts_mut(image.as_mut_ptr().cast(), image.len()) }
}

/// As [`as_float32`], for reading.
#[allow(unsafe_code, reason = "a cast between a type and itself")]
fn next_float32<T: 'static>(image: &[Complex<T>]) -> &[Complex32] {
    assert_eq!(TypeId::of::<T>(), TypeId::of::<f32>(), "a float32 image");
    // SAFETY: as above, of a shared reference.
    unsafe { std::slice::from_raw_parts(image.as_ptr().cast(), image.len()) }
}

/// Work space of a transform; keep one per thread and reuse it.
#[derive(Debug, Clone)]
pub struct Scratch<T> {
    plan: Vec<Complex<T>>,
    turned: Vec<Complex<T>>,
    planes: Aligned<f32>,
}

impl<T> Default for Scratch<T> {
    fn default() -> Self {
        Self {
            plan: Vec::new(),
            turned: Vec::new(),
            planes: Aligned::default(),
        }
    }
}

/// `to[c, r] = from[r, c]`, in tiles that fit the first-level cache.
fn transpose<T: Copy>(from: &[T], to: &mut [T], n: usize) {
    const TILE: usize = 16;
    for r0 in (0..n).step_by(TILE) {
        for c0 in (0..n).step_by(TILE) {
            for r in r0..(r0 + TILE).min(n) {
                for c in c0..(c0 + TILE).min(n) {
                    to[c * n + r] = from[r * n + c];
                }
            }
        }
    }
}

/// Where index `i` of an axis of even or odd length `n` goes when DC moves from the corner to
/// `n / 2`: `(i + n / 2) mod n`.
pub fn shifted(i: usize, n: usize) -> usize {
    (i + n / 2) % n
}

#[cfg(test)]
mod tests;
