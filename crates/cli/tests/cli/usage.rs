//! What the program says of itself, and how it says it.

use super::{Said, run, said, text, tiny};
use std::fs;

#[track_caller]
fn printed(args: &[&str]) -> String {
    let Said { code, out, err } = said(args);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    out
}

#[test]
fn help_text_is_complete() {
    insta::assert_snapshot!("help", printed(&["--help"]));
    insta::assert_snapshot!("run_help", printed(&["run", "--help"]));
    insta::assert_snapshot!("reconstruct_help", printed(&["reconstruct", "--help"]));
    insta::assert_snapshot!("canvas_check_help", printed(&["canvas-check", "--help"]));
}

/// Scripts of earlier versions go on working, and no help names what they use.
#[test]
fn old_names_are_hidden_aliases() {
    let dir = tempfile::tempdir().unwrap();
    let hub = dir.path().join("hub");
    assert_eq!(run(&hub, 1, &["--phases", "own", "--quiet"]).code, 0);
    let json = |name: &str| dir.path().join(name);
    for (old, new) in [("chain", "scale-audit"), ("limits", "canvas-check")] {
        assert_eq!(
            printed(&[old, "--help"]),
            printed(&[new, "--help"]),
            "{old}"
        );
        assert!(
            !printed(&["--help"]).contains(&format!("  {old} ")),
            "{old}"
        );
    }
    for (option, file) in [("--json", "old.json"), ("--output-json", "new.json")] {
        said(["scale-audit", text(&hub), option, text(&json(file))]).ended(0, &[]);
    }
    let read = |name: &str| fs::read_to_string(json(name)).unwrap();
    assert_eq!(read("old.json"), read("new.json"));
    let help = printed(&["scale-audit", "--help"]);
    assert!(
        help.contains("--output-json") && !help.contains(" --json"),
        "{help}"
    );
}

#[test]
fn the_scenarios_are_listed_with_their_counts() {
    insta::assert_snapshot!(printed(&["scenarios"]));
}

#[test]
fn missing_or_unknown_command_or_flag_is_a_usage_error() {
    said([""; 0]).ended(2, &["Usage: ptyproof [OPTIONS] <COMMAND>"]);
    said(["fly"]).ended(2, &["unrecognized subcommand 'fly'"]);
    said(["run", "--scenario", "gs1_ideal"]).ended(2, &["--output-dir"]);
    said(["run", "--output-dir", "x"]).ended(2, &["--scenario"]);
    said(["run", "--epochs", "3"]).ended(2, &["unexpected argument '--epochs'", "'--nepochs'"]);
}

#[test]
fn every_json_log_line_is_json_on_success_and_failure() {
    let dir = tempfile::tempdir().unwrap();
    let hub = dir.path().join("hub");
    let well = run(&hub, 1, &["--json-log"]);
    let taken = said(tiny(&hub, 1, &["--json-log"]));
    let empty = dir.path().join("not-a-checkpoint");
    fs::write(&empty, "").unwrap();
    let args = ["--json-log", "--resume", text(&empty)];
    let blocked = said(tiny(&dir.path().join("other"), 1, &args));
    assert_eq!((well.code, taken.code, blocked.code), (0, 2, 2));
    for Said { err, .. } in [well, taken, blocked] {
        assert!(!err.is_empty());
        for line in err.lines() {
            let v: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
            assert!(v["level"].is_string() && v["message"].is_string(), "{line}");
        }
    }
}

#[test]
fn successful_quiet_run_prints_only_warnings() {
    let dir = tempfile::tempdir().unwrap();
    let said = run(&dir.path().join("hub"), 1, &["--quiet"]);
    assert_eq!(said.out, "");
    for line in said.err.lines() {
        let level = line.split_whitespace().nth(1);
        assert!([Some("warn"), Some("note")].contains(&level), "{line}");
    }
}

#[test]
fn quiet_run_without_warnings_prints_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = dir.path().join("snapshot.json");
    fs::write(&snapshot, super::input::SNAPSHOT).unwrap();
    let hub = dir.path().join("hub");
    let args = ["run", "--scenario", "mine", "--snapshot", text(&snapshot)];
    let rest = ["--nepochs", "1", "--quiet", "-o", text(&hub)];
    let said = said(args.into_iter().chain(rest));
    said.ended(0, &[]);
    assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""));
}
