//! The reference's own evaluation, so that published figures can be compared: its peak of 255, its windows, its product over
//! scales. None of it is recommended; [`super::fidelity`] has the figures with a stated peak and range.
//!
//! *Conventions.* `prediction` and `truth` are `[row, col]` of one shape, already cropped as the reference crops them
//! ([`crop`]). Amplitudes are brought to one mean; phases lose their least-squares plane.
//!
//! *Source.* Reference description, section q.

use ndarray::{Array2, ArrayView2, s};
use num_complex::Complex64;
use serde::Serialize;

use super::frc::frc;
use super::ssim::{SCALE_WEIGHTS, Window, ssim};
use crate::geometry::Position;
use crate::json::Real;

/// Its fixed peak of the signal-to-noise ratio.
const PSNR_PEAK: f64 = 255.0;
/// Pixels cropped at each side: half of its `offset` of 4.
const TRIM_PX: usize = 2;
/// Replacement of a negative similarity.
const MIN_SSIM: f64 = 1e-4;

/// Its figures of one real image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Mean absolute error.
    pub mae: Real,
    /// Mean squared error.
    pub mse: Real,
    /// `10 log10(255^2 / mse)`.
    pub psnr: Real,
    /// Structural similarity, uniform windows of 7 x 7.
    pub ssim: Real,
    /// The product of the whole index over five scales, every second pixel each.
    pub ms_ssim: Real,
}

/// Its evaluation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// `[rows, cols]` that are evaluated.
    pub shape: [usize; 2],
    /// The share of the crop that is covered in both: the reference takes the rest for zero and counts it.
    pub known: Real,
    /// The factor of the amplitude: mean of the truth over mean of the prediction.
    pub amplitude_scale: Real,
    /// Of the amplitude.
    pub amplitude: Figures,
    /// Of the phase.
    pub phase: Figures,
    /// The first ring at which the correlation of the amplitudes is below one half, or the number of rings: its own
    /// correlation is in a module that was not stored with it, so this is ours.
    pub frc50: Option<usize>,
}

/// The truth as the reference crops it: the rectangle of the positions with half a reassembly side around, and then both about
/// their middles to the common size.
pub fn crop<'a>(
    prediction: ArrayView2<'a, Complex64>,
    truth: ArrayView2<'a, Complex64>,
    positions: &[Position],
    m: usize,
) -> [ArrayView2<'a, Complex64>; 2] {
    let axis = |of: fn(&Position) -> f64, size: usize| {
        let low = positions.iter().map(of).fold(f64::INFINITY, f64::min);
        let high = positions.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
        if !(low.is_finite() && high.is_finite()) {
            return 0..size;
        }
        // int() of Python truncates towards zero, as `as` does
        let [low, high] = [low as isize, high as isize];
        let half = (m / 2).cast_signed();
        let from = usize::try_from(low - half).unwrap_or(0).min(size);
        let to = usize::try_from(high + half).unwrap_or(0).min(size);
        from..to.max(from)
    };
    let (rows, cols) = (axis(|p| p.y, truth.nrows()), axis(|p| p.x, truth.ncols()));
    let truth = truth.slice_move(s![rows, cols]);
    let shape = [
        truth.nrows().min(prediction.nrows()),
        truth.ncols().min(prediction.ncols()),
    ];
    [prediction, truth].map(|a| super::center(a, shape))
}

