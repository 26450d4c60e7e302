//! This project's own streams: one per `(seed, purpose, index)`.
//!
//! The generator is xoshiro256++ (Blackman and Vigna, doi:10.1145/3460772), its state filled by
//! SplitMix64 (Steele, Lea and Flood 2014, doi:10.1145/2714064.2660195) from a hash of the key. Poisson
//! numbers come from inversion below a mean of 10 and from the transformed rejection PTRS above
//! (Hoermann 1993, doi:10.1016/0167-6687(93)90997-4).

/// A stream of random numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    state: [u64; 4],
}

/// One step of SplitMix64.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Stream {
    /// The stream of `seed` for one `purpose` and one `index` (a pattern, an epoch, a tensor).
    pub fn new(seed: u64, purpose: &str, index: u64) -> Self {
        let mut key = seed;
        let mut mixed = split_mix(&mut key);
        for byte in purpose.bytes() {
            key = mixed ^ u64::from(byte);
            mixed = split_mix(&mut key);
        }
        key = mixed ^ index;
        Self {
            state: std::array::from_fn(|_| split_mix(&mut key)),
        }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Uniform in `[0, 1)`, with 53 bits.
    pub fn uniform(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
        let v = (self.bits() >> 11) as f64;
        v / 9_007_199_254_740_992.0
    }

    /// A whole number below `n >= 1`, every one as likely (Lemire's rejection).
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "a range with a number in it");
        loop {
            let wide = u128::from(self.bits()) * u128::from(n);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the low half is what is compared"
            )]
            let low = wide as u64;
            if low >= n.wrapping_neg() % n {
                return u64::try_from(wide >> 64).expect("the high half");
            }
        }
    }

    /// Puts `values` in random order.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for i in (1..values.len()).rev() {
            let j = self.below(i as u64 + 1);
            values.swap(i, usize::try_from(j).expect("an index"));
        }
    }

    /// A Poisson number with this mean, as a float that holds it exactly below 2^53.
    ///
    /// A mean that is not finite gives NaN, and a mean of zero or less gives zero.
    pub fn poisson(&mut self, mean: f64) -> f64 {
        if !mean.is_finite() {
            f64::NAN
        } else if mean <= 0.0 {
            0.0
        } else if mean < 10.0 {
            self.poisson_small(mean)
        } else {
            self.poisson_large(mean)
        }
    }

    /// Counts how many uniforms multiply to no less than `exp(-mean)`.
    fn poisson_small(&mut self, mean: f64) -> f64 {
        let (mut k, mut product) = (0.0, self.uniform());
        // exp(-mean) >= 1 - mean: in the dark, which is most of a detector, the answer needs no exponential
        if product < 1.0 - mean - 1e-15 {
            return k;
        }
        let limit = (-mean).exp();
        while product > limit {
            k += 1.0;
            product *= self.uniform();
        }
        k
    }

    /// PTRS. The constants are those of the paper's table.
    fn poisson_large(&mut self, mean: f64) -> f64 {
        let b = 0.931 + 2.53 * mean.sqrt();
        let a = -0.059 + 0.02483 * b;
        let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
        let v_r = 0.9277 - 3.6224 / (b - 2.0);
        loop {
            let u = self.uniform() - 0.5;
            let v = self.uniform();
            let us = 0.5 - u.abs();
            let k = ((2.0 * a / us + b) * u + mean + 0.43).floor();
            if us >= 0.07 && v <= v_r {
                return k;
            }
            if k < 0.0 || (us < 0.013 && v > us) {
                continue;
            }
            let left = (v * inverse_alpha / (a / (us * us) + b)).ln();
            if left <= k * mean.ln() - mean - ln_factorial(k) {
                return k;
            }
        }
    }
}

