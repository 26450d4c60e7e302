//! A scenario can only be valid: every number a run needs, settled once, with its provenance.
//!
//! A [`Scenario`] is made from a [`Snapshot`], a stable profile where the scenario has one, and
//! [`Overrides`] by [`Scenario::resolve`] alone. Flags win over the profile, the profile over the
//! snapshot; whatever was displaced is in [`Scenario::overrides`] and [`Scenario::profile`].
//!
//! *Conventions.* `total = base * gs^2 * image_multiplier`; the test half gets
//! `total * split` rounded half to even, the train half the rest; `group_count` includes the group
//! multiplier and is at most the smaller half.
//!
//! *Source.* Reference description, sections c, f and o.
//!
//! ```
//! use ptyproof::scenario::{Overrides, Scenario, Snapshot};
//! let flags = Overrides { image_multiplier: Some(2), ..Overrides::default() };
//! let s = Scenario::resolve(&Snapshot::builtin()?, "gs2_ideal", &flags)?;
//! assert_eq!((s.total_images, s.train_count, s.test_count), (2048, 1024, 1024));
//! assert_eq!(s.overrides()[0].field, "image_multiplier");
//! # Ok::<(), ptyproof::error::Error>(())
//! ```

pub mod overrides;
pub mod profile;
pub mod snapshot;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use overrides::{Override, Overrides, Source};
pub use profile::ProfileRecord;
pub use snapshot::Snapshot;

use crate::assemble::Layout;
use crate::error::{Error, Result};
use crate::ground::geometry::{CanvasSize, GridSize, PatchSize};
use overrides::Ledger;
use snapshot::Entry;

