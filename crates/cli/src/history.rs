//! `ptyproof history`: what a training history, whoever wrote it, came to.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use super::args::Flags;
use super::args::HistoryArgs;
use super::exit::Exit;
use super::output_paths::refuse_overwrite;
use super::standard_streams::{Input, write_report};
use ptyproof::error::{Error, Kind, Result};
use ptyproof::json;
use ptyproof::judgment::Judgment;
use ptyproof::records::telemetry::Telemetry;
use ptyproof_harness::report::junit::{Case, junit};
use ptyproof_harness::report::telemetry::{cases, page};

pub(super) fn run(args: &HistoryArgs) -> Result<Exit> {
    let mut read = BTreeMap::new();
    let written = [&args.output_json, &args.output_markdown, &args.junit];
    refuse_overwrite("reading a history", &args.files, written)?;
    let mut pages = Vec::new();
    let summary_path = match &args.output_json {
        Some(path) => path.display().to_string(),
        None => "-".into(),
    };
    let mut failed: Vec<Case> = Vec::new();
    for path in &args.files {
        let t = match open(path) {
            Ok(t) => t,
            // the others are read all the same, and the first that could not be judged is named
            Err(e) if e.kind() == Kind::Undecided && args.files.len() > 1 => {
                super::tell(false, &Flags::default(), &e);
                let name = path.display().to_string();
                failed.push(Case::new(name, Judgment::Undecided, e.to_string()));
                continue;
            }
            Err(e) => return Err(e),
        };
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
        write_report(path, text.as_bytes())?;
    }
    if let Some(path) = &args.output_markdown {
        write_report(path, pages.as_bytes())?;
    }
    outln!("{pages}");
    if let Some(path) = &args.junit {
        let mut all: Vec<Case> = (read.iter()).flat_map(|(file, t)| cases(file, t)).collect();
        all.extend(failed.iter().cloned());
        write_report(path, junit("ptyproof history", all)?.as_bytes())?;
    }
    for (file, t) in &read {
        for line in &t.mismatched {
            warnln!("{file}: {line}; look for the epochs that were not logged");
        }
        for name in &t.ignored {
            noteln!("{file}: {name} is no series of numbers, and was not read");
        }
        if t.left_out > 0 {
            warnln!(
                "{file}: {} missing values were left out; look at what the training logged there",
                t.left_out
            );
        }
    }
    let undecided = failed.iter().filter_map(|c| c.judgment);
    Ok(Judgment::worst(read.values().map(Telemetry::judgment).chain(undecided)).into())
}

fn open(path: &Path) -> Result<Telemetry> {
    let action = "reading a history";
    let input = Input::of(action, path)?;
    let file =
        File::open(input.path()).map_err(|e| Error::input(action).at(path.display()).because(e))?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(Error::input(action)
            .at(path.display())
            .got("a directory")
            .need("a history: JSON or CSV")
            .help("of a hub, take train_outputs/history.json"));
    }
    Telemetry::read(file).map_err(|e| {
        let about = match e.kind() {
            Kind::Undecided => Error::undecided(action),
            _ => Error::input(action),
        };
        about.at(path.display()).because(e)
    })
}
