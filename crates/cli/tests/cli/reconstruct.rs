//! Reconstruction from a file, and what it makes of files and flags that it did not expect.

use super::scan::{SMALL, Scan};
use super::{Said, json, names, program, said, same, text};
use ptyproof_testkit::tolerance::{F32_SUM_16384, assert_close};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use ptyproof::hub::manifest;
use ptyproof::io::dataset::Dataset;
use ptyproof::io::domain::Patterns;
use ptyproof::io::npz::write_dataset;
use serde_json::Value;

const ENGINES: [&str; 5] = ["epie", "rpie", "dm", "raar", "lsqml"];

/// What a reconstruction came to, all of it independent of the clock.
const OUTPUTS: [&str; 6] = [
    "train_outputs/history.json",
    "inference_outputs/amplitude.npy",
    "inference_outputs/phase.npy",
    "inference_outputs/probe.npy",
    "inference_outputs/residuals.json",
    "stage_digests.json",
];

/// Every file of a hub of data with a truth.
const FILES: [&str; 18] = [
    "comparison_metrics.json",
    "inference_outputs/amplitude.npy",
    "inference_outputs/amplitude.png",
    "inference_outputs/phase.npy",
    "inference_outputs/phase.png",
    "inference_outputs/probe.npy",
    "inference_outputs/probe.png",
    "inference_outputs/residuals.json",
    "inference_outputs/scan.npy",
    "inference_outputs/stats.json",
    "manifest.json",
    "run_metadata.json",
    "runner.log",
    "small scan_training_summary.md",
    "stage_digests.json",
    "train_outputs/history.json",
    "train_outputs/history_summary.json",
    "train_outputs/training_history.png",
];

/// A reconstruction of a scan of this folder, its hub named `hub`.
fn reconstruct(dir: &Path, hub: &str, engine: &str, more: &[&str]) -> Said {
    let (data, hub) = (dir.join("small scan.npz"), dir.join(hub));
    let args = [
        "reconstruct",
        text(&data),
        "--engine",
        engine,
        "-o",
        text(&hub),
    ];
    let own = ["--iterations", "3"];
    let own = own.iter().filter(|_| !more.contains(&"--iterations"));
    said(args.iter().chain(own).chain(more))
}

fn folder(scan: &Scan) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    scan.write(&dir.path().join("small scan.npz"));
    dir
}

#[test]
fn every_engine_writes_a_valid_hub_with_thread_independent_bits() {
    let dir = folder(&SMALL);
    for engine in ENGINES {
        let refine: &[&str] = match engine {
            "dm" | "raar" => &["--modes", "2", "--seed", "7"],
            "lsqml" => &[
                "--modes",
                "2",
                "--seed",
                "7",
                "--refine-positions",
                "--batch",
                "5",
            ],
            _ => &["--modes", "2", "--seed", "7", "--refine-positions"],
        };
        let hub = |name: &str| dir.path().join(format!("{engine} {name}"));
        let run = |name: &str, threads: &str| {
            let more = [refine, &["--threads", threads]].concat();
            let said = reconstruct(dir.path(), &format!("{engine} {name}"), engine, &more);
            said.ended(0, &["iteration 3/3"]);
            assert_eq!(said.out.trim_end(), text(&hub(name)));
        };
        run("one", "1");
        run("many", "64");
        same(&hub("one"), &hub("many"), &OUTPUTS);
        let mut found: Vec<String> = manifest::walk(&hub("one")).unwrap().into_keys().collect();
        found.retain(|f| f != "inference_outputs/positions.npy");
        assert_eq!(found, FILES, "{engine}");
        said(["hub", "verify", text(&hub("one"))]).ended(0, &[]);
        said(["hub", "diff", text(&hub("one")), text(&hub("many"))]).ended(0, &[]);
        let metadata = json(&hub("one").join("run_metadata.json"));
        assert_eq!(metadata["status"], "complete");
        assert_eq!(metadata["configuration"]["engine"]["method"], engine);
        assert_eq!(metadata["made_by"], "reconstruct");
        let history = json(&hub("one").join("train_outputs/history.json"));
        assert_eq!(history["metrics"]["residual"].as_array().unwrap().len(), 3);
        let found = json(&hub("one").join("comparison_metrics.json"));
        assert!(found["alignment"]["aligned"]["rms"].is_number(), "{found}");
    }
}

#[test]
fn diff_names_a_different_engine() {
    let dir = folder(&SMALL);
    for engine in ["epie", "raar"] {
        reconstruct(dir.path(), engine, engine, &[]).ended(0, &[]);
    }
    let [a, b] = ["epie", "raar"].map(|e| dir.path().join(e));
    let said = said(["hub", "diff", text(&a), text(&b)]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("configuration.engine.method"), "{said:?}");
}

#[test]
fn hub_without_its_probe_fails_verification() {
    let dir = folder(&SMALL);
    reconstruct(dir.path(), "hub", "epie", &[]).ended(0, &[]);
    let hub = dir.path().join("hub");
    fs::remove_file(hub.join("inference_outputs/probe.npy")).unwrap();
    let said = said(["hub", "verify", text(&hub)]);
    assert_eq!(said.code, 1);
    assert!(format!("{said:?}").contains("probe.npy"), "{said:?}");
}

