//! A few iterations under a hypothesis: how well it explains patterns, and how well it foretells those it was not shown.

use ndarray::Array2;
use num_complex::Complex32;

use super::hypothesis::{Centre, Hypothesis};
use super::sample::Sample;
use crate::error::Result;
use crate::ground::geometry::Position;
use crate::ground::par::Pool;
use crate::ground::rng::Stream;
use crate::kernel::fft::shifted;
use crate::solve::engine::residuals;
use crate::solve::problem::Frame;
use crate::solve::{Estimate, Method, Problem, Settings, Solver};

/// Every so many patterns, one is left out.
pub const FOLDS: usize = 6;
/// Patterns below which none is left out.
const FEW: usize = 12;

/// Where a trial begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The probe of the data.
    Probe,
    /// The guess from the mean pattern.
    Guess,
}

/// How much work a trial is.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Patterns of the sample, the inmost first.
    pub patterns: usize,
    /// Iterations.
    pub iterations: usize,
    /// Which patterns are left out, and the order of the others.
    pub fold: usize,
    /// The first iteration in which the probe changes.
    pub probe_from: usize,
}

/// What a trial came to; residuals are `sqrt(sum (|F| - A)^2 / sum A^2)`.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Of the patterns that were shown.
    pub fit: f64,
    /// Of those left out; NaN without any.
    pub overlap: f64,
    /// Of those left out, if each is foretold to be the mean of the others (of all, without any left out).
    pub null: f64,
    /// Sum of squared misfit per left out pattern, over the null's sum of all.
    pub each: Vec<f64>,
    /// What was reconstructed.
    pub estimate: Estimate,
    pub matrix: [f64; 3],
}

impl Outcome {
    /// What is not explained, as a share of what the mean leaves: 0 for all, 1 for nothing.
    pub fn score(&self) -> f64 {
        let seen = if self.overlap.is_nan() {
            self.fit
        } else {
            self.overlap
        };
        seen / self.null
    }
}

/// The indices left out of the first `patterns`, those at the rim never.
pub fn left_out(patterns: usize, fold: usize) -> Vec<usize> {
    if patterns < FEW {
        return Vec::new();
    }
    (0..patterns * 3 / 4).filter(|k| k % FOLDS == fold % FOLDS).collect()
}

/// Positions under a hypothesis; `shuffled` in an order that has nothing to do with the patterns.
fn positions(sample: &Sample, h: &Hypothesis, count: usize, scale: f64, shuffled: bool) -> Vec<Position> {
    let mut all: Vec<Position> = sample.positions[..count]
        .iter()
        .map(|p| h.orientation.apply(Position::new(p.x * scale, p.y * scale)))
        .collect();
    if shuffled {
        Stream::new(1, "shuffled positions", 0).shuffle(&mut all);
    }
    all
}

/// What else is asked.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// Factor on the positions.
    pub scale: f64,
    /// Whether positions are those of other patterns.
    pub shuffled: bool,
}

impl Change {
    /// None.
    pub const NONE: Self = Self {
        scale: 1.0,
        shuffled: false,
    };
}

