//! Tests of the alignment: gauges, faults, and unknown pixels.

use super::*;
use proptest::prelude::*;
use ptyproof_testkit::tolerance::{F64_FITTED, F64_STEPS_4096, assert_close, assert_within};

/// A smooth object on a disc that the frame holds with room to spare, moved by `shift`.
fn object(side: usize, shift: [f64; 2]) -> Array2<Complex64> {
    Array2::from_shape_fn((side, side), |(y, x)| {
        let at = [y as f64 - shift[0], x as f64 - shift[1]];
        let c = side as f64 / 2.0;
        let (u, v) = (at[0] - c, at[1] - c);
        if (u * u + v * v).sqrt() > c - 9.0 {
            return Complex64::ZERO;
        }
        let amplitude = 1.0 + 0.3 * (u / 4.1).sin() * (v / 5.3 + 0.4).cos() + 0.2 * (v / 7.0).sin();
        let phase = 0.6 * (u / 6.2 + 0.3).cos() + 0.4 * ((u + 2.0 * v) / 9.0).sin();
        Complex64::from_polar(amplitude, phase)
    })
}

fn gauged(mut b: Array2<Complex64>, f: Complex64, ramp: [f64; 2]) -> Array2<Complex64> {
    let c = b.dim().0 as f64 / 2.0;
    for ((y, x), z) in b.indexed_iter_mut() {
        *z *= f * Complex64::cis(ramp[0] * (y as f64 - c) + ramp[1] * (x as f64 - c));
    }
    b
}

#[test]
fn image_aligns_to_itself_with_identity_gauge() {
    let a = object(48, [0.0; 2]);
    let r = align(&a, &a).unwrap();
    assert_eq!(
        (r.raw.rms.get(), r.aligned.rms.get(), r.fault),
        (0.0, 0.0, None)
    );
    assert_eq!((r.gauge.shift, r.gauge.scale), ([Real(0.0); 2], Real(1.0)));
    assert!(align(&a, &object(50, [0.0; 2])).is_none());
    assert!(align(&Array2::zeros((4, 4)), &Array2::zeros((4, 4))).is_none());
}

#[test]
fn twin_image_is_detected() {
    let a = object(48, [0.0; 2]);
    let b = a.slice(s![..;-1, ..;-1]).mapv(|z| z.conj());
    let r = align(&a, &b).unwrap();
    assert!(r.gauge.twin, "{r:?}");
    assert_within!(r.aligned.rms.get(), F64_STEPS_4096, "{r:?}");
    assert!(r.raw.rms.get() > 0.1);
}

#[test]
fn each_fault_is_named() {
    let a = object(48, [0.0; 2]);
    for fault in Fault::ALL {
        let b = fault.undo(&a);
        let r = align(&a, &b).unwrap();
        assert_eq!(r.fault, Some(fault), "{r:?}");
        assert!(r.aligned.rms.get() > MIN_FAULT_DISTANCE);
    }
}

#[test]
fn disjoint_regions_have_no_gauge() {
    let whole = object(64, [0.0; 2]);
    let keep = |left: bool| {
        Array2::from_shape_fn(whole.dim(), |(y, x)| {
            if (x < 32) == left {
                whole[[y, x]]
            } else {
                Complex64::ZERO
            }
        })
    };
    let (l, r) = (keep(true), keep(false));
    for (a, b) in [(&l, &r), (&r, &l)] {
        let found = align(a, b).unwrap();
        assert!(found.aligned.rms.get() > 0.3, "{found:?}");
    }
    let spot = |at: [usize; 2]| {
        let mut one = Array2::from_elem((64, 64), Complex64::ZERO);
        one[at] = Complex64::ONE;
        one
    };
    // a single pixel moved is a shift like any other, a pixel more is not
    let mut two = spot([3, 4]);
    two[[60, 60]] = Complex64::ONE;
    assert!(align(&two, &spot([60, 60])).unwrap().aligned.rms.get() > 0.5);
}

#[test]
fn rectangular_images_are_aligned() {
    let a = object(48, [0.0; 2]).slice(s![..40, ..]).to_owned();
    let b = a.slice(s![..;-1, ..]).to_owned();
    let r = align(&a, &b).unwrap();
    assert!(r.aligned.rms.get() > MIN_FAULT_DISTANCE, "{r:?}");
}

#[test]
fn nonfinite_pixels_are_excluded_from_both() {
    let a = object(48, [0.0; 2]);
    let mut b = a.clone();
    b[[20, 21]].re = f64::NAN;
    let r = align(&a, &b).unwrap();
    assert_eq!((r.raw.rms.get(), r.aligned.rms.get()), (0.0, 0.0));
    let mut c = a.mapv(|z| z * Complex64::cis(0.3));
    c[[30, 31]].im = f64::INFINITY;
    let r = align(&b, &c).unwrap();
    assert_eq!(r.gauge.shift, [Real(0.0); 2], "{r:?}");
    assert_within!(r.aligned.rms.get(), F64_STEPS_4096, "{r:?}");
    let nothing = a.mapv(|_| Complex64::new(f64::NAN, 0.0));
    assert!(align(&a, &nothing).is_none());
}

