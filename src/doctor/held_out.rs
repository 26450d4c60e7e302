//! A trial: a few iterations under a hypothesis, judged by its residual and its held-out error.

use ndarray::Array2;
use num_complex::Complex32;
use serde::Serialize;

use super::hypothesis::{Center, Hypothesis, Power};
use super::orientation::Orientation;
use super::sample::Sample;
use crate::error::{Error, Result};
use crate::geometry::Position;
use crate::par::Pool;
use crate::rng::Stream;
use crate::solve::canvas::cut;
use crate::solve::problem::Frame;
use crate::solve::residuals;
use crate::solve::{Estimate, Method, Problem, Settings, Solver};
use ptyproof_kernels::fft::{Fft2, Scratch, shifted};

/// One pattern in this many is held out, but none at the edge of the scan.
const HOLD_OUT_PERIOD: usize = 6;
/// Minimum number of patterns of a trial.
pub(super) const MIN_PATTERNS: usize = 12;
/// The largest canvas of a trial, pixels.
const MAX_CANVAS_PIXELS: f64 = 16_777_216.0;

/// Where a trial begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// The probe of the data.
    Probe,
    /// The probe of the file in the orientation of the positions, for the case that the patterns were transformed.
    Turned,
    /// The guess from the mean pattern, which is its own twin.
    Guess,
}

/// A trial: a hypothesis and its start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trial {
    pub(super) hypothesis: Hypothesis,
    pub(super) start: Start,
    /// Factor on the positions.
    pub(super) scale: f64,
    /// Whether positions are those of other patterns, as a measure of what no hypothesis explains.
    pub(super) shuffled: bool,
}

impl Trial {
    /// Of a hypothesis.
    pub(super) fn new(hypothesis: Hypothesis, start: Start) -> Self {
        Self {
            hypothesis,
            start,
            scale: 1.0,
            shuffled: false,
        }
    }
}

/// The work of a trial.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// Patterns of the sample, the inmost first.
    pub(super) patterns: usize,
    /// Iterations.
    pub(super) iterations: usize,
    /// Which patterns are left out, and the order of the others.
    pub(super) fold: usize,
}

/// The result of a trial.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    /// `sqrt(sum (|F| - A)^2 / sum A^2)` of the patterns that were shown.
    pub(super) fit: f64,
    /// The error of held-out patterns.
    pub(super) overlap: f64,
    /// Error of held-out patterns: the residual over that of the mean pattern, in the three powers of the
    /// declared amplitude, their geometric mean. 0 is everything, 1 no better than no positions at all.
    pub(super) held_out_error: f64,
    /// The reconstruction.
    pub(super) estimate: Estimate,
}

/// A trial laid out: the patterns shown, those left out.
struct Layout {
    shown: Problem,
    hidden: Problem,
}

impl Layout {
    fn new(sample: &Sample, trial: &Trial, effort: Effort) -> Result<Self> {
        let (n, count) = (sample.n, effort.patterns.min(sample.len()));
        let (places, frame) = places(sample, trial, count)?;
        let hidden: Vec<usize> = left_out(count, effort.fold).collect();
        let shown: Vec<usize> = (0..count)
            .filter(|k| hidden.binary_search(k).is_err())
            .collect();
        let middle = (trial.hypothesis.center == Center::Other) == sample.moved;
        // to the corner from the middle, where the light is, or from the corner under the other hypothesis
        let turn = |i: usize| if middle { shifted(i, n) } else { i };
        let turned = |at: usize| turn(at / n) * n + turn(at % n);
        let mut good = vec![true; n * n];
        for (at, g) in sample.good.iter().enumerate() {
            good[turned(at)] = *g;
        }
        let power = trial.hypothesis.power;
        let problem = |which: &[usize]| {
            let mut amplitude = vec![0.0; which.len() * n * n];
            for (to, k) in amplitude.chunks_exact_mut(n * n).zip(which) {
                for (at, v) in sample.pattern(*k).iter().enumerate() {
                    to[turned(at)] = power.apply(*v);
                }
            }
            let squares: f64 = amplitude.iter().map(|v| f64::from(*v).powi(2)).sum();
            Problem {
                n,
                amplitude,
                positions: which.iter().map(|k| places[*k]).collect(),
                frame,
                good: good.clone(),
                power: squares / which.len().max(1) as f64,
            }
        };
        Ok(Self {
            shown: problem(&shown),
            hidden: problem(&hidden),
        })
    }
}

/// The indices left out of the first `count`.
fn left_out(count: usize, fold: usize) -> impl Iterator<Item = usize> {
    (0..count * 3 / 4).filter(move |k| k % HOLD_OUT_PERIOD == fold % HOLD_OUT_PERIOD)
}

