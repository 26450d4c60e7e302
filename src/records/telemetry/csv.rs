//! `metrics.csv` of Lightning: a row per event, with empty cells for metrics that the event did not measure.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use super::{ACTION, Fold, Telemetry};
use crate::error::{Error, Result};

/// Contents of a cell without a value.
const MISSING: [&str; 5] = ["", "NA", "N/A", "null", "None"];

/// A set of columns.
#[derive(Debug, Clone, Default, PartialEq)]
struct Columns(Vec<u64>);

impl Columns {
    fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn add(&mut self, k: usize) {
        self.0[k / 64] |= 1 << (k % 64);
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|w| *w == 0)
    }
}

/// When a value of a column is due.
#[derive(Debug, Clone, Default)]
struct Due {
    /// The columns that were measured with its last value, itself among them; none before the first.
    with: Columns,
}

impl Due {
    /// Whether a row that measured so much, and not column `k`, should have measured it.
    fn is_due(&self, k: usize, measured: &Columns) -> bool {
        if self.with.is_empty() {
            return measured.is_empty();
        }
        let mut others = self.with.clone();
        others.0[k / 64] &= !(1 << (k % 64));
        let all = others.0.iter().zip(&measured.0).all(|(o, m)| o & m == *o);
        measured.is_empty() || (all && !others.is_empty())
    }
}

pub(super) fn read(source: impl Read) -> Result<Telemetry> {
    let wrong = |e: csv::Error| {
        let line = e.position().map_or(1, csv::Position::line);
        Error::input(ACTION).at(format!("line {line}")).because(e)
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(source);
    let heads: Vec<String> = reader
        .headers()
        .map_err(wrong)?
        .iter()
        .map(str::to_owned)
        .collect();
    if heads.iter().all(|h| h.parse::<f64>().is_ok()) {
        return Err(Error::input(ACTION)
            .at("line 1")
            .got("no column names")
            .need("JSON, or CSV with a header"));
    }
    let mut seen = BTreeSet::new();
    for (k, name) in heads.iter().enumerate() {
        // columns without a name are what a trailing comma leaves
        if !name.is_empty() && !seen.insert(name) {
            return Err(Error::input(ACTION)
                .at(format!("line 1, column {}", k + 1))
                .got(format!("{name:?} twice"))
                .need("a different name for each column"));
        }
    }
    let columns = heads.len();
    let column = |name: &str| heads.iter().position(|h| h == name);
    let (epoch_at, step_at) = (column("epoch"), column("step"));
    let mut folds: BTreeMap<usize, Fold> = (0..heads.len())
        .filter(|&k| Some(k) != epoch_at && Some(k) != step_at)
        .map(|k| (k, Fold::default()))
        .collect();
    let mut due: Vec<Due> = vec![Due::default(); columns];
    let mut row = csv::StringRecord::new();
    let mut rows = 0;
    let mut values: Vec<Option<f64>> = vec![None; columns];
    while reader.read_record(&mut row).map_err(wrong)? {
        rows += 1;
        let line = row.position().map_or(0, csv::Position::line);
        let number = |k: usize| -> Result<Option<f64>> {
            let cell = row.get(k).unwrap_or_default();
            if MISSING.contains(&cell) {
                return Ok(None);
            }
            cell.parse().map(Some).map_err(|_| {
                Error::input(ACTION)
                    .at(format!("line {line}, column {}", heads[k]))
                    .got(format!("{cell:?}"))
                    .need("a number, or nothing")
            })
        };
        let epoch = epoch_at.map(number).transpose()?.flatten();
        let step = step_at.map(number).transpose()?.flatten();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked"
        )]
        let step = step
            .filter(|s| *s >= 0.0 && s.fract() == 0.0)
            .map(|s| s as u64);
        let mut measured = Columns::new(columns);
        for &k in folds.keys() {
            values[k] = number(k)?;
            if values[k].is_some() {
                measured.add(k);
            }
        }
        for (&k, fold) in &mut folds {
            match values[k] {
                Some(v) => {
                    fold.push(v, epoch, step);
                    due[k].with.clone_from(&measured);
                }
                None if due[k].is_due(k, &measured) => fold.missing(epoch, step),
                None => fold.skip(),
            }
        }
    }
    if rows == 0 {
        return Err(Error::undecided(ACTION)
            .got("a header without rows")
            .need("JSON, or CSV with a header and rows"));
    }
    for fold in folds.values_mut() {
        fold.ignore_missing(fold.gap());
    }
    // what a trailing comma leaves is no metric; a column without a name that has values is one
    let named = folds.into_iter().filter_map(|(k, fold)| {
        let name = match heads[k].as_str() {
            "" if fold.count == 0 => return None,
            "" => format!("column {}", k + 1),
            name => name.to_owned(),
        };
        Some((name, fold))
    });
    Telemetry::of(named.collect(), Vec::new())
}
