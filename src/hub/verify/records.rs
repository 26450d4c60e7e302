//! Records of a hub: histories and their summary, residuals, metadata. They must be consistent.

use std::path::{Component, Path};

use serde_json::Value;

use super::Checker;
use crate::hub::dir;
use crate::hub::file::digest_text;
use crate::hub::manifest::MANIFEST;
use crate::hub::metadata::RunMetadata;
use crate::hub::splitting::Splitting;
use crate::json::Real;
use crate::records::health::EpochHealth;
use crate::records::history::History;
use crate::records::steps::StepHistory;
use crate::records::summary::Summary;

/// Residuals of an engine's hub.
pub(super) const RESIDUALS: &str = "inference_outputs/residuals.json";

impl Checker<'_> {
    pub(super) fn history(&mut self) {
        let Some(text) = self.text(dir::HISTORY) else {
            return;
        };
        let history = match History::from_text(&text) {
            Ok(h) => h,
            Err(e) => return self.problem(dir::HISTORY, e.to_string()),
        };
        if history.metrics.is_empty() && !history.epochs.is_empty() {
            let epochs = history.epochs.len();
            self.problem(dir::HISTORY, format!("no metric in {epochs} epochs"));
        }
        for (name, values) in &history.metrics {
            let bad = values.iter().filter(|v| !v.is_finite()).count();
            if bad > 0 {
                let of = values.len();
                self.event(
                    dir::HISTORY,
                    format!("metric {name}: {bad} of {of} values are not finite"),
                );
            }
            if !history.epochs.is_empty() && values.len() != history.epochs.len() {
                self.problem(
                    dir::HISTORY,
                    format!(
                        "metric {name} has {} values for {} epochs",
                        values.len(),
                        history.epochs.len()
                    ),
                );
            }
        }
        let steps = match self
            .text(dir::HISTORY_STEPS)
            .map(|t| StepHistory::from_text(&t))
        {
            Some(Ok(steps)) => Some(steps),
            Some(Err(e)) => return self.problem(dir::HISTORY_STEPS, e.to_string()),
            None => None,
        };
        for name in [
            "non_finite_prediction",
            "non_finite_gradient",
            "non_finite_parameters",
        ] {
            let counts = steps.iter().flat_map(|s| s.column(name)).flatten();
            let bad = counts.filter(|v| *v != 0.0).count();
            if bad > 0 {
                self.event(dir::HISTORY_STEPS, format!("{name} in {bad} steps"));
            }
        }
        if let Some(then) = self.parsed::<Summary>(dir::HISTORY_SUMMARY) {
            let mut now = match &steps {
                None => Summary::of(&history),
                Some(s) => Summary::of_run(&history, s),
            };
            if let Some(recorded) = &then.health {
                let empty = StepHistory::default();
                let epochs = vec![EpochHealth::default(); recorded.parameter_norm.len()];
                now = now.with_health(&history, steps.as_ref().unwrap_or(&empty), &epochs);
            }
            // activation statistics are in no other file; the rest follows from the histories
            if let (Some(h), Some(recorded)) = (&mut now.health, &then.health) {
                h.dead_units.clone_from(&recorded.dead_units);
                h.pinned.clone_from(&recorded.pinned);
                h.parameter_norm.clone_from(&recorded.parameter_norm);
                if steps.is_none() {
                    // an iterative engine has no optimizer steps: its norms are of what it moved
                    h.update_norm.clone_from(&recorded.update_norm);
                }
                h.probe_power.clone_from(&recorded.probe_power);
            }
            if now != then {
                self.problem(dir::HISTORY_SUMMARY, "contradicts the history");
            }
        }
    }

    /// An engine's residual: one above 1 explains less than a dark object would.
    pub(super) fn residual(&mut self) {
        let Some(v) = self.parsed::<Value>(RESIDUALS) else {
            return;
        };
        match serde_json::from_value::<Real>(v["residual"].clone()).map(Real::get) {
            Err(_) => self.problem(RESIDUALS, "the number `residual` is missing"),
            Ok(r) if !r.is_finite() => {
                self.event(RESIDUALS, format!("the residual is {}", Real(r)));
            }
            Ok(r) if r > 1.0 => self.problem(
                RESIDUALS,
                format!("the reconstruction predicts the patterns worse than their mean: the residual is {r:.4}, above 1"),
            ),
            Ok(_) => {}
        }
    }

    pub(super) fn metadata(&mut self) {
        let Some(m) = self.parsed::<RunMetadata>(dir::METADATA) else {
            return;
        };
        if let Some(named) = &m.config_sha256
            && digest_text(&m.configuration.to_string()) != *named
        {
            self.problem(
                dir::METADATA,
                "config_sha256 does not match the configuration",
            );
        }
        let text = self.text(dir::HISTORY);
        let epochs = text.and_then(|t| History::from_text(&t).ok());
        let epochs = epochs.map_or(0, |h| h.epochs.len() as u64);
        if m.nepochs > 0 && epochs == 0 && self.files.contains(MANIFEST) {
            let recorded = m.nepochs;
            self.problem(
                dir::HISTORY,
                format!("no epochs, but nepochs is {recorded}"),
            );
        }
        if epochs > m.nepochs {
            let recorded = m.nepochs;
            self.problem(
                dir::METADATA,
                format!("nepochs is {recorded}, but the history has {epochs}"),
            );
        }
        let [train, test, total] = [m.train_count, m.test_count, m.total_images];
        let counted = match m.split {
            Splitting::Halves => train + test == total,
            Splitting::None => train == total && test == total,
        };
        if !counted {
            let what = format!("{train} training and {test} test images are not {total} in total");
            self.problem(dir::METADATA, what);
        }
        let inside = |path: &str| {
            let mut parts = Path::new(path).components();
            parts.all(|c| matches!(c, Component::Normal(_)))
        };
        let outside: Vec<String> = m
            .paths()
            .into_iter()
            .filter(|p| !inside(p))
            .map(str::to_owned)
            .collect();
        for path in outside {
            self.problem(
                dir::METADATA,
                format!("names {path}, which is not a path inside the hub"),
            );
        }
        // the reference's paths begin at its own root
        let missing: Vec<String> = m
            .paths()
            .into_iter()
            .filter(|p| {
                let there = |tail: &str| self.hub.join(tail).exists();
                let tails =
                    std::iter::successors(Some(*p), |t| t.split_once('/').map(|(_, rest)| rest));
                !tails.into_iter().any(|t| !t.is_empty() && there(t))
            })
            .map(str::to_owned)
            .collect();
        for path in missing {
            self.problem(dir::METADATA, format!("names {path}, which does not exist"));
        }
        let nan = m.training_nan_overview;
        if let (Some(named), Some(s)) = (nan, self.parsed::<Summary>(dir::HISTORY_SUMMARY))
            && named != s.nan_overview
        {
            self.problem(
                dir::METADATA,
                "training_nan_overview contradicts the summary",
            );
        }
    }
}
