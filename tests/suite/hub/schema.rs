//! No schema struct turns a number into `null`, whatever the number.

use proptest::prelude::*;
use ptyproof::hub::metadata::{AmplitudeRange, RunMetadata};
use ptyproof::hub::stats::{ArrayStats, OffsetStats, Stats};
use ptyproof::json::{Real, from_text, to_text};
use ptyproof::records::history::History;
use ptyproof::records::steps::{StepHistory, StepRecord};
use ptyproof::records::summary::Summary;
use ptyproof_harness::scenario::Splitting;
use serde::Serialize;
use serde_json::Value;

fn nulls(v: &Value) -> usize {
    match v {
        Value::Null => 1,
        Value::Array(a) => a.iter().map(nulls).sum(),
        Value::Object(o) => o.values().map(nulls).sum(),
        _ => 0,
    }
}

/// How many `null`s the text of `value` has.
fn nulls_of(value: &impl Serialize) -> usize {
    nulls(&from_text(&to_text(value).unwrap()).unwrap())
}

fn steps(v: f64) -> StepHistory {
    let r = StepRecord {
        step: 1,
        loss: v,
        pred_intensity_loss: v,
        intensity_scaler_inv_loss: v,
        learning_rate: v,
        gradient_norm: v,
        update_norm: v,
        ..Default::default()
    };
    StepHistory { records: vec![r] }
}

fn metadata(v: f64) -> RunMetadata {
    let mut m = RunMetadata {
        amp_png_range: AmplitudeRange {
            vmin: Real(v),
            vmax: Real(v),
        },
        buffer: Real(v),
        elapsed_seconds: Real(v),
        nphotons: Real(v),
        probe_scale: Real(v),
        split: Splitting::Halves,
        split_fraction: Real(v),
        ..Default::default()
    };
    m.wall_seconds.insert("train".into(), Real(v));
    m
}

#[test]
fn nan_is_never_written_as_null() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut h = History::default();
        h.push(0.0, [("loss", bad), ("val_loss", bad)]);
        assert_eq!(nulls_of(&h), 0);
        assert_eq!(nulls_of(&steps(bad)), 0);
        assert_eq!(nulls_of(&Summary::of(&h)), 0); // here even the places of the NaN are known
        assert_eq!(nulls_of(&Summary::of_run(&h, &steps(bad))), 0);
        assert_eq!(nulls_of(&metadata(bad)), nulls_of(&metadata(0.0)));
        let a = || ArrayStats::of(&[bad as f32]);
        let s = Stats::new(a(), a(), OffsetStats::of([[0.0; 2]]), 64, 64);
        assert_eq!(nulls_of(&s), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn run_metadata_round_trips(v in any::<f64>()) {
        let text = to_text(&metadata(v)).unwrap();
        prop_assert_eq!(from_text::<RunMetadata>(&text).unwrap(), metadata(v));
        prop_assert_eq!(to_text(&from_text::<RunMetadata>(&text).unwrap()).unwrap(), text);
    }
}
