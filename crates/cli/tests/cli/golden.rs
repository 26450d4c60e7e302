//! The golden run: a tiny scenario in both numerics against `golden/`, stage by stage.
//!
//! A missing golden is a failure. `golden/bless REASON` writes them anew, and says why.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test panics where it fails"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Every float of training passes through a handful of library functions (exp, tanh, sin, cos, ln) whose
/// last bit may differ between platforms; 12 steps of Adam carry it on. Slack 64 for each step.
const STEPS: f64 = 12.0;
const TOLERANCE: f64 = 64.0 * f32::EPSILON as f64 * STEPS;

fn golden(numerics: &str) -> PathBuf {
    ptyproof_testkit::repository().join(format!("golden/tiny_{numerics}.json"))
}

/// What a golden holds of a hub: the history and the statistics of the reconstruction.
fn figures(hub: &Path) -> Value {
    let read = |file: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(hub.join(file)).unwrap()).unwrap()
    };
    serde_json::json!({
        "comparison": read("comparison_metrics.json"),
        "history": read("train_outputs/history.json"),
        "stats": read("inference_outputs/stats.json"),
    })
}

fn compare(at: &str, got: &Value, want: &Value, bad: &mut Vec<String>) {
    match (got, want) {
        (Value::Object(g), Value::Object(w)) => {
            let (mut gk, mut wk): (Vec<_>, Vec<_>) = (g.keys().collect(), w.keys().collect());
            gk.sort();
            wk.sort();
            if gk != wk {
                bad.push(format!("{at}: fields {gk:?}, golden {wk:?}"));
            }
            for (k, w) in w {
                compare(
                    &format!("{at}/{k}"),
                    g.get(k).unwrap_or(&Value::Null),
                    w,
                    bad,
                );
            }
        }
        (Value::Array(g), Value::Array(w)) if g.len() == w.len() => {
            for (k, (g, w)) in g.iter().zip(w).enumerate() {
                compare(&format!("{at}/{k}"), g, w, bad);
            }
        }
        (Value::Number(g), Value::Number(w)) if g.is_f64() || w.is_f64() => {
            let (g, w) = (g.as_f64().unwrap(), w.as_f64().unwrap());
            let within = (g - w).abs() <= TOLERANCE * w.abs().max(1.0);
            if !within {
                bad.push(format!(
                    "{at}: {g}, golden {w}, off by {:e}",
                    ((g - w) / w).abs()
                ));
            }
        }
        (g, w) if g == w => {}
        (g, w) => bad.push(format!("{at}: {g}, golden {w}")),
    }
}

fn check(numerics: &str) {
    let dir = tempfile::tempdir().unwrap();
    let hub = dir.path().join("hub");
    let flags = "--base-total-images 24 --group-count 12 --batch-size 4 --nepochs 4 --group-limit 6 --seed 5";
    let done = Command::new(env!("CARGO_BIN_EXE_ptyproof"))
        .args([
            "run",
            "--scenario",
            "gs1_ideal",
            "--quiet",
            "--numerics",
            numerics,
            "--output-dir",
        ])
        .arg(&hub)
        .args(flags.split(' '))
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let (got, path) = (figures(&hub), golden(numerics));
    if std::env::var_os("PTYPROOF_BLESS").is_some() {
        let text = ptyproof::json::to_text(&got).unwrap();
        std::fs::write(&path, text + "\n").unwrap();
        return;
    }
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}: a missing golden is a failure", path.display()));
    let mut bad = Vec::new();
    compare("", &got, &serde_json::from_str(&text).unwrap(), &mut bad);
    assert!(
        bad.is_empty(),
        "{} figures differ from {}:\n{}",
        bad.len(),
        path.display(),
        bad.join("\n")
    );
    println!("{}: every figure within {TOLERANCE:e}", path.display());
}

#[test]
fn tiny_guarded_run_matches_its_golden() {
    check("guarded");
}

#[test]
fn tiny_reference_run_matches_its_golden() {
    check("reference");
}
