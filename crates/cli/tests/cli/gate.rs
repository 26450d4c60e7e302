//! What the gate once let pass: each of these was found by somebody who tried.

use super::diff::{PHASE, caught, copy, diff, edit, json, pair};
use super::{program, run, said, text};
use ptyproof::hub::manifest::Manifest;
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

const STAGES: &str = "stage_digests.json";

fn verified(hub: &Path) -> super::Said {
    // as if the fault had been there when the hub was finished
    Manifest::of(hub).unwrap().write(hub).unwrap();
    said(["hub", "verify", text(hub)])
}

#[test]
fn hub_without_manifest_is_still_gated() {
    let (_folder, good, other) = pair();
    fs::remove_file(other.join("manifest.json")).unwrap();
    caught(&good, &other, 1, &["manifest.json", "there and missing"]);
    fs::remove_dir_all(other.join("train_outputs")).unwrap();
    caught(&good, &other, 1, &["train_outputs/history.json"]);
    let empty = good.with_file_name("empty");
    fs::create_dir(&empty).unwrap();
    fs::write(empty.join("notes.txt"), "nothing").unwrap();
    caught(&good, &empty, 4, &["not compared"]);
}

#[test]
fn nan_phase_is_counted_at_zero_amplitude() {
    let (_folder, good, other) = pair();
    edit(&other.join(PHASE), |a| a[[0, 0]] = f32::NAN);
    caught(&good, &other, 3, &["row 0, column 0"]);
}

#[test]
fn two_halves_of_one_reconstruction_differ() {
    let (_folder, good, other) = pair();
    for (hub, left) in [(&good, true), (&other, false)] {
        for file in [super::diff::AMPLITUDE, PHASE] {
            edit(&hub.join(file), |a| {
                for ((_, x), v) in a.indexed_iter_mut() {
                    if (x < 100) != left {
                        *v = 0.0;
                    }
                }
            });
        }
    }
    caught(&good, &other, 1, &["covered only in A"]);
}

#[test]
fn late_stage_is_gated_like_an_early_stage() {
    let (_folder, good, other) = pair();
    json(&other.join(STAGES), |v| {
        let stages = v["stages"].as_array_mut().unwrap();
        let last = stages.iter_mut().find(|s| s["stage"] == "trained weights");
        let norm = &mut last.unwrap()["norm"];
        *norm = (2.0 * norm.as_f64().unwrap()).into();
    });
    caught(
        &good,
        &other,
        1,
        &["stage_digests.json: trained weights.parameters.norm"],
    );
    // files that are not read are not said to agree
    fs::write(other.join("runner.log"), "all wrong").unwrap();
    let page = other.with_file_name("page.md");
    said([
        "hub",
        "diff",
        text(&good),
        text(&other),
        "--output-markdown",
        text(&page),
    ])
    .ended(1, &[]);
    let page = fs::read_to_string(page).unwrap();
    let (_, noted) = page.split_once("## Not compared").unwrap();
    assert!(noted.contains("runner.log"), "{noted}");
}

#[test]
fn seeds_are_compared_exactly() {
    let (_folder, good, other) = pair();
    for (hub, seed) in [
        (&good, 9_007_199_254_740_992u64),
        (&other, 9_007_199_254_740_993),
    ] {
        json(&hub.join("run_metadata.json"), |v| {
            v["seeds"]["seed"] = seed.into();
        });
    }
    caught(
        &good,
        &other,
        1,
        &["setting seeds.seed: 9007199254740992 and 9007199254740993"],
    );
}

#[test]
fn unmatched_rule_is_reported_and_widened_tolerances_pass() {
    let (folder, good, other) = pair();
    let history = "train_outputs/history.json";
    json(&other.join(history), |v| {
        let loss = &mut v["metrics"]["loss"][0];
        *loss = (loss.as_f64().unwrap() * 1.01).into();
    });
    let (mine, wide) = (
        folder.path().join("mine.json"),
        folder.path().join("wide.json"),
    );
    fs::write(
        &mine,
        r#"{"schema":"ptyproof.tolerances/1","numbers":{"relative":1e-6},"image_rms":1e-5,"rules":[
            {"file":"train_outputs/history.json","place":"metrics.loss[*]","allowed":{"relative":1e-6},"reason":"r"},
            {"file":"*","place":"no.such.place","ignore":true,"reason":"r"}]}"#,
    )
    .unwrap();
    let with = |file: &Path, more: &[&str]| {
        said(
            [
                &[
                    "hub",
                    "diff",
                    text(&good),
                    text(&other),
                    "--tolerances",
                    text(file),
                ],
                more,
            ]
            .concat(),
        )
    };
    let strict = with(&mine, &["--write-tolerances", text(&wide)]);
    strict.ended(1, &[]);
    assert!(
        strict
            .out
            .contains("a rule matches nothing in either hub: *, no.such.place"),
        "{}",
        strict.out
    );
    with(&wide, &[]).ended(0, &[]);
}

