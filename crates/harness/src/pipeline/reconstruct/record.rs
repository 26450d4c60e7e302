//! `run_metadata.json` of a reconstruction.

use super::request::Request;
use super::{Outcome, Ready};
use crate::machine;
use crate::pipeline::record::{Circumstances, artifacts, request_record, seconds, versions};
use crate::plot::Range;
use crate::scenario::Splitting;
use ptyproof::error::Result;
use ptyproof::hub::dir;
use ptyproof::hub::metadata::{AmplitudeRange, RECONSTRUCT, RunMetadata, Seeds};
use ptyproof::json::Real;

/// What is known before the first iteration.
///
/// # Errors
/// Never for valid settings.
pub fn begun(request: &Request, ready: &Ready, around: Circumstances<'_>) -> Result<RunMetadata> {
    let patterns = ready.problem.len() as u64;
    Ok(RunMetadata {
        artifacts: artifacts(),
        cli_args: request.cli_args(around.output_dir),
        nepochs: ready.settings.iterations as u64,
        nphotons: Real(ready.problem.power),
        probe_mode: "custom".into(),
        probe_scale: Real(1.0),
        scenario: ready.name.clone(),
        split: Splitting::Halves,
        split_fraction: Real(1.0),
        timestamp: around.started.into(),
        total_images: patterns,
        train_count: patterns,
        configuration: ready.configuration()?,
        config_sha256: Some(ready.hash()?),
        cpu: machine::cpu(),
        data_notes: ready.notes.clone(),
        made_by: RECONSTRUCT.into(),
        request: request_record(request)?,
        seeds: Seeds {
            seed: ready.settings.seed,
            ..Seeds::default()
        },
        threads: around.threads as u64,
        versions: versions(),
        ..RunMetadata::default()
    })
}

/// Adds what is known at the end.
pub fn ended(m: &mut RunMetadata, outcome: &Outcome, elapsed: f64) {
    let amplitude = outcome.estimate.object.mapv(|z| z.norm());
    m.amp_png_range = AmplitudeRange {
        vmin: Real(0.0),
        vmax: Real(Range::amplitude(amplitude.view()).high),
    };
    m.elapsed_seconds = seconds(elapsed);
    m.counters.clone_from(&outcome.counters);
    m.peak_memory_bytes = machine::peak_memory_bytes();
    m.status = outcome.status().into();
    let stages = outcome.stages.iter();
    m.wall_seconds = stages.map(|(k, &v)| (k.clone(), Real(v))).collect();
    let markdown = dir::summary_markdown(&outcome.name);
    let overview = &outcome.summary.nan_overview;
    m.set_history(dir::HISTORY, dir::HISTORY_SUMMARY, &markdown, overview);
}
