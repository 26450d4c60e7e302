//! A sample of neighboring patterns, small enough for many trials.

use std::collections::BTreeSet;

use ndarray::{Array2, Array3};
use num_complex::{Complex32, Complex64};

use super::beam_center::{BeamCenter, IntegerShares};
use crate::error::Result;
use crate::geometry::Position;
use crate::io::neighbors::Neighbors;
use crate::io::open_file::OpenFile;
use crate::io::unit::Unit;
use ptyproof_kernels::fft::{Fft2, Scratch, shifted};

/// The largest side of a pattern in trials: of larger ones the middle is taken, which samples the object more coarsely.
pub(super) const MAX_SIDE_PX: usize = 128;
/// Most pixels of all patterns of a sample.
const MAX_SAMPLE_PIXELS: usize = 3 << 20;
/// Most patterns.
const MAX_SAMPLE_PATTERNS: usize = 256;
/// A pattern with more than this many times the median dose, or less than the inverse, is inconsistent with its neighbors
/// (a beam that was lost, a detector that was struck); unless more than a tenth of them do, and the specimen is like that. So
/// fewer than ten patterns are never judged by each other.
const MAX_DOSE_RATIO: f64 = 4.0;
/// A position is an outlier if its nearest neighbor is farther than this many times the median distance.
const MAX_NEIGHBOR_DISTANCE_MEDIANS: f64 = 20.0;

/// Patterns of one neighborhood.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// Their side.
    pub(super) n: usize,
    /// Declared amplitude divided by its maximum, `[pattern, row, col]`, with the beam in the center and bad pixels zero.
    pub(super) values: Vec<f32>,
    /// `(x, y)`, declared, in pixels of the object as `n` samples it; the inmost first.
    pub(super) positions: Vec<Position>,
    /// Pixels to believe, `[row, col]`.
    pub(super) good: Vec<bool>,
    /// The first mode of the data's probe, resampled to `n`.
    pub(super) probe: Option<Array2<Complex32>>,
    /// Why the data's probe is not used, if there is one.
    pub(super) probe_refused: Option<String>,
    /// Excluded patterns: zero, or of unusual dose.
    pub(super) excluded: usize,
    /// Whether the beam was shifted to the center.
    pub(super) moved: bool,
    /// The integer test of the values.
    pub(super) whole: IntegerShares,
    /// Pixels of the detector over pixels used, along an axis.
    pub(super) shrink: f64,
}

impl Sample {
    /// How many patterns.
    pub(super) fn len(&self) -> usize {
        self.positions.len()
    }

    /// Pattern `k`.
    pub(super) fn pattern(&self, k: usize) -> &[f32] {
        let area = self.n * self.n;
        &self.values[k * area..(k + 1) * area]
    }

    /// The largest distance between positions along an axis, pixels.
    pub(super) fn extent(&self) -> f64 {
        let span = |of: fn(&Position) -> f64| {
            let all = self.positions.iter().map(of);
            all.clone().fold(f64::NEG_INFINITY, f64::max) - all.fold(f64::INFINITY, f64::min)
        };
        span(|p| p.x).max(span(|p| p.y))
    }

