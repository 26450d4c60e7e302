//! Scan positions in object pixels.
//!
//! *Source.* Reference description, section c.

use crate::error::{Error, Result};
use crate::geometry::Position;
use crate::rng::NumpyLegacy;

/// The margin actually kept: `buffer`, but never so wide that nothing is left to scan.
pub fn effective_buffer(buffer: f64, rows: usize, cols: usize) -> f64 {
    buffer.min(rows.min(cols) as f64 / 2.0 - 1.0)
}

/// `count` random positions in an object of `rows` by `cols` pixels, at least `buffer` pixels from its
/// edge: all `x` first, then all `y`, from `RandomState(seed)`; not sorted, no smallest distance.
///
/// # Errors
/// If the object is smaller than 4 pixels, or `buffer` is negative or not finite.
pub fn nongrid(
    (rows, cols): (usize, usize),
    count: usize,
    buffer: f64,
    seed: u32,
) -> Result<Vec<Position>> {
    let action = "drawing the scan positions";
    if rows.min(cols) < 4 {
        return Err(Error::input(action)
            .at("object")
            .got(format!("{rows} x {cols} pixels"))
            .need("at least 4 x 4"));
    }
    if !(buffer.is_finite() && buffer >= 0.0) {
        return Err(Error::usage(action)
            .at("`buffer`")
            .got(buffer)
            .need("a finite number >= 0"));
    }
    let buffer = effective_buffer(buffer, rows, cols);
    let mut rng = NumpyLegacy::new(seed);
    let mut axis = |side: usize| -> Vec<f64> {
        (0..count)
            .map(|_| rng.uniform(buffer, side as f64 - buffer))
            .collect()
    };
    let (x, y) = (axis(cols), axis(rows));
    Ok(x.into_iter()
        .zip(y)
        .map(|(x, y)| Position::new(x, y))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ptyproof_testkit::compare::non_empty;

    proptest! {
        #[test]
        fn positions_keep_the_margin(h in 4usize..200, w in 4usize..200, buffer in 0.0f64..300.0, seed in 0u32..99) {
            let b = effective_buffer(buffer, h, w);
            for p in non_empty(nongrid((h, w), 50, buffer, seed).unwrap()) {
                prop_assert!(p.x >= b && p.x <= w as f64 - b && p.y >= b && p.y <= h as f64 - b);
            }
        }
    }

    #[test]
    fn nonfinite_margin_is_refused() {
        for b in [f64::NAN, -1.0, f64::INFINITY] {
            assert!(nongrid((64, 64), 1, b, 0).is_err());
        }
    }
}
