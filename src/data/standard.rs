//! What a network of the guarded numerics sees: how far each pixel of the detector lies from its mean.
//!
//! A pattern is nearly the probe's: a bright centre that hardly changes, and around it the object's share, orders of
//! magnitude less. A network fed with amplitudes sees the centre and takes hundreds of steps to look past it
//! (`CHANGELOG.md` has the figures). So the mean pattern is taken away, and what is left is measured in its own spread:
//!
//! ```text
//! Z[p] = (X[p] - mean[p]) / spread[p],    spread[p]^2 = variance[p] + mean over pixels of the variance
//! ```
//!
//! Without the second term a pixel that sees nothing but single photons would speak as loudly as any other.
//!
//! *Conventions.* `X` is the normalized amplitude of the training groups ([`super::domain::Normalized`]); the channels of a group
//! share mean and spread, for they look through the same detector. Inference uses those of the training. Labels stay as they are.
//!
//! *Laws.* Over the training patterns `|Z| <= sqrt(patterns)` and the mean of `Z` is zero; a common factor of all patterns
//! changes nothing. A pattern of inference may deviate as far as it likes. Masked pixels count like others: the network knows no mask. *Source.* Centring and scaling of inputs: LeCun, Bottou, Orr, Mueller 2012, DOI
//! 10.1007/978-3-642-35289-8_3, section 4.3.

use super::domain::{Groups, Model, Normalized, Scale};

/// Mean and spread of each pixel of the detector, `[row, col]`, normalized amplitude.
#[derive(Debug, Clone, PartialEq)]
pub struct Standard {
    /// The mean over patterns.
    pub mean: Vec<f32>,
    /// What a deviation is measured in; above zero.
    pub spread: Vec<f32>,
}

impl Standard {
    /// Of all groups and channels, summed in f64, in order. `None` where the patterns are all alike (there may be but one): then
    /// nothing deviates.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "inputs of a network are float32"
    )]
    pub fn of(groups: &Groups<Model>, dose: &Scale<Normalized, Model>) -> Option<Self> {
        let (g, rows, cols, c) = groups.values().dim();
        let (pixels, count) = (rows * cols, (g * c) as f64);
        let mut mean = vec![0.0f64; pixels];
        let each = |f: &mut dyn FnMut(usize, f64)| {
            for (k, &v) in groups.values().iter().enumerate() {
                f(k / c % pixels, f64::from(v) / dose.factor());
            }
        };
        each(&mut |p, x| mean[p] += x / count);
        let mut variance = vec![0.0f64; pixels];
        each(&mut |p, x| variance[p] += (x - mean[p]).powi(2) / count);
        let over = |a: &[f64]| a.iter().sum::<f64>() / pixels as f64;
        let common = over(&variance);
        let power = over(&mean.iter().map(|m| m * m).collect::<Vec<_>>());
        // less than the last bit of a float32 is no deviation
        if common.is_nan() || common <= power * f64::from(f32::EPSILON).powi(2) {
            return None;
        }
        let spread = |v: &f64| (v + common).sqrt() as f32;
        Some(Self {
            spread: variance.iter().map(spread).collect(),
            mean: mean.iter().map(|&m| m as f32).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;
    use proptest::prelude::*;

    const N: usize = 6;

    fn groups(count: usize, c: usize, factor: f32, seed: u32) -> Groups<Model> {
        Groups::new(Array4::from_shape_fn((count, N, N, c), |(g, r, q, k)| {
            let bright = if (r, q) == (3, 3) { 1000.0 } else { 1.0 };
            factor * bright * (2.0 + ((g * 31 + r * 7 + q * 3 + k) as f32 + seed as f32).sin())
        }))
    }

    fn dose(factor: f64) -> Scale<Normalized, Model> {
        Scale::new(factor, "test").unwrap()
    }

    fn standardized(g: &Groups<Model>, s: &Standard, factor: f64) -> Vec<f64> {
        let c = g.values().dim().3;
        let each = g.values().iter().enumerate();
        each.map(|(k, &v)| {
            let p = k / c % (N * N);
            (f64::from(v) / factor - f64::from(s.mean[p])) / f64::from(s.spread[p])
        })
        .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn deviations_are_centred_bounded_and_free_of_scale(
            count in 2usize..9, gs in 1usize..3, level in -12i32..12, seed in 0u32..1000,
        ) {
            let c = gs * gs;
            // a power of two: every product and quotient is exact
            let factor = 2f32.powi(level);
            let g = groups(count, c, factor, seed);
            let s = Standard::of(&g, &dose(f64::from(factor))).unwrap();
            let z = standardized(&g, &s, f64::from(factor));
            let patterns = (count * c) as f64;
            // the mean was rounded to float32 and so was each value, of at most 3000
            let rounding = 3000.0 * f64::from(f32::EPSILON) / f64::from(s.spread.iter().copied().fold(f32::MAX, f32::min));
            for p in 0..N * N {
                let of_pixel = || z.iter().enumerate().filter(|(k, _)| k / c % (N * N) == p).map(|(_, v)| v);
                prop_assert!((of_pixel().sum::<f64>() / patterns).abs() <= rounding);
            }
            prop_assert!(z.iter().all(|v| v.abs() <= patterns.sqrt() + rounding));
            let plain = groups(count, c, 1.0, seed);
            prop_assert_eq!(&s, &Standard::of(&plain, &dose(1.0)).unwrap());
        }
    }

    #[test]
    fn a_pixel_of_little_variance_stays_little() {
        let g = groups(8, 1, 1.0, 3);
        let s = Standard::of(&g, &dose(1.0)).unwrap();
        let z = standardized(&g, &s, 1.0);
        let most = |p: usize| (0..8).map(|k| z[k * N * N + p].abs()).fold(0.0, f64::max);
        // one pixel of 36 has all of the variance: the others speak at the ratio of the spreads, 1 / (1000 / 6)
        assert!(most(3 * N + 3) > 1.0);
        assert!(most(0) < 0.02);
    }

    #[test]
    fn patterns_that_are_all_alike_have_no_standard() {
        for count in [1, 7] {
            let one = groups(1, 1, 0.3, 5).into_values();
            let all = ndarray::concatenate(ndarray::Axis(0), &vec![one.view(); count]).unwrap();
            assert_eq!(Standard::of(&Groups::new(all), &dose(0.7)), None);
        }
        let dark = Groups::<Model>::new(Array4::zeros((4, N, N, 1)));
        assert_eq!(Standard::of(&dark, &dose(1.0)), None);
    }
}
