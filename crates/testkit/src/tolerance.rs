//! The tolerances of the tests: each a number, the arithmetic that it comes from.
//!
//! | macro | asserts |
//! |---|---|
//! | [`assert_close!`](crate::assert_close) | two numbers (`f32`, `f64`, complex) agree |
//! | [`assert_all_close!`](crate::assert_all_close) | two sequences agree number by number |
//! | [`assert_within!`](crate::assert_within) | an error measure is small |
//!
//! NaN and infinity fail, as do two sequences of different lengths, and of no numbers. Each macro takes a message behind
//! the tolerance, as `assert!` does.
//!
//! A tolerance of [`TABLE`] is absolute, for numbers of the order of 1: [`Tolerance::scaled`] gives it for another
//! order, and [`Tolerance::as_relative`] for the order of the numbers compared. The unit `u` of the derivations is half
//! of the spacing of floats at 1: 2^-53 of `f64`, 2^-24 of `f32`. A sum of `n` terms has a relative error of at most
//! `(n - 1) u` (N. Higham, Accuracy and Stability of Numerical Algorithms, 4.2), and of about `sqrt(n) u` if the roundings
//! are independent.

use num_complex::Complex;

use crate::compare::zip_eq;

#[doc(inline)]
pub use crate::{assert_all_close, assert_close, assert_within};

/// The largest relative error of one rounding to `f64`: 2^-53.
pub const F64_UNIT: f64 = f64::EPSILON / 2.0;
/// The largest relative error of one rounding to `f32`: 2^-24.
pub const F32_UNIT: f64 = f32::EPSILON as f64 / 2.0;
/// The error of central differences of `f64` at their best step: eps^(2/3), with eps = 2^-52.
const CENTRAL_DIFFERENCE: f64 = 3.666_852_862_501_03e-11;

/// How far two numbers may differ, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Its name in the table.
    pub name: &'static str,
    /// Allowed whatever the numbers are.
    pub absolute: f64,
    /// Allowed as a share of the larger number. The larger of both allowances counts.
    pub relative: f64,
    /// Where the number comes from.
    pub derivation: &'static str,
}

impl Tolerance {
    /// For numbers whose scale is `k`, not 1.
    #[must_use]
    pub const fn scaled(self, k: f64) -> Self {
        let (absolute, relative) = (self.absolute * k, self.relative * k);
        Self {
            absolute,
            relative,
            ..self
        }
    }

    /// As a share of the numbers compared, and nothing beside it.
    #[must_use]
    pub const fn as_relative(self) -> Self {
        Self {
            absolute: 0.0,
            relative: self.absolute,
            ..self
        }
    }

    /// As a share of the numbers compared where they exceed 1.
    #[must_use]
    pub const fn or_relative(self) -> Self {
        Self {
            relative: self.absolute,
            ..self
        }
    }

    /// What is wrong with a pair, if anything is.
    #[must_use]
    pub fn check(&self, a: impl Comparable, b: impl Comparable) -> Option<String> {
        let (x, y) = (a.wide(), b.wide());
        let size = x.norm().max(y.norm());
        let wrong = self.exceeded((x - y).norm(), size)?;
        Some(format!("{a:?} and {b:?} differ by {wrong}"))
    }

    /// The first pair of two sequences that is wrong, with its index.
    ///
    /// # Panics
    /// If the sequences differ in length, or are empty.
    #[track_caller]
    #[must_use]
    pub fn check_all<A: Comparable, B: Comparable>(
        &self,
        a: impl IntoIterator<Item = A>,
        b: impl IntoIterator<Item = B>,
    ) -> Option<String> {
        let mut pairs = zip_eq(a, b).enumerate();
        pairs.find_map(|(k, (a, b))| Some(format!("[{k}] {}", self.check(a, b)?)))
    }

