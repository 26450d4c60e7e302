//! `ptyproof history`: what a training history, whoever wrote it, came to.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use super::apart::apart;
use super::args::HistoryArgs;
use super::exit::Exit;
use crate::error::{Error, Result};
use crate::ground::file::write_atomic;
use crate::ground::json;
use crate::report::telemetry::page;
use crate::verify::telemetry::Telemetry;

pub(super) fn run(args: &HistoryArgs) -> Result<Exit> {
    let mut read = BTreeMap::new();
    let written = [&args.output_json, &args.output_markdown];
    apart("reading a history", &args.files, written)?;
    let mut pages = Vec::new();
    let summary_path = match &args.output_json {
        Some(path) => path.display().to_string(),
        None => "-".into(),
    };
    for path in &args.files {
        let t = open(path)?;
        let name =
            (path.file_stem()).map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        let shown = path.display().to_string();
        pages.push(page(&t, &name, &shown, &summary_path));
        read.insert(shown, t);
    }
    let pages = pages.join("\n");
    if let Some(path) = &args.output_json {
        let alone = (read.len() == 1).then(|| read.values().next()).flatten();
        let text = match alone {
            Some(t) => json::to_text(t)?,
            None => json::to_text(&BTreeMap::from([("files", &read)]))?,
        };
        write_atomic(path, text.as_bytes())?;
    }
    if let Some(path) = &args.output_markdown {
        write_atomic(path, pages.as_bytes())?;
    }
    outln!("{pages}");
    Ok(if read.values().any(|t| t.nan_overview.has_nan) {
        Exit::NonFinite
    } else {
        Exit::Success
    })
}

fn open(path: &Path) -> Result<Telemetry> {
    let action = "reading a history";
    let file = File::open(path).map_err(|e| Error::io(action).at(path.display()).because(e))?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(Error::input(action)
            .at(path.display())
            .got("a directory")
            .need("a history: JSON or CSV")
            .help("of a hub, take train_outputs/history.json"));
    }
    Telemetry::read(file).map_err(|e| Error::input(action).at(path.display()).because(e))
}
