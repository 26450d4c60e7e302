//! NumPy's legacy generator, `numpy.random.RandomState`, bit for bit.
//!
//! The core is the Mersenne Twister MT19937 (Matsumoto and Nishimura 1998, doi:10.1145/272991.272995);
//! NumPy has promised since 2019 never to change the legacy stream (NEP 19).

use std::fmt;

use rand_mt::Mt;

/// The state of `numpy.random.RandomState(seed)`.
#[derive(Clone)]
pub struct NumpyLegacy {
    core: Mt,
    spare_normal: Option<f64>,
}

impl fmt::Debug for NumpyLegacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NumpyLegacy").finish_non_exhaustive()
    }
}

impl NumpyLegacy {
    /// `RandomState(seed)`.
    pub fn new(seed: u32) -> Self {
        Self {
            core: Mt::new(seed),
            spare_normal: None,
        }
    }

    /// `random_sample()`: uniform in `[0, 1)` with 53 bits.
    pub fn random_sample(&mut self) -> f64 {
        let (a, b) = (self.core.next_u32() >> 5, self.core.next_u32() >> 6);
        (f64::from(a) * 67_108_864.0 + f64::from(b)) / 9_007_199_254_740_992.0
    }

    /// `uniform(low, high)`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.random_sample()
    }

    /// `standard_normal()`: the polar method, whose second value is kept for the next call.
    pub fn normal(&mut self) -> f64 {
        if let Some(v) = self.spare_normal.take() {
            return v;
        }
        loop {
            let x1 = 2.0 * self.random_sample() - 1.0;
            let x2 = 2.0 * self.random_sample() - 1.0;
            let r2 = x1 * x1 + x2 * x2;
            if r2 < 1.0 && r2 != 0.0 {
                let f = (-2.0 * r2.ln() / r2).sqrt();
                self.spare_normal = Some(f * x1);
                return f * x2;
            }
        }
    }

    /// A whole number from 0 to `max` inclusive, by masked rejection.
    pub fn interval(&mut self, max: u32) -> u32 {
        if max == 0 {
            return 0;
        }
        let mask = u32::MAX >> max.leading_zeros();
        loop {
            let v = self.core.next_u32() & mask;
            if v <= max {
                return v;
            }
        }
    }

    /// `randint(0, n)`, for `n >= 1`.
    pub fn below(&mut self, n: u32) -> u32 {
        self.interval(n - 1)
    }

    /// `shuffle`: Fisher and Yates, from the end.
    ///
    /// # Panics
    /// If there are 2^32 values or more.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for i in (1..values.len()).rev() {
            let j = self.interval(u32::try_from(i).expect("fewer than 2^32 values"));
            values.swap(i, j as usize);
        }
    }

    /// `permutation(n)`.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        self.shuffle(&mut all);
        all
    }

    /// `choice(n, k, replace=False)`: the first `k` of a permutation.
    pub fn choice(&mut self, n: usize, k: usize) -> Vec<usize> {
        let mut all = self.permutation(n);
        all.truncate(k);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_matches_numpy() {
        // numpy.random.RandomState(42).random_sample(3)
        let mut r = NumpyLegacy::new(42);
        let got = [r.random_sample(), r.random_sample(), r.random_sample()];
        assert_eq!(
            got,
            [0.3745401188473625, 0.9507143064099162, 0.7319939418114051]
        );
        // RandomState(42).standard_normal(3)
        let mut r = NumpyLegacy::new(42);
        let got = [r.normal(), r.normal(), r.normal()];
        assert_eq!(
            got,
            [0.4967141530112327, -0.13826430117118466, 0.6476885381006925]
        );
        // RandomState(42).permutation(10)
        assert_eq!(
            NumpyLegacy::new(42).permutation(10),
            [8, 1, 5, 0, 7, 2, 9, 4, 3, 6]
        );
        // RandomState(42).choice(4, 3, replace=False)
        assert_eq!(NumpyLegacy::new(42).choice(4, 3), [1, 3, 0]);
        // RandomState(42).randint(0, 100, 5)
        let mut r = NumpyLegacy::new(42);
        assert_eq!([0; 5].map(|_| r.below(100)), [51, 92, 14, 71, 60]);
    }
}