#[test]
fn inconsistent_records_are_found_despite_a_valid_manifest() {
    let (_folder, good, other) = pair();
    // the reconstruction of `pair` is not what the run's statistics say: take the run's own
    let fresh = good.with_file_name("fresh");
    run(&fresh, 1, &[]);
    assert_eq!(verified(&fresh).code, 0);
    let metadata = "run_metadata.json";
    let summary = "train_outputs/history_summary.json";
    type Fault = (&'static str, fn(&mut Value), &'static str);
    let faults: [Fault; 6] = [
        (STAGES, |v| *v = serde_json::json!({}), "stage_digests.json"),
        (metadata, |v| v["total_images"] = 1.into(), "images"),
        (metadata, |v| v["nepochs"] = 0.into(), "nepochs is 0"),
        (
            metadata,
            |v| v["artifacts"]["phase_npy"] = "/etc/hostname".into(),
            "not a path inside the hub",
        ),
        (
            summary,
            |v| v["health"]["update_norm"][0] = 1e9.into(),
            "contradicts the history",
        ),
        (
            STAGES,
            |v| {
                let stages = v["stages"].as_array_mut().unwrap();
                let object = stages
                    .iter_mut()
                    .find(|s| s["stage"] == "stitching")
                    .unwrap();
                object["shape"] = serde_json::json!([2, 3]);
            },
            "the stitched object had [2, 3]",
        ),
    ];
    for (file, fault, words) in faults {
        fs::remove_dir_all(&other).unwrap();
        copy(&fresh, &other);
        json(&other.join(file), fault);
        let found = verified(&other);
        assert!(
            found.code == 1 && found.out.contains(words),
            "{words}: {found:#?}"
        );
    }
}

#[test]
#[cfg(unix)]
fn special_files_are_not_opened() {
    let (_folder, good, other) = pair();
    std::os::unix::fs::symlink("/dev/zero", other.join("x.json")).unwrap();
    let found = said(["hub", "verify", text(&other)]);
    assert!(
        found.code == 1 && found.out.contains("x.json: not a regular file"),
        "{found:#?}"
    );
    // and is no part of a comparison
    caught(&good, &other, 0, &["agrees"]);
}

#[test]
fn blessing_keeps_other_rules_and_refuses_its_own_hub() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, golden) = (folder.path().join("tiny"), folder.path().join("golden"));
    run(&hub, 1, &[]);
    let bless = |hub: &Path, golden: &Path, reason: &str| {
        said([
            "hub",
            "bless",
            text(hub),
            "--golden",
            text(golden),
            "--reason",
            reason,
        ])
    };
    // a hub is not the golden of its own folder: its checkpoints would go
    bless(&hub, folder.path(), "oops").ended(2, &["the golden itself"]);
    assert!(hub.join("train_outputs/checkpoints").is_dir());
    bless(&hub, &golden, "first").ended(0, &[]);
    assert_eq!(said(["hub", "verify", text(&golden.join("tiny"))]).code, 0);
    fs::create_dir(golden.join(".tiny.lock")).unwrap();
    bless(&hub, &golden, "second").ended(2, &["another blessing"]);
    fs::remove_dir(golden.join(".tiny.lock")).unwrap();
    bless(&hub, &golden, "second").ended(0, &[]);
    let page = fs::read_to_string(golden.join("tiny.blessed.md")).unwrap();
    assert!(
        page.contains(": second") && page.contains(": first"),
        "every reason stays: {page}"
    );
    let left: Vec<String> = super::names(&golden);
    assert_eq!(left, ["tiny", "tiny.blessed.md"], "nothing is left over");
}

#[test]
fn broken_pipe_does_not_change_the_verdict() {
    let (_folder, good, other) = pair();
    for args in [
        vec!["hub", "diff", text(&good), text(&other)],
        vec!["hub", "verify", text(&other)],
        vec!["scale-audit", text(&other)],
        vec!["scenarios"],
    ] {
        let want = said(&args).code;
        let mut child = program()
            .args(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let code = child.wait().unwrap().code();
        let mut err = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        assert_eq!(code, Some(want), "{args:?}: {err}");
        assert!(!err.contains("panic"), "{err}");
    }
    diff(&good, &other).ended(0, &[]);
}
