//! The probe: the complex illumination at the object, `[row, col]`, side `N`.
//!
//! *Source.* Reference description, section b.

use ndarray::Array2;
use num_complex::{Complex, Complex32};

use crate::error::{Error, Result};
use crate::geometry::PatchSize;
use crate::optics::filter::gaussian;

/// The reference's `default_probe_scale`, which sets the idealized probe's width.
pub const DEFAULT_PROBE_SCALE: f64 = 0.7;

/// Added to every pixel of the idealized probe, so that none is zero.
const BACKGROUND: f64 = 1e-9;

/// The one-dimensional window the idealized probe is cut from: a Gaussian of standard deviation
/// `n / (default_scale * pi^2)`, centered between the two middle pixels, divided by its maximum.
pub fn lowpass(n: PatchSize, default_scale: f64) -> Vec<f64> {
    let n = n.get() as f64;
    let deviation = n / (default_scale * std::f64::consts::PI.powi(2));
    let center = (n - 1.0) / 2.0;
    let values: Vec<f64> = (0..)
        .map(f64::from)
        .take_while(|i| *i < n)
        .map(|i| (-0.5 * ((i - center) / deviation).powi(2)).exp())
        .collect();
    let most = values.iter().copied().fold(0.0, f64::max);
    values.iter().map(|v| v / most).collect()
}

/// The disk (0 or 1) where the product of two windows exceeds one half.
pub fn disk(n: PatchSize, default_scale: f64) -> Array2<f64> {
    let f = lowpass(n, default_scale);
    Array2::from_shape_fn((n.get(), n.get()), |(r, c)| {
        f64::from(u8::from(f[r] * f[c] > 0.5))
    })
}

/// The idealized probe: a disk, blurred by one pixel, plus a background of 1e-9; real.
pub fn idealized(n: PatchSize, default_scale: f64) -> Array2<Complex32> {
    gaussian(&disk(n, default_scale), 1.0).mapv(|v| Complex32::new(narrow(v + BACKGROUND), 0.0))
}

/// The circular mask of radius `N / 4` about the center of the pattern: 1 inside, 0 outside.
pub fn mask(n: PatchSize) -> Array2<f32> {
    let n = n.get();
    let at = |i: usize| i as f64 - n as f64 / 2.0 + 0.5;
    Array2::from_shape_fn((n, n), |(r, c)| {
        f32::from(u8::from(at(r).hypot(at(c)) < (n / 4) as f64))
    })
}

/// Divides the probe by `probe_scale * mean |m P|` over all pixels, so that the mean of `|m P|`
/// becomes `1 / probe_scale`. Returns the (unmasked) probe and the divisor.
///
/// # Errors
/// If that divisor is zero or not finite: an empty probe, or one the mask hides.
pub fn normalize_guess(
    probe: &Array2<Complex32>,
    mask: Option<&Array2<f32>>,
    probe_scale: f64,
) -> Result<(Array2<Complex32>, f64)> {
    let sum: f64 = match mask {
        Some(m) => probe
            .iter()
            .zip(m)
            .map(|(p, m)| f64::from((p * m).norm()))
            .sum(),
        None => probe.iter().map(|p| f64::from(p.norm())).sum(),
    };
    let factor = probe_scale * sum / probe.len() as f64;
    if !(factor.is_finite() && factor > 0.0) {
        return Err(Error::input("normalizing the probe")
            .because_of(factor)
            .got(format!(
                "a mean amplitude of {} inside the mask",
                factor / probe_scale
            ))
            .need("a finite mean amplitude above zero"));
    }
    let by = narrow(factor);
    Ok((probe.mapv(|p| p / by), factor))
}

/// The probe as the model applies it: times the mask where there is one, in f64.
pub fn masked(probe: &Array2<Complex32>, mask: Option<&Array2<f32>>) -> Vec<Complex<f64>> {
    let wide = |p: &Complex32, m: f32| Complex::new(f64::from(p.re * m), f64::from(p.im * m));
    match mask {
        Some(m) => probe.iter().zip(m).map(|(p, &m)| wide(p, m)).collect(),
        None => probe.iter().map(|p| wide(p, 1.0)).collect(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "probes are complex64")]
fn narrow(v: f64) -> f32 {
    v as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use ptyproof_testkit::compare::largest;
    use ptyproof_testkit::tolerance::{DECIMALS_5, F32_STEPS_16, assert_all_close, assert_close};

    #[test]
    fn idealized_probe_matches_published_values() {
        // reference description, section b: 376 pixels, mask 812, maximum 1.08936, factor 0.91796875
        let n = PatchSize::new(64).unwrap();
        assert_eq!(disk(n, DEFAULT_PROBE_SCALE).sum(), 376.0);
        assert_eq!(mask(n).sum(), 812.0);
        let (p, factor) =
            normalize_guess(&idealized(n, DEFAULT_PROBE_SCALE), Some(&mask(n)), 10.0).unwrap();
        assert_close!(factor, 0.91796875, F32_STEPS_16);
        let most = largest(p.iter().map(|z| z.norm()));
        assert_close!(most, 1.08936, DECIMALS_5);
    }

    #[test]
    fn probe_normalization_is_idempotent() {
        for n in [16, 64, 128] {
            let n = PatchSize::new(n).unwrap();
            let (p, _) = normalize_guess(&idealized(n, 0.7), None, 4.0).unwrap();
            let (q, factor) = normalize_guess(&p, None, 4.0).unwrap();
            assert_close!(factor, 1.0, F32_STEPS_16);
            assert_all_close!(&p, &q, F32_STEPS_16.as_relative());
        }
    }

    #[test]
    fn zero_probe_is_refused() {
        let e = normalize_guess(&Array2::zeros((4, 4)), None, 4.0).unwrap_err();
        assert!(e.to_string().contains("above zero"), "{e}");
    }
}
