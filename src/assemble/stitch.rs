//! Stitching is a weighted average: where patches agree, the canvas shows what they agree on.
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
//! offset is. Sums are float32, in the order of the patches.

#![expect(
    clippy::needless_pass_by_value,
    reason = "array views are passed by value, as ndarray does"
)]

use ndarray::{Array2, ArrayView3};
use num_complex::Complex32;

use super::bands::Bands;
use super::place::Placement;
use crate::error::{Error, Result};
use crate::ground::geometry::{CanvasSize, Position, ceil_index};

/// Added to the weight before the division (the reference's guard against 0 / 0).
pub const EPSILON: f32 = 1e-9;

/// Weight from which a pixel counts as seen: there [`EPSILON`] changes the value by less than 1e-6.
pub const SEEN: f32 = 1e-3;

/// The largest canvas that [`stitch`](fn@stitch) allocates, in pixels a side: 3 GiB with its weights.
pub const MAX_SIDE: usize = CanvasSize::MAX;

/// A canvas stitched from patches.
#[derive(Debug, Clone, PartialEq)]
pub struct Stitched {
    /// `[row, col]`, complex object values; 0 where nothing fell.
    pub canvas: Array2<Complex32>,
    /// `[row, col]`, the weight that fell on each pixel: the (fractional) number of patches.
    pub coverage: Array2<f32>,
    /// Patch pixels that fell over the edge: 0 by the choice of the canvas, counted all the same.
    pub dropped: usize,
    /// The mean of the offsets, in object pixels.
    pub mean: Position,
    /// Room on each side, `p`.
    pub pad: usize,
    /// Side of the central part that was used of each patch, `M`.
    pub m: usize,
    /// How many patches were stitched.
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

    /// How patches at these offsets, those it was stitched from, lie on the canvas: their central `M x M`.
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

    /// Pixels with a weight of at least [`SEEN`].
    pub fn seen(&self) -> usize {
        self.coverage.iter().filter(|w| **w >= SEEN).count()
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
    bands: Bands,
    shifts: Vec<[f32; 2]>,
    mean: Position,
    pad: usize,
    n: usize,
    m: usize,
    added: usize,
}

impl Stitcher {
    /// An empty canvas for patches of side `n`, of which the central `m x m` is used, at `offsets` (object pixels).
    ///
    /// # Errors
    /// If there is no offset, `m` is 0 or above `n`, an offset is not finite, or they spread over more than
    /// [`MAX_SIDE`] pixels.
    pub fn new(offsets: &[Position], n: usize, m: usize) -> Result<Self> {
        if offsets.is_empty() {
            return Err(Error::input(ACTION)
                .at("offsets")
                .got("none")
                .need("at least one"));
        }
        if !(1..=n).contains(&m) {
            return Err(Error::usage(ACTION)
                .at("the side M of the part used of each patch")
                .got(m)
                .need(format!("1 to {n}, the side of a patch")));
        }
        if let Some((i, p)) = offsets.iter().enumerate().find(|(_, p)| !p.is_finite()) {
            return Err(Error::input(ACTION)
                .at(format!("offset {i}"))
                .got(format!("({}, {})", p.x, p.y))
                .need("finite positions in object pixels"));
        }
        let mean = mean(offsets);
        let shifts: Vec<[f32; 2]> = offsets.iter().map(|p| shift(*p, mean)).collect();
        let (pad, side) = room(&shifts, m)?;
        Ok(Self {
            bands: Bands::new(m, pad, side),
            shifts,
            mean,
            pad,
            n,
            m,
            added: 0,
        })
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
        self.bands.add(values, self.n, shifts)?;
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
        let (canvas, coverage, dropped) = self.bands.finish(EPSILON);
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
            Error::input("sizing a canvas")
                .at("largest distance of a patch from the mean position")
                .got(format!("{largest} pixels"))
                .need(format!("a canvas of at most {MAX_SIDE} pixels a side"))
                .help("A position far outside the object is usually a unit error: positions are in object pixels.")
        })?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::Placement;
    use ndarray::{Array3, s};
    use proptest::prelude::*;

    fn value(i: usize) -> Complex32 {
        let t = (i as f32).mul_add(0.618_034, 0.3);
        Complex32::new(t.sin() + 1.5, (1.7 * t).cos())
    }

    fn patches(k: usize, n: usize) -> Array3<Complex32> {
        Array3::from_shape_fn((k, n, n), |(k, r, c)| value((k * n + r) * n + c))
    }

    fn positions(xy: &[(f64, f64)]) -> Vec<Position> {
        xy.iter().map(|(x, y)| Position::new(*x, *y)).collect()
    }

