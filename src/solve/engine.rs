//! Iterations of whichever method, watched.

use ndarray::Array2;
use num_complex::Complex32;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::canvas::{Placement, cut};
use super::modulus::{Detector, Misfit};
use super::problem::Problem;
use super::projection::Projection;
use super::settings::{Method, Settings};
use super::{lsq, modes, pie};
use crate::error::{Error, Result};
use crate::ground::geometry::Position;
use crate::ground::par::Pool;
use crate::kernel::fft::Scratch;

/// What is reconstructed.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// `[row, col]`, the canvas of the problem.
    pub object: Array2<Complex32>,
    /// Modes one after the other, `N * N` values each, the centre at `[N/2, N/2]`.
    pub probes: Vec<Complex32>,
    /// Centres, canvas pixels.
    pub positions: Vec<Position>,
}

impl Estimate {
    /// A transparent object, and a probe whose power is spread over so many modes: the first has the given shape,
    /// each other one that shape times a plane wave of its own, a tenth as strong.
    ///
    /// # Errors
    /// If the probe does not fit the problem.
    pub fn start(problem: &Problem, probe: &Array2<Complex32>, count: usize) -> Result<Self> {
        let n = problem.n;
        if !(1..=16).contains(&count) {
            return Err(Error::usage("starting the reconstruction")
                .at("--modes")
                .got(count)
                .need("1 to 16"));
        }
        let probe = problem.scaled_probe(probe)?;
        let mut probes = Vec::with_capacity(count * n * n);
        for m in 0..count {
            let strength = if m == 0 { 1.0 } else { 0.1f32.sqrt() };
            let turn = std::f32::consts::TAU / n as f32;
            let [u, v] = [m.div_ceil(2), m / 2].map(|k| k as f32 * turn);
            probes.extend(probe.indexed_iter().map(|((r, c), p)| {
                p * Complex32::from_polar(strength, u * r as f32 - v * c as f32)
            }));
        }
        let power = pie::squares(&probes);
        #[expect(clippy::cast_possible_truncation, reason = "probes are complex64")]
        let factor = (problem.power / power).sqrt() as f32;
        probes.iter_mut().for_each(|p| *p *= factor);
        Ok(Self {
            object: Array2::from_elem((problem.frame.rows, problem.frame.cols), Complex32::ONE),
            probes,
            positions: problem.positions.clone(),
        })
    }

    /// The modes of the probe, `[row, col]` each.
    pub fn modes(&self, n: usize) -> Vec<Array2<Complex32>> {
        let each = self.probes.chunks_exact(n * n);
        each.map(|p| Array2::from_shape_fn((n, n), |(r, c)| p[r * n + c]))
            .collect()
    }

    pub(super) fn placement(&self, k: usize, n: usize) -> Option<Placement> {
        Placement::new(self.positions[k], n, self.object.dim())
    }
}

/// What an iteration came to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Iteration {
    pub(super) misfit: Misfit,
    /// Patterns whose patch lies off the canvas: they say nothing.
    pub outside: u64,
    /// Sum of squares of the object's changes.
    pub object_change: f64,
    /// Sum of the positions' moves, pixels.
    pub moved: f64,
}

/// Numbers of an iteration, as the history has them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// `sqrt(sum (|F| - A)^2 / sum A^2)` with the estimate before its patterns' updates.
    pub residual: f64,
    /// Sum of `|P|^2` over all modes.
    pub probe_power: f64,
    /// Norm of the object's changes over the norm of the object.
    pub object_update: f64,
    /// Mean move of a position, pixels.
    pub position_update: f64,
    /// Pixels with light where the prediction was exactly zero.
    pub dark_pixels: u64,
    /// Patterns off the canvas.
    pub patterns_outside: u64,
    /// Values of object and probe that are not finite.
    pub non_finite: u64,
}

/// Work space of one pattern.
#[derive(Debug, Clone)]
pub(super) struct Buffers {
    pub(super) patch: Vec<Complex32>,
    pub(super) waves: Vec<Complex32>,
    pub(super) update: Vec<Complex32>,
    pub(super) weights: Vec<f32>,
    pub(super) factors: Vec<f32>,
    pub(super) scratch: Scratch<f32>,
}

