//! The outcome of a check: one scale for every verdict of this program.
//!
//! *Law.* A check of no values never passes. Of several outcomes the worst counts: `NonFinite` before `Fail` before `Undecided`
//! before `Pass`.

use std::fmt;

use serde::Serialize;

/// The outcome of a check, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgment {
    /// Checked, and passed.
    #[serde(rename = "well")]
    Pass,
    /// Undecided: no value, nothing known, or no trial that ran.
    Undecided,
    /// Checked, and failed: a gate, a limit, a law or a golden does not hold.
    #[serde(rename = "not_well")]
    Fail,
    /// A value is not finite.
    NonFinite,
}

impl Judgment {
    /// The outcome of a condition that was checked on `values` values: undecided for none.
    pub fn holds(condition: bool, values: usize) -> Self {
        match (values, condition) {
            (0, _) => Self::Undecided,
            (_, true) => Self::Pass,
            (_, false) => Self::Fail,
        }
    }

    /// Whether `figure` is at most `bound`: undecided unless it is `known`.
    pub fn at_most(figure: f64, bound: f64, known: bool) -> Self {
        match figure {
            _ if !known => Self::Undecided,
            v if !v.is_finite() => Self::NonFinite,
            v => Self::holds(v <= bound, 1),
        }
    }

    /// The worst of several outcomes; undecided if there is none.
    pub fn worst(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().max().unwrap_or(Self::Undecided)
    }
}

impl fmt::Display for Judgment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "holds",
            Self::Undecided => "UNDECIDED",
            Self::Fail => "FAILS",
            Self::NonFinite => "NOT FINITE",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_values_are_undecided() {
        assert_eq!(Judgment::holds(true, 0), Judgment::Undecided);
        assert_eq!(Judgment::holds(false, 0), Judgment::Undecided);
        assert_eq!(Judgment::holds(true, 1), Judgment::Pass);
        assert_eq!(Judgment::holds(false, 1), Judgment::Fail);
        assert_eq!(Judgment::worst([]), Judgment::Undecided);
    }

    #[test]
    fn unknown_or_nonfinite_figure_never_passes() {
        for v in [0.5, 2.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Judgment::at_most(v, 1.0, false), Judgment::Undecided);
        }
        assert_eq!(Judgment::at_most(1.0, 1.0, true), Judgment::Pass);
        assert_eq!(Judgment::at_most(1.0 + 1e-9, 1.0, true), Judgment::Fail);
        for v in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let found = Judgment::at_most(v, f64::INFINITY, true);
            assert_eq!(found, Judgment::NonFinite);
        }
    }

    #[test]
    fn worst_judgment_wins() {
        use Judgment::{Fail, NonFinite, Pass, Undecided};
        let order = [Pass, Undecided, Fail, NonFinite];
        for (k, worse) in order.into_iter().enumerate() {
            for better in &order[..=k] {
                assert_eq!(Judgment::worst([*better, worse]), worse);
                assert_eq!(Judgment::worst([worse, *better]), worse);
            }
        }
    }
}
