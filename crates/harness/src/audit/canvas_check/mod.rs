//! A canvas either holds every patch or says which position it does not hold, and what that costs.
//!
//! The reassembly-limits report: for the train and the test groups of a scenario, how far positions
//! stray, which canvas that requires, which one a run would use, and how much of a field of ones
//! survives being reassembled there.
//!
//! *Conventions.* Coordinates are object pixels, axis 0 = x. `coords_offsets` are group centers,
//! `coords_relative` their negated member offsets, `combined` the sum of both. Because of the sign,
//! `combined` are the positions mirrored in the center of their group: that is what the reference
//! measures, so it is what is reported here; the true position stands beside it in
//! [`WorstPosition::scan`]. Standard deviations are population ones. `padded_sum` is the sum over
//! the first 64 groups of `S / (W + 0.001)` on the canvas: `S` the ones of each member moved by
//! `-combined`, `W` the same for ones in the central `N/2` square alone.
//!
//! *Rules.* [`CanvasRule::Grown`]: the room for jitter grows with the group centers, train first,
//! then test (published from 2026-01-20 on). [`CanvasRule::Legacy`]: it stays at 10 pixels, and what
//! is required comes from `combined`, without parity (published on 2026-01-16).
//!
//! *Source.* Reference description, sections h, j and m.

mod offsets;
mod ones;
mod report;

use std::collections::BTreeMap;

pub use crate::scenario::GROUP_LIMIT;
use offsets::{combined, largest, stats};
pub use ones::NORM_EPSILON;
use ones::ones;
use ptyproof::assemble::{Jitter, Layout, required_canvas};
use ptyproof::error::{Error, Result};
use ptyproof::geometry::{CanvasSize, Position};
use ptyproof_pinn::data::group::Grouping;
use ptyproof_pinn::data::group_count::GroupCount;
pub use report::{
    Additions, AxisStats, CanvasReport, CoordinateStats, LimitsReport, Metadata, OffsetsReport,
    ReassemblyReport, ReportMetadata, SubsetReport, WorstPosition,
};

/// How the canvas of a run is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanvasRule {
    /// The room grows with the largest group center; `required` is even.
    Grown,
    /// The room stays at [`Jitter::REFERENCE`]; `required` comes from the combined positions.
    Legacy,
}

/// One half of a scan, or all of it, and its groups.
#[derive(Debug, Clone, Copy)]
pub struct Subset<'a> {
    /// Positions the groups were drawn from.
    pub point_count: usize,
    /// Groups asked for.
    pub requested_groups: usize,
    /// The groups made.
    pub grouping: &'a Grouping,
}

/// Measures the canvas of both subsets, train first: the room that train needs is still there for test.
/// The sums are over the first `group_limit` groups ([`GROUP_LIMIT`] in the reference), over all where that is 0 ([`GroupCount`]).
///
/// # Errors
/// If a subset has no group, a position is not finite or needs a canvas above [`CanvasSize::MAX`], or
/// a grouping does not match the layout's grid size.
pub fn limits(
    metadata: Metadata,
    layout: Layout,
    rule: CanvasRule,
    group_limit: usize,
    train: Subset<'_>,
    test: Subset<'_>,
) -> Result<LimitsReport> {
    let mut jitter = Jitter::REFERENCE;
    let mut subsets = BTreeMap::new();
    let mut dropped_pixels = BTreeMap::new();
    let mut worst: Option<WorstPosition> = None;
    for (name, subset) in [("train", train), ("test", test)] {
        check(name, subset.grouping, layout)?;
        if rule == CanvasRule::Grown {
            jitter = jitter.grow(layout, largest(&subset.grouping.centers))?;
        }
        let padded = layout.padded_size(jitter)?;
        let (report, dropped) = measure(name, subset, layout, (rule, group_limit), padded)?;
        let here = worst_position(name, subset.grouping, layout, padded)?;
        if worst.as_ref().is_none_or(|w| w.max_abs() < here.max_abs()) {
            worst = Some(here);
        }
        subsets.insert(name.to_owned(), report);
        dropped_pixels.insert(name.to_owned(), dropped);
    }
    let worst_position =
        worst.ok_or_else(|| Error::bug("checking the canvas size").need("a subset"))?;
    Ok(LimitsReport {
        additions: Additions {
            dropped_pixels,
            worst_position,
        },
        metadata: ReportMetadata {
            given: metadata,
            legacy_max_position_jitter: jitter.get(),
            legacy_offset: layout.offset,
            padded_size: layout.padded_size(jitter)?.get(),
        },
        subsets,
    })
}

