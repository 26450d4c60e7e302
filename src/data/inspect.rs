//! What a file says of a measurement, in one pass over its patterns.
//!
//! *Definitions.* Intensity is counts, or the square of amplitude. Of the patterns: the *dose* is the
//! sum of intensity; *dead* is a pixel without light in any pattern whose neighbours' sums have a
//! median of 20 or more (a Poisson pixel would be dark with `exp(-20)`); *hot* is one, two pixels or more away from DC, whose
//! sum is above five times its brightest neighbour's and 20; *saturated* are values at the largest value,
//! if that occurs three times or more and more often than the next smaller value (photon statistics thin
//! out towards the largest). Of the scan: *pitch* is the distance to the nearest neighbour; *linear
//! overlap* is `1 - pitch / D`, `D` the diameter of a disc as large as the probe,
//! `A = (sum I)^2 / sum I^2`; *coverage* is the share of the scan's bounding box that lies within `D / 2`
//! of a position.
//!
//! *Conventions.* Pixels `[row, col]`, positions `(x, y)` = (column, row) in object pixels.

use std::collections::BTreeMap;

use ndarray::{Array2, Array3, ArrayView2};
use serde::Serialize;

use super::contents::{Contents, Stack, Unit};
use super::measurement::{Measurement, PixelSize};
use super::neighbours::Neighbours;
use crate::error::Result;
use crate::ground::geometry::Position;
use crate::ground::json::Real;

/// Most pixels of the raster on which coverage is found.
const RASTER: f64 = 16_777_216.0;
/// Light that a pixel must have missed to be dead, and have too much of to be hot.
const LIGHT: f64 = 20.0;

/// Least, mean and largest.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread {
    /// The least.
    pub min: Real,
    /// The mean.
    pub mean: Real,
    /// The largest.
    pub max: Real,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let fold = |f: fn(f64, f64) -> f64, from| Real(values.iter().copied().fold(from, f));
        Self {
            min: fold(f64::min, f64::INFINITY),
            mean: Real(values.iter().sum::<f64>() / values.len() as f64),
            max: fold(f64::max, f64::NEG_INFINITY),
        }
    }
}

/// Some pixels: how many, and the first, `[row, col]`.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Pixels {
    /// How many.
    pub count: usize,
    /// The first of them.
    pub first: Option<[usize; 2]>,
}

/// What was found in the patterns.
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
    /// How many.
    pub count: usize,
    /// Rows and columns.
    pub size: [usize; 2],
    /// Intensity per pattern.
    pub dose: Spread,
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
    /// Pixels without light in any pattern.
    pub dark: Pixels,
    /// Dark pixels among lit ones.
    pub dead: Pixels,
    /// Pixels far brighter than their neighbours.
    pub hot: Pixels,
    /// Each of them, `[row, col]`.
    #[serde(skip)]
    pub hot_pixels: Vec<[usize; 2]>,
    /// Patterns that repeat an earlier one to the bit, dark ones included.
    pub duplicates: usize,
    /// Patterns without light.
    pub dark_patterns: usize,
    /// The mean pattern's centre of mass, less `[N/2, N/2]`: `[row, col]` in pixels.
    pub centre_of_mass: [Real; 2],
}

/// What was found in the scan.
#[derive(Debug, Clone, Serialize)]
pub struct ScanFacts {
    /// Positions.
    pub count: usize,
    /// Scans.
    pub scans: usize,
    /// The least and the largest x.
    pub x: [Real; 2],
    /// The least and the largest y.
    pub y: [Real; 2],
    /// Distance to the nearest neighbour, in pixels; of two positions or more.
    pub pitch: Option<Spread>,
    /// `1 - mean pitch / D`.
    pub linear_overlap: Option<Real>,
    /// Share of the bounding box within `D / 2` of a position.
    pub coverage: Option<Real>,
    /// Positions that are where an earlier one is.
    pub duplicates: usize,
    /// Positions that are not finite.
    pub not_finite: usize,
    /// `[rows, columns]` that hold every patch: from the first to the last, plus `N`.
    pub object_needed: Option<[Real; 2]>,
    /// Positions whose patch leaves the object of the file.
    pub outside: Option<usize>,
}

/// What was found in the probe.
#[derive(Debug, Clone, Serialize)]
pub struct ProbeFacts {
    /// Modes.
    pub modes: usize,
    /// Rows and columns.
    pub size: [usize; 2],
    /// Sum of squares over all modes.
    pub power: Real,
    /// Share of each mode.
    pub shares: Vec<Real>,
    /// Diameter of a disc as large as the probe, in pixels.
    pub diameter: Real,
    /// Mean dose over power: 1 if the probe is scaled to the data and the object is about 1.
    pub dose_over_power: Option<Real>,
}