    /// What is wrong with an error measure, if anything is.
    #[must_use]
    pub fn check_within(&self, value: impl Comparable) -> Option<String> {
        let size = value.wide().norm();
        let wrong = self.exceeded(size, size)?;
        Some(format!("{value:?} exceeds its bound: {wrong}"))
    }

    /// Measured, allowed and why, if a distance of numbers of some size is too large.
    fn exceeded(&self, measured: f64, size: f64) -> Option<String> {
        let allowed = self.absolute.max(self.relative * size);
        // an infinite number would allow an infinite distance
        if size.is_finite() && approx::abs_diff_eq!(measured, 0.0, epsilon = allowed) {
            return None;
        }
        let (name, why) = (self.name, self.derivation);
        Some(format!(
            "{measured:e}, allowed {allowed:e} by {name}: {why}"
        ))
    }
}

/// Real and complex numbers of either precision, and references to them.
pub trait Comparable: Copy + std::fmt::Debug {
    /// The number in complex `f64`, which holds each of them exactly.
    fn wide(self) -> Complex<f64>;
}

impl Comparable for f32 {
    fn wide(self) -> Complex<f64> {
        f64::from(self).wide()
    }
}

impl Comparable for f64 {
    fn wide(self) -> Complex<f64> {
        Complex::new(self, 0.0)
    }
}

impl Comparable for Complex<f32> {
    fn wide(self) -> Complex<f64> {
        Complex::new(self.re.into(), self.im.into())
    }
}

impl Comparable for Complex<f64> {
    fn wide(self) -> Complex<f64> {
        self
    }
}

impl<T: Comparable> Comparable for &T {
    fn wide(self) -> Complex<f64> {
        (*self).wide()
    }
}

/// Asserts that two numbers agree within a [`Tolerance`](crate::tolerance::Tolerance).
#[macro_export]
macro_rules! assert_close {
    ($a:expr, $b:expr, $tolerance:expr $(,)?) => { $crate::assert_close!($a, $b, $tolerance, "") };
    ($a:expr, $b:expr, $tolerance:expr, $($message:tt)+) => {
        if let Some(wrong) = $tolerance.check($a, $b) {
            panic!("`{}` and `{}`: {wrong}\n{}", stringify!($a), stringify!($b), format_args!($($message)+));
        }
    };
}

/// Asserts that two sequences agree number by number within a [`Tolerance`](crate::tolerance::Tolerance).
#[macro_export]
macro_rules! assert_all_close {
    ($a:expr, $b:expr, $tolerance:expr $(,)?) => { $crate::assert_all_close!($a, $b, $tolerance, "") };
    ($a:expr, $b:expr, $tolerance:expr, $($message:tt)+) => {
        if let Some(wrong) = $tolerance.check_all($a, $b) {
            panic!("`{}` and `{}`: {wrong}\n{}", stringify!($a), stringify!($b), format_args!($($message)+));
        }
    };
}

/// Asserts that an error measure differs from zero by no more than a [`Tolerance`](crate::tolerance::Tolerance) allows.
#[macro_export]
macro_rules! assert_within {
    ($value:expr, $tolerance:expr $(,)?) => { $crate::assert_within!($value, $tolerance, "") };
    ($value:expr, $tolerance:expr, $($message:tt)+) => {
        if let Some(wrong) = $tolerance.check_within($value) {
            panic!("`{}`: {wrong}\n{}", stringify!($value), format_args!($($message)+));
        }
    };
}

macro_rules! table {
    ($($name:ident = $absolute:expr, $derivation:literal;)+) => {
        $(#[doc = $derivation]
        pub const $name: Tolerance = Tolerance {
            name: stringify!($name),
            absolute: $absolute,
            relative: 0.0,
            derivation: $derivation,
        };)+

        /// Every tolerance.
        pub const TABLE: &[Tolerance] = &[$($name),+];
    };
}

