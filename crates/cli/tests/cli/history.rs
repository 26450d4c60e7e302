//! `ptyproof history` at the command line: histories of every origin.

use super::{run, said, text};
use serde_json::Value;
use std::fs;

#[test]
fn own_history_summary_matches_its_hub() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, json) = (dir.path().join("hub"), dir.path().join("a b.json"));
    run(&hub, 2, &[]);
    let file = hub.join("train_outputs/history.json");
    let one = said(["history", text(&file), "--output-json", text(&json)]);
    one.ended(0, &[]);
    assert!(one.out.contains("No NaN/inf detected"), "{}", one.out);
    let read = |p| serde_json::from_str::<Value>(&fs::read_to_string(p).unwrap()).unwrap();
    let (ours, stored) = (
        read(json),
        read(hub.join("train_outputs/history_summary.json")),
    );
    let metrics = stored["metrics"].as_object().unwrap();
    assert!(metrics.values().any(|m| m["last"].is_number()), "{stored}");
    for (name, fields) in metrics {
        for (field, value) in fields.as_object().unwrap() {
            let own = ours["metrics"][name].get(field);
            assert_eq!(own, Some(value), "{name}.{field}");
        }
    }
}

#[test]
fn nan_is_named_and_sets_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (
        dir.path().join("history.json"),
        dir.path().join("metrics.csv"),
    );
    fs::write(
        &one,
        "{\"loss\": [3.0, 2.0, NaN], \"val_loss\": [1.0, 9.0, 9.0]}",
    )
    .unwrap();
    fs::write(&two, "epoch,step,loss\n0,10,1\n1,20,-inf\n").unwrap();
    let (json, page) = (dir.path().join("s.json"), dir.path().join("s.md"));
    let s = said([
        "history",
        text(&one),
        text(&two),
        "--output-json",
        text(&json),
        "--output-markdown",
        text(&page),
    ]);
    s.ended(3, &[]);
    for line in [
        "First non-finite value: epoch \u{2014}, step 2, metric `loss` (NaN).",
        "First non-finite value: epoch 1, step 20, metric `loss` (-Infinity).",
        "Diverged:: val_loss.",
    ] {
        assert!(s.out.contains(line), "no {line:?} in {}", s.out);
    }
    assert_eq!(
        fs::read_to_string(page).unwrap().trim_end(),
        s.out.trim_end()
    );
    let all: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(all["files"].as_object().unwrap().len(), 2);
    assert_eq!(
        all["files"][text(&two)]["metrics"]["loss"]["first_nan_value"],
        "-Infinity"
    );
}

#[test]
fn invalid_history_is_refused_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cut.json");
    fs::write(&file, "{\"loss\": [1.0, 2.").unwrap();
    said(["history", text(&file)]).ended(2, &["cut.json", "line 1"]);
    said(["history", text(dir.path())]).ended(2, &["a directory", "train_outputs/history.json"]);
    said(["history", text(&dir.path().join("none"))]).ended(2, &["none"]);
    said(["history"]).ended(2, &["FILE"]);
    for (words, got, code) in [
        ("null", "a header without rows", 4),
        ("\"str\"", "a header without rows", 4),
        ("a line of text", "a header without rows", 4),
        ("loss,loss\n1,2\n", "\"loss\" twice", 2),
        ("{\"loss\": [1], \"loss\": [2]}", "twice", 2),
    ] {
        fs::write(&file, words).unwrap();
        said(["history", text(&file)]).ended(code, &["cut.json", got]);
    }
    let list = dir.path().join("no/such/folder.json");
    fs::write(&file, "{\"loss\": [1.0, 2.0]}").unwrap();
    said(["history", text(&file), "--output-json", text(&list)]).ended(74, &["folder.json"]);
}
