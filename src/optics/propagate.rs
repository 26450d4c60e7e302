//! From an exit wave to the far field's amplitude, and back for gradients.
//!
//! `a[u, v] = sqrt(|FFT2(psi)|^2 / N^2)`, DC at `[N/2, N/2]`: with this scale Parseval's sum of
//! `a^2` over the detector is the sum of `|psi|^2` over the exit wave.
//!
//! *Source.* Reference description, sections d and j.

use num_complex::Complex;

use ptyproof_kernels::fft::{Fft2, Scratch, shifted};
use ptyproof_kernels::scalar::Scalar;

/// Propagates the exit wave `psi` (`[row, col]`, `N^2` values) to the far field, in place.
///
/// The result is the unnormalized transform with DC at the corner.
pub fn to_far_field<T: Scalar>(fft: &Fft2<T>, psi: &mut [Complex<T>], scratch: &mut Scratch<T>) {
    fft.forward(psi, scratch);
}

/// The adjoint of [`to_far_field`], in place.
pub fn from_far_field<T: Scalar>(
    fft: &Fft2<T>,
    field: &mut [Complex<T>],
    scratch: &mut Scratch<T>,
) {
    fft.inverse(field, scratch);
}

/// Intensity at the detector, `|F|^2 / N^2`, for a transform value `f` and side `n`.
pub fn intensity<T: Scalar>(f: Complex<T>, n: usize) -> T {
    f.norm_sqr() / T::of((n * n) as f64)
}

/// Visits the pixels of a far field of side `n` as `(index with DC at the corner, index with DC at
/// [N/2, N/2])`.
pub fn pixels(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |u| (0..n).map(move |v| (u * n + v, shifted(u, n) * n + shifted(v, n))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ptyproof_testkit::compare::non_empty;
    use ptyproof_testkit::tolerance::{F64_STEPS_512, assert_close};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn photons_are_conserved(half in 2usize..20, seed in 0.0f64..10.0) {
            // sum of a^2 = sum of |psi|^2
            let n = 2 * half;
            let psi: Vec<Complex<f64>> = (0..n * n)
                .map(|k| Complex::new((k as f64 * (1.3 + seed)).sin(), (k as f64 * (0.7 + seed)).cos()))
                .collect();
            let mut f = psi.clone();
            to_far_field(&Fft2::new(n), &mut f, &mut Scratch::default());
            let before: f64 = psi.iter().map(Complex::norm_sqr).sum();
            let after: f64 = f.iter().map(|&z| intensity(z, n)).sum();
            assert_close!(after, before, F64_STEPS_512.as_relative());
        }
    }

    #[test]
    fn constant_wave_focuses_at_the_center() {
        let n = 8;
        let mut f = vec![Complex::new(1.0f64, 0.0); n * n];
        to_far_field(&Fft2::new(n), &mut f, &mut Scratch::default());
        for (corner, centered) in non_empty(pixels(n)) {
            let want = if centered == n / 2 * n + n / 2 {
                (n * n) as f64
            } else {
                0.0
            };
            assert_close!(intensity(f[corner], n), want, F64_STEPS_512);
        }
    }
}
