//! Statistics of the patterns.

use std::collections::BTreeMap;

use ndarray::{Array2, Array3, ArrayView2};
use serde::Serialize;

use super::Spread;
use crate::error::Result;
use crate::io::open_file::Stack;
use crate::io::unit::Unit;
use crate::json::Real;

/// Minimum number of missing counts of a dead pixel and of excess counts of a hot pixel.
const MIN_DEVIATING_COUNTS: f64 = 20.0;

/// An odd number whose bits look random: spreads the bits of a pattern over 64.
const HASH_MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Some pixels: how many, and the first, `[row, col]`.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Pixels {
    /// The number.
    pub count: usize,
    /// The first of them.
    pub first: Option<[usize; 2]>,
}

/// Statistics of the patterns.
#[derive(Debug, Clone, Serialize)]
pub struct PatternFacts {
    /// Where they are in the file.
    pub place: String,
    /// The shape in the file.
    pub shape: Vec<usize>,
    /// The element type in the file.
    pub dtype: String,
    /// `counts` or `amplitude`.
    pub domain: String,
    /// The number.
    pub count: usize,
    /// Rows and columns.
    pub size: [usize; 2],
    /// Intensity per pattern.
    pub dose: Spread,
    /// The least intensity of a pattern that has any; 0 if none has.
    pub faintest: Real,
    /// The largest value, as stored.
    pub largest: Real,
    /// Values at the largest, if those look saturated; else 0.
    pub saturated: usize,
    /// Values that are not finite.
    pub not_finite: usize,
    /// Values below zero.
    pub negative: usize,
    /// Pixels that are not finite in some pattern.
    pub not_finite_pixels: Pixels,
    /// Pixels that are zero in every pattern.
    pub dark: Pixels,
    /// Dark pixels among lit ones.
    pub dead: Pixels,
    /// Pixels far brighter than their neighbors.
    pub hot: Pixels,
    /// Each of them, `[row, col]`.
    #[serde(skip)]
    pub hot_pixels: Vec<[usize; 2]>,
    /// Patterns that repeat an earlier one to the bit, dark ones included.
    pub duplicates: usize,
    /// Zero patterns.
    pub dark_patterns: usize,
    /// The mean pattern's center of mass, less `[N/2, N/2]`: `[row, col]` in pixels.
    #[serde(rename = "centre_of_mass")]
    pub center_of_mass: [Real; 2],
}

/// Accumulators of one pass.
struct Pass {
    sum: Array2<f64>,
    broken: Array2<bool>,
    doses: Vec<f64>,
    seen: BTreeMap<u64, usize>,
    /// The largest value and the next smaller, and how often.
    top: [(f32, usize); 2],
    not_finite: usize,
    negative: usize,
}

impl Pass {
    fn add(&mut self, pattern: &ArrayView2<'_, f32>, unit: Unit, good: Option<&Array2<bool>>) {
        let mut dose = 0.0;
        let mut hash = 0u64;
        for ((at, &v), sum) in pattern.indexed_iter().zip(&mut self.sum) {
            hash = (hash.rotate_left(5) ^ u64::from(v.to_bits())).wrapping_mul(HASH_MULTIPLIER);
            if good.is_some_and(|g| !g[at]) {
                continue;
            }
            if !v.is_finite() {
                self.not_finite += 1;
                self.broken[at] = true;
                continue;
            }
            if v < 0.0 {
                self.negative += 1;
            }
            let wide = f64::from(v);
            let intensity = if unit == Unit::Counts {
                wide
            } else {
                wide * wide
            };
            dose += intensity;
            *sum += intensity;
            rank(&mut self.top, v);
        }
        self.doses.push(dose);
        *self.seen.entry(hash).or_default() += 1;
    }

    fn saturated(&self) -> usize {
        let [first, second] = self.top;
        if first.1 >= 3 && first.1 > second.1 && second.1 > 0 {
            first.1
        } else {
            0
        }
    }
}

/// Counts `v` among the largest and the next smaller value.
fn rank([first, second]: &mut [(f32, usize); 2], v: f32) {
    if v < second.0 {
        return;
    }
    if v > first.0 {
        *second = *first;
        *first = (v, 1);
    } else if v == first.0 {
        first.1 += 1;
    } else if v > second.0 {
        *second = (v, 1);
    } else {
        second.1 += 1;
    }
}

