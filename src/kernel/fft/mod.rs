//! The two-dimensional discrete Fourier transform of square images, unnormalised, DC at the corner.
//!
//! `F[u, v] = sum_{i, j} f[i, j] exp(-2 pi i (u i + v j) / n)`; the inverse has the plus sign and is
//! unnormalised too, so `inverse(forward(f)) = n^2 f`. Since the matrix is symmetric and unitary up
//! to the factor `n`, the adjoint of `forward` is exactly `inverse`.
//!
//! *Law.* The bits depend neither on the processor nor on the number of threads, so golden files made
//! on one machine hold on another: float32 images of side 64, 128 and 256 go through [`planes`], one
//! arithmetic for every instruction set; all others through RustFFT's scalar plan.

mod planes;
mod radix;
mod shuffle;

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use num_complex::{Complex, Complex32};
use rayon::prelude::*;
use rustfft::{Fft, FftNum, FftPlannerScalar};

use super::isa::Isa;
use planes::{Line, Planes};

/// A planned transform of `n` by `n` images.
#[derive(Clone)]
pub struct Fft2<T: FftNum> {
    n: usize,
    plan: Plan<T>,
}

#[derive(Clone)]
enum Plan<T: FftNum> {
    Scalar {
        forward: Arc<dyn Fft<T>>,
        inverse: Arc<dyn Fft<T>>,
    },
    /// Only where `T` is `f32`.
    Planes(Planes),
}

impl<T: FftNum> fmt::Debug for Fft2<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fft2")
            .field("n", &self.n)
            .finish_non_exhaustive()
    }
}

impl<T: FftNum> Fft2<T> {
    /// Plans the transform of `n` by `n` images, `n >= 1`.
    pub fn new(n: usize) -> Self {
        Self::on(Isa::best(), n)
    }

    /// As [`Fft2::new`], for one instruction set; the bits are the same on each.
    pub fn on(isa: Isa, n: usize) -> Self {
        let float32 = TypeId::of::<T>() == TypeId::of::<f32>();
        let planes = float32.then(|| Planes::new(n, isa)).flatten();
        let plan = planes.map_or_else(
            || {
                let mut planner = FftPlannerScalar::new();
                Plan::Scalar {
                    forward: planner.plan_fft_forward(n),
                    inverse: planner.plan_fft_inverse(n),
                }
            },
            Plan::Planes,
        );
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
        self.run(false, image, scratch);
    }

    /// The adjoint of [`Fft2::forward`], in place; `n^2` times its inverse.
    ///
    /// # Panics
    /// If `image.len() != n * n`.
    pub fn inverse(&self, image: &mut [Complex<T>], scratch: &mut Scratch<T>) {
        self.run(true, image, scratch);
    }

    /// Transforms images that lie one after the other, on the threads of the current pool.
    ///
    /// *Law.* The bits are those of [`Fft2::forward`] of one image after the other.
    ///
    /// # Panics
    /// Unless the length is a multiple of `n * n`.
    pub fn forward_all(&self, images: &mut [Complex<T>]) {
        self.run_all(false, images);
    }

    /// The adjoint of [`Fft2::forward_all`], and its law.
    ///
    /// # Panics
    /// Unless the length is a multiple of `n * n`.
    pub fn inverse_all(&self, images: &mut [Complex<T>]) {
        self.run_all(true, images);
    }

    fn run_all(&self, back: bool, images: &mut [Complex<T>]) {
        let size = self.n * self.n;
        assert!(
            images.len().is_multiple_of(size),
            "whole images of {size} values"
        );
        if images.is_empty() {
            return;
        }
        // a few parts a thread: each needs work space of its own, and the last ones even out the ends
        let parts = 4 * rayon::current_num_threads();
        let part = (images.len() / size).div_ceil(parts) * size;
        images.par_chunks_mut(part).for_each(|images| {
            let mut scratch = Scratch::default();
            for image in images.chunks_exact_mut(size) {
                self.run(back, image, &mut scratch);
            }
        });
    }

