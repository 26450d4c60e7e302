//! Counts of non-finite values: a [`Census`] counts NaN and infinities of an array and locates the first; a [`PlaneCensus`]
//! does so for the pixels of an image.

use std::fmt;

use ndarray::ArrayView2;
use num_complex::Complex64;
use serde::Serialize;

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

    /// Continues with more `values` of the array.
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

/// Counts of the pixels of an image that are not finite, the first of them, and the box that holds them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PlaneCensus {
    /// Pixels looked at.
    pub pixels: usize,
    /// Pixels that are NaN, or have a part that is.
    pub nan: usize,
    /// Other pixels that are infinite, or have a part that is.
    pub infinite: usize,
    /// Row and column of the first of them, row by row.
    pub first: Option<[usize; 2]>,
    /// First and last row, first and last column of all of them.
    pub bounds: Option<[usize; 4]>,
}

impl PlaneCensus {
    /// The census of a complex image, `[row, col]`.
    pub fn of(image: &ArrayView2<'_, Complex64>) -> Self {
        let mut c = Self::default();
        for (at, z) in image.indexed_iter() {
            c.add(at, z.is_nan(), z.is_finite());
        }
        c
    }

    /// The census of a real image, `[row, col]`.
    pub fn of_real(image: &ArrayView2<'_, f64>) -> Self {
        let mut c = Self::default();
        for (at, v) in image.indexed_iter() {
            c.add(at, v.is_nan(), v.is_finite());
        }
        c
    }

    fn add(&mut self, (row, col): (usize, usize), nan: bool, finite: bool) {
        self.pixels += 1;
        if finite {
            return;
        }
        if nan {
            self.nan += 1;
        } else {
            self.infinite += 1;
        }
        self.first.get_or_insert([row, col]);
        let [top, bottom, left, right] = self.bounds.unwrap_or([row, row, col, col]);
        self.bounds = Some([top.min(row), bottom.max(row), left.min(col), right.max(col)]);
    }

    /// How many pixels are not finite.
    pub fn non_finite(&self) -> usize {
        self.nan + self.infinite
    }

    /// Whether every pixel is finite.
    pub fn is_finite(&self) -> bool {
        self.non_finite() == 0
    }
}

impl fmt::Display for PlaneCensus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} pixels are not finite",
            self.non_finite(),
            self.pixels
        )?;
        if let (Some([row, col]), Some([top, bottom, left, right])) = (self.first, self.bounds) {
            write!(
                f,
                " ({} NaN, {} infinite): the first at row {row}, column {col}, all in rows {top} to {bottom}, columns {left} to \
                 {right}",
                self.nan, self.infinite
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn plane_census_gives_the_bounding_box() {
        let mut image = Array2::from_elem((6, 7), Complex64::ONE);
        assert!(PlaneCensus::of(&image.view()).is_finite());
        image[[4, 2]] = Complex64::new(f64::NEG_INFINITY, f64::INFINITY);
        image[[2, 5]].im = f64::INFINITY;
        image[[3, 1]].re = f64::NAN;
        let c = PlaneCensus::of(&image.view());
        // an infinity of each sign is no NaN, though their sum is one
        assert_eq!((c.pixels, c.nan, c.infinite), (42, 1, 2));
        assert_eq!((c.first, c.bounds), (Some([2, 5]), Some([2, 4, 1, 5])));
        assert_eq!(
            c.to_string(),
            "3 of 42 pixels are not finite (1 NaN, 2 infinite): the first at row 2, column 5, all in rows 2 to 4, columns 1 to 5"
        );
        let real = image.mapv(|z| z.re);
        assert_eq!(PlaneCensus::of_real(&real.view()).non_finite(), 2);
        let nothing = PlaneCensus::of_real(&Array2::zeros((0, 3)).view());
        assert_eq!((nothing.pixels, nothing.is_finite()), (0, true));
    }

    #[test]
    fn census_counts_nan_and_infinities_and_the_first_index() {
        let c = Census::of([1.0, f64::INFINITY, f64::NAN, f64::NEG_INFINITY, f64::NAN]);
        assert_eq!((c.nan, c.pos_inf, c.neg_inf, c.first), (2, 1, 1, Some(1)));
        assert_eq!(c.non_finite(), 4);
        let mut parts = Census::of([1.0, f64::INFINITY]);
        parts.extend([f64::NAN, f64::NEG_INFINITY, f64::NAN]);
        assert_eq!(parts, c);
        assert!(Census::of([0.0, -0.0]).is_finite());
    }
}
