//! The training run as people see it: a summary that scripts can diff, and a picture of its curves.
//!
//! *Law.* While everything is finite the text is the reference's form byte for byte, but for what the check mark looked at, which
//! ends its line; otherwise one line more, below the table, names the first event. Nothing looked at has no check mark. What ails a finite training (`verify::health`) follows, if
//! anything does.
//!
//! *Source.* Reference description, section m, and `gs1_ideal_training_summary.md` of its hubs.

use super::markdown::{Table, g6_or_dash, or_dash};
use crate::plot::{Chart, Curve, charts};
use ptyproof::error::Result;
use ptyproof::json::Real;
use ptyproof::records::health::Health;
use ptyproof::records::history::History;
use ptyproof::records::steps::StepHistory;
use ptyproof::records::summary::Summary;
use std::fmt::Write as _;

/// The Markdown of `<scenario>_training_summary.md`; both paths are relative to the hub.
pub fn summary(s: &Summary, scenario: &str, history_path: &str, summary_path: &str) -> String {
    let mut t = String::new();
    let bad: Vec<&str> = s.nan_overview.metrics.keys().map(String::as_str).collect();
    let values: usize = s.metrics.values().map(|m| m.count).sum();
    let empty = s.metrics.iter().filter(|(_, m)| m.count == 0);
    let empty: Vec<&str> = empty.map(|(name, _)| name.as_str()).collect();
    let verdict = if s.nan_overview.has_nan {
        format!(
            "\u{26a0}\u{fe0f} NaN/inf detected in metrics: {}",
            bad.join(", ")
        )
    } else if values == 0 {
        "\u{26a0}\u{fe0f} Undecided: no metric has a value.".into()
    } else if !empty.is_empty() {
        format!(
            "\u{26a0}\u{fe0f} Undecided: metrics without a value: {}",
            empty.join(", ")
        )
    } else {
        let count = s.metrics.len();
        let series = if count == 1 { "metric" } else { "metrics" };
        format!(
            "\u{2705} No NaN/inf detected in training history. Checked {count} {series}, {values} values."
        )
    };
    let _ = write!(
        t,
        "# {scenario} Training Summary\n\n- History JSON: `{history_path}`\n\
         - Summary JSON: `{summary_path}`\n- {verdict}\n\n"
    ); // a String takes every write
    if s.metrics.is_empty() {
        t.push_str("No history metrics were reported for this run.\n");
    } else {
        let heads = [
            "Metric",
            "Last",
            "Min",
            "Max",
            "First NaN Step",
            "First NaN Epoch",
        ];
        let mut table = Table::new(&heads);
        for (name, m) in &s.metrics {
            let number = |v: Option<Real>| g6_or_dash(v.map(Real::get));
            table.row([
                name.clone(),
                number(m.last),
                number(m.min),
                number(m.max),
                or_dash(m.first_nan_step),
                or_dash(m.first_nan_epoch),
            ]);
        }
        t.push_str(table.text());
    }
    if let Some(f) = &s.nan_overview.first {
        let (epoch, step) = (g6_or_dash(f.epoch.map(Real::get)), or_dash(f.step));
        let _ = writeln!(
            t,
            "\nFirst non-finite value: epoch {epoch}, step {step}, metric `{}` ({}).",
            f.metric, f.value
        );
    }
    let ails = s.health.iter().flat_map(Health::warnings);
    for (k, line) in ails.enumerate() {
        let _ = writeln!(t, "{}- {line}", if k == 0 { "\n" } else { "" });
    }
    t
}

/// The picture of a training run: loss per epoch beside loss per optimizer step.
///
/// # Errors
/// None that a history can cause.
pub fn picture(scenario: &str, history: &History, steps: &StepHistory) -> Result<Vec<u8>> {
    let per_epoch = |name: &str, label: &str| {
        let values = history.metrics.get(name)?;
        let x = |k: usize| history.epochs.get(k).map_or(k as f64, |e| *e);
        let points = values.iter().enumerate().map(|(k, &v)| (x(k), v)).collect();
        Some(Curve {
            label: label.into(),
            points,
        })
    };
    let mut all = vec![Chart {
        title: "loss per epoch".into(),
        x: "epoch".into(),
        curves: [
            per_epoch("loss", "training"),
            per_epoch("val_loss", "validation"),
        ]
        .into_iter()
        .flatten()
        .collect(),
    }];
    if !steps.records.is_empty() {
        let points = steps
            .records
            .iter()
            .map(|r| (r.step as f64, r.loss))
            .collect();
        all.push(Chart {
            title: "loss per optimizer step".into(),
            x: "optimizer step".into(),
            curves: vec![Curve {
                label: "batch".into(),
                points,
            }],
        });
    }
    charts(&format!("{scenario}: training history"), &all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ptyproof::records::steps::StepRecord;

    #[test]
    fn finite_history_has_no_warning_line() {
        let mut h = History::default();
        h.push(0.0, [("loss", -3944976.0)]);
        let text = summary(&Summary::of(&h), "gs1", "h.json", "s.json");
        let row = "| loss | -3.94498e+06 | -3.94498e+06 | -3.94498e+06 | \u{2014} | \u{2014} |\n";
        assert!(text.ends_with(row), "{text}");
    }

    #[test]
    fn nonfinite_history_names_epoch_step_and_metric() {
        let mut h = History::default();
        h.push(0.0, [("loss", 1.0)]);
        h.push(1.0, [("loss", f64::NEG_INFINITY)]);
        let text = summary(&Summary::of(&h), "gs1", "h.json", "s.json");
        assert!(text.ends_with(
            "| loss | \u{2014} | \u{2014} | 1 | 1 | 1.0 |\n\n\
             First non-finite value: epoch 1, step 1, metric `loss` (-Infinity).\n"
        ));
    }

    #[test]
    fn empty_history_is_reported() {
        let text = summary(&Summary::default(), "gs1", "h.json", "s.json");
        assert!(text.ends_with("No history metrics were reported for this run.\n"));
    }

    #[test]
    fn any_history_is_drawn() {
        let (mut h, mut s) = (History::default(), StepHistory::default());
        picture("empty", &h, &s).unwrap();
        for (k, loss) in [f64::NAN, f64::INFINITY, 0.0, 1e300]
            .into_iter()
            .enumerate()
        {
            h.push(k as f64, [("loss", loss), ("val_loss", f64::NAN)]);
            s.push(StepRecord {
                step: k as u64 + 1,
                loss,
                ..Default::default()
            });
            picture("any", &h, &s).unwrap();
        }
    }
}
