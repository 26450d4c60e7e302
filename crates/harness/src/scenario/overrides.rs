//! What a person asks for by hand always wins, and what it displaced stays on record.
//!
//! *Source.* Reference description, section o.

use serde::Serialize;
use serde_json::Value;

use super::settings::{ObjectKind, ProbeMode};
use ptyproof::hub::metadata;
use ptyproof::hub::splitting::Splitting;
use ptyproof::setting::Named;

ptyproof::settings! {
    /// What is put in place of what a scenario says; nothing where a field is `None`. Values are checked when the scenario
    /// is resolved.
    pub struct Overrides {
        base_total_images: usize {
            value: "COUNT", unit: "patterns", bounds: Bounds::AtLeast(1), default: "of the profile, else the snapshot", since: "0.1.0",
            doc: "Scan positions per channel of a group, before the factors.",
        }
        batch_size: usize {
            value: "COUNT", unit: "groups", bounds: Bounds::AtLeast(1), default: "of the profile, else 16", since: "0.1.0",
            doc: "Groups per training step.",
        }
        buffer: f64 {
            value: "PIXELS", unit: "pixels", bounds: Bounds::NotNegative, default: "of the snapshot", since: "0.1.0",
            doc: "Margin at the rim of the object in which no scan position is drawn. More than half the object, less one pixel, is reduced to that, and noted.",
        }
        gridsize: usize {
            value: "SIDE", unit: "patterns", bounds: Bounds::From(1.0, 3.0), default: "of the scenario", since: "0.1.0",
            doc: "Side of a group. A group has gridsize^2 patterns, which are the channels of the network.",
        }
        group_count: usize {
            value: "COUNT", unit: "groups", bounds: Bounds::Depends("1 to the smaller half"), default: "of the profile, else the scenario", since: "0.1.0",
            doc: "Groups to train on, before the factor.",
        }
        group_limit: usize {
            value: "COUNT", unit: "groups", bounds: Bounds::AtLeast(0), default: "64", since: "0.1.0",
            doc: "Groups used for inference, at most. 0 is no limit other than group_count.",
        }
        group_multiplier: usize {
            value: "FACTOR", unit: "", bounds: Bounds::AtLeast(1), default: "1", since: "0.1.0",
            doc: "Factor on the number of groups.",
        }
        image_multiplier: usize {
            value: "FACTOR", unit: "", bounds: Bounds::AtLeast(1), default: "1", since: "0.1.0",
            doc: "Factor on the number of patterns.",
        }
        neighbor_count: usize {
            value: "COUNT", unit: "patterns", bounds: Bounds::Depends("gridsize^2 - 1, up to one less than the smaller half"), default: "of the profile, else the scenario", since: "0.1.0",
            doc: "The other members of a group are drawn from this many nearest neighbors of a position. It has no effect for gridsize 1.",
        }
        nepochs: usize {
            value: "COUNT", unit: "epochs", bounds: Bounds::AtLeast(0), default: "5", since: "0.1.0",
            doc: "Passes over the training groups. 0 leaves the untrained network; in guarded numerics its output is the analytic estimate.",
        }
        nphotons: f64 {
            value: "PHOTONS", unit: "photons per pattern", bounds: Bounds::From(1e-30, 1e30), default: "of the data file, else the snapshot", since: "0.1.0",
            doc: "Mean photons per pattern. Within these bounds amplitudes and losses fit into float32.",
        }
        object: ObjectKind {
            value: "KIND", unit: "", bounds: Bounds::OneOf(<ObjectKind as Named>::NAMES), default: "of the snapshot, else lines", since: "0.1.0",
            doc: "Synthetic object.",
        }
        object_seed: u32 {
            value: "SEED", unit: "", bounds: Bounds::AtLeast(0), default: "of the snapshot", since: "0.1.0",
            doc: "Seed of the object, and of the groups drawn after it.",
        }
        probe_big: bool {
            value: "BOOL", unit: "", bounds: Bounds::Switch, default: "of the scenario", since: "0.1.0",
            doc: "Whether the network also reconstructs the border outside the central half of a patch.",
        }
        probe_mask: bool {
            value: "BOOL", unit: "", bounds: Bounds::Switch, default: "of the scenario", since: "0.1.0",
            doc: "Whether the model masks the illuminated patch.",
        }
        probe_mode: ProbeMode {
            value: "MODE", unit: "", bounds: Bounds::OneOf(<ProbeMode as Named>::NAMES), default: "of the scenario", since: "0.1.0",
            doc: "Where the probe comes from.",
        }
        probe_scale: f64 {
            value: "SCALE", unit: "1 / amplitude", bounds: Bounds::Positive, default: "of the scenario", since: "0.1.0",
            doc: "The probe is normalized to a mean modulus of 1 / probe_scale.",
        }
        reassemble_m as "reassemble_M": usize {
            value: "PIXELS", unit: "pixels", bounds: Bounds::Depends("1 to N"), default: "of the scenario, else the snapshot", since: "0.1.0",
            doc: "Side of the central part of each inferred object that is stitched.",
        }
        sim_seed: u32 {
            value: "SEED", unit: "", bounds: Bounds::AtLeast(0), default: "of the snapshot", since: "0.1.0",
            doc: "Seed of the scan.",
        }
        split: Splitting {
            value: "HOW", unit: "", bounds: Bounds::OneOf(<Splitting as Named>::NAMES), default: "halves", since: "0.1.0",
            doc: "Which positions train and which are inferred: one half each, or all for both.",
        }
        split_fraction: f64 {
            value: "SHARE", unit: "share", bounds: Bounds::Between(0.0, 1.0), default: "of the snapshot", since: "0.1.0",
            doc: "Share of the positions in the test half. It has no effect where nothing is split.",
        }
        amp_vmax: f64 {
            value: "VALUE", unit: "amplitude", bounds: Bounds::Positive, default: "the largest amplitude", since: "0.1.0",
            doc: "Upper end of the color range of the amplitude picture.",
        }
    }
}

impl Overrides {
    /// Whether nothing is put in place of anything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Source {
    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cli => "cli",
            Self::Command => "command",
            Self::ScenarioDefaults => "scenario_defaults",
            Self::Clamp => "clamp",
            Self::Data => "data",
        }
    }
}

impl From<&Override> for metadata::Override {
    fn from(o: &Override) -> Self {
        Self {
            field: o.field.to_owned(),
            displaced: o.displaced.clone().unwrap_or_default(),
            value: o.value.clone(),
            source: o.source.name().to_owned(),
        }
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

    /// Whether a person asked for the value of `field`.
    pub(super) fn is_asked(&self, field: &str) -> bool {
        self.0
            .iter()
            .any(|o| o.field == field && o.source == Source::Cli)
    }
}