/// Positions on a canvas with a pixel to spare, under a hypothesis.
fn places(sample: &Sample, trial: &Trial, count: usize) -> Result<(Vec<Position>, Frame)> {
    let orientation = trial.hypothesis.orientation;
    let scaled = |p: &Position| Position::new(p.x * trial.scale, p.y * trial.scale);
    let mut places: Vec<Position> = (sample.positions[..count].iter())
        .map(|p| orientation.apply(scaled(p)))
        .collect();
    if trial.shuffled {
        Stream::new(1, "shuffling the positions", 0).shuffle(&mut places);
    }
    let range = |of: fn(&Position) -> f64| {
        let all = places.iter().map(of);
        let low = all.clone().fold(f64::INFINITY, f64::min).floor();
        (low, all.fold(f64::NEG_INFINITY, f64::max).ceil() - low)
    };
    let ((x, wide), (y, high)) = (range(|p| p.x), range(|p| p.y));
    let (n, first) = (sample.n, sample.n as f64 / 2.0 + 1.0);
    let [rows, cols] = [high, wide].map(|v| v + n as f64 + 2.0);
    if (rows * cols).is_nan() || rows * cols > MAX_CANVAS_PIXELS {
        return Err(Error::input("setting up a trial")
            .at("positions")
            .got(format!("a canvas of {rows} x {cols} pixels"))
            .need(format!("at most {MAX_CANVAS_PIXELS} pixels")));
    }
    let moved = |p: &Position| Position::new(p.x - x + first, p.y - y + first);
    let frame = Frame {
        top: 0,
        left: 0,
        rows: rows as usize,
        cols: cols as usize,
    };
    Ok((places.iter().map(moved).collect(), frame))
}

/// A probe turned as an orientation turns positions.
fn turned(probe: &Array2<Complex32>, o: Orientation) -> Array2<Complex32> {
    let n = probe.nrows();
    let back = o.inverse();
    let middle = (n / 2) as f64;
    Array2::from_shape_fn((n, n), |(r, c)| {
        let p = back.apply(Position::new(c as f64 - middle, r as f64 - middle));
        // -n/2 and n/2 are the same pixel
        let at = |v: f64| (v + middle) as usize % n;
        probe[[at(p.y), at(p.x)]]
    })
}

/// Self-twin correlation of a probe: the maximum, over shifts, of the correlation of `P(r)` with `conj P(-r)`.
pub(super) fn self_twin(probe: &Array2<Complex32>) -> f64 {
    let n = probe.nrows();
    let mut field: Vec<_> = (0..n * n)
        .map(|at| {
            let z = probe[[shifted(at / n, n), shifted(at % n, n)]];
            num_complex::Complex64::new(z.re.into(), z.im.into())
        })
        .collect();
    let power: f64 = field.iter().map(num_complex::Complex64::norm_sqr).sum();
    let (fft, mut scratch) = (Fft2::<f64>::new(n), Scratch::default());
    fft.forward(&mut field, &mut scratch);
    // the far field of conj P(-r) is the conjugate of that of P
    field.iter_mut().for_each(|f| *f = *f * *f / (n * n) as f64);
    fft.inverse(&mut field, &mut scratch);
    let largest = field.iter().map(|z| z.norm()).fold(0.0, f64::max);
    largest / power
}

/// Runs a trial.
///
/// # Errors
/// If there is no light, or the canvas would be too large.
pub(super) fn run(sample: &Sample, trial: &Trial, effort: Effort, pool: &Pool) -> Result<Outcome> {
    let Layout { shown, hidden } = Layout::new(sample, trial, effort)?;
    let probe = match (trial.start, &sample.probe) {
        (Start::Probe, Some(probe)) => probe.clone(),
        (Start::Turned, Some(probe)) => turned(probe, trial.hypothesis.orientation),
        _ => shown.guessed_probe(),
    };
    let mut settings = Settings::new(Method::Rpie, effort.iterations);
    settings.seed = 1 + effort.fold as u64;
    let start = Estimate::start(&shown, &probe, 1)?;
    let mut solver = Solver::new(&shown, settings, start)?;
    for _ in 0..effort.iterations {
        solver.step(pool);
    }
    let estimate = solver.finish();
    let there = Estimate {
        object: estimate.object.clone(),
        probes: estimate.probes.clone(),
        positions: hidden.positions.clone(),
    };
    Ok(Outcome {
        fit: residuals(&shown, &estimate, pool).whole,
        overlap: residuals(&hidden, &there, pool).whole,
        held_out_error: held_out_error(
            &shown,
            &hidden,
            &there,
            trial.hypothesis.power,
            sample.whole.power().unwrap_or(Power::Declared),
        ),
        estimate,
    })
}

