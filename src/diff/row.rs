//! Comparison of the values of two JSON files; the entries of one array form one row.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::schema::{Class, class};
use super::side::{Leaf, Side, Values};
use super::tolerance::{Step, Tolerances, written};
use crate::json::Real;
use crate::judgment::Judgment;

/// The verdict of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Equal, or different by an allowed amount.
    Agrees,
    /// Not compared, or different by design.
    Noted,
    /// There is nothing to compare.
    Undecided,
    /// The difference exceeds the tolerance.
    Differs,
    /// Not finite in both: a golden must state that explicitly.
    NotFinite,
    /// Finite in one and not in the other.
    NonFinite,
}

/// One quantity.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The file, relative to the hub.
    pub file: String,
    /// The places in it, entries as `[*]`.
    pub place: String,
    /// The outcome.
    pub verdict: Verdict,
    /// Places compared.
    pub compared: usize,
    /// Places outside the tolerance.
    pub different: usize,
    /// The worst place.
    pub at: String,
    /// The value of the first hub.
    pub a: String,
    /// The value of the second hub.
    pub b: String,
    /// The difference in units of the allowed difference.
    pub excess: Real,
    /// The largest distance of two numbers of the row.
    pub widest: Real,
    /// Why it is noted, or the rule that allowed it.
    pub reason: String,
}

impl Verdict {
    /// The verdict as a [`Judgment`]; noted rows are not gated.
    pub fn judgment(self) -> Judgment {
        match self {
            Self::Agrees | Self::Noted => Judgment::Pass,
            Self::Undecided => Judgment::Undecided,
            Self::Differs => Judgment::Fail,
            Self::NotFinite | Self::NonFinite => Judgment::NonFinite,
        }
    }
}

impl Row {
    /// Number of compared values: 0 for a row that is only noted or about a file.
    pub fn values(&self) -> usize {
        let compared = !self.place.is_empty() && self.verdict != Verdict::Noted;
        if compared { self.compared } else { 0 }
    }
}

/// The comparison of one place.
pub(super) struct Point {
    pub(super) verdict: Verdict,
    pub(super) excess: f64,
    pub(super) reason: String,
}

impl Point {
    fn new(verdict: Verdict, excess: f64, reason: impl Into<String>) -> Self {
        Self {
            verdict,
            excess,
            reason: reason.into(),
        }
    }
}

/// Why a place may be in one hub alone.
pub(super) const BY_DESIGN: &str = "only one of the two programs writes it";

/// The rows of a JSON file that both have.
pub(super) fn rows(file: &str, sides: [&Side; 2], tolerances: &Tolerances) -> Vec<Row> {
    let [a, b] = sides.map(|s| s.values.get(file));
    let (Some(a), Some(b)) = (a, b) else {
        return Vec::new();
    };
    let own = sides.iter().all(|s| s.own);
    let places: BTreeSet<&Vec<Step>> = a.keys().chain(b.keys()).collect();
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for place in places {
        let (p, q) = (a.get(place), b.get(place));
        // a list that both programs write has one length
        let shorter =
            (p.is_some() != q.is_some()) && is_longer(place, if p.is_some() { b } else { a });
        let point = point(file, place, [p, q], own, shorter, tolerances);
        let name = written(place, true);
        let row = rows.entry(name.clone()).or_insert_with(|| Row {
            file: file.into(),
            place: name,
            verdict: Verdict::Agrees,
            compared: 0,
            different: 0,
            at: String::new(),
            a: String::new(),
            b: String::new(),
            excess: Real(0.0),
            widest: Real(0.0),
            reason: String::new(),
        });
        row.compared += 1;
        if let (Some(x), Some(y)) = (p.and_then(Leaf::number), q.and_then(Leaf::number)) {
            row.widest = Real(row.widest.get().max((x - y).abs()));
        }
        row.different += usize::from(point.verdict >= Verdict::Differs);
        let worse = (point.verdict, point.excess) > (row.verdict, row.excess.get());
        if row.at.is_empty() || worse {
            let show = |l: Option<&Leaf>| l.map_or("absent".into(), ToString::to_string);
            row.at = written(place, false);
            (row.a, row.b) = (show(p), show(q));
            row.excess = Real(point.excess);
            row.verdict = row.verdict.max(point.verdict);
            row.reason = point.reason;
        }
    }
    rows.into_values().collect()
}

