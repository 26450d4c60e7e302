//! A scenario can only be valid: every number a run needs, settled once, with its provenance.
//!
//! A [`Scenario`] is made from a [`Snapshot`], a stable profile where the scenario has one, and
//! [`Overrides`] by [`Scenario::resolve`] alone. Flags win over the profile, the profile over the
//! snapshot; whatever was displaced is in [`Scenario::overrides`] and [`Scenario::profile`].
//!
//! *Conventions.* `total = base * gs^2 * image_multiplier`; the test half gets
//! `total * split_fraction` rounded half to even, the train half the rest ([`Splitting::None`]: both get all); `group_count` includes the group
//! multiplier and is at most the smaller half.
//!
//! *Source.* Reference description, sections c, f and o.
//!
//! ```
//! use ptyproof_harness::scenario::{Overrides, Scenario, Snapshot};
//! let flags = Overrides { image_multiplier: Some(2), ..Overrides::default() };
//! let s = Scenario::resolve(&Snapshot::builtin()?, "gs2_ideal", &flags)?;
//! assert_eq!((s.total_images, s.train_count, s.test_count), (2048, 1024, 1024));
//! assert_eq!(s.overrides()[0].field, "image_multiplier");
//! # Ok::<(), ptyproof::error::Error>(())
//! ```

pub mod measured;
pub mod overrides;
pub mod profile;
mod resolve;
pub mod snapshot;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use measured::Measured;
pub use overrides::{Override, Overrides, Source};
pub use profile::ProfileRecord;
pub use ptyproof::hub::splitting::Splitting;
pub use snapshot::Snapshot;

use ptyproof::assemble::Layout;
use ptyproof::error::{Error, Result};
use ptyproof::geometry::{CanvasSize, GridSize, PatchSize, Position};
use ptyproof_pinn::data::group_count::{GroupCount, NO_LIMIT};
use ptyproof_pinn::data::split::{Split, by_y, undivided};
use resolve::resolve;

/// Training epochs where no flag says otherwise (the published runs).
pub const NEPOCHS: usize = 5;
/// Groups used for inference, and for the sums of the limits report, at most, where no flag says otherwise (the published runs).
pub const GROUP_LIMIT: usize = 64;
/// Groups per training step where neither a flag nor a profile says otherwise.
pub const BATCH_SIZE: usize = 16;

macro_rules! named {
    ($(#[$doc:meta])* $name:ident $what:literal { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in files and flags.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::ALL.iter().copied().find(|v| v.name() == text).ok_or_else(|| {
                    let all: Vec<_> = Self::ALL.iter().map(|v| v.name()).collect();
                    Error::usage(concat!("choosing ", $what)).got(format!("`{text}`"))
                        .need(format!("one of {}", all.join(", ")))
                })
            }
        }

        impl From<$name> for Value {
            fn from(v: $name) -> Self {
                v.name().into()
            }
        }
    };
}

named! {
    /// Where the probe comes from.
    ProbeMode "the probe" {
        /// A smoothed disk, made here.
        Idealized = "idealized",
        /// A file.
        Custom = "custom",
    }
}

named! {
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

/// Every number of a run. Read through a [`Scenario`], which guarantees what is said here.
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

fn grid<S: Serializer>(v: &GridSize, s: S) -> std::result::Result<S::Ok, S::Error> {
    v.get().serialize(s)
}

fn patch<S: Serializer>(v: &PatchSize, s: S) -> std::result::Result<S::Ok, S::Error> {
    v.get().serialize(s)
}

fn canvas<S: Serializer>(v: &CanvasSize, s: S) -> std::result::Result<S::Ok, S::Error> {
    v.get().serialize(s)
}

/// Valid [`Settings`] and where they came from. Dereferences to the settings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scenario {
    overrides: Vec<Override>,
    profile: ProfileRecord,
    settings: Settings,
    snapshot: String,
}

impl Deref for Scenario {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl Scenario {
    /// The scenario called `name`, with its stable profile and the flags given.
    ///
    /// # Errors
    /// If there is no such scenario, or a value breaks a bound stated in [`Settings`].
    pub fn resolve(snapshot: &Snapshot, name: &str, overrides: &Overrides) -> Result<Self> {
        let entry = snapshot.find(name)?;
        let record = profile::find(name).map(|p| (Some(p), ProfileRecord::of(p)));
        let (profile, record) = record.unwrap_or_default();
        resolve(snapshot, entry, overrides, profile, record, None)
    }