#[test]
fn reconstruction_continues_an_earlier_one() {
    // without an object in the file the canvas has a margin, which is another one where positions move
    let dir = folder(&Scan {
        object: false,
        ..SMALL
    });
    reconstruct(dir.path(), "first", "epie", &["--iterations", "20"]).ended(0, &["no true object"]);
    let first = dir.path().join("first");
    let from = ["--start", text(&first)];
    let more = [&from[..], &["--refine-positions"]].concat();
    reconstruct(dir.path(), "second", "rpie", &more).ended(0, &["from the hub first"]);
    let residual = |hub: &str, k: usize| {
        let history = json(&dir.path().join(hub).join("train_outputs/history.json"));
        history["metrics"]["residual"][k].as_f64().unwrap()
    };
    // it begins about where the other ended, far below where that began
    assert!(residual("second", 0) < 1.5 * residual("first", 19));
    assert!(residual("second", 0) < 0.5 * residual("first", 0));
    let second = dir.path().join("second");
    reconstruct(dir.path(), "third", "epie", &["--start", text(&second)]).ended(0, &[]);
    said(["hub", "verify", text(&second)]).ended(0, &[]);

    let two = [&from[..], &["--modes", "2"]].concat();
    reconstruct(dir.path(), "x", "epie", &two).ended(2, &["1 modes", "2 modes"]);
    let nothing = dir.path().join("nothing");
    let args = ["--start", text(&nothing)];
    reconstruct(dir.path(), "x", "epie", &args).ended(2, &["probe.npy", "nothing"]);
    assert_eq!(
        names(dir.path()),
        ["first", "second", "small scan.npz", "third"]
    );
}

#[test]
fn unusual_data_is_reconstructed_or_refused() {
    for (scan, engines) in [
        // one pattern
        (Scan { side: 1, ..SMALL }, &ENGINES[..]),
        // the smallest patterns
        (Scan { n: 4, ..SMALL }, &ENGINES[..]),
        // far away
        (
            Scan {
                origin: 1e6,
                object: false,
                ..SMALL
            },
            &ENGINES[..],
        ),
        // no probe: guessed
        (
            Scan {
                probe: false,
                ..SMALL
            },
            &ENGINES[..2],
        ),
    ] {
        let dir = folder(&scan);
        for engine in engines {
            let modes = ["--modes", "3"];
            reconstruct(dir.path(), engine, engine, &modes).ended(0, &["iteration 3/3"]);
            said(["hub", "verify", text(&dir.path().join(engine))]).ended(0, &[]);
        }
    }
}

#[test]
fn invalid_flags_are_usage_errors_and_write_nothing() {
    let dir = folder(&SMALL);
    for (engine, flags, words) in [
        ("epie", &["--iterations", "0"][..], &["--iterations"][..]),
        ("epie", &["--iterations", "-3"], &["--iterations"]),
        ("epie", &["--modes", "0"], &["--modes", "1 to 16"]),
        ("epie", &["--modes", "17"], &["--modes", "1 to 16"]),
        ("epie", &["--threads", "0"], &["threads"]),
        ("epie", &["--object-step", "NaN"], &["--object-step"]),
        ("lsqml", &["--batch", "0"], &["--batch"]),
        ("dm", &["--refine-positions"], &["--refine-positions"]),
        ("dm", &["--likelihood", "poisson"], &["--likelihood"]),
        (
            "epie",
            &["--relaxation", "0.3"],
            &["--relaxation", "dm or raar"],
        ),
        ("rpie", &["--batch", "3"], &["--batch", "--engine lsqml"]),
        (
            "dm",
            &["--momentum", "0.5"],
            &["--momentum", "--engine lsqml"],
        ),
        (
            "raar",
            &["--object-step", "0.5"],
            &["--object-step", "epie or rpie or lsqml"],
        ),
        (
            "epie",
            &["--regularization", "0.1"],
            &["--regularization", "rpie or lsqml"],
        ),
        ("magic", &[], &["--engine", "epie, rpie, dm, raar, lsqml"]),
        ("epie", &["--start", "a", "--probe-key", "b"], &["--start"]),
    ] {
        reconstruct(dir.path(), "x", engine, flags).ended(2, words);
        assert_eq!(names(dir.path()), ["small scan.npz"]);
    }
    reconstruct(dir.path(), "x", "epie", &["--probe-key", "nope"]).ended(2, &["key `nope`"]);
    reconstruct(dir.path(), "x", "epie", &["--probe-key", "xcoords"])
        .ended(2, &["key `xcoords`", "two axes"]);
    reconstruct(dir.path(), "x", "epie", &["--probe-key", "objectGuess"]).ended(2, &["16 x 16"]);
    assert_eq!(names(dir.path()), ["small scan.npz"]);
}