fn check(name: &str, g: &Grouping, layout: Layout) -> Result<()> {
    let error = || Error::input("checking the canvas size").at(format!("{name} groups"));
    let c = layout.gridsize.channels();
    if g.is_empty() {
        return Err(Error::undecided("checking the canvas size")
            .at(format!("{name} groups"))
            .got("none")
            .need("at least one"));
    }
    if g.channels != c || g.relative.len() != g.len() * c || g.members.len() != g.len() * c {
        return Err(error()
            .got(format!(
                "{} channels, {} members of {} groups",
                g.channels,
                g.members.len(),
                g.len()
            ))
            .need(format!("{c} of each group")));
    }
    let bad = |p: &&Position| !p.is_finite();
    match g.centers.iter().chain(&g.relative).find(bad) {
        Some(p) => Err(error()
            .not_finite()
            .got(format!("({}, {})", p.x, p.y))
            .need("finite positions in object pixels")),
        None => Ok(()),
    }
}

fn even(n: usize, required: usize) -> usize {
    n + (required - n).next_multiple_of(2)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "canvas sides are below 2^17"
)]
fn measure(
    name: &str,
    subset: Subset<'_>,
    layout: Layout,
    (rule, group_limit): (CanvasRule, usize),
    padded: CanvasSize,
) -> Result<(SubsetReport, usize)> {
    let (g, n) = (subset.grouping, layout.n.get());
    let all = combined(g);
    let max_combined = largest(&all);
    let required = match rule {
        CanvasRule::Grown => required_canvas(layout.n, largest(&g.centers), true)?,
        CanvasRule::Legacy => required_canvas(layout.n, max_combined, false)?,
    };
    let canvas = CanvasSize::new(even(n, required.get()))?;
    let used = GroupCount::clamped(g.len(), group_limit, g.len()).used;
    let first = &all[..used * g.channels];
    let (padded_sum, dropped) = ones(n, g.channels, padded, first)?;
    let required_sum = if canvas == padded {
        padded_sum
    } else {
        ones(n, g.channels, canvas, first)?.0
    };
    let report = SubsetReport {
        actual_groups: g.len(),
        canvas: CanvasReport {
            fits_canvas: padded >= required,
            max_combined_abs_offset: max_combined,
            padded_minus_required: padded.get() as i64 - required.get() as i64,
            padded_size: padded.get(),
            padded_to_required_ratio: padded.get() as f64 / required.get() as f64,
            required_canvas: required.get(),
        },
        diffraction_shape: [g.len(), n, n, g.channels],
        offsets: OffsetsReport {
            combined: stats(&all, g.channels),
            coords_offsets: stats(&g.centers, 1),
            coords_relative: stats(&g.relative, g.channels),
        },
        point_count: subset.point_count,
        reassembly: ReassemblyReport {
            group_limit_used: used,
            loss_fraction: 1.0 - padded_sum / required_sum,
            padded_sum,
            reassembly_canvas_size: canvas.get(),
            required_sum,
        },
        requested_groups: subset.requested_groups,
        status: "ok",
        subset: name.to_owned(),
    };
    Ok((report, dropped))
}