/// Runs.
///
/// # Errors
/// If the canvas would be too large, or there is no light.
pub fn run(
    sample: &Sample,
    h: &Hypothesis,
    start: Start,
    change: Change,
    effort: Effort,
    pool: &Pool,
) -> Result<Outcome> {
    let n = sample.n;
    let area = n * n;
    let count = effort.patterns.min(sample.positions.len());
    let places = positions(sample, h, count, change.scale, change.shuffled);
    let low = |of: fn(&Position) -> f64| places.iter().map(of).fold(f64::INFINITY, f64::min);
    let high = |of: fn(&Position) -> f64| places.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
    let (x, y) = (low(|p| p.x).floor(), low(|p| p.y).floor());
    let half = n as f64 / 2.0 + 1.0;
    let size = |span: f64| span.ceil() as usize + n + 2;
    let frame = Frame {
        top: 0,
        left: 0,
        rows: size(high(|p| p.y) - y),
        cols: size(high(|p| p.x) - x),
    };
    let out = left_out(count, effort.fold);
    let moved = |k: usize| (h.centre == Centre::Other, k);
    let _ = moved;
    let problem = |which: &[usize]| {
        let mut amplitude = Vec::with_capacity(which.len() * area);
        let mut good = vec![true; area];
        let turn = |i: usize| {
            // to the corner from the middle, or from where the other hypothesis has it: the corner
            if h.centre == Centre::Declared {
                shifted(i, n)
            } else {
                i
            }
        };
        for (at, g) in sample.good.iter().enumerate() {
            good[turn(at / n) * n + turn(at % n)] = *g;
        }
        for k in which {
            let mut pattern = vec![0.0; area];
            for (at, v) in sample.pattern(*k).iter().enumerate() {
                if sample.good[at] {
                    pattern[turn(at / n) * n + turn(at % n)] = h.power.apply(*v);
                }
            }
            amplitude.extend(pattern);
        }
        let squares: f64 = amplitude.iter().map(|v| f64::from(*v).powi(2)).sum();
        Problem {
            n,
            amplitude,
            positions: which
                .iter()
                .map(|k| Position::new(places[*k].x - x + half, places[*k].y - y + half))
                .collect(),
            frame,
            good,
            power: squares / which.len().max(1) as f64,
        }
    };
    let shown: Vec<usize> = (0..count).filter(|k| out.binary_search(k).is_err()).collect();
    let seen = problem(&shown);
    let guess = seen.guessed_probe();
    let probe: &Array2<Complex32> = match (start, &sample.probe) {
        (Start::Probe, Some(probe)) => probe,
        _ => &guess,
    };
    let mut settings = Settings::new(Method::Rpie, effort.iterations);
    settings.seed = 1 + effort.fold as u64;
    settings.probe_from = effort.probe_from;
    let mut solver = Solver::new(&seen, settings, Estimate::start(&seen, probe, 1)?)?;
    let mut last = f64::NAN;
    for _ in 0..effort.iterations {
        last = solver.step(pool).residual;
    }
    let estimate = solver.finish();
    let fit = residuals(&seen, &estimate, pool).1;
    let _ = last;
    let hidden = problem(&out);
    let judge = if out.is_empty() { &seen } else { &hidden };
    let (null, sum) = null(&seen, judge);
    let (each, overlap) = if out.is_empty() {
        (Vec::new(), f64::NAN)
    } else {
        let e = Estimate {
            object: estimate.object.clone(),
            probes: estimate.probes.clone(),
            positions: hidden.positions.clone(),
        };
        let (each, whole) = residuals(&hidden, &e, pool);
        let power = |k: usize| -> f64 {
            hidden.pattern(k).iter().map(|v| f64::from(*v).powi(2)).sum()
        };
        let each = each.iter().enumerate().map(|(k, r)| r * r * power(k) / sum);
        (each.collect(), whole)
    };
    let matrix = matrix(&seen, judge, &estimate, h.power);
    Ok(Outcome {
        matrix,
        fit,
        overlap,
        null,
        each,
        estimate,
    })
}

/// The residual of the mean of `seen` for the patterns of `judged`, and its sum of squares.
fn null(seen: &Problem, judged: &Problem) -> (f64, f64) {
    let area = seen.area();
    let mut mean = vec![0.0f64; area];
    for pattern in seen.amplitude.chunks_exact(area) {
        for (m, v) in mean.iter_mut().zip(pattern) {
            *m += f64::from(*v);
        }
    }
    let count = seen.len().max(1) as f64;
    let (mut misfit, mut all) = (0.0, 0.0);
    for pattern in judged.amplitude.chunks_exact(area) {
        for (m, v) in mean.iter().zip(pattern) {
            let v = f64::from(*v);
            misfit += (m / count - v).powi(2);
            all += v * v;
        }
    }
    ((misfit / all).sqrt(), misfit)
}

fn matrix(seen: &Problem, judged: &Problem, e: &Estimate, own: super::hypothesis::Power) -> [f64; 3] {
    use super::hypothesis::Power;
    let area = seen.area(); let n = seen.n;
    let rel = |p: Power| match p { Power::Declared => 1.0, Power::Root => 0.5, Power::Square => 2.0 };
    let fft = crate::kernel::fft::Fft2::<f32>::new(n);
    let mut out = [0.0; 3];
    for (o, v) in out.iter_mut().zip(Power::ALL) {
        let q = rel(v) / rel(own);
        let mut mean = vec![0.0f64; area];
        for pattern in seen.amplitude.chunks_exact(area) { for (m, a) in mean.iter_mut().zip(pattern) { *m += f64::from(*a).powf(q) / seen.len() as f64; } }
        let (mut mis, mut nul) = (0.0, 0.0);
        for k in 0..judged.len() {
            let at = crate::solve::canvas::Placement::new(judged.positions[k], n, e.object.dim()).unwrap();
            let mut patch = vec![Complex32::ZERO; area];
            crate::solve::canvas::cut(&e.object, at, n, &mut patch);
            for (p, q) in patch.iter_mut().zip(&e.probes) { *p *= q; }
            fft.forward(&mut patch, &mut Default::default());
            for ((f, a), m) in patch.iter().zip(judged.pattern(k)).zip(&mean) {
                let a = f64::from(*a).powf(q);
                let f = (f64::from(f.norm()) / n as f64).powf(q);
                mis += (f - a).powi(2); nul += (m - a).powi(2);
            }
        }
        *o = (mis / nul).sqrt();
    }
    out
}