    fn run(&self, back: bool, image: &mut [Complex<T>], scratch: &mut Scratch<T>) {
        let n = self.n;
        assert_eq!(image.len(), n * n, "an image of {n} x {n} values");
        match &self.plan {
            Plan::Planes(planes) => planes.run(back, as_float32(image), &mut scratch.planes),
            Plan::Scalar { forward, inverse } => {
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
}

/// The same values under their own name, where `T` is `f32`.
#[allow(unsafe_code, reason = "a cast between a type and itself")]
fn as_float32<T: 'static>(image: &mut [Complex<T>]) -> &mut [Complex32] {
    assert_eq!(TypeId::of::<T>(), TypeId::of::<f32>(), "a float32 image");
    // SAFETY: `T` is `f32`, as asserted, so that source and target are the same type; pointer,
    // length and lifetime are those of the exclusive reference that is given up.
    unsafe { std::slice::from_raw_parts_mut(image.as_mut_ptr().cast(), image.len()) }
}

/// Work space of a transform; keep one per thread and reuse it.
#[derive(Debug, Clone)]
pub struct Scratch<T> {
    plan: Vec<Complex<T>>,
    turned: Vec<Complex<T>>,
    planes: Vec<Line>,
}

impl<T> Default for Scratch<T> {
    fn default() -> Self {
        Self {
            plan: Vec::new(),
            turned: Vec::new(),
            planes: Vec::new(),
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, in O(n^4): the rung that the fast transform stands on.
    fn naive(f: &[Complex<f64>], n: usize, sign: f64) -> Vec<Complex<f64>> {
        let mut out = vec![Complex::new(0.0, 0.0); n * n];
        for u in 0..n {
            for v in 0..n {
                for i in 0..n {
                    for j in 0..n {
                        let turn = ((u * i + v * j) % n) as f64 / n as f64;
                        let w = Complex::from_polar(1.0, sign * std::f64::consts::TAU * turn);
                        out[u * n + v] += f[i * n + j] * w;
                    }
                }
            }
        }
        out
    }

    fn image(n: usize, seed: u64) -> Vec<Complex<f64>> {
        // a fixed irrational rotation: dense, bounded, no generator needed
        (0..n * n)
            .map(|k| {
                let t = (k as f64 + 1.0) * (seed as f64 + 0.618033988749895);
                Complex::new((t * 1.7).sin(), (t * 2.3).cos())
            })
            .collect()
    }

    fn rel(a: &[Complex<f64>], b: &[Complex<f64>]) -> f64 {
        let d: f64 = a.iter().zip(b).map(|(x, y)| (x - y).norm_sqr()).sum();
        let s: f64 = b.iter().map(Complex::norm_sqr).sum();
        (d / s).sqrt()
    }

    #[test]
    fn the_naive_transform_agrees_with_paper() {
        // f = [[1, 2], [3, 4]]: sums 10, -2 (columns), -4 (rows), 0
        let f: Vec<_> = [1.0, 2.0, 3.0, 4.0].map(|x| Complex::new(x, 0.0)).to_vec();
        let want = [10.0, -2.0, -4.0, 0.0].map(|x| Complex::new(x, 0.0));
        assert!(rel(&naive(&f, 2, -1.0), &want) < 1e-15);
    }

    #[test]
    fn the_fast_transform_is_the_naive_one() {
        for n in [1, 2, 3, 4, 6, 8, 15, 16, 17] {
            let f = image(n, 3);
            let (fft, mut s) = (Fft2::new(n), Scratch::default());
            let mut g = f.clone();
            fft.forward(&mut g, &mut s);
            // eps * log2(n^2) is the FFT's error growth; the naive sum's own error dominates: n eps
            let tol = 8.0 * f64::EPSILON * (n * n) as f64;
            assert!(rel(&g, &naive(&f, n, -1.0)) < tol, "n = {n}");
            fft.inverse(&mut g, &mut s);
            let back: Vec<_> = g.iter().map(|z| z / (n * n) as f64).collect();
            assert!(rel(&back, &f) < tol, "n = {n}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn energy_is_conserved(n in 2usize..40, seed in 0u64..1000) {
            // Parseval: |F|^2 = n^2 |f|^2
            let f = image(n, seed);
            let mut g = f.clone();
            Fft2::new(n).forward(&mut g, &mut Scratch::default());
            let (a, b): (f64, f64) =
                (f.iter().map(Complex::norm_sqr).sum(), g.iter().map(Complex::norm_sqr).sum());
            prop_assert!((b / (n * n) as f64 / a - 1.0).abs() < 1e-13);
        }

        #[test]
        fn a_shift_is_a_phase_ramp(n in 2usize..32, dy in 0usize..32, dx in 0usize..32) {
            // F(f(. - d))[u, v] = exp(-2 pi i (u dy + v dx) / n) F(f)[u, v]
            let f = image(n, 7);
            let (fft, mut s) = (Fft2::new(n), Scratch::default());
            let mut moved = vec![Complex::new(0.0, 0.0); n * n];
            for r in 0..n {
                for c in 0..n {
                    moved[(r + dy) % n * n + (c + dx) % n] = f[r * n + c];
                }
            }
            let mut g = f;
            fft.forward(&mut g, &mut s);
            fft.forward(&mut moved, &mut s);
            for u in 0..n {
                for v in 0..n {
                    let turn = ((u * dy + v * dx) % n) as f64 / n as f64;
                    g[u * n + v] *= Complex::from_polar(1.0, -std::f64::consts::TAU * turn);
                }
            }
            prop_assert!(rel(&moved, &g) < 1e-12);
        }

        #[test]
        fn inverse_is_the_adjoint_of_forward(n in 2usize..32, seed in 0u64..1000) {
            // <F x, y> = <x, F* y>
            let (x, y) = (image(n, seed), image(n, seed + 1));
            let (fft, mut s) = (Fft2::new(n), Scratch::default());
            let dot = |a: &[Complex<f64>], b: &[Complex<f64>]| -> Complex<f64> {
                a.iter().zip(b).map(|(p, q)| p.conj() * q).sum()
            };
            let (mut fx, mut fy) = (x.clone(), y.clone());
            fft.forward(&mut fx, &mut s);
            fft.inverse(&mut fy, &mut s);
            let scale = (n * n * n) as f64;
            prop_assert!((dot(&fx, &y) - dot(&x, &fy)).norm() / scale < 1e-13);
        }
    }
}
