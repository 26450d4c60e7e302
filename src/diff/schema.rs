//! The kind of each file and value of a hub, which decides how it is compared.

use super::tolerance::Step;
use crate::hub::dir;

/// How a place is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Whole numbers and texts equal, other numbers within their tolerance.
    Value,
    /// Of this run alone: its time, its machine, its paths. Not compared.
    Volatile(&'static str),
}

/// Files that are not compared byte by byte: what they show is compared elsewhere.
pub(super) fn derived(file: &str) -> Option<&'static str> {
    let ending = file.rsplit('.').next().unwrap_or_default();
    match ending {
        "png" => Some("an image of arrays that are compared"),
        "md" => Some("a page of numbers that are compared"),
        "log" => Some("a log contains times"),
        "safetensors" => Some("its weights are compared by the stage digests"),
        "npz" => Some("tensors of an event"),
        "npy" | "json" => None,
        _ => Some("not a file of a run"),
    }
}

/// How a place of a JSON file is compared.
pub(super) fn class(file: &str, place: &[Step]) -> Class {
    let names: Vec<&str> = place
        .iter()
        .map(|s| match s {
            Step::Name(n) => n.as_str(),
            Step::Entry(_) => "[]",
        })
        .collect();
    match (file, names.as_slice()) {
        (dir::METADATA, ["timestamp" | "elapsed_seconds" | "wall_seconds", ..]) => {
            Class::Volatile("time")
        }
        (dir::METADATA, ["cpu" | "threads" | "peak_memory_bytes" | "versions", ..]) => {
            Class::Volatile("machine")
        }
        (
            dir::METADATA,
            [
                "artifacts"
                | "training_history_path"
                | "training_summary_markdown_path"
                | "training_summary_path",
                ..,
            ]
            | [
                "training_history",
                "history_json" | "summary_json" | "summary_markdown",
            ],
        ) => Class::Volatile("path"),
        // what was typed; what came of it is in the settings
        (dir::METADATA, ["cli_args" | "request", ..]) => Class::Volatile("command line"),
        // a digest shows only that bits differ; the first difference is more specific
        (dir::STAGES, [.., "sha256"]) => Class::Volatile("digest"),
        _ => Class::Value,
    }
}
