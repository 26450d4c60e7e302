//! What a person at a terminal sees, and what a file of it holds.

use std::process::{Command, Stdio};

use super::{TINY, run, text};

/// What the program shows on a terminal of so many columns; `None` where no terminal can be made.
pub(super) fn on_a_terminal(columns: usize, args: &[&str], no_color: bool) -> Option<String> {
    let quoted: Vec<String> = args.iter().map(|a| format!("'{a}'")).collect();
    let program = env!("CARGO_BIN_EXE_ptyproof");
    let command = format!(
        "stty rows 24 cols {columns}; '{program}' {}",
        quoted.join(" ")
    );
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]);
    script.stdin(Stdio::null()).env_remove("COLUMNS");
    script.env("TERM", "xterm").env_remove("NO_COLOR");
    if no_color {
        script.env("NO_COLOR", "1");
    }
    match script.output() {
        Ok(done) if cfg!(target_os = "linux") => {
            Some(String::from_utf8_lossy(&done.stdout).into_owned())
        }
        _ => {
            super::skip(
                super::SkipReason::Machine,
                "no `script` that makes a terminal",
            );
            None
        }
    }
}

/// The lines as they stand on the screen: without colors, and without what was overwritten.
fn lines(shown: &str) -> Vec<String> {
    let mut bare = String::new();
    for (k, part) in shown.split("\u{1b}[").enumerate() {
        match part.find(|c: char| c.is_ascii_alphabetic()) {
            Some(end) if k > 0 => {
                if part[..=end].ends_with('K') {
                    bare.push('\r');
                }
                bare.push_str(&part[end + 1..]);
            }
            _ => bare.push_str(part),
        }
    }
    let last = |line: &str| {
        let line = line.trim_end_matches('\r');
        line.rsplit('\r')
            .next()
            .unwrap_or(line)
            .trim_end()
            .to_owned()
    };
    bare.split('\n').map(last).collect()
}

#[test]
fn log_lines_fit_the_terminal_and_are_colored_there_alone() {
    let dir = tempfile::tempdir().unwrap();
    let hub = dir.path().join("hub");
    let rest = ["--nepochs", "1", "-o", text(&hub)];
    let args: Vec<&str> = TINY.into_iter().chain(rest).collect();
    let Some(shown) = on_a_terminal(70, &args, false) else {
        return;
    };
    assert!(shown.contains("\u{1b}[32m"), "{shown:?}");
    let seen = lines(&shown);
    let fits = |l: &&String| l.chars().count() < 70 || l.contains(text(&hub));
    let wide: Vec<_> = seen.iter().filter(|l| !fits(l)).collect();
    assert!(wide.is_empty(), "{wide:#?}");
    let epoch = seen.iter().position(|l| l.contains("s info  epoch 1/1:"));
    let epoch = epoch.unwrap_or_else(|| panic!("{seen:#?}"));
    assert!(seen[epoch + 1].starts_with("               "), "{seen:#?}");

    // without color on request, and without lines broken in a pipe; the file has the time of day
    let plain = dir.path().join("plain");
    let rest = ["--nepochs", "1", "-o", text(&plain)];
    let args: Vec<&str> = TINY.into_iter().chain(rest).collect();
    let shown = on_a_terminal(70, &args, true).unwrap();
    assert!(!shown.contains("\u{1b}[32minfo"), "{shown:?}");
    let piped = run(&dir.path().join("piped"), 1, &[]);
    assert!(!piped.err.contains('\u{1b}'), "{}", piped.err);
    for line in piped.err.lines() {
        let (seconds, rest) = line.trim_start().split_once("s ").unwrap();
        assert!(seconds.parse::<f64>().is_ok(), "{line}");
        let level = &rest[..6];
        assert!(["info  ", "note  ", "warn  "].contains(&level), "{line}");
    }
    let log = std::fs::read_to_string(hub.join("runner.log")).unwrap();
    assert!(
        log.lines()
            .all(|l| l.starts_with("20") && l.contains("+00:00 ")),
        "{log}"
    );
}

#[test]
fn an_error_fits_the_terminal_too() {
    let name = "no_such_file_of_any_kind.npz";
    let Some(shown) = on_a_terminal(60, &["inspect", name], true) else {
        return;
    };
    let seen = lines(&shown);
    assert!(seen[0].starts_with("error: "), "{seen:#?}");
    assert!(seen.iter().all(|l| l.chars().count() < 60), "{seen:#?}");
}

/// Every table of the fast commands, on terminals of two widths.
#[test]
fn tables_fit_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (data, hub, other) = (at("scan.npz"), at("hub"), at("other"));
    super::scan::SMALL.write(&data);
    run(&hub, 2, &["-q"]);
    run(&other, 2, &["-q", "--seed", "2"]);
    let history = hub.join("train_outputs/history_steps.json");
    let (data, hub, other) = (text(&data), text(&hub), text(&other));
    let mut printed = 0;
    for command in [
        vec!["scenarios"],
        vec!["inspect", data],
        vec!["doctor", data],
        vec!["score", data, "--truth", data, "--data", data],
        vec!["score", hub],
        vec![
            "canvas-check",
            "--scenario",
            "gs2_ideal",
            "--group-limit",
            "64",
        ],
        vec!["scale-audit", hub],
        vec!["scale-audit", data],
        vec!["history", text(&history)],
        vec!["hub", "verify", hub],
        vec!["hub", "diff", hub, other],
    ] {
        for columns in [80, 120] {
            let Some(shown) = on_a_terminal(columns, &command, true) else {
                return;
            };
            let is_path = |line: &str| line.contains(dir.path().to_str().unwrap());
            let seen = lines(&shown);
            printed += seen.len();
            let wide: Vec<_> = (seen.iter())
                .filter(|l| l.chars().count() > columns && !is_path(l))
                .collect();
            assert!(wide.is_empty(), "{command:?} at {columns}: {wide:#?}");
        }
    }
    assert!(printed > 500, "only {printed} lines");
    // a pipe gets whole lines
    let piped = super::said(["scenarios"]);
    assert!(piped.out.lines().next().unwrap().chars().count() > 80);
}
