//! Every number of a run, and what object and probe can be.

use serde::{Serialize, Serializer};

use ptyproof::geometry::{CanvasSize, GridSize, PatchSize};
use ptyproof::hub::splitting::Splitting;
use ptyproof_pinn::data::group_count::{GroupCount, NO_LIMIT};

/// Training epochs where no flag says otherwise (the published runs).
pub const NEPOCHS: usize = 5;
/// Groups used for inference, and for the sums of the limits report, at most, where no flag says otherwise (the published runs).
pub const GROUP_LIMIT: usize = 64;
/// Groups per training step where neither a flag nor a profile says otherwise.
pub const BATCH_SIZE: usize = 16;

ptyproof::named! {
    /// Where the probe comes from.
    ProbeMode "the probe" {
        /// A smoothed disk that the program makes.
        Idealized = "idealized",
        /// Read from a file.
        Custom = "custom",
    }
}

ptyproof::named! {
    /// What the object is made of.
    #[derive(Default)]
    ObjectKind "the object" {
        /// 400 random lines, smoothed.
        #[default]
        Lines = "lines",
        /// A power-law random field.
        Grf = "grf",
        /// Random points, smoothed.
        Points = "points",
        /// Vertical, horizontal and diagonal lines, smoothed.
        Diagonals = "diagonals",
    }
}

/// Every number of a run. Read through a [`super::Scenario`], which guarantees what is said here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// Upper end of the amplitude picture; finite, above 0.
    pub amp_vmax: Option<f64>,
    /// Patterns before the factors; at least 1.
    pub base_total_images: usize,
    /// Groups per training step; at least 1.
    pub batch_size: usize,
    /// Margin without scan positions, pixels; `0 <= buffer <= object_size / 2 - 1`.
    pub buffer: f64,
    /// The probe file of a custom probe, as the snapshot has it.
    pub custom_probe_path: Option<String>,
    /// Group side.
    #[serde(serialize_with = "grid")]
    pub gridsize: GridSize,
    /// Groups of each subset; `1 <= group_count <= min(train_count, test_count)`.
    pub group_count: usize,
    /// Groups used for inference, at most; 0: as many as `group_count` ([`Settings::inference_groups`]).
    pub group_limit: usize,
    /// Factor that `group_count` already includes; at least 1.
    pub group_multiplier: usize,
    /// Factor that `total_images` already includes; at least 1.
    pub image_multiplier: usize,
    /// Side of a pattern.
    #[serde(rename = "N", serialize_with = "patch")]
    pub n: PatchSize,
    /// Name of the scenario.
    pub name: String,
    /// Neighbours a group is drawn from; at least `gs^2 - 1` and below either half's size for `gs > 1`.
    pub neighbor_count: usize,
    /// Training epochs; at least 1.
    pub nepochs: usize,
    /// Mean photons per pattern; from 1e-30 to 1e30.
    pub nphotons: f64,
    /// What the object is.
    pub object: ObjectKind,
    /// Seed of the object.
    pub object_seed: u32,
    /// Side of the object, pixels.
    #[serde(serialize_with = "canvas")]
    pub object_size: CanvasSize,
    /// Whether the network also reconstructs the border of a patch.
    pub probe_big: bool,
    /// Whether the model masks the illuminated patch.
    pub probe_mask: bool,
    /// Where the probe comes from.
    pub probe_mode: ProbeMode,
    /// The probe is normalised to a mean modulus of `1 / probe_scale`; finite, above 0.
    pub probe_scale: f64,
    /// Side of the central part used of each patch in stitching; `1 <= M <= N`.
    #[serde(rename = "reassemble_M")]
    pub reassemble_m: usize,
    /// Seed of the scan and of the grouping.
    pub sim_seed: u32,
    /// Which positions train, and which are inferred. Not written where it is halves, as it was before there was a choice.
    #[serde(skip_serializing_if = "Splitting::is_halves")]
    pub split: Splitting,
    /// Share of the positions that make the test half; in (0, 1). Without effect where nothing is split.
    pub split_fraction: f64,
    /// Positions of the test half, or all; at least 1.
    pub test_count: usize,
    /// `base_total_images * gs^2 * image_multiplier`; below 2^32.
    pub total_images: usize,
    /// Positions of the train half, or all; at least 1.
    pub train_count: usize,
}

impl Settings {
    /// Groups of the train half: `group_count` of its positions.
    pub fn train_groups(&self) -> GroupCount {
        GroupCount::clamped(self.group_count, NO_LIMIT, self.train_count)
    }

    /// Groups of the test half: `group_count` of its positions.
    pub fn test_groups(&self) -> GroupCount {
        GroupCount::clamped(self.group_count, NO_LIMIT, self.test_count)
    }

    /// Groups that inference uses: `min(group_count, group_limit)` of the test half, or `group_count` if `group_limit` is 0.
    pub fn inference_groups(&self) -> GroupCount {
        GroupCount::clamped(self.group_count, self.group_limit, self.test_count)
    }
}

fn grid<S: Serializer>(v: &GridSize, s: S) -> Result<S::Ok, S::Error> {
    v.get().serialize(s)
}

fn patch<S: Serializer>(v: &PatchSize, s: S) -> Result<S::Ok, S::Error> {
    v.get().serialize(s)
}

fn canvas<S: Serializer>(v: &CanvasSize, s: S) -> Result<S::Ok, S::Error> {
    v.get().serialize(s)
}
