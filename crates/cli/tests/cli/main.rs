//! The program as its worst user meets it: odd flags, taken places, broken files, Ctrl-C, a full disk.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail loudly, and says what it skips"
)]

mod canvas_check;
mod compare;
mod convert;
mod dash;
mod diff;
mod doctor;
mod documents;
mod engines;
mod gate;
mod golden;
mod history;
mod hub;
mod input;
mod reconstruct;
mod replay;
mod resume;
mod scale_audit;
mod scan;
mod score;
mod shell;
mod sizes;
mod streams;
mod terminal;
mod threads;
mod usage;
mod verdicts;

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use ptyproof_testkit::shared::shared;
use ptyproof_testkit::skips::{SkipReason, skip};
use serde_json::Value;

/// The smallest run of single patterns that still trains, infers and reassembles.
const TINY: [&str; 13] = [
    "run",
    "--scenario",
    "gs1_ideal",
    "--base-total-images",
    "8",
    "--group-count",
    "4",
    "--batch-size",
    "2",
    "--group-limit",
    "2",
    "--threads",
    "1",
];

/// What the program answered.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    /// Fails unless the program ended with `code`, said all of `words` on standard error, and did
    /// not panic.
    #[track_caller]
    fn ended(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:#?}");
        assert!(!self.err.contains("panicked"), "{self:#?}");
        for word in words {
            assert!(self.err.contains(word), "no `{word}` in {self:#?}");
        }
    }
}

/// The program, its standard input closed.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ptyproof"));
    command.stdin(Stdio::null()).env("COLUMNS", "100");
    command
}

/// Runs the program.
fn said<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Said {
    let done = assert_cmd::Command::from_std(program())
        .args(args)
        .output()
        .unwrap();
    Said {
        code: done.status.code().unwrap_or(-1),
        out: String::from_utf8(done.stdout).unwrap(),
        err: String::from_utf8(done.stderr).unwrap(),
    }
}

/// The arguments of a tiny run into `hub`, with `more` at the end.
fn tiny(hub: &Path, epochs: u32, more: &[&str]) -> Vec<String> {
    let mut args: Vec<String> = TINY.iter().map(ToString::to_string).collect();
    args.extend(["--nepochs".into(), epochs.to_string()]);
    args.extend(["--output-dir".into(), text(hub).into()]);
    args.extend(more.iter().map(ToString::to_string));
    args
}

/// A tiny run that must end well.
#[track_caller]
fn run(hub: &Path, epochs: u32, more: &[&str]) -> Said {
    let said = said(tiny(hub, epochs, more));
    said.ended(0, &[]);
    said
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What a JSON file holds.
#[track_caller]
fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Fails unless both hubs hold the same bytes in each of these files.
#[track_caller]
fn same(a: &Path, b: &Path, files: &[&str]) {
    for file in files {
        let (one, other) = (fs::read(a.join(file)), fs::read(b.join(file)));
        assert!(one.unwrap() == other.unwrap(), "{file} differs");
    }
}

/// What a training and its reconstruction came to, all of it independent of the clock.
const RESULTS: [&str; 4] = [
    "train_outputs/history.json",
    "train_outputs/history_steps.json",
    "inference_outputs/amplitude.npy",
    "inference_outputs/phase.npy",
];

/// The checkpoint after so many epochs.
fn checkpoint(epochs: u32) -> String {
    format!("train_outputs/checkpoints/epoch_{epochs:04}.safetensors")
}

/// The names in a directory, sorted.
fn names(dir: &Path) -> Vec<String> {
    let mut all: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    all.sort();
    all
}
