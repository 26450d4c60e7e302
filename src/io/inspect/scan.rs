//! Statistics of the positions: pitch, overlap, coverage.

use serde::Serialize;

use super::Spread;
use crate::geometry::Position;
use crate::io::neighbors::Neighbors;
use crate::json::Real;

/// Maximum number of pixels of the coverage raster.
const MAX_RASTER_PIXELS: f64 = 16_777_216.0;

/// Statistics of the scan.
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
    /// Distance to the nearest neighbor, in pixels; of two positions or more.
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
    /// Positions that are not on the object of the file: no other command reads such a file.
    pub off_object: Option<usize>,
}

pub(super) fn scan(
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
        let nearest = Neighbors::new(&finite).nearest(&all, 1);
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
    let off_object = object.map(|(h, w)| {
        let on = |v: f64, n: usize| (0.0..n as f64).contains(&v);
        let off = |p: &&Position| !(on(p.x, w) && on(p.y, h));
        finite.iter().filter(off).count()
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
        off_object,
    }
}

/// The share of the box that is within half a diameter of a position; none if the box is too large.
fn coverage(positions: &[Position], x: [f64; 2], y: [f64; 2], diameter: f64) -> Option<f64> {
    let (w, h) = ((x[1] - x[0]).floor() + 1.0, (y[1] - y[0]).floor() + 1.0);
    let radius = diameter / 2.0;
    if !(w * h <= MAX_RASTER_PIXELS && radius.is_finite() && radius <= 4096.0) {
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

    #[test]
    fn single_disc_covers_its_box() {
        let four =
            [(0.0, 0.0), (9.0, 0.0), (0.0, 9.0), (9.0, 9.0)].map(|(x, y)| Position::new(x, y));
        assert_eq!(coverage(&four, [0.0, 9.0], [0.0, 9.0], 40.0), Some(1.0));
        // each corner of 10 x 10 pixels: itself and its two neighbors
        assert_eq!(coverage(&four, [0.0, 9.0], [0.0, 9.0], 2.0), Some(0.12));
        assert_eq!(coverage(&four, [0.0, 1e9], [0.0, 1e9], 2.0), None);
    }
}
