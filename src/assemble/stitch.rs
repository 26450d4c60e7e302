//! Stitching is a weighted average of the patches.
//!
//! `R = sum_k T_k crop(O_k) / (EPSILON + sum_k T_k 1)`: the central `M x M` of each patch, moved by
//! `T_k` to its place relative to the mean position, over the weight that fell on each pixel.
//!
//! *Conventions.* Offsets are `[x, y]` in object pixels. With `d = offset - mean`, the canvas has the
//! side `M + 2 p`, `p = ceil(max |d|)` made even. The canvas pixel `[p + M/2, p + M/2]` shows the
//! object at the mean position: [`Stitched::object_position`]. Where nothing falls the canvas is 0.
//!
//! *Law.* Patches of a constant `c` give `c` wherever the weight is far above [`EPSILON`]; nothing is
//! dropped, by the choice of `p`; a NaN stays inside the footprint of its patch.
//!
//! *Source.* Reference description, section l (`reassemble_position`), and section g for what an
//! offset is. Sums are float32, in the order of the columns that patches begin in: those of one call of
//! [`stitch`](fn@stitch), or of [`Stitcher::add`], together.

#![expect(
    clippy::needless_pass_by_value,
    reason = "array views are passed by value, as ndarray does"
)]

use ndarray::{Array2, ArrayView3};
use num_complex::Complex32;

use super::parallel_place::ParallelPlace;
use super::place::Placement;
use crate::error::{Error, Result};
use crate::geometry::{CanvasSize, Position, ceil_index};

/// Added to the weight before the division (the guard of the reference against 0 / 0).
pub const EPSILON: f32 = 1e-9;

/// Minimum weight of a covered pixel: there [`EPSILON`] changes the value by less than 1e-6.
pub const MIN_COVERAGE_WEIGHT: f32 = 1e-3;

/// The largest canvas that [`stitch`](fn@stitch) allocates, in pixels a side: 3 GiB with its weights.
pub const MAX_SIDE: usize = CanvasSize::MAX;

/// A canvas stitched from patches.
#[derive(Debug, Clone, PartialEq)]
pub struct Stitched {
    /// `[row, col]`, complex object values; 0 where nothing fell.
    pub canvas: Array2<Complex32>,
    /// `[row, col]`, the weight that fell on each pixel: the (fractional) number of patches.
    pub coverage: Array2<f32>,
    /// Patch pixels outside the canvas: 0 by the choice of the canvas, but counted.
    pub dropped: usize,
    /// The mean of the offsets, in object pixels.
    pub mean: Position,
    /// Room on each side, `p`.
    pub pad: usize,
    /// Side of the central part that was used of each patch, `M`.
    pub m: usize,
    /// Number of stitched patches.
    pub patches: usize,
}

impl Stitched {
    /// The object position that the canvas pixel `[row, col]` shows.
    #[expect(clippy::cast_precision_loss, reason = "canvas sides are below 2^17")]
    pub fn object_position(&self, row: usize, col: usize) -> Position {
        let origin = (self.pad + self.m / 2) as f64;
        Position::new(
            self.mean.x + col as f64 - origin,
            self.mean.y + row as f64 - origin,
        )
    }

    /// The placement of the central `M x M` of patches at these offsets, from which the canvas was stitched.
    ///
    /// # Errors
    /// If an offset is not finite.
    pub fn placement(&self, offsets: &[Position]) -> Result<Placement<f32>> {
        let shifts: Vec<[f32; 2]> = offsets.iter().map(|p| shift(*p, self.mean)).collect();
        Placement::new(
            self.m,
            self.pad,
            CanvasSize::new(self.canvas.nrows())?,
            &shifts,
        )
    }

    /// Pixels on which any weight fell.
    pub fn covered(&self) -> usize {
        self.coverage.iter().filter(|w| **w > 0.0).count()
    }

