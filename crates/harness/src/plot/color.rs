//! A value becomes a color in one place, and every range can be divided by.
//!
//! *Source.* Tables in [`crate::plot::lut`]; the floor of `1e-9` from `amp_png_range` of the reference's
//! hubs (reference description, section m).

#![expect(
    clippy::needless_pass_by_value,
    reason = "a view is a pointer and a shape: it is passed as one"
)]

use super::canvas::Rgb;
use crate::plot::lut;
use ndarray::ArrayView2;

/// Which colors stand for which values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorMap {
    /// Dark to light (matplotlib's magma): amplitudes.
    Magma,
    /// Cyclic (matplotlib's twilight): phases.
    Twilight,
    /// Blue, white, red: signed differences.
    Difference,
}

impl ColorMap {
    /// The color of `t` in `[0, 1]`; values outside get the end colors.
    pub fn color(self, t: f64) -> Rgb {
        let pick = |table: &[Rgb]| {
            let k = (t.clamp(0.0, 1.0) * table.len() as f64) as usize; // floor, as matplotlib does
            table[k.min(table.len() - 1)]
        };
        match self {
            Self::Magma => pick(&lut::MAGMA),
            Self::Twilight => pick(&lut::TWILIGHT),
            Self::Difference => {
                // Straight lines between five colors of equal steps in lightness on both sides.
                const STOPS: [[f64; 3]; 5] = [
                    [26.0, 62.0, 138.0],
                    [120.0, 168.0, 214.0],
                    [247.0, 247.0, 247.0],
                    [229.0, 138.0, 110.0],
                    [140.0, 20.0, 42.0],
                ];
                let x = t.clamp(0.0, 1.0) * 4.0;
                let k = (x as usize).min(3);
                let f = x - k as f64;
                std::array::from_fn(|c| {
                    (STOPS[k][c] * (1.0 - f) + STOPS[k + 1][c] * f).round() as u8
                })
            }
        }
    }
}

/// The values at the two ends of a color bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Value of the first color.
    pub low: f64,
    /// Value of the last color; above `low`.
    pub high: f64,
}

impl Range {
    /// From `low` to `high`, made wide enough to divide by; a bound that is not finite counts as 0.
    pub fn new(low: f64, high: f64) -> Self {
        let finite = |v: f64| if v.is_finite() { v } else { 0.0 };
        let low = finite(low);
        // 1e-9 is the reference's floor of vmax; large values need a step that they can hold.
        let least = low + f64::max(1e-9, low.abs() * 1e-9);
        Self {
            low,
            high: finite(high).max(least),
        }
    }

    /// The display range of an amplitude: from 0 to its maximum, at least `1e-9`.
    pub fn amplitude(a: ArrayView2<'_, f32>) -> Self {
        Self::new(0.0, finite(a).fold(0.0, f64::max))
    }

    /// From `-m` to `m` with the greatest magnitude `m`.
    pub fn symmetric(a: ArrayView2<'_, f32>) -> Self {
        let m = finite(a).fold(1e-9, |m, v| f64::max(m, v.abs()));
        Self::new(-m, m)
    }

    /// From `-pi` to `pi`.
    pub fn phase() -> Self {
        Self::new(-std::f64::consts::PI, std::f64::consts::PI)
    }
}

fn finite(a: ArrayView2<'_, f32>) -> impl Iterator<Item = f64> {
    let values: Vec<f64> = a
        .iter()
        .map(|&v| f64::from(v))
        .filter(|v| v.is_finite())
        .collect();
    values.into_iter()
}

#[cfg(test)]
mod tests {
    use super::super::NOT_FINITE;
    use super::*;

    #[test]
    fn color_tables_match_matplotlib() {
        // matplotlib 3.11: magma(0), magma(128/256), magma(1.0), twilight(0.5) as bytes
        assert_eq!(ColorMap::Magma.color(0.0), [0, 0, 3]);
        assert_eq!(ColorMap::Magma.color(1.0), lut::MAGMA[255]);
        assert_eq!(ColorMap::Twilight.color(0.5), lut::TWILIGHT[255]);
        assert_eq!(ColorMap::Difference.color(0.5), [247, 247, 247]);
        assert_eq!(ColorMap::Magma.color(f64::NAN), [0, 0, 3]);
    }

    #[test]
    fn nonfinite_color_is_in_no_color_table() {
        for map in [ColorMap::Magma, ColorMap::Twilight, ColorMap::Difference] {
            assert!((0..=1000).all(|k| map.color(f64::from(k) / 1000.0) != NOT_FINITE));
        }
    }

    #[test]
    fn color_range_is_never_zero() {
        for (low, high) in [
            (0.0, 0.0),
            (1e30, 1e30),
            (5.0, -5.0),
            (f64::NAN, f64::INFINITY),
        ] {
            let r = Range::new(low, high);
            assert!(r.high > r.low && (r.high - r.low).is_finite(), "{r:?}");
        }
        assert_eq!(Range::new(0.0, 0.0).high, 1e-9); // amp_png_range of 2026-01-20T063500Z
    }
}
