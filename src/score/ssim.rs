//! Structural similarity of real images, in one window and over scales.
//!
//! *Conventions.* `K1 = 0.01`, `K2 = 0.03`, a stated dynamic range `L`. Windows are entirely inside the image and entirely
//! on known: a NaN marks a pixel of which nothing is known, and leaves out every window that holds it. Sums are taken in
//! f64.
//!
//! *Law.* An image has similarity 1 to itself, the order of the two does not matter, and no value exceeds 1.
//!
//! *Source.* Wang, Bovik, Sheikh, Simoncelli 2004, doi:10.1109/TIP.2003.819861; over scales: Wang, Simoncelli, Bovik 2003,
//! doi:10.1109/ACSSC.2003.1292216.

use ndarray::{Array2, s};
use serde::Serialize;

use crate::json::Real;

/// The weighting of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// 11 x 11, Gaussian with a standard deviation of 1.5, moments of the population: the authors' choice.
    Gaussian,
    /// 7 x 7, uniform, moments of the sample: the reference's.
    Uniform,
}

impl Window {
    fn weights(self) -> Vec<f64> {
        let weights: Vec<f64> = match self {
            Self::Gaussian => (-5i32..=5)
                .map(|k| (-f64::from(k * k) / 4.5).exp())
                .collect(),
            Self::Uniform => vec![1.0; 7],
        };
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|w| w / sum).collect()
    }

    /// Side of the window, pixels.
    pub fn side(self) -> usize {
        match self {
            Self::Gaussian => 11,
            Self::Uniform => 7,
        }
    }

    /// From the moments of a population to those of a sample.
    fn correction(self) -> f64 {
        match self {
            Self::Gaussian => 1.0,
            Self::Uniform => 49.0 / 48.0,
        }
    }
}

/// A mean over windows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Similarity {
    /// The mean of the index.
    pub value: Real,
    /// Windows of known pixels only.
    pub windows: usize,
}

/// A similarity over scales.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MsSsim {
    /// The product over the scales.
    pub value: Real,
    /// Number of scales of the image, at most five; their weights are rescaled to the sum of all five.
    pub scales: usize,
    /// Scales at which the mean was negative and counts as zero.
    pub clamped: usize,
}

/// Weights of the five scales, the finest first.
pub(super) const SCALE_WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/// The two factors of the index, each averaged over the windows: index, and contrast times structure.
struct Means {
    index: f64,
    contrast: f64,
    windows: usize,
}

/// Convolves both axes with `weights`, only where the window is inside the image.
fn smooth(a: &Array2<f64>, weights: &[f64]) -> Array2<f64> {
    let side = weights.len();
    let (rows, cols) = a.dim();
    let (high, wide) = (rows + 1 - side, cols + 1 - side);
    let mut across = Array2::zeros((rows, wide));
    for (k, w) in weights.iter().enumerate() {
        across.scaled_add(*w, &a.slice(s![.., k..k + wide]));
    }
    let mut out = Array2::zeros((high, wide));
    for (k, w) in weights.iter().enumerate() {
        out.scaled_add(*w, &across.slice(s![k..k + high, ..]));
    }
    out
}

fn means(a: &Array2<f64>, b: &Array2<f64>, range: f64, window: Window) -> Option<Means> {
    let (rows, cols) = a.dim();
    let small = rows.min(cols) < window.side() || b.dim() != a.dim();
    // without a range there is no constant that keeps an empty window from 0 / 0
    if small || !(range.is_finite() && range > 0.0) {
        return None;
    }
    let weights = window.weights();
    let of = |image: Array2<f64>| smooth(&image, &weights);
    let (ma, mb) = (of(a.clone()), of(b.clone()));
    let (aa, bb, ab) = (of(a * a), of(b * b), of(a * b));
    let (c1, c2) = ((0.01 * range).powi(2), (0.03 * range).powi(2));
    let by = window.correction();
    let (mut index, mut contrast, mut windows) = (0.0, 0.0, 0usize);
    for (at, x) in ma.indexed_iter() {
        let y = mb[at];
        let (vx, vy) = (by * (aa[at] - x * x), by * (bb[at] - y * y));
        let both = by * (ab[at] - x * y);
        let cs = (2.0 * both + c2) / (vx + vy + c2);
        let l = (2.0 * x * y + c1) / (x * x + y * y + c1);
        if (l * cs).is_finite() {
            index += l * cs;
            contrast += cs;
            windows += 1;
        }
    }
    let n = windows as f64;
    (windows > 0).then(|| Means {
        index: index / n,
        contrast: contrast / n,
        windows,
    })
}

/// The mean structural similarity of two images of one shape; `None` if no window has only pixels known in both, or the
/// range is not above zero.
pub fn ssim(a: &Array2<f64>, b: &Array2<f64>, range: f64, window: Window) -> Option<Similarity> {
    means(a, b, range, window).map(|m| Similarity {
        value: Real(m.index),
        windows: m.windows,
    })
}