/// All that was found.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// The format.
    pub format: String,
    /// Its generation, where there are several.
    pub generation: String,
    /// What the data are called.
    pub name: String,
    /// The patterns, if there are any.
    pub patterns: Option<PatternFacts>,
    /// The positions, if there are any.
    pub scan: Option<ScanFacts>,
    /// The probe, if there is one.
    pub probe: Option<ProbeFacts>,
    /// Rows and columns of the object, if there is one.
    pub object: Option<[usize; 2]>,
    /// The object's pixel in metres.
    pub pixel_m: Option<PixelSize>,
    /// The detector's pixel in metres.
    pub detector_pixel_m: Option<PixelSize>,
    /// From object to detector, in metres.
    pub distance_m: Option<f64>,
    /// In electronvolt.
    pub photon_energy_ev: Option<f64>,
    /// Pixels that the mask calls bad, if there is a mask.
    pub masked: Option<usize>,
    /// What was assumed.
    pub notes: Vec<String>,
    /// The mean intensity, `[row, col]`.
    #[serde(skip)]
    pub mean: Option<Array2<f64>>,
}

/// Looks at everything; patterns are read once, in batches.
///
/// # Errors
/// If the patterns cannot be read.
pub fn inspect(contents: &mut Contents) -> Result<Inspection> {
    let m: Measurement = contents.measurement.clone();
    let (patterns, mean) = match &mut contents.stack {
        Some(stack) => {
            let (facts, mean) = patterns(stack, m.good.as_ref())?;
            (Some(facts), Some(mean))
        }
        None => (None, None),
    };
    let probe = contents.probe.as_ref().map(|p| {
        let dose = patterns.as_ref().map(|f| f.dose.mean.get());
        probe(p, dose)
    });
    let side = (patterns.as_ref().map(|f| f.size[1])).or(probe.as_ref().map(|p| p.size[1]));
    let diameter = probe.as_ref().map(|p| p.diameter.get());
    let object = contents.object.as_ref().map(Array2::dim);
    let scan = (!contents.positions.is_empty()).then(|| {
        scan(
            &contents.positions,
            &contents.scan_index,
            side,
            diameter,
            object,
        )
    });
    Ok(Inspection {
        format: contents.format.to_string(),
        generation: contents.generation.clone(),
        name: contents.name.clone(),
        patterns,
        scan,
        probe,
        object: object.map(|(h, w)| [h, w]),
        pixel_m: m.pixel_m,
        detector_pixel_m: m.detector_pixel_m,
        distance_m: m.distance_m,
        photon_energy_ev: m.photon_energy_ev,
        masked: m.good.map(|g| g.iter().filter(|g| !**g).count()),
        notes: contents.notes.clone(),
        mean,
    })
}

/// An odd number whose bits look random: spreads the bits of a pattern over 64.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

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

/// What one pass gathers.
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
            hash = (hash.rotate_left(5) ^ u64::from(v.to_bits())).wrapping_mul(MIX);
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
            let light = if unit == Unit::Counts {
                wide
            } else {
                wide * wide
            };
            dose += light;
            *sum += light;
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

fn patterns(stack: &mut Stack, good: Option<&Array2<bool>>) -> Result<(PatternFacts, Array2<f64>)> {
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
    let near = |at| neighbours(&pass.sum, at);
    let dead = |at| pass.sum[at] <= 0.0 && median(near(at)) >= LIGHT;
    let from_dc = |(r, c): (usize, usize)| r.abs_diff(size.0 / 2).max(c.abs_diff(size.1 / 2));
    let hot = |at| {
        let brightest = near(at).into_iter().fold(0.0, f64::max);
        from_dc(at) > 1 && pass.sum[at] > 5.0 * brightest + LIGHT
    };
    let facts = PatternFacts {
        place: stack.place.clone(),
        shape: stack.shape.clone(),
        dtype: stack.dtype.clone(),
        domain: unit.to_string(),
        count: stack.count,
        size: [size.0, size.1],
        dose: Spread::of(&pass.doses),
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
        centre_of_mass: centre_of_mass(&pass.sum).map(Real),
    };
    let mean = pass.sum / stack.count.max(1) as f64;
    Ok((facts, mean))
}

