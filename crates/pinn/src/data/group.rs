//! Groups of neighboring scan positions: the channels of one network input.
//!
//! A group is a seed position and `C - 1` of its `K` nearest others. *Tie rule.* Neighbors are ranked
//! by (squared distance, index): equal distances, as on a grid, go to the smaller index.
//!
//! *Cost.* Neighbors are searched on the threads of the pool that [`Grouping::draw`] is called in, for a few
//! thousand seeds at a time; the numbers are drawn one after the other, since there is one NumPy stream.
//!
//! *Source.* Reference description, section g.

use ptyproof::error::{Error, Result};
use ptyproof::geometry::{GridSize, Position};
use ptyproof::io::neighbors::Neighbors;
use ptyproof::rng::NumpyLegacy;

/// Seeds whose neighbors are kept at a time.
const QUERY_BATCH: usize = 1 << 13;

/// Groups of `C` patterns each, as indices into the subset they were drawn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Grouping {
    /// Patterns per group, `C = gs^2`.
    pub channels: usize,
    /// Indices into the subset, `[group * C + channel]`; channel 0 is the seed.
    pub members: Vec<usize>,
    /// Mean position of each group, `[group]` (the reference's `coords_offsets`).
    pub centers: Vec<Position>,
    /// `-(position - center)`, `[group * C + channel]` (the reference's `coords_relative`).
    pub relative: Vec<Position>,
}

impl Grouping {
    /// Draws up to `requested` groups from `positions`.
    ///
    /// Fewer than the positions: seeds are drawn without replacement from `rng`; otherwise every
    /// position is a seed once, in order, and nothing is drawn for the seeds. With more than one
    /// channel the other members are drawn, seed by seed, from its `neighbors` nearest others.
    ///
    /// # Errors
    /// If `positions` is empty, `requested` is 0, `neighbors < C - 1`, there are fewer than
    /// `neighbors + 1` positions, or one of them is not finite.
    pub fn draw(
        positions: &[Position],
        gridsize: GridSize,
        requested: usize,
        neighbors: usize,
        rng: &mut NumpyLegacy,
    ) -> Result<Self> {
        let action = "grouping the scan positions";
        let channels = gridsize.channels();
        if positions.is_empty() || requested == 0 {
            return Err(Error::input(action)
                .got(format!(
                    "{requested} groups of {} positions",
                    positions.len()
                ))
                .need("at least one of each"));
        }
        if let Some(bad) = positions.iter().position(|p| !p.is_finite()) {
            return Err(Error::input(action)
                .at(format!("position {bad}"))
                .not_finite()
                .got(format!("({}, {})", positions[bad].x, positions[bad].y))
                .need("finite coordinates"));
        }
        if channels > 1 && neighbors < channels - 1 {
            return Err(Error::usage(action)
                .at("`neighbor_count`")
                .got(neighbors)
                .need(format!(
                    "at least {} for gridsize {}",
                    channels - 1,
                    gridsize.get()
                )));
        }
        if channels > 1 && positions.len() <= neighbors {
            return Err(Error::input(action)
                .got(format!("{} positions", positions.len()))
                .need(format!(
                    "at least {}: a seed and {neighbors} neighbors",
                    neighbors + 1
                )));
        }
        let seeds = if requested < positions.len() {
            rng.choice(positions.len(), requested)
        } else {
            (0..positions.len()).collect()
        };
        let mut members = Vec::with_capacity(seeds.len() * channels);
        if channels == 1 {
            members = seeds;
        } else {
            let search = Neighbors::new(positions);
            let mut order = Vec::with_capacity(neighbors);
            for seeds in seeds.chunks(QUERY_BATCH) {
                let near = search.nearest(seeds, neighbors);
                for (seed, near) in seeds.iter().zip(near.chunks_exact(neighbors)) {
                    // `choice` without its allocation: the first of a permutation
                    order.clear();
                    order.extend_from_slice(near);
                    rng.shuffle(&mut order);
                    members.push(*seed);
                    members.extend_from_slice(&order[..channels - 1]);
                }
            }
        }
        Ok(Self::of(positions, channels, members))
    }