    /// Reads the patterns nearest to the middle of the scan; `usable` are indices of positions.
    ///
    /// # Errors
    /// If the patterns cannot be read.
    pub(super) fn take(
        contents: &mut OpenFile,
        usable: &[usize],
        hot: &[[usize; 2]],
        beam: &BeamCenter,
    ) -> Result<Option<Self>> {
        let positions: Vec<Position> = usable.iter().map(|k| contents.positions[*k]).collect();
        let Some(stack) = contents.stack.as_mut() else {
            return Ok(None);
        };
        let (side, cols) = stack.size;
        if side != cols || side % 2 != 0 || side < 8 || positions.is_empty() {
            return Ok(None);
        }
        let n = side.min(MAX_SIDE_PX);
        let (area, shrink) = (n * n, side as f64 / n as f64);
        let most = (MAX_SAMPLE_PIXELS / area).clamp(16, MAX_SAMPLE_PATTERNS);
        let mut order = inmost(&positions);
        order.truncate(most);
        let indices: Vec<usize> = order.iter().map(|k| usable[*k]).collect();

        // where pixel (r, c) of the sample is in the file's pattern
        let turn = beam.off_by_half.map(|half| if half { side / 2 } else { 0 });
        let from = |at: usize, axis: usize| (at + (side - n) / 2 + turn[axis]) % side;
        let mut good = vec![true; area];
        let mask = contents.measurement.good.as_ref();
        let hot: BTreeSet<[usize; 2]> = hot.iter().copied().collect();
        for (at, g) in good.iter_mut().enumerate() {
            let place = [from(at / n, 0), from(at % n, 1)];
            *g = !hot.contains(&place) && mask.and_then(|m| m.get(place)).is_none_or(|m| *m);
        }
        let mut slot = vec![usize::MAX; contents.positions.len().max(stack.count)];
        for (k, index) in indices.iter().enumerate() {
            slot[*index] = k;
        }
        let counts = stack.unit == Unit::Counts;
        let mut values = vec![0.0f32; indices.len() * area];
        let mut whole = IntegerShares::default();
        stack.each(&mut |start, batch: Array3<f32>| {
            for (k, pattern) in batch.outer_iter().enumerate() {
                let Some(k) = slot.get(start + k).copied().filter(|k| *k != usize::MAX) else {
                    continue;
                };
                let to = &mut values[k * area..(k + 1) * area];
                for ((at, t), g) in to.iter_mut().enumerate().zip(&mut good) {
                    let v = pattern[[from(at / n, 0), from(at % n, 1)]];
                    *g &= v.is_finite();
                    // background subtraction leaves negative counts, which are read as zero
                    let v = if v.is_finite() { v.max(0.0) } else { 0.0 };
                    *t = if counts { v.sqrt() } else { v };
                    whole.add(*t);
                }
            }
            Ok(())
        })?;
        for pattern in values.chunks_exact_mut(area) {
            let bad = pattern.iter_mut().zip(&good).filter(|(_, g)| !**g);
            bad.for_each(|(v, _)| *v = 0.0);
        }
        let excluded = leave_out(&mut values, &mut order, area);
        let largest = values.iter().fold(0.0f32, |m, v| m.max(*v));
        values.iter_mut().for_each(|v| *v /= largest);
        if largest == 0.0 {
            return Ok(None);
        }
        let (probe, probe_refused) = match contents.probe.as_ref().map(|p| of_probe(p, side, n)) {
            None => (None, None),
            Some(Ok(probe)) => (Some(probe), None),
            Some(Err(why)) => (None, Some(why)),
        };
        Ok(Some(Self {
            n,
            values,
            positions: (order.iter())
                .map(|k| Position::new(positions[*k].x / shrink, positions[*k].y / shrink))
                .collect(),
            good,
            probe,
            probe_refused,
            excluded,
            moved: beam.off_by_half != [false; 2],
            whole,
            shrink,
        }))
    }
}

/// Excludes patterns that are zero or far from the median dose; returns their number.
fn leave_out(values: &mut Vec<f32>, order: &mut Vec<usize>, area: usize) -> usize {
    let dose = |p: &[f32]| p.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
    let all: Vec<f64> = values.chunks_exact(area).map(dose).collect();
    let middle = median(all.iter().copied().filter(|l| *l > 0.0).collect());
    let usual = |l: &f64| *l * MAX_DOSE_RATIO >= middle && *l <= MAX_DOSE_RATIO * middle;
    let strange = all.iter().filter(|l| **l > 0.0 && !usual(l)).count();
    let strict = 10 * strange <= all.len();
    let keeps = |l: &f64| *l > 0.0 && (usual(l) || !strict);
    let kept: Vec<usize> = (0..all.len()).filter(|k| keeps(&all[*k])).collect();
    for (to, from) in kept.iter().enumerate() {
        values.copy_within(from * area..(from + 1) * area, to * area);
    }
    values.truncate(kept.len() * area);
    *order = kept.iter().map(|k| order[*k]).collect();
    all.len() - kept.len()
}

/// The first mode as `n` samples it, or why not.
fn of_probe(
    modes: &Array3<Complex32>,
    side: usize,
    n: usize,
) -> std::result::Result<Array2<Complex32>, String> {
    let first = modes.index_axis(ndarray::Axis(0), 0);
    if first.dim() != (side, side) {
        let (rows, cols) = first.dim();
        return Err(format!(
            "it is {rows} x {cols}, but patterns are {side} x {side}"
        ));
    }
    let broken = first.iter().filter(|z| !z.is_finite()).count();
    if broken > 0 {
        return Err(format!("{broken} of its pixels are not finite"));
    }
    let largest = (first.iter()).fold(0.0f64, |m, z| m.max(f64::from(z.re).hypot(z.im.into())));
    if largest == 0.0 {
        return Err("it is zero everywhere".to_owned());
    }
    // its scale is free, but its square has to fit into float32
    let factor = if (1e-12..=1e12).contains(&largest) {
        1.0
    } else {
        1.0 / largest
    };
    #[expect(clippy::cast_possible_truncation, reason = "probes are complex64")]
    let scaled = |v: f32| (f64::from(v) * factor) as f32;
    let first = first.mapv(|z| Complex32::new(scaled(z.re), scaled(z.im)));
    Ok(resampled(&first, n))
}

/// The indices of positions, those nearest to the middle one first.
fn inmost(positions: &[Position]) -> Vec<usize> {
    let middle = |of: fn(&Position) -> f64| median(positions.iter().map(of).collect());
    let (x, y) = (middle(|p| p.x), middle(|p| p.y));
    let far = |k: usize| (positions[k].x - x).powi(2) + (positions[k].y - y).powi(2);
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by(|a, b| far(*a).total_cmp(&far(*b)).then(a.cmp(b)));
    order
}