    /// Pixels with a weight of at least [`MIN_COVERAGE_WEIGHT`].
    pub fn seen(&self) -> usize {
        self.coverage
            .iter()
            .filter(|w| **w >= MIN_COVERAGE_WEIGHT)
            .count()
    }

    /// `|R|`, float32.
    pub fn amplitude(&self) -> Array2<f32> {
        self.canvas.mapv(Complex32::norm)
    }

    /// `arg R` in `(-pi, pi]`, float32.
    pub fn phase(&self) -> Array2<f32> {
        self.canvas.mapv(Complex32::arg)
    }
}

/// Stitches the central `m x m` of `patches` `[patch, N, N]` (complex object values) at `offsets`
/// (object pixels, one for each patch). Uses the threads of the pool that it is called in.
///
/// # Errors
/// If there is no patch, the numbers of patches and offsets differ, patches are not square, `m` is 0
/// or above `N`, an offset is not finite, or the offsets spread over more than [`MAX_SIDE`] pixels.
/// Values that are not finite are no error.
pub fn stitch(
    patches: ArrayView3<'_, Complex32>,
    offsets: &[Position],
    m: usize,
) -> Result<Stitched> {
    let (k, n, w) = patches.dim();
    if k == 0 || n != w {
        return Err(Error::input(ACTION)
            .at("patches")
            .got(format!("{k} of {n} x {w}"))
            .need("at least one, square"));
    }
    if offsets.len() != k {
        return Err(Error::input(ACTION)
            .at("offsets")
            .got(offsets.len())
            .need(format!("one for each of {k} patches")));
    }
    let mut stitcher = Stitcher::new(offsets, n, m)?;
    stitcher.add(patches)?;
    stitcher.finish()
}

const ACTION: &str = "stitching patches";

/// [`stitch`](fn@stitch) for patches that come in parts: where they do not fit in memory together.
#[derive(Debug)]
pub struct Stitcher {
    parallel_place: ParallelPlace,
    shifts: Vec<[f32; 2]>,
    mean: Position,
    pad: usize,
    n: usize,
    m: usize,
    added: usize,
}

impl Stitcher {
    /// An empty canvas for patches of side `n`, of which the central `m x m` is used, at `offsets` (object pixels). Uses the
    /// threads of the pool that it is called in.
    ///
    /// # Errors
    /// As [`Stitcher::check`].
    pub fn new(offsets: &[Position], n: usize, m: usize) -> Result<Self> {
        let Plan {
            shifts,
            mean,
            pad,
            side,
        } = Plan::new(offsets, n, m)?;
        Ok(Self {
            parallel_place: ParallelPlace::new(m, pad, side),
            shifts,
            mean,
            pad,
            n,
            m,
            added: 0,
        })
    }

    /// Whether there is a canvas for such patches; makes none.
    ///
    /// # Errors
    /// If there is no offset, `m` is 0 or above `n`, an offset is not finite, or they spread over more than
    /// [`MAX_SIDE`] pixels.
    pub fn check(offsets: &[Position], n: usize, m: usize) -> Result<()> {
        Plan::new(offsets, n, m).map(drop)
    }

    /// Adds the next patches, `[patch, N, N]`, in the order of the offsets. Uses the threads of the pool that it is
    /// called in.
    ///
    /// # Errors
    /// If they are not `N x N`, or more than offsets are left.
    pub fn add(&mut self, patches: ArrayView3<'_, Complex32>) -> Result<()> {
        let (k, h, w) = patches.dim();
        let left = self.shifts.len() - self.added;
        if (h, w) != (self.n, self.n) || k > left {
            return Err(Error::input(ACTION)
                .at(format!("patches from {} on", self.added))
                .got(format!("{k} of {h} x {w}"))
                .need(format!("at most {left} of {0} x {0}", self.n)));
        }
        let patches = patches.as_standard_layout();
        let values = patches
            .as_slice()
            .expect("the standard layout is contiguous");
        let shifts = &self.shifts[self.added..self.added + k];
        self.parallel_place.add(values, self.n, shifts)?;
        self.added += k;
        Ok(())
    }