/// Evaluates; `None` if less than the window is left, or a mean is zero or not finite.
pub fn evaluate(
    prediction: ArrayView2<'_, Complex64>,
    truth: ArrayView2<'_, Complex64>,
) -> Option<Evaluation> {
    let (rows, cols) = truth.dim();
    if prediction.dim() != truth.dim() || rows.min(cols) < Window::Uniform.side() + 2 * TRIM_PX {
        return None;
    }
    let inner = s![TRIM_PX..rows - TRIM_PX, TRIM_PX..cols - TRIM_PX];
    let (p, t) = (prediction.slice(inner), truth.slice(inner));
    let (mut pa, ta) = (p.mapv(|z| z.norm()), t.mapv(|z| z.norm()));
    let scale = ta.mean()? / pa.mean()?;
    if !(scale.is_finite() && scale > 0.0) {
        return None;
    }
    pa *= scale;
    let unit = |a: &Array2<f64>| a.mapv(|v| (v + std::f64::consts::PI) / std::f64::consts::TAU);
    let [pp, tp] = [p, t].map(|a| without_plane(&a.mapv(|z| z.arg())));
    let (up, ut) = (unit(&pp), unit(&tp));
    let amplitude = Figures::of(
        (&pa, &ta),
        ssim(&ta, &pa, range(&ta), Window::Uniform).map(|s| s.value),
        over_scales(blurred(&pa), blurred(&ta)),
    );
    let phase = Figures::of(
        (&pp, &tp),
        ssim(&ut, &up, 1.0, Window::Uniform).map(|s| s.value),
        over_scales(up, ut),
    );
    let real = |a: &Array2<f64>| a.mapv(Complex64::from);
    let curve = frc(&real(&pa), &real(&ta));
    Some(Evaluation {
        shape: [rows - 2 * TRIM_PX, cols - 2 * TRIM_PX],
        known: Real(1.0),
        amplitude_scale: Real(scale),
        amplitude,
        phase,
        frc50: curve.map(|f| {
            let below = f.rings.iter().position(|r| r.correlation.get() < 0.5);
            below.map_or(f.rings.len(), |k| k) + 1
        }),
    })
}

impl Figures {
    fn of((p, t): (&Array2<f64>, &Array2<f64>), ssim: Option<Real>, ms_ssim: Real) -> Self {
        let n = p.len() as f64;
        let errors = || p.iter().zip(t).map(|(p, t)| p - t);
        let mse = errors().map(|e| e * e).sum::<f64>() / n;
        Self {
            mae: Real(errors().map(f64::abs).sum::<f64>() / n),
            mse: Real(mse),
            psnr: Real(10.0 * (PSNR_PEAK * PSNR_PEAK / mse).log10()),
            ssim: ssim.unwrap_or(Real(f64::NAN)),
            ms_ssim,
        }
    }
}

fn range(a: &Array2<f64>) -> f64 {
    let low = a.iter().copied().fold(f64::INFINITY, f64::min);
    let high = a.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    high - low
}

/// The product of the whole index over the scales that a window fits; NaN where there is no range.
fn over_scales(mut a: Array2<f64>, mut b: Array2<f64>) -> Real {
    let range = range(&a).max(range(&b));
    let mut product = 1.0;
    for weight in SCALE_WEIGHTS {
        if a.nrows().min(a.ncols()) < Window::Uniform.side() {
            break;
        }
        let Some(found) = ssim(&a, &b, range, Window::Uniform) else {
            return Real(f64::NAN);
        };
        let value = found.value.get();
        product *= if value < 0.0 { MIN_SSIM } else { value }.powf(weight);
        let half = |a: &Array2<f64>| a.slice(s![..;2, ..;2]).to_owned();
        (a, b) = (half(&a), half(&b));
    }
    Real(product)
}

/// A Gaussian of one pixel, cut at four, mirrored at the border, the edge pixel twice.
fn blurred(a: &Array2<f64>) -> Array2<f64> {
    let weights: Vec<f64> = (-4i32..=4)
        .map(|k| (-f64::from(k * k) / 2.0).exp())
        .collect();
    let sum: f64 = weights.iter().sum();
    let mirrored = |at: isize, size: usize| {
        let period = 2 * size.cast_signed();
        let k = at.rem_euclid(period);
        if k < size.cast_signed() {
            k
        } else {
            period - 1 - k
        }
        .cast_unsigned()
    };
    let (rows, cols) = a.dim();
    let along = |of: &dyn Fn(isize) -> f64| {
        let taps = weights.iter().zip(-4isize..=4);
        taps.map(|(w, k)| w * of(k)).sum::<f64>() / sum
    };
    let down = Array2::from_shape_fn((rows, cols), |(y, x)| {
        along(&|k| a[[mirrored(y.cast_signed() + k, rows), x]])
    });
    Array2::from_shape_fn((rows, cols), |(y, x)| {
        along(&|k| down[[y, mirrored(x.cast_signed() + k, cols)]])
    })
}

