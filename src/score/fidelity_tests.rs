//! Tests of figures: hand calculations, gauge removal, and unknown pixels.

use super::super::known::DEFAULT_MIN_KNOWN_SHARE;
use super::super::scene::pair;
use super::*;
use proptest::prelude::*;
use ptyproof_testkit::tolerance::{
    F64_FITTED, F64_STEPS_4096, F64_STEPS_65536, assert_close, assert_within,
};

fn object(rows: usize, cols: usize) -> Array2<Complex64> {
    let (p, t) = pair(rows, cols);
    Array2::from_shape_fn((rows, cols), |at| {
        Complex64::from_polar(t[at], 0.8 * (p[at] * 4.0).sin())
    })
}

#[test]
fn figures_match_hand_calculation() {
    // p = 2 t: nrmse 1, correlation 1; the factor taken off leaves nothing
    let t = object(40, 36);
    let p = t.mapv(|z| z * 2.0);
    let all = &Extent::of([0, 40, 0, 36]);
    let f = fidelity(&p, &t, all, Alignment::None).unwrap().fidelity;
    assert_close!(f.nrmse.get(), 1.0, F64_STEPS_4096);
    assert_close!(f.complex_correlation.get(), 1.0, F64_STEPS_4096);
    let mean = t.iter().map(|z| z.norm()).sum::<f64>() / t.len() as f64;
    assert_close!(f.amplitude.mae.get(), mean, F64_STEPS_4096);
    assert_within!(f.phase.mae.get(), F64_STEPS_4096);
    assert_eq!(f.phase.peak, Real(TAU));
    let square = t.iter().map(|z| z.norm_sqr()).sum::<f64>() / t.len() as f64;
    let peak = f.amplitude.peak.get();
    let psnr = 10.0 * (peak * peak / square).log10();
    assert_close!(f.amplitude.psnr.get(), psnr, F64_STEPS_65536);
    let f = fidelity(&p, &t, all, Alignment::Scalar).unwrap().fidelity;
    assert_within!(f.nrmse.get(), F64_STEPS_4096);
    assert_close!(f.gauge.scale.get(), 0.5, F64_STEPS_4096);
}

#[test]
fn flat_column_is_the_flat_object_error() {
    let t = object(48, 48);
    let one = t.mapv(|_| Complex64::from_polar(0.3, 2.0));
    let f = fidelity(&one, &t, &Extent::of([4, 44, 6, 40]), Alignment::Scalar)
        .unwrap()
        .fidelity;
    assert_close!(f.nrmse.get(), f.flat.nrmse.get(), F64_STEPS_4096);
    let flat = f.flat.complex_correlation.get();
    assert_close!(f.complex_correlation.get(), flat, F64_STEPS_4096);
    assert!(f.frc.is_none() && f.flat.complex_correlation.get() > 0.5);
}

#[test]
fn unknown_pixels_are_excluded() {
    let t = object(48, 48);
    let mut p = t.clone();
    p[[20, 20]] = Complex64::new(f64::NAN, 0.0);
    p[[21, 20]] = Complex64::new(0.0, f64::INFINITY);
    let f = fidelity(&p, &t, &Extent::of([10, 40, 10, 40]), Alignment::None).unwrap();
    assert_eq!((f.fidelity.pixels, f.fidelity.nrmse), (898, Real(0.0)));
    assert!(f.prediction[[10, 10]].is_nan() && f.truth[[10, 10]].is_nan());
    assert_eq!(
        (f.fidelity.region_pixels, f.fidelity.known),
        (900, Real(898.0 / 900.0))
    );
}

#[test]
fn unknown_or_zero_ground_truth_has_no_figure() {
    let t = object(48, 48);
    let none = t.mapv(|_| Complex64::new(f64::NAN, 0.0));
    let dark = t.mapv(|_| Complex64::ZERO);
    let whole = Extent::of([0, 48, 0, 48]);
    for a in [Alignment::None, Alignment::Scalar, Alignment::Gauge] {
        let of = |p, t| fidelity(p, t, &whole, a).unwrap().fidelity;
        let (unknown, black) = (of(&none, &t), of(&t, &dark));
        assert_eq!((unknown.known, unknown.pixels), (Real(0.0), 0));
        assert!(!unknown.is_known() && !unknown.dark && !black.is_known() && black.dark);
        for f in [unknown, black] {
            assert!(f.nrmse.get().is_nan() && f.amplitude.psnr.get().is_nan());
            assert!(f.frc.is_none() && f.flat.nrmse.get().is_nan());
        }
        for off in [[0, 49, 0, 48], [4, 4, 0, 48], [9, 3, 0, 48]] {
            assert!(fidelity(&t, &t, &Extent::of(off), a).is_none());
        }
    }
}

