//! Sums over long vectors, bit-identical for every number of threads and every instruction set.

use rayon::prelude::*;

use super::dispatch::{Loop, vectorized};
use crate::scalar::Scalar;

/// Values that one task sums.
pub const CHUNK: usize = 1 << 16;
/// Number of partial sums in registers.
pub const LANES: usize = 16;

/// The Euclidean norm of a vector and how many of its values are not finite; keeps its work space.
#[derive(Debug, Default, Clone)]
pub struct Norm {
    parts: Vec<(f64, u64)>,
}

impl Norm {
    /// Norm and census of `values`: sums of squares in float64, in fixed chunks, folded in order.
    pub fn of<T: Scalar>(&mut self, values: &[T]) -> (f64, u64) {
        T::norm(values, &mut self.parts)
    }
}

pub(crate) fn squares<T: Scalar>(values: &[T], parts: &mut Vec<(f64, u64)>) -> (f64, u64) {
    values
        .par_chunks(CHUNK)
        .map(|values| {
            let (mut sum, mut bad) = (0.0, 0);
            vectorized(Squares {
                values,
                sum: &mut sum,
                bad: &mut bad,
            });
            (sum, bad)
        })
        .collect_into_vec(parts);
    let (sum, bad) = parts.iter().fold((0.0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    (sum.sqrt(), bad)
}

/// How many of the values are not finite.
pub fn non_finite<T: Scalar>(values: &[T]) -> u64 {
    T::non_finite(values)
}

pub(crate) fn census<T: Scalar>(values: &[T]) -> u64 {
    let count = |values| {
        let mut bad = 0;
        let work = Census {
            values,
            bad: &mut bad,
        };
        vectorized(work);
        bad
    };
    values.par_chunks(CHUNK).map(count).sum()
}

struct Census<'a, T> {
    values: &'a [T],
    bad: &'a mut u64,
}

impl<T: Scalar> Loop for Census<'_, T> {
    #[inline(always)]
    fn run(self) {
        // 32 bits suffice for each chunk
        for values in self.values.chunks(CHUNK) {
            let mut bad = [0u32; LANES];
            let (rows, rest) = values.as_chunks::<LANES>();
            for row in rows {
                for k in 0..LANES {
                    bad[k] += u32::from(!row[k].is_finite());
                }
            }
            for (bad, v) in bad.iter_mut().zip(rest) {
                *bad += u32::from(!v.is_finite());
            }
            *self.bad += bad.iter().map(|&b| u64::from(b)).sum::<u64>();
        }
    }
}

struct Squares<'a, T> {
    values: &'a [T],
    sum: &'a mut f64,
    bad: &'a mut u64,
}

impl<T: Scalar> Loop for Squares<'_, T> {
    #[inline(always)]
    fn run(self) {
        let mut sums = [0.0; LANES];
        let mut bad = [0u32; LANES];
        let (rows, rest) = self.values.as_chunks::<LANES>();
        for row in rows {
            for k in 0..LANES {
                let wide = row[k].wide();
                sums[k] += wide * wide;
                bad[k] += u32::from(!row[k].is_finite());
            }
        }
        for (k, v) in rest.iter().enumerate() {
            sums[k] += v.wide() * v.wide();
            bad[k] += u32::from(!v.is_finite());
        }
        *self.sum = sums.iter().sum();
        *self.bad = bad.into_iter().map(u64::from).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_threads;
    use proptest::prelude::*;
    use ptyproof_testkit::tolerance::{F64_STEPS_8, assert_close};

    proptest! {
        #[test]
        fn norm_is_thread_independent(
            len in 0usize..200_000, bad in 0usize..400_000,
        ) {
            // law: |norm^2 - sum v^2| <= len eps sum v^2; the same bits for 1 and 3 threads; every bad value counts
            let mut v: Vec<f32> = (0..len).map(|k| (k as f32 * 0.37).sin()).collect();
            let want: f64 = v.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
            let (norm, none) = Norm::default().of(&v);
            assert_close!(norm * norm, want, F64_STEPS_8.scaled(want * len as f64));
            prop_assert_eq!(none, 0);
            for threads in [1, 3] {
                let repeated = on_threads(threads, || Norm::default().of(&v));
                prop_assert_eq!((repeated.0.to_bits(), repeated.1), (norm.to_bits(), 0));
            }
            if let Some(x) = v.get_mut(bad) {
                *x = f32::NAN;
                let (norm, count) = Norm::default().of(&v);
                prop_assert!(norm.is_nan() && count == 1);
            }
        }
    }
}
