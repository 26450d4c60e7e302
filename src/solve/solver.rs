//! Iterations of whichever engine, watched.

use super::algorithm::{Algorithm, Round};
use super::estimate::{Estimate, non_finite, squares};
use super::event::Event;
use super::fourier_constraint::Detector;
use super::iteration::{Iteration, Record};
use super::problem::Problem;
use super::settings::Settings;
use super::{engine, modes};
use crate::error::Result;
use crate::par::Pool;

/// A reconstruction under way.
#[derive(Debug)]
pub struct Solver<'a> {
    problem: &'a Problem,
    settings: Settings,
    estimate: Estimate,
    detector: Detector,
    algorithm: Box<dyn Algorithm>,
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
        Ok(Self {
            detector: Detector::new(problem.n, settings.likelihood, &problem.good),
            algorithm: (engine(settings.method).start)(problem, &start),
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
        let round = Round {
            problem: self.problem,
            settings: &self.settings,
            detector: &self.detector,
            iteration: self.iteration,
        };
        let found = self.algorithm.iterate(round, &mut self.estimate, pool);
        self.iteration += 1;
        let record = self.record(&found);
        if self.event.is_none() {
            self.event = found.event;
        }
        record
    }

    fn record(&self, found: &Iteration) -> Record {
        let e = &self.estimate;
        let object = squares(e.object.as_slice().unwrap_or(&[]));
        Record {
            residual: found.misfit.residual(),
            probe_power: squares(&e.probes),
            object_update: (found.object_change / object).sqrt(),
            position_update: found.moved / self.problem.len().max(1) as f64,
            dark_pixels: found.misfit.dark,
            patterns_outside: found.outside,
            non_finite: non_finite(e.object.as_slice().unwrap_or(&[])) + non_finite(&e.probes),
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
