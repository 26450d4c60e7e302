//! LSQML: batches whose step is the best for each pattern by least squares (Odstrcil, Menzel, Guizar-Sicairos 2018,
//! doi:10.1364/OE.26.003108).
//!
//! For a batch: `dO = sum conj(P) d / sum |P|^2` and `dP = sum conj(O) d / sum |O|^2` over the corrections `d` of its exit
//! waves; for each pattern the real steps `(a, b)` that make `|d - a dO P - b dP O|^2` least; then object and probe
//! move along `dO` and `dP` by the mean of these.

use ndarray::Array2;
use num_complex::Complex32;
use rayon::prelude::*;

use super::algorithm::{Algorithm, Engine, Round};
use super::buffers::Buffers;
use super::canvas::{Placement, add, add_real, cut};
use super::estimate::Estimate;
use super::event;
use super::iteration::Iteration;
use crate::par::Pool;
use crate::rng::Stream;

pub(super) const ENGINE: Engine = Engine {
    reads: &[
        "object_step",
        "probe_step",
        "regularization",
        "batch",
        "momentum",
    ],
    has_likelihood: true,
    moves_positions: true,
    defaults: |s| s.regularization = 0.6,
    start: |_, _| Box::new(Lsqml::default()),
};

/// Parts of a batch that are summed apart and then in order.
const PARTS: usize = 4;
/// The largest step of a pattern.
const MAX_STEP: f64 = 2.0;

/// What is carried from batch to batch: the changes of object and probe, for the momentum.
#[derive(Debug, Clone, Default)]
struct Lsqml {
    object: Option<Array2<Complex32>>,
    probe: Vec<Complex32>,
}

/// A pattern of a batch: its place, its patch and its correction.
struct Member {
    at: Placement,
    patch: Vec<Complex32>,
    correction: Vec<Complex32>,
}

struct Part {
    members: Vec<Member>,
    object: Array2<Complex32>,
    light: Array2<f32>,
    probe: Vec<Complex32>,
    seen: Vec<f32>,
    record: Iteration,
}

impl Algorithm for Lsqml {
    fn iterate(&mut self, round: Round<'_>, estimate: &mut Estimate, pool: &Pool) -> Iteration {
        pool.run(|| pass(round, estimate, self))
    }
}

fn pass(round: Round<'_>, estimate: &mut Estimate, state: &mut Lsqml) -> Iteration {
    let mut order: Vec<usize> = (0..round.problem.len()).collect();
    let seed = round.settings.seed;
    Stream::new(seed, "order of patterns", round.iteration as u64).shuffle(&mut order);
    let mut record = Iteration::default();
    for batch in order.chunks(round.settings.batch) {
        // a batch is a set: its sums are taken in one order
        let mut members = batch.to_vec();
        members.sort_unstable();
        record.add(step(round, estimate, state, &members));
    }
    record
}

