use std::io::Cursor;

use proptest::prelude::*;

use super::super::history::tests::any_history;
use super::super::steps::tests::any_steps;
use super::*;
use crate::error::Kind;
use crate::json::Real;
use crate::judgment::Judgment;

fn read(text: &str) -> Telemetry {
    Telemetry::read(Cursor::new(text)).unwrap()
}

#[test]
fn bare_nan_and_infinity_are_read() {
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
fn keras_histories_are_read_with_and_without_wrapper() {
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
fn lightning_rows_may_have_different_metrics() {
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
fn divergence_is_found_without_nan() {
    // peers: a solver whose loss went 126, 75, 187, 343, 1219
    let t = read("{\"loss\": [126, 75, 187, 343, 1219], \"learning_rate\": [1, 0.1, 1, 1, 1]}");
    assert_eq!(t.metrics["loss"].divergence_onset, Some(2));
    assert_eq!(t.metrics["learning_rate"].divergence_onset, None);
    assert!(!t.nan_overview.has_nan);
}

#[test]
fn fluctuation_at_the_minimum_is_not_divergence() {
    let mut wander = Fold::default();
    (0..999).for_each(|k| wander.push((f64::from(k) * 1.7).sin(), None, None));
    assert_eq!(wander.finish("loss").divergence_onset, None);
}

#[test]
fn invalid_history_is_refused_with_its_place() {
    for (text, word) in [
        ("", "empty"),
        ("[1, 2]", "a JSON list"),
        ("{}", "no numeric series"),
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
    fn streamed_summary_equals_the_summary(h in any_history()) {
        prop_assume!(!h.metrics.is_empty());
        // a metric named like an index would be taken for one
        prop_assume!(!h.metrics.keys().any(|k| ["epoch", "epochs", "step", "steps"].contains(&k.as_str())));
        let t = read(&h.to_text().unwrap());
        prop_assert_eq!(t.summary(), Summary::of(&h));
    }

    #[test]
    fn step_history_names_true_steps(steps in any_steps()) {
        prop_assume!(!steps.records.is_empty());
        let t = read(&steps.to_text().unwrap());
        for m in ["loss", "gradient_norm"] {
            prop_assert_eq!(t.metrics[m].summary.first_nan_step, steps.first_bad(m).map(|r| r.step));
        }
    }

    #[test]
    fn arbitrary_text_gives_at_most_an_error(text in "[-{}\\[\\]\",:0-9NaInfity\\\\ \n]{0,80}") {
        let _ = Telemetry::read(Cursor::new(text));
    }
}

#[test]
fn loss_that_never_fell_diverges_above_one_percent() {
    let onset = |losses: &[f64]| {
        let mut fold = Fold::default();
        losses.iter().for_each(|&v| fold.push(v, None, None));
        fold.finish("val_loss").divergence_onset
    };
    assert_eq!(onset(&[-4.1127e6, -4.1122e6, -4.1123e6]), None);
    assert_eq!(onset(&[-4.1e6, -4.05e6, -4.0e6]), Some(1));
    assert_eq!(onset(&[1.0, 1.0, 5.0]), Some(1));
}

fn judged(text: &str) -> Judgment {
    match Telemetry::read(Cursor::new(text)) {
        Ok(t) => t.judgment(),
        Err(e) if e.kind() == Kind::Undecided => Judgment::Undecided,
        Err(e) => panic!("{text}: {e}"),
    }
}

#[test]
fn missing_values_never_pass() {
    use Judgment::{NonFinite, Pass, Undecided};
    for (text, want) in [
        ("{\"loss\": [3, 2, 1]}", Pass),
        // nulls at the end are how some programs write NaN
        ("{\"loss\": [1.0, null, null]}", NonFinite),
        ("{\"loss\": [1.0, null, 2.0, null]}", NonFinite),
        ("{\"loss\": [null, 1.0, null, 2.0, 3.0]}", Pass),
        // more gaps than values
        ("{\"loss\": [1.0, null, null, 2.0, null, 3.0, 4.0]}", Pass),
        ("{\"loss\": [1.0, null, null, null, 2.0]}", Undecided),
        ("{\"loss\": [null, null]}", Undecided),
        ("{\"loss\": []}", Undecided),
        ("{\"loss\": [2, 1], \"val\": []}", Undecided),
        ("{\"loss\": [NaN], \"val\": []}", NonFinite),
        ("{\"a\": 1}", Undecided),
        ("{}", Undecided),
        ("[]", Undecided),
        ("", Undecided),
        // what is no series is not read, but it must be finite
        (
            "{\"loss\": [2, 1], \"final\": 1.0, \"params\": {\"rate\": [1, 2]}}",
            Pass,
        ),
        ("{\"loss\": [2, 1], \"final\": NaN}", NonFinite),
        (
            "{\"loss\": [2, 1], \"params\": {\"rate\": [1, -Infinity]}}",
            NonFinite,
        ),
        ("epoch,loss\n0,1\n1,2\n", Pass),
        ("epoch,loss\n0,1\n1,\n", NonFinite),
        ("epoch,loss\n0,\n1,\n", Undecided),
        ("epoch,loss\n", Undecided),
        ("epoch,step\n0,1\n", Undecided),
        // a trailing comma is no metric, a column without a name is one
        ("loss,\n1,\n2,\n", Pass),
        ("loss,,\n1,NaN,3\n", NonFinite),
    ] {
        assert_eq!(judged(text), want, "{text}");
    }
}

#[test]
fn empty_cell_is_missing_only_beside_its_related_metrics() {
    use Judgment::{NonFinite, Pass};
    for (text, want) in [
        // Lightning: rows of their own
        ("epoch,train,val\n0,2,\n0,,3\n1,1,\n1,,2\n", Pass),
        ("epoch,train,val\n0,2,\n0,,3\n", Pass),
        // pandas writes NaN as nothing
        ("epoch,loss,rate\n0,3,.1\n1,2,.1\n2,,.1\n", NonFinite),
        // Keras validates every second epoch
        (
            "epoch,loss,val\n0,3,NA\n1,2,2\n2,1,NA\n3,1,1\n4,1,NA\n",
            Pass,
        ),
        (
            "epoch,loss,val\n0,3,3\n1,2,\n2,1,1\n3,1,\n4,1,\n5,1,\n",
            NonFinite,
        ),
    ] {
        assert_eq!(judged(text), want, "{text}");
    }
    let t = read("epoch,step,loss,rate\n0,10,3,.1\n1,20,2,.1\n2,30,,.1\n");
    let loss = &t.metrics["loss"];
    assert_eq!(
        (loss.summary.first_nan_step, loss.missing_at_end),
        (Some(30), 1)
    );
    assert_eq!(t.nan_overview.first.unwrap().metric, "loss");
}

#[test]
fn index_counts_earlier_missing_values() {
    let t = read("{\"epochs\": [5, 6, 7, 8], \"loss\": [9, null, NaN, 1]}");
    let loss = &t.metrics["loss"];
    assert_eq!(loss.summary.first_nan_epoch, Some(Real(7.0)));
    assert_eq!((loss.argmin, loss.argmin_epoch), (Some(3), Some(Real(8.0))));
    assert_eq!((t.left_out, t.missing), (1, 1));
}

#[test]
fn series_length_mismatch_is_named() {
    let t = read("{\"epochs\": [0, 1, 2], \"loss\": [3, 2, 1], \"val\": [3, 2]}");
    assert_eq!(t.mismatched, ["val has 2 values, epochs has 3"]);
    assert!(
        read("{\"loss\": [3, null], \"val\": [3, 2]}")
            .mismatched
            .is_empty()
    );
}
