//! Histories of any program, read in one pass and constant memory.
//!
//! *Forms.* This project's and the reference's `history.json` (bare `NaN` and `Infinity` too), `history_steps.json`, Keras'
//! `History.history` as JSON (with or without its `epoch`, `history` and `params`), and Lightning's `metrics.csv`, where a
//! cell may be empty because its row measured other metrics. JSON is distinguished from CSV by the first character that is
//! not a space.
//!
//! *Conventions.* Of a JSON the index of a value is its place in its list, and `first_nan_step` is that
//! index, as in the reference; where the file numbers its steps (`steps`, or Lightning's `step`), it is
//! the true step. `null`, and in CSV an empty cell or one that says `NA`, `N/A`, `null` or `None`, are missing values: counted, and
//! not part of the series.
//!
//! *Missing at the end.* A list that ends in `null` counts as not finite, because some programs write NaN so. A cell of a
//! CSV is expected if its row measured all metrics that were measured with the last value of its column, or none at all. A
//! column counts as not finite if it ends in more missing expected cells than any gap between two of its values.
//!
//! *Law.* A metric without values and a history without metrics are undecided.

mod csv;
mod json;
mod quote;

pub use super::fold::{Fold, Folded};

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::judgment::Judgment;
use crate::records::summary::{FirstNan, NanOverview, NanPlace, Summary};

/// The summary of a history of any program.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Telemetry {
    /// Per metric: the reference's fields and ours.
    pub metrics: BTreeMap<String, Folded>,
    /// Values that are not finite.
    pub nan_overview: NanOverview,
    /// Missing values (`null`, empty cells) over all metrics.
    pub missing: u64,
    /// Expected but missing values before the end of their metric, which are skipped.
    pub left_out: u64,
    /// Entries of the list that numbers the epochs or steps, and the metric whose list has another length, with that.
    pub mismatched: Vec<String>,
    /// Names of entries that hold no series of numbers.
    pub ignored: Vec<String>,
    /// Those of them in which something is not finite.
    pub ignored_non_finite: Vec<String>,
}

impl Telemetry {
    /// Reads a history of any of the forms; it is read twice if its epochs are in a separate list.
    ///
    /// # Errors
    /// If it cannot be read, or is of none of the forms; the message says where.
    pub fn read(source: impl Read + Seek) -> Result<Self> {
        let mut source = BufReader::with_capacity(1 << 16, source);
        let first = loop {
            let bytes = source.fill_buf().map_err(unreadable)?;
            let Some(&b) = bytes.first() else { break None };
            if !b.is_ascii_whitespace() {
                break Some(b);
            }
            source.consume(1);
        };
        match first {
            None => Err(Error::undecided(ACTION)
                .got("an empty file")
                .need("JSON or CSV with at least one metric")),
            Some(b'{') => {
                source.seek(SeekFrom::Start(0)).map_err(unreadable)?;
                json::read(&mut source)
            }
            Some(b'[') => Err(Error::undecided(ACTION)
                .got("a JSON list")
                .need("an object with a list of numbers per metric")),
            Some(_) => csv::read(&mut source),
        }
    }

    /// The reference's summary: its fields and no others.
    pub fn summary(&self) -> Summary {
        let of = |(name, m): (&String, &Folded)| (name.clone(), m.summary.clone());
        Summary {
            metrics: self.metrics.iter().map(of).collect(),
            nan_overview: self.nan_overview.clone(),
            health: None,
        }
    }

    /// The outcome of its check.
    pub fn judgment(&self) -> Judgment {
        let aside = (!self.ignored_non_finite.is_empty()).then_some(Judgment::NonFinite);
        Judgment::worst(self.metrics.values().map(Folded::judgment).chain(aside))
    }

    /// Values looked at.
    pub fn values(&self) -> usize {
        self.metrics.values().map(|m| m.summary.count).sum()
    }

    fn of(folds: BTreeMap<String, Fold>, ignored: Vec<String>) -> Result<Self> {
        if folds.is_empty() {
            return Err(Error::undecided(ACTION)
                .got("no numeric series")
                .need("at least one metric"));
        }
        let mut t = Self {
            ignored,
            missing: folds.values().map(|f| f.missing).sum(),
            left_out: folds.values().map(Fold::left_out).sum(),
            ..Self::default()
        };
        let mut first: Option<((u64, usize), FirstNan)> = None;
        for (name, fold) in folds {
            let folded = fold.finish(&name);
            if let Some(value) = folded.first_nan_value {
                let m = &folded.summary;
                let place = NanPlace {
                    first_nan_epoch: m.first_nan_epoch,
                    first_nan_step: m.first_nan_step,
                };
                t.nan_overview.metrics.insert(name.clone(), place);
                let when = (
                    m.first_nan_step.unwrap_or(u64::MAX),
                    crate::records::summary::order(&name),
                );
                if first.as_ref().is_none_or(|(at, _)| when < *at) {
                    let (epoch, step) = (m.first_nan_epoch, m.first_nan_step);
                    let metric = name.clone();
                    first = Some((
                        when,
                        FirstNan {
                            metric,
                            epoch,
                            step,
                            value,
                        },
                    ));
                }
            }
            t.metrics.insert(name, folded);
        }
        t.nan_overview.has_nan = first.is_some();
        t.nan_overview.first = first.map(|(_, f)| f);
        Ok(t)
    }
}

const ACTION: &str = "reading a history";

fn unreadable(e: std::io::Error) -> Error {
    Error::input(ACTION).because(e)
}

#[cfg(test)]
mod tests;