table! {
    F64_STEPS_8 = 8.0 * F64_UNIT,
        "f64, an expression of at most 8 roundings: 8 x 2^-53 = 8.9e-16";
    F64_STEPS_64 = 64.0 * F64_UNIT,
        "f64, 64 roundings: a sum of 64 terms, or of 4096 with independent roundings (sqrt 4096 = 64): 64 x 2^-53 = 7.1e-15";
    F64_STEPS_512 = 512.0 * F64_UNIT,
        "f64, 512 roundings: a transform of 64 x 64 (12 stages of 5 roundings each) there and back, its largest of 4096 errors 4 times their rms: 12 x 5 x 2 x 4 = 480 <= 512; 512 x 2^-53 = 5.7e-14";
    F64_STEPS_4096 = 4096.0 * F64_UNIT,
        "f64, a sum over 64 x 64 pixels: 4096 x 2^-53 = 4.5e-13";
    F64_STEPS_65536 = 65536.0 * F64_UNIT,
        "f64, a sum over 256 x 256 pixels, or a sum of 4096 terms that cancel to a sixteenth: 65536 x 2^-53 = 7.3e-12";
    F64_FITTED = 1024.0 * 1024.0 * 8.0 * F64_UNIT,
        "f64, what a fit or an iteration found: 8 roundings, times a condition of 2^20 at most: 2^23 x 2^-53 = 2^-30 = 9.3e-10";
    F64_SLOPE = 128.0 * CENTRAL_DIFFERENCE,
        "f64, a central difference: eps^(2/3) = 3.7e-11 at its best step; 128 times that for a step that is up to 6 times smaller, a function of 8 roundings and slopes up to 4 (the error grows as the inverse of the step): 4.7e-9";
    F64_GRADIENT = 16384.0 * CENTRAL_DIFFERENCE,
        "f64, a central difference of a sum over 128 x 128 terms, each with the error of one: 2^14 x eps^(2/3) = 6.0e-7";
    F32_STORED = F32_UNIT,
        "a number stored as float32: 2^-24 = 6.0e-8";
    F32_STEPS_16 = 16.0 * F32_UNIT,
        "f32, 16 roundings: a chain of stored factors, or a sum of 256 terms with independent roundings: 16 x 2^-24 = 9.5e-7";
    F32_FFT_64 = 144.0 * F32_UNIT,
        "f32, a transform of 64 x 64: 12 stages of 3 roundings each, the largest of 4096 errors 4 times their rms: 12 x 3 x 4 = 144; 144 x 2^-24 = 8.6e-6";
    F32_COORDINATE = 160.0 * F32_UNIT,
        "f32, interpolation at coordinates from 64 to 128: half of their spacing is 64 units, on two axes with slopes up to 1, and four taps of values up to 8 add a rounding each: 2 x 64 + 4 x 8 = 160; 160 x 2^-24 = 9.5e-6";
    F32_SUM_1024 = 1024.0 * F32_UNIT,
        "f32, a sum of 1024 terms: 1024 x 2^-24 = 6.1e-5";
    F32_SUM_16384 = 16384.0 * F32_UNIT,
        "f32, a sum of 128 x 128 terms: 16384 x 2^-24 = 9.8e-4";
    DECIMALS_4 = 0.5e-4,
        "a number printed with four decimals: half a unit of the last one, 5e-5";
    DECIMALS_5 = 0.5e-5,
        "a number printed with five decimals: half a unit of the last one, 5e-6";
    DECIMALS_7 = 0.5e-7,
        "a number printed with seven decimals: half a unit of the last one, 5e-8";
    DECIMALS_9 = 0.5e-9,
        "a number printed with nine decimals: half a unit of the last one, 5e-10";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    /// The message of a panic.
    fn message(f: impl FnOnce() + std::panic::UnwindSafe) -> String {
        let panic = catch_unwind(f).expect_err("it passed");
        panic.downcast_ref::<String>().cloned().unwrap_or_default()
    }

    #[test]
    fn table_entries_are_named_once_positive_and_derived() {
        for (k, t) in TABLE.iter().enumerate() {
            assert!(t.absolute > 0.0 && t.absolute < 1e-3, "{t:?}"); // the largest entry is 2^-10
            assert!(t.derivation.len() > 20, "{t:?}");
            assert!(TABLE[..k].iter().all(|o| o.name != t.name), "{t:?}");
        }
        assert_close!(
            CENTRAL_DIFFERENCE,
            f64::EPSILON.cbrt().powi(2),
            F64_STEPS_64.as_relative()
        );
    }

    #[test]
    fn numbers_within_the_tolerance_pass() {
        assert_close!(1.0, 1.0 + 4.0 * f64::EPSILON, F64_STEPS_8);
        assert_close!(1e9, 1e9 * (1.0 + F64_UNIT), F64_STEPS_8.as_relative());
        assert_close!(1e9f32, 1e9f32 + 64.0, F32_STORED.scaled(1.1).as_relative());
        assert_close!(0.0, F64_UNIT, F64_STEPS_8.or_relative(), "{}", 3);
        assert_close!(
            Complex::new(3e3, 4e3),
            Complex::new(3e3, 4e3 + 5e3 * F64_UNIT),
            F64_STEPS_8.as_relative(),
        );
        assert_close!(
            Complex::new(1f32, 0.0),
            Complex::new(1f32, 0.0),
            F32_STORED.scaled(0.0)
        );
        assert_all_close!([1.0f32, 2.0], vec![1.0, 2.0], F32_STORED);
        assert_within!(-F64_UNIT, F64_STEPS_8);
    }

    #[test]
    fn failure_names_tolerance_measure_allowance_and_derivation() {
        let said = message(|| assert_close!(1.0, 1.5, F64_STEPS_8, "case {}", 7));
        for part in [
            "`1.0` and `1.5`",
            "5e-1",
            "8.881784197001252e-16",
            "F64_STEPS_8",
            "8 x 2^-53",
            "case 7",
        ] {
            assert!(said.contains(part), "no {part} in {said}");
        }
        let said = message(|| assert_all_close!([1.0, 2.0], [1.0, 3.0], F64_STEPS_8));
        assert!(said.contains("[1] 2.0 and 3.0 differ"), "{said}");
        let said = message(|| assert_within!(-0.25f32, F32_STORED));
        assert!(
            said.contains("`-0.25f32`: -0.25 exceeds its bound: 2.5e-1"),
            "{said}"
        );
    }

    #[test]
    fn complex_numbers_compare_by_modulus_not_by_part() {
        // each part is within the tolerance, their distance is 1.4 times it
        let off = Complex::new(1.0, 1.0) * F64_STEPS_8.absolute;
        assert!(F64_STEPS_8.check(off, Complex::<f64>::default()).is_some());
        assert!(F64_STEPS_8.check(off.re, 0.0).is_none());
    }

    #[test]
    fn non_finite_numbers_fail() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for t in [F64_STEPS_8, F64_STEPS_8.as_relative()] {
                assert!(t.check(bad, bad).is_some() && t.check(bad, 1.0).is_some());
                assert!(t.check(1.0, bad).is_some());
                assert!(
                    t.check(Complex::new(0.0, bad), Complex::new(0f64, 0.0))
                        .is_some()
                );
            }
            message(|| assert_close!(bad, bad, F64_STEPS_8));
            message(|| assert_all_close!([0.0, bad], [0.0, 0.0], F64_STEPS_8));
            message(|| assert_within!(bad, F64_STEPS_8));
        }
        assert!(F32_STORED.check(f32::NAN, f32::NAN).is_some());
    }

    #[test]
    #[should_panic(expected = "a comparison of no values")]
    fn sequences_of_nothing_fail() {
        assert_all_close!([0.0; 0], [0.0; 0], F64_STEPS_8);
    }

    #[test]
    #[should_panic(expected = "sequences of different lengths")]
    fn sequences_of_unequal_length_fail() {
        assert_all_close!([0.0; 2], [0.0; 3], F64_STEPS_8);
    }
}