fn step(
    round: Round<'_>,
    estimate: &mut Estimate,
    state: &mut Lsqml,
    members: &[usize],
) -> Iteration {
    let Round {
        problem,
        settings,
        iteration,
        ..
    } = round;
    let (n, area, dim) = (problem.n, problem.area(), estimate.object.dim());
    let mut light = vec![0.0f32; area];
    for probe in estimate.probes.chunks_exact(area) {
        light
            .iter_mut()
            .zip(probe)
            .for_each(|(l, p)| *l += p.norm_sqr());
    }
    let mut record = refined(round, estimate, members);
    let here = &*estimate;
    let mut parts: Vec<Part> = members
        .par_chunks(members.len().div_ceil(PARTS))
        .map(|members| gather(round, here, members, &light))
        .collect();
    let mut object = Array2::zeros(dim);
    let mut weight = Array2::zeros(dim);
    let mut probe = vec![Complex32::ZERO; estimate.probes.len()];
    let mut seen = vec![0.0f32; area];
    for p in &mut parts {
        record.add(std::mem::take(&mut p.record));
        object += &p.object;
        weight += &p.light;
        probe.iter_mut().zip(&p.probe).for_each(|(a, b)| *a += b);
        seen.iter_mut().zip(&p.seen).for_each(|(a, b)| *a += b);
    }
    // what has little light moves little
    #[expect(clippy::cast_possible_truncation, reason = "a share of float32 fields")]
    let share = settings.regularization as f32;
    let damping = share * weight.iter().fold(0.0f32, |m, w| m.max(*w));
    for (o, w) in object.iter_mut().zip(&weight) {
        *o = if *w > 0.0 {
            *o / (w + damping)
        } else {
            Complex32::ZERO
        };
    }
    let damping = share * seen.iter().fold(0.0f32, |m, w| m.max(*w));
    for probe in probe.chunks_exact_mut(area) {
        for (p, w) in probe.iter_mut().zip(&seen) {
            *p = if *w > 0.0 {
                *p / (w + damping)
            } else {
                Complex32::ZERO
            };
        }
    }
    let moves_probe = iteration >= settings.probe_from;
    let steps: Vec<[f64; 2]> = parts
        .par_iter_mut()
        .flat_map_iter(|p| {
            let (object, probe, here) = (&object, &probe, &*here);
            p.members
                .iter()
                .map(move |m| best(m, n, object, probe, &here.probes, moves_probe))
        })
        .collect();
    for (k, held) in record.held[1..].iter_mut().enumerate() {
        // zero is a bound too, but a probe that does not move is at none
        let at_bound = |s: &&[f64; 2]| s[k] >= MAX_STEP || (s[k] == 0.0 && (k == 0 || moves_probe));
        *held += steps.iter().filter(at_bound).count() as u64;
    }
    let fall = settings.fall(iteration);
    let mean = |k: usize| steps.iter().map(|s| s[k]).sum::<f64>() / steps.len().max(1) as f64;
    #[expect(clippy::cast_possible_truncation, reason = "steps of float32 fields")]
    let [a, b] = [
        (settings.object_step * fall * mean(0)) as f32,
        (settings.probe_step * fall * mean(1)) as f32,
    ];
    object.mapv_inplace(|z| z * a);
    probe.iter_mut().for_each(|z| *z *= b);
    #[expect(clippy::cast_possible_truncation, reason = "a share of float32 fields")]
    let momentum = settings.momentum as f32;
    if momentum > 0.0 {
        if let Some(before) = &state.object {
            object.zip_mut_with(before, |o, b| *o += b * momentum);
            probe
                .iter_mut()
                .zip(&state.probe)
                .for_each(|(p, b)| *p += b * momentum);
        }
        state.object = Some(object.clone());
        state.probe.clone_from(&probe);
    }
    record.object_change = object.iter().map(|z| f64::from(z.norm_sqr())).sum();
    estimate.object += &object;
    if moves_probe {
        estimate
            .probes
            .iter_mut()
            .zip(&probe)
            .for_each(|(p, d)| *p += d);
    }
    if record.event.is_none() {
        record.event = event::of_update(problem, estimate, iteration, members.iter().copied());
    }
    record
}

/// Moves the positions of a batch, one after the other; the record of the moves.
fn refined(round: Round<'_>, estimate: &mut Estimate, members: &[usize]) -> Iteration {
    let Round {
        problem,
        settings,
        detector,
        ..
    } = round;
    let mut record = Iteration::default();
    if !settings.refine_positions {
        return record;
    }
    let (n, area) = (problem.n, problem.area());
    let mut b = Buffers::new(area);
    for &k in members {
        let Some(at) = estimate.placement(k, n) else {
            continue;
        };
        cut(&estimate.object, at, n, &mut b.patch);
        b.waves.clear();
        for probe in estimate.probes.chunks_exact(area) {
            b.waves
                .extend(probe.iter().zip(&b.patch).map(|(p, o)| p * o));
        }
        detector.project_magnitude(
            &mut b.waves,
            problem.pattern(k),
            &mut b.factors,
            &mut b.scratch,
        );
        super::refine::step(estimate, &b, k, n, &mut record);
    }
    record
}

