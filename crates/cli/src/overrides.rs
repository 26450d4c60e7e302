//! The flags that displace what a scenario says, and what a command puts in their place.

use clap::Args;
use serde::{Deserialize, Serialize};

use ptyproof_harness::scenario::{ObjectKind, Overrides, ProbeMode, Splitting};

/// Flags that displace what a scenario says.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Overrides (each wins over the profile, and is recorded)")]
pub(super) struct OverrideArgs {
    /// Scan positions per channel of a group, before the factors.
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    base_total_images: Option<usize>,
    /// Groups per training step.
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    batch_size: Option<usize>,
    /// Pixels at the object's rim without scan positions.
    #[arg(long, value_name = "PIXELS", allow_negative_numbers = true)]
    buffer: Option<f64>,
    /// Side of a group: 1, 2 or 3.
    #[arg(long, value_name = "SIDE", allow_negative_numbers = true)]
    gridsize: Option<usize>,
    /// Groups to train on, before the factor.
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    group_count: Option<usize>,
    /// Groups used for inference, at most; 0: as many as to train on.
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    group_limit: Option<usize>,
    /// Factor on the number of groups.
    #[arg(long, value_name = "FACTOR", allow_negative_numbers = true)]
    group_multiplier: Option<usize>,
    /// Factor on the number of patterns.
    #[arg(long, value_name = "FACTOR", allow_negative_numbers = true)]
    image_multiplier: Option<usize>,
    /// Neighbours that a group's members are drawn from.
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    neighbor_count: Option<usize>,
    /// Training epochs; none at all leaves what an untrained network gives, in guarded numerics its estimates.
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    nepochs: Option<usize>,
    /// Mean photons per pattern.
    #[arg(long, value_name = "PHOTONS", allow_negative_numbers = true)]
    nphotons: Option<f64>,
    /// Synthetic object: lines, grf, points or diagonals.
    #[arg(long, value_name = "KIND")]
    object: Option<ObjectKind>,
    /// Seed of the object, and of the groups drawn after it.
    #[arg(long, value_name = "SEED", allow_negative_numbers = true)]
    object_seed: Option<u32>,
    /// Whether the network fills the border outside the central half.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    probe_big: Option<bool>,
    /// Whether the model masks the probe.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    probe_mask: Option<bool>,
    /// Probe: idealized or custom.
    #[arg(long, value_name = "MODE")]
    probe_mode: Option<ProbeMode>,
    /// The normalized probe's mean amplitude is 1 over this.
    #[arg(long, value_name = "SCALE", allow_negative_numbers = true)]
    probe_scale: Option<f64>,
    /// Side of the central part of each inferred object that is stitched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[arg(long, value_name = "PIXELS", allow_negative_numbers = true)]
    reassemble_m: Option<usize>,
    /// Seed of the scan.
    #[arg(long, value_name = "SEED", allow_negative_numbers = true)]
    sim_seed: Option<u32>,
    /// What groups are drawn from: halves (of one to train, of the other to infer) or none (of all positions, for both).
    #[arg(long, value_name = "HOW")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    split: Option<Splitting>,
    /// Share of the positions that test, where there are halves.
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    split_fraction: Option<f64>,
    /// The fields that nobody typed and the command chose.
    #[arg(skip)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    chosen: Vec<String>,
}

/// Numbers that a command puts where nobody typed one.
#[derive(Debug)]
pub(super) struct Defaults {
    pub(super) nepochs: usize,
    pub(super) batch_size: Option<usize>,
    pub(super) group_count: usize,
    pub(super) group_limit: usize,
    pub(super) gridsize: Option<usize>,
    pub(super) reassemble_m: Option<usize>,
}

/// Puts a value where nobody typed one, if there is one to put, and keeps the name of its field.
fn choose<T>(typed: &mut Option<T>, value: Option<T>, field: &str, chosen: &mut Vec<String>) {
    if typed.is_none() && value.is_some() {
        *typed = value;
        chosen.push(field.to_owned());
    }
}

impl OverrideArgs {
    /// The same, with `other` where nobody typed a number. The number of groups stays where a factor on it was typed.
    pub(super) fn or_else(&mut self, other: &Defaults) {
        let factor = self.group_multiplier.is_some();
        let chosen = &mut self.chosen;
        choose(&mut self.nepochs, Some(other.nepochs), "nepochs", chosen);
        choose(&mut self.batch_size, other.batch_size, "batch_size", chosen);
        if !factor {
            let all = Some(other.group_count);
            choose(&mut self.group_count, all, "group_count", chosen);
        }
        let limit = Some(other.group_limit);
        choose(&mut self.group_limit, limit, "group_limit", chosen);
        choose(&mut self.gridsize, other.gridsize, "gridsize", chosen);
        let m = other.reassemble_m;
        choose(&mut self.reassemble_m, m, "reassemble_M", chosen);
    }

    /// The same with one group and one stitched pixel, unless numbers were typed: what is left to be refused is what the data are.
    pub(super) fn or_least(&mut self) {
        if self.group_multiplier.is_none() {
            self.group_count = self.group_count.or(Some(1));
        }
        self.reassemble_m = self.reassemble_m.or(Some(1));
    }

    /// The same, with nothing split unless a split was typed, or the share of one.
    pub(super) fn or_undivided(&mut self) {
        if self.split_fraction.is_none() {
            let none = Some(Splitting::None);
            choose(&mut self.split, none, "split", &mut self.chosen);
        }
    }

    /// Whether the probe's mode was typed.
    pub(super) fn has_probe_mode(&self) -> bool {
        self.probe_mode.is_some()
    }

    /// Whether an idealized probe was typed.
    pub(super) fn is_idealized(&self) -> bool {
        self.probe_mode == Some(ProbeMode::Idealized)
    }

    /// The same, for a probe as it is: not idealized, and without a mask, unless something else was typed.
    pub(super) fn with_own_probe(&mut self) {
        let chosen = &mut self.chosen;
        let custom = Some(ProbeMode::Custom);
        choose(&mut self.probe_mode, custom, "probe_mode", chosen);
        choose(&mut self.probe_mask, Some(false), "probe_mask", chosen);
    }

    /// Whether an object to simulate was typed.
    pub(super) fn has_object(&self) -> bool {
        self.object.is_some()
    }

    /// Whether a margin of a simulated scan was typed.
    pub(super) fn has_buffer(&self) -> bool {
        self.buffer.is_some()
    }

    /// Whether a seed of a simulated scan was typed.
    pub(super) fn has_sim_seed(&self) -> bool {
        self.sim_seed.is_some()
    }

    /// The flags as the scenario takes them.
    pub(super) fn overrides(&self, amp_vmax: Option<f64>) -> Overrides {
        Overrides {
            nepochs: self.nepochs,
            group_limit: self.group_limit,
            image_multiplier: self.image_multiplier,
            group_multiplier: self.group_multiplier,
            group_count: self.group_count,
            gridsize: self.gridsize,
            probe_mode: self.probe_mode,
            probe_scale: self.probe_scale,
            probe_big: self.probe_big,
            probe_mask: self.probe_mask,
            object: self.object,
            object_seed: self.object_seed,
            sim_seed: self.sim_seed,
            buffer: self.buffer,
            neighbor_count: self.neighbor_count,
            nphotons: self.nphotons,
            reassemble_m: self.reassemble_m,
            split: self.split,
            split_fraction: self.split_fraction,
            amp_vmax,
            base_total_images: self.base_total_images,
            batch_size: self.batch_size,
            chosen: self.chosen.clone(),
        }
    }
}
