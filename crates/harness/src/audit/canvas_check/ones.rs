//! What is left of a field of ones that is laid onto a canvas group by group.

use ndarray::{Array2, s};

use ptyproof::assemble::Placement;
use ptyproof::error::Result;
use ptyproof::geometry::{CanvasSize, Position};

/// Added to the weight before the division (the reference's guard in the model's reassembly).
pub const NORM_EPSILON: f32 = 1e-3;

/// The sum over groups and pixels of `S / (W + NORM_EPSILON)` for ones of side `n`, and how many
/// patch pixels fell over the edge. Pixels and their sums over groups are float32; the sum over
/// pixels is rounded to float32 once, at the end.
pub(super) fn ones(
    n: usize,
    channels: usize,
    side: CanvasSize,
    combined: &[Position],
) -> Result<(f64, usize)> {
    let pad = (side.get() - n) / 2;
    let patch = Array2::from_elem((n, n), 1.0f32);
    let mut center = Array2::zeros((n, n));
    center
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
            placement.add(k, center.view(), weight.view_mut());
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
