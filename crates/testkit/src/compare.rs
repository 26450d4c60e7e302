//! Comparisons that fail on NaN, on empty sequences, and on different lengths.
//!
//! `f64::max` ignores NaN, `zip` stops at the shorter sequence, and `all` is true for no values. Here NaN counts as
//! infinite, and both unequal lengths and empty sequences panic.

/// A running maximum in which NaN counts as infinite.
#[derive(Debug, Clone, Copy, Default)]
pub struct Largest(Option<f64>);

impl Largest {
    /// Adds a value.
    pub fn add(&mut self, value: impl Into<f64>) {
        let value = value.into();
        let value = if value.is_nan() { f64::INFINITY } else { value };
        self.0 = Some(self.0.map_or(value, |largest| largest.max(value)));
    }

    /// The largest value so far.
    ///
    /// # Panics
    /// If no value was added.
    #[track_caller]
    pub fn get(self) -> f64 {
        assert!(self.0.is_some(), "the largest of no values");
        self.0.unwrap_or(f64::INFINITY)
    }
}

/// The values themselves.
///
/// # Panics
/// If there are none.
#[track_caller]
pub fn non_empty<I: IntoIterator>(values: I) -> impl Iterator<Item = I::Item> {
    let mut values = values.into_iter().peekable();
    assert!(values.peek().is_some(), "a comparison of no values");
    values
}

/// Pairs of the values of two sequences.
///
/// # Panics
/// If the sequences differ in length, or are empty.
#[track_caller]
pub fn zip_eq<A: IntoIterator, B: IntoIterator>(
    a: A,
    b: B,
) -> impl Iterator<Item = (A::Item, B::Item)> {
    let (a, b): (Vec<_>, Vec<_>) = (a.into_iter().collect(), b.into_iter().collect());
    assert_eq!(a.len(), b.len(), "sequences of different lengths");
    non_empty(a.into_iter().zip(b))
}

/// The largest value; infinite if one is NaN.
///
/// # Panics
/// If there are no values.
#[track_caller]
pub fn largest<T: Into<f64>>(values: impl IntoIterator<Item = T>) -> f64 {
    let mut largest = Largest::default();
    values.into_iter().for_each(|v| largest.add(v));
    largest.get()
}

/// The smallest value; minus infinity if one is NaN.
///
/// # Panics
/// If there are no values.
#[track_caller]
pub fn smallest<T: Into<f64>>(values: impl IntoIterator<Item = T>) -> f64 {
    -largest(values.into_iter().map(|v| -v.into()))
}

/// The largest value as a scale to divide by or to multiply a tolerance with.
///
/// # Panics
/// If it is not finite or not above zero.
#[track_caller]
pub fn scale<T: Into<f64>>(values: impl IntoIterator<Item = T>) -> f64 {
    let scale = largest(values);
    assert!(scale.is_finite() && scale > 0.0, "a scale of {scale}");
    scale
}

/// The largest `|a - b|`; infinite if one is NaN.
///
/// # Panics
/// If the sequences differ in length, or are empty.
#[track_caller]
pub fn largest_difference(
    a: impl IntoIterator<Item = f64>,
    b: impl IntoIterator<Item = f64>,
) -> f64 {
    largest(zip_eq(a, b).map(|(a, b)| (a - b).abs()))
}

/// Whether every value is finite.
///
/// # Panics
/// If there are no values.
#[track_caller]
pub fn all_finite<T: Into<f64>>(values: impl IntoIterator<Item = T>) -> bool {
    non_empty(values).all(|v| v.into().is_finite())
}
