//! One pattern after the other: ePIE and rPIE.

use num_complex::Complex32;

use super::algorithm::{Algorithm, Round};
use super::buffers::Buffers;
use super::canvas::{add, cut};
use super::estimate::{Estimate, non_finite, squares};
use super::event::{self, Stage};
use super::iteration::Iteration;
use super::problem::Problem;
use super::settings::Settings;
use crate::par::Pool;
use crate::rng::Stream;

/// The pass over all patterns that ePIE and rPIE have in common.
#[derive(Debug)]
pub(super) struct Pie {
    buffers: Buffers,
    /// Share of the largest intensity in the divisor of a step; the rest is the intensity of the pixel.
    share: fn(&Settings) -> f64,
}

impl Pie {
    pub(super) fn new(problem: &Problem, share: fn(&Settings) -> f64) -> Self {
        Self {
            buffers: Buffers::new(problem.area()),
            share,
        }
    }
}

impl Algorithm for Pie {
    fn iterate(&mut self, round: Round<'_>, estimate: &mut Estimate, _: &Pool) -> Iteration {
        #[expect(clippy::cast_possible_truncation, reason = "a share of float32 fields")]
        let share = (self.share)(round.settings) as f32;
        pass(round, share, estimate, &mut self.buffers)
    }
}

/// One pass over all patterns, in an order that the seed and the iteration give.
fn pass(round: Round<'_>, share: f32, estimate: &mut Estimate, b: &mut Buffers) -> Iteration {
    let Round {
        problem,
        settings,
        detector,
        iteration,
    } = round;
    let (n, area) = (problem.n, problem.area());
    let mut order: Vec<usize> = (0..problem.len()).collect();
    Stream::new(settings.seed, "order of patterns", iteration as u64).shuffle(&mut order);
    let fall = settings.fall(iteration);
    #[expect(clippy::cast_possible_truncation, reason = "steps of float32 fields")]
    let [object_step, probe_step] =
        [settings.object_step, settings.probe_step].map(|s| (s * fall) as f32);
    let moves_probe = iteration >= settings.probe_from;
    let mut record = Iteration::default();
    let mut before = None;
    for k in order {
        let Some(at) = estimate.placement(k, n) else {
            record.outside += 1;
            continue;
        };
        cut(&estimate.object, at, n, &mut b.patch);
        b.waves.clear();
        for probe in estimate.probes.chunks_exact(area) {
            b.waves
                .extend(probe.iter().zip(&b.patch).map(|(p, o)| p * o));
        }
        let found = detector.project_magnitude(
            &mut b.waves,
            problem.pattern(k),
            &mut b.factors,
            &mut b.scratch,
        );
        if !found.is_finite() && record.event.is_none() {
            let mut e = event::of_pattern(problem, detector, estimate, iteration, k);
            if let (Stage::Probe, Some(before)) = (e.stage, before) {
                // a probe that this pattern found so was made so by the one before
                e = event::event(problem, estimate, iteration, e.stage, Some(before), 0);
            }
            record.event = Some(e);
        }
        record.misfit.add(found);
        before = Some(k);
        // intensities under the probe: divisors of the object's step
        b.weights.clear();
        b.weights.resize(area, 0.0);
        for probe in estimate.probes.chunks_exact(area) {
            for (w, p) in b.weights.iter_mut().zip(probe) {
                *w += p.norm_sqr();
            }
        }
        divisors(&mut b.weights, share);
        b.update.clear();
        b.update.resize(area, Complex32::ZERO);
        for (probe, wave) in estimate
            .probes
            .chunks_exact(area)
            .zip(b.waves.chunks_exact(area))
        {
            for ((u, p), d) in b.update.iter_mut().zip(probe).zip(wave) {
                *u += p.conj() * d;
            }
        }
        for (u, w) in b.update.iter_mut().zip(&b.weights) {
            *u *= object_step * w;
        }
        record.object_change += squares(&b.update);
        if settings.refine_positions {
            super::refine::step(estimate, b, k, n, &mut record);
        }
        add(&mut estimate.object, at, n, &b.update);
        if record.event.is_none() && !record.object_change.is_finite() && non_finite(&b.update) > 0
        {
            let stage = Stage::Object;
            record.event = Some(event::event(
                problem,
                estimate,
                iteration,
                stage,
                Some(k),
                0,
            ));
        }
        if moves_probe {
            b.weights.clear();
            b.weights.extend(b.patch.iter().map(Complex32::norm_sqr));
            divisors(&mut b.weights, share);
            for (probe, wave) in estimate
                .probes
                .chunks_exact_mut(area)
                .zip(b.waves.chunks_exact(area))
            {
                for (((p, d), o), w) in probe.iter_mut().zip(wave).zip(&b.patch).zip(&b.weights) {
                    let u = o.conj() * d * (probe_step * w);
                    *p += u;
                }
            }
        }
    }
    if record.event.is_none() && non_finite(&estimate.probes) > 0 {
        let stage = Stage::Probe;
        record.event = Some(event::event(problem, estimate, iteration, stage, before, 0));
    }
    record
}

/// Turns intensities `w` into `1 / ((1 - share) w + share max w)`; zeros where there is no light at all.
fn divisors(weights: &mut [f32], share: f32) {
    let most = weights.iter().fold(0.0f32, |m, w| m.max(*w));
    if most > 0.0 {
        for w in weights {
            *w = 1.0 / ((1.0 - share) * *w + share * most);
        }
    } else {
        weights.fill(0.0);
    }
}