/// Without its least-squares plane. On a full grid, `x` and `y` about their means are orthogonal, so that each slope is a
/// projection.
fn without_plane(a: &Array2<f64>) -> Array2<f64> {
    let (rows, cols) = a.dim();
    let (my, mx) = ((rows as f64 - 1.0) / 2.0, (cols as f64 - 1.0) / 2.0);
    let at = |(y, x): (usize, usize)| [y as f64 - my, x as f64 - mx];
    let (mut sum, mut along, mut squares) = (0.0, [0.0; 2], [0.0; 2]);
    for (index, v) in a.indexed_iter() {
        sum += v;
        for (k, u) in at(index).into_iter().enumerate() {
            along[k] += u * v;
            squares[k] += u * u;
        }
    }
    let mean = sum / a.len() as f64;
    let slope = [0, 1].map(|k| {
        if squares[k] > 0.0 {
            along[k] / squares[k]
        } else {
            0.0
        }
    });
    let mut out = a.clone();
    for (index, v) in out.indexed_iter_mut() {
        let [y, x] = at(index);
        *v -= mean + slope[0] * y + slope[1] * x;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::scene::pair;
    use super::*;
    use ptyproof_testkit::tolerance::{F64_STEPS_65536, assert_close};

    #[test]
    fn figures_match_the_reference_evaluation() {
        // section q written out in NumPy with scikit-image 0.26, SciPy 1.17 and OpenCV's PSNR
        let (p, t) = pair(64, 60);
        let turned = |a: &Array2<f64>, phase: &dyn Fn(f64, usize) -> f64| {
            Array2::from_shape_fn(a.dim(), |(y, x)| {
                Complex64::from_polar(a[[y, x]], phase(a[[y, x]], x))
            })
        };
        let p = turned(&p, &|v, x| 0.4 * (v * 3.0).sin() + 0.01 * x as f64);
        let t = turned(&t, &|v, _| 0.5 * (v * 2.0).cos());
        let found = evaluate(p.view(), t.view()).unwrap();
        let near = |f: Figures, want: [f64; 5]| {
            let f = [f.mae, f.mse, f.psnr, f.ssim, f.ms_ssim].map(Real::get);
            for (f, w) in f.into_iter().zip(want) {
                assert_close!(f, w, F64_STEPS_65536.or_relative());
            }
        };
        near(
            found.amplitude,
            [
                0.028_316_250_026_580_884,
                0.001_212_390_611_056_687_3,
                77.294_377_964_039_77,
                0.970_034_649_910_945_8,
                0.994_442_191_038_676,
            ],
        );
        near(
            found.phase,
            [
                0.038_473_240_352_683_88,
                0.002_220_999_645_891_769_7,
                74.665_318_715_617_83,
                0.975_565_057_799_207_8,
                0.975_906_735_594_873,
            ],
        );
        assert_eq!(found.shape, [60, 56]);
    }

    #[test]
    fn ground_truth_is_cropped_to_the_scan() {
        let truth = Array2::from_shape_fn((50, 40), |(y, x)| Complex64::new(y as f64, x as f64));
        let own = Array2::from_elem((30, 100), Complex64::ONE);
        let scan = [Position::new(9.7, 20.2), Position::new(30.9, 41.0)];
        let [p, t] = crop(own.view(), truth.view(), &scan, 10);
        // rows 15..46, of which the middle 30; columns 4..35
        assert_eq!((p.dim(), t.dim()), ((30, 31), (30, 31)));
        assert_eq!(t[[0, 0]], Complex64::new(15.0, 4.0));
        let [_, t] = crop(own.view(), truth.view(), &[], 10);
        assert_eq!(t.dim(), (30, 40));
        let far = [Position::new(-900.0, 9e9)];
        let [p, _] = crop(own.view(), truth.view(), &far, 10);
        assert!(evaluate(p, p).is_none());
    }

    #[test]
    fn flat_ground_truth_has_no_ssim() {
        let flat = Array2::from_elem((20, 20), Complex64::ONE);
        let found = evaluate(flat.view(), flat.view()).unwrap();
        assert!(found.amplitude.ssim.get().is_nan() && found.amplitude.mae.get() == 0.0);
        assert!(evaluate(flat.mapv(|_| Complex64::ZERO).view(), flat.view()).is_none());
    }
}
