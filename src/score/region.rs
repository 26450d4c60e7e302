//! Where figures are taken: the middle of a scan, where every pixel was lit by several patterns.

use super::fidelity::Region;
use crate::geometry::Position;

/// The bounding rectangle of the centers, less a quarter of a pattern on each side, but never less than half a pattern a
/// side: of centers that all coincide, a quarter more on each. `positions` are in pixels of an image of `[rows,
/// cols]`, which holds the rectangle.
pub fn middle(positions: &[Position], n: usize, [rows, cols]: [usize; 2]) -> Region {
    let axis = |of: fn(&Position) -> f64, size: usize| {
        let all = positions.iter().map(of);
        let low = all.clone().fold(f64::INFINITY, f64::min);
        let high = all.fold(f64::NEG_INFINITY, f64::max);
        let rim = n as f64 / 4.0;
        let rim = ((high - low) / 2.0 - rim).clamp(-rim, rim);
        let (from, to) = (low + rim, high - rim);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "held to the image, whose sides are small"
        )]
        let [from, to] =
            [from.ceil(), to.floor() + 1.0].map(|v| v.clamp(0.0, size as f64) as usize);
        [from.min(size.saturating_sub(1)), to.max(from + 1).min(size)]
    };
    let [top, bottom] = axis(|p| p.y, rows);
    let [left, right] = axis(|p| p.x, cols);
    [top, bottom, left, right]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn central_region_of_wide_and_narrow_scans() {
        let at = |xy: &[[f64; 2]]| -> Vec<Position> {
            xy.iter().map(|p| Position::new(p[0], p[1])).collect()
        };
        let wide = at(&[[20.0, 30.0], [100.0, 90.5]]);
        assert_eq!(middle(&wide, 16, [128, 128]), [34, 87, 24, 97]);
        // as wide as a pattern, and a little more or less: half a pattern
        for separation in [9.0, 16.0, 17.0] {
            let some = at(&[[20.0, 30.0], [20.0 + separation, 30.0]]);
            let [_, _, left, right] = middle(&some, 16, [128, 128]);
            assert!(
                (8..=10).contains(&(right - left)),
                "{separation}: {left} to {right}"
            );
        }
        let one = at(&[[20.0, 30.0]]);
        assert_eq!(middle(&one, 16, [128, 128]), [26, 35, 16, 25]);
        // a rectangle that is not on the image is at its edge, never empty
        let far = at(&[[-1e6, 1e6]]);
        assert_eq!(middle(&far, 16, [128, 100]), [127, 128, 0, 1]);
    }
}
