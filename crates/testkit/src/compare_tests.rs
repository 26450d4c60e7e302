//! Tests of the comparison helpers: NaN, no values, and different lengths.

use std::panic::catch_unwind;

use crate::compare::*;

const NAN: f64 = f64::NAN;

#[test]
fn finite_values_compare_as_usual() {
    assert_eq!(largest([-3.0, -1.0, -2.0]), -1.0);
    assert_eq!(smallest([3.0f32, 1.0, 2.0]), 1.0);
    assert_eq!(scale([0.0, 2.0]), 2.0);
    assert_eq!(largest_difference([1.0, 5.0], [2.0, 2.0]), 3.0);
    assert!(all_finite([0.0f32, -0.0]));
    let pairs: Vec<_> = zip_eq([1, 2], ["a", "b"]).collect();
    assert_eq!(pairs, [(1, "a"), (2, "b")]);
    assert_eq!(non_empty(0..2).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn nan_compares_as_infinite_in_any_place() {
    for values in [[NAN, 1.0, 2.0], [1.0, NAN, 2.0], [1.0, 2.0, NAN], [NAN; 3]] {
        assert_eq!(largest(values), f64::INFINITY);
        assert_eq!(smallest(values), f64::NEG_INFINITY);
        assert!(!all_finite(values));
        for pair in [(values, [0.0; 3]), ([0.0; 3], values), (values, values)] {
            assert_eq!(largest_difference(pair.0, pair.1), f64::INFINITY);
        }
        let mut running = Largest::default();
        values.into_iter().for_each(|v| running.add(v));
        assert_eq!(running.get(), f64::INFINITY);
    }
    // equal infinities have no difference either
    assert_eq!(
        largest_difference([f64::INFINITY], [f64::INFINITY]),
        f64::INFINITY
    );
    assert!(!all_finite([f32::NEG_INFINITY]));
}

#[test]
fn no_values_are_an_error() {
    let none = [0.0f64; 0];
    let calls: [fn([f64; 0]); 8] = [
        |none| _ = largest(none),
        |none| _ = smallest(none),
        |none| _ = scale(none),
        |none| _ = largest_difference(none, none),
        |none| _ = all_finite(none),
        |none| _ = zip_eq(none, none),
        |none| _ = non_empty(none),
        |_| _ = Largest::default().get(),
    ];
    for (k, call) in calls.into_iter().enumerate() {
        assert!(catch_unwind(|| call(none)).is_err(), "call {k}");
    }
}

#[test]
fn sequences_of_different_lengths_are_an_error() {
    for (a, b) in [(2, 3), (3, 2), (0, 1), (1, 0)] {
        let [a, b] = [a, b].map(|n| vec![1.0; n]);
        assert!(
            catch_unwind(|| drop(zip_eq(&a, &b))).is_err(),
            "{a:?} {b:?}"
        );
        let difference = || largest_difference(a.clone(), b.clone());
        assert!(catch_unwind(difference).is_err(), "{a:?} {b:?}");
    }
}

#[test]
fn a_scale_is_finite_and_above_zero() {
    for bad in [0.0, -1.0, NAN, f64::INFINITY] {
        assert!(catch_unwind(|| scale([bad])).is_err(), "{bad}");
    }
}
