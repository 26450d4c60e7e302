//! The split of the patterns of a run, as recorded in its metadata.

crate::named! {
    /// The sets of positions for the training groups and for the inferred groups.
    #[derive(Default)]
    Splitting "the split" {
        /// One half trains, the other is inferred.
        #[default]
        Halves = "halves",
        /// All positions train, and all are inferred: no group is held out.
        None = "none",
    }
}

impl Splitting {
    /// Whether it is what it was before there was a choice.
    pub fn is_halves(&self) -> bool {
        *self == Self::Halves
    }
}
