//! A canvas either holds every patch or says which position it does not hold, and what that costs.
//!
//! The reassembly-limits report: for the train and the test groups of a scenario, how far positions
//! stray, which canvas that requires, which one a run would use, and how much of a field of ones
//! survives being reassembled there.
//!
//! *Conventions.* Coordinates are object pixels, axis 0 = x. `coords_offsets` are group centres,
//! `coords_relative` their negated member offsets, `combined` the sum of both. Because of the sign,
//! `combined` are the positions mirrored in the centre of their group: that is what the reference
//! measures, so it is what is reported here; the true position stands beside it in
//! [`WorstPosition::scan`]. Standard deviations are population ones. `padded_sum` is the sum over
//! the first 64 groups of `S / (W + 0.001)` on the canvas: `S` the ones of each member moved by
//! `-combined`, `W` the same for ones in the central `N/2` square alone.
//!
//! *Rules.* [`CanvasRule::Grown`]: the room for jitter grows with the group centres, train first,
//! then test (published from 2026-01-20 on). [`CanvasRule::Legacy`]: it stays at 10 pixels, and what
//! is required comes from `combined`, without parity (published on 2026-01-16).
//!
//! *Source.* Reference description, sections h, j and m.

use std::collections::BTreeMap;

use ndarray::{Array2, s};
use serde::Serialize;
use serde_json::Value;

use crate::assemble::{Jitter, Layout, Placement, required_canvas};
use crate::data::group::Grouping;
use crate::error::{Error, Result};
use crate::ground::geometry::{CanvasSize, Position};

/// Added to the weight before the division (the reference's guard in the model's reassembly).
pub const NORM_EPSILON: f32 = 1e-3;

/// How many groups are reassembled for the sums, at most (the reference's limit).
pub const GROUP_LIMIT: usize = 64;

/// How the canvas of a run is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanvasRule {
    /// The room grows with the largest group centre; `required` is even.
    Grown,
    /// The room stays at [`Jitter::REFERENCE`]; `required` comes from the combined positions.
    Legacy,
}

/// What the report says about itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metadata {
    /// Label of the run.
    pub label: String,
    /// Scenario name.
    pub scenario: String,
    /// Where the scenario came from.
    pub snapshot: String,
    /// RFC 3339, given by the caller.
    pub timestamp: String,
    /// The scenario's parameters as the reference lists them.
    pub parameters: BTreeMap<String, Value>,
    /// What was changed by hand.
    pub overrides: BTreeMap<String, Value>,
}

/// One half of a scan and its groups.
#[derive(Debug, Clone, Copy)]
pub struct Subset<'a> {
    /// Positions the groups were drawn from.
    pub point_count: usize,
    /// Groups asked for.
    pub requested_groups: usize,
    /// The groups made.
    pub grouping: &'a Grouping,
}

/// The report; its fields serialise as those of the reference's `reassembly_<scenario>.json`, with
/// ours beside them under `additions`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LimitsReport {
    /// What only this program reports.
    pub additions: Additions,
    /// The reference's `metadata`.
    pub metadata: ReportMetadata,
    /// `test` and `train`.
    pub subsets: BTreeMap<String, SubsetReport>,
}

/// [`Metadata`] with the canvas that came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReportMetadata {
    #[serde(flatten)]
    given: Metadata,
    /// The room for jitter at the end, in pixels.
    pub legacy_max_position_jitter: usize,
    /// The nominal step within a group, in pixels.
    pub legacy_offset: usize,
    /// The canvas at the end, in pixels.
    pub padded_size: usize,
}

/// What the reference does not report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Additions {
    /// Patch pixels that lose weight over the edge of the padded canvas, in the groups reassembled.
    pub dropped_pixels: BTreeMap<String, usize>,
    /// The position that needs the largest canvas.
    pub worst_position: WorstPosition,
}

/// The position that needs the largest canvas of all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorstPosition {
    /// Channel within the group; 0 is the seed.
    pub channel: usize,
    /// Whether the padded canvas of its subset holds it.
    pub fits: bool,
    /// Group within the subset.
    pub group: usize,
    /// Index into the subset.
    pub index: usize,
    /// The even canvas that holds a patch there, in pixels.
    pub required: usize,
    /// The scan position itself, `[x, y]`.
    pub scan: [f64; 2],
    /// `test` or `train`.
    pub subset: String,
    /// Combined x, as the canvas sees it.
    pub x: f64,
    /// Combined y.
    pub y: f64,
}

