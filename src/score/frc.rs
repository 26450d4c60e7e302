//! Fourier ring correlation of two images of one object.
//!
//! *Conventions.* `FRC(q) = Re sum F1 conj(F2) / sqrt(sum |F1|^2 sum |F2|^2)` over the ring of frequencies that round to
//! `q` of the transform of a square, from ring 1 to Nyquist. The mean over known pixels is subtracted first, unknown pixels
//! are inpainted in each image separately (`inpaint`), and a cosine taper of an eighth of the side brings
//! the border to zero: a common edge would correlate. Frequencies are in cycles per pixel; Nyquist is 1/2.
//!
//! *Thresholds.* One half, and half a bit of information per pixel, `(0.2071 + 1.9102 / sqrt n) / (1.2071 + 0.9102 / sqrt n)` with `n`
//! values on the ring (the images are complex, so that both halves of a ring count). A curve ends at its first crossing.
//!
//! *Law.* An image correlates with itself by 1 on every ring; neither a factor nor the order of the two matters;
//! independent noise has no correlation, even if both images have unknown pixels at equal places.
//!
//! *Source.* Saxton, Baumeister 1982, doi:10.1111/j.1365-2818.1982.tb00405.x; van Heel, Schatz 2005,
//! doi:10.1016/j.jsb.2005.05.009.

use std::f64::consts::PI;
use std::fmt::Write as _;

use ndarray::Array2;
use num_complex::Complex64;
use serde::Serialize;

use super::inpaint::inpaint;
use crate::json::Real;
use ptyproof_kernels::fft::{Fft2, Scratch};

/// Minimum side of a square: smaller ones have too few rings.
const MIN_SIDE_PX: usize = 16;

/// An image with a smaller share of its power on all rings has only rounding noise there.
const MIN_POWER_SHARE: f64 = 1e-20;

/// One ring.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ring {
    /// Cycles per pixel.
    pub frequency: Real,
    /// The correlation; NaN where an image has nothing on the ring.
    pub correlation: Real,
    /// The half-bit threshold of this ring.
    pub half_bit: Real,
    /// Values on it.
    pub values: usize,
}

/// A correlation over all rings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Frc {
    /// Side of the square, pixels.
    pub side: usize,
    /// Its upper left pixel in the images, `[row, col]`.
    pub corner: [usize; 2],
    /// Share of its pixels that are known in both.
    pub known: Real,
    /// Mean of the correlation over all rings.
    pub mean: Real,
    /// Where it falls below one half.
    pub half: Crossing,
    /// Where it crosses half bit.
    pub half_bit: Crossing,
    /// Ring by ring.
    pub rings: Vec<Ring>,
}

/// The end of what two images share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Crossing {
    /// Cycles per pixel, between two rings; Nyquist where the curve never falls below.
    pub frequency: Real,
    /// The frequency as a share of Nyquist.
    pub of_nyquist: Real,
    /// Half a period there, pixels.
    pub half_period: Real,
    /// Whether it falls below at all.
    pub crossed: bool,
}

