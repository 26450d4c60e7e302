//! The Gaussian filter of `scipy.ndimage`, to the last bits.
//!
//! Weights `exp(-k^2 / (2 sigma^2))` for `|k| <= int(4 sigma + 0.5)`, divided by their sum; edges are
//! reflected about the outer edge of the last pixel (`d c b a | a b c d | d c b a`); one axis after the
//! other, float64. *Law.* A constant image stays constant.
//!
//! *Source.* SciPy reference guide, `ndimage.gaussian_filter`; reference description, section a.

use ndarray::{Array2, Axis};

use ptyproof_kernels::{Loop, vectorized};

/// `image` filtered with a standard deviation of `sigma` pixels on both axes.
pub fn gaussian(image: &Array2<f64>, sigma: f64) -> Array2<f64> {
    let weights = weights(sigma);
    let radius = weights.len() - 1;
    let mut out = image.clone();
    let (mut mirrored, mut sums) = (Vec::new(), Vec::new());
    for axis in [Axis(0), Axis(1)] {
        for mut lane in out.lanes_mut(axis) {
            let n = lane.len();
            let index = |k: usize| reflect(k.cast_signed() - radius.cast_signed(), n);
            mirrored.clear();
            mirrored.extend((0..n + 2 * radius).map(|k| lane[index(k)]));
            sums.clear();
            sums.resize(n, 0.0);
            vectorized(Correlate {
                mirrored: &mirrored,
                weights: &weights,
                sums: &mut sums,
            });
            lane.iter_mut().zip(&sums).for_each(|(v, s)| *v = *s);
        }
    }
    out
}

/// `weights[k]` for `k = 0..=radius`; the other half is its mirror image.
fn weights(sigma: f64) -> Vec<f64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "scipy's int()"
    )]
    let radius = (4.0 * sigma + 0.5) as usize;
    let half: Vec<f64> = (0..=radius)
        .map(|k| (-0.5 / (sigma * sigma) * (k * k) as f64).exp())
        .collect();
    let sum: f64 = half[0] + 2.0 * half[1..].iter().sum::<f64>();
    half.iter().map(|w| w / sum).collect()
}

/// The sums around every index of a line that reaches a radius beyond its ends, both sides at once, as a symmetric
/// filter does; the outermost weight comes last.
struct Correlate<'a> {
    mirrored: &'a [f64],
    weights: &'a [f64],
    sums: &'a mut [f64],
}

impl Loop for Correlate<'_> {
    #[inline(always)]
    fn run(self) {
        let (n, radius) = (self.sums.len(), self.weights.len() - 1);
        let shifted = |by: usize| &self.mirrored[by..by + n];
        for (sum, v) in self.sums.iter_mut().zip(shifted(radius)) {
            *sum = v * self.weights[0];
        }
        for (k, w) in self.weights.iter().enumerate().skip(1) {
            let both = shifted(radius - k).iter().zip(shifted(radius + k));
            for (sum, (a, b)) in self.sums.iter_mut().zip(both) {
                *sum += (a + b) * w;
            }
        }
    }
}

/// The index that `k` falls on when the line is mirrored at its ends.
fn reflect(k: isize, n: usize) -> usize {
    let n = n as isize;
    let m = k.rem_euclid(2 * n);
    (if m < n { m } else { 2 * n - 1 - m }) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ptyproof_testkit::compare::{non_empty, zip_eq};
    use ptyproof_testkit::tolerance::{F64_STEPS_64, F64_STEPS_512, F64_STEPS_4096, assert_close};

    #[test]
    fn gaussian_matches_scipy() {
        // gaussian_filter(np.arange(6.).reshape(1, 6), 1.0)[0] in SciPy 1.17.1
        let got = gaussian(&Array2::from_shape_fn((1, 6), |(_, c)| c as f64), 1.0);
        let want = [
            0.42704095039117346,
            1.067955865403872,
            2.004699522869261,
            2.9953004771307397,
            3.9320441345961283,
            4.572959049608827,
        ];
        for (g, w) in zip_eq(&got, want) {
            assert_close!(g, w, F64_STEPS_64);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn gaussian_keeps_constants_and_sums(h in 1usize..12, w in 1usize..12, sigma in 0.3f64..6.0, c in -5.0f64..5.0) {
            let flat = gaussian(&Array2::from_elem((h, w), c), sigma);
            for v in non_empty(&flat) {
                assert_close!(v, c, F64_STEPS_512);
            }
            let bumpy = Array2::from_shape_fn((h, w), |(r, q)| ((r * 7 + q * 3) as f64).sin());
            assert_close!(gaussian(&bumpy, sigma).sum(), bumpy.sum(), F64_STEPS_4096);
        }
    }
}
