//! The registered comparison: the truth at the place the canvas shows, on the pixels patches fell on.
//!
//! A stitched canvas is centered on the mean of its offsets, so its pixel `[row, col]` shows the object
//! at [`Stitched::object_position`]. There the truth is read bilinearly, with zeros outside the object,
//! which is what the simulation sees there too.
//!
//! *Gauges.* The network's amplitude is only known up to the normalization of its input, and a phase
//! up to a constant. `amplitude` and `phase` are compared as they are; `amplitude_scaled` after the
//! factor `amplitude_scale = sum(p t) / sum(p p)`, `amplitude_undone` after the division by the known factor, and `phase_aligned` after subtracting
//! `phase_offset = arg sum(p conj(t))` (`p`, `t` complex): both are stated, so neither hides a bias.
//!
//! *Source.* Reference description, sections c, d, l and n.

#![expect(
    clippy::needless_pass_by_value,
    reason = "array views are passed by value, as ndarray does"
)]

use ndarray::ArrayView2;
use num_complex::{Complex32, Complex64};
use serde::{Deserialize, Serialize};

use super::known::DEFAULT_MIN_KNOWN_SHARE;
use super::{Difference, Metrics};
use crate::assemble::Stitched;
use crate::assemble::stitch::MIN_COVERAGE_WEIGHT;
use crate::geometry::{Position, floor_index};

/// The comparison where patches fell, at the place they belong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registered {
    /// `|R|` against `|truth|`.
    pub amplitude: Metrics,
    /// The factor that brings `|R|` closest to `|truth|`; null where it is not defined.
    pub amplitude_scale: Option<f64>,
    /// `amplitude_scale * |R|` against `|truth|`.
    pub amplitude_scaled: Metrics,
    /// `|R| / normalization` against `|truth|`: the scale undone by the factor that was applied, nothing fitted.
    pub amplitude_undone: Metrics,
    /// The mean position, `[x, y]` in object pixels: what the canvas center shows.
    #[serde(rename = "centre")]
    pub center: [f64; 2],
    /// Share of the canvas on which any weight fell.
    pub covered_fraction: f64,
    /// Pixels on which any weight fell.
    pub covered_pixels: usize,
    /// Mean number of patches on a covered pixel.
    pub mean_coverage: f64,
    /// The factor `k` that normalized the patterns which were reconstructed.
    pub normalization: f64,
    /// The share of the compared pixels that are finite: below [`DEFAULT_MIN_KNOWN_SHARE`] every figure is null.
    #[serde(default)]
    pub known: f64,
    /// Compared pixels whose canvas value is not finite; they are left out of the figures.
    pub non_finite: usize,
    /// Compared pixels that show a place outside the object, where the truth is taken as 0.
    pub outside_object: usize,
    /// `arg R` against `arg truth`, wrapped.
    pub phase: Metrics,
    /// `arg R - phase_offset` against `arg truth`, wrapped.
    pub phase_aligned: Metrics,
    /// The constant that brings `R` closest to the truth, radians; null where it is not defined.
    pub phase_offset: Option<f64>,
    /// Pixels with a weight of at least `0.001`: those that are compared.
    pub seen_pixels: usize,
}

