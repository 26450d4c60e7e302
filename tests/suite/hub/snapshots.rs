//! Snapshots of output texts; the numbers are invented.

use ptyproof::json::to_text;
use ptyproof::records::history::History;
use ptyproof::records::steps::{StepHistory, StepRecord};
use ptyproof::records::summary::Summary;
use ptyproof_harness::report::training;

/// Three epochs of two steps; the prediction of step `bad` is infinite, and all is NaN from then on.
fn run(bad: Option<u64>) -> (History, StepHistory) {
    let (mut history, mut steps) = (History::default(), StepHistory::default());
    let broken = |step: u64| bad.is_some_and(|b| step > b);
    let value = |step: u64, v: f64| if broken(step) { f64::NAN } else { v };
    for step in 1..=6u64 {
        let loss = value(step, -1000.0 * step as f64 - 0.123456789);
        let loss = if Some(step) == bad {
            f64::INFINITY
        } else {
            loss
        };
        steps.push(StepRecord {
            step,
            epoch: (step - 1) / 2,
            batch_size: 8,
            loss,
            pred_intensity_loss: loss,
            intensity_scaler_inv_loss: value(step, 10.0 / step as f64),
            learning_rate: 1e-3,
            gradient_norm: if Some(step) == bad {
                f64::NAN
            } else {
                value(step, 5e5)
            },
            update_norm: if Some(step) == bad {
                f64::NAN
            } else {
                value(step, 0.5)
            },
            floored_pixels: if Some(step) == bad { 405 } else { 0 },
            non_finite_prediction: 0,
            non_finite_gradient: if bad.is_some_and(|b| step >= b) {
                2_252_026
            } else {
                0
            },
            non_finite_parameters: if bad.is_some_and(|b| step >= b) {
                2_252_026
            } else {
                0
            },
        });
        if step % 2 == 0 {
            let of = |metric: &str| {
                let c = steps.column(metric).unwrap();
                c[c.len() - 2..].iter().sum::<f64>() / 2.0
            };
            let (loss, mae) = (of("loss"), of("intensity_scaler_inv_loss"));
            let validation = if bad.is_some_and(|b| step >= b) {
                f64::NAN
            } else {
                1.05 * loss
            };
            let values = [
                ("intensity_scaler_inv_loss", mae),
                ("learning_rate", 1e-3),
                ("loss", loss),
                ("train_loss", loss),
                ("val_loss", validation),
            ];
            history.push((step / 2 - 1) as f64, values);
        }
    }
    (history, steps)
}

fn texts(bad: Option<u64>) -> [String; 3] {
    let (history, steps) = run(bad);
    let s = Summary::of_run(&history, &steps);
    let (h, j) = (
        "train_outputs/history.json",
        "train_outputs/history_summary.json",
    );
    let markdown = training::summary(&s, "gs1_ideal", h, j);
    [to_text(&s).unwrap(), markdown, s.warnings().join("\n")]
}

#[test]
fn healthy_run_summary() {
    let [json, markdown, warnings] = texts(None);
    insta::assert_snapshot!("healthy_run_summary", json);
    insta::assert_snapshot!("healthy_run_markdown", markdown);
    assert_eq!(warnings, "");
}

#[test]
fn nonfinite_run_summary() {
    let [json, markdown, warnings] = texts(Some(3));
    insta::assert_snapshot!("nonfinite_run_summary", json);
    insta::assert_snapshot!("nonfinite_run_markdown", markdown);
    insta::assert_snapshot!("nonfinite_run_warnings", warnings);
}

#[test]
fn nonfinite_run_step_history() {
    let text = run(Some(3)).1.to_text().unwrap();
    insta::assert_snapshot!("nonfinite_run_step_history", text);
}