/// Corrections of some patterns, and their sums.
fn gather(round: Round<'_>, estimate: &Estimate, members: &[usize], light: &[f32]) -> Part {
    let Round {
        problem,
        detector,
        iteration,
        ..
    } = round;
    let (n, area, dim) = (problem.n, problem.area(), estimate.object.dim());
    let mut b = Buffers::new(area);
    let mut part = Part {
        members: Vec::with_capacity(members.len()),
        object: Array2::zeros(dim),
        light: Array2::zeros(dim),
        probe: vec![Complex32::ZERO; estimate.probes.len()],
        seen: vec![0.0; area],
        record: Iteration::default(),
    };
    for &k in members {
        let Some(at) = estimate.placement(k, n) else {
            part.record.outside += 1;
            continue;
        };
        let mut patch = vec![Complex32::ZERO; area];
        cut(&estimate.object, at, n, &mut patch);
        let mut waves = Vec::with_capacity(estimate.probes.len());
        for probe in estimate.probes.chunks_exact(area) {
            waves.extend(probe.iter().zip(&patch).map(|(p, o)| p * o));
        }
        let found = detector.project_magnitude(
            &mut waves,
            problem.pattern(k),
            &mut b.factors,
            &mut b.scratch,
        );
        if !found.is_finite() && part.record.event.is_none() {
            let e = event::of_pattern(problem, detector, estimate, iteration, k);
            part.record.event = Some(e);
        }
        part.record.misfit.add(found);
        b.update.clear();
        b.update.resize(area, Complex32::ZERO);
        for (probe, wave) in estimate
            .probes
            .chunks_exact(area)
            .zip(waves.chunks_exact(area))
        {
            for ((u, p), d) in b.update.iter_mut().zip(probe).zip(wave) {
                *u += p.conj() * d;
            }
        }
        add(&mut part.object, at, n, &b.update);
        add_real(&mut part.light, at, n, light);
        for (sum, wave) in part
            .probe
            .chunks_exact_mut(area)
            .zip(waves.chunks_exact(area))
        {
            for ((s, o), d) in sum.iter_mut().zip(&patch).zip(wave) {
                *s += o.conj() * d;
            }
        }
        for (s, o) in part.seen.iter_mut().zip(&patch) {
            *s += o.norm_sqr();
        }
        part.members.push(Member {
            at,
            patch,
            correction: waves,
        });
    }
    part
}

/// The steps `(a, b)` that make `|d - a dO P - b dP O|^2` least, each held to `[0, 2]`.
fn best(
    m: &Member,
    n: usize,
    object: &Array2<Complex32>,
    probe: &[Complex32],
    probes: &[Complex32],
    moves_probe: bool,
) -> [f64; 2] {
    let area = n * n;
    let mut along = vec![Complex32::ZERO; area];
    cut(object, m.at, n, &mut along);
    let [mut uu, mut vv, mut uv, mut ud, mut vd] = [0.0f64; 5];
    for (k, d) in m.correction.chunks_exact(area).enumerate() {
        let (p, dp) = (
            &probes[k * area..(k + 1) * area],
            &probe[k * area..(k + 1) * area],
        );
        let fields = along.iter().zip(p).zip(dp.iter().zip(&m.patch)).zip(d);
        let mut sums = [0.0f32; 5];
        for (i, (((o, p), (dp, q)), d)) in fields.enumerate() {
            let (u, v) = (o * p, dp * q);
            sums[0] += u.norm_sqr();
            sums[1] += v.norm_sqr();
            sums[2] += u.re * v.re + u.im * v.im;
            sums[3] += u.re * d.re + u.im * d.im;
            sums[4] += v.re * d.re + v.im * d.im;
            if (i + 1) % n == 0 {
                for (to, s) in [&mut uu, &mut vv, &mut uv, &mut ud, &mut vd]
                    .into_iter()
                    .zip(sums)
                {
                    *to += f64::from(s);
                }
                sums = [0.0; 5];
            }
        }
    }
    let held = |v: f64| {
        if v.is_finite() {
            v.clamp(0.0, MAX_STEP)
        } else {
            0.0
        }
    };
    if !moves_probe || vv == 0.0 {
        return [held(ud / uu), 0.0];
    }
    let det = uu * vv - uv * uv;
    if det <= 1e-6 * uu * vv {
        return [held(ud / uu), held(vd / vv)];
    }
    [
        held((ud * vv - vd * uv) / det),
        held((vd * uu - ud * uv) / det),
    ]
}
