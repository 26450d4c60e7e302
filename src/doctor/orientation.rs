//! The eight orientations of the scan axes: swapped or not, each negated or not.
//!
//! *Law.* They form a group, the symmetries of the square.

use std::fmt;

use serde::Serialize;

use crate::geometry::Position;

/// A change of axes of positions: first `x` and `y` change places, then each is negated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Orientation {
    /// Whether `x` and `y` change places.
    pub swap: bool,
    /// Whether `x` is negated, after that.
    pub negate_x: bool,
    /// Whether `y` is negated, after that.
    pub negate_y: bool,
}

impl Orientation {
    /// Positions as they are.
    pub const IDENTITY: Self = Self::new(false, false, false);

    /// All eight, the identity first; each is followed by its twin.
    pub const ALL: [Self; 8] = [
        Self::IDENTITY,
        Self::new(false, true, true),
        Self::new(false, true, false),
        Self::new(false, false, true),
        Self::new(true, false, false),
        Self::new(true, true, true),
        Self::new(true, true, false),
        Self::new(true, false, true),
    ];

    /// An orientation.
    pub const fn new(swap: bool, negate_x: bool, negate_y: bool) -> Self {
        Self {
            swap,
            negate_x,
            negate_y,
        }
    }

    /// The position in these axes.
    pub fn apply(self, p: Position) -> Position {
        let (x, y) = if self.swap { (p.y, p.x) } else { (p.x, p.y) };
        let sign = |negate: bool, v: f64| if negate { -v } else { v };
        Position::new(sign(self.negate_x, x), sign(self.negate_y, y))
    }

    /// First this, then `next`.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        // a swap carries the signs along
        let (x, y) = if next.swap {
            (self.negate_y, self.negate_x)
        } else {
            (self.negate_x, self.negate_y)
        };
        Self::new(self.swap ^ next.swap, x ^ next.negate_x, y ^ next.negate_y)
    }

    /// The way back.
    #[must_use]
    pub fn inverse(self) -> Self {
        if self.swap {
            Self::new(true, self.negate_y, self.negate_x)
        } else {
            self
        }
    }

    /// The orientation with both axes negated: patterns alone cannot distinguish the two, see [`super`].
    #[must_use]
    pub fn twin(self) -> Self {
        Self::new(self.swap, !self.negate_x, !self.negate_y)
    }
}

impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (x, y) = if self.swap { ("y", "x") } else { ("x", "y") };
        let sign = |negate| if negate { "-" } else { "" };
        write!(
            f,
            "({}{x}, {}{y})",
            sign(self.negate_x),
            sign(self.negate_y)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any() -> impl Strategy<Value = Orientation> {
        (0usize..8).prop_map(|k| Orientation::ALL[k])
    }

    proptest! {
        #[test]
        fn orientations_form_a_group_acting_on_positions(
            a in any(), b in any(), c in any(), x in -9.0f64..9.0, y in -9.0f64..9.0,
        ) {
            let p = Position::new(x, y);
            prop_assert_eq!(a.then(b).apply(p), b.apply(a.apply(p)));
            prop_assert_eq!(a.then(b).then(c), a.then(b.then(c)));
            prop_assert_eq!(a.then(a.inverse()), Orientation::IDENTITY);
            prop_assert_eq!(a.inverse().then(a), Orientation::IDENTITY);
            prop_assert_eq!(a.twin().twin(), a);
            let q = a.twin().apply(p);
            prop_assert_eq!((-q.x, -q.y), (a.apply(p).x, a.apply(p).y));
        }
    }

    #[test]
    fn orientations_are_distinct_and_twins_adjacent() {
        let mut all = Orientation::ALL.to_vec();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 8);
        for pair in Orientation::ALL.chunks_exact(2) {
            assert_eq!(pair[0].twin(), pair[1]);
        }
        assert_eq!(Orientation::new(true, false, true).to_string(), "(y, -x)");
    }
}
