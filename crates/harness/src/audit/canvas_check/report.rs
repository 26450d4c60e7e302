//! The reassembly-limits report: its fields, as the reference's, and its page.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use ptyproof::geometry::Position;
use ptyproof::judgment::Judgment;

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

/// The report; its fields serialize as those of the reference's `reassembly_<scenario>.json`, with
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
    pub(super) given: Metadata,
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
    pub(super) fn max_abs(&self) -> f64 {
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

impl SubsetReport {
    /// How the look at it ended.
    pub fn judgment(&self) -> Judgment {
        let (c, r) = (&self.canvas, &self.reassembly);
        let figures = [
            c.max_combined_abs_offset,
            r.padded_sum,
            r.required_sum,
            r.loss_fraction,
        ];
        // of no group all sums are 0, and their ratio is NaN
        if r.group_limit_used == 0 || self.point_count == 0 {
            Judgment::Undecided
        } else if figures.iter().any(|v| !v.is_finite()) {
            Judgment::NonFinite
        } else {
            Judgment::holds(c.fits_canvas, self.actual_groups)
        }
    }
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
    /// Center plus relative.
    pub combined: CoordinateStats,
    /// Group centers.
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

impl LimitsReport {
    /// Whether every subset fits its canvas.
    pub fn fits(&self) -> bool {
        self.subsets.values().all(|s| s.canvas.fits_canvas)
    }

    /// How the look at the canvas ended: what the exit code of the command says. A subset whose sums are of nothing, or not finite,
    /// was not looked at.
    pub fn judgment(&self) -> Judgment {
        Judgment::worst(self.subsets.values().map(SubsetReport::judgment))
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
             `{}`, position {} of that subset (by ascending y) at ({:.3}, {:.3}). It {} on the padded canvas.\n",
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
        if !w.fits && self.fits() {
            page += "The table and the exit code apply the rule to the centers of the groups; their members extend further.\n";
        }
        for (name, dropped) in &self.additions.dropped_pixels {
            page += &format!("Patch pixels lost over the edge, `{name}`: {dropped}.\n");
        }
        page
    }
}
