//! Iterations of whichever method, watched.

use ndarray::{Array2, Array3};
use num_complex::Complex32;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::canvas::{Placement, cut};
use super::event::{self, Event};
use super::fourier_constraint::{Detector, Misfit};
use super::problem::Problem;
use super::projection::Projection;
use super::settings::{Method, Settings};
use super::{lsq, modes, pie};
use crate::error::{Error, Result};
use crate::geometry::Position;
use crate::judgment::Judgment;
use crate::par::Pool;
use ptyproof_kernels::fft::Scratch;

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
        Self::start_from(problem, probe, None, count)
    }

    /// The same where further modes of the probe are known, `[mode, row, col]`, in the unit of the first: they keep their
    /// strength beside it, and only those that are missing are made up.
    ///
    /// # Errors
    /// As [`Estimate::start`].
    pub fn start_from(
        problem: &Problem,
        probe: &Array2<Complex32>,
        further: Option<&Array3<Complex32>>,
        count: usize,
    ) -> Result<Self> {
        let n = problem.n;
        if !(1..=16).contains(&count) {
            return Err(Error::usage("starting the reconstruction")
                .at("--modes")
                .got(count)
                .need("1 to 16"));
        }
        let scaled = problem.scaled_probe(probe)?;
        let own: f64 = probe.iter().map(|z| f64::from(z.norm_sqr())).sum();
        let factor = (problem.power / own).sqrt();
        let mut probes: Vec<Complex32> = scaled.iter().copied().collect();
        for m in 1..count {
            if let Some(known) = further.and_then(|f| f.outer_iter().nth(m - 1)) {
                #[expect(clippy::cast_possible_truncation, reason = "probes are complex64")]
                probes.extend(known.iter().map(|z| z * factor as f32));
                continue;
            }
            let strength = 0.1f32.sqrt();
            let turn = std::f32::consts::TAU / n as f32;
            let [u, v] = [m.div_ceil(2), m / 2].map(|k| k as f32 * turn);
            probes.extend(scaled.indexed_iter().map(|((r, c), p)| {
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

    /// Whether it can be an estimate of this problem.
    fn check(&self, problem: &Problem) -> Result<()> {
        let refuse = |place: &str, got: String, need: String| {
            Err(Error::input("starting the reconstruction")
                .at(place)
                .got(got)
                .need(need))
        };
        let (frame, modes) = (problem.frame, self.probes.len() / problem.area());
        if self.object.dim() != (frame.rows, frame.cols) {
            let need = format!("the canvas, {} x {}", frame.rows, frame.cols);
            return refuse("object", format!("{:?}", self.object.dim()), need);
        }
        if modes == 0 || !self.probes.len().is_multiple_of(problem.area()) {
            let need = format!("modes of {0} x {0}", problem.n);
            return refuse("probe", format!("{} values", self.probes.len()), need);
        }
        if self.positions.len() != problem.len() {
            let need = problem.len().to_string();
            return refuse("positions", self.positions.len().to_string(), need);
        }
        let object = event::bad(self.object.as_slice().unwrap_or(&[]));
        let bad = object + event::bad(&self.probes);
        if bad > 0 {
            let got = format!("{bad} values that are not finite");
            return refuse("object and probe", got, "finite numbers".into()).map_err(|e| {
                e.not_finite().help("where the file's are finite, amplitudes or probe are of a size whose scale to one another does not fit into float32")
            });
        }
        Ok(())
    }

    /// The modes of the probe, `[row, col]` each.
    pub fn modes(&self, n: usize) -> Vec<Array2<Complex32>> {
        let each = self.probes.chunks_exact(n * n);
        each.map(|p| Array2::from_shape_fn((n, n), |(r, c)| p[r * n + c]))
            .collect()
    }

    /// Where the patch of pattern `k` of side `n` lies; `None` off the canvas.
    pub fn placement(&self, k: usize, n: usize) -> Option<Placement> {
        Placement::new(self.positions[k], n, self.object.dim())
    }
}

/// What an iteration came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Iteration {
    pub(super) misfit: Misfit,
    /// Patterns whose patch lies off the canvas: they say nothing.
    pub(super) outside: u64,
    /// Sum of squares of the object's changes.
    pub(super) object_change: f64,
    /// Sum of the positions' moves, pixels.
    pub(super) moved: f64,
    /// Moves of positions, steps of the object and of the probe that were held at their bound.
    pub(super) held: [u64; 3],
    /// The first thing that is not finite.
    pub(super) event: Option<Event>,
}

impl Iteration {
    /// Takes what a part of the iteration came to; parts come in their order.
    pub(super) fn add(&mut self, part: Self) {
        self.misfit.add(part.misfit);
        self.outside += part.outside;
        self.object_change += part.object_change;
        self.moved += part.moved;
        for (own, more) in self.held.iter_mut().zip(part.held) {
            *own += more;
        }
        if self.event.is_none() {
            self.event = part.event;
        }
    }
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
    /// Shares of the patterns whose move, whose step of the object, whose step of the probe was held at its bound.
    pub held: [f64; 3],
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
    event: Option<Event>,
}

impl<'a> Solver<'a> {
    /// Starts from an estimate.
    ///
    /// # Errors
    /// If a setting cannot be, or the estimate is not one of this problem, or not finite.
    pub fn new(problem: &'a Problem, settings: Settings, start: Estimate) -> Result<Self> {
        settings.check()?;
        start.check(problem)?;
        let projection = matches!(settings.method, Method::Dm | Method::Raar)
            .then(|| Projection::new(problem, &start));
        Ok(Self {
            detector: Detector::new(problem.n, settings.likelihood, &problem.good),
            buffers: Buffers::new(problem.area()),
            lsq: lsq::State::default(),
            projection,
            problem,
            settings,
            estimate: start,
            iteration: 0,
            event: None,
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

    /// The first thing that was not finite, if anything was.
    pub fn event(&self) -> Option<&Event> {
        self.event.as_ref()
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
        let record = self.record(&found);
        if self.event.is_none() {
            self.event = found.event;
        }
        record
    }

    fn record(&self, found: &Iteration) -> Record {
        let e = &self.estimate;
        let object = pie::squares(e.object.as_slice().unwrap_or(&[]));
        Record {
            residual: found.misfit.residual(),
            probe_power: pie::squares(&e.probes),
            object_update: (found.object_change / object).sqrt(),
            position_update: found.moved / self.problem.len().max(1) as f64,
            dark_pixels: found.misfit.dark,
            patterns_outside: found.outside,
            non_finite: event::bad(e.object.as_slice().unwrap_or(&[])) + event::bad(&e.probes),
            held: found
                .held
                .map(|h| h as f64 / self.problem.len().max(1) as f64),
        }
    }

    /// The estimate, its modes made orthogonal and sorted by power.
    pub fn finish(mut self) -> Estimate {
        modes::orthogonal(&mut self.estimate.probes, self.problem.area());
        self.estimate
    }
}

/// How well an estimate explains the patterns.
#[derive(Debug, Clone, PartialEq)]
pub struct Residuals {
    /// `sqrt(sum (|F| - A)^2 / sum A^2)` of all patterns that count together; NaN if none does.
    pub whole: f64,
    /// The same of each pattern; none of one that does not count.
    pub each: Vec<Option<f64>>,
    /// Patterns without light, which say nothing of an estimate.
    pub dark: usize,
    /// Patterns with light whose patch lies off the canvas.
    pub outside: usize,
}

impl Residuals {
    /// Patterns that count.
    pub fn counted(&self) -> usize {
        self.each.iter().flatten().count()
    }

    /// The pattern that is explained worst, and its residual; what is not finite is worse than any number.
    pub fn worst(&self) -> Option<(usize, f64)> {
        let counted = (self.each.iter().enumerate()).filter_map(|(k, r)| Some((k, (*r)?)));
        let rank = |r: f64| if r.is_nan() { f64::INFINITY } else { r };
        counted.reduce(|a, b| if rank(b.1) > rank(a.1) { b } else { a })
    }

    /// Whether the estimate explains anything: a dark object has a residual of 1.
    pub fn judgment(&self) -> Judgment {
        if self.each.iter().flatten().any(|r| !r.is_finite()) {
            return Judgment::NonFinite;
        }
        // a few patterns of many say nothing of the whole
        let few = 2 * self.counted() < self.each.len() - self.dark;
        let of = if few { 0 } else { self.counted() };
        Judgment::holds(self.whole <= 1.0, of)
    }
}

/// The residuals of an estimate, pattern by pattern, and of all together.
pub fn residuals(problem: &Problem, estimate: &Estimate, pool: &Pool) -> Residuals {
    let detector = Detector::new(problem.n, super::Likelihood::Amplitude, &problem.good);
    let (n, area) = (problem.n, problem.area());
    let one = |b: &mut Buffers, k: usize| {
        let at = estimate.placement(k, n)?;
        if !problem.has_light(k) {
            return None;
        }
        cut(&estimate.object, at, n, &mut b.patch);
        b.waves.clear();
        for probe in estimate.probes.chunks_exact(area) {
            b.waves
                .extend(probe.iter().zip(&b.patch).map(|(p, o)| p * o));
        }
        let amplitude = problem.pattern(k);
        Some(detector.misfit(&mut b.waves, amplitude, &mut b.factors, &mut b.scratch))
    };
    let each: Vec<Option<Misfit>> = pool.run(|| {
        let all = (0..problem.len()).into_par_iter();
        all.map_init(|| Buffers::new(area), one).collect()
    });
    let mut whole = Misfit::default();
    each.iter().flatten().for_each(|m| whole.add(*m));
    let dark = (0..problem.len())
        .filter(|k| !problem.has_light(*k))
        .count();
    let counted = each.iter().flatten().count();
    Residuals {
        whole: whole.residual(),
        outside: problem.len() - dark - counted,
        dark,
        each: (each.into_iter())
            .map(|m| m.map(|m| m.residual()))
            .collect(),
    }
}
