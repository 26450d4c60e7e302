//! What a person asks for by hand always wins, and what it displaced stays on record.
//!
//! *Source.* Reference description, section o.

use serde::Serialize;
use serde_json::Value;

use super::{ObjectKind, ProbeMode, Splitting};

/// One field for each flag; `None` where the flag was not given. Values are checked when a scenario
/// is resolved.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overrides {
    /// `--nepochs`: training epochs.
    pub nepochs: Option<usize>,
    /// `--group-limit`: groups used for inference, at most; 0: no limit but `group_count`.
    pub group_limit: Option<usize>,
    /// `--image-multiplier`: factor on the number of patterns.
    pub image_multiplier: Option<usize>,
    /// `--group-multiplier`: factor on the number of groups.
    pub group_multiplier: Option<usize>,
    /// `--group-count`: groups of each subset, before the factor.
    pub group_count: Option<usize>,
    /// `--gridsize`: group side.
    pub gridsize: Option<usize>,
    /// `--probe-mode`.
    pub probe_mode: Option<ProbeMode>,
    /// `--probe-scale`.
    pub probe_scale: Option<f64>,
    /// `--probe-big`.
    pub probe_big: Option<bool>,
    /// `--probe-mask`.
    pub probe_mask: Option<bool>,
    /// `--object`.
    pub object: Option<ObjectKind>,
    /// `--object-seed`.
    pub object_seed: Option<u32>,
    /// `--sim-seed`.
    pub sim_seed: Option<u32>,
    /// `--buffer`: margin without scan positions, pixels.
    pub buffer: Option<f64>,
    /// `--neighbor-count`.
    pub neighbor_count: Option<usize>,
    /// `--nphotons`: mean photons per pattern.
    pub nphotons: Option<f64>,
    /// `--reassemble-m`: side of the central part of each patch that is stitched, pixels.
    pub reassemble_m: Option<usize>,
    /// `--split`: which positions train.
    pub split: Option<Splitting>,
    /// `--split-fraction`: share of the test half.
    pub split_fraction: Option<f64>,
    /// `--amp-vmax`: upper end of the amplitude picture.
    pub amp_vmax: Option<f64>,
    /// `--base-total-images`: patterns before the factors.
    pub base_total_images: Option<usize>,
    /// `--batch-size`: groups per training step.
    pub batch_size: Option<usize>,
    /// Fields of [`super::Settings`] that nobody typed: the command chose what is given for them here.
    pub chosen: Vec<String>,
}

impl Overrides {
    /// Whether no flag was given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Who set a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A flag.
    Cli,
    /// The command itself, where no flag was typed.
    Command,
    /// The scenario's `defaults`, because its input is null.
    ScenarioDefaults,
    /// A limit of the data.
    Clamp,
    /// The data file.
    Data,
}

/// A value that is not simply what the snapshot or the profile says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Override {
    /// The field of [`super::Settings`].
    pub field: &'static str,
    /// What would have been used; null where there was nothing.
    pub displaced: Option<Value>,
    /// What is used.
    pub value: Value,
    /// Who set it.
    pub source: Source,
    /// What the person should know about it, where there is something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The record of overrides while a scenario is being resolved.
#[derive(Debug, Default)]
pub(super) struct Ledger(pub(super) Vec<Override>);

impl Ledger {
    /// The flag if it is given, which is recorded; else `otherwise`.
    pub(super) fn settle<T: Copy + Into<Value>>(
        &mut self,
        field: &'static str,
        flag: Option<T>,
        otherwise: T,
    ) -> T {
        if let Some(value) = flag {
            self.record(field, Some(otherwise.into()), value.into(), Source::Cli);
        }
        flag.unwrap_or(otherwise)
    }

    /// As [`Ledger::settle`], for an input of the snapshot that may be null.
    pub(super) fn settle_input(
        &mut self,
        field: &'static str,
        flag: Option<bool>,
        input: Option<bool>,
        default: bool,
    ) -> bool {
        let known = input.unwrap_or(default);
        if flag.is_none() && input.is_none() {
            self.record(field, None, default.into(), Source::ScenarioDefaults);
        }
        self.settle(field, flag, known)
    }

    /// Records a value and who set it.
    pub(super) fn record(
        &mut self,
        field: &'static str,
        displaced: Option<Value>,
        value: Value,
        source: Source,
    ) {
        self.0.push(Override {
            field,
            displaced,
            value,
            source,
            note: None,
        });
    }

    /// Adds a remark to what was recorded for `field`, if anything was.
    pub(super) fn note(&mut self, field: &str, note: &str) {
        if let Some(o) = self.0.iter_mut().rfind(|o| o.field == field) {
            o.note = Some(note.to_owned());
        }
    }

    /// Where a value came from, in words, for a message.
    pub(super) fn place(&self, field: &str) -> String {
        let cli = |o: &&Override| o.field == field && o.source == Source::Cli;
        if self.0.iter().any(|o| cli(&o)) {
            format!("--{}", field.to_lowercase().replace('_', "-"))
        } else {
            field.to_owned()
        }
    }
}
