//! A stable profile prefers some values, and a flag always wins over it, on record.
//!
//! *Conventions.* A [`ProfileRecord`] serialises as the `profile` of the reference's
//! `run_metadata.json`: what the profile prefers (`defaults`), what of it was used (`applied`), and
//! what a flag displaced (`skipped`).
//!
//! *Source.* Reference description, section o.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// A flag that a person typed.
const TYPED: &str = "cli_override";
/// A flag that a command put there.
const CHOSEN: &str = "command_override";

/// What a profile prefers for one scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// The scenario it belongs to.
    pub name: &'static str,
    /// Its own name.
    pub label: &'static str,
    /// Patterns before the factors.
    pub base_total_images: usize,
    /// Groups asked of each subset.
    pub group_count: usize,
    /// Groups per training step.
    pub batch_size: usize,
    /// Neighbours a group is drawn from, where the profile cares.
    pub neighbor_count: Option<usize>,
}

/// The profiles of the published runs; custom scenarios have none.
pub const PROFILES: [Profile; 2] = [
    Profile {
        name: "gs1_ideal",
        label: "stable_profile_gs1_ideal",
        base_total_images: 512,
        group_count: 256,
        batch_size: 8,
        neighbor_count: None,
    },
    Profile {
        name: "gs2_ideal",
        label: "stable_profile_gs2_ideal",
        base_total_images: 256,
        group_count: 128,
        batch_size: 4,
        neighbor_count: Some(4),
    },
];

/// The profile of the scenario called `name`.
pub fn find(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|p| p.name == name)
}

/// A preferred value that a flag displaced.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Skipped {
    /// What the flag says.
    #[serde(rename = "override")]
    pub replacement: Value,
    /// What the profile preferred.
    pub preferred: Value,
    /// `cli_override`, or `command_override` where nobody typed it.
    pub reason: &'static str,
}

/// What became of the profile in one run.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ProfileRecord {
    /// Whether the scenario has a profile.
    pub active: bool,
    /// The preferred values in use.
    pub applied: BTreeMap<String, Value>,
    /// The preferred values.
    pub defaults: BTreeMap<String, Value>,
    /// Groups per training step, in the end.
    pub effective_batch_size: usize,
    /// Groups asked of each subset, in the end (with the group multiplier).
    pub effective_group_count: usize,
    /// The profile's own name; null without one.
    pub label: Option<String>,
    /// The scenario it belongs to; null without one.
    pub name: Option<String>,
    /// The preferred values that a flag displaced.
    pub skipped: BTreeMap<String, Skipped>,
}

impl ProfileRecord {
    /// The record of `profile` before any of its fields is settled.
    pub fn of(profile: &Profile) -> Self {
        Self {
            active: true,
            label: Some(profile.label.to_owned()),
            name: Some(profile.name.to_owned()),
            ..Self::default()
        }
    }

    /// Settles one field: the flag, else the preference, else `fallback`; and keeps what happened. A flag may have been typed, or put
    /// there by the command.
    pub fn settle(
        &mut self,
        field: &str,
        preferred: Option<usize>,
        flag: Option<usize>,
        fallback: usize,
        typed: bool,
    ) -> usize {
        let Some(preferred) = preferred else {
            return flag.unwrap_or(fallback);
        };
        self.defaults.insert(field.to_owned(), preferred.into());
        match flag {
            Some(flag) => {
                let skipped = Skipped {
                    replacement: flag.into(),
                    preferred: preferred.into(),
                    reason: if typed { TYPED } else { CHOSEN },
                };
                self.skipped.insert(field.to_owned(), skipped);
                flag
            }
            None => {
                self.applied.insert(field.to_owned(), preferred.into());
                preferred
            }
        }
    }

    /// One sentence for each preference that a flag displaced.
    pub fn warnings(&self) -> Vec<String> {
        let label = self.label.as_deref().unwrap_or("the profile");
        let sentence = |(field, s): (&String, &Skipped)| {
            format!(
                "{label} prefers {field} = {}; {} {}.",
                s.preferred,
                s.replacement,
                if s.reason == TYPED {
                    "was asked for"
                } else {
                    "is what the command takes"
                }
            )
        };
        self.skipped.iter().map(sentence).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_preference_is_applied_or_skipped_never_lost(
            preferred in proptest::option::of(1usize..100), flag in proptest::option::of(1usize..100), fallback in 1usize..100,
        ) {
            // law: value = flag ?? preferred ?? fallback; defaults = applied + skipped
            let mut r = ProfileRecord::default();
            prop_assert_eq!(r.settle("f", preferred, flag, fallback, true), flag.or(preferred).unwrap_or(fallback));
            prop_assert_eq!(r.defaults.len(), r.applied.len() + r.skipped.len());
            prop_assert_eq!(r.defaults.len(), usize::from(preferred.is_some()));
            prop_assert_eq!(r.warnings().len(), usize::from(preferred.is_some() && flag.is_some()));
        }
    }
}
