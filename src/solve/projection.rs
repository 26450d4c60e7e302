//! What difference map and RAAR have in common: they hold every exit wave and project them in turn.
//!
//! `P_F` puts the measured modulus into the far field; `P_O` replaces waves by `P O`, with object and probe the best
//! for all of them. With `beta = 1` the two engines are one. Neither settles on noisy data; so the last part of the
//! iterations is alternating projections, `psi = P_F P_O psi`.

use std::fmt;
use std::marker::PhantomData;

use ndarray::Array2;
use num_complex::Complex32;
use rayon::prelude::*;

use super::algorithm::{Algorithm, Round};
use super::buffers::Buffers;
use super::canvas::{Placement, add, add_real, cut};
use super::estimate::Estimate;
use super::event;
use super::iteration::Iteration;
use super::problem::Problem;
use crate::par::Pool;

/// Parts of the patterns that are summed apart and then in order: as many for every number of threads.
const PARTS: usize = 8;
/// Rounds of object, then probe, in a projection.
const ROUNDS: usize = 2;
/// Share of the largest illumination with which a pixel keeps its old value: pixels without light stay.
const INERTIA: f32 = 1e-3;

/// How the two projections of a wave make the next one.
pub(super) trait Relaxed: fmt::Debug + Send + Sync + 'static {
    /// The next wave: `fitted` is `P_F(2 P_O psi - psi)`, `overlap` is `P_O psi`.
    fn update(wave: Complex32, fitted: Complex32, overlap: Complex32, beta: f32) -> Complex32;
}

/// Exit waves of all patterns.
#[derive(Debug)]
pub(super) struct Projection<R> {
    /// `[pattern, mode, row, col]`.
    waves: Vec<Complex32>,
    per_pattern: usize,
    rule: PhantomData<R>,
}

impl<R: Relaxed> Algorithm for Projection<R> {
    fn iterate(&mut self, round: Round<'_>, estimate: &mut Estimate, pool: &Pool) -> Iteration {
        pool.run(|| self.pass(round, estimate))
    }
}

impl<R: Relaxed> Projection<R> {
    pub(super) fn new(problem: &Problem, start: &Estimate) -> Self {
        let per_pattern = start.probes.len();
        let mut waves = vec![Complex32::ZERO; problem.len() * per_pattern];
        let mut patch = vec![Complex32::ZERO; problem.area()];
        for (k, wave) in waves.chunks_exact_mut(per_pattern).enumerate() {
            if let Some(at) = start.placement(k, problem.n) {
                cut(&start.object, at, problem.n, &mut patch);
                illuminate(&start.probes, &patch, wave);
            }
        }
        Self {
            waves,
            per_pattern,
            rule: PhantomData,
        }
    }

    /// One iteration.
    fn pass(&mut self, round: Round<'_>, estimate: &mut Estimate) -> Iteration {
        let Round {
            problem,
            settings,
            detector,
            iteration,
        } = round;
        let polishing = settings.fall(iteration) < 1.0;
        #[expect(clippy::cast_possible_truncation, reason = "a share of float32 fields")]
        let beta = settings.relaxation as f32;
        let here = &*estimate;
        let (object, probes) = (&here.object, &here.probes);
        let places: Vec<Option<Placement>> = (0..problem.len())
            .map(|k| estimate.placement(k, problem.n))
            .collect();
        let part = problem.len().div_ceil(PARTS);
        let found: Vec<Iteration> = self
            .waves
            .par_chunks_mut(part * self.per_pattern)
            .enumerate()
            .map(|(p, waves)| {
                let mut b = Buffers::new(problem.area());
                let mut record = Iteration::default();
                for (i, wave) in waves.chunks_exact_mut(self.per_pattern).enumerate() {
                    let k = p * part + i;
                    let Some(at) = places[k] else {
                        record.outside += 1;
                        continue;
                    };
                    cut(object, at, problem.n, &mut b.patch);
                    b.update.resize(wave.len(), Complex32::ZERO);
                    illuminate(probes, &b.patch, &mut b.update);
                    // the estimate's own misfit, which is what every engine reports
                    b.waves.clone_from(&b.update);
                    let own = detector.misfit(
                        &mut b.waves,
                        problem.pattern(k),
                        &mut b.factors,
                        &mut b.scratch,
                    );
                    if !own.is_finite() && record.event.is_none() {
                        let e = event::of_pattern(problem, detector, here, iteration, k);
                        record.event = Some(e);
                    }
                    record.misfit.add(own);
                    let at_overlap = &b.update;
                    b.waves.clear();
                    if polishing {
                        b.waves.extend_from_slice(at_overlap);
                    } else {
                        // the reflection of the wave in the overlap
                        let pairs = at_overlap.iter().zip(wave.iter());
                        b.waves.extend(pairs.map(|(o, w)| o * 2.0 - w));
                    }
                    let reflected = b.waves.clone();
                    detector.project_magnitude(
                        &mut b.waves,
                        problem.pattern(k),
                        &mut b.factors,
                        &mut b.scratch,
                    );
                    let fitted = reflected.iter().zip(&b.waves).map(|(r, d)| r + d);
                    for ((w, f), o) in wave.iter_mut().zip(fitted).zip(at_overlap) {
                        *w = if polishing {
                            f
                        } else {
                            R::update(*w, f, *o, beta)
                        };
                    }
                }
                record
            })
            .collect();
        let mut record = Iteration::default();
        for f in found {
            record.add(f);
        }
        record.object_change = self.overlap(round, &places, estimate);
        if record.event.is_none() {
            record.event = event::of_update(problem, estimate, iteration, 0..problem.len());
        }
        record
    }

