//! A measured or simulated scan: patterns, positions, and optionally probe and object.
//!
//! *Law.* Every [`Dataset`] is valid: as many positions and scan indices as patterns, every
//! number finite, every amplitude at least zero and one of them above, square patterns of an even
//! side, a probe of that side, and every position on the object where the object is known.
//!
//! *Conventions.* Patterns are [`Raw`] amplitude, `[pattern, row, col]`, DC at `[N/2, N/2]`.
//! Positions are `(x, y)` = (column, row) in object pixels. Arrays are `[row = y, col = x]`.
//!
//! *Source.* Reference description, section p.

use ndarray::{Array2, Axis};
use num_complex::Complex32;

use crate::error::{Error, Result};
use crate::finite::Census;
use crate::geometry::{PatchSize, Position};
use crate::io::domain::{Patterns, Raw};
use crate::io::measurement::Measurement;

/// A whole and checked scan; made by [`Dataset::new`] alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The name of the data in messages and reports.
    pub name: String,
    /// Amplitudes, `[pattern, row, col]`, float32, arbitrary unit, DC at `[N/2, N/2]`.
    pub patterns: Patterns<Raw>,
    /// Where each pattern was taken, in object pixels, `[pattern]`.
    pub positions: Vec<Position>,
    /// Which scan each pattern is of, `[pattern]`; all zero for a single scan.
    pub scan_index: Vec<i64>,
    /// The probe, `[row, col]`, `N x N`, complex64, where it is known.
    pub probe: Option<Array2<Complex32>>,
    /// The object, `[row, col]`, `H x W`, complex64, where it is known.
    pub object: Option<Array2<Complex32>>,
    /// Further modes, mask, lengths and energy, where they are known.
    pub measurement: Measurement,
    side: PatchSize,
}

/// Names of the parts of a data set in messages: in memory, or in a file.
#[derive(Debug, Clone)]
pub(crate) struct Labels {
    pub(crate) action: String,
    pub(crate) patterns: String,
    pub(crate) positions: String,
    pub(crate) scan_index: String,
    pub(crate) probe: String,
    pub(crate) object: String,
}

impl Labels {
    pub(crate) fn in_memory(name: &str) -> Self {
        Self {
            action: format!("checking the data set `{name}`"),
            patterns: "patterns".to_owned(),
            positions: "positions".to_owned(),
            scan_index: "scan_index".to_owned(),
            probe: "probe".to_owned(),
            object: "object".to_owned(),
        }
    }

    fn error(&self, place: &str) -> Error {
        Error::input(self.action.clone()).at(place)
    }
}

impl Dataset {
    /// Checks the parts and puts them together.
    ///
    /// `patterns` is `[pattern, N, N]` amplitude, `positions` and `scan_index` have one entry for
    /// each pattern, `probe` is `N x N`, `object` is `H x W`.
    ///
    /// # Errors
    /// If the law of this module is violated: the error has the array, the first place in it,
    /// how many there are, and what was needed.
    pub fn new(
        name: impl Into<String>,
        patterns: Patterns<Raw>,
        positions: Vec<Position>,
        scan_index: Vec<i64>,
        probe: Option<Array2<Complex32>>,
        object: Option<Array2<Complex32>>,
    ) -> Result<Self> {
        let name = name.into();
        let labels = Labels::in_memory(&name);
        Self::checked(
            &labels, name, patterns, positions, scan_index, probe, object,
        )
    }

    /// [`Dataset::new`], with the names of the arrays in error messages.
    pub(crate) fn checked(
        labels: &Labels,
        name: String,
        patterns: Patterns<Raw>,
        positions: Vec<Position>,
        scan_index: Vec<i64>,
        probe: Option<Array2<Complex32>>,
        object: Option<Array2<Complex32>>,
    ) -> Result<Self> {
        let side = check_sizes(labels, &patterns, positions.len(), scan_index.len())?;
        check_pixels(labels, &patterns)?;
        check_positions(labels, &positions, object.as_ref().map(Array2::dim))?;
        if let Some(p) = &probe {
            let n = side.get();
            if p.dim() != (n, n) {
                return Err(labels
                    .error(&labels.probe)
                    .got(format!("{} x {} pixels", p.nrows(), p.ncols()))
                    .need(format!("{n} x {n}, the size of the patterns")));
            }
            check_complex(labels.error(&labels.probe), p)?;
        }
        if let Some(o) = &object {
            check_complex(labels.error(&labels.object), o)?;
        }
        Ok(Self {
            name,
            patterns,
            positions,
            scan_index,
            probe,
            object,
            measurement: Measurement::default(),
            side,
        })
    }

