//! A history from anywhere as people see it: the reference's page, and what it does not say.
//!
//! *Law.* The page begins with the summary of a training, as the hub has it.

use super::junit::Case;
use super::markdown::{Table, g6_or_dash, or_dash};
use super::training;
use ptyproof::json::Real;
use ptyproof::judgment::Judgment;
use ptyproof::records::telemetry::{Folded, Telemetry};
use std::fmt::Write as _;

/// The Markdown of a history called `name`; `history_path` and `summary_path` are quoted as given.
pub fn page(t: &Telemetry, name: &str, history_path: &str, summary_path: &str) -> String {
    let mut text = training::summary(&t.summary(), name, history_path, summary_path);
    if t.judgment() != Judgment::Pass {
        // finite metrics are no check mark where something else is wrong
        let mark = "\u{2705} No NaN/inf detected in training history.";
        let no_mark =
            "\u{26a0}\u{fe0f} The metrics are finite, but there are other problems: see below.";
        text = text.replacen(mark, no_mark, 1);
    }
    let mut table = Table::new(&[
        "Metric",
        "Count",
        "Missing",
        "Min At",
        "Min Epoch",
        "Diverges From",
        "Epoch",
        "First Non-Finite",
    ]);
    for (name, m) in &t.metrics {
        let real = |v: Option<Real>| g6_or_dash(v.map(Real::get));
        table.row([
            name.clone(),
            m.summary.count.to_string(),
            m.missing.to_string(),
            or_dash(m.argmin),
            real(m.argmin_epoch),
            or_dash(m.divergence_onset),
            real(m.divergence_onset_epoch),
            or_dash(m.first_nan_value),
        ]);
    }
    let _ = write!(text, "\n## Course\n\n{}", table.text()); // a String takes every write
    let of = |which: &dyn Fn(&Folded) -> bool| -> Vec<&str> {
        let chosen = t.metrics.iter().filter(|(_, m)| which(m));
        chosen.map(|(name, _)| name.as_str()).collect()
    };
    let diverged = of(&|m| m.divergence_onset.is_some());
    warn(&mut text, "Diverged:", &diverged);
    let ends: Vec<String> = (t.metrics.iter())
        .filter(|(_, m)| m.missing_at_end > 0)
        .map(|(name, m)| format!("{name} ({})", m.missing_at_end))
        .collect();
    let what = "Missing values at the end, which count as not finite";
    warn(&mut text, what, &ends);
    if t.left_out > 0 {
        let _ = writeln!(
            text,
            "\nMissing values before the end of a metric were skipped: {}.",
            t.left_out
        );
    }
    let mostly = of(&|m| m.summary.count > 0 && m.left_out > m.summary.count as u64);
    let what = "Too many missing values to judge: more than the values present";
    warn(&mut text, what, &mostly);
    let what = "Single numbers that are not finite";
    warn(&mut text, what, &t.ignored_non_finite);
    for line in &t.mismatched {
        warn(&mut text, "Series of different lengths", &[line]);
    }
    if !t.ignored.is_empty() {
        let _ = writeln!(
            text,
            "\nIgnored because they are not series: {}.",
            t.ignored.join(", ")
        );
    }
    text
}

/// A line of warning about these, if there are any.
fn warn<S: AsRef<str>>(text: &mut String, what: &str, about: &[S]) {
    if !about.is_empty() {
        let about: Vec<&str> = about.iter().map(AsRef::as_ref).collect();
        let _ = writeln!(text, "\n\u{26a0}\u{fe0f} {what}: {}.", about.join(", "));
    }
}

/// A case per metric of a history called `name`.
pub fn cases(name: &str, t: &Telemetry) -> Vec<Case> {
    (t.metrics.iter())
        .map(|(metric, m)| {
            let s = &m.summary;
            let says = match (s.has_nan, s.count) {
                (true, _) => format!(
                    "not finite from step {} on: {}; {} missing at its end",
                    or_dash(s.first_nan_step),
                    or_dash(m.first_nan_value),
                    m.missing_at_end
                ),
                (false, 0) => "no value".to_owned(),
                (false, n) => format!("{n} values, {} missing", m.missing),
            };
            Case::new(format!("{name}: {metric}"), m.judgment(), says)
        })
        .collect()
}