    /// Object and probe that fit all waves best; the squared change of the object.
    fn overlap(
        &self,
        round: Round<'_>,
        places: &[Option<Placement>],
        estimate: &mut Estimate,
    ) -> f64 {
        let problem = round.problem;
        let before = estimate.object.clone();
        let moves_probe = round.iteration >= round.settings.probe_from;
        for _ in 0..if moves_probe { ROUNDS } else { 1 } {
            self.object(problem, places, estimate);
            if moves_probe {
                self.probe(problem, places, estimate);
            }
        }
        let pairs = estimate.object.iter().zip(&before);
        pairs.map(|(a, b)| f64::from((a - b).norm_sqr())).sum()
    }

    /// `O = sum conj(P) psi / sum |P|^2`.
    fn object(&self, problem: &Problem, places: &[Option<Placement>], estimate: &mut Estimate) {
        let (n, area, dim) = (problem.n, problem.area(), estimate.object.dim());
        let probes = &estimate.probes;
        let mut light = vec![0.0f32; area];
        for probe in probes.chunks_exact(area) {
            light
                .iter_mut()
                .zip(probe)
                .for_each(|(l, p)| *l += p.norm_sqr());
        }
        let part = problem.len().div_ceil(PARTS);
        let parts: Vec<(Array2<Complex32>, Array2<f32>)> = self
            .waves
            .par_chunks(part * self.per_pattern)
            .enumerate()
            .map(|(p, waves)| {
                let (mut sum, mut weight) = (Array2::zeros(dim), Array2::zeros(dim));
                let mut back = vec![Complex32::ZERO; area];
                for (i, wave) in waves.chunks_exact(self.per_pattern).enumerate() {
                    let Some(at) = places[p * part + i] else {
                        continue;
                    };
                    back.fill(Complex32::ZERO);
                    for (probe, w) in probes.chunks_exact(area).zip(wave.chunks_exact(area)) {
                        for ((b, p), w) in back.iter_mut().zip(probe).zip(w) {
                            *b += p.conj() * w;
                        }
                    }
                    add(&mut sum, at, n, &back);
                    add_real(&mut weight, at, n, &light);
                }
                (sum, weight)
            })
            .collect();
        let mut parts = parts.into_iter();
        let Some((mut sum, mut weight)) = parts.next() else {
            return;
        };
        for (s, w) in parts {
            sum += &s;
            weight += &w;
        }
        let hold = INERTIA * weight.iter().fold(0.0f32, |m, w| m.max(*w));
        for ((o, s), w) in estimate.object.iter_mut().zip(&sum).zip(&weight) {
            if *w > 0.0 {
                *o = (s + *o * hold) / (w + hold);
            }
        }
    }

    /// `P_m = sum conj(O) psi_m / sum |O|^2`.
    fn probe(&self, problem: &Problem, places: &[Option<Placement>], estimate: &mut Estimate) {
        let (n, area) = (problem.n, problem.area());
        let object = &estimate.object;
        let part = problem.len().div_ceil(PARTS);
        let parts: Vec<(Vec<Complex32>, Vec<f32>)> = self
            .waves
            .par_chunks(part * self.per_pattern)
            .enumerate()
            .map(|(p, waves)| {
                let mut sum = vec![Complex32::ZERO; self.per_pattern];
                let mut weight = vec![0.0f32; area];
                let mut patch = vec![Complex32::ZERO; area];
                for (i, wave) in waves.chunks_exact(self.per_pattern).enumerate() {
                    let Some(at) = places[p * part + i] else {
                        continue;
                    };
                    cut(object, at, n, &mut patch);
                    for (w, o) in weight.iter_mut().zip(&patch) {
                        *w += o.norm_sqr();
                    }
                    for (sum, wave) in sum.chunks_exact_mut(area).zip(wave.chunks_exact(area)) {
                        for ((s, o), w) in sum.iter_mut().zip(&patch).zip(wave) {
                            *s += o.conj() * w;
                        }
                    }
                }
                (sum, weight)
            })
            .collect();
        let mut parts = parts.into_iter();
        let Some((mut sum, mut weight)) = parts.next() else {
            return;
        };
        for (s, w) in parts {
            sum.iter_mut().zip(&s).for_each(|(a, b)| *a += b);
            weight.iter_mut().zip(&w).for_each(|(a, b)| *a += b);
        }
        let hold = INERTIA * weight.iter().fold(0.0f32, |m, w| m.max(*w));
        for (probe, sum) in estimate
            .probes
            .chunks_exact_mut(area)
            .zip(sum.chunks_exact(area))
        {
            for ((p, s), w) in probe.iter_mut().zip(sum).zip(&weight) {
                *p = (s + *p * hold) / (w + hold);
            }
        }
    }
}

/// `psi_m = P_m O` for all modes.
fn illuminate(probes: &[Complex32], patch: &[Complex32], out: &mut [Complex32]) {
    for (wave, probe) in out
        .chunks_exact_mut(patch.len())
        .zip(probes.chunks_exact(patch.len()))
    {
        for ((w, p), o) in wave.iter_mut().zip(probe).zip(patch) {
            *w = p * o;
        }
    }
}
