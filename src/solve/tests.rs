//! Laws of the engines, on problems of 16 pixels whose truth is known.

use ndarray::Array2;
use num_complex::Complex32;
use proptest::prelude::*;

use super::engine::residuals;
use super::event::Stage;
use super::scene::{Scene, problem};
use super::*;
use crate::ground::compare::zip_eq;
use crate::ground::geometry::Position;
use crate::ground::judgment::Judgment;
use crate::ground::par::Pool;

fn settings(method: Method, iterations: usize) -> Settings {
    Settings::new(method, iterations)
}

fn pool() -> Pool {
    Pool::new(2).unwrap()
}

/// The true probe before a transparent object, where the positions are those of the problem.
fn start(problem: &Problem, truth: &Estimate) -> Estimate {
    Estimate {
        object: Array2::from_elem(truth.object.dim(), Complex32::ONE),
        probes: truth.probes.clone(),
        positions: problem.positions.clone(),
    }
}

fn steps(problem: &Problem, s: Settings, from: Estimate, count: usize) -> (Vec<Record>, Estimate) {
    let mut solver = Solver::new(problem, s, from).unwrap();
    let pool = pool();
    let records = (0..count).map(|_| solver.step(&pool)).collect();
    (records, solver.finish())
}

fn far(a: &[Complex32], b: &[Complex32]) -> f64 {
    let square = |z: Complex32| f64::from(z.norm_sqr());
    let d: f64 = zip_eq(a, b).map(|(x, y)| square(x - y)).sum();
    (d / a.iter().map(|z| square(*z)).sum::<f64>()).sqrt()
}

fn object(e: &Estimate) -> &[Complex32] {
    e.object.as_slice().unwrap()
}