/// Whether a place is an entry of a list of numbers that the other file has too, and that is shorter there.
fn is_longer(place: &[Step], other: &Values) -> bool {
    let Some((Step::Entry(_), list)) = place.split_last() else {
        return false;
    };
    let first = [list, &[Step::Entry(0)]].concat();
    other.get(&first).is_some_and(|l| l.number().is_some())
}

fn point(
    file: &str,
    place: &[Step],
    leaves: [Option<&Leaf>; 2],
    own: bool,
    shorter: bool,
    tolerances: &Tolerances,
) -> Point {
    if let Class::Volatile(why) = class(file, place) {
        return Point::new(Verdict::Noted, 0.0, format!("volatile: {why}"));
    }
    let rule = tolerances.rule(file, place);
    if let Some(r) = rule.filter(|r| r.ignore) {
        return Point::new(Verdict::Noted, 0.0, &r.reason);
    }
    let (Some(p), Some(q)) = (leaves[0], leaves[1]) else {
        return if own || shorter {
            Point::new(Verdict::Differs, f64::INFINITY, "in one hub only")
        } else {
            Point::new(Verdict::Noted, 0.0, BY_DESIGN)
        };
    };
    let reason = rule.map_or("", |r| r.reason.as_str());
    let (Some(x), Some(y)) = (p.number(), q.number()) else {
        return if p == q {
            Point::new(Verdict::Agrees, 0.0, reason)
        } else {
            Point::new(Verdict::Differs, f64::INFINITY, reason)
        };
    };
    if rule.is_none() && matches!((p, q), (Leaf::Whole(_), Leaf::Whole(_))) {
        return if p == q {
            Point::new(Verdict::Agrees, 0.0, reason)
        } else {
            Point::new(Verdict::Differs, f64::INFINITY, reason)
        };
    }
    numbers(file, place, [x, y], tolerances)
}

/// The comparison of two numbers at a place.
pub(super) fn numbers(
    file: &str,
    place: &[Step],
    [x, y]: [f64; 2],
    tolerances: &Tolerances,
) -> Point {
    let rule = tolerances.rule(file, place);
    let reason = rule.map_or("", |r| r.reason.as_str());
    if rule.is_some_and(|r| r.ignore) {
        return Point::new(Verdict::Noted, 0.0, reason);
    }
    if !(x.is_finite() && y.is_finite()) {
        let same = x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan());
        return match same {
            true if tolerances.nan_as_golden => Point::new(Verdict::Agrees, 0.0, reason),
            true => Point::new(Verdict::NotFinite, f64::INFINITY, "not finite in both hubs"),
            false => Point::new(Verdict::NonFinite, f64::INFINITY, "finite in one hub only"),
        };
    }
    let excess = match rule {
        Some(r) => match (r.band, r.allowed) {
            (Some([low, high]), _) => {
                beyond([low.get(), high.get()], x).max(beyond([low.get(), high.get()], y))
            }
            (None, Some(allowed)) => allowed.excess(x, y),
            (None, None) => tolerances.numbers.excess(x, y),
        },
        None => tolerances.numbers.excess(x, y),
    };
    let verdict = if excess <= 1.0 {
        Verdict::Agrees
    } else {
        Verdict::Differs
    };
    Point::new(verdict, excess, reason)
}

/// The distance from the center of a band in units of half its width; at most 1 is inside.
fn beyond([low, high]: [f64; 2], v: f64) -> f64 {
    let away = (v - low.midpoint(high)).abs();
    if (low..=high).contains(&v) {
        // nothing in the middle of a band without width
        if away == 0.0 {
            0.0
        } else {
            (2.0 * away / (high - low)).min(1.0)
        }
    } else {
        (2.0 * away / (high - low)).max(1.0f64.next_up())
    }
}
