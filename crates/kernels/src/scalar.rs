//! The two precisions: `f32` to run, `f64` to prove.

use rustfft::FftNum;
pub use rustfft::num_traits::Float;

use crate::compiled::Compiled;

/// A real number that everything between the patterns and the loss is written for.
pub trait Scalar: Compiled + FftNum + Float + Default + std::iter::Sum {
    /// The nearest value to `v`.
    fn of(v: f64) -> Self;

    /// This value as f64, exactly.
    fn wide(self) -> f64;
}

impl Scalar for f64 {
    #[inline]
    fn of(v: f64) -> Self {
        v
    }

    #[inline]
    fn wide(self) -> f64 {
        self
    }
}

impl Scalar for f32 {
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounding to float32 is the meaning"
    )]
    fn of(v: f64) -> Self {
        v as f32
    }

    #[inline]
    fn wide(self) -> f64 {
        f64::from(self)
    }
}
