//! `run_metadata.json` describes a run, so that consumers need not open the other files.
//!
//! *Conventions.* Every field of the reference's file is here under its name, then ours. Paths are
//! relative to the hub, with `/`. Absent is `null`; a number that is not finite is a string (see
//! [`crate::json`]). `timestamp` and the wall times are passed in.
//!
//! *Source.* Reference description, section m, and `run_metadata.json` of its hubs; mission,
//! requirements 5 to 7.

use crate::hub::overview::NanOverview;
use crate::hub::splitting::Splitting;
use crate::json::Real;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The color range of the amplitude picture.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AmplitudeRange {
    /// Value of the first color.
    pub vmin: Real,
    /// Value of the last color, at least `1e-9`.
    pub vmax: Real,
}

/// Where the results are; relative to the hub.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Artifacts {
    /// Amplitude, `.npy`.
    pub amplitude_npy: String,
    /// Amplitude, picture.
    pub amplitude_png: String,
    /// Directory of the inference.
    pub inference_dir: String,
    /// Phase, `.npy`.
    pub phase_npy: String,
    /// Phase, picture.
    pub phase_png: String,
    /// Statistics.
    pub stats_json: String,
    /// Directory of the training.
    pub train_dir: String,
}

/// The baked profile of a scenario, and what became of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProfileRecord {
    /// Whether the scenario has one.
    pub active: bool,
    /// Fields that were used.
    pub applied: BTreeMap<String, Value>,
    /// All its fields.
    pub defaults: BTreeMap<String, Value>,
    /// Batch size that was used.
    pub effective_batch_size: Option<u64>,
    /// Group count that was used.
    pub effective_group_count: Option<u64>,
    /// Its label.
    pub label: Option<String>,
    /// The scenario; null without a profile.
    pub name: Option<String>,
    /// Fields that gave way to an override.
    pub skipped: BTreeMap<String, Skipped>,
}

/// A profile field that gave way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Skipped {
    /// The value of the profile.
    pub preferred: Value,
    /// The value used instead.
    #[serde(rename = "override")]
    pub used: Value,
    /// Why: `cli_override`, or `command_override` where the command chose it.
    pub reason: String,
}

/// A value that displaced another; overrides win and are recorded, never silently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Override {
    /// The field.
    pub field: String,
    /// The default value.
    pub displaced: Value,
    /// The value used.
    pub value: Value,
    /// The source of the override: a flag, the command, a file.
    pub source: String,
}

/// The files of the training history; relative to the hub.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HistoryRecord {
    /// Metrics per epoch.
    pub history_json: String,
    /// Metrics that are not finite.
    pub nan_overview: NanOverview,
    /// Their summary.
    pub summary_json: String,
    /// Its readable twin.
    pub summary_markdown: String,
}

/// The programs that made the run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Versions {
    /// This one.
    pub ptyproof: String,
    /// Its compiler, where known.
    pub rustc: Option<String>,
}

/// All seeds of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seeds {
    /// Of the object.
    pub object_seed: u64,
    /// Of scan and noise.
    pub sim_seed: u64,
    /// Of weights and shuffling.
    pub seed: u64,
}

/// The value of [`RunMetadata::made_by`] for a hub of an iterative engine.
pub const RECONSTRUCT: &str = "reconstruct";