    /// The grouping with these members, `[group * channels + channel]`.
    ///
    /// # Panics
    /// If a member is not among the positions.
    pub fn of(positions: &[Position], channels: usize, members: Vec<usize>) -> Self {
        let mut centers = Vec::with_capacity(members.len() / channels);
        let mut relative = Vec::with_capacity(members.len());
        for group in members.chunks_exact(channels) {
            let mean = |axis: fn(&Position) -> f64| {
                let sum: f64 = group.iter().map(|&m| axis(&positions[m])).sum();
                sum / channels as f64
            };
            let center = Position::new(mean(|p| p.x), mean(|p| p.y));
            centers.push(center);
            relative.extend(group.iter().map(|&m| {
                let p = positions[m];
                Position::new(-(p.x - center.x), -(p.y - center.y))
            }));
        }
        Self {
            channels,
            members,
            centers,
            relative,
        }
    }

    /// The number of groups.
    pub fn len(&self) -> usize {
        self.centers.len()
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.centers.is_empty()
    }

    /// The grid size the groups were made for.
    ///
    /// # Errors
    /// If the channel count is not the square of a grid size.
    pub fn gridsize(&self) -> Result<GridSize> {
        GridSize::new((1..=3).find(|g| g * g == self.channels).unwrap_or(0))
    }

    /// The largest `|x|` or `|y|` of the group centers.
    pub fn reach(&self) -> f64 {
        self.centers.iter().fold(0.0, |m, p| m.max(p.max_abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ptyproof_testkit::compare::zip_eq;
    use ptyproof_testkit::tolerance::{F64_STEPS_64, assert_close, assert_within};

    fn scan(n: usize, seed: u32) -> Vec<Position> {
        let mut r = NumpyLegacy::new(seed);
        (0..n)
            .map(|_| Position::new(r.uniform(0.0, 90.0), r.uniform(0.0, 90.0)))
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn members_are_distinct_and_offsets_sum_to_zero(n in 12usize..80, gs in 1usize..4, seed in 0u32..99, ask in 1usize..100) {
            let p = scan(n, seed);
            let g = Grouping::draw(&p, GridSize::new(gs).unwrap(), ask, 9, &mut NumpyLegacy::new(seed)).unwrap();
            prop_assert_eq!((g.len(), g.members.len()), (ask.min(n), ask.min(n) * gs * gs));
            for (k, group) in g.members.chunks(gs * gs).enumerate() {
                let mut m = group.to_vec();
                m.sort_unstable();
                m.dedup();
                prop_assert_eq!(m.len(), gs * gs);
                let rel = &g.relative[k * gs * gs..(k + 1) * gs * gs];
                // coordinates up to 90, below 128
                assert_within!(rel.iter().map(|r| r.x).sum::<f64>(), F64_STEPS_64.scaled(128.0));
                assert_within!(rel.iter().map(|r| r.y).sum::<f64>(), F64_STEPS_64.scaled(128.0));
            }
        }

        #[test]
        fn grouping_is_translation_invariant(seed in 0u32..99, dx in -64i32..64, dy in -64i32..64) {
            // a shift by whole multiples of a power of two keeps every difference exact
            let p: Vec<_> = scan(60, seed).iter()
                .map(|q| Position::new((q.x * 64.0).round() / 64.0, (q.y * 64.0).round() / 64.0)).collect();
            let moved: Vec<_> = p.iter().map(|q| Position::new(q.x + f64::from(dx), q.y + f64::from(dy))).collect();
            let draw = |p: &[Position]| Grouping::draw(p, GridSize::new(2).unwrap(), 20, 4, &mut NumpyLegacy::new(1)).unwrap();
            let (a, b) = (draw(&p), draw(&moved));
            prop_assert_eq!(&a.members, &b.members);
            for (r, s) in zip_eq(&a.relative, &b.relative) {
                assert_close!(r.x, s.x, F64_STEPS_64.scaled(128.0));
                assert_close!(r.y, s.y, F64_STEPS_64.scaled(128.0));
            }
        }
    }

    #[test]
    fn too_few_positions_or_neighbors_are_refused() {
        let p = scan(4, 1);
        let gs2 = GridSize::new(2).unwrap();
        let draw = |p: &[Position], k| Grouping::draw(p, gs2, 2, k, &mut NumpyLegacy::new(1));
        assert!(draw(&p, 4).unwrap_err().to_string().contains("at least 5"));
        assert!(
            draw(&p, 2)
                .unwrap_err()
                .to_string()
                .contains("`neighbor_count`")
        );
        assert!(draw(&[], 4).is_err());
        let mut bad = scan(9, 1);
        bad[7].y = f64::NAN;
        assert!(
            draw(&bad, 4)
                .unwrap_err()
                .to_string()
                .contains("position 7")
        );
    }
}