impl Registered {
    /// The comparison of `stitched` with `truth` `[row, col]`, complex, in object pixels; `normalization` is the
    /// factor that the patterns were multiplied by, and with them the object.
    #[expect(clippy::cast_precision_loss, reason = "counts of pixels")]
    pub fn of(stitched: &Stitched, truth: ArrayView2<'_, Complex32>, normalization: f64) -> Self {
        let mut pairs: Vec<(Complex64, Complex64)> = Vec::new();
        let (mut seen, mut covered, mut weight) = (0, 0, 0.0);
        let (mut outside, mut non_finite) = (0, 0);
        for ((row, col), w) in stitched.coverage.indexed_iter() {
            if *w > 0.0 {
                covered += 1;
                weight += f64::from(*w);
            }
            if *w >= MIN_COVERAGE_WEIGHT {
                seen += 1;
                let at = stitched.object_position(row, col);
                outside += usize::from(!inside(at, truth.dim()));
                let v = stitched.canvas[[row, col]];
                if v.is_finite() {
                    pairs.push((wide(v), sample(truth, at)));
                } else {
                    non_finite += 1;
                }
            }
        }
        let known = if seen == 0 {
            0.0
        } else {
            pairs.len() as f64 / seen as f64
        };
        if known < DEFAULT_MIN_KNOWN_SHARE {
            pairs.clear();
        }
        let moduli = |k: f64| pairs.iter().map(move |(p, t)| [k * p.norm(), t.norm()]);
        let angles = |o: f64| pairs.iter().map(move |(p, t)| [p.arg() - o, t.arg()]);
        let scale = ratio(
            pairs.iter().map(|(p, t)| p.norm() * t.norm()).sum(),
            pairs.iter().map(|(p, _)| p.norm_sqr()).sum(),
        );
        let overlap: Complex64 = pairs.iter().map(|(p, t)| p * t.conj()).sum();
        let offset = (overlap.norm() > 0.0 && overlap.is_finite()).then(|| overlap.arg());
        let after = |known: Option<Metrics>| known.unwrap_or_default();
        Self {
            amplitude: Metrics::of(moduli(1.0), Difference::Plain),
            amplitude_scale: scale,
            amplitude_scaled: after(scale.map(|k| Metrics::of(moduli(k), Difference::Plain))),
            amplitude_undone: Metrics::of(moduli(1.0 / normalization), Difference::Plain),
            center: [stitched.mean.x, stitched.mean.y],
            covered_fraction: covered as f64 / stitched.coverage.len().max(1) as f64,
            covered_pixels: covered,
            mean_coverage: ratio(weight, covered as f64).unwrap_or(0.0),
            normalization,
            known,
            non_finite,
            outside_object: outside,
            phase: Metrics::of(angles(0.0), Difference::Wrapped),
            phase_aligned: after(offset.map(|o| Metrics::of(angles(o), Difference::Wrapped))),
            phase_offset: offset,
            seen_pixels: seen,
        }
    }
}

fn ratio(a: f64, b: f64) -> Option<f64> {
    let r = a / b;
    (b > 0.0 && r.is_finite()).then_some(r)
}

fn wide(v: Complex32) -> Complex64 {
    Complex64::new(f64::from(v.re), f64::from(v.im))
}

#[expect(clippy::cast_precision_loss, reason = "object sides are below 2^17")]
fn inside(at: Position, (h, w): (usize, usize)) -> bool {
    let within = |v: f64, n: usize| (0.0..=(n - 1) as f64).contains(&v);
    within(at.x, w) && within(at.y, h)
}

