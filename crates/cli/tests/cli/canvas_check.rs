//! `ptyproof limits` at the command line.

use super::input::Data;
use super::{said, text};
use serde_json::Value;
use std::fs;

const PUBLISHED: [&str; 3] = ["canvas-check", "--group-limit", "64"];

fn limits(more: &[&str]) -> super::Said {
    said(PUBLISHED.iter().chain(more))
}

#[test]
fn grown_canvas_fits_published_scans() {
    let dir = tempfile::tempdir().unwrap();
    let (json, page) = (dir.path().join("limits.json"), dir.path().join("limits.md"));
    let args = [
        "--scenario",
        "gs1_ideal",
        "--output-json",
        text(&json),
        "--output-markdown",
        text(&page),
    ];
    let one = limits(&args);
    one.ended(0, &[]);
    assert_eq!(one.err, "");
    assert!(
        one.out.contains("needs the largest canvas, 828 px"),
        "{}",
        one.out
    );
    let report = fs::read_to_string(json).unwrap();
    let _: Value = serde_json::from_str(&report).unwrap();
    assert!(report.contains("\"required\": 828,"), "{report}");
    assert_eq!(
        fs::read_to_string(page).unwrap().trim_end(),
        one.out.trim_end()
    );
    let two = limits(&["--scenario", "gs2_ideal"]);
    two.ended(0, &[]);
    assert!(two.out.contains("padded canvas 826 px"), "{}", two.out);
    // members of its groups lie beyond the centers that the rule asks of
    for told in ["does **not** fit", "to the centers of the groups"] {
        assert!(two.out.contains(told), "{}", two.out);
    }
}

#[test]
fn unmeasurable_request_is_reported() {
    let said = limits(&["--scenario", "gs1_ideal", "--buffer", "300"]);
    said.ended(0, &["note: buffer = 195.0", "is the most"]);
}

#[test]
fn original_canvas_does_not_fit_published_scans() {
    let said = limits(&["--scenario", "gs1_ideal", "--legacy-canvas"]);
    said.ended(1, &["warning: ", "510736 patch pixels are lost"]);
    assert!(
        said.out.contains("needs the largest canvas, 828 px"),
        "{}",
        said.out
    );
}

#[test]
fn report_names_the_farthest_position_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("small.npz");
    let mut data = Data::new(12);
    data.x[7] = 812.25;
    data.write(&file);
    let said = said(["canvas-check", "--data", text(&file)]);
    said.ended(0, &[]);
    assert!(
        said.out.contains("needs the largest canvas"),
        "{}",
        said.out
    );
    assert!(said.out.contains("(812.250, 52.000)"), "{}", said.out);
}

#[test]
fn unwritable_report_is_an_error_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("no/such/limits.json");
    limits(&["--scenario", "gs1_ideal", "--output-json", text(&path)])
        .ended(74, &["writing a file", text(&path), "No such file"]);
}

#[test]
fn unknown_scenario_or_bad_number_is_a_usage_error() {
    limits(&["--scenario", "gs1_idea"]).ended(2, &["Did you mean `gs1_ideal`?"]);
    limits(&["--scenario", "gs1_ideal", "--split-fraction", "2"]).ended(2, &["--split-fraction"]);
    said(["canvas-check"]).ended(2, &["--scenario"]);
}

#[test]
fn zero_group_limit_means_no_limit() {
    let dir = tempfile::tempdir().unwrap();
    let used = |more: &[&str]| {
        let file = dir.path().join("limits.json");
        let of = [
            "canvas-check",
            "--scenario",
            "gs1_ideal",
            "--group-count",
            "70",
        ];
        let said = said(of.iter().chain(more).chain(&["--output-json", text(&file)]));
        said.ended(0, &[]);
        let report: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let of = |subset: &str| report["subsets"][subset]["reassembly"]["group_limit_used"].clone();
        assert_eq!(of("train"), of("test"));
        (of("train").as_u64().unwrap(), said.err)
    };
    // the reference: min(64, groups)
    assert_eq!(used(&[]), (64, String::new()));
    assert_eq!(used(&["--group-limit", "5"]), (5, String::new()));
    let (all, err) = used(&["--group-limit", "0"]);
    assert!(all == 70 && err.contains("no limit"), "{all} {err}");
    let (all, err) = used(&["--group-limit", "71"]);
    assert!(all == 70 && err.contains("no more than 70"), "{all} {err}");
}
