//! What an engine is: how an iteration updates the estimate, and which settings it reads.

use std::fmt;

use super::estimate::Estimate;
use super::fourier_constraint::Detector;
use super::iteration::Iteration;
use super::problem::Problem;
use super::settings::Settings;
use crate::par::Pool;

/// What an iteration works with.
#[derive(Clone, Copy)]
pub(super) struct Round<'a> {
    pub(super) problem: &'a Problem,
    pub(super) settings: &'a Settings,
    pub(super) detector: &'a Detector,
    /// From 0.
    pub(super) iteration: usize,
}

/// What differs from one engine to the next. It keeps what it carries from iteration to iteration.
pub(super) trait Algorithm: fmt::Debug + Send {
    /// Updates the estimate by every pattern once.
    fn iterate(&mut self, round: Round<'_>, estimate: &mut Estimate, pool: &Pool) -> Iteration;
}

/// An engine, as the settings and the solver know it.
pub(super) struct Engine {
    /// Names of the [`super::Steps`] that it reads, beside those that every engine reads.
    pub(super) reads: &'static [&'static str],
    /// Whether it has a likelihood to choose; the amplitude's if not.
    pub(super) has_likelihood: bool,
    /// Whether it has a gradient by which positions can move.
    pub(super) moves_positions: bool,
    /// Puts its own defaults in place of the common ones.
    pub(super) defaults: fn(&mut Settings),
    /// Its state at the start.
    pub(super) start: fn(&Problem, &Estimate) -> Box<dyn Algorithm>,
}
