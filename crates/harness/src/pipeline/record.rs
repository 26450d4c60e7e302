//! `run_metadata.json` of a run: what was asked, what it was settled to, and how it ended.

use std::path::Path;

use serde_json::Value;

use super::Outcome;
use super::job::Job;
use super::request::Request;
use crate::machine;
use ptyproof::error::{Error, Result};
use ptyproof::hub::dir;
use ptyproof::hub::metadata::{Artifacts, RunMetadata, Seeds, Versions};
use ptyproof::json::Real;
use ptyproof::judgment::Judgment;
use ptyproof_pinn::training::train::StopReason;

/// What only the caller of a run knows.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// The directory that the hub is to have.
    pub output_dir: &'a Path,
    /// When the run began, ISO 8601.
    pub started: &'a str,
    /// Seconds since.
    pub elapsed: f64,
    /// Threads that it used.
    pub threads: usize,
}

/// The names of the artifacts that every hub has.
pub(super) fn artifacts() -> Artifacts {
    Artifacts {
        amplitude_npy: dir::AMPLITUDE.into(),
        amplitude_png: dir::AMPLITUDE_PICTURE.into(),
        inference_dir: "inference_outputs".into(),
        phase_npy: dir::PHASE.into(),
        phase_png: dir::PHASE_PICTURE.into(),
        stats_json: dir::STATS.into(),
        train_dir: "train_outputs".into(),
    }
}

/// The programs that make a hub.
pub(super) fn versions() -> Versions {
    Versions {
        ptyproof: env!("CARGO_PKG_VERSION").into(),
        rustc: None,
    }
}

/// Seconds with two decimals.
pub(super) fn seconds(elapsed: f64) -> Real {
    Real((elapsed * 100.0).round() / 100.0)
}

/// A request as the metadata keep it.
pub(super) fn request_record(request: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(request).map_err(|e| Error::bug("writing the metadata").because(e))
}

/// The metadata of a run that has ended.
///
/// # Errors
/// Never for a valid scenario.
pub fn metadata(
    request: &Request,
    job: &Job,
    outcome: &Outcome,
    around: Circumstances<'_>,
) -> Result<RunMetadata> {
    let (s, results) = (&job.scenario, &outcome.results);
    let data_notes = job.data.as_ref().map(|d| d.notes.clone());
    let mut m = RunMetadata {
        amp_png_range: results.amplitude_range(s.amp_vmax),
        artifacts: artifacts(),
        buffer: Real(s.buffer),
        cli_args: request.cli_args(around.output_dir),
        elapsed_seconds: seconds(around.elapsed),
        group_count: s.train_groups().used as u64,
        group_limit: Some(s.group_limit as u64),
        neighbor_count: s.neighbor_count as u64,
        nepochs: s.nepochs as u64,
        nphotons: Real(s.nphotons),
        object_seed: u64::from(s.object_seed),
        probe_big: Some(s.probe_big),
        probe_mask: Some(s.probe_mask),
        probe_mode: s.probe_mode.name().into(),
        probe_scale: Real(s.probe_scale),
        profile: s.profile().clone(),
        scenario: s.name.clone(),
        sim_seed: u64::from(s.sim_seed),
        split: s.split,
        split_fraction: Real(s.split_fraction),
        test_count: s.test_count as u64,
        timestamp: around.started.into(),
        total_images: s.total_images as u64,
        train_count: s.train_count as u64,
        configuration: job.configuration()?,
        config_sha256: Some(job.training_hash()?),
        counters: results.counters.clone(),
        cpu: machine::cpu(),
        data_notes: data_notes.unwrap_or_default(),
        numerics: job.numerics.name().into(),
        overrides: s.overrides().iter().map(Into::into).collect(),
        peak_memory_bytes: machine::peak_memory_bytes(),
        request: request_record(request)?,
        seeds: Seeds {
            object_seed: u64::from(s.object_seed),
            sim_seed: u64::from(s.sim_seed),
            seed: job.seed,
        },
        status: status(outcome).into(),
        threads: around.threads as u64,
        versions: versions(),
        wall_seconds: outcome
            .stages
            .iter()
            .map(|(k, &v)| (k.clone(), Real(v)))
            .collect(),
        ..RunMetadata::default()
    };
    let markdown = dir::summary_markdown(&s.name);
    let overview = &results.summary.nan_overview;
    m.set_history(dir::HISTORY, dir::HISTORY_SUMMARY, &markdown, overview);
    Ok(m)
}

fn status(outcome: &Outcome) -> &'static str {
    match (outcome.results.judgment(), outcome.ending) {
        (Judgment::NonFinite, _) => "complete_non_finite",
        (Judgment::Undecided, _) => "complete_nothing_covered",
        (_, StopReason::Stopped) => "complete_stopped_early",
        (_, _) => "complete",
    }
}
