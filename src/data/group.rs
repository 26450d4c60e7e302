//! Groups of neighbouring scan positions: the channels of one network input.
//!
//! *Source.* Reference description, section g.

use crate::ground::geometry::{GridSize, Position};

/// Groups of `C` patterns each, as indices into the subset they were drawn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Grouping {
    /// Patterns per group, `C = gs^2`.
    pub channels: usize,
    /// Indices into the subset, `[group * C + channel]`; channel 0 is the seed.
    pub members: Vec<usize>,
    /// Mean position of each group, `[group]` (the reference's `coords_offsets`).
    pub centres: Vec<Position>,
    /// `-(position - centre)`, `[group * C + channel]` (the reference's `coords_relative`).
    pub relative: Vec<Position>,
}

impl Grouping {
    /// The number of groups.
    pub fn len(&self) -> usize {
        self.centres.len()
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.centres.is_empty()
    }

    /// The grid size the groups were made for.
    ///
    /// # Errors
    /// If the channel count is not the square of a grid size.
    pub fn gridsize(&self) -> crate::error::Result<GridSize> {
        GridSize::new((1..=3).find(|g| g * g == self.channels).unwrap_or(0))
    }
}