/// The similarity over up to five scales, each the mean of 2 x 2 pixels of the one before: contrast and structure at all of
/// them, luminance at the coarsest. `None` as for [`ssim`].
pub fn ms_ssim(a: &Array2<f64>, b: &Array2<f64>, range: f64) -> Option<MsSsim> {
    let window = Window::Gaussian;
    let mut found = vec![means(a, b, range, window)?];
    let (mut a, mut b) = (halved(a), halved(b));
    while found.len() < SCALE_WEIGHTS.len() {
        let Some(next) = means(&a, &b, range, window) else {
            break;
        };
        found.push(next);
        (a, b) = (halved(&a), halved(&b));
    }
    let scales = found.len();
    // the published weights sum to 1.0001; with all five scales they stay as they are
    let spread = SCALE_WEIGHTS.iter().sum::<f64>() / SCALE_WEIGHTS[..scales].iter().sum::<f64>();
    let (mut value, mut clamped) = (1.0, 0);
    for (k, m) in found.iter().enumerate() {
        let factor = if k + 1 == scales { m.index } else { m.contrast };
        clamped += usize::from(factor < 0.0);
        // `max` would turn NaN into 0
        let nonnegative = if factor < 0.0 { 0.0 } else { factor };
        value *= nonnegative.powf(SCALE_WEIGHTS[k] * spread);
    }
    Some(MsSsim {
        value: Real(value),
        scales,
        clamped,
    })
}

/// The mean of 2 x 2 pixels; an odd last row or column is dropped.
fn halved(a: &Array2<f64>) -> Array2<f64> {
    let (rows, cols) = (a.nrows() / 2, a.ncols() / 2);
    Array2::from_shape_fn((rows, cols), |(r, c)| {
        a.slice(s![2 * r..2 * r + 2, 2 * c..2 * c + 2]).sum() / 4.0
    })
}

#[cfg(test)]
mod tests {
    use super::super::scene::pair;
    use super::*;
    use proptest::prelude::*;
    use ptyproof_testkit::tolerance::{F64_STEPS_4096, assert_close};

    fn near(found: Real, want: f64) {
        assert_close!(found.get(), want, F64_STEPS_4096);
    }

    #[test]
    fn ssim_matches_an_independent_implementation() {
        // scikit-image 0.26: structural_similarity(t, p, data_range = t.max() - t.min()), plain, and with gaussian_weights,
        // sigma 1.5, without sample covariance (it pads what we leave out, and averages inside only)
        let (p, t) = pair(40, 36);
        let range = 0.990_705_078_976_358_6;
        let found = ssim(&p, &t, range, Window::Uniform).unwrap();
        near(found.value, 0.973_063_324_665_930_2);
        assert_eq!(found.windows, 34 * 30);
        let found = ssim(&p, &t, range, Window::Gaussian).unwrap();
        near(found.value, 0.959_614_022_981_147_7);
    }

    #[test]
    fn ms_ssim_is_the_product_of_its_factors() {
        // the formula of the paper, written in NumPy with scipy.signal.convolve2d
        let (p, t) = pair(192, 176);
        let range = 0.998_427_387_370_638_1;
        let found = ms_ssim(&p, &t, range).unwrap();
        near(found.value, 0.988_818_363_573_018_4);
        assert_eq!((found.scales, found.clamped), (5, 0));
        let (p, t) = pair(40, 36);
        assert_eq!(ms_ssim(&p, &t, 1.0).unwrap().scales, 2);
    }

    #[test]
    fn ssim_needs_a_range_and_a_window() {
        let (p, t) = pair(40, 36);
        assert!(ssim(&p, &t, 0.0, Window::Gaussian).is_none());
        assert!(ssim(&p, &t, f64::NAN, Window::Gaussian).is_none());
        assert!(ms_ssim(&p, &t.slice(s![.., 1..]).to_owned(), 1.0).is_none());
        let (p, t) = pair(40, 10);
        assert!(ssim(&p, &t, 1.0, Window::Gaussian).is_none());
        assert!(ssim(&p.mapv(|_| f64::NAN), &t, 1.0, Window::Uniform).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn ssim_of_an_image_with_itself_is_the_maximum(seed in 0.1f64..3.0, hole in (0usize..24, 0usize..22)) {
            let (p, mut t) = pair(24, 22);
            let p = p.mapv(|v| (seed * v).sin());
            for w in [Window::Gaussian, Window::Uniform] {
                let own = ssim(&p, &p, 1.0, w).unwrap();
                assert_close!(own.value.get(), 1.0, F64_STEPS_4096);
                let (ab, ba) = (ssim(&p, &t, 1.0, w).unwrap(), ssim(&t, &p, 1.0, w).unwrap());
                assert_close!(ab.value.get(), ba.value.get(), F64_STEPS_4096);
                prop_assert!(ab.value.get() <= 1.0 + F64_STEPS_4096.absolute);
            }
            // a pixel of which nothing is known takes the windows around it away, and no others
            t[hole] = f64::NAN;
            let around = |at: usize, size: usize| {
                (0..=size - 11).filter(|from| (*from..from + 11).contains(&at)).count()
            };
            let lost = around(hole.0, 24) * around(hole.1, 22);
            let left = ssim(&p, &t, 1.0, Window::Gaussian).map_or(0, |s| s.windows);
            prop_assert_eq!(left, 14 * 12 - lost);
        }
    }
}
