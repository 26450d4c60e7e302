//! Our summaries of the histories of the reference equal its own, byte for byte.

use super::reference_hubs;
use ptyproof::hub::metadata::RunMetadata;
use ptyproof::hub::stats::Stats;
use ptyproof::json::{from_text, to_text};
use ptyproof::records::history::History;
use ptyproof::records::summary::Summary;
use ptyproof::records::telemetry::Telemetry;
use ptyproof_harness::report::training;
use serde_json::Value;
use std::fs;
use std::path::Path;

const HUB: &str = "2026-01-20T071800Z";

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn summaries_match_the_reference() {
    let Some(hubs) = reference_hubs("summaries") else {
        return;
    };
    for scenario in ["gs1_ideal", "gs2_ideal"] {
        let dir = hubs.join(HUB).join(scenario).join("train_outputs");
        let stored = read(&dir.join("history_summary.json"));
        let history = History::from_text(&read(&dir.join("history.json"))).unwrap();
        let ours = Summary::of(&history);
        assert_eq!(ours, from_text::<Summary>(&stored).unwrap(), "{scenario}");
        assert_eq!(to_text(&ours).unwrap(), stored, "{scenario}");
        let file = fs::File::open(dir.join("history.json")).unwrap();
        let streamed = Telemetry::read(file).unwrap().summary();
        assert_eq!(to_text(&streamed).unwrap(), stored, "{scenario}, streamed");
    }
}

#[test]
fn reference_histories_round_trip_byte_for_byte() {
    let Some(hubs) = reference_hubs("histories") else {
        return;
    };
    for path in [
        "2026-01-20T071800Z/gs1_ideal/train_outputs/history.json",
        "2026-01-20T071800Z/gs2_ideal/train_outputs/history.json",
        "2026-01-20T113000Z/gs1_ideal/train_outputs/history.json",
    ] {
        let text = read(&hubs.join(path));
        assert_eq!(
            History::from_text(&text).unwrap().to_text().unwrap(),
            text,
            "{path}"
        );
    }
}

#[test]
fn reference_json_round_trips_byte_for_byte() {
    let Some(hubs) = reference_hubs("rewriting") else {
        return;
    };
    let (mut stack, mut count) = (vec![hubs], 0);
    while let Some(dir) = stack.pop() {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                stack.push(entry.path());
            } else if entry.path().extension().is_some_and(|e| e == "json") {
                let text = read(&entry.path());
                let value: Value = from_text(&text).unwrap();
                let again = to_text(&value).unwrap();
                // Some of them are not sorted, so the lines are compared as a set.
                assert_eq!(lines(&again), lines(&text), "{}", entry.path().display());
                count += 1;
            }
        }
    }
    assert!(count > 10, "only {count} files");
}

#[test]
fn training_summary_matches_the_reference_except_its_value_count() {
    let Some(hubs) = reference_hubs("training summary") else {
        return;
    };
    let dir = hubs.join(HUB).join("gs1_ideal");
    let history = History::from_text(&read(&dir.join("train_outputs/history.json"))).unwrap();
    let ours = training::summary(
        &Summary::of(&history),
        "gs1_ideal",
        "train_outputs/history.json",
        "train_outputs/history_summary.json",
    );
    // our check mark line ends with the number of checked values, that of the reference does not
    let looked_at = " Checked 10 metrics, 50 values.";
    assert!(ours.contains(looked_at), "{ours}");
    let theirs = read(&dir.join("gs1_ideal_training_summary.md"));
    assert_eq!(ours.replacen(looked_at, "", 1), theirs);
}

#[test]
fn metadata_and_stats_have_every_reference_field() {
    let Some(hubs) = reference_hubs("metadata") else {
        return;
    };
    for path in [
        "2026-01-20T063500Z/gs1_ideal",
        "2026-01-20T071800Z/gs1_ideal",
        "2026-01-20T071800Z/gs2_ideal",
    ] {
        let text = read(&hubs.join(path).join("run_metadata.json"));
        let theirs: Value = from_text(&text).unwrap();
        assert!(theirs.as_object().is_some_and(|o| !o.is_empty()), "{path}");
        let ours = from_text::<RunMetadata>(&text).unwrap();
        contains(&from_text(&to_text(&ours).unwrap()).unwrap(), &theirs, path);

        let text = read(&hubs.join(path).join("inference_outputs/stats.json"));
        let ours: Stats = from_text(&text).unwrap();
        assert_eq!(to_text(&ours).unwrap(), text, "{path}");
    }
}

fn lines(text: &str) -> Vec<&str> {
    let mut all: Vec<&str> = text
        .lines()
        .map(|l| l.trim().trim_end_matches(','))
        .collect();
    all.sort_unstable();
    all
}

/// Every field of `theirs` is in `ours` with the same value.
fn contains(ours: &Value, theirs: &Value, at: &str) {
    match theirs {
        Value::Object(fields) => {
            for (k, v) in fields {
                let at = format!("{at}.{k}");
                let own = ours.get(k).unwrap_or_else(|| panic!("{at} is missing"));
                contains(own, v, &at);
            }
        }
        _ => assert_eq!(ours, theirs, "{at}"),
    }
}
