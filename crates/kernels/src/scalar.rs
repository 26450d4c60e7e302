//! The two precisions: `f32` for runs, `f64` for tests.

use rustfft::FftNum;
pub use rustfft::num_traits::Float;

use crate::compiled::Compiled;

/// The real number type of the code between patterns and loss.
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
