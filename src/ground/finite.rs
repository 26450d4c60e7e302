//! Non-finite is an event, not an accident: a [`Census`] counts what is not a number, and where.

use std::fmt;

/// Counts of the non-finite values of an array, and the flat index of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// Values looked at.
    pub count: usize,
    /// Values that are NaN.
    pub nan: usize,
    /// Values that are `+inf`.
    pub pos_inf: usize,
    /// Values that are `-inf`.
    pub neg_inf: usize,
    /// Flat index of the first of them.
    pub first: Option<usize>,
}

impl Census {
    /// The census of `values`.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut c = Self::default();
        c.extend(values);
        c
    }

    /// Goes on with more `values` of the same array.
    pub fn extend(&mut self, values: impl IntoIterator<Item = f64>) {
        for v in values {
            if !v.is_finite() {
                if v.is_nan() {
                    self.nan += 1;
                } else if v > 0.0 {
                    self.pos_inf += 1;
                } else {
                    self.neg_inf += 1;
                }
                self.first.get_or_insert(self.count);
            }
            self.count += 1;
        }
    }

    /// How many values are not finite.
    pub fn non_finite(&self) -> usize {
        self.nan + self.pos_inf + self.neg_inf
    }

    /// Whether every value is finite.
    pub fn is_finite(&self) -> bool {
        self.first.is_none()
    }
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} NaN, {} +inf, {} -inf of {} values",
            self.nan, self.pos_inf, self.neg_inf, self.count
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_census_tells_the_kinds_apart_and_names_the_first() {
        let c = Census::of([1.0, f64::INFINITY, f64::NAN, f64::NEG_INFINITY, f64::NAN]);
        assert_eq!((c.nan, c.pos_inf, c.neg_inf, c.first), (2, 1, 1, Some(1)));
        assert_eq!(c.non_finite(), 4);
        let mut parts = Census::of([1.0, f64::INFINITY]);
        parts.extend([f64::NAN, f64::NEG_INFINITY, f64::NAN]);
        assert_eq!(parts, c);
        assert!(Census::of([0.0, -0.0]).is_finite());
    }
}