/// `run_metadata.json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RunMetadata {
    // The reference's fields.
    /// Color range of `amplitude.png`.
    pub amp_png_range: AmplitudeRange,
    /// Where the results are.
    pub artifacts: Artifacts,
    /// Least distance of scan positions from the object's rim, pixels.
    pub buffer: Real,
    /// What was asked, as the reference has it: one flat list, `null` where nothing was given.
    pub cli_args: BTreeMap<String, Value>,
    /// Wall time of the run.
    pub elapsed_seconds: Real,
    /// Groups per subset.
    pub group_count: u64,
    /// Groups of the inference at most; 0: no limit but `group_count`.
    pub group_limit: Option<u64>,
    /// Neighbors that a group chooses from.
    pub neighbor_count: u64,
    /// Epochs asked for.
    pub nepochs: u64,
    /// Mean photons per pattern.
    pub nphotons: Real,
    /// Seed of the object.
    pub object_seed: u64,
    /// Whether the probe branch outside the center is used; absent: the scenario's default.
    pub probe_big: Option<bool>,
    /// Whether the probe is masked; absent: the scenario's default.
    pub probe_mask: Option<bool>,
    /// `idealized` or `custom`.
    pub probe_mode: String,
    /// Scale of the probe.
    pub probe_scale: Real,
    /// The outcome of the profile.
    pub profile: ProfileRecord,
    /// The scenario.
    pub scenario: String,
    /// Seed of scan and noise.
    pub sim_seed: u64,
    /// `none` where groups of both were drawn from all patterns, which then train and test; absent where there are halves.
    #[serde(default, skip_serializing_if = "Splitting::is_halves")]
    pub split: Splitting,
    /// Share of the patterns that are for testing, where there are halves.
    pub split_fraction: Real,
    /// Patterns for testing.
    pub test_count: u64,
    /// When the run began.
    pub timestamp: String,
    /// Patterns simulated.
    pub total_images: u64,
    /// Patterns for training.
    pub train_count: u64,
    /// The files of the history; absent if training did not begin, and in the reference's older hubs.
    pub training_history: Option<HistoryRecord>,
    /// `history.json`.
    pub training_history_path: Option<String>,
    /// Metrics that are not finite.
    pub training_nan_overview: Option<NanOverview>,
    /// The readable summary.
    pub training_summary_markdown_path: Option<String>,
    /// `history_summary.json`.
    pub training_summary_path: Option<String>,

    // Ours.
    /// The configuration: data, numerics, seed and files, on which the results depend before
    /// inference.
    #[serde(default)]
    pub configuration: Value,
    /// SHA-256 of `configuration` with sorted keys and no spaces; equal for runs with equal settings.
    #[serde(default)]
    pub config_sha256: Option<String>,
    /// Counts of losses, by name: patches dropped, pixels outside, values floored.
    #[serde(default)]
    pub counters: BTreeMap<String, u64>,
    /// Processor model, if the system reports it.
    #[serde(default)]
    pub cpu: Option<String>,
    /// Notes about the data.
    #[serde(default)]
    pub data_notes: Vec<String>,
    /// The command that made the hub: [`RECONSTRUCT`]; empty for `run`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub made_by: String,
    /// `guarded` or `reference`; empty without a network.
    #[serde(default)]
    pub numerics: String,
    /// Everything that displaced a default, in the order in which it was applied.
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// Peak memory, if the system reports it.
    #[serde(default)]
    pub peak_memory_bytes: Option<u64>,
    /// All seeds.
    #[serde(default)]
    pub seeds: Seeds,
    /// `complete`, or what went wrong.
    #[serde(default)]
    pub status: String,
    /// What was asked of the run, from which it can be repeated; null in hubs of version 1, which have `cli_args` alone.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub request: Value,
    /// Worker threads; they never change a result.
    #[serde(default)]
    pub threads: u64,
    /// The programs.
    #[serde(default)]
    pub versions: Versions,
    /// Wall time per stage.
    #[serde(default)]
    pub wall_seconds: BTreeMap<String, Real>,
}

impl RunMetadata {
    /// Refers to the history files, and carries their NaN overview in both of the reference's places.
    pub fn set_history(
        &mut self,
        history_path: &str,
        summary_path: &str,
        markdown_path: &str,
        overview: &NanOverview,
    ) {
        self.training_history = Some(HistoryRecord {
            history_json: history_path.into(),
            nan_overview: overview.clone(),
            summary_json: summary_path.into(),
            summary_markdown: markdown_path.into(),
        });
        self.training_history_path = Some(history_path.into());
        self.training_nan_overview = Some(overview.clone());
        self.training_summary_markdown_path = Some(markdown_path.into());
        self.training_summary_path = Some(summary_path.into());
    }

    /// Adds to the counter `name`.
    pub fn count(&mut self, name: &str, n: u64) {
        *self.counters.entry(name.into()).or_default() += n;
    }

    /// Every path in it, for the check that all of them exist in the hub.
    pub fn paths(&self) -> Vec<&str> {
        let a = &self.artifacts;
        let mut all: Vec<&str> = vec![
            &a.amplitude_npy,
            &a.amplitude_png,
            &a.inference_dir,
            &a.phase_npy,
            &a.phase_png,
            &a.stats_json,
            &a.train_dir,
        ];
        let rest = [
            &self.training_history_path,
            &self.training_summary_markdown_path,
            &self.training_summary_path,
        ];
        all.extend(rest.into_iter().flatten().map(String::as_str));
        all.retain(|p| !p.is_empty());
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{from_text, to_text};

    #[test]
    fn counters_accumulate() {
        let mut m = RunMetadata::default();
        m.count("dropped_patches", 2);
        m.count("dropped_patches", 3);
        assert_eq!(m.counters["dropped_patches"], 5);
    }

    #[test]
    fn history_path_matches_the_reference_layout() {
        let mut m = RunMetadata::default();
        m.set_history("t/h.json", "t/s.json", "s.md", &NanOverview::default());
        let v: Value = from_text(&to_text(&m).unwrap()).unwrap();
        assert_eq!(v["training_history_path"], "t/h.json");
        assert_eq!(
            v["training_nan_overview"],
            v["training_history"]["nan_overview"]
        );
        assert_eq!(m.paths(), ["t/h.json", "s.md", "t/s.json"]);
    }

    #[test]
    fn metadata_round_trips() {
        let mut m = RunMetadata {
            nphotons: Real(f64::INFINITY),
            buffer: Real(f64::NAN),
            ..Default::default()
        };
        m.wall_seconds.insert("train".into(), Real(1e-9));
        m.profile.skipped.insert(
            "batch_size".into(),
            Skipped {
                preferred: 8.into(),
                used: 16.into(),
                reason: "cli_override".into(),
            },
        );
        assert_eq!(from_text::<RunMetadata>(&to_text(&m).unwrap()).unwrap(), m);
    }
}