fn neighbours(a: &Array2<f64>, (r, c): (usize, usize)) -> Vec<f64> {
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

fn centre_of_mass(sum: &Array2<f64>) -> [f64; 2] {
    let (rows, cols) = sum.dim();
    let (mut y, mut x, mut all) = (0.0, 0.0, 0.0);
    for ((r, c), v) in sum.indexed_iter() {
        y += v * (r as f64 - (rows / 2) as f64);
        x += v * (c as f64 - (cols / 2) as f64);
        all += v;
    }
    [y / all, x / all]
}

fn probe(modes: &Array3<num_complex::Complex32>, dose: Option<f64>) -> ProbeFacts {
    let (count, rows, cols) = modes.dim();
    let power: Vec<f64> = (modes.outer_iter())
        .map(|m| m.iter().map(|v| f64::from(v.norm_sqr())).sum())
        .collect();
    let all: f64 = power.iter().sum();
    let mut light = Array2::<f64>::zeros((rows, cols));
    for mode in modes.outer_iter() {
        for (l, v) in light.iter_mut().zip(mode) {
            *l += f64::from(v.norm_sqr());
        }
    }
    let squares: f64 = light.iter().map(|l| l * l).sum();
    let area = all * all / squares;
    ProbeFacts {
        modes: count,
        size: [rows, cols],
        power: Real(all),
        shares: power.iter().map(|p| Real(p / all)).collect(),
        diameter: Real(2.0 * (area / std::f64::consts::PI).sqrt()),
        dose_over_power: dose.map(|d| Real(d / all)),
    }
}

fn scan(
    positions: &[Position],
    scan_index: &[i64],
    side: Option<usize>,
    diameter: Option<f64>,
    object: Option<(usize, usize)>,
) -> ScanFacts {
    let finite: Vec<Position> = (positions.iter().copied())
        .filter(|p| p.is_finite())
        .collect();
    let range = |of: fn(&Position) -> f64| {
        let low = finite.iter().map(of).fold(f64::INFINITY, f64::min);
        let high = finite.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
        [low, high]
    };
    let (x, y) = (range(|p| p.x), range(|p| p.y));
    let pitch = (finite.len() > 1).then(|| {
        let all: Vec<usize> = (0..finite.len()).collect();
        let nearest = Neighbours::new(&finite).nearest(&all, 1);
        let far = |(k, n): (usize, &usize)| {
            (finite[k].x - finite[*n].x).hypot(finite[k].y - finite[*n].y)
        };
        Spread::of(&nearest.iter().enumerate().map(far).collect::<Vec<f64>>())
    });
    let mut places: Vec<(u64, u64)> = finite
        .iter()
        .map(|p| (p.x.to_bits(), p.y.to_bits()))
        .collect();
    places.sort_unstable();
    places.dedup();
    let mut scans = scan_index.to_vec();
    scans.sort_unstable();
    scans.dedup();
    let half = side.map(|n| n as f64 / 2.0);
    let outside = half.zip(object).map(|(half, (h, w))| {
        let fits = |v: f64, n: usize| (v - half).floor() >= 0.0 && (v + half).ceil() <= n as f64;
        let out = |p: &&Position| !(fits(p.x, w) && fits(p.y, h));
        positions.iter().filter(out).count()
    });
    ScanFacts {
        count: positions.len(),
        scans: scans.len(),
        x: x.map(Real),
        y: y.map(Real),
        pitch,
        linear_overlap: (pitch.zip(diameter)).map(|(p, d)| Real(1.0 - p.mean.get() / d)),
        coverage: diameter.and_then(|d| coverage(&finite, x, y, d)).map(Real),
        duplicates: finite.len() - places.len(),
        not_finite: positions.len() - finite.len(),
        object_needed: side.map(|n| [y, x].map(|v| Real((v[1] - v[0]).ceil() + n as f64))),
        outside,
    }
}

/// The share of the box that lies within half a diameter of a position; none if the box is too large.
fn coverage(positions: &[Position], x: [f64; 2], y: [f64; 2], diameter: f64) -> Option<f64> {
    let (w, h) = ((x[1] - x[0]).floor() + 1.0, (y[1] - y[0]).floor() + 1.0);
    let radius = diameter / 2.0;
    if !(w * h <= RASTER && radius.is_finite() && radius <= 4096.0) {
        return None;
    }
    let (cols, rows) = (w as usize, h as usize);
    let mut lit = vec![false; rows * cols];
    for p in positions {
        let (px, py) = (p.x - x[0], p.y - y[0]);
        let first = (py - radius).ceil().max(0.0) as usize;
        let last = ((py + radius).floor() as usize).min(rows - 1);
        for r in first..=last {
            let reach = (radius * radius - (r as f64 - py).powi(2)).max(0.0).sqrt();
            let from = (px - reach).ceil().max(0.0) as usize;
            let to = ((px + reach).floor() as usize).min(cols - 1);
            if from <= to {
                lit[r * cols + from..=r * cols + to].fill(true);
            }
        }
    }
    Some(lit.iter().filter(|l| **l).count() as f64 / lit.len() as f64)
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

    #[test]
    fn a_box_covered_by_one_disc_is_covered() {
        let four =
            [(0.0, 0.0), (9.0, 0.0), (0.0, 9.0), (9.0, 9.0)].map(|(x, y)| Position::new(x, y));
        assert_eq!(coverage(&four, [0.0, 9.0], [0.0, 9.0], 40.0), Some(1.0));
        // each corner of 10 x 10 pixels: itself and its two neighbours
        assert_eq!(coverage(&four, [0.0, 9.0], [0.0, 9.0], 2.0), Some(0.12));
        assert_eq!(coverage(&four, [0.0, 1e9], [0.0, 1e9], 2.0), None);
    }
}
