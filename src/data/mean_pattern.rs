//! The mean of all patterns of a training: what they have in common is the probe's, and what differs is the object's.
//!
//! A pattern is nearly the probe's own: a bright centre that hardly changes, and around it the object's share, orders of
//! magnitude less. So a network of the guarded numerics is shown what is left of a pattern when the mean is taken away, carried
//! back to the object ([`crate::physics::estimate`]).
//!
//! *Conventions.* Normalized amplitude ([`super::domain::Normalized`]), `[row, col]`, zero frequency in the centre; the channels of a
//! group share the mean, for they look through the same detector. Inference uses that of the training. Labels stay as they are.
//!
//! *Laws.* Deviations from the mean add up to zero over the training patterns; a common factor of patterns and dose changes nothing.
//! Masked pixels count like others: the network knows no mask.

use super::domain::{Groups, Model, Normalized, Scale};

/// The mean of each pixel of the detector, `[row, col]`, normalized amplitude.
#[derive(Debug, Clone, PartialEq)]
pub struct MeanPattern(pub Vec<f32>);

impl MeanPattern {
    /// Of all groups and channels, summed in f64, in order. `None` where the patterns are all alike (there may be but one): then
    /// nothing would be left of them; and where they are not finite.
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
        let mut variance = 0.0;
        each(&mut |p, x| variance += (x - mean[p]).powi(2) / count);
        let power = mean.iter().map(|m| m * m).sum::<f64>();
        // less than the last bit of a float32 is no deviation
        if variance.is_nan() || variance <= power * f64::from(f32::EPSILON).powi(2) {
            return None;
        }
        Some(Self(mean.iter().map(|&m| m as f32).collect()))
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn deviations_are_centred_and_free_of_scale(
            count in 2usize..9, gs in 1usize..3, level in -12i32..12, seed in 0u32..1000,
        ) {
            let c = gs * gs;
            // a power of two: every product and quotient is exact
            let factor = 2f32.powi(level);
            let g = groups(count, c, factor, seed);
            let mean = MeanPattern::of(&g, &dose(f64::from(factor))).unwrap();
            let mut sums = vec![0.0; N * N];
            for (k, &v) in g.values().iter().enumerate() {
                let p = k / c % (N * N);
                sums[p] += f64::from(v) / f64::from(factor) - f64::from(mean.0[p]);
            }
            // the mean was rounded to float32
            for (sum, m) in sums.iter().zip(&mean.0) {
                prop_assert!(sum.abs() <= (count * c) as f64 * f64::from(f32::EPSILON) * f64::from(*m));
            }
            let plain = groups(count, c, 1.0, seed);
            prop_assert_eq!(&mean, &MeanPattern::of(&plain, &dose(1.0)).unwrap());
        }
    }

    #[test]
    fn patterns_that_are_all_alike_have_no_mean_that_could_be_taken_away() {
        for count in [1, 7] {
            let one = groups(1, 1, 0.3, 5).into_values();
            let all = ndarray::concatenate(ndarray::Axis(0), &vec![one.view(); count]).unwrap();
            assert_eq!(MeanPattern::of(&Groups::new(all), &dose(0.7)), None);
        }
        let dark = Groups::<Model>::new(Array4::zeros((4, N, N, 1)));
        assert_eq!(MeanPattern::of(&dark, &dose(1.0)), None);
        let mut bad = groups(4, 1, 1.0, 2).into_values();
        bad[[2, 1, 1, 0]] = f32::NAN;
        assert_eq!(MeanPattern::of(&Groups::new(bad), &dose(1.0)), None);
    }
}