impl WorstPosition {
    fn max_abs(&self) -> f64 {
        Position::new(self.x, self.y).max_abs()
    }
}

/// One subset of the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SubsetReport {
    /// Groups made.
    pub actual_groups: usize,
    /// Required against padded.
    pub canvas: CanvasReport,
    /// `[groups, N, N, C]`.
    pub diffraction_shape: [usize; 4],
    /// How far positions stray.
    pub offsets: OffsetsReport,
    /// Positions the groups were drawn from.
    pub point_count: usize,
    /// What a field of ones comes to.
    pub reassembly: ReassemblyReport,
    /// Groups asked for.
    pub requested_groups: usize,
    /// `ok`: a subset that cannot be measured is an error here, not a status.
    pub status: &'static str,
    /// `test` or `train`.
    pub subset: String,
}

/// Required against padded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CanvasReport {
    /// `padded_size >= required_canvas`.
    pub fits_canvas: bool,
    /// Largest combined coordinate, in absolute value.
    pub max_combined_abs_offset: f64,
    /// Difference, in pixels; negative where the canvas is too small.
    pub padded_minus_required: i64,
    /// The canvas of the run when it comes to this subset.
    pub padded_size: usize,
    /// Ratio.
    pub padded_to_required_ratio: f64,
    /// The canvas that the rule asks for.
    pub required_canvas: usize,
}

/// Statistics of the three kinds of coordinates.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OffsetsReport {
    /// Centre plus relative.
    pub combined: CoordinateStats,
    /// Group centres.
    pub coords_offsets: CoordinateStats,
    /// Negated member offsets.
    pub coords_relative: CoordinateStats,
}

/// Statistics of one kind of coordinates.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CoordinateStats {
    /// `[x, y]` largest absolute values.
    pub axis_abs_max: [f64; 2],
    /// Per axis.
    pub axis_stats: [AxisStats; 2],
    /// The larger of the two.
    pub max_abs: f64,
    /// `[groups, 1, 2, members]`.
    pub shape: [usize; 4],
}

/// Statistics along one axis, in object pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AxisStats {
    /// Largest absolute value.
    pub abs_max: f64,
    /// 0 = x, 1 = y.
    pub axis: usize,
    /// Largest.
    pub max: f64,
    /// Mean.
    pub mean: f64,
    /// Smallest.
    pub min: f64,
    /// Population standard deviation.
    pub std: f64,
}

/// What a field of ones comes to on the padded and on the required canvas.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReassemblyReport {
    /// Groups reassembled.
    pub group_limit_used: usize,
    /// `1 - padded_sum / required_sum`.
    pub loss_fraction: f64,
    /// On the padded canvas; float32.
    pub padded_sum: f64,
    /// Side of the required canvas, even.
    pub reassembly_canvas_size: usize,
    /// On the required canvas; float32.
    pub required_sum: f64,
}

/// Measures the canvas of both subsets, train first: the room that train needs is still there for test.
/// The sums are over the first `group_limit` groups ([`GROUP_LIMIT`] in the reference).
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
            jitter = jitter.grow(layout, largest(&subset.grouping.centres))?;
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
        worst.ok_or_else(|| Error::bug("measuring the canvas").need("a subset"))?;
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

impl LimitsReport {
    /// Whether every subset fits its canvas: what the exit code of the command says.
    pub fn fits(&self) -> bool {
        self.subsets.values().all(|s| s.canvas.fits_canvas)
    }

