//! What a run leaves in its hub.

use std::collections::BTreeMap;

use ndarray::{Array2, s};
use num_complex::Complex32;

use crate::plot::{ColorMap, Panel, Range, comparison, panels};
use crate::report::training;
use crate::scenario::Scenario;
use ptyproof::assemble::Stitched;
use ptyproof::error::Result;
use ptyproof::geometry::Position;
use ptyproof::hub::metadata::AmplitudeRange;
use ptyproof::hub::stats::{ArrayStats, OffsetStats, Stats};
use ptyproof::hub::{Hub, dir};
use ptyproof::json::Real;
use ptyproof::judgment::Judgment;
use ptyproof::records::summary::Summary;
use ptyproof::score::{Comparison, truth};
use ptyproof_pinn::training::train::Progress;

/// Comparison with the truth, where it is known.
pub const COMPARISON: &str = "comparison_metrics.json";
/// Its pictures.
pub const COMPARISON_PICTURES: [&str; 2] = [
    "inference_outputs/comparison_amplitude.png",
    "inference_outputs/comparison_phase.png",
];

/// All results of a run.
#[derive(Debug)]
pub struct Results {
    /// The training.
    pub progress: Progress,
    /// Its summary.
    pub summary: Summary,
    /// The reconstruction.
    pub stitched: Stitched,
    /// The comparison with the truth, where it is known.
    pub comparison: Option<Comparison>,
    /// The truth.
    pub truth: Option<Array2<Complex32>>,
    /// Centers of the inference groups.
    pub centers: Vec<Position>,
    /// Side of the padded canvas.
    pub padded: usize,
    /// Things lost, dropped, outside: by name.
    pub counters: BTreeMap<String, u64>,
    /// Divisor that normalized the probe.
    pub probe_factor: f64,
    /// Statistical factors `k` of training and inference.
    pub factors: [f64; 2],
    /// Factor `s` to the nominal dose.
    pub dose: f64,
}

impl Results {
    /// Whether any number of training or reconstruction is not finite.
    pub fn has_non_finite(&self) -> bool {
        self.summary.nan_overview.has_nan
            || self
                .stitched
                .canvas
                .iter()
                .any(|z| !(z.re.is_finite() && z.im.is_finite()))
    }

    /// How it ended: whether everything is finite, and anything is covered.
    pub fn judgment(&self) -> Judgment {
        match self.has_non_finite() {
            true => Judgment::NonFinite,
            false => Judgment::holds(true, self.stitched.covered()),
        }
    }

    /// The canvas that the groups need and the padded one of the reference's rule, if that is too small. Nothing is lost by it: what is
    /// stitched has a canvas of its own.
    pub fn canvas_too_small(&self, patch: usize) -> Option<[u64; 2]> {
        let s = self.statistics(patch);
        (!s.fits_canvas).then(|| [s.required_canvas.unwrap_or(u64::MAX), s.padded_size])
    }

    /// `stats.json`, of patches of a side.
    fn statistics(&self, patch: usize) -> Stats {
        let (amplitude, phase) = (self.stitched.amplitude(), self.stitched.phase());
        Stats::new(
            ArrayStats::of(&amplitude),
            ArrayStats::of(&phase),
            OffsetStats::of(self.centers.iter().map(|p| [p.x, p.y])),
            patch as u64,
            self.padded as u64,
        )
    }

    /// The color range of the amplitude's picture.
    pub fn amplitude_range(&self, vmax: Option<f64>) -> AmplitudeRange {
        let amplitude = self.stitched.amplitude();
        let top = vmax.unwrap_or_else(|| Range::amplitude(amplitude.view()).high);
        AmplitudeRange {
            vmin: Real(0.0),
            vmax: Real(top),
        }
    }
}

/// The summary of a training, with true steps.
pub fn summary(progress: &Progress) -> Summary {
    let (history, steps) = (&progress.history, &progress.steps);
    Summary::of_run(history, steps).with_health(history, steps, &progress.vitals)
}

/// Writes the history, its summary in both forms, and its picture.
///
/// # Errors
/// If a file cannot be written.
pub fn history(hub: &Hub, scenario: &str, progress: &Progress) -> Result<()> {
    let summary = summary(progress);
    hub.write_text(dir::HISTORY, &progress.history.to_text()?)?;
    hub.write_text(dir::HISTORY_STEPS, &progress.steps.to_text()?)?;
    hub.write_json(dir::HISTORY_SUMMARY, &summary)?;
    let text = training::summary(&summary, scenario, dir::HISTORY, dir::HISTORY_SUMMARY);
    hub.write_text(&dir::summary_markdown(scenario), &text)?;
    let picture = training::picture(scenario, &progress.history, &progress.steps)?;
    hub.write_bytes(dir::HISTORY_PICTURE, &picture)
}

