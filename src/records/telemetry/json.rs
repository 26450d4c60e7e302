//! Lists of numbers in JSON, summarized while parsing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{BufRead, Seek, SeekFrom};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::quote::Quoted;
use super::{ACTION, Fold, Telemetry, unreadable};
use crate::error::{Error, Result};
use crate::json::{Real, tagged};

/// Keys of objects whose lists are metrics; others (Keras' `params`) are not looked into.
const FOLDERS: [&str; 3] = ["metrics", "history", "columns"];

pub(super) fn read(source: &mut (impl BufRead + Seek)) -> Result<Telemetry> {
    let mut all = Lists::default();
    parse(
        &mut *source,
        Entry {
            lists: &mut all,
            path: Vec::new(),
        },
    )?;
    let mut lists = all.folds;
    // epoch and step numbers are in separate lists: only those of the kept places are read
    let mut wanted: BTreeSet<u64> = lists.values_mut().flat_map(Fold::places).collect();
    wanted.insert(0);
    if all.epochs || all.steps {
        source.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        let mut picked = Lists {
            wanted: Some(wanted),
            ..Lists::default()
        };
        parse(
            &mut *source,
            Entry {
                lists: &mut picked,
                path: Vec::new(),
            },
        )?;
        for fold in lists.values_mut() {
            if all.epochs {
                fold.name_epochs(|k| picked.epoch_at.get(&k).copied());
            }
            if all.steps {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "steps count"
                )]
                fold.name_steps(|k| {
                    let step = picked.step_at.get(&k).filter(|s| **s >= 0.0);
                    step.map(|&s| s as u64)
                });
            }
        }
    }
    let mismatched = mismatched(&lists, all.numbered);
    let found = Telemetry::of(lists, all.ignored)?;
    Ok(Telemetry {
        ignored_non_finite: all.bad,
        mismatched,
        ..found
    })
}

/// Series that have another length than the list that numbers them, or, without one, than the longest.
fn mismatched(lists: &BTreeMap<String, Fold>, numbered: Option<(String, u64)>) -> Vec<String> {
    let length = |f: &Fold| f.count + f.missing;
    let longest = || {
        let most = lists.iter().max_by_key(|(_, f)| length(f))?;
        Some((most.0.clone(), length(most.1)))
    };
    let Some((of, want)) = numbered.or_else(longest) else {
        return Vec::new();
    };
    (lists.iter())
        .filter(|(_, f)| length(f) != want)
        .map(|(name, f)| format!("{name} has {} values, {of} has {want}", length(f)))
        .collect()
}

fn parse<R: BufRead>(source: R, entry: Entry<'_>) -> Result<()> {
    let mut parser = serde_json::Deserializer::from_reader(Quoted::new(source));
    let done = entry.deserialize(&mut parser).and_then(|()| parser.end());
    done.map_err(|e| {
        Error::input(ACTION)
            .at(format!("line {}, column {}", e.line(), e.column()))
            .because(e)
    })
}

#[derive(Default)]
struct Lists {
    folds: BTreeMap<String, Fold>,
    ignored: Vec<String>,
    /// Those of them in which something is not finite.
    bad: Vec<String>,
    /// Whether the file numbers its epochs, and its steps, in lists of their own.
    epochs: bool,
    steps: bool,
    /// The longer of those lists.
    numbered: Option<(String, u64)>,
    /// Of a second reading: the indices to keep, and what was found there.
    wanted: Option<BTreeSet<u64>>,
    epoch_at: BTreeMap<u64, f64>,
    step_at: BTreeMap<u64, f64>,
}

/// A value under `path`.
struct Entry<'a> {
    lists: &'a mut Lists,
    path: Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> std::result::Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl Entry<'_> {
    /// Skips what is not a list of numbers, and records whether it is finite.
    fn ignore(self, finite: bool) {
        if let Some(name) = self.path.last() {
            self.lists.ignored.push(name.clone());
            if !finite {
                self.lists.bad.push(name.clone());
            }
        }
    }
}

impl<'de> Visitor<'de> for Entry<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a list of numbers per metric")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        let into = self
            .path
            .last()
            .is_none_or(|p| FOLDERS.contains(&p.as_str()));
        if !into || self.path.len() > 1 {
            self.ignore(FiniteVisitor.visit_map(map)?.0);
            return Ok(());
        }
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                let twice = format!("the key {key:?} twice");
                return Err(serde::de::Error::custom(twice));
            }
            let mut path = self.path.clone();
            path.push(key);
            map.next_value_seed(Entry {
                lists: self.lists,
                path,
            })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<(), A::Error> {
        let name = self.path.last().cloned().unwrap_or_default();
        let lists = self.lists;
        let numbers = match name.as_str() {
            "epochs" | "epoch" => Some(&mut lists.epoch_at),
            "steps" | "step" => Some(&mut lists.step_at),
            _ => None,
        };
        if let Some(numbers) = numbers {
            let mut k = 0;
            while let Some(v) = seq.next_element::<Option<Real>>()? {
                if let (Some(v), Some(wanted)) = (v, &lists.wanted)
                    && wanted.contains(&k)
                {
                    numbers.insert(k, v.0);
                }
                k += 1;
            }
            if lists.numbered.as_ref().is_none_or(|(_, n)| *n < k) {
                lists.numbered = Some((name.clone(), k));
            }
            if name.starts_with("epoch") {
                lists.epochs = true;
            } else {
                lists.steps = true;
            }
            return Ok(());
        }
        if lists.wanted.is_some() {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        if lists.folds.contains_key(&name) {
            let twice = format!("the series {name:?} twice");
            return Err(serde::de::Error::custom(twice));
        }
        let fold = lists.folds.entry(name).or_default();
        while let Some(v) = seq.next_element::<Option<Real>>()? {
            match v {
                Some(v) => fold.push(v.0, None, None),
                None => fold.missing(None, None),
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<(), E> {
        self.ignore(true);
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<(), E> {
        self.ignore(true);
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<(), E> {
        self.ignore(true);
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<(), E> {
        self.ignore(true);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<(), E> {
        self.ignore(tagged(text).is_none());
        Ok(())
    }

    fn visit_unit<E>(self) -> std::result::Result<(), E> {
        self.ignore(true);
        Ok(())
    }
}

/// Whether every number of a value is finite, whatever its form.
struct Finite(bool);

impl<'de> serde::Deserialize<'de> for Finite {
    fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        d.deserialize_any(FiniteVisitor)
    }
}

struct FiniteVisitor;

impl<'de> Visitor<'de> for FiniteVisitor {
    type Value = Finite;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Finite, A::Error> {
        let mut finite = true;
        while let Some((_, part)) = map.next_entry::<IgnoredAny, Finite>()? {
            finite &= part.0;
        }
        Ok(Finite(finite))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Finite, A::Error> {
        let mut finite = true;
        while let Some(part) = seq.next_element::<Finite>()? {
            finite &= part.0;
        }
        Ok(Finite(finite))
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<Finite, E> {
        Ok(Finite(true))
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<Finite, E> {
        Ok(Finite(true))
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<Finite, E> {
        Ok(Finite(true))
    }

    fn visit_f64<E>(self, v: f64) -> std::result::Result<Finite, E> {
        Ok(Finite(v.is_finite()))
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Finite, E> {
        Ok(Finite(tagged(text).is_none()))
    }

    fn visit_unit<E>(self) -> std::result::Result<Finite, E> {
        Ok(Finite(true))
    }
}