#[test]
fn half_known_region_needs_a_lower_threshold() {
    let t = object(48, 48);
    let mut p = t.clone();
    p.slice_mut(s![..24, ..])
        .fill(Complex64::new(f64::NAN, f64::NAN));
    for alignment in [Alignment::None, Alignment::Scalar, Alignment::Gauge] {
        for (p, t) in [(&p, &t), (&t, &p)] {
            let mut extent = Extent::of([0, 48, 0, 48]);
            let f = fidelity(p, t, &extent, alignment).unwrap().fidelity;
            assert!(
                (f.known.get() - 0.5).abs() < 0.05 && f.nrmse.get().is_nan(),
                "{f:?}"
            );
            extent.known_at_least = 0.4;
            let f = fidelity(p, t, &extent, alignment).unwrap().fidelity;
            assert!(f.is_known(), "{f:?}");
            assert_within!(f.nrmse.get(), F64_FITTED, "{f:?}");
            // what nobody expects is not missed
            extent.known_at_least = DEFAULT_MIN_KNOWN_SHARE;
            extent.expected = Some(Array2::from_shape_fn(t.dim(), |(r, _)| r >= 24));
            let f = fidelity(p, t, &extent, alignment).unwrap().fidelity;
            assert_eq!(f.region_pixels, 24 * 48, "{f:?}");
            assert_within!(f.nrmse.get(), F64_FITTED, "{f:?}");
        }
    }
}

#[test]
fn shift_may_lose_only_the_allowed_edge() {
    let wide = object(80, 80);
    let cut = |dy: usize| wide.slice(s![dy..dy + 60, 8..68]).to_owned();
    let extent = Extent::of([0, 60, 0, 60]);
    let near = fidelity(&cut(8), &cut(10), &extent, Alignment::Gauge).unwrap();
    assert_within!(near.fidelity.nrmse.get(), F64_FITTED, "{:?}", near.fidelity);
    assert_eq!(near.fidelity.region_pixels, 58 * 60);
    let far = fidelity(&cut(0), &cut(20), &extent, Alignment::Gauge).unwrap();
    assert!(far.fidelity.nrmse.get().is_nan() || far.fidelity.gauge == Gauge::none());
}

#[test]
fn flat_phase_has_errors_but_no_ssim() {
    let (p, t) = pair(40, 40);
    let wide = |a: Array2<f64>| a.mapv(Complex64::from);
    let f = fidelity(
        &wide(p),
        &wide(t),
        &Extent::of([0, 40, 0, 40]),
        Alignment::None,
    )
    .unwrap()
    .fidelity;
    assert!(f.phase.ssim.is_none() && f.phase.mae == Real(0.0) && f.amplitude.ssim.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn figures_are_gauge_invariant(
        dy in -3i32..=3, dx in -3i32..=3, scale in 0.2f64..4.0, phase in -3.0f64..3.0, ry in -0.1f64..0.1,
    ) {
        let t = object(64, 60);
        let moved = Gauge::shift([f64::from(dy), f64::from(dx)]).apply(&t);
        let p = Array2::from_shape_fn(t.dim(), |(r, c)| {
            moved[[r, c]] * Complex64::from_polar(scale, phase + ry * r as f64)
        });
        let extent = Extent::of([8, 56, 8, 52]);
        let of = |a| fidelity(&p, &t, &extent, a).unwrap().fidelity;
        let (none, factor, gauge) = (of(Alignment::None), of(Alignment::Scalar), of(Alignment::Gauge));
        assert_within!(gauge.nrmse.get(), F64_FITTED, "{gauge:?}");
        assert_close!(gauge.frc.as_ref().unwrap().mean.get(), 1.0, F64_FITTED);
        prop_assert!(gauge.nrmse.get() <= factor.nrmse.get() + F64_FITTED.absolute);
        prop_assert!(factor.nrmse.get() <= none.nrmse.get() + F64_FITTED.absolute);
        assert_close!(gauge.amplitude.ssim.unwrap().value.get(), 1.0, F64_FITTED);
        prop_assert_eq!(gauge.pixels, 48 * 44);
    }
}