    /// The canvas over its weights.
    ///
    /// # Errors
    /// If an offset has no patch yet.
    pub fn finish(self) -> Result<Stitched> {
        if self.added != self.shifts.len() {
            return Err(Error::input(ACTION)
                .at("patches")
                .got(self.added)
                .need(format!("one for each of {} offsets", self.shifts.len())));
        }
        let (canvas, coverage, dropped) = self.parallel_place.finish(EPSILON);
        Ok(Stitched {
            canvas,
            coverage,
            dropped,
            mean: self.mean,
            pad: self.pad,
            m: self.m,
            patches: self.added,
        })
    }
}

/// Places of patches on a canvas, and its size.
struct Plan {
    shifts: Vec<[f32; 2]>,
    mean: Position,
    pad: usize,
    side: CanvasSize,
}

impl Plan {
    fn new(offsets: &[Position], n: usize, m: usize) -> Result<Self> {
        if offsets.is_empty() {
            return Err(Error::input(ACTION)
                .at("offsets")
                .got("none")
                .need("at least one"));
        }
        if !(1..=n).contains(&m) {
            return Err(Error::usage(ACTION)
                .at("the side M of the central part of each patch")
                .got(m)
                .need(format!("1 to {n}, the side of a patch")));
        }
        if let Some((i, p)) = offsets.iter().enumerate().find(|(_, p)| !p.is_finite()) {
            return Err(Error::input(ACTION)
                .at(format!("offset {i}"))
                .not_finite()
                .got(format!("({}, {})", p.x, p.y))
                .need("finite positions in object pixels"));
        }
        let mean = mean(offsets);
        let shifts: Vec<[f32; 2]> = offsets.iter().map(|p| shift(*p, mean)).collect();
        let (pad, side) = room(&shifts, m)?;
        Ok(Self {
            shifts,
            mean,
            pad,
            side,
        })
    }
}

/// The mean as the reference forms it: offsets and their mean are float32.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "offsets are float32 here by definition; a count of patches is far below 2^24"
)]
fn mean(offsets: &[Position]) -> Position {
    let n = offsets.len() as f32;
    let sum = |f: fn(&Position) -> f64| offsets.iter().map(|p| f(p) as f32).sum::<f32>() / n;
    Position::new(f64::from(sum(|p| p.x)), f64::from(sum(|p| p.y)))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "offsets are float32 here by definition"
)]
fn shift(p: Position, mean: Position) -> [f32; 2] {
    [p.x as f32 - mean.x as f32, p.y as f32 - mean.y as f32]
}

/// `p = ceil(max |d|)` made even, and the canvas `m + 2 p`.
fn room(shifts: &[[f32; 2]], m: usize) -> Result<(usize, CanvasSize)> {
    // A NaN (an infinite offset less an infinite mean) must not be lost in a maximum.
    let larger = |a: f32, d: &f32| if d.abs() <= a { a } else { d.abs() };
    let largest = match shifts.iter().flatten().find(|d| !d.is_finite()) {
        Some(d) => *d,
        None => shifts.iter().flatten().fold(0.0, larger),
    };
    ceil_index(f64::from(largest))
        .map(|p| p.next_multiple_of(2))
        .filter(|p| m + 2 * p <= MAX_SIDE)
        .map(|p| CanvasSize::new(m + 2 * p).map(|side| (p, side)))
        .ok_or_else(|| {
            Error::input("computing the canvas size")
                .at("largest distance of a patch from the mean position")
                .got(format!("{largest} pixels"))
                .need(format!("a canvas of at most {MAX_SIDE} pixels a side"))
                .help("check the unit of the positions: they must be in object pixels")
        })?
}

#[cfg(test)]
#[path = "stitch_tests.rs"]
mod tests;