#[test]
fn distance_is_scale_invariant() {
    let a = object(48, [0.0; 2]);
    let mut b = a.clone();
    b[[20, 21]] *= -1.0;
    let large = align(&a, &b).unwrap();
    let small = align(&a.mapv(|z| z * 1e-200), &b.mapv(|z| z * 1e-200)).unwrap();
    assert!(large.raw.rms.get() > 0.0);
    assert_close!(
        small.raw.rms.get(),
        large.raw.rms.get(),
        F64_FITTED.as_relative(),
        "{small:?}"
    );
}

#[test]
fn large_images_are_fitted_in_the_center() {
    let long = Array2::from_shape_fn((1, 20_000), |(_, x)| {
        Complex64::cis(x as f64 / 9.0) * (1.5 + (x as f64 / 7.0).sin())
    });
    let turned = long.mapv(|z| z * Complex64::from_polar(2.0, 1.0));
    assert_within!(align(&long, &turned).unwrap().aligned.rms.get(), F64_FITTED);
    let a = object(700, [0.0; 2]);
    let b = gauged(
        object(700, [3.0, -2.0]),
        Complex64::from_polar(0.7, 0.4),
        [0.01, -0.02],
    );
    let r = align(&a, &b).unwrap();
    assert_within!(r.aligned.rms.get(), F64_FITTED, "{r:?}");
    assert!((r.gauge.phase.get() + 0.4).abs() < 0.1, "{r:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn integer_gauges_are_removed_exactly(
        dy in -6i32..=6, dx in -6i32..=6, scale in 0.1f64..4.0, phase in -3.0f64..3.0,
        ry in -0.3f64..0.3, rx in -0.3f64..0.3,
    ) {
        let shift = [f64::from(dy), f64::from(dx)];
        let a = object(56, [0.0; 2]);
        let f = Complex64::from_polar(scale, phase);
        let b = gauged(object(56, shift), f, [ry, rx]);
        let r = align(&a, &b).unwrap();
        assert_within!(r.aligned.rms.get(), F64_FITTED, "{r:?}");
        // the gauge, applied, lays the image onto the other
        let left = compare(&a, &r.gauge.apply(&b)).distance.rms.get();
        assert_close!(left, r.aligned.rms.get(), F64_FITTED);
        assert_close!(r.gauge.scale.get() * scale, 1.0, F64_FITTED);
        for k in 0..2 {
            assert_close!(r.gauge.shift[k].get(), -shift[k], F64_FITTED, "{r:?}");
            assert_close!(r.gauge.ramp[k].get(), -[ry, rx][k], F64_FITTED, "{r:?}");
        }
        prop_assert!(r.aligned.rms.get() <= r.scalar.rms.get());
        prop_assert!(r.scalar.rms.get() <= r.raw.rms.get() * (1.0 + F64_STEPS_4096.absolute));
    }

    #[test]
    fn subpixel_shifts_are_found(dy in -3.0f64..3.0, dx in -3.0f64..3.0, rx in -0.1f64..0.1) {
        let a = object(56, [0.0; 2]);
        let b = gauged(object(56, [dy, dx]), Complex64::ONE, [0.0, rx]);
        let r = align(&a, &b).unwrap();
        for (k, d) in [dy, dx].into_iter().enumerate() {
            prop_assert!((r.gauge.shift[k].get() + d).abs() < 0.02, "{d} {r:?}");
        }
        // cubic convolution leaves some 1e-3 of waves of 26 pixels and more: twice that
        prop_assert!(r.aligned.rms.get() < 2e-3, "{r:?}");
    }
}

#[test]
fn unknown_pixels_do_not_affect_the_other_image() {
    // a window on an image that fills its frame: the other is known all around, and its shift is found
    let whole = Array2::from_shape_fn((64, 60), |(y, x)| {
        let (y, x) = (y as f64, x as f64);
        let a = 1.0 + 0.3 * (y / 4.1).sin() * (x / 5.3 + 0.4).cos();
        Complex64::from_polar(a, 0.8 * (4.0 * a + x * 1.3).sin())
    });
    let window = Array2::from_shape_fn((64, 60), |(y, x)| {
        if (8..56).contains(&y) && (8..52).contains(&x) {
            whole[[y, x]]
        } else {
            Complex64::new(f64::NAN, 0.0)
        }
    });
    let moved = Gauge::shift([-2.0, 3.0]).apply(&whole);
    let r = align(&window, &moved.mapv(|z| z * 0.2)).unwrap();
    assert_within!(r.aligned.rms.get(), F64_STEPS_4096, "{r:?}");
    assert_eq!(
        (r.gauge.shift, r.covered_alone),
        ([2.0, -3.0].map(Real), [0; 2])
    );
}