impl Buffers {
    pub(super) fn new(area: usize) -> Self {
        Self {
            patch: vec![Complex32::ZERO; area],
            waves: Vec::new(),
            update: Vec::new(),
            weights: Vec::new(),
            factors: Vec::new(),
            scratch: Scratch::default(),
        }
    }
}

/// A reconstruction under way.
#[derive(Debug)]
pub struct Solver<'a> {
    problem: &'a Problem,
    settings: Settings,
    estimate: Estimate,
    detector: Detector,
    buffers: Buffers,
    projection: Option<Projection>,
    lsq: lsq::State,
    iteration: usize,
}

impl<'a> Solver<'a> {
    /// Starts from an estimate.
    ///
    /// # Errors
    /// If a setting cannot be.
    pub fn new(problem: &'a Problem, settings: Settings, start: Estimate) -> Result<Self> {
        settings.check()?;
        let projection = matches!(settings.method, Method::Dm | Method::Raar)
            .then(|| Projection::new(problem, &start));
        Ok(Self {
            detector: Detector::new(problem.n, settings.likelihood),
            buffers: Buffers::new(problem.area()),
            lsq: lsq::State::default(),
            projection,
            problem,
            settings,
            estimate: start,
            iteration: 0,
        })
    }

    /// What there is now.
    pub fn estimate(&self) -> &Estimate {
        &self.estimate
    }

    /// Iterations done.
    pub fn iteration(&self) -> usize {
        self.iteration
    }

    /// One pass over all patterns.
    pub fn step(&mut self, pool: &Pool) -> Record {
        let (problem, settings, k) = (self.problem, &self.settings, self.iteration);
        let (estimate, detector) = (&mut self.estimate, &self.detector);
        let found = match settings.method {
            Method::Epie | Method::Rpie => {
                pie::pass(problem, settings, detector, k, estimate, &mut self.buffers)
            }
            Method::Dm | Method::Raar => {
                let projection = self
                    .projection
                    .get_or_insert_with(|| Projection::new(problem, estimate));
                pool.run(|| projection.pass(problem, settings, detector, k, estimate))
            }
            Method::Lsqml => {
                let state = &mut self.lsq;
                pool.run(|| lsq::pass(problem, settings, detector, k, estimate, state))
            }
        };
        self.iteration += 1;
        self.record(found)
    }

    fn record(&self, found: Iteration) -> Record {
        let e = &self.estimate;
        let object = pie::squares(e.object.as_slice().unwrap_or(&[]));
        let bad = |z: &&Complex32| !z.is_finite();
        Record {
            residual: found.misfit.residual(),
            probe_power: pie::squares(&e.probes),
            object_update: (found.object_change / object).sqrt(),
            position_update: found.moved / self.problem.len().max(1) as f64,
            dark_pixels: found.misfit.dark,
            patterns_outside: found.outside,
            non_finite: (e.object.iter().filter(bad).count() + e.probes.iter().filter(bad).count())
                as u64,
        }
    }

    /// The estimate, its modes made orthogonal and sorted by power.
    pub fn finish(mut self) -> Estimate {
        modes::orthogonal(&mut self.estimate.probes, self.problem.area());
        self.estimate
    }
}

/// `sqrt(sum (|F| - A)^2 / sum A^2)` of an estimate, pattern by pattern: the square roots' sums.
///
/// One value a pattern, `sum (|F| - A)^2 / sum A^2` under the root; NaN for a pattern whose patch lies off the canvas.
pub fn residuals(problem: &Problem, estimate: &Estimate, pool: &Pool) -> Vec<f64> {
    let detector = Detector::new(problem.n, super::Likelihood::Amplitude);
    let (n, area) = (problem.n, problem.area());
    pool.run(|| {
        (0..problem.len())
            .into_par_iter()
            .map_init(
                || Buffers::new(area),
                |b, k| {
                    let Some(at) = estimate.placement(k, n) else {
                        return f64::NAN;
                    };
                    cut(&estimate.object, at, n, &mut b.patch);
                    b.waves.clear();
                    for probe in estimate.probes.chunks_exact(area) {
                        b.waves
                            .extend(probe.iter().zip(&b.patch).map(|(p, o)| p * o));
                    }
                    detector
                        .misfit(
                            &mut b.waves,
                            problem.pattern(k),
                            &mut b.factors,
                            &mut b.scratch,
                        )
                        .residual()
                },
            )
            .collect()
    })
}