fn any_method() -> impl Strategy<Value = Method> {
    proptest::sample::select(Method::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_truth_is_a_fixed_point(seed in any::<u64>(), method in any_method(), fractions in any::<bool>(), modes in 1usize..3) {
        // a projection spreads a bilinear patch over pixels that it was read from: it knows whole positions only
        let whole = !fractions || matches!(method, Method::Dm | Method::Raar);
        let (p, truth) = Scene { whole, modes, ..Scene::small(seed) }.make();
        let mut s = settings(method, 4);
        s.refine_positions = !matches!(method, Method::Dm | Method::Raar);
        let (records, end) = steps(&p, s, truth.clone(), 3);
        for r in &records {
            // a transform of 256 values there and back leaves a few roundings, and 25 patterns add theirs
            prop_assert!(r.residual < 2e-6, "{r:?}");
            prop_assert!(r.object_update < 2e-5, "{r:?}");
            prop_assert!(r.position_update < 1e-4, "{r:?}");
        }
        prop_assert!(far(object(&truth), object(&end)) < 5e-5);
    }

    #[test]
    fn small_steps_never_raise_the_residual_at_first(seed in any::<u64>(), method in any_method()) {
        // of dm and raar this does not hold: they walk past minima on purpose; see the next test
        prop_assume!(!matches!(method, Method::Dm | Method::Raar));
        let (p, truth) = Scene::small(seed).make();
        let mut s = settings(method, 8);
        (s.object_step, s.probe_step, s.momentum, s.batch) = (0.2, 0.05, 0.0, p.len());
        let (records, _) = steps(&p, s, start(&p, &truth), 6);
        for pair in records.windows(2) {
            prop_assert!(pair[1].residual <= pair[0].residual, "{:?}", records.iter().map(|r| r.residual).collect::<Vec<_>>());
        }
    }

    #[test]
    fn alternating_projections_never_raise_the_residual(seed in any::<u64>(), raar in any::<bool>()) {
        // no whole step: psi = P_F P_O psi from the beginning, which is the last part of every dm and raar
        let (p, truth) = Scene::small(seed).make();
        let mut s = settings(if raar { Method::Raar } else { Method::Dm }, 8);
        s.whole_steps = 0.0;
        let (records, _) = steps(&p, s, start(&p, &truth), 8);
        // the first says what the start is; the reflection of the start is the start
        for pair in records[1..].windows(2) {
            prop_assert!(pair[1].residual <= pair[0].residual * (1.0 + 1e-6), "{:?}", records.iter().map(|r| r.residual).collect::<Vec<_>>());
        }
    }

    #[test]
    fn batch_engines_do_not_know_the_order_inside_a_batch(seed in any::<u64>(), method in any_method()) {
        // engines that take one pattern after the other depend on the order by what they are
        prop_assume!(!matches!(method, Method::Epie | Method::Rpie));
        let (p, truth) = Scene::small(seed).make();
        let mut s = settings(method, 6);
        s.batch = p.len();
        let mut turned = p.clone();
        turned.positions.reverse();
        turned.amplitude = p.amplitude.chunks_exact(p.area()).rev().flatten().copied().collect();
        let (_, a) = steps(&p, s.clone(), start(&p, &truth), 3);
        let (_, b) = steps(&turned, s, start(&turned, &truth), 3);
        // the sums are the same but for their order
        prop_assert!(far(object(&a), object(&b)) < 1e-4);
        prop_assert!(far(&a.probes, &b.probes) < 1e-4);
    }

    #[test]
    fn an_engine_that_starts_in_another_gauge_ends_in_it(
        seed in any::<u64>(), method in any_method(), size in 0.2f32..5.0, turn in -3.0f32..3.0,
    ) {
        // (c P, O / c) ends as (c P', O' / c)
        let (p, truth) = Scene::small(seed).make();
        let c = Complex32::from_polar(size, turn);
        let from = start(&p, &truth);
        let mut other = from.clone();
        other.probes.iter_mut().for_each(|z| *z *= c);
        other.object.mapv_inplace(|z| z / c);
        let (_, a) = steps(&p, settings(method, 6), from, 3);
        let (_, mut b) = steps(&p, settings(method, 6), other, 3);
        b.probes.iter_mut().for_each(|z| *z /= c);
        b.object.mapv_inplace(|z| z * c);
        prop_assert!(far(object(&a), object(&b)) < 2e-4, "{}", far(object(&a), object(&b)));
        prop_assert!(far(&a.probes, &b.probes) < 2e-4);
    }

    #[test]
    fn neither_threads_nor_repetition_change_a_bit(seed in any::<u64>(), method in any_method(), modes in 1usize..3) {
        let (p, truth) = Scene { modes, whole: false, ..Scene::small(seed) }.make();
        let mut s = settings(method, 4);
        s.refine_positions = !matches!(method, Method::Dm | Method::Raar);
        s.batch = 7;
        let run = |threads: usize| {
            let mut solver = Solver::new(&p, s.clone(), start(&p, &truth)).unwrap();
            let pool = Pool::new(threads).unwrap();
            let records: Vec<Record> = (0..3).map(|_| solver.step(&pool)).collect();
            (records, solver.finish())
        };
        let one = run(1);
        for threads in [1, 3, 8] {
            prop_assert_eq!(&one, &run(threads));
        }
    }
}

/// Mean distance of positions from the true ones, after the common shift is taken away.
fn astray(now: &[Position], truth: &[Position]) -> f64 {
    let d: Vec<[f64; 2]> = zip_eq(now, truth)
        .map(|(a, b)| [a.x - b.x, a.y - b.y])
        .collect();
    let count = d.len() as f64;
    let mean = [0, 1].map(|k| d.iter().map(|v| v[k]).sum::<f64>() / count);
    d.iter()
        .map(|v| (v[0] - mean[0]).hypot(v[1] - mean[1]))
        .sum::<f64>()
        / count
}

#[test]
fn refined_positions_come_nearer_to_the_true_ones() {
    let scene = Scene {
        n: 32,
        grid: 7,
        step: 4.0,
        ..Scene::small(5)
    };
    let (mut p, truth) = scene.make();
    let mut rng = crate::ground::rng::Stream::new(3, "jitter", 0);
    for q in &mut p.positions {
        let [x, y] = [(); 2].map(|()| rng.uniform() * 2.0 - 1.0);
        *q = Position::new(q.x + x, q.y + y);
    }
    let before = astray(&p.positions, &truth.positions);
    for method in [Method::Epie, Method::Rpie, Method::Lsqml] {
        let run = |refine: bool| {
            let mut s = settings(method, 80);
            s.refine_positions = refine;
            s.batch = 10;
            let (records, end) = steps(&p, s, start(&p, &truth), 80);
            let after = astray(&end.positions, &truth.positions);
            (records[79].residual, after)
        };
        let ((moved, after), (still, same)) = (run(true), run(false));
        println!("{method:?}: {before:.3} to {after:.3} px, residual {still:.4} to {moved:.4}");
        assert!((same - before).abs() < 1e-12);
        assert!(after < 0.5 * before, "{method:?}: {before} to {after}");
        assert!(moved < still, "{method:?}: {still} to {moved}");
    }
}

#[test]
fn two_modes_explain_data_of_two_modes_better_than_one() {
    let (p, truth) = Scene {
        modes: 2,
        ..Scene::small(11)
    }
    .make();
    let first = Array2::from_shape_vec((p.n, p.n), truth.probes[..p.area()].to_vec()).unwrap();
    for method in Method::ALL {
        let run = |modes: usize| {
            let from = Estimate::start(&p, &first, modes).unwrap();
            let (_, end) = steps(&p, settings(method, 60), from, 60);
            residuals(&p, &end, &pool()).whole
        };
        let (one, two) = (run(1), run(2));
        println!("{method:?}: residual {one:.5} with one mode, {two:.5} with two");
        assert!(two < 0.9 * one, "{method:?}: {one} and {two}");
    }
}

#[test]
fn the_first_thing_that_is_not_finite_has_a_name_and_the_engine_goes_on() {
    let (mut p, truth) = Scene::small(2).make();
    let (k, area) = (7, p.area());
    p.amplitude[k * area..(k + 1) * area].fill(1e30); // its square is no float32
    for method in Method::ALL {
        let mut solver = Solver::new(&p, settings(method, 3), start(&p, &truth)).unwrap();
        let pool = pool();
        for _ in 0..3 {
            solver.step(&pool);
        }
        let e = solver.event().unwrap();
        assert_eq!((e.iteration, e.stage), (0, Stage::FarField), "{e:?}");
        assert_eq!((e.pattern, e.counts.far_field), (Some(7), area as u64));
        assert_eq!((e.counts.object, e.counts.probe), (0, 0));
        let [x, y] = e.position.unwrap().map(|v| v.get());
        assert_eq!(Position::new(x, y), p.positions[k]);
        assert_eq!(solver.iteration(), 3);
    }
    let (good, truth) = Scene::small(2).make();
    let mut solver = Solver::new(&good, settings(Method::Epie, 1), truth).unwrap();
    solver.step(&pool());
    assert!(solver.event().is_none());
}

#[test]
fn a_start_that_does_not_fit_is_refused() {
    let (p, truth) = Scene::small(1).make();
    let refused = |change: fn(&mut Estimate), word: &str| {
        let mut e = truth.clone();
        change(&mut e);
        let e = Solver::new(&p, settings(Method::Epie, 1), e).unwrap_err();
        assert!(e.to_string().contains(word), "{e}");
    };
    refused(|e| e.object = Array2::zeros((3, 3)), "object");
    refused(|e| e.probes.truncate(7), "probe");
    refused(|e| e.positions.truncate(7), "positions");
    refused(|e| e.probes[5].re = f32::NAN, "not finite");
    refused(|e| e.object[[2, 2]].im = f32::INFINITY, "not finite");
}

#[test]
fn patterns_off_the_canvas_are_counted_and_say_nothing() {
    let (p, truth) = Scene::small(4).make();
    for method in Method::ALL {
        let mut from = start(&p, &truth);
        from.positions[3] = Position::new(-5.0, 1e9);
        let (records, end) = steps(&p, settings(method, 2), from, 2);
        assert_eq!(records[1].patterns_outside, 1);
        let found = residuals(&p, &end, &pool());
        assert!(found.each[3].is_none() && found.whole.is_finite());
        assert_eq!(
            (found.dark, found.outside, found.counted()),
            (0, 1, p.len() - 1)
        );
    }
    assert_eq!(problem(&truth, p.n).power, p.power);
}

#[test]
fn residuals_say_what_they_are_of() {
    let (mut p, truth) = Scene::small(4).make();
    let of = |p: &Problem, e: &Estimate| residuals(p, e, &pool());
    assert_eq!(of(&p, &truth).judgment(), Judgment::Well);
    // an estimate twice as bright is as far away as none; brighter ones explain nothing
    for (factor, want) in [
        (1.9, Judgment::Well),
        (2.1, Judgment::NotWell),
        (1e4, Judgment::NotWell),
    ] {
        let mut bright = truth.clone();
        bright.object.mapv_inplace(|z| z * factor);
        assert_eq!(of(&p, &bright).judgment(), want, "{factor}");
    }
    let mut broken = truth.clone();
    broken.probes[5].re = f32::NAN;
    let found = of(&p, &broken);
    assert_eq!(found.judgment(), Judgment::NonFinite);
    assert!(found.worst().unwrap().1.is_nan());
    // what a pattern without light leaves is no residual, and no pattern is none at all
    let area = p.area();
    p.amplitude[area..2 * area].fill(0.0);
    let found = of(&p, &truth);
    assert_eq!(
        (found.dark, found.each[1], found.judgment()),
        (1, None, Judgment::Well)
    );
    p.amplitude.fill(0.0);
    let found = of(&p, &truth);
    assert_eq!(
        (found.counted(), found.judgment()),
        (0, Judgment::Undecided)
    );
    assert!(found.whole.is_nan() && found.worst().is_none());
}

#[test]
fn known_modes_keep_their_strength_and_the_others_are_made_up() {
    use ndarray::Axis;
    let (problem, truth) = Scene {
        modes: 2,
        ..Scene::small(3)
    }
    .make();
    let modes = truth.modes(problem.n);
    let further = modes[1].clone().insert_axis(Axis(0));
    let power = |p: &[Complex32]| -> f64 { p.iter().map(|z| f64::from(z.norm_sqr())).sum() };
    let area = problem.area();
    for count in 1..=3 {
        let e = Estimate::start_from(&problem, &modes[0], Some(&further), count).unwrap();
        assert_eq!(e.probes.len(), count * area);
        // float32 sums of 256 values a mode
        assert!((power(&e.probes) / problem.power - 1.0).abs() < 1e-5);
        if count > 1 {
            let was = power(&truth.probes[area..2 * area]) / power(&truth.probes[..area]);
            let is = power(&e.probes[area..2 * area]) / power(&e.probes[..area]);
            assert!((is / was - 1.0).abs() < 1e-5, "{is} {was}");
            let same = e.probes[area] / truth.probes[area];
            assert!((e.probes[area + 77] / truth.probes[area + 77] / same - 1.0).norm() < 1e-4);
        }
    }
}