fn worst_position(
    name: &str,
    g: &Grouping,
    layout: Layout,
    padded: CanvasSize,
) -> Result<WorstPosition> {
    let all = combined(g);
    let (i, p) = all
        .iter()
        .enumerate()
        .reduce(|a, b| if b.1.max_abs() > a.1.max_abs() { b } else { a })
        .ok_or_else(|| Error::bug("checking the canvas size").need("a group"))?;
    let required = required_canvas(layout.n, p.max_abs(), true)?;
    let (c, r) = (g.centers[i / g.channels], g.relative[i]);
    Ok(WorstPosition {
        channel: i % g.channels,
        fits: required <= padded,
        group: i / g.channels,
        index: g.members[i],
        required: required.get(),
        scan: [c.x - r.x, c.y - r.y],
        subset: name.to_owned(),
        x: p.x,
        y: p.y,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ptyproof::geometry::{GridSize, PatchSize};
    use ptyproof_testkit::compare::non_empty;

    fn grouping(channels: usize, xy: &[(f64, f64)]) -> Grouping {
        let members: Vec<usize> = (0..xy.len()).collect();
        let mut centers = Vec::new();
        let mut relative = Vec::new();
        for g in xy.chunks(channels) {
            let c = g.len() as f64;
            let sum = g.iter().fold((0.0, 0.0), |a, p| (a.0 + p.0, a.1 + p.1));
            let center = Position::new(sum.0 / c, sum.1 / c);
            centers.push(center);
            relative.extend(
                g.iter()
                    .map(|p| Position::new(center.x - p.0, center.y - p.1)),
            );
        }
        Grouping {
            channels,
            members,
            centers,
            relative,
        }
    }

    fn layout(n: usize, gs: usize) -> Layout {
        Layout::reference(PatchSize::new(n).unwrap(), GridSize::new(gs).unwrap())
    }

    fn run(l: Layout, rule: CanvasRule, train: &Grouping, test: &Grouping) -> Result<LimitsReport> {
        run_within(GROUP_LIMIT, l, rule, train, test)
    }

    fn run_within(
        group_limit: usize,
        l: Layout,
        rule: CanvasRule,
        train: &Grouping,
        test: &Grouping,
    ) -> Result<LimitsReport> {
        let metadata = Metadata {
            label: "a".into(),
            scenario: "b".into(),
            snapshot: "c".into(),
            timestamp: "d".into(),
            parameters: BTreeMap::new(),
            overrides: BTreeMap::new(),
        };
        let of = |g| Subset {
            point_count: 9,
            requested_groups: 1,
            grouping: g,
        };
        limits(metadata, l, rule, group_limit, of(train), of(test))
    }

    #[test]
    fn unmeasurable_scan_is_refused() {
        let good = grouping(4, &[(1.0, 1.0), (2.0, 1.0), (1.0, 2.0), (2.0, 2.0)]);
        let mut said = String::new();
        let mut nan = good.clone();
        nan.relative[2].y = f64::NAN;
        let mut far = good.clone();
        far.centers[0].x = 1e6;
        for (bad, l) in [
            (&grouping(4, &[]), layout(8, 2)),
            (&good, layout(8, 1)),
            (&nan, layout(8, 2)),
            (&far, layout(8, 2)),
        ] {
            said += &format!(
                "{}\n",
                run(l, CanvasRule::Grown, &good.clone(), bad).unwrap_err()
            );
        }
        insta::assert_snapshot!(said);
    }

    #[test]
    fn report_names_the_position_that_does_not_fit() {
        let train = grouping(1, &[(3.0, 4.0), (5.0, 1.0)]);
        let test = grouping(1, &[(9.0, 2.0), (30.5, 6.0)]);
        let r = run(layout(8, 1), CanvasRule::Legacy, &train, &test).unwrap();
        assert!(!r.fits());
        let w = &r.additions.worst_position;
        assert_eq!(
            (w.subset.as_str(), w.group, w.index, w.x, w.required),
            ("test", 1, 1, 30.5, 70)
        );
        insta::assert_snapshot!(r.to_markdown());
    }

    #[test]
    fn sums_respect_the_group_limit() {
        let centers: Vec<(f64, f64)> = (0..9).map(|k| (f64::from(k), 3.0)).collect();
        let (train, test) = (grouping(1, &centers), grouping(1, &centers[..4]));
        // section m: min(64, groups), and here 0 is no limit
        for (limit, used) in [(64, [9, 4]), (5, [5, 4]), (1, [1, 1]), (0, [9, 4])] {
            let r = run_within(limit, layout(8, 1), CanvasRule::Grown, &train, &test).unwrap();
            for (name, used) in ["train", "test"].into_iter().zip(used) {
                let r = &r.subsets[name].reassembly;
                assert_eq!(r.group_limit_used, used, "{name} {limit}");
                // each group leaves 8 x 8 ones over 1.001, or over 0.001 outside of the central 4 x 4
                let each = 16.0 / 1.001 + 48.0 / 0.001;
                // all terms are positive, and half a unit in the last place of float32 is lost four times (0.001, the sum with it, the
                // quotient, the whole), and once for each group that is added
                let bound = (used + 4) as f64 * f64::from(f32::EPSILON) / 2.0;
                assert!(
                    (r.padded_sum / (used as f64 * each) - 1.0).abs() < bound,
                    "{name} {limit}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn grown_canvas_keeps_all_of_single_patterns(
            a in proptest::collection::vec((0.0f64..60.0, 0.0f64..60.0), 1..8),
            b in proptest::collection::vec((0.0f64..60.0, 0.0f64..60.0), 1..8),
        ) {
            // law: C = 1 and canvas >= required  =>  no pixel is dropped, no sum is lost, it fits
            let (train, test) = (grouping(1, &a), grouping(1, &b));
            let r = run(layout(16, 1), CanvasRule::Grown, &train, &test)?;
            prop_assert!(r.fits() && r.additions.worst_position.fits);
            prop_assert!(non_empty(r.additions.dropped_pixels.values()).all(|d| *d == 0));
            // law: the canvas never shrinks from train to test
            prop_assert!(r.subsets["train"].canvas.padded_size <= r.subsets["test"].canvas.padded_size);
            let r = &r.subsets["test"];
            prop_assert!(r.reassembly.padded_sum > 0.0 && r.reassembly.loss_fraction.is_finite());
        }
    }
}