#[test]
fn float32_overflow_is_named_and_the_run_finishes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("small scan.npz");
    SMALL.write(&path);
    let good = ptyproof::io::npz::read_dataset(&path).unwrap().dataset;
    let mut patterns = good.patterns.values().to_owned();
    patterns[[5, 3, 4]] = 1e30;
    let bad = Dataset::new(
        "bad",
        Patterns::new(patterns),
        good.positions.clone(),
        good.scan_index.clone(),
        good.probe.clone(),
        good.object,
    );
    write_dataset(&path, &bad.unwrap()).unwrap();
    for engine in ENGINES {
        let said = reconstruct(dir.path(), engine, engine, &[]);
        said.ended(
            3,
            &["first non-finite event: iteration 0, pattern", "far field"],
        );
        let hub = dir.path().join(engine);
        let event = json(&hub.join("nonfinite_event.json"));
        assert_eq!(event["stage"], "far_field", "{event}");
        assert_eq!(
            json(&hub.join("run_metadata.json"))["status"],
            "complete_non_finite"
        );
        assert_eq!(manifest::verify(&hub).unwrap(), []);
        let history = json(&hub.join("train_outputs/history.json"));
        assert_eq!(history["epochs"].as_array().unwrap().len(), 3);
    }
    let hub = dir.path().join("epie");
    said(["replay", text(&hub)]).ended(2, &["the event of an iterative engine"]);
    said(["scale-audit", text(&hub)]).ended(2, &["the hub of an iterative engine"]);
}

#[test]
fn quiet_run_prints_nothing_and_json_log_is_json() {
    let dir = folder(&SMALL);
    let said = reconstruct(dir.path(), "quiet", "epie", &["--quiet"]);
    said.ended(0, &[]);
    assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""));
    let lines = reconstruct(dir.path(), "json", "epie", &["--json-log"]);
    let taken = reconstruct(dir.path(), "json", "epie", &["--json-log"]);
    assert_eq!((lines.code, taken.code), (0, 2));
    assert!(!lines.err.is_empty() && !taken.err.is_empty());
    for line in lines.err.lines().chain(taken.err.lines()) {
        let v: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(v["level"].is_string() && v["message"].is_string(), "{line}");
    }
}

#[cfg(unix)]
#[test]
fn interrupted_reconstruction_can_be_continued() {
    let dir = folder(&SMALL);
    let (data, hub) = (dir.path().join("small scan.npz"), dir.path().join("hub"));
    let mut child = program()
        .args(["reconstruct", text(&data), "--engine", "epie"])
        .args(["--iterations", "100000000", "-o", text(&hub)])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("iteration 1/") {
        line.clear();
        assert!(
            err.read_line(&mut line).unwrap() > 0,
            "no iteration was told"
        );
    }
    let pid = child.id().to_string();
    let killed = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(killed.success());
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    let partial = dir.path().join("hub.partial");
    for word in ["stopping after this iteration", "--start", text(&partial)] {
        assert!(rest.contains(word), "no `{word}` in {rest}");
    }
    assert!(!hub.exists());
    let note = json(&partial.join("INCOMPLETE.json"));
    assert_eq!(note["status"], "interrupted");
    let history = json(&partial.join("train_outputs/history.json"));
    assert!(!history["epochs"].as_array().unwrap().is_empty());
    let more = ["--start", text(&partial)];
    reconstruct(dir.path(), "next", "epie", &more).ended(0, &["iteration 3/3"]);
}

#[test]
fn stated_file_properties_are_used_and_recorded() {
    let dir = folder(&SMALL);
    let at = |name: &str| dir.path().join(name);
    let (amplitude, counts) = (at("small scan.npz"), at("squares.npz"));
    let mut data = ptyproof::io::npz::read_dataset(&amplitude).unwrap().dataset;
    data.patterns = Patterns::new(data.patterns.values().mapv(|v| v * v));
    write_dataset(&counts, &data).unwrap();
    let residual = |hub: &str, data: &Path, told: &[&str]| -> f64 {
        let hub = at(hub);
        let args = [
            "reconstruct",
            text(data),
            "--engine",
            "epie",
            "--iterations",
            "5",
            "-q",
            "-o",
            text(&hub),
        ];
        let done = said(args.iter().chain(told).copied());
        assert_eq!(done.code, 0, "{done:#?}");
        let metadata = fs::read_to_string(hub.join("run_metadata.json")).unwrap();
        assert_eq!(
            metadata.contains("as requested"),
            !told.is_empty(),
            "{metadata}"
        );
        let text = fs::read_to_string(hub.join("inference_outputs/residuals.json")).unwrap();
        let found: Value = serde_json::from_str(&text).unwrap();
        found["residual"].as_f64().unwrap()
    };
    let right = residual("a", &amplitude, &[]);
    let told = residual("b", &counts, &["--unit", "counts"]);
    let wrong = residual("c", &counts, &[]);
    // the square root of a float32 square is the number, but for rounding
    assert_close!(told, right, F32_SUM_16384.as_relative());
    assert!(wrong > 1.2 * right, "{right} {told} {wrong}");
    let done = said([
        "reconstruct",
        text(&counts),
        "--engine",
        "epie",
        "--energy",
        "-3",
        "-o",
        text(&at("d")),
    ]);
    done.ended(2, &["--energy"]);
}
