//! One line per hub: how its training ended. For tables over seeds; see `scripts/seeds.sh`.
//!
//! ```text
//! cargo run --release --example seeds -- hubs/seeds/*
//! ```
#![allow(clippy::print_stdout, reason = "a table for people")]

use std::path::Path;

use ptyproof::error::{Error, Result};
use ptyproof::json;
use ptyproof_harness::report::markdown::{Table, g6};
use serde_json::Value;

fn read(hub: &Path, file: &str) -> Result<Value> {
    let path = hub.join(file);
    let text = std::fs::read_to_string(&path)
        .map_err(|e| Error::input("reading a hub").at(path.display()).because(e))?;
    json::from_text(&text)
}

fn number(v: &Value) -> String {
    match v {
        Value::Number(n) => n.as_f64().map_or("?".into(), g6),
        Value::String(s) => s.clone(),
        _ => "-".into(),
    }
}

fn main() -> Result<()> {
    let mut table = Table::new(&[
        "hub",
        "first bad step",
        "loss",
        "val_loss",
        "amplitude error",
        "mae",
        "r",
        "registered r",
        "NaN pixels",
    ]);
    for hub in std::env::args_os().skip(1) {
        let hub = Path::new(&hub);
        if hub.extension().is_some_and(|e| e == "partial") {
            continue;
        }
        let summary = read(hub, "train_outputs/history_summary.json")?;
        let comparison = read(hub, "comparison_metrics.json")?;
        let stats = read(hub, "inference_outputs/stats.json")?;
        let last = |name: &str| number(&summary["metrics"][name]["last"]);
        let first = &summary["nan_overview"]["first"];
        table.row([
            hub.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            number(&first["step"]),
            last("loss"),
            last("val_loss"),
            last("intensity_scaler_inv_loss"),
            number(&comparison["amplitude"]["mae"]),
            number(&comparison["amplitude"]["pearson_r"]),
            number(&comparison["registered"]["amplitude_scaled"]["pearson_r"]),
            number(&stats["amplitude"]["nan_count"]),
        ]);
    }
    println!("{}", table.text());
    Ok(())
}
