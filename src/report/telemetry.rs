//! A history from anywhere as people see it: the reference's page, and what it does not say.
//!
//! *Law.* The page begins with the reference's summary, byte for byte.

use super::markdown::{Table, g6_or_dash, or_dash};
use super::training;
use crate::ground::json::Real;
use crate::verify::telemetry::Telemetry;
use std::fmt::Write as _;

/// The Markdown of a history called `name`; `history_path` and `summary_path` are quoted as given.
pub fn page(t: &Telemetry, name: &str, history_path: &str, summary_path: &str) -> String {
    let mut text = training::summary(&t.summary(), name, history_path, summary_path);
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
    let diverged: Vec<&str> = (t.metrics.iter())
        .filter(|(_, m)| m.divergence_onset.is_some())
        .map(|(name, _)| name.as_str())
        .collect();
    if !diverged.is_empty() {
        let _ = writeln!(
            text,
            "\n\u{26a0}\u{fe0f} The minimum was left behind in: {}.",
            diverged.join(", ")
        );
    }
    if !t.ignored.is_empty() {
        let _ = writeln!(
            text,
            "\nNot a series, and not read: {}.",
            t.ignored.join(", ")
        );
    }
    text
}
