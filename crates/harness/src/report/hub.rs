//! The verification of a hub, as cases for a CI.

use super::junit::Case;
use ptyproof::hub::verify::Verification;
use ptyproof::judgment::Judgment;

/// A case per problem and per event; one for the whole, which says how much was read.
pub fn cases(found: &Verification) -> Vec<Case> {
    let of = |judgment: Judgment| {
        move |p: &ptyproof::hub::verify::Problem| {
            Case::new(p.file.clone(), judgment, p.what.clone())
        }
    };
    let read = format!("{} files, {} values checked", found.files, found.values);
    let problems = found.problems.iter().map(of(Judgment::Fail));
    let events = found.events.iter().map(of(Judgment::NonFinite));
    problems
        .chain(events)
        .chain([Case::new(
            "the hub is complete and finite",
            found.judgment(),
            read,
        )])
        .collect()
}
