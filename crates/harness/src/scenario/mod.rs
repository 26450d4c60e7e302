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
pub mod settings;
pub mod snapshot;

use std::collections::BTreeMap;
use std::ops::Deref;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use measured::Measured;
pub use overrides::{Override, Overrides, Source};
pub use profile::ProfileRecord;
pub use ptyproof::hub::splitting::Splitting;
pub use settings::{BATCH_SIZE, GROUP_LIMIT, NEPOCHS, ObjectKind, ProbeMode, Settings};
pub use snapshot::Snapshot;

use ptyproof::assemble::Layout;
use ptyproof::error::{Error, Result};
use ptyproof::geometry::Position;
use ptyproof_pinn::data::split::{Split, by_y, undivided};
use resolve::{Asked, Resolved, resolve};

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
    /// The scenario called `name`, with its stable profile and what is put in place of its values.
    ///
    /// # Errors
    /// If there is no such scenario, or a value breaks a bound stated in [`Settings`].
    pub fn resolve(snapshot: &Snapshot, name: &str, overrides: &Overrides) -> Result<Self> {
        Self::settle(snapshot, Some(name), overrides, &Overrides::default(), None)
    }

    /// The scenario without its profile: what the reassembly-limits report is about.
    ///
    /// # Errors
    /// As [`Scenario::resolve`].
    pub fn resolve_without_profile(
        snapshot: &Snapshot,
        name: &str,
        overrides: &Overrides,
    ) -> Result<Self> {
        let entry = snapshot.find(name)?;
        let asked = Asked::typed(overrides);
        let found = resolve(snapshot, entry, &asked, None, None)?;
        Ok(Self::of(snapshot, found))
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
        Self::settle(
            snapshot,
            name,
            overrides,
            &Overrides::default(),
            Some(measured),
        )
    }

    /// The scenario of a request. What a person typed wins over what the command chose, and that over everything else.
    ///
    /// # Errors
    /// As [`Scenario::resolve`]; and without a name where there is no data file.
    pub fn settle(
        snapshot: &Snapshot,
        name: Option<&str>,
        typed: &Overrides,
        chosen: &Overrides,
        measured: Option<&Measured>,
    ) -> Result<Self> {
        let asked = Asked::new(typed, chosen);
        let (entry, profile) = match (name, measured) {
            (None, Some(m)) => (&m.entry(), None),
            (None, None) => {
                return Err(Error::usage("choosing a scenario")
                    .field("scenario")
                    .got("none")
                    .need("a scenario, or a data file"));
            }
            (Some(name), _) => (snapshot.find(name)?, profile::find(name)),
        };
        let found = resolve(snapshot, entry, &asked, profile, measured)?;
        Ok(Self::of(snapshot, found))
    }

    fn of(snapshot: &Snapshot, found: Resolved) -> Self {
        Self {
            overrides: found.overrides,
            profile: found.profile,
            settings: found.settings,
            snapshot: snapshot.source.clone(),
        }
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
        profile::warnings(&self.profile)
            .into_iter()
            .chain(notes)
            .collect()
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

    /// What a person typed, by field: the `overrides` of the limits report.
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
