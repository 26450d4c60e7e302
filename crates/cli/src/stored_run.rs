//! What a run was told, read back from its hub: so that it can be made ready again.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::args::RunArgs;
use ptyproof::error::{Error, Result};
use ptyproof::hub::dir;
use ptyproof::hub::metadata::{RECONSTRUCT, RunMetadata};
use ptyproof::json;

const ACTION: &str = "reading what the run was told";

/// The command line of a hub's run, this program's or the reference's; what was assumed is added to `notes`.
///
/// # Errors
/// If the hub's metadata hold none.
pub(super) fn arguments(hub: &Path, notes: &mut Vec<String>) -> Result<RunArgs> {
    let path = hub.join(dir::METADATA);
    let io = |e| Error::input(ACTION).at(path.display()).because(e);
    let text = fs::read_to_string(&path).map_err(io)?;
    let bad = |e| Error::input(ACTION).at(path.display()).because(e);
    let metadata: RunMetadata = json::from_text(&text).map_err(bad)?;
    if metadata.made_by == RECONSTRUCT {
        return Err(Error::input(ACTION)
            .at(path.display())
            .got("the hub of an iterative engine")
            .need("that of a run with a network")
            .help("an engine has no scales to balance: probe and object share one free factor"));
    }
    let mut told: Map<String, Value> = metadata.cli_args.into_iter().collect();
    if !told.contains_key("numerics") {
        notes.push("no numerics and no seed in the metadata: a hub of the reference, its noise is drawn anew".into());
        let snapshot = told.get("snapshot").and_then(Value::as_str);
        if snapshot.is_some_and(|p| !Path::new(p).exists()) {
            notes.push(
                "its snapshot is not here: the built-in one, which is the published one".into(),
            );
            told.insert("snapshot".into(), Value::Null);
        }
        told.insert("numerics".into(), "reference".into());
    }
    from_map(told, &format!("{}, cli_args", path.display()))
}

/// The command line of a run on a data file, all else as it is by default.
///
/// # Errors
/// Never for a path that is text.
pub(super) fn on_data(data: &Path) -> Result<RunArgs> {
    let told = [
        ("data".to_owned(), json!(data)),
        ("numerics".into(), json!("guarded")),
    ];
    from_map(told.into_iter().collect(), &data.display().to_string())
}

fn from_map(mut told: Map<String, Value>, place: &str) -> Result<RunArgs> {
    for (name, default) in [
        ("seed", json!(1)),
        ("object_phase", json!(false)),
        ("quiet", json!(true)),
        ("json_log", json!(false)),
        ("output_dir", json!("")),
    ] {
        told.entry(name).or_insert(default);
    }
    serde_json::from_value(Value::Object(told)).map_err(|e| {
        Error::input(ACTION)
            .at(place)
            .because(e)
            .need("the command line of a run")
    })
}