/// The object `[row, col]` at a position, bilinearly, with zeros outside. A position that is not
/// finite reads 0.
pub fn sample(object: ArrayView2<'_, Complex32>, at: Position) -> Complex64 {
    let (Some((y, fy)), Some((x, fx))) = (floor_index(at.y), floor_index(at.x)) else {
        return Complex64::new(0.0, 0.0);
    };
    let mut sum = Complex64::new(0.0, 0.0);
    for (r, wr) in [(y, 1.0 - fy), (y + 1, fy)] {
        for (c, wc) in [(x, 1.0 - fx), (x + 1, fx)] {
            if let (Ok(r), Ok(c)) = (usize::try_from(r), usize::try_from(c))
                && let Some(v) = object.get([r, c])
                && wr * wc != 0.0
            {
                sum += wide(*v) * (wr * wc);
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::stitch;
    use ndarray::{Array2, Array3};
    use proptest::prelude::*;
    use ptyproof_testkit::tolerance::{F32_STEPS_16, F64_STEPS_64, assert_close, assert_within};

    /// An object that bilinear reading reproduces exactly: an affine amplitude, with a flat phase.
    fn plane(side: usize) -> Array2<Complex32> {
        Array2::from_shape_fn((side, side), |(r, c)| {
            Complex32::new(1.0 + 0.03 * r as f32 + 0.01 * c as f32, 0.0)
        })
    }

    fn patches(object: &Array2<Complex32>, at: &[Position], n: usize) -> Array3<Complex32> {
        let half = (n / 2) as f64;
        Array3::from_shape_fn((at.len(), n, n), |(k, r, c)| {
            let p = Position::new(at[k].x + c as f64 - half, at[k].y + r as f64 - half);
            let v = sample(object.view(), p);
            Complex32::new(v.re as f32, v.im as f32)
        })
    }

    #[test]
    fn sampling_interpolates_and_zero_fills() {
        let o = plane(4);
        let at = |x, y| sample(o.view(), Position::new(x, y)).re;
        assert_eq!(at(1.0, 2.0), f64::from(o[[2, 1]].re));
        assert_close!(at(1.5, 2.0), 1.075, F32_STEPS_16);
        assert_eq!(at(-1.0, 0.0), 0.0);
        assert_close!(at(-0.5, 0.0), 0.5, F64_STEPS_64);
        assert_eq!(at(f64::NAN, 0.0), 0.0);
        assert!(
            inside(Position::new(3.0, 0.0), (4, 4)) && !inside(Position::new(3.1, 0.0), (4, 4))
        );
    }

    proptest! {
        #[test]
        fn true_patches_are_registered_to_the_truth(
            xy in proptest::collection::vec((15.0f64..45.0, 15.0f64..45.0), 1..8), scale in 0.2f32..3.0, turn in -3.0f32..3.0,
        ) {
            // law: patches cut from an affine object, times scale * exp(i turn)  =>
            // amplitude_scale = 1 / scale, phase_offset = turn, undone by scale, and no error is left after both.
            let object = plane(60);
            let at: Vec<Position> = xy.iter().map(|(x, y)| Position::new(*x, *y)).collect();
            let gauge = Complex32::from_polar(scale, turn);
            let cut = patches(&object, &at, 12).mapv(|v| v * gauge);
            let s = stitch(cut.view(), &at, 8)?;
            let r = Registered::of(&s, object.view(), f64::from(scale));
            prop_assert_eq!((r.outside_object, r.non_finite), (0, 0));
            prop_assert!(r.seen_pixels <= r.covered_pixels && r.seen_pixels > 0);
            // At the rim a patch is interpolated against nothing, which reads it up to a pixel off:
            // at most the slopes 0.03 + 0.01.
            let slope = 0.04 + 1e-4;
            prop_assert!(r.amplitude_scaled.max_abs.unwrap() <= slope + 0.02);
            // the factor that was applied undoes it as well as the best fit
            prop_assert!(r.amplitude_undone.max_abs.unwrap() <= slope + 0.02);
            prop_assert!((r.amplitude_scale.unwrap() * f64::from(scale) - 1.0).abs() < 0.02);
            assert_close!(r.phase_offset.unwrap(), turn, F32_STEPS_16.scaled(std::f64::consts::PI));
            assert_within!(r.phase_aligned.max_abs.unwrap(), F32_STEPS_16.scaled(std::f64::consts::PI));
            prop_assert!(r.mean_coverage > 0.0 && r.covered_fraction > 0.0 && r.covered_fraction <= 1.0);
        }

        #[test]
        fn whole_pixel_patches_are_registered_exactly(half in proptest::collection::vec((-6i32..=6, -6i32..=6), 1..4)) {
            // law: whole offsets with a whole mean  =>  the registered error is rounding alone
            let object = plane(60);
            let at: Vec<Position> = half.iter().flat_map(|(x, y)| {
                let (x, y) = (f64::from(*x), f64::from(*y));
                [Position::new(30.0 + x, 31.0 + y), Position::new(30.0 - x, 31.0 - y)]
            }).collect();
            let s = stitch(patches(&object, &at, 12).view(), &at, 8)?;
            let r = Registered::of(&s, object.view(), 1.0);
            // up to 6 equal addends and a division, on values below 4
            prop_assert!(r.amplitude.max_abs.unwrap() <= 10.0 * 4.0 * f64::from(f32::EPSILON));
            prop_assert_eq!(r.center, [30.0, 31.0]);
        }
    }
}