pub(super) fn patterns(
    stack: &mut Stack,
    good: Option<&Array2<bool>>,
) -> Result<(PatternFacts, Array2<f64>)> {
    let (size, unit) = (stack.size, stack.unit);
    let good = good.filter(|g| g.dim() == size);
    let mut pass = Pass {
        sum: Array2::zeros(size),
        broken: Array2::from_elem(size, false),
        doses: Vec::new(),
        seen: BTreeMap::new(),
        top: [(f32::NEG_INFINITY, 0); 2],
        not_finite: 0,
        negative: 0,
    };
    stack.each(&mut |_, batch: Array3<f32>| {
        for pattern in batch.outer_iter() {
            pass.add(&pattern, unit, good);
        }
        Ok(())
    })?;
    let all = |of: &dyn Fn((usize, usize)) -> bool| {
        let mut found = Pixels::default();
        for (at, _) in pass.sum.indexed_iter() {
            if good.is_none_or(|g| g[at]) && of(at) {
                found.first.get_or_insert([at.0, at.1]);
                found.count += 1;
            }
        }
        found
    };
    let near = |at| neighbors(&pass.sum, at);
    let dead = |at| pass.sum[at] <= 0.0 && median(near(at)) >= MIN_DEVIATING_COUNTS;
    // a detector that is centered wrongly by a little has the direct beam there, which may be one pixel wide
    let beam = (size.0.min(size.1) / 32).max(1);
    let from_dc = |(r, c): (usize, usize)| r.abs_diff(size.0 / 2).max(c.abs_diff(size.1 / 2));
    let hot = |at| {
        let brightest = near(at).into_iter().fold(0.0, f64::max);
        from_dc(at) > beam && pass.sum[at] > 5.0 * brightest + MIN_DEVIATING_COUNTS
    };
    let facts = PatternFacts {
        place: stack.place.clone(),
        shape: stack.shape.clone(),
        dtype: stack.dtype.clone(),
        domain: unit.to_string(),
        count: stack.count,
        size: [size.0, size.1],
        dose: Spread::of(&pass.doses),
        faintest: {
            let lit = pass.doses.iter().copied().filter(|d| *d > 0.0);
            Real(lit.reduce(f64::min).unwrap_or(0.0))
        },
        largest: Real(f64::from(pass.top[0].0)),
        saturated: pass.saturated(),
        not_finite: pass.not_finite,
        negative: pass.negative,
        not_finite_pixels: all(&|at| pass.broken[at]),
        dark: all(&|at| pass.sum[at] == 0.0),
        dead: all(&dead),
        hot: all(&hot),
        hot_pixels: (pass.sum.indexed_iter())
            .filter(|(at, _)| good.is_none_or(|g| g[*at]) && hot(*at))
            .map(|((r, c), _)| [r, c])
            .collect(),
        duplicates: pass.seen.values().map(|n| n - 1).sum(),
        dark_patterns: pass.doses.iter().filter(|d| **d == 0.0).count(),
        center_of_mass: center_of_mass(&pass.sum).map(Real),
    };
    let mean = pass.sum / stack.count.max(1) as f64;
    Ok((facts, mean))
}

fn neighbors(a: &Array2<f64>, (r, c): (usize, usize)) -> Vec<f64> {
    let rows = r.saturating_sub(1)..(r + 2).min(a.nrows());
    let cols = c.saturating_sub(1)..(c + 2).min(a.ncols());
    rows.flat_map(|i| cols.clone().map(move |j| (i, j)))
        .filter(|at| *at != (r, c))
        .map(|at| a[at])
        .collect()
}

fn median(mut v: Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    v.get(v.len() / 2).copied().unwrap_or(0.0)
}

fn center_of_mass(sum: &Array2<f64>) -> [f64; 2] {
    let (rows, cols) = sum.dim();
    let (mut y, mut x, mut all) = (0.0, 0.0, 0.0);
    for ((r, c), v) in sum.indexed_iter() {
        y += v * (r as f64 - (rows / 2) as f64);
        x += v * (c as f64 - (cols / 2) as f64);
        all += v;
    }
    [y / all, x / all]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(values: &[f32]) -> Pass {
        let mut p = Pass {
            sum: Array2::zeros((1, values.len())),
            broken: Array2::from_elem((1, values.len()), false),
            doses: Vec::new(),
            seen: BTreeMap::new(),
            top: [(f32::NEG_INFINITY, 0); 2],
            not_finite: 0,
            negative: 0,
        };
        let all = Array2::from_shape_vec((1, values.len()), values.to_vec()).unwrap();
        p.add(&all.view(), Unit::Counts, None);
        p
    }

    #[test]
    fn the_two_largest_values_are_counted_in_any_order() {
        for values in [
            [5.0, 3.0, 7.0, 5.0, 7.0, 1.0, 7.0],
            [7.0, 7.0, 7.0, 5.0, 1.0, 3.0, 5.0],
            [1.0, 3.0, 5.0, 5.0, 7.0, 7.0, 7.0],
        ] {
            assert_eq!(pass(&values).top, [(7.0, 3), (5.0, 2)]);
        }
        assert_eq!(pass(&[5.0, 7.0, 7.0, 7.0]).saturated(), 3);
        assert_eq!(pass(&[5.0, 5.0, 5.0, 7.0]).saturated(), 0);
    }
}
