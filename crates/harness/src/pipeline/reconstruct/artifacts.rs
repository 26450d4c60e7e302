//! What a reconstruction leaves in its hub.

use std::collections::BTreeMap;

use ndarray::{Array2, Array3};
use num_complex::Complex32;
use serde_json::json;

use super::super::artifacts::COMPARISON;
use super::Outcome;
use super::compare::covered;
use crate::log::Log;
use crate::plot::{Panel, panels};
use crate::report::{reconstruction as page, training};
use ptyproof::error::{Error, Result};
use ptyproof::hub::stats::{ArrayStats, OffsetStats, Stats};
use ptyproof::hub::{Hub, dir};
use ptyproof::io::dataset::Dataset;
use ptyproof::json::{Real, reals};
use ptyproof::records::health::EpochHealth;
use ptyproof::records::history::History;
use ptyproof::records::stage::Stages;
use ptyproof::records::steps::StepHistory;
use ptyproof::records::summary::Summary;
use ptyproof::solve::{Estimate, Problem};

/// Residuals, all together and pattern by pattern.
pub const RESIDUALS: &str = "inference_outputs/residuals.json";
/// Positions, float64 `[pattern, (x, y)]`, pixels of the object; only where they were refined.
pub(in crate::pipeline) const POSITIONS: &str = "inference_outputs/positions.npy";
/// Positions that the object was reconstructed with, in the form of [`POSITIONS`]: they say where the scan is.
pub(in crate::pipeline) const SCAN: &str = "inference_outputs/scan.npy";
/// Pictures of the probe's modes.
const PROBE_PICTURE: &str = "inference_outputs/probe.png";
/// Modes that the picture shows at most.
const SHOWN: usize = 6;

/// The summary of an engine's iterations.
pub(super) fn summary(history: &History, vitals: &[EpochHealth]) -> Summary {
    let none = StepHistory::default();
    let mut s = Summary::of(history).with_health(history, &none, vitals);
    if let Some(health) = &mut s.health {
        // an engine's step is its iteration, and it has no parameters but the images
        let moved = history.metrics.get("object_update");
        health.update_norm = reals(moved.into_iter().flatten().copied());
        health.parameter_norm.clear();
        health.pinned.retain(|_, v| v.iter().any(|x| x.get() > 0.0));
    }
    s
}

/// Things lost, over all iterations.
pub(super) fn counters(history: &History) -> BTreeMap<String, u64> {
    let most = |name: &str| {
        let values = history.metrics.get(name);
        values.map_or(0.0, |v| v.iter().copied().fold(0.0, f64::max))
    };
    ["dark_pixels", "patterns_outside", "non_finite"]
        .into_iter()
        .map(|name| (name.to_owned(), most(name) as u64))
        .collect()
}

/// Digests of what goes in.
pub(super) fn inputs(s: &mut Stages, data: &Dataset, problem: &Problem, start: &Estimate) {
    if let Some(object) = &data.object {
        let (rows, cols) = object.dim();
        s.add("specimen", "object", &[rows, cols], object.iter().copied());
    }
    let n = problem.n;
    let modes = start.probes.len() / problem.area();
    let probes = start.probes.iter().copied();
    s.add("specimen", "probe", &[modes, n, n], probes);
    let positions = data.positions.iter().flat_map(|p| [p.x, p.y]);
    s.add("scan", "positions", &[data.len(), 2], positions);
    let patterns = data.patterns.values();
    s.add(
        "diffraction",
        "amplitude",
        patterns.shape(),
        patterns.iter().copied(),
    );
}

/// Digests of what comes out.
pub(super) fn outputs(s: &mut Stages, e: &Estimate, n: usize) {
    let (rows, cols) = e.object.dim();
    let modes = e.probes.len() / (n * n);
    let stage = "reconstruction";
    s.add(stage, "object", &[rows, cols], e.object.iter().copied());
    s.add(stage, "probe", &[modes, n, n], e.probes.iter().copied());
    let positions = e.positions.iter().flat_map(|p| [p.x, p.y]);
    s.add(stage, "positions", &[e.positions.len(), 2], positions);
}

/// Writes the history, its summary in both forms, and its picture.
pub(super) fn history(hub: &Hub, name: &str, history: &History, summary: &Summary) -> Result<()> {
    hub.write_text(dir::HISTORY, &history.to_text()?)?;
    hub.write_json(dir::HISTORY_SUMMARY, summary)?;
    let text = training::summary(summary, name, dir::HISTORY, dir::HISTORY_SUMMARY);
    hub.write_text(&dir::summary_markdown(name), &text)?;
    hub.write_bytes(dir::HISTORY_PICTURE, &page::picture(name, history)?)
}

