//! A data file brings facts of its own, and they displace what a scenario would have assumed.

use super::overrides::{Ledger, Overrides, Source};
use super::settings::{ProbeMode, Settings};
use super::snapshot::{Defaults, Entry, Inputs};
use ptyproof::geometry::PatchSize;

/// The facts of a data file that a scenario must follow.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// What the data are called.
    pub name: String,
    /// Side of the patterns.
    pub n: PatchSize,
    /// Number of patterns.
    pub total: usize,
    /// Mean sum of squares of a pattern: its photons, if the file holds amplitudes in sqrt(photons).
    pub dose: f64,
    /// Whether the file holds a probe.
    pub probe: bool,
}

impl Measured {
    /// The scenario that the file makes by itself: single patterns, every position a group, the
    /// file's own probe where it has one.
    pub(super) fn entry(&self) -> Entry {
        let custom = self.probe;
        Entry {
            name: self.name.clone(),
            inputs: Inputs {
                gridsize: 1,
                probe_mode: if custom {
                    ProbeMode::Custom
                } else {
                    ProbeMode::Idealized
                },
                probe_scale: if custom { 4.0 } else { 10.0 },
                probe_big: None,
                probe_mask: None,
            },
            defaults: Defaults {
                probe_big: custom,
                probe_mask: !custom,
            },
            group_count: Some(self.total),
            neighbor_count: None,
            reassemble_m: None,
        }
    }

    /// Puts the file's facts in place of what was assumed, and records what they displaced. A dose
    /// given by flag stays.
    pub(super) fn take_over(&self, s: &mut Settings, l: &mut Ledger, flags: &Overrides) {
        if s.n != self.n {
            l.record(
                "N",
                Some(s.n.get().into()),
                self.n.get().into(),
                Source::Data,
            );
            s.n = self.n;
        }
        if flags.nphotons.is_none() {
            l.record(
                "nphotons",
                Some(s.nphotons.into()),
                self.dose.into(),
                Source::Data,
            );
            s.nphotons = self.dose;
        }
        if s.base_total_images != self.total {
            l.record(
                "base_total_images",
                Some(s.base_total_images.into()),
                self.total.into(),
                Source::Data,
            );
            if flags.base_total_images.or(flags.image_multiplier).is_some() {
                l.note(
                    "base_total_images",
                    "the file holds what it holds; neither number nor factor has an effect",
                );
            }
            s.base_total_images = self.total;
        }
    }
}
