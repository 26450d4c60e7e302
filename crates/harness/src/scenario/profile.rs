//! A stable profile prefers some values, and a flag always wins over it, on record.
//!
//! *Conventions.* A [`ProfileRecord`] serialises as the `profile` of the reference's
//! `run_metadata.json`: what the profile prefers (`defaults`), what of it was used (`applied`), and
//! what a flag displaced (`skipped`).
//!
//! *Source.* Reference description, section o.

pub use ptyproof::hub::metadata::{ProfileRecord, Skipped};

/// A value that a person typed.
const TYPED: &str = "cli_override";
/// A value that the command chose.
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

/// The record of `profile` before any of its fields is settled.
pub(super) fn record_of(profile: &Profile) -> ProfileRecord {
    ProfileRecord {
        active: true,
        label: Some(profile.label.to_owned()),
        name: Some(profile.name.to_owned()),
        ..ProfileRecord::default()
    }
}

/// Settles one field: what was asked, else the preference, else `fallback`; and records what happened. A value may have been
/// typed, or chosen by the command.
pub(super) fn settle(
    record: &mut ProfileRecord,
    field: &str,
    preferred: Option<usize>,
    asked: Option<usize>,
    fallback: usize,
    typed: bool,
) -> usize {
    let Some(preferred) = preferred else {
        return asked.unwrap_or(fallback);
    };
    record.defaults.insert(field.to_owned(), preferred.into());
    if let Some(asked) = asked {
        let skipped = Skipped {
            used: asked.into(),
            preferred: preferred.into(),
            reason: if typed { TYPED } else { CHOSEN }.to_owned(),
        };
        record.skipped.insert(field.to_owned(), skipped);
        return asked;
    }
    record.applied.insert(field.to_owned(), preferred.into());
    preferred
}

/// One sentence for each preference that was displaced.
pub(super) fn warnings(record: &ProfileRecord) -> Vec<String> {
    let label = record.label.as_deref().unwrap_or("the profile");
    let sentence = |(field, s): (&String, &Skipped)| {
        format!(
            "{label} prefers {field} = {}; {} {}.",
            s.preferred,
            s.used,
            if s.reason == TYPED {
                "was asked for"
            } else {
                "is what the command takes"
            }
        )
    };
    record.skipped.iter().map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_preference_is_applied_or_recorded_as_skipped(
            preferred in proptest::option::of(1usize..100), flag in proptest::option::of(1usize..100), fallback in 1usize..100,
        ) {
            // law: value = flag ?? preferred ?? fallback; defaults = applied + skipped
            let mut r = ProfileRecord::default();
            prop_assert_eq!(settle(&mut r, "f", preferred, flag, fallback, true), flag.or(preferred).unwrap_or(fallback));
            prop_assert_eq!(r.defaults.len(), r.applied.len() + r.skipped.len());
            prop_assert_eq!(r.defaults.len(), usize::from(preferred.is_some()));
            prop_assert_eq!(warnings(&r).len(), usize::from(preferred.is_some() && flag.is_some()));
        }
    }
}