    /// The report as a page of Markdown.
    pub fn to_markdown(&self) -> String {
        let m = &self.metadata;
        let mut page = format!(
            "# Reassembly limits: {}\n\nScenario `{}`, padded canvas {} px (jitter {}).\n\n\
             | subset | points | groups | max offset | required | padded | fits | sum kept on padded | loss |\n\
             |---|---|---|---|---|---|---|---|---|\n",
            m.given.label, m.given.scenario, m.padded_size, m.legacy_max_position_jitter
        );
        for (name, s) in &self.subsets {
            let (c, r) = (&s.canvas, &s.reassembly);
            page += &format!(
                "| {name} | {} | {} | {:.3} | {} | {} | {} | {} of {} | {:.4} % |\n",
                s.point_count,
                s.actual_groups,
                c.max_combined_abs_offset,
                c.required_canvas,
                c.padded_size,
                if c.fits_canvas { "yes" } else { "**no**" },
                r.padded_sum,
                r.required_sum,
                100.0 * r.loss_fraction
            );
        }
        let w = &self.additions.worst_position;
        page += &format!(
            "\nThe position that needs the largest canvas, {} px, is ({:.3}, {:.3}): group {}, channel {} of \
             `{}`, position {} of that half (by ascending y) at ({:.3}, {:.3}). It {} on the padded canvas.\n",
            w.required,
            w.x,
            w.y,
            w.group,
            w.channel,
            w.subset,
            w.index,
            w.scan[0],
            w.scan[1],
            if w.fits { "fits" } else { "does **not** fit" }
        );
        for (name, dropped) in &self.additions.dropped_pixels {
            page += &format!("Patch pixels lost over the edge, `{name}`: {dropped}.\n");
        }
        page
    }
}