/// The correlation of two images of one shape, `[row, col]`, over the largest square about their middle; NaN marks what is not
/// known. `None` if the square has less than 16 pixels a side, or an image is constant.
pub fn frc(a: &Array2<Complex64>, b: &Array2<Complex64>) -> Option<Frc> {
    let (rows, cols) = a.dim();
    let side = rows.min(cols);
    if a.dim() != b.dim() || side < MIN_SIDE_PX {
        return None;
    }
    let corner = [(rows - side) / 2, (cols - side) / 2];
    let known = |r: usize, c: usize| {
        let at = [corner[0] + r, corner[1] + c];
        let (p, q) = (a[at], b[at]);
        (p.is_finite() && q.is_finite()).then_some([p, q])
    };
    let (mut sum, mut count) = ([Complex64::ZERO; 2], 0usize);
    for (r, c) in ndarray::indices((side, side)) {
        if let Some([p, q]) = known(r, c) {
            sum = [sum[0] + p, sum[1] + q];
            count += 1;
        }
    }
    let mean = sum.map(|s| s / count.max(1) as f64);
    let rim: Vec<f64> = (0..side).map(|k| taper(k, side)).collect();
    let [fa, fb] = [0, 1].map(|which| {
        let mut image = vec![Complex64::ZERO; side * side];
        let mut known_mask = vec![false; side * side];
        for (k, v) in image.iter_mut().enumerate() {
            if let Some(z) = known(k / side, k % side) {
                (*v, known_mask[k]) = (z[which] - mean[which], true);
            }
        }
        inpaint(&mut image, &known_mask, side);
        // the inpainted image has another mean, which the taper would spread over the first rings
        let left = image.iter().sum::<Complex64>() / (side * side) as f64;
        for (k, v) in image.iter_mut().enumerate() {
            *v = (*v - left) * (rim[k / side] * rim[k % side]);
        }
        Fft2::<f64>::new(side).forward(&mut image, &mut Scratch::default());
        image
    });
    let last = side / 2;
    let mut rings = vec![(0.0, 0.0, 0.0, 0usize); last + 1];
    for (k, (p, q)) in fa.iter().zip(&fb).enumerate() {
        let [y, x] = [k / side, k % side].map(|f| f.min(side - f) as f64);
        let ring = y.hypot(x).round() as usize;
        if (1..=last).contains(&ring) {
            let to = &mut rings[ring];
            to.0 += (p * q.conj()).re;
            to.1 += p.norm_sqr();
            to.2 += q.norm_sqr();
            to.3 += 1;
        }
    }
    let sums = rings;
    let rings: Vec<Ring> = (1..=last)
        .map(|k| {
            let (both, pa, pb, values) = sums[k];
            Ring {
                frequency: Real(k as f64 / side as f64),
                correlation: Real(both / (pa.sqrt() * pb.sqrt())),
                half_bit: Real(half_bit(values)),
                values,
            }
        })
        .collect();
    // an image that is constant but for rounding has no rings
    let power = |which: usize| -> f64 {
        let all = ndarray::indices((side, side)).into_iter();
        all.filter_map(|(r, c)| known(r, c))
            .map(|z| z[which].norm_sqr())
            .sum()
    };
    let varies = |of: fn(&(f64, f64, f64, usize)) -> f64, which: usize| {
        sums.iter().map(of).sum::<f64>() > MIN_POWER_SHARE * power(which) * (side * side) as f64
    };
    if !(varies(|r| r.1, 0) && varies(|r| r.2, 1)) {
        return None;
    }
    let correlations = || {
        rings
            .iter()
            .map(|r| r.correlation.get())
            .filter(|c| c.is_finite())
    };
    let mean = correlations().sum::<f64>() / correlations().count() as f64;
    mean.is_finite().then(|| Frc {
        side,
        corner,
        known: Real(count as f64 / (side * side) as f64),
        mean: Real(mean),
        half: crossing(&rings, |_| 0.5),
        half_bit: crossing(&rings, |r| r.half_bit.get()),
        rings,
    })
}

/// A cosine from zero outside to one, over an eighth of the side.
fn taper(k: usize, side: usize) -> f64 {
    let rim = side as f64 / 8.0;
    let from_edge = (k.min(side - 1 - k) as f64 + 0.5) / rim;
    0.5 - 0.5 * (PI * from_edge.min(1.0)).cos()
}

/// The half-bit threshold of a ring of `n` values.
fn half_bit(n: usize) -> f64 {
    let root = (n.max(1) as f64).sqrt();
    (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)
}