/// Amplitude and phase, zero where no patch lies.
fn planes(problem: &Problem, e: &Estimate) -> [Array2<f32>; 2] {
    let seen = covered(problem, e);
    let part = |of: fn(&Complex32) -> f32| {
        ndarray::Zip::from(&e.object)
            .and(&seen)
            .map_collect(|z, seen| if *seen { of(z) } else { 0.0 })
    };
    [part(|z| z.norm()), part(|z| z.arg())]
}

/// Writes object, probe and positions, and again those that moved; amplitude and phase come back.
pub(super) fn arrays(hub: &Hub, problem: &Problem, e: &Estimate) -> Result<[Array2<f32>; 2]> {
    let [amplitude, phase] = planes(problem, e);
    hub.write_npy(dir::AMPLITUDE, amplitude.view())?;
    hub.write_npy(dir::PHASE, phase.view())?;
    let n = problem.n;
    let shape = (e.probes.len() / problem.area(), n, n);
    let probe = Array3::from_shape_vec(shape, e.probes.clone());
    let probe = probe.map_err(|err| Error::bug("writing the probe").because(err))?;
    hub.write_npy(dir::PROBE, probe.view())?;
    let origin = [problem.frame.left as f64, problem.frame.top as f64];
    let all = Array2::from_shape_fn((problem.len(), 2), |(k, axis)| {
        let p = e.positions[k];
        [p.x, p.y][axis] + origin[axis]
    });
    hub.write_npy(SCAN, all.view())?;
    if e.positions != problem.positions {
        hub.write_npy(POSITIONS, all.view())?;
    }
    Ok([amplitude, phase])
}

/// Writes the reconstruction: arrays, pictures, statistics, residuals, and the comparison with the truth.
pub(super) fn reconstruction(
    hub: &Hub,
    problem: &Problem,
    outcome: &Outcome,
    log: &Log,
) -> Result<()> {
    let (name, e, n) = (&outcome.name, &outcome.estimate, problem.n);
    let [amplitude, phase] = arrays(hub, problem, e)?;
    let panel = Panel::amplitude("amplitude", amplitude.view());
    let heading = format!("{name}: reconstructed amplitude");
    hub.write_bytes(dir::AMPLITUDE_PICTURE, &panels(&heading, &[panel])?)?;
    let panel = Panel::phase("phase", phase.view());
    let heading = format!("{name}: reconstructed phase");
    hub.write_bytes(dir::PHASE_PICTURE, &panels(&heading, &[panel])?)?;
    hub.write_bytes(PROBE_PICTURE, &probe_picture(name, e, n)?)?;

    let (rows, cols) = (problem.frame.rows, problem.frame.cols);
    let middle = [cols as f64 / 2.0, rows as f64 / 2.0];
    let offsets = e
        .positions
        .iter()
        .map(|p| [p.x - middle[0], p.y - middle[1]]);
    let stats = Stats::new(
        ArrayStats::of(&amplitude),
        ArrayStats::of(&phase),
        OffsetStats::of(offsets),
        n as u64,
        rows.max(cols) as u64,
    );
    hub.write_json(dir::STATS, &stats)?;
    let r = &outcome.residuals;
    let residuals = json!({
        "schema": "ptyproof.reconstruct_residuals/1",
        "residual": Real(r.whole),
        "patterns": r.counted(),
        "patterns_without_light": r.dark,
        "patterns_outside": r.outside,
        // null where a pattern does not count
        "per_pattern": r.each.iter().map(|v| v.map(Real)).collect::<Vec<_>>(),
    });
    hub.write_json(RESIDUALS, &residuals)?;
    match &outcome.comparison {
        Some(found) => hub.write_json(COMPARISON, found)?,
        None => log
            .info("there is no true object to compare with, or none under the middle of the scan"),
    }
    Ok(())
}

fn probe_picture(name: &str, e: &Estimate, n: usize) -> Result<Vec<u8>> {
    let modes = e.modes(n);
    let power: f64 = e.probes.iter().map(|z| f64::from(z.norm_sqr())).sum();
    let shown: Vec<(String, Array2<f32>)> = modes
        .iter()
        .take(SHOWN)
        .enumerate()
        .map(|(k, m)| {
            let own: f64 = m.iter().map(|z| f64::from(z.norm_sqr())).sum();
            let title = format!("mode {k}: {:.1} % of the power", 100.0 * own / power);
            (title, m.mapv(|z| z.norm()))
        })
        .collect();
    let all: Vec<Panel<'_>> = shown
        .iter()
        .map(|(title, m)| Panel::amplitude(title, m.view()))
        .collect();
    panels(&format!("{name}: amplitude of the probe"), &all)
}
