//! Positions of a format that gives them no origin.

use crate::geometry::Position;

/// Pixels left free between the object's edge and the first patch, where a format has no object:
/// room for the refinement of positions.
const OBJECT_MARGIN_PX: f64 = 2.0;

/// Moves positions so that the first patch of `side` begins [`OBJECT_MARGIN_PX`] pixels inside the object, and
/// notes it.
pub(super) fn settle(positions: &mut [Position], side: usize, notes: &mut Vec<String>) {
    let finite = || positions.iter().filter(|p| p.is_finite());
    let low = |of: fn(&Position) -> f64| finite().map(of).fold(f64::INFINITY, f64::min);
    let (x, y) = (low(|p| p.x), low(|p| p.y));
    if !(x.is_finite() && y.is_finite()) {
        return; // the check of the data set reports which is not finite
    }
    let first = side as f64 / 2.0 + OBJECT_MARGIN_PX;
    for p in positions {
        p.x = p.x - x + first;
        p.y = p.y - y + first;
    }
    notes.push(format!(
        "the file has no origin of the positions: they were shifted so that the smallest x and y are {first} pixels"
    ));
}