/// Training epochs where no flag says otherwise (the published runs).
pub const NEPOCHS: usize = 5;
/// Groups used for inference, at most, where no flag says otherwise (the published runs).
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
    /// Groups used for inference, at most; at least 1.
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
    /// Mean photons per pattern; finite, above 0.
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
    /// Share of the positions that make the test half; in (0, 1).
    pub split_fraction: f64,
    /// Positions of the test half; at least 1.
    pub test_count: usize,
    /// `base_total_images * gs^2 * image_multiplier`; below 2^32.
    pub total_images: usize,
    /// Positions of the train half; at least 1.
    pub train_count: usize,
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
        resolve(snapshot, entry, overrides, profile, record)
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
        resolve(snapshot, entry, overrides, None, ProfileRecord::default())
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

    /// Groups that inference uses: `min(group_limit, test_count)`.
    pub fn inference_groups(&self) -> usize {
        self.group_limit.min(self.test_count)
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

fn resolve(
    snapshot: &Snapshot,
    entry: &Entry,
    flags: &Overrides,
    profile: Option<&profile::Profile>,
    mut record: ProfileRecord,
) -> Result<Scenario> {
    let shared = &snapshot.run_params;
    let mut ledger = Ledger::default();
    let l = &mut ledger;
    let mut preferred = |field, preference: Option<usize>, flag, fallback| {
        let value = record.settle(field, preference, flag, fallback);
        l.settle(field, flag, preference.unwrap_or(fallback));
        value
    };
    let base_total_images = preferred(
        "base_total_images",
        profile.map(|p| p.base_total_images),
        flags.base_total_images,
        shared.base_total_images,
    );
    let base_groups = preferred(
        "group_count",
        profile.map(|p| p.group_count),
        flags.group_count,
        entry.group_count.unwrap_or(shared.group_count),
    );
    let batch_size = preferred(
        "batch_size",
        profile.map(|p| p.batch_size),
        flags.batch_size,
        BATCH_SIZE,
    );
    let neighbor_count = preferred(
        "neighbor_count",
        profile.and_then(|p| p.neighbor_count),
        flags.neighbor_count,
        entry.neighbor_count.unwrap_or(shared.neighbor_count),
    );
    let (inputs, defaults) = (&entry.inputs, entry.defaults);
    let gridsize = l.settle("gridsize", flags.gridsize, inputs.gridsize);
    let image_multiplier = l.settle("image_multiplier", flags.image_multiplier, 1);
    let group_multiplier = l.settle("group_multiplier", flags.group_multiplier, 1);
    let split_fraction = l.settle(
        "split_fraction",
        flags.split_fraction,
        shared.split_fraction,
    );
    let buffer = l.settle("buffer", flags.buffer, shared.buffer);
    let probe_big = l.settle_input(
        "probe_big",
        flags.probe_big,
        inputs.probe_big,
        defaults.probe_big,
    );
    let probe_mask = l.settle_input(
        "probe_mask",
        flags.probe_mask,
        inputs.probe_mask,
        defaults.probe_mask,
    );
    if let Some(v) = flags.amp_vmax {
        l.record("amp_vmax", None, v.into(), Source::Cli);
    }
    let mut settings = Settings {
        amp_vmax: flags.amp_vmax,
        base_total_images,
        batch_size,
        buffer,
        custom_probe_path: snapshot.custom_probe_path.clone(),
        gridsize: GridSize::new(gridsize)?,
        group_count: 0,
        group_limit: l.settle("group_limit", flags.group_limit, GROUP_LIMIT),
        group_multiplier,
        image_multiplier,
        n: PatchSize::new(shared.n)?,
        name: entry.name.clone(),
        neighbor_count,
        nepochs: l.settle("nepochs", flags.nepochs, NEPOCHS),
        nphotons: l.settle("nphotons", flags.nphotons, shared.nphotons),
        object: l.settle("object", flags.object, shared.object),
        object_seed: l.settle("object_seed", flags.object_seed, shared.object_seed),
        object_size: CanvasSize::new(shared.object_size)?,
        probe_big,
        probe_mask,
        probe_mode: l.settle("probe_mode", flags.probe_mode, inputs.probe_mode),
        probe_scale: l.settle("probe_scale", flags.probe_scale, inputs.probe_scale),
        reassemble_m: entry.reassemble_m.unwrap_or(shared.reassemble_m),
        sim_seed: l.settle("sim_seed", flags.sim_seed, shared.sim_seed),
        split_fraction,
        test_count: 0,
        total_images: 0,
        train_count: 0,
    };
    check(&settings, l)?;
    clamp(&mut settings, l)?;
    count(&mut settings, l, base_groups)?;
    record.effective_batch_size = settings.batch_size;
    record.effective_group_count = settings.group_count;
    Ok(Scenario {
        overrides: ledger.0,
        profile: record,
        settings,
        snapshot: snapshot.source.clone(),
    })
}

fn refuse(s: &Settings, place: impl Into<String>) -> Error {
    Error::usage(format!("resolving scenario `{}`", s.name)).at(place.into())
}

/// The bounds of single values.
fn check(s: &Settings, l: &Ledger) -> Result<()> {
    for (field, v) in [
        ("base_total_images", s.base_total_images),
        ("batch_size", s.batch_size),
        ("group_limit", s.group_limit),
        ("group_multiplier", s.group_multiplier),
        ("image_multiplier", s.image_multiplier),
        ("nepochs", s.nepochs),
    ] {
        if v == 0 {
            return Err(refuse(s, l.place(field)).got(v).need("at least 1"));
        }
    }
    for (field, v) in [
        ("amp_vmax", s.amp_vmax.unwrap_or(1.0)),
        ("nphotons", s.nphotons),
        ("probe_scale", s.probe_scale),
    ] {
        if !(v.is_finite() && v > 0.0) {
            let need = "a finite number above 0";
            return Err(refuse(s, l.place(field)).got(v).need(need));
        }
    }
    if !(s.split_fraction > 0.0 && s.split_fraction < 1.0) {
        return Err(refuse(s, l.place("split_fraction"))
            .got(s.split_fraction)
            .need("a number between 0 and 1, both excluded"));
    }
    if !(s.buffer.is_finite() && s.buffer >= 0.0) {
        return Err(refuse(s, l.place("buffer"))
            .got(s.buffer)
            .need("a finite number of pixels, 0 or more"));
    }
    if !(1..=s.n.get()).contains(&s.reassemble_m) {
        return Err(refuse(s, "reassemble_M")
            .got(s.reassemble_m)
            .need(format!("1 to N = {}", s.n.get())));
    }
    if s.object_size.get() < 2 {
        return Err(refuse(s, "object_size")
            .got(s.object_size.get())
            .need("at least 2 pixels"));
    }
    Ok(())
}

/// The margin leaves room for positions: `buffer <= object_size / 2 - 1`.
#[expect(clippy::cast_precision_loss, reason = "object sides are below 2^17")]
fn clamp(s: &mut Settings, l: &mut Ledger) -> Result<()> {
    let most = s.object_size.get() as f64 / 2.0 - 1.0;
    if s.buffer > most {
        l.record("buffer", Some(s.buffer.into()), most.into(), Source::Clamp);
        l.note(
            "buffer",
            &format!(
                "half the object of {} pixels, less one, is the most",
                s.object_size.get()
            ),
        );
        s.buffer = most;
    }
    if s.buffer < 0.0 {
        return Err(Error::bug("clamping the buffer").got(s.buffer));
    }
    Ok(())
}

/// How many patterns, positions and groups there are.
fn count(s: &mut Settings, l: &mut Ledger, base_groups: usize) -> Result<()> {
    let c = s.gridsize.channels();
    let total = s
        .base_total_images
        .checked_mul(c)
        .and_then(|v| v.checked_mul(s.image_multiplier))
        .filter(|v| u32::try_from(*v).is_ok())
        .ok_or_else(|| {
            refuse(
                s,
                "total images = base_total_images * gridsize^2 * image_multiplier",
            )
            .got(format!(
                "{} * {c} * {}",
                s.base_total_images, s.image_multiplier
            ))
            .need(format!("at most {}", u32::MAX))
        })?;
    s.total_images = total;
    s.test_count = share(total, s.split_fraction);
    s.train_count = total - s.test_count;
    let least = s.train_count.min(s.test_count);
    if least == 0 {
        return Err(refuse(s, l.place("split_fraction"))
            .got(format!(
                "{} of {total} images: {} to train and {} to test",
                s.split_fraction, s.train_count, s.test_count
            ))
            .need("at least one of each"));
    }
    let groups = base_groups.checked_mul(s.group_multiplier);
    s.group_count = match groups {
        Some(g) if (1..=least).contains(&g) => g,
        _ => {
            let most = least / s.group_multiplier;
            let halves = format!(
                "{least}, the smaller of {} train and {} test positions",
                s.train_count, s.test_count
            );
            let e = refuse(s, l.place("group_count"))
                .got(match (groups, s.group_multiplier) {
                    (Some(g), 1) => format!("{g} groups"),
                    (Some(g), m) => {
                        format!("{g} groups ({base_groups} times --group-multiplier {m})")
                    }
                    (None, m) => format!("{base_groups} groups times --group-multiplier {m}"),
                })
                .need(format!("1 to {halves}"));
            return Err(if most > 0 {
                e.help(format!("The largest --group-count here is {most}."))
            } else {
                e.help(format!("The largest --group-multiplier here is {least}."))
            });
        }
    };
    if c == 1 {
        let note = "has no effect: a group of one pattern has no neighbours";
        if l.place("neighbor_count").starts_with("--") {
            l.note("neighbor_count", note);
        }
    } else if s.neighbor_count < c - 1 || s.neighbor_count >= least {
        return Err(refuse(s, l.place("neighbor_count"))
            .got(s.neighbor_count)
            .need(format!(
                "{} to {}: a group of {c} needs {} neighbours, and the smaller half has {least} positions",
                c - 1,
                least - 1,
                c - 1
            ))
            .help(if least < c {
                "Raise --base-total-images.".to_owned()
            } else {
                format!("Set --neighbor-count {}.", s.neighbor_count.clamp(c - 1, least - 1))
            }));
    }
    Ok(())
}

/// `total * fraction`, rounded half to even as Python does. `total < 2^32`, `0 < fraction < 1`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number from 0 to total, which is below 2^32"
)]
fn share(total: usize, fraction: f64) -> usize {
    (total as f64 * fraction).round_ties_even() as usize
}

#[cfg(test)]
mod tests;