    fn refusal(p: (usize, usize, usize), offsets: &[(f64, f64)], m: usize) -> String {
        let e = stitch(Array3::zeros(p).view(), &positions(offsets), m).unwrap_err();
        format!("{e}\n")
    }

    #[test]
    fn what_cannot_be_stitched_is_refused_in_plain_words() {
        let two = [(0.0, 0.0), (1.0, 1.0)];
        let said = [
            refusal((0, 8, 8), &[], 4),
            refusal((2, 8, 6), &two, 4),
            refusal((2, 8, 8), &two[..1], 4),
            refusal((2, 8, 8), &two, 0),
            refusal((2, 8, 8), &two, 9),
            refusal((2, 8, 8), &[(0.0, 0.0), (1.0, f64::NAN)], 4),
            refusal((2, 8, 8), &[(0.0, 0.0), (1e6, 0.0)], 4),
            refusal((2, 8, 8), &[(-1e300, 0.0), (1e300, 0.0)], 4),
        ];
        insta::assert_snapshot!(said.concat(), @r"
        stitching patches: at patches: got 0 of 8 x 8, need at least one, square
        stitching patches: at patches: got 2 of 8 x 6, need at least one, square
        stitching patches: at offsets: got 1, need one for each of 2 patches
        stitching patches: at the side M of the part used of each patch: got 0, need 1 to 8, the side of a patch
        stitching patches: at the side M of the part used of each patch: got 9, need 1 to 8, the side of a patch
        stitching patches: at offset 1: got (1, NaN), need finite positions in object pixels
        sizing a canvas: at largest distance of a patch from the mean position: got 500000 pixels, need a canvas of at most 16384 pixels a side
        sizing a canvas: at largest distance of a patch from the mean position: got NaN pixels, need a canvas of at most 16384 pixels a side
        ");
    }

    #[test]
    fn one_patch_is_its_own_canvas_wherever_it_lies() {
        // law: stitch({O}) = crop(O) / (1 + EPSILON), pad = 0, even at 1e6
        let o = patches(1, 8);
        let s = stitch(o.view(), &positions(&[(1e6, -1e6)]), 4).unwrap();
        assert_eq!((s.pad, s.canvas.dim(), s.dropped), (0, (4, 4), 0));
        assert_eq!(s.canvas, o.slice(s![0, 2..6, 2..6]));
        assert_eq!(s.object_position(2, 2), Position::new(1e6, -1e6));
        assert_eq!((s.covered(), s.seen()), (16, 16));
    }

    #[test]
    fn sixty_four_groups_take_a_few_milliseconds() {
        let o = patches(64, 64);
        let at: Vec<Position> = (0..64)
            .map(|k| {
                Position::new(
                    5.9 * f64::from(k),
                    190.0 + 190.0 * (f64::from(k) * 0.7).sin(),
                )
            })
            .collect();
        let start = std::time::Instant::now();
        let s = stitch(o.view(), &at, 20).unwrap();
        let took = start.elapsed();
        println!("64 groups on {:?}: {took:?}", s.canvas.dim());
        assert_eq!(s.dropped, 0);
        assert!(took.as_millis() < 200, "{took:?}");
    }

    fn offsets(span: f64) -> impl Strategy<Value = Vec<(f64, f64)>> {
        proptest::collection::vec((-span..span, -span..span), 1..10)
    }

    proptest! {
        #[test]
        fn agreeing_patches_show_what_they_agree_on(xy in offsets(25.0), re in -3.0f32..3.0, im in -3.0f32..3.0) {
            // law: O_k = c  =>  R = c W / (W + 1e-9), that is c within 1e-9/W + rounding where W >= SEEN
            let c = Complex32::new(re, im);
            let o = Array3::from_elem((xy.len(), 12, 12), c);
            let s = stitch(o.view(), &positions(&xy), 6)?;
            prop_assert_eq!(s.dropped, 0);
            for (v, w) in s.canvas.iter().zip(&s.coverage) {
                if *w >= SEEN {
                    // 4 taps of up to 10 patches: 40 roundings of f32 on either side of the fraction
                    prop_assert!((v - c).norm() <= (EPSILON / w + 80.0 * f32::EPSILON) * c.norm());
                } else if *w == 0.0 {
                    prop_assert_eq!(*v, Complex32::new(0.0, 0.0));
                }
            }
        }

        #[test]
        fn parts_and_threads_change_no_bit(xy in offsets(60.0), cut in 0usize..10) {
            // law: stitch(A then B) = stitch(A and B), for 1 and 3 threads
            let (o, at) = (patches(xy.len(), 9), positions(&xy));
            let whole = crate::ground::par::Pool::new(1)?.run(|| stitch(o.view(), &at, 7))?;
            let cut = cut.min(xy.len());
            let parts = crate::ground::par::Pool::new(3)?.run(|| {
                let mut s = Stitcher::new(&at, 9, 7)?;
                s.add(o.slice(s![..cut, .., ..]))?;
                s.add(o.slice(s![cut.., .., ..]))?;
                s.finish()
            })?;
            prop_assert_eq!(whole, parts);
        }

        #[test]
        fn the_order_of_patches_does_not_matter_up_to_rounding(xy in offsets(15.0)) {
            // law: stitch(P O) = stitch(O) + O(eps)
            let o = patches(xy.len(), 10);
            let a = stitch(o.view(), &positions(&xy), 8)?;
            let back: Vec<_> = xy.iter().rev().copied().collect();
            let b = stitch(o.slice(s![..;-1, .., ..]), &positions(&back), 8)?;
            prop_assert_eq!(a.pad, b.pad);
            for ((x, y), w) in a.canvas.iter().zip(&b.canvas).zip(&a.coverage) {
                if *w >= SEEN {
                    // The mean itself may move by a rounding unit of an offset, times a slope of 3 / pixel.
                    prop_assert!((x - y).norm() <= 200.0 * f32::EPSILON * 4.0 * (1.0 + 1.0 / w), "{x} {y} {w}");
                }
            }
        }

        #[test]
        fn stitching_extracted_patches_returns_the_canvas(half in proptest::collection::vec((-9i32..=9, -9i32..=9), 1..5)) {
            // law: whole-pixel offsets with mean 0  =>  stitch(take(x)) = x on covered pixels
            let m = 6;
            let xy: Vec<(f64, f64)> = half.iter().flat_map(|(x, y)| {
                let (x, y) = (f64::from(*x), f64::from(*y));
                [(x, y), (-x, -y)]
            }).collect();
            let at = positions(&xy);
            let shifts: Vec<[f32; 2]> = at.iter().map(|p| shift(*p, mean(&at))).collect();
            let (pad, side) = room(&shifts, m)?;
            let x = Array2::from_shape_fn((side.get(), side.get()), |(r, c)| value(r * side.get() + c));
            let taken = Placement::new(m, pad, side, &shifts)?.take(x.view())?;
            let s = stitch(taken.view(), &at, m)?;
            prop_assert_eq!(s.canvas.dim(), x.dim());
            for ((v, x), w) in s.canvas.iter().zip(&x).zip(&s.coverage) {
                if *w > 0.0 {
                    // up to 8 equal addends, each sum rounded, and one division
                    prop_assert!((v - x).norm() <= 10.0 * f32::EPSILON * x.norm());
                }
            }
        }

        #[test]
        fn a_nan_patch_touches_its_footprint_alone(xy in offsets(20.0), pick in 0usize..10) {
            // law: the pixels that are not finite are those where the weight of the bad patch is > 0
            let bad = pick % xy.len();
            let at = positions(&xy);
            let mut o = patches(xy.len(), 8);
            let good = stitch(o.view(), &at, 6)?;
            o.slice_mut(s![bad, .., ..]).fill(Complex32::new(f32::NAN, 0.0));
            let s = stitch(o.view(), &at, 6)?;
            let p = Placement::new(6, s.pad, CanvasSize::new(s.canvas.dim().0)?, &[shift(at[bad], mean(&at))])?;
            for ((v, g), w) in s.canvas.iter().zip(&good.canvas).zip(&p.coverage()) {
                prop_assert_eq!(v.is_nan(), *w > 0.0);
                if *w == 0.0 {
                    prop_assert_eq!(v, g);
                }
            }
        }

        #[test]
        fn the_canvas_knows_where_it_lies(xy in offsets(30.0), m in 1usize..9) {
            // law: the corner of the crop of patch k shows the object at offset_k - M/2, within a pixel
            let o = patches(xy.len(), 8);
            let s = stitch(o.view(), &positions(&xy), m)?;
            for (x, y) in xy {
                let first = s.object_position(0, 0);
                let (c, r) = (x - first.x, y - first.y);
                let half = (m / 2) as f64;
                prop_assert!(c >= half - 1e-3 && r >= half - 1e-3);
                prop_assert!(c <= s.canvas.dim().1 as f64 && r <= s.canvas.dim().0 as f64);
            }
        }
    }
}
