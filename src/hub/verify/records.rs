//! Records of a hub: histories and their summary, residuals, metadata. Each must agree with the others.

use std::path::{Component, Path};

use serde_json::Value;

use super::Look;
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

impl Look<'_> {
    pub(super) fn history(&mut self) {
        let Some(text) = self.text(dir::HISTORY) else {
            return;
        };
        let history = match History::from_text(&text) {
            Ok(h) => h,
            Err(e) => return self.tell(dir::HISTORY, e.to_string()),
        };
        if history.metrics.is_empty() && !history.epochs.is_empty() {
            let epochs = history.epochs.len();
            self.tell(dir::HISTORY, format!("no metric in {epochs} epochs"));
        }
        for (name, values) in &history.metrics {
            let bad = values.iter().filter(|v| !v.is_finite()).count();
            if bad > 0 {
                let of = values.len();
                self.tell_event(
                    dir::HISTORY,
                    format!("metric {name}: {bad} of {of} values are not finite"),
                );
            }
            if !history.epochs.is_empty() && values.len() != history.epochs.len() {
                self.tell(
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
            Some(Err(e)) => return self.tell(dir::HISTORY_STEPS, e.to_string()),
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
                self.tell_event(dir::HISTORY_STEPS, format!("{name} in {bad} steps"));
            }
        }
        if let Some(then) = self.parsed::<Summary>(dir::HISTORY_SUMMARY) {
            let mut now = match &steps {
                None => Summary::of(&history),
                Some(s) => Summary::of_run(&history, s),
            };
            if let Some(told) = &then.health {
                let empty = StepHistory::default();
                let epochs = vec![EpochHealth::default(); told.parameter_norm.len()];
                now = now.with_health(&history, steps.as_ref().unwrap_or(&empty), &epochs);
            }
            // what is of activations no file holds; the rest follows from the histories
            if let (Some(h), Some(told)) = (&mut now.health, &then.health) {
                h.dead_units.clone_from(&told.dead_units);
                h.pinned.clone_from(&told.pinned);
                h.parameter_norm.clone_from(&told.parameter_norm);
                if steps.is_none() {
                    // an iterative engine has no optimiser steps: its norms are of what it moved
                    h.update_norm.clone_from(&told.update_norm);
                }
                h.probe_power.clone_from(&told.probe_power);
            }
            if now != then {
                self.tell(dir::HISTORY_SUMMARY, "does not agree with the history");
            }
        }
    }

    /// An engine's residual: one above 1 explains less than a dark object would.
    pub(super) fn residual(&mut self) {
        let Some(v) = self.parsed::<Value>(RESIDUALS) else {
            return;
        };
        match serde_json::from_value::<Real>(v["residual"].clone()).map(Real::get) {
            Err(_) => self.tell(RESIDUALS, "no number `residual`"),
            Ok(r) if !r.is_finite() => {
                self.tell_event(RESIDUALS, format!("the residual is {}", Real(r)));
            }
            Ok(r) if r > 1.0 => self.tell(
                RESIDUALS,
                format!("the reconstruction explains nothing: the residual is {r:.4}, above 1"),
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
            self.tell(dir::METADATA, "config_sha256 is not of the configuration");
        }
        let text = self.text(dir::HISTORY);
        let epochs = text.and_then(|t| History::from_text(&t).ok());
        let epochs = epochs.map_or(0, |h| h.epochs.len() as u64);
        if m.nepochs > 0 && epochs == 0 && self.files.contains(MANIFEST) {
            let told = m.nepochs;
            self.tell(dir::HISTORY, format!("no epoch, and nepochs is {told}"));
        }
        if epochs > m.nepochs {
            let told = m.nepochs;
            self.tell(
                dir::METADATA,
                format!("nepochs is {told}, and the history has {epochs}"),
            );
        }
        let [train, test, total] = [m.train_count, m.test_count, m.total_images];
        let counted = match m.split {
            Splitting::Halves => train + test == total,
            Splitting::None => train == total && test == total,
        };
        if !counted {
            let what = format!("{train} to train and {test} to test are not the {total} images");
            self.tell(dir::METADATA, what);
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
            self.tell(
                dir::METADATA,
                format!("names {path}, which is no path inside the hub"),
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
            self.tell(dir::METADATA, format!("names {path}, which is not there"));
        }
        let nan = m.training_nan_overview;
        if let (Some(named), Some(s)) = (nan, self.parsed::<Summary>(dir::HISTORY_SUMMARY))
            && named != s.nan_overview
        {
            self.tell(
                dir::METADATA,
                "its training_nan_overview is not that of the summary",
            );
        }
    }
}
