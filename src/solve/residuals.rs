//! How well an estimate explains the patterns.

use rayon::prelude::*;

use super::buffers::Buffers;
use super::canvas::cut;
use super::estimate::Estimate;
use super::fourier_constraint::{Detector, Misfit};
use super::problem::Problem;
use super::settings::Likelihood;
use crate::judgment::Judgment;
use crate::par::Pool;

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
    let detector = Detector::new(problem.n, Likelihood::Amplitude, &problem.good);
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
