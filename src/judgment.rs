//! How a look at something ended: the one scale on which every verdict of this program lies.
//!
//! *Law.* Nothing looked at is never well. Of several judgments the gravest counts: what is not finite wins over what does not
//! hold, and that over what could not be judged.

use std::fmt;

use serde::Serialize;

/// How a look at something ended, from the best to the gravest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgment {
    /// Looked at, and well.
    Well,
    /// Could not be judged: no value, nothing known, no trial that ran.
    Undecided,
    /// Looked at, and not well: a gate, a limit, a law or a golden does not hold.
    NotWell,
    /// Something is not finite.
    NonFinite,
}

impl Judgment {
    /// Whether a condition holds, of so many values: of none it cannot be judged.
    pub fn holds(condition: bool, values: usize) -> Self {
        match (values, condition) {
            (0, _) => Self::Undecided,
            (_, true) => Self::Well,
            (_, false) => Self::NotWell,
        }
    }

    /// Whether a figure is at most `most`: undecided unless enough is `known` for it.
    pub fn at_most(figure: f64, most: f64, known: bool) -> Self {
        match figure {
            _ if !known => Self::Undecided,
            v if !v.is_finite() => Self::NonFinite,
            v => Self::holds(v <= most, 1),
        }
    }

    /// The gravest of several; undecided if there is none.
    pub fn gravest(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().max().unwrap_or(Self::Undecided)
    }
}

impl fmt::Display for Judgment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Well => "holds",
            Self::Undecided => "UNDECIDED",
            Self::NotWell => "FAILS",
            Self::NonFinite => "NOT FINITE",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_never_well() {
        assert_eq!(Judgment::holds(true, 0), Judgment::Undecided);
        assert_eq!(Judgment::holds(false, 0), Judgment::Undecided);
        assert_eq!(Judgment::holds(true, 1), Judgment::Well);
        assert_eq!(Judgment::holds(false, 1), Judgment::NotWell);
        assert_eq!(Judgment::gravest([]), Judgment::Undecided);
    }

    #[test]
    fn a_figure_that_is_not_known_or_not_finite_is_never_well() {
        for v in [0.5, 2.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Judgment::at_most(v, 1.0, false), Judgment::Undecided);
        }
        assert_eq!(Judgment::at_most(1.0, 1.0, true), Judgment::Well);
        assert_eq!(Judgment::at_most(1.0 + 1e-9, 1.0, true), Judgment::NotWell);
        for v in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let found = Judgment::at_most(v, f64::INFINITY, true);
            assert_eq!(found, Judgment::NonFinite);
        }
    }

    #[test]
    fn the_gravest_counts() {
        use Judgment::{NonFinite, NotWell, Undecided, Well};
        let order = [Well, Undecided, NotWell, NonFinite];
        for (k, worse) in order.into_iter().enumerate() {
            for better in &order[..=k] {
                assert_eq!(Judgment::gravest([*better, worse]), worse);
                assert_eq!(Judgment::gravest([worse, *better]), worse);
            }
        }
    }
}