/// `v` to the power of `2^k`.
fn form(mut v: f64, k: i32) -> f64 {
    for _ in 0..k.abs() {
        v = if k < 0 { v.sqrt() } else { v * v };
    }
    v
}

/// See [`Outcome::held_out_error`].
///
/// One power alone would favor a hypothesis: each fits best in its own, and a square has larger contrast than a root.
/// Where whole numbers tell the amplitude, `anchor`, the powers are `1/2`, `1` and `2` of it: the roots of an
/// amplitude are mostly noise.
fn held_out_error(
    shown: &Problem,
    hidden: &Problem,
    estimate: &Estimate,
    own: Power,
    anchor: Power,
) -> f64 {
    let (n, area) = (shown.n, shown.area());
    let (fft, mut scratch) = (Fft2::<f32>::new(n), Scratch::default());
    let forms = [-1, 0, 1].map(|k| k + anchor.exponent() - own.exponent());
    let mut means = vec![[0.0f64; 3]; area];
    for pattern in shown.amplitude.chunks_exact(area) {
        for (mean, v) in means.iter_mut().zip(pattern) {
            for (m, form) in mean.iter_mut().zip(forms) {
                *m += self::form(f64::from(*v), form) / shown.len() as f64;
            }
        }
    }
    let (mut misfit, mut null) = ([0.0; 3], [0.0; 3]);
    let mut wave = vec![Complex32::ZERO; area];
    for k in 0..hidden.len() {
        let Some(at) = estimate.placement(k, n) else {
            continue;
        };
        cut(&estimate.object, at, n, &mut wave);
        wave.iter_mut()
            .zip(&estimate.probes)
            .for_each(|(w, p)| *w *= p);
        fft.forward(&mut wave, &mut scratch);
        let pixels = wave.iter().zip(hidden.pattern(k)).zip(&means);
        for (((f, a), mean), _) in pixels.zip(&shown.good).filter(|(_, good)| **good) {
            let (modulus, a) = (f64::from(f.norm()) / n as f64, f64::from(*a));
            for j in 0..3 {
                let measured = form(a, forms[j]);
                misfit[j] += (form(modulus, forms[j]) - measured).powi(2);
                null[j] += (mean[j] - measured).powi(2);
            }
        }
    }
    let product: f64 = misfit.iter().zip(null).map(|(m, n)| m / n).product();
    product.powf(1.0 / 6.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ptyproof_testkit::tolerance::{F32_STEPS_16, assert_close};

    fn probe(n: usize) -> Array2<Complex32> {
        Array2::from_shape_fn((n, n), |(r, c)| {
            let (y, x) = (r as f32 - n as f32 / 2.0, c as f32 - n as f32 / 2.0);
            let size = (-(x * x + 2.0 * y * y) / n as f32).exp() * (1.0 + 0.2 * x);
            Complex32::from_polar(size, 0.15 * (x * x + y * y))
        })
    }

    #[test]
    fn probe_orientations_form_a_group() {
        let p = probe(16);
        for a in Orientation::ALL {
            assert_eq!(turned(&turned(&p, a), a.inverse()), p);
            for b in Orientation::ALL {
                assert_eq!(turned(&turned(&p, a), b), turned(&p, a.then(b)));
            }
        }
        // a probe to the right of the middle is below it once x and y are exchanged
        let mut spot = Array2::zeros((8, 8));
        spot[[4, 6]] = Complex32::ONE;
        assert_eq!(
            turned(&spot, Orientation::new(true, false, false))[[6, 4]],
            Complex32::ONE
        );
        assert_eq!(
            turned(&spot, Orientation::new(false, true, false))[[4, 2]],
            Complex32::ONE
        );
    }

    #[test]
    fn focused_probe_equals_its_twin_and_defocused_does_not() {
        let flat = probe(32).mapv(|z| Complex32::from(z.norm()));
        assert!(self_twin(&flat) > 0.9);
        let focus = Array2::from_shape_fn((32, 32), |(r, c)| {
            let d = (r as f32 - 16.0).powi(2) + (c as f32 - 14.0).powi(2);
            Complex32::from((-d / 30.0).exp())
        });
        // off the middle, and still its own twin
        assert_close!(self_twin(&focus), 1.0, F32_STEPS_16);
        assert!(self_twin(&probe(32)) < 0.7, "{}", self_twin(&probe(32)));
    }

    #[test]
    fn edge_patterns_are_never_held_out_and_folds_are_disjoint() {
        let all: Vec<Vec<usize>> = (0..3).map(|f| left_out(100, f).collect()).collect();
        for (k, fold) in all.iter().enumerate() {
            assert!(fold.len() >= 12 && fold.iter().all(|i| *i < 75));
            assert!(all[..k].iter().flatten().all(|i| !fold.contains(i)));
        }
    }
}