/// Writes the reconstruction: arrays, pictures, statistics, and the comparison with the truth.
///
/// # Errors
/// If a file cannot be written.
pub fn reconstruction(hub: &Hub, scenario: &Scenario, results: &Results) -> Result<()> {
    let stitched = &results.stitched;
    let (amplitude, phase) = (stitched.amplitude(), stitched.phase());
    hub.write_npy(dir::AMPLITUDE, amplitude.view())?;
    hub.write_npy(dir::PHASE, phase.view())?;
    let range = results.amplitude_range(scenario.amp_vmax);
    let panel = Panel::amplitude("amplitude", amplitude.view())
        .with_range(Range::new(range.vmin.0, range.vmax.0));
    let heading = format!("{}: reconstructed amplitude", scenario.name);
    hub.write_bytes(dir::AMPLITUDE_PICTURE, &panels(&heading, &[panel])?)?;
    let heading = format!("{}: reconstructed phase", scenario.name);
    let panel = Panel::phase("phase", phase.view());
    hub.write_bytes(dir::PHASE_PICTURE, &panels(&heading, &[panel])?)?;
    hub.write_json(dir::STATS, &results.statistics(scenario.n.get()))?;
    if let (Some(found), Some(object)) = (&results.comparison, &results.truth) {
        hub.write_json(COMPARISON, &found.metrics)?;
        compare_pictures(hub, scenario, results, object)?;
    }
    Ok(())
}

/// The reconstruction beside the truth at its true place, where it is covered.
fn compare_pictures(
    hub: &Hub,
    scenario: &Scenario,
    results: &Results,
    object: &Array2<Complex32>,
) -> Result<()> {
    let stitched = &results.stitched;
    let covered = |(r, c): (usize, usize)| stitched.coverage[[r, c]] > 0.5;
    let (rows, cols) = stitched.canvas.dim();
    let seen: Vec<(usize, usize)> = ndarray::indices((rows, cols))
        .into_iter()
        .filter(|&p| covered(p))
        .collect();
    if seen.is_empty() {
        return Ok(());
    }
    let bounds = |axis: fn(&(usize, usize)) -> usize| {
        let low = seen.iter().map(axis).min().unwrap_or(0);
        let high = seen.iter().map(axis).max().unwrap_or(0);
        low..high + 1
    };
    let (r, c) = (bounds(|p| p.0), bounds(|p| p.1));
    let registered = results.comparison.as_ref().map(|m| &m.metrics.registered);
    let scale = registered
        .and_then(|m| m.amplitude_scale)
        .filter(|v| v.is_finite())
        .unwrap_or(1.0);
    let turn = registered
        .and_then(|m| m.phase_offset)
        .filter(|v| v.is_finite())
        .unwrap_or(0.0);
    #[expect(clippy::cast_possible_truncation, reason = "pictures are float32")]
    let at = |part: fn(Complex32) -> f32,
              truth_part: fn(num_complex::Complex64) -> f64,
              factor: f64,
              shift: f64| {
        let own = Array2::from_shape_fn((rows, cols), |p| {
            if covered(p) {
                part(stitched.canvas[p]) * factor as f32 + shift as f32
            } else {
                0.0
            }
        });
        let truth = Array2::from_shape_fn((rows, cols), |p| {
            let place = stitched.object_position(p.0, p.1);
            if covered(p) {
                truth_part(truth::sample(object.view(), place)) as f32
            } else {
                0.0
            }
        });
        (own, truth)
    };
    let cut = |a: &Array2<f32>| a.slice(s![r.clone(), c.clone()]).to_owned();
    let (own, true_amplitude) = at(|z| z.norm(), |z| z.norm(), scale, 0.0);
    let heading = format!(
        "{}: amplitude times {scale:.4} against the truth at its place, covered pixels",
        scenario.name
    );
    let map = ColorMap::Magma;
    let picture = comparison(
        &heading,
        "amplitude",
        map,
        cut(&own).view(),
        cut(&true_amplitude).view(),
    )?;
    hub.write_bytes(COMPARISON_PICTURES[0], &picture)?;
    let (own, true_phase) = at(|z| z.arg(), |z| z.arg(), 1.0, turn);
    let heading = format!(
        "{}: phase turned by {turn:.4} rad against the truth at its place, covered pixels",
        scenario.name
    );
    let map = ColorMap::Twilight;
    let picture = comparison(
        &heading,
        "rad",
        map,
        cut(&own).view(),
        cut(&true_phase).view(),
    )?;
    hub.write_bytes(COMPARISON_PICTURES[1], &picture)
}
