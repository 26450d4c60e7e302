//! Lightning's `metrics.csv`: a row per event, a cell empty where the event measured something else.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use super::{ACTION, Fold, Telemetry};
use crate::error::{Error, Result};

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
            .got("no names of columns")
            .need("JSON, or CSV with a header"));
    }
    let mut seen = BTreeSet::new();
    for (k, name) in heads.iter().enumerate() {
        // columns without a name are what a trailing comma leaves
        if !name.is_empty() && !seen.insert(name) {
            return Err(Error::input(ACTION)
                .at(format!("line 1, column {}", k + 1))
                .got(format!("{name:?} a second time"))
                .need("a name of its own for each column"));
        }
    }
    let column = |name: &str| heads.iter().position(|h| h == name);
    let (epoch_at, step_at) = (column("epoch"), column("step"));
    let mut folds: BTreeMap<usize, Fold> = (0..heads.len())
        .filter(|&k| Some(k) != epoch_at && Some(k) != step_at)
        .map(|k| (k, Fold::default()))
        .collect();
    let mut row = csv::StringRecord::new();
    let mut rows = 0;
    while reader.read_record(&mut row).map_err(wrong)? {
        rows += 1;
        let line = row.position().map_or(0, csv::Position::line);
        let number = |k: usize| -> Result<Option<f64>> {
            let cell = row.get(k).unwrap_or_default();
            if cell.is_empty() {
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
        for (&k, fold) in &mut folds {
            match number(k)? {
                Some(v) => fold.push(v, epoch, step),
                None => fold.skip(),
            }
        }
    }
    if rows == 0 {
        return Err(Error::input(ACTION)
            .got("one line, and nothing below it")
            .need("JSON, or CSV with a header and rows"));
    }
    let named = folds.into_iter().map(|(k, fold)| (heads[k].clone(), fold));
    Telemetry::of(named.collect(), Vec::new())
}