    /// The same without its profile: what the reassembly-limits report is about.
    ///
    /// # Errors
    /// As [`Scenario::resolve`].
    pub fn resolve_without_profile(
        snapshot: &Snapshot,
        name: &str,
        overrides: &Overrides,
    ) -> Result<Self> {
        let entry = snapshot.find(name)?;
        resolve(
            snapshot,
            entry,
            overrides,
            None,
            ProfileRecord::default(),
            None,
        )
    }

    /// The scenario of a data file: a named one that takes over the file's facts, or, without a name,
    /// one made from the file alone.
    ///
    /// # Errors
    /// As [`Scenario::resolve`].
    pub fn resolve_measured(
        snapshot: &Snapshot,
        name: Option<&str>,
        overrides: &Overrides,
        measured: &Measured,
    ) -> Result<Self> {
        let Some(name) = name else {
            let (entry, record) = (measured.entry(), ProfileRecord::default());
            return resolve(snapshot, &entry, overrides, None, record, Some(measured));
        };
        let entry = snapshot.find(name)?;
        let record = profile::find(name).map(|p| (Some(p), ProfileRecord::of(p)));
        let (profile, record) = record.unwrap_or_default();
        resolve(snapshot, entry, overrides, profile, record, Some(measured))
    }

    /// The settings alone.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What became of the profile.
    pub fn profile(&self) -> &ProfileRecord {
        &self.profile
    }

    /// Every value that is not simply what the snapshot or the profile says, in the order it was settled.
    pub fn overrides(&self) -> &[Override] {
        &self.overrides
    }

    /// Where the snapshot was read from.
    pub fn snapshot(&self) -> &str {
        &self.snapshot
    }

    /// Sentences that a person should see before the run: displaced preferences, values without effect.
    pub fn warnings(&self) -> Vec<String> {
        let notes = self
            .overrides
            .iter()
            .filter_map(|o| Some(format!("{} = {}: {}", o.field, o.value, o.note.as_ref()?)));
        self.profile.warnings().into_iter().chain(notes).collect()
    }

    /// Which of these positions train, and which are inferred.
    ///
    /// # Errors
    /// As [`by_y`] and [`undivided`].
    pub fn divide(&self, positions: &[Position]) -> Result<Split> {
        match self.split {
            Splitting::Halves => by_y(positions, self.split_fraction),
            Splitting::None => undivided(positions),
        }
    }

    /// How a group lies on its canvas.
    pub fn layout(&self) -> Layout {
        Layout::reference(self.n, self.gridsize)
    }

    /// SHA-256, as lower-case hex, of the settings as JSON with sorted keys and no spaces. Where they
    /// came from (flags, profile, snapshot file) does not enter.
    ///
    /// # Errors
    /// Never, as long as settings are finite: a scenario's are.
    pub fn config_hash(&self) -> Result<String> {
        let canonical = serde_json::to_value(&self.settings)
            .map_err(|e| Error::bug("hashing the configuration").because(e))?
            .to_string();
        let digest = Sha256::digest(canonical.as_bytes());
        Ok(digest.iter().map(|b| format!("{b:02x}")).collect())
    }

    /// What the flags set, by field: the `overrides` of the limits report.
    pub fn flags(&self) -> BTreeMap<String, Value> {
        let by_hand = self.overrides.iter().filter(|o| o.source == Source::Cli);
        by_hand
            .map(|o| (o.field.to_owned(), o.value.clone()))
            .collect()
    }

    /// The parameters as the reference's limits report lists them.
    pub fn report_parameters(&self) -> BTreeMap<String, Value> {
        let entries: [(&str, Value); 14] = [
            ("N", self.n.get().into()),
            ("gridsize", self.gridsize.get().into()),
            ("group_count", self.group_count.into()),
            ("neighbor_count", self.neighbor_count.into()),
            ("object_seed", self.object_seed.into()),
            ("probe_big", self.probe_big.into()),
            ("probe_mask", self.probe_mask.into()),
            ("probe_mode", self.probe_mode.into()),
            ("probe_scale", self.probe_scale.into()),
            ("sim_seed", self.sim_seed.into()),
            ("split_fraction", self.split_fraction.into()),
            ("test_count_estimate", self.test_count.into()),
            ("total_images", self.total_images.into()),
            ("train_count_estimate", self.train_count.into()),
        ];
        entries.map(|(k, v)| (k.to_owned(), v)).into()
    }
}

#[cfg(test)]
mod tests;
