use std::io::Cursor;

use proptest::prelude::*;

use super::super::history::tests::any_history;
use super::super::steps::tests::any_steps;
use super::*;
use crate::ground::json::Real;

fn read(text: &str) -> Telemetry {
    Telemetry::read(Cursor::new(text)).unwrap()
}

#[test]
fn python_s_bare_words_are_read_and_named() {
    let t = read(
        "{\"epochs\": [0.0, 1.0, 4.0], \"metrics\": {\"loss\": [1, -Infinity, NaN], \"a-N\": [-1.5,2,3]}}",
    );
    let loss = &t.metrics["loss"];
    assert_eq!(loss.first_nan_value, Some(Real(f64::NEG_INFINITY)));
    assert_eq!(loss.summary.first_nan_step, Some(1));
    assert_eq!(loss.summary.first_nan_epoch, Some(Real(1.0)));
    assert_eq!(t.metrics["a-N"].argmin_epoch, Some(Real(0.0)));
    assert_eq!(t.nan_overview.first.unwrap().metric, "loss");
}

#[test]
fn keras_dumps_are_read_with_and_without_their_frame() {
    let plain = read("{\"loss\": [3, 2, 1], \"val_loss\": [3, 1, 2.9]}");
    assert_eq!(
        (plain.metrics.len(), plain.metrics["loss"].argmin),
        (2, Some(2))
    );
    assert_eq!(plain.metrics["val_loss"].divergence_onset, Some(2));
    assert_eq!(plain.metrics["loss"].divergence_onset, None);
    let framed = read(
        "{\"params\": {\"epochs\": 3, \"x\": [1]}, \"epoch\": [0, 1, 2], \"history\": {\"loss\": [3, 2, NaN]}}",
    );
    assert_eq!(framed.metrics.keys().collect::<Vec<_>>(), ["loss"]);
    assert_eq!(
        framed.metrics["loss"].summary.first_nan_epoch,
        Some(Real(2.0))
    );
    assert_eq!(framed.ignored, ["params"]);
}

#[test]
fn lightning_rows_measure_different_things() {
    let t = read(
        "epoch,step,train_loss_step,val_loss\n0,49,2.5,\n0,99,inf,\n0,99,,1.5\n1,149,nan,\n1,199,,1.25\n",
    );
    let train = &t.metrics["train_loss_step"];
    assert_eq!((train.summary.count, train.missing), (3, 2));
    assert_eq!(train.summary.first_nan_step, Some(99));
    assert_eq!(train.first_nan_value, Some(Real(f64::INFINITY)));
    assert_eq!(t.metrics["val_loss"].argmin_epoch, Some(Real(1.0)));
    assert_eq!(t.missing, 5);
}

#[test]
fn a_loss_that_runs_away_is_found_without_any_nan() {
    // peers: a solver whose loss went 126, 75, 187, 343, 1219
    let t = read("{\"loss\": [126, 75, 187, 343, 1219], \"learning_rate\": [1, 0.1, 1, 1, 1]}");
    assert_eq!(t.metrics["loss"].divergence_onset, Some(2));
    assert_eq!(t.metrics["learning_rate"].divergence_onset, None);
    assert!(!t.nan_overview.has_nan);
}

#[test]
fn a_loss_that_only_wanders_about_its_floor_does_not_diverge() {
    let mut wander = Fold::default();
    (0..999).for_each(|k| wander.push((f64::from(k) * 1.7).sin(), None, None));
    assert_eq!(wander.finish("loss").divergence_onset, None);
}

#[test]
fn what_is_no_history_is_refused_with_its_place() {
    for (text, word) in [
        ("", "empty"),
        ("[1, 2]", "a JSON list"),
        ("{}", "no series"),
        ("{\"loss\": [1, \"two\"]}", "line 1"),
        ("{\"loss\": [1, Nope]}", "line 1"),
        ("{\"loss\": [1, 2", "line 1"),
        ("{\"loss\": [1]} trailing", "line 1"),
        ("epoch,loss\n0,abc\n", "line 2, column loss"),
        ("epoch,loss\n0,1,2\n", "line 2"),
    ] {
        let e = Telemetry::read(Cursor::new(text)).unwrap_err();
        assert!(e.to_string().contains(word), "{text:?}: {e}");
    }
}

proptest! {
    #[test]
    fn the_streamed_summary_is_the_summary(h in any_history()) {
        prop_assume!(!h.metrics.is_empty());
        // a metric named like an index would be taken for one
        prop_assume!(!h.metrics.keys().any(|k| ["epoch", "epochs", "step", "steps"].contains(&k.as_str())));
        let t = read(&h.to_text().unwrap());
        prop_assert_eq!(t.summary(), Summary::of(&h));
    }

    #[test]
    fn step_histories_name_true_steps(steps in any_steps()) {
        prop_assume!(!steps.records.is_empty());
        let t = read(&steps.to_text().unwrap());
        for m in ["loss", "gradient_norm"] {
            prop_assert_eq!(t.metrics[m].summary.first_nan_step, steps.first_bad(m).map(|r| r.step));
        }
    }

    #[test]
    fn no_text_is_worse_than_an_error(text in "[-{}\\[\\]\",:0-9NaInfity\\\\ \n]{0,80}") {
        let _ = Telemetry::read(Cursor::new(text));
    }
}

#[test]
fn a_loss_that_was_least_at_first_diverges_by_a_hundredth_of_itself_and_not_by_noise() {
    let onset = |losses: &[f64]| {
        let mut fold = Fold::default();
        losses.iter().for_each(|&v| fold.push(v, None, None));
        fold.finish("val_loss").divergence_onset
    };
    assert_eq!(onset(&[-4.1127e6, -4.1122e6, -4.1123e6]), None);
    assert_eq!(onset(&[-4.1e6, -4.05e6, -4.0e6]), Some(1));
    assert_eq!(onset(&[1.0, 1.0, 5.0]), Some(1));
}
