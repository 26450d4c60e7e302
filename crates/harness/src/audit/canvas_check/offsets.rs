//! How far positions stray: of group centers, of members from them, and of both together.

use super::report::{AxisStats, CoordinateStats};
use ptyproof::geometry::Position;
use ptyproof_pinn::data::group::Grouping;

pub(super) fn combined(g: &Grouping) -> Vec<Position> {
    let member = |(i, r): (usize, &Position)| {
        let c = g.centers[i / g.channels];
        Position::new(c.x + r.x, c.y + r.y)
    };
    g.relative.iter().enumerate().map(member).collect()
}

pub(super) fn largest(positions: &[Position]) -> f64 {
    positions.iter().fold(0.0, |a, p| p.max_abs().max(a))
}

pub(super) fn stats(positions: &[Position], members: usize) -> CoordinateStats {
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