    /// The data set with further metadata of the measurement.
    ///
    /// # Errors
    /// If the law of [`crate::io::measurement`] is broken.
    pub fn with_measurement(mut self, measurement: Measurement) -> Result<Self> {
        let labels = Labels::in_memory(&self.name);
        measurement.check(self.side.get(), |at| labels.error(at))?;
        self.measurement = measurement;
        Ok(self)
    }

    /// The side `N` of the patterns, in pixels.
    pub fn side(&self) -> PatchSize {
        self.side
    }

    /// The number of patterns; at least one.
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Whether there is no pattern: false for everything that [`Dataset::new`] accepts.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The height and width `(H, W)` of the object in pixels, where it is known: positions are in
    /// `0 <= x < W`, `0 <= y < H`.
    pub fn object_bounds(&self) -> Option<(usize, usize)> {
        self.object.as_ref().map(Array2::dim)
    }

    /// The least and the greatest coordinates of the positions, in object pixels.
    pub fn position_bounds(&self) -> (Position, Position) {
        let inf = f64::INFINITY;
        self.positions.iter().fold(
            (Position::new(inf, inf), Position::new(-inf, -inf)),
            |(lo, hi), p| {
                (
                    Position::new(lo.x.min(p.x), lo.y.min(p.y)),
                    Position::new(hi.x.max(p.x), hi.y.max(p.y)),
                )
            },
        )
    }

    /// The patterns `indices` of this data set, in that order, with its probe and object.
    /// An index may occur more than once.
    ///
    /// # Errors
    /// If there is no index, an index is not below [`Dataset::len`], or every pixel left is zero.
    pub fn subset(&self, indices: &[usize], name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let taking = || Error::usage(format!("taking `{name}` from the data set `{}`", self.name));
        if indices.is_empty() {
            return Err(taking().got("no index").need("at least one"));
        }
        if let Some((k, i)) = indices.iter().enumerate().find(|(_, i)| **i >= self.len()) {
            return Err(taking()
                .at(format!("index {k} of {}", indices.len()))
                .got(i)
                .need(format!("a pattern from 0 to {}", self.len() - 1)));
        }
        Self::new(
            name,
            Patterns::new(self.patterns.values().select(Axis(0), indices)),
            indices.iter().map(|&i| self.positions[i]).collect(),
            indices.iter().map(|&i| self.scan_index[i]).collect(),
            self.probe.clone(),
            self.object.clone(),
        )?
        .with_measurement(self.measurement.clone())
    }
}

fn check_sizes(
    labels: &Labels,
    patterns: &Patterns<Raw>,
    positions: usize,
    scan_index: usize,
) -> Result<PatchSize> {
    let (count, rows, cols) = patterns.values().dim();
    let shape = format!("shape ({count}, {rows}, {cols})");
    if count == 0 {
        return Err(labels
            .error(&labels.patterns)
            .got(format!("no patterns, {shape}"))
            .need("at least one"));
    }
    if rows != cols {
        return Err(labels
            .error(&labels.patterns)
            .got(format!("patterns of {rows} x {cols} pixels, {shape}"))
            .need("square patterns, (patterns, N, N)"));
    }
    let side = PatchSize::new(rows).map_err(|_| {
        labels
            .error(&labels.patterns)
            .got(format!("N = {rows}, {shape}"))
            .need(format!("an even N from 4 to {}", PatchSize::MAX))
            .help("crop or pad the patterns to an even side, with DC at [N/2, N/2]")
    })?;
    for (label, length) in [
        (&labels.positions, positions),
        (&labels.scan_index, scan_index),
    ] {
        if length != count {
            return Err(labels
                .error(label)
                .got(format!("{length} entries"))
                .need(format!(
                    "{count}, one for each pattern of `{}`",
                    labels.patterns
                )));
        }
    }
    Ok(side)
}

