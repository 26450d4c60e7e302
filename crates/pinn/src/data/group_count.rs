//! The number of used groups: one rule for every count that the reference clamps.
//!
//! *Law.* `used = min(requested, limit, available)`, where a limit of 0 is none. So `used <= requested`, `used <= available`, and
//! `used <= limit` where the limit is not 0.
//!
//! | count | requested | limit | available |
//! |---|---|---|---|
//! | training groups | `group_count` | none | positions of the train half |
//! | test groups | `group_count` | none | positions of the test half |
//! | inference groups | `group_count` | `group_limit` | positions of the test half |
//! | groups of the sums of the limits report | groups of the subset | `group_limit` | groups of the subset |
//!
//! *Source.* Reference description, sections g (`nsamples > n` is capped), l (`min(group_count, group_limit)`, 0: `group_count`), m
//! (`group_limit_used = min(64, groups)`) and o (`group_limit` is 64 by default).

/// No limit.
pub const NO_LIMIT: usize = 0;

/// A number of groups: requested, limit, available, and used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupCount {
    /// Groups asked for.
    pub requested: usize,
    /// Maximum number of used groups; [`NO_LIMIT`] = 0 allows all.
    pub limit: usize,
    /// Available groups: one for each position.
    pub available: usize,
    /// Groups that are used.
    pub used: usize,
}

impl GroupCount {
    /// Counts the groups used of `requested` ones, within a `limit` (0: none) and of the `available` ones.
    pub fn clamped(requested: usize, limit: usize, available: usize) -> Self {
        let most = if limit == NO_LIMIT {
            available
        } else {
            limit.min(available)
        };
        Self {
            requested,
            limit,
            available,
            used: requested.min(most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn group_counts_match_the_reference() {
        // counted by hand from the reference description
        for (requested, limit, available, used, what) in [
            (256, 0, 256, 256, "g: gs1_ideal trains on 256 of 256 points"),
            (128, 0, 512, 128, "g: gs2_ideal trains on 128 of 512 points"),
            (1000, 0, 500, 500, "g: nsamples > n is capped"),
            (256, 64, 256, 64, "l: the gs1_ideal profile infers 64"),
            (128, 64, 512, 64, "l: the gs2_ideal profile infers 64"),
            (8, 64, 256, 8, "l: group_count is the smaller one"),
            (64, 64, 512, 64, "l: both are the same"),
            (256, 0, 256, 256, "l: group_limit 0 means group_count"),
            (128, 0, 512, 128, "l: group_limit 0 is not all positions"),
            (9, 64, 4, 4, "g, l: nor more groups than points"),
            (
                1000,
                64,
                1000,
                64,
                "m: min(64, groups) of the limits report",
            ),
            (12, 64, 12, 12, "m: a report of fewer groups than 64"),
        ] {
            assert_eq!(
                GroupCount::clamped(requested, limit, available),
                GroupCount {
                    requested,
                    limit,
                    available,
                    used
                },
                "{what}"
            );
        }
    }

    proptest! {
        #[test]
        fn used_groups_never_exceed_requested_available_or_limit(
            requested in 0usize..300, limit in 0usize..300, available in 0usize..300,
        ) {
            let used = GroupCount::clamped(requested, limit, available).used;
            prop_assert!(used <= requested && used <= available);
            prop_assert!(limit == 0 || used <= limit);
            // and no fewer than one of these bounds makes it
            prop_assert!(used == requested || used == available || (limit != 0 && used == limit));
        }

        #[test]
        fn no_limit_equals_a_large_limit(
            requested in 0usize..300, available in 0usize..300, more in 0usize..300,
        ) {
            let used = |limit| GroupCount::clamped(requested, limit, available).used;
            let enough = requested.min(available).max(1) + more;
            prop_assert_eq!(used(0), used(enough));
        }
    }
}