/// The first ring at which the correlation is below its threshold, or not known, and the place between it and the one before.
fn crossing(rings: &[Ring], threshold: impl Fn(&Ring) -> f64) -> Crossing {
    let above = |r: &Ring| r.correlation.get() - threshold(r);
    let ends = |r: &Ring| above(r).is_nan() || above(r) < 0.0;
    let first = rings.iter().position(ends);
    let frequency = match first {
        None => 0.5,
        Some(0) => 0.0,
        Some(k) => {
            let (before, here) = (&rings[k - 1], &rings[k]);
            let (high, low) = (above(before), above(here));
            let share = if low.is_finite() {
                high / (high - low)
            } else {
                0.0
            };
            let (f0, f1) = (before.frequency.get(), here.frequency.get());
            f0 + share * (f1 - f0)
        }
    };
    Crossing {
        frequency: Real(frequency),
        of_nyquist: Real(2.0 * frequency),
        half_period: Real(0.5 / frequency),
        crossed: first.is_some(),
    }
}

impl Frc {
    /// The curve as CSV, one line a ring.
    pub fn csv(&self) -> String {
        let mut text =
            String::from("frequency_cycles_per_pixel,of_nyquist,frc,half,half_bit,values\n");
        for r in &self.rings {
            let f = r.frequency.get();
            let _ = writeln!(
                text,
                "{f},{},{},0.5,{},{}",
                2.0 * f,
                r.correlation.get(),
                r.half_bit.get(),
                r.values
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::pair;
    use super::*;
    use crate::rng::Stream;
    use proptest::prelude::*;
    use ptyproof_testkit::compare::{non_empty, zip_eq};
    use ptyproof_testkit::tolerance::{DECIMALS_4, F64_STEPS_64, F64_STEPS_4096, assert_close};

    fn noise(side: usize, seed: u64) -> Array2<Complex64> {
        let mut rng = Stream::new(seed, "noise", 0);
        Array2::from_shape_simple_fn((side, side), || {
            Complex64::new(rng.uniform() - 0.5, rng.uniform() - 0.5)
        })
    }

    #[test]
    fn half_bit_threshold_matches_the_publication() {
        // by hand: n = 16: (0.2071 + 0.47755) / (1.2071 + 0.22755)
        assert_close!(half_bit(16), 0.68465 / 1.43465, F64_STEPS_64);
        // the limit with four decimals, and 1.9102 / 1e4 / 1.2071 = 1.6e-4 that the size leaves: below 4 half units
        assert_close!(half_bit(100_000_000), 0.171_6, DECIMALS_4.scaled(4.0));
    }

    #[test]
    fn independent_noise_is_uncorrelated() {
        let found = frc(&noise(128, 1), &noise(128, 2)).unwrap();
        // a ring of n values scatters by 1 / sqrt(2 n) about nothing; the window makes n about a third smaller
        for r in non_empty(&found.rings[4..]) {
            assert!(
                r.correlation.get().abs() < 5.0 / (r.values as f64).sqrt(),
                "{r:?}"
            );
        }
        assert!(
            found.half.crossed && found.half.of_nyquist.get() < 0.1,
            "{found:?}"
        );
        assert!(found.mean.get().abs() < 0.05);
    }

    #[test]
    fn low_pass_cutoff_is_found() {
        // truth: white; the other: the same below 0.3 cycles per pixel, other noise above
        let (n, cut) = (128usize, 0.3);
        let fft = Fft2::<f64>::new(n);
        let spectrum = |seed| {
            let mut v: Vec<Complex64> = noise(n, seed).into_iter().collect();
            fft.forward(&mut v, &mut Scratch::default());
            v
        };
        let (a, other) = (spectrum(3), spectrum(4));
        let mut mixed: Vec<Complex64> = (0..n * n)
            .map(|k| {
                let [y, x] = [k / n, k % n].map(|f| f.min(n - f) as f64 / n as f64);
                if y.hypot(x) < cut { a[k] } else { other[k] }
            })
            .collect();
        fft.inverse(&mut mixed, &mut Scratch::default());
        let b = Array2::from_shape_vec((n, n), mixed).unwrap() / (n * n) as f64;
        let found = frc(&noise(n, 3), &b).unwrap();
        // within a ring and a half: the window spreads the edge
        assert!(
            (found.half.frequency.get() - cut).abs() < 1.5 / n as f64,
            "{:?}",
            found.half
        );
        assert!((found.half.half_period.get() - 0.5 / cut).abs() < 0.1);
    }

    #[test]
    fn unknown_pixels_are_excluded_and_small_images_have_no_frc() {
        let mut a = noise(64, 5);
        let b = a.clone();
        a[[10, 12]].re = f64::NAN;
        let found = frc(&a, &b).unwrap();
        assert_eq!(found.known, Real(4095.0 / 4096.0));
        assert!(found.mean.get() > 0.999);
        assert!(frc(&noise(15, 1), &noise(15, 1)).is_none());
        let flat = Array2::from_elem((64, 64), Complex64::ONE);
        assert!(
            frc(&flat, &b).is_none()
                && frc(&flat.mapv(|_| Complex64::new(f64::NAN, 0.0)), &b).is_none()
        );
    }

    #[test]
    fn shared_unknown_pixels_add_no_correlation() {
        // both have one coarse object, and independent fine noise, a hundredth of it
        let n = 128;
        let coarse = |r: usize, c: usize| 1.0 + (0.09 * r as f64).sin() * (0.07 * c as f64).cos();
        let (mut a, mut b) = (noise(n, 6) * 0.02, noise(n, 7) * 0.02);
        for image in [&mut a, &mut b] {
            for ((r, c), z) in image.indexed_iter_mut() {
                // holes of 5 x 5, a ninth of all
                let hole = r % 15 < 5 && c % 15 < 5;
                *z += if hole { f64::NAN } else { coarse(r, c) };
            }
        }
        let fine = |a: &Array2<Complex64>, b: &Array2<Complex64>| {
            let rings = &frc(a, b).unwrap().rings[n / 4..];
            rings.iter().map(|r| r.correlation.get()).sum::<f64>() / rings.len() as f64
        };
        assert!(fine(&a, &b) < 0.1, "{}", fine(&a, &b));
        let half = frc(&a, &b).unwrap().half;
        assert!(half.of_nyquist.get() < 0.35, "{half:?}");
        // and would, filled with one number
        let filled =
            |a: &Array2<Complex64>| a.mapv(|z| if z.is_nan() { Complex64::ONE } else { z });
        assert!(fine(&filled(&a), &filled(&b)) > 0.9);
    }

    #[test]
    fn curve_is_interpolated_between_rings() {
        let (p, t) = pair(32, 40);
        let found = frc(&p.mapv(Complex64::from), &t.mapv(Complex64::from)).unwrap();
        assert_eq!((found.side, found.corner), (32, [0, 4]));
        let text = found.csv();
        assert_eq!(text.lines().count(), 17);
        assert!(
            text.lines().nth(16).unwrap().starts_with("0.5,1,"),
            "{text}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn frc_is_scale_invariant_and_symmetric(seed in 0u64..1000, scale in 0.1f64..5.0, side in 16usize..40) {
            let (a, b) = (noise(side, seed), noise(side, seed + 1));
            let own = frc(&a, &a).unwrap();
            for r in non_empty(&own.rings) {
                assert_close!(r.correlation.get(), 1.0, F64_STEPS_4096);
            }
            prop_assert!(!own.half.crossed && own.half.of_nyquist.get() == 1.0);
            let (ab, ba) = (frc(&a, &b).unwrap(), frc(&b.mapv(|z| z * scale), &a).unwrap());
            for (x, y) in zip_eq(&ab.rings, &ba.rings) {
                assert_close!(x.correlation.get(), y.correlation.get(), F64_STEPS_4096);
                prop_assert!(x.correlation.get().abs() <= 1.0 + F64_STEPS_4096.absolute);
            }
        }
    }
}
