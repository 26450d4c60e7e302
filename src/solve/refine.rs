//! Positions that move: the shift of a patch that explains best what is left of its exit wave.
//!
//! `P (O(r + s) - O(r)) ~ P (s . grad O)`; per axis `s = Re <P dO, d> / |P dO|^2` (Odstrcil et al. 2018, section 3.5,
//! doi:10.1364/OE.26.003108).

use num_complex::Complex32;

use super::buffers::Buffers;
use super::estimate::Estimate;
use super::iteration::Iteration;
use crate::geometry::Position;

/// Share of the shift that is taken at once.
const STEP: f64 = 0.5;
/// The most that a position moves at once, pixels.
const MAX_STEP_PX: f64 = 0.25;

/// Moves position `k` by what the correction `b.waves` of its exit wave says; stays where the canvas would end.
pub(super) fn step(
    estimate: &mut Estimate,
    b: &Buffers,
    k: usize,
    n: usize,
    record: &mut Iteration,
) {
    let area = n * n;
    let (patch, waves) = (&b.patch, &b.waves);
    let mut held = false;
    let mut along = |stride: usize| {
        let (mut dot, mut power) = (0.0, 0.0);
        for r in 1..n - 1 {
            for c in 1..n - 1 {
                let at = r * n + c;
                let slope = (patch[at + stride] - patch[at - stride]) * 0.5;
                for (probe, d) in estimate
                    .probes
                    .chunks_exact(area)
                    .zip(waves.chunks_exact(area))
                {
                    let u: Complex32 = probe[at] * slope;
                    dot += f64::from(u.re * d[at].re + u.im * d[at].im);
                    power += f64::from(u.norm_sqr());
                }
            }
        }
        let shift = STEP * dot / power;
        held |= shift.abs() > MAX_STEP_PX;
        if shift.is_finite() {
            shift.clamp(-MAX_STEP_PX, MAX_STEP_PX)
        } else {
            0.0
        }
    };
    let (dy, dx) = (along(n), along(1));
    record.held[0] += u64::from(held);
    let old = estimate.positions[k];
    estimate.positions[k] = Position::new(old.x + dx, old.y + dy);
    if estimate.placement(k, n).is_none() {
        estimate.positions[k] = old;
    } else {
        record.moved += dx.hypot(dy);
    }
}
