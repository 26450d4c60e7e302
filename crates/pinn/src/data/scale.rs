//! The factors between domains, each computed from the data set it is used on.
//!
//! *Source.* Reference description, section e.

use ndarray::{Array4, Axis};

use crate::data::group::Grouping;
use ptyproof::error::{Error, Result};
use ptyproof::geometry::PatchSize;
use ptyproof::io::domain::{Groups, Model, Normalized, Patterns, Raw, Scale};

/// Gathers the patterns of a grouping: `[group, row, col, channel]`.
///
/// # Panics
/// If a member is not among the patterns.
pub fn gather(patterns: &Patterns<Raw>, grouping: &Grouping) -> Groups<Raw> {
    let (_, h, w) = patterns.values().dim();
    let c = grouping.channels;
    let mut out = Array4::zeros((grouping.len(), h, w, c));
    for (k, &member) in grouping.members.iter().enumerate() {
        let from = patterns.values().index_axis(Axis(0), member);
        out.index_axis_mut(Axis(0), k / c)
            .index_axis_mut(Axis(2), k % c)
            .assign(&from);
    }
    Groups::new(out)
}

/// `sqrt((N/2)^2 / mean over groups and channels of the sum over pixels of X^2)`: afterwards that
/// mean is `(N/2)^2`. Squares are summed in f64, in order.
///
/// # Errors
/// If the patterns are empty, zero, or not finite.
pub fn statistical(groups: &Groups<Raw>, origin: &str) -> Result<Scale<Raw, Normalized>> {
    let (g, n, _, c) = groups.values().dim();
    let sum: f64 = groups
        .values()
        .iter()
        .map(|&v| f64::from(v) * f64::from(v))
        .sum();
    let mean = sum / (g * c) as f64;
    if !(mean.is_finite() && mean > 0.0) {
        return Err(Error::input("normalizing the patterns")
            .at(origin)
            .because_of(mean)
            .got(format!("a mean sum of squares of {mean} over {g} groups"))
            .need("a finite value above zero"));
    }
    let half = n as f64 / 2.0;
    Scale::new((half * half / mean).sqrt(), origin)
}

/// `sqrt(nphotons) / (N/2)`, rounded to float32: takes normalized amplitude to the nominal dose.
///
/// # Errors
/// Unless `nphotons` is finite and above zero, and the factor too.
pub fn nominal_dose(nphotons: f64, n: PatchSize) -> Result<Scale<Normalized, Model>> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the reference's factor is float32"
    )]
    let factor = (nphotons.sqrt() / (n.get() as f64 / 2.0)) as f32;
    Scale::new(f64::from(factor), format!("nphotons = {nphotons:e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;
    use proptest::prelude::*;
    use ptyproof_testkit::compare::zip_eq;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn normalization_sets_the_energy_and_inverts_exactly(
            n in 2usize..8, groups in 1usize..6, gs in 1usize..4, level in 1e-6f32..1e6, seed in 0u32..99,
        ) {
            let (n, c) = (2 * n, gs * gs);
            let raw = Groups::<Raw>::new(Array4::from_shape_fn((groups, n, n, c), |(g, r, q, k)| {
                level * (1.0 + ((g * 31 + r * 7 + q * 3 + k) as f32 + seed as f32).sin())
            }));
            let k = statistical(&raw, "test").unwrap();
            let x = k.apply_groups(raw.clone());
            let energy: f64 = x.values().iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / (groups * c) as f64;
            let want = (n as f64 / 2.0).powi(2);
            // each square carries the float32 rounding of its value, twice
            prop_assert!((energy / want - 1.0).abs() < 4.0 * f64::from(f32::EPSILON));
            let back = k.inverse().apply_groups(x);
            for (a, b) in zip_eq(raw.values(), back.values()) {
                prop_assert!((a - b).abs() <= 4.0 * f32::EPSILON * a.abs());
            }
        }
    }

    #[test]
    fn the_published_dose_factor() {
        let s = nominal_dose(1e9, PatchSize::new(64).unwrap()).unwrap();
        assert_eq!(s.factor(), 988.2117919921875);
    }

    #[test]
    fn zero_patterns_cannot_be_normalized() {
        let dark = Groups::<Raw>::new(Array4::zeros((2, 4, 4, 1)));
        assert!(
            statistical(&dark, "dark.npz")
                .unwrap_err()
                .to_string()
                .contains("dark.npz")
        );
    }

    #[test]
    fn gather_keeps_channel_order() {
        let p = Patterns::<Raw>::new(Array3::from_shape_fn((3, 4, 4), |(k, _, _)| k as f32));
        let grouping = Grouping {
            channels: 4,
            members: vec![2, 0, 1, 2],
            centers: vec![Default::default()],
            relative: vec![Default::default(); 4],
        };
        let g = gather(&p, &grouping);
        assert_eq!(
            g.values().iter().take(4).copied().collect::<Vec<_>>(),
            [2.0, 0.0, 1.0, 2.0]
        );
    }
}