fn check(name: &str, g: &Grouping, layout: Layout) -> Result<()> {
    let error = || Error::input("measuring the canvas").at(format!("{name} groups"));
    let c = layout.gridsize.channels();
    if g.is_empty() {
        return Err(error().got("none").need("at least one"));
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
    match g.centres.iter().chain(&g.relative).find(bad) {
        Some(p) => Err(error()
            .got(format!("({}, {})", p.x, p.y))
            .need("finite positions in object pixels")),
        None => Ok(()),
    }
}

fn combined(g: &Grouping) -> Vec<Position> {
    let member = |(i, r): (usize, &Position)| {
        let c = g.centres[i / g.channels];
        Position::new(c.x + r.x, c.y + r.y)
    };
    g.relative.iter().enumerate().map(member).collect()
}

fn largest(positions: &[Position]) -> f64 {
    positions.iter().fold(0.0, |a, p| p.max_abs().max(a))
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
        CanvasRule::Grown => required_canvas(layout.n, largest(&g.centres), true)?,
        CanvasRule::Legacy => required_canvas(layout.n, max_combined, false)?,
    };
    let canvas = CanvasSize::new(even(n, required.get()))?;
    let used = g.len().min(group_limit);
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
            coords_offsets: stats(&g.centres, 1),
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
        .ok_or_else(|| Error::bug("measuring the canvas").need("a group"))?;
    let required = required_canvas(layout.n, p.max_abs(), true)?;
    let (c, r) = (g.centres[i / g.channels], g.relative[i]);
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

fn stats(positions: &[Position], members: usize) -> CoordinateStats {
    let x = axis_stats(0, positions.iter().map(|p| p.x));
    let y = axis_stats(1, positions.iter().map(|p| p.y));
    CoordinateStats {
        axis_abs_max: [x.abs_max, y.abs_max],
        axis_stats: [x, y],
        max_abs: x.abs_max.max(y.abs_max),
        shape: [positions.len() / members, 1, 2, members],
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of positions")]
fn axis_stats(axis: usize, values: impl Iterator<Item = f64> + Clone) -> AxisStats {
    // From +0.0, so that the mean of negative zeros is zero as in the published files.
    let sum = |v: &mut dyn Iterator<Item = f64>| v.fold(0.0, |a, b| a + b);
    let n = values.clone().count() as f64;
    let mean = sum(&mut values.clone()) / n;
    let variance = sum(&mut values.clone().map(|v| (v - mean) * (v - mean))) / n;
    AxisStats {
        abs_max: values.clone().fold(0.0, |a, v| v.abs().max(a)),
        axis,
        max: values.clone().fold(f64::NEG_INFINITY, f64::max),
        mean,
        min: values.fold(f64::INFINITY, f64::min),
        std: variance.sqrt(),
    }
}

/// The sum over groups and pixels of `S / (W + NORM_EPSILON)` for ones of side `n`, and how many
/// patch pixels fell over the edge. Pixels and their sums over groups are float32; the sum over
/// pixels is rounded to float32 once, at the end.
fn ones(
    n: usize,
    channels: usize,
    side: CanvasSize,
    combined: &[Position],
) -> Result<(f64, usize)> {
    let pad = (side.get() - n) / 2;
    let patch = Array2::from_elem((n, n), 1.0f32);
    let mut centre = Array2::zeros((n, n));
    centre
        .slice_mut(s![n / 4..n / 4 + n / 2, n / 4..n / 4 + n / 2])
        .fill(1.0f32);
    let empty = Array2::<f32>::zeros((side.get(), side.get()));
    let (mut total, mut seen, mut weight) = (empty.clone(), empty.clone(), empty);
    let mut dropped = 0;
    for group in combined.chunks(channels) {
        let placement = Placement::new(n, pad, side, &shifts(group))?;
        dropped += placement.dropped();
        for k in 0..placement.len() {
            placement.add(k, patch.view(), seen.view_mut());
            placement.add(k, centre.view(), weight.view_mut());
        }
        // Footprints overlap: a pixel is emptied when it is counted, so it counts once.
        for k in 0..placement.len() {
            let (rows, cols) = placement.bounds(k);
            for at in rows.flat_map(|y| cols.clone().map(move |x| [y, x])) {
                total[at] += seen[at] / (weight[at] + NORM_EPSILON);
                seen[at] = 0.0;
                weight[at] = 0.0;
            }
        }
    }
    let sum: f64 = total.iter().map(|v| f64::from(v.abs())).sum();
    Ok((rounded(sum), dropped))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "float32 is the type of a shift and of the sum"
)]
fn shifts(group: &[Position]) -> Vec<[f32; 2]> {
    group
        .iter()
        .map(|p| [-(p.x as f32), -(p.y as f32)])
        .collect()
}

#[expect(clippy::cast_possible_truncation, reason = "the sum is float32")]
fn rounded(sum: f64) -> f64 {
    f64::from(sum as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::geometry::{GridSize, PatchSize};
    use proptest::prelude::*;

    fn grouping(channels: usize, xy: &[(f64, f64)]) -> Grouping {
        let members: Vec<usize> = (0..xy.len()).collect();
        let mut centres = Vec::new();
        let mut relative = Vec::new();
        for g in xy.chunks(channels) {
            let c = g.len() as f64;
            let sum = g.iter().fold((0.0, 0.0), |a, p| (a.0 + p.0, a.1 + p.1));
            let centre = Position::new(sum.0 / c, sum.1 / c);
            centres.push(centre);
            relative.extend(
                g.iter()
                    .map(|p| Position::new(centre.x - p.0, centre.y - p.1)),
            );
        }
        Grouping {
            channels,
            members,
            centres,
            relative,
        }
    }

    fn layout(n: usize, gs: usize) -> Layout {
        Layout::reference(PatchSize::new(n).unwrap(), GridSize::new(gs).unwrap())
    }

    fn run(l: Layout, rule: CanvasRule, train: &Grouping, test: &Grouping) -> Result<LimitsReport> {
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
        limits(metadata, l, rule, GROUP_LIMIT, of(train), of(test))
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let good = grouping(4, &[(1.0, 1.0), (2.0, 1.0), (1.0, 2.0), (2.0, 2.0)]);
        let mut said = String::new();
        let mut nan = good.clone();
        nan.relative[2].y = f64::NAN;
        let mut far = good.clone();
        far.centres[0].x = 1e6;
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
    fn the_report_names_the_position_that_does_not_fit() {
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

    proptest! {
        #[test]
        fn a_grown_canvas_loses_nothing_of_single_patterns(
            a in proptest::collection::vec((0.0f64..60.0, 0.0f64..60.0), 1..8),
            b in proptest::collection::vec((0.0f64..60.0, 0.0f64..60.0), 1..8),
        ) {
            // law: C = 1 and canvas >= required  =>  no pixel is dropped, no sum is lost, it fits
            let (train, test) = (grouping(1, &a), grouping(1, &b));
            let r = run(layout(16, 1), CanvasRule::Grown, &train, &test)?;
            prop_assert!(r.fits() && r.additions.worst_position.fits);
            prop_assert!(r.additions.dropped_pixels.values().all(|d| *d == 0));
            // law: the canvas never shrinks from train to test
            prop_assert!(r.subsets["train"].canvas.padded_size <= r.subsets["test"].canvas.padded_size);
            let r = &r.subsets["test"];
            prop_assert!(r.reassembly.padded_sum > 0.0 && r.reassembly.loss_fraction.is_finite());
        }
    }
}