/// The upper median; 0 of none.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Indices of finite positions with neighbors nearby, and of isolated ones.
pub(super) fn outliers(positions: &[Position]) -> (Vec<usize>, Vec<usize>) {
    let finite: Vec<usize> = (0..positions.len())
        .filter(|k| positions[*k].is_finite())
        .collect();
    if finite.len() < 3 {
        return (finite, Vec::new());
    }
    let places: Vec<Position> = finite.iter().map(|k| positions[*k]).collect();
    let all: Vec<usize> = (0..places.len()).collect();
    let nearest = Neighbors::new(&places).nearest(&all, 1);
    let far: Vec<f64> = (nearest.iter().enumerate())
        .map(|(k, n)| (places[k].x - places[*n].x).hypot(places[k].y - places[*n].y))
        .collect();
    let limit = MAX_NEIGHBOR_DISTANCE_MEDIANS * median(far.clone()).max(1.0);
    let (isolated, rest): (Vec<usize>, Vec<usize>) = all.iter().partition(|k| far[**k] > limit);
    let back = |v: Vec<usize>| v.into_iter().map(|k| finite[k]).collect();
    (back(rest), back(isolated))
}

/// A probe as the middle `n` pixels of its far field sample it.
fn resampled(probe: &Array2<Complex32>, n: usize) -> Array2<Complex32> {
    let side = probe.nrows();
    if side == n {
        return probe.clone();
    }
    let mut field = vec![Complex64::ZERO; side * side];
    for ((r, c), z) in probe.indexed_iter() {
        field[shifted(r, side) * side + shifted(c, side)] =
            Complex64::new(z.re.into(), z.im.into());
    }
    let mut scratch = Scratch::default();
    Fft2::<f64>::new(side).forward(&mut field, &mut scratch);
    let keep = |k: usize| if k < n / 2 { k } else { side - n + k };
    let mut middle: Vec<Complex64> = (0..n * n)
        .map(|at| field[keep(at / n) * side + keep(at % n)] / (side * n) as f64)
        .collect();
    Fft2::<f64>::new(n).inverse(&mut middle, &mut scratch);
    #[expect(clippy::cast_possible_truncation, reason = "probes are complex64")]
    Array2::from_shape_fn((n, n), |(r, c)| {
        let z = middle[shifted(r, n) * n + shifted(c, n)];
        Complex32::new(z.re as f32, z.im as f32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ptyproof_testkit::compare::zip_eq;
    use ptyproof_testkit::tolerance::{F32_SUM_1024, assert_close};

    #[test]
    fn isolated_position_is_an_outlier() {
        let mut p: Vec<Position> = (0..30)
            .map(|k| Position::new(f64::from(k % 6) * 4.0, f64::from(k / 6) * 4.0))
            .collect();
        assert_eq!(outliers(&p).1, Vec::<usize>::new());
        p[7] = Position::new(1e6, 0.0);
        p[9].y = f64::NAN;
        let (usable, isolated) = outliers(&p);
        assert_eq!((usable.len(), isolated), (28, vec![7]));
        // equal positions have no pitch, and no outliers
        assert!(outliers(&[Position::new(3.0, 3.0); 9]).1.is_empty());
    }

    #[test]
    fn minority_of_inconsistent_patterns_is_excluded() {
        let of = |doses: &[f32]| {
            let mut values: Vec<f32> = doses.iter().flat_map(|l| [0.0, *l]).collect();
            let mut order: Vec<usize> = (10..10 + doses.len()).collect();
            let excluded = leave_out(&mut values, &mut order, 2);
            assert_eq!(
                (values.len(), order.len() + excluded),
                (2 * order.len(), doses.len())
            );
            for (v, k) in values.chunks_exact(2).zip(&order) {
                assert_eq!(v[1].to_bits(), doses[k - 10].to_bits());
            }
            order
        };
        let mut doses = [1.0f32; 30];
        assert_eq!(of(&doses).len(), 30);
        (doses[3], doses[7], doses[20]) = (0.0, 30.0, 0.1);
        let left = of(&doses);
        assert!(left.len() == 27 && [13, 17, 30].iter().all(|k| !left.contains(k)));
        // half of the scan is off the specimen, without absorption
        let half: Vec<f32> = (0..30)
            .map(|k| if k % 2 == 0 { 1.0 } else { 9.0 })
            .collect();
        assert_eq!(of(&half).len(), 30);
        assert_eq!(of(&[0.0; 5]).len(), 0);
    }

    #[test]
    fn resampled_smooth_probe_keeps_its_shape() {
        // every second pixel of a Gaussian whose far field fits into the middle half, and a quarter of its pixels
        let wide = |n: usize, s: f32| {
            Array2::from_shape_fn((n, n), |(r, c)| {
                let d = (r as f32 - n as f32 / 2.0).powi(2) + (c as f32 - n as f32 / 2.0).powi(2);
                Complex32::from((-d / (2.0 * s * s)).exp())
            })
        };
        let (got, want) = (resampled(&wide(64, 6.0), 32), wide(32, 3.0));
        let k = got[[16, 16]];
        for (g, w) in zip_eq(&got, &want) {
            assert_close!(g / k, w, F32_SUM_1024);
        }
    }
}
