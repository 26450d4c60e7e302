//! `-`: reports on standard output, files from standard input.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use super::scan::SMALL;
use super::{Said, names, program, run, said, text};

/// Runs the program on what `input` holds.
fn fed(input: &Path, args: &[&str], temporary: &Path) -> Said {
    let done = program()
        .args(args)
        .env("TMPDIR", temporary)
        .stdin(Stdio::from(File::open(input).unwrap()))
        .output()
        .unwrap();
    Said {
        code: done.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&done.stdout).into_owned(),
        err: String::from_utf8(done.stderr).unwrap(),
    }
}

#[test]
fn a_report_on_standard_output_stands_there_alone() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (data, hub, history) = (at("scan.npz"), at("hub"), at("history.json"));
    SMALL.write(&data);
    run(&hub, 1, &["-q"]);
    fs::write(&history, r#"{"loss":[3,2,1]}"#).unwrap();
    let (data, hub, history) = (text(&data), text(&hub), text(&history));
    for (command, option) in [
        (vec!["inspect", data], "--output-json"),
        (vec!["doctor", data], "--output-json"),
        (vec!["doctor", data], "--junit"),
        (vec!["score", data, "--truth", data], "--output-json"),
        (vec!["score", data, "--truth", data], "--output-markdown"),
        (vec!["score", data, "--truth", data], "--junit"),
        (vec!["history", history], "--output-json"),
        (vec!["history", history], "--output-markdown"),
        (vec!["history", history], "--junit"),
        (
            vec!["canvas-check", "--scenario", "gs1_ideal"],
            "--output-json",
        ),
        (
            vec!["canvas-check", "--scenario", "gs1_ideal"],
            "--output-markdown",
        ),
        (vec!["canvas-check", "--scenario", "gs1_ideal"], "--junit"),
        (vec!["scale-audit", hub], "--output-json"),
        (vec!["scale-audit", hub], "--output-markdown"),
        (vec!["hub", "verify", hub], "--output-json"),
        (vec!["hub", "verify", hub], "--junit"),
        (vec!["hub", "diff", hub, hub], "--output-json"),
        (vec!["hub", "diff", hub, hub], "--output-markdown"),
        (vec!["hub", "diff", hub, hub], "--junit"),
        (vec!["hub", "diff", hub, hub], "--write-tolerances"),
    ] {
        let plain = said(&command);
        let file = at("report");
        let with = |path| said(command.iter().copied().chain([option, path]));
        let written = with(text(&file));
        let streamed = with("-");
        let codes = (plain.code, written.code, streamed.code);
        let same = codes == (plain.code, plain.code, plain.code);
        assert!(same, "{command:?} {option}: {codes:?} {streamed:#?}");
        let report = fs::read_to_string(&file).unwrap();
        if option == "--output-json" || option == "--write-tolerances" {
            let value: Value = serde_json::from_str(&streamed.out).unwrap();
            assert!(value.is_object(), "{command:?} {option}");
        }
        // nothing but the report, which is that of the file but for its time and its own name
        assert_eq!(
            report.lines().count(),
            streamed.out.lines().count(),
            "{command:?} {option}: {streamed:#?}"
        );
        for line in plain.out.lines().filter(|l| !l.contains("20")) {
            assert!(streamed.err.contains(line), "{line}: {streamed:#?}");
        }
    }
    assert!(!Path::new("-").exists());
}

#[test]
fn two_reports_for_standard_output_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("scan.npz");
    SMALL.write(&data);
    let both = ["doctor", text(&data), "--output-json", "-", "--junit", "-"];
    let done = said(both);
    done.ended(2, &["2 reports for standard output"]);
    assert_eq!(done.out, "");
}

#[test]
fn a_failure_is_a_junit_report_on_standard_output_too() {
    let done = said(["doctor", "gone.npz", "--junit", "-"]);
    done.ended(2, &["gone.npz"]);
    assert!(done.out.starts_with("<?xml"), "{done:#?}");
    assert!(done.out.contains("errors=\"1\""), "{done:#?}");
}

#[test]
fn files_are_read_from_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let temporary = at("temporary");
    fs::create_dir(&temporary).unwrap();
    let (data, truth) = (at("scan.npz"), at("truth.npy"));
    SMALL.write(&data);
    let image = ptyproof::io::npz::read_object(&data).unwrap();
    ndarray_npy::write_npy(&truth, &image).unwrap();
    let (json, csv) = (at("history.json"), at("metrics.csv"));
    fs::write(&json, r#"{"loss":[3,2,1]}"#).unwrap();
    fs::write(&csv, "epoch,loss\n0,3\n1,2\n2,1\n").unwrap();
    let d = text(&data);
    for (input, args) in [
        (&data, vec!["inspect", "-"]),
        (&data, vec!["doctor", "-"]),
        (&data, vec!["score", "-", "--truth", d]),
        (&data, vec!["score", d, "--truth", "-"]),
        (&data, vec!["score", d, "--data", "-", "--truth", d]),
        (&truth, vec!["score", "-", "--truth", d]),
        (
            &data,
            vec!["canvas-check", "--data", "-", "--group-count", "4"],
        ),
        (&data, vec!["scale-audit", "-"]),
        (&json, vec!["history", "-"]),
        (&csv, vec!["history", "-"]),
    ] {
        let named = args.iter().map(|a| if *a == "-" { text(input) } else { a });
        let wanted = said(named);
        let done = fed(input, &args, &temporary);
        assert_eq!(done.code, wanted.code, "{args:?}: {done:#?} {wanted:#?}");
        assert_eq!(
            done.out.lines().count(),
            wanted.out.lines().count(),
            "{args:?}: {done:#?} {wanted:#?}"
        );
        assert_eq!(names(&temporary), Vec::<String>::new(), "{args:?}");
    }
    fed(&json, &["history", "-", "-"], &temporary).ended(2, &["standard input twice"]);
    let cut = at("cut.npz");
    fs::write(&cut, &fs::read(&data).unwrap()[..100]).unwrap();
    fed(&cut, &["inspect", "-"], &temporary).ended(2, &["standard-input"]);
    assert_eq!(names(&temporary), Vec::<String>::new());
}

#[test]
fn a_conversion_is_part_of_a_pipe() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (data, piped, copy) = (at("scan.npz"), at("piped.npz"), at("copy.npz"));
    SMALL.write(&data);
    said(["convert", text(&data), "-"]).ended(2, &["--to"]);
    let done = program()
        .args(["convert", "-", "-", "--to", "ptychopinn"])
        .stdin(Stdio::from(File::open(&data).unwrap()))
        .stdout(Stdio::from(File::create(&piped).unwrap()))
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    said(["convert", text(&data), text(&copy)]).ended(0, &[]);
    let same = fs::read(&piped).unwrap() == fs::read(&copy).unwrap();
    assert!(same, "the piped file is another than the one written");
}