/// Counts the pixels for which `bad` holds: the first of them, how many, in how many patterns.
fn find_pixels(
    patterns: &Patterns<Raw>,
    bad: impl Fn(f32) -> bool,
) -> Option<((usize, usize, usize), usize, usize)> {
    let mut first = None;
    let (mut pixels, mut hit) = (0, 0);
    for (k, pattern) in patterns.values().outer_iter().enumerate() {
        let before = pixels;
        for ((r, c), &v) in pattern.indexed_iter() {
            if bad(v) {
                first.get_or_insert((k, r, c));
                pixels += 1;
            }
        }
        hit += usize::from(pixels > before);
    }
    first.map(|f| (f, pixels, hit))
}

fn check_pixels(labels: &Labels, patterns: &Patterns<Raw>) -> Result<()> {
    let refuse = |what: &str, found: ((usize, usize, usize), usize, usize)| {
        let ((k, r, c), pixels, hit) = found;
        labels
            .error(&format!(
                "{}, pattern {k}, row {r}, col {c}",
                labels.patterns
            ))
            .got(format!(
                "{} ({pixels} {what} pixels in {hit} of {} patterns)",
                patterns.values()[[k, r, c]],
                patterns.len()
            ))
    };
    if let Some(found) = find_pixels(patterns, |v| !v.is_finite()) {
        return Err(refuse("non-finite", found)
            .not_finite()
            .need("finite amplitudes")
            .help("set masked or dead pixels to zero, or remove these patterns"));
    }
    if let Some(found) = find_pixels(patterns, |v| v < 0.0) {
        return Err(refuse("negative", found)
            .need("amplitudes of at least zero")
            .help("the amplitude is the square root of the counts after background subtraction"));
    }
    if patterns.values().iter().all(|&v| v == 0.0) {
        return Err(Error::undecided(labels.action.clone())
            .at(&labels.patterns)
            .got(format!(
                "zero in every pixel of all {} patterns",
                patterns.len()
            ))
            .need("at least one pixel above zero"));
    }
    Ok(())
}

fn check_positions(
    labels: &Labels,
    positions: &[Position],
    object: Option<(usize, usize)>,
) -> Result<()> {
    let refuse = |what: &str, bad: &dyn Fn(&Position) -> bool| {
        let first = positions.iter().position(bad)?;
        let count = positions.iter().filter(|p| bad(p)).count();
        let Position { x, y } = positions[first];
        Some(
            labels
                .error(&format!("{}, position {first}", labels.positions))
                .got(format!(
                    "x = {x}, y = {y} ({count} of {} positions {what})",
                    positions.len()
                )),
        )
    };
    if let Some(e) = refuse("not finite", &|p| !p.is_finite()) {
        return Err(e.not_finite().need("finite coordinates in object pixels"));
    }
    if let Some((h, w)) = object {
        let outside =
            |p: &Position| !((0.0..w as f64).contains(&p.x) && (0.0..h as f64).contains(&p.y));
        if let Some(e) = refuse("outside the object", &outside) {
            return Err(e
                .need(format!(
                    "0 <= x < {w} and 0 <= y < {h}, the size of `{}`",
                    labels.object
                ))
                .help("x is the column and y the row; convert positions in meters or with another origin to object pixels first"));
        }
    }
    Ok(())
}

/// Says of a complex array where the first non-finite pixel is and how many there are, by filling
/// in `error`; also refuses an array without a pixel.
pub(crate) fn check_complex(error: Error, a: &Array2<Complex32>) -> Result<()> {
    if a.is_empty() {
        return Err(error
            .got(format!("{} x {} pixels", a.nrows(), a.ncols()))
            .need("at least one pixel"));
    }
    let bad = |v: &Complex32| !(v.re.is_finite() && v.im.is_finite());
    let Some(((r, c), v)) = a.indexed_iter().find(|(_, v)| bad(v)) else {
        return Ok(());
    };
    let count = a.iter().filter(|v| bad(v)).count();
    let census = Census::of(a.iter().flat_map(|v| [f64::from(v.re), f64::from(v.im)]));
    Err(error
        .not_finite()
        .got(format!(
            "{v} at row {r}, col {c} ({count} of {} pixels not finite: {census})",
            a.len()
        ))
        .need("finite values"))
}

#[cfg(test)]
mod tests;