/// `ln(k!)`: exact products below 16, above that Stirling's series, whose first omitted term is
/// `1 / (1680 (k + 1)^7)`, below 2e-12.
fn ln_factorial(k: f64) -> f64 {
    if k < 16.0 {
        let (mut product, mut i) = (1.0, 2.0);
        while i <= k {
            product *= i;
            i += 1.0;
        }
        return product.ln();
    }
    let x = k + 1.0;
    let r = 1.0 / (x * x);
    let series = (1.0 / 12.0 - r * (1.0 / 360.0 - r / 1260.0)) / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_and_xoshiro_match_published_numbers() {
        // SplitMix64 from 1234567: the reference implementation's first values
        let mut s = 1234567;
        assert_eq!(split_mix(&mut s), 6457827717110365317);
        assert_eq!(split_mix(&mut s), 3203168211198807973);
        // xoshiro256++ from state 1, 2, 3, 4: the reference implementation's first values
        let mut x = Stream {
            state: [1, 2, 3, 4],
        };
        assert_eq!(
            [x.bits(), x.bits(), x.bits()],
            [41943041, 58720359, 3588806011781223]
        );
    }

    #[test]
    fn streams_with_different_keys_differ() {
        let first = |seed, purpose, index| Stream::new(seed, purpose, index).bits();
        let a = first(1, "noise", 0);
        assert_eq!(a, first(1, "noise", 0));
        for b in [
            first(2, "noise", 0),
            first(1, "nois", 0),
            first(1, "noise", 1),
            first(0, "", 0),
        ] {
            assert_ne!(a, b);
        }
    }

    #[test]
    fn poisson_has_its_mean_and_variance() {
        // mean and variance within 5 standard errors of `draws` draws; the variance of the sample
        // variance is (mean + 2 mean^2) / draws
        let draws = 40_000;
        for (k, mean) in [0.01, 0.7, 3.0, 9.99, 10.0, 35.0, 1e3, 1e6, 1e10]
            .into_iter()
            .enumerate()
        {
            let mut s = Stream::new(7, "test", k as u64);
            let values: Vec<f64> = (0..draws).map(|_| s.poisson(mean)).collect();
            let n = f64::from(draws);
            let m = values.iter().sum::<f64>() / n;
            let v = values.iter().map(|x| (x - m).powi(2)).sum::<f64>() / n;
            assert!(
                (m - mean).abs() < 5.0 * (mean / n).sqrt(),
                "mean {mean}: {m}"
            );
            let error = 5.0 * ((mean + 2.0 * mean * mean) / n).sqrt();
            assert!((v - mean).abs() < error, "variance at {mean}: {v}");
            assert!(values.iter().all(|x| *x >= 0.0 && x.fract() == 0.0));
        }
    }

    #[test]
    fn poisson_has_its_distribution() {
        // chi square of the counts of 0..40 at a mean of 16, against k! and exp: 40 cells, and the
        // 1e-6 quantile of 39 degrees of freedom is 99
        let (mean, draws) = (16.0f64, 200_000);
        let mut s = Stream::new(3, "test", 0);
        let mut seen = [0.0; 41];
        for _ in 0..draws {
            let k = s.poisson(mean).min(40.0);
            seen[k as usize] += 1.0;
        }
        let mut chi = 0.0;
        let mut tail = 1.0;
        for k in 0..40 {
            let p = (f64::from(k) * mean.ln() - mean - ln_factorial(f64::from(k))).exp();
            tail -= p;
            let want = p * f64::from(draws);
            if want > 5.0 {
                chi += (seen[k as usize] - want).powi(2) / want;
            }
        }
        // 40 and more have a probability of 3.3e-7
        assert!(tail < 1e-6 && chi < 99.0, "chi square {chi}");
    }

    #[test]
    fn below_is_uniform_and_shuffle_permutes() {
        let mut s = Stream::new(1, "test", 0);
        let mut seen = [0u32; 7];
        for _ in 0..70_000 {
            seen[usize::try_from(s.below(7)).unwrap()] += 1;
        }
        // each within 5 standard deviations of 10000
        assert!(seen.iter().all(|&c| c.abs_diff(10_000) < 470), "{seen:?}");
        let mut v: Vec<_> = (0..100).collect();
        s.shuffle(&mut v);
        assert_ne!(v, (0..100).collect::<Vec<_>>());
        v.sort_unstable();
        assert_eq!(v, (0..100).collect::<Vec<_>>());
    }
}
