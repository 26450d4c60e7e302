//! Sizes are integers by type, and a float becomes an index in one place only: [`floor_index`].
//!
//! *Conventions.* Arrays are `[row = y, col = x]`. A [`Position`] is `(x, y)` in object pixels: the
//! column and row of the object pixel that lands on patch pixel `[N/2, N/2]`. Coordinate vectors in
//! files are `[x, y]`.
//!
//! *Source.* Reference description, section h (canvas), section c (positions).

use crate::error::{Error, Result};

/// The side `N` of a square diffraction pattern and of a patch, in pixels: even, at least 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatchSize(usize);

impl PatchSize {
    /// Largest side accepted; it bounds every product of sizes far below `usize::MAX`.
    pub const MAX: usize = 1 << 14;

    /// A side of `n` pixels.
    ///
    /// # Errors
    /// Unless `4 <= n <= PatchSize::MAX` and `n` is even.
    pub fn new(n: usize) -> Result<Self> {
        if (4..=Self::MAX).contains(&n) && n.is_multiple_of(2) {
            Ok(Self(n))
        } else {
            Err(Error::input("setting the patch size")
                .at("N")
                .got(n)
                .need(format!("an even number from 4 to {}", Self::MAX)))
        }
    }

    /// The side in pixels.
    pub fn get(self) -> usize {
        self.0
    }

    /// The number of pixels, `N * N`.
    pub fn area(self) -> usize {
        self.0 * self.0
    }
}

/// The side `gs` of a group: a group holds `gs * gs` overlapping patterns as channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GridSize(usize);

impl GridSize {
    /// A group of `gs * gs` patterns.
    ///
    /// # Errors
    /// Unless `1 <= gs <= 3`: the sizes the network is built and tested for.
    pub fn new(gs: usize) -> Result<Self> {
        if (1..=3).contains(&gs) {
            Ok(Self(gs))
        } else {
            Err(Error::usage("setting the grid size")
                .at("gridsize")
                .got(gs)
                .need("1, 2 or 3"))
        }
    }

    /// The side of the group.
    pub fn get(self) -> usize {
        self.0
    }

    /// The number of channels `C = gs * gs`.
    pub fn channels(self) -> usize {
        self.0 * self.0
    }
}

/// The side of a square canvas that patches are placed on, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CanvasSize(usize);

impl CanvasSize {
    /// Largest side accepted: 16384 pixels, 2 GiB as complex64.
    pub const MAX: usize = 1 << 14;

    /// A side of exactly `side` pixels.
    ///
    /// # Errors
    /// Unless `1 <= side <= CanvasSize::MAX`.
    pub fn new(side: usize) -> Result<Self> {
        if (1..=Self::MAX).contains(&side) {
            Ok(Self(side))
        } else {
            Err(Error::input("computing the canvas size")
                .got(format!("a side of {side} pixels"))
                .need(format!("1 to {}", Self::MAX)))
        }
    }

    /// The smallest canvas that holds a patch of side `n` moved by up to `max_offset` pixels either
    /// way without losing a pixel: `n + 2 * ceil(max_offset)`.
    ///
    /// # Errors
    /// If `max_offset` is not finite, is negative, or the canvas would exceed [`CanvasSize::MAX`].
    pub fn holding(n: usize, max_offset: f64) -> Result<Self> {
        let margin = ceil_index(max_offset).ok_or_else(|| {
            Error::input("computing the canvas size")
                .at("largest offset")
                .got(max_offset)
                .need(format!(
                    "a finite number from 0 to {} pixels",
                    Self::MAX / 2
                ))
        })?;
        Self::new(n + 2 * margin)
    }

    /// The side in pixels.
    pub fn get(self) -> usize {
        self.0
    }
}

/// A scan position or an offset in object pixels: `x` is the column, `y` the row.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Position {
    /// Column, to the right.
    pub x: f64,
    /// Row, downwards.
    pub y: f64,
}

impl Position {
    /// The position `(x, y)`.
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    /// The larger of `|x|` and `|y|`; NaN if either is.
    pub fn max_abs(self) -> f64 {
        if self.x.is_nan() || self.y.is_nan() {
            f64::NAN
        } else {
            self.x.abs().max(self.y.abs())
        }
    }

    /// Whether both coordinates are finite.
    pub fn is_finite(self) -> bool {
        self.x.is_finite() && self.y.is_finite()
    }
}

/// The one place where a float becomes an index: `floor(v)` as `isize`, with the rest in `[0, 1)`.
///
/// `v` must be finite and within `±2^52`; anything else gives `None`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "bounded by 2^52 on the line above"
)]
#[inline]
pub fn floor_index(v: f64) -> Option<(isize, f64)> {
    if v.is_finite() && v.abs() <= 4503599627370496.0 {
        // by truncation: without SSE4.1 `floor` is a call, and patches are placed by the million
        let cut = v as isize;
        let i = cut - isize::from(cut as f64 > v);
        // adding zero takes the sign from a zero, as in `-0.0 - floor(-0.0)`
        Some((i, v - i as f64 + 0.0))
    } else {
        None
    }
}

/// `ceil(v)` as an index, for finite `0 <= v <= CanvasSize::MAX`; anything else gives `None`.
#[inline]
pub fn ceil_index(v: f64) -> Option<usize> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "the largest canvas is far below 2^52"
    )]
    let max = CanvasSize::MAX as f64;
    if !(0.0..=max).contains(&v) {
        return None;
    }
    let (i, _) = floor_index(v.ceil())?;
    usize::try_from(i).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn floor_matches_std() {
        let large = 4503599627370495.5;
        let mut values = vec![
            0.0,
            -0.0,
            1.0,
            -1.0,
            1e-300,
            -1e-300,
            large,
            -large,
            0.5 - 1e-17,
        ];
        values.extend((-400..400).map(|k| f64::from(k) * 0.137));
        for v in values {
            let (i, rest) = floor_index(v).unwrap();
            assert_eq!(i, v.floor() as isize);
            assert_eq!(rest.to_bits(), (v - v.floor()).to_bits(), "{v}");
        }
    }

    #[test]
    fn nan_offset_is_refused() {
        for bad in [f64::NAN, f64::INFINITY, -1.0, 1e6, 1e300] {
            assert!(CanvasSize::holding(64, bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn canvas_is_monotone_in_the_offset(n in 4usize..512, a in 0.0f64..5e3, b in 0.0f64..5e3) {
            // law: a <= b  =>  canvas(a) <= canvas(b), and canvas(a) >= n + 2a
            let (lo, hi) = if a <= b { (a, b) } else { (b, a) };
            let (cl, ch) = (CanvasSize::holding(n, lo)?.get(), CanvasSize::holding(n, hi)?.get());
            prop_assert!(cl <= ch);
            prop_assert!(cl as f64 >= n as f64 + 2.0 * lo);
            prop_assert!((cl as f64) < n as f64 + 2.0 * lo + 2.0);
        }

        #[test]
        fn floor_index_splits_a_number(v in -1e9f64..1e9) {
            // law: v = i + f, 0 <= f < 1
            let (i, f) = floor_index(v).unwrap();
            prop_assert!((0.0..1.0).contains(&f));
            prop_assert_eq!(i as f64 + f, v);
        }
    }
}
