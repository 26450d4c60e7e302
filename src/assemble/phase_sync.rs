//! Global phases that overlapping patches agree on.
//!
//! A diffraction pattern says nothing of the global phase of what made it, so each patch may be turned by a phase of its own. Where patches
//! overlap they show the same object, and the phases follow from there, up to one for all that hang together.
//!
//! *Method.* What disagrees, `sum over patches k and pixels of |u_k p_k - C|^2` with `|u_k| = 1`, is made small by turns: the canvas `C` that
//! is best for given phases is the weighted average that [`stitch`](mod@super::stitch) makes; the phases that are best for a given canvas are
//! `u_k = <p_k, C> / |<p_k, C>|`, each patch for itself, `C` taken off as the patch was laid on ([`Stitched::placement`](super::Stitched::placement)). Neither turn makes it larger. It
//! ends when no patch turns by more than a milliradian, or after [`ROUNDS`].
//!
//! *Conventions.* Patches `[patch, N, N]`, complex object values, of which the central `M x M` counts, at offsets in object pixels, as in
//! [`mod@super::stitch`]. Phases in radians. What is not finite has no say. Memory: the patches and a canvas.
//!
//! *Laws.* Patches of one object, each turned by a smooth course of phases, come back to that object up to one phase; patches that agree
//! stay; a common factor changes no turn; threads change no bit.
//!
//! *Source.* Angular synchronization by alternating least squares; compare Singer 2011, DOI 10.1016/j.acha.2010.02.001.

use ndarray::{Array3, ArrayView2, Axis, s};
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;

use super::canvas::central;
use super::stitch::stitch;
use crate::error::Result;
use crate::geometry::Position;

/// The most rounds: phases that wander over many patches settle slowly.
pub const ROUNDS: usize = 200;
/// A patch that turns by less, in radians, has settled.
pub const SETTLED: f64 = 1e-3;

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Rounds done.
    pub rounds: usize,
    /// The largest turn of the first round, radians.
    pub first: f64,
    /// The largest turn of the last round, radians.
    pub last: f64,
}

/// Turns each patch so that overlaps agree. Uses the threads of the pool that it is called in.
///
/// # Errors
/// As [`stitch`](fn@super::stitch::stitch).
pub fn synchronize_phases(
    patches: &mut Array3<Complex32>,
    offsets: &[Position],
    m: usize,
) -> Result<Agreement> {
    let mut found = Agreement {
        rounds: 0,
        first: 0.0,
        last: 0.0,
    };
    let mut stitched = stitch(patches.view(), offsets, m)?;
    let placement = stitched.placement(offsets)?;
    let middle = central(patches.len_of(Axis(1)), m);
    loop {
        let under = placement.take(stitched.canvas.view())?;
        let turns: Vec<f64> = patches
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .zip(under.axis_iter(Axis(0)))
            .map(|(mut patch, under)| {
                let turn = turn(&patch.slice(s![middle.clone(), middle.clone()]), &under);
                let factor = Complex32::new(turn.re as f32, turn.im as f32);
                patch.mapv_inplace(|z| z * factor);
                turn.arg().abs()
            })
            .collect();
        found.last = turns.into_iter().fold(0.0, f64::max);
        if found.rounds == 0 {
            found.first = found.last;
        }
        found.rounds += 1;
        if found.last < SETTLED || found.rounds == ROUNDS {
            return Ok(found);
        }
        stitched = stitch(patches.view(), offsets, m)?;
    }
}

/// The phase that brings a patch nearest to what is on the canvas under it.
fn turn(patch: &ArrayView2<'_, Complex32>, under: &ArrayView2<'_, Complex32>) -> Complex64 {
    let wide = |z: &Complex32| Complex64::new(z.re.into(), z.im.into());
    let parts = patch
        .iter()
        .zip(under)
        .map(|(p, c)| wide(p).conj() * wide(c));
    // what is not finite spoils its place, not the phases of all whom it meets
    let sum: Complex64 = parts.filter(|part| part.is_finite()).sum();
    let modulus = sum.norm();
    if modulus > 0.0 && modulus.is_finite() {
        sum / modulus
    } else {
        Complex64::new(1.0, 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::Pool;
    use proptest::prelude::*;
    use ptyproof_testkit::compare::{largest, zip_eq};

    const N: usize = 24;
    const M: usize = 16;
    const SIDE: usize = 5;

    fn object(y: f64, x: f64) -> Complex32 {
        let amplitude = 1.0 + 0.3 * (0.31 * y).sin() * (0.23 * x).cos();
        // two radians across the field: no patch has the phase of another
        let phase = 0.06 * x + 0.5 * (0.11 * y + 0.07 * x).sin();
        Complex32::from_polar(amplitude as f32, phase as f32)
    }

    /// A raster of patches of one object, 6 pixels apart.
    fn scan() -> (Array3<Complex32>, Vec<Position>) {
        let offsets: Vec<Position> = (0..SIDE * SIDE)
            .map(|k| Position::new((6 * (k % SIDE)) as f64, (6 * (k / SIDE)) as f64))
            .collect();
        let patches = Array3::from_shape_fn((offsets.len(), N, N), |(k, r, c)| {
            object(offsets[k].y + r as f64, offsets[k].x + c as f64)
        });
        (patches, offsets)
    }

    fn turned(patches: &Array3<Complex32>, by: impl Fn(usize) -> f64) -> Array3<Complex32> {
        Array3::from_shape_fn(patches.dim(), |(k, r, c)| {
            patches[[k, r, c]] * Complex32::from_polar(1.0, by(k) as f32)
        })
    }

    /// The largest phase between patches, beyond one for all.
    fn apart(a: &Array3<Complex32>, b: &Array3<Complex32>) -> f64 {
        let phases: Vec<f64> = zip_eq(a.outer_iter(), b.outer_iter())
            .map(|(a, b)| f64::from((a[[0, 0]] * b[[0, 0]].conj()).arg()))
            .collect();
        let off = |p: &f64| {
            let d = (p - phases[0] + 9.0 * std::f64::consts::PI) % (2.0 * std::f64::consts::PI);
            (d - std::f64::consts::PI).abs()
        };
        largest(phases.iter().map(off))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn patches_of_one_object_agree_again(slope_y in -0.5f64..0.5, slope_x in -0.5f64..0.5, noise in 0.0f64..1.0, seed in 0u32..1000) {
            let (right, offsets) = scan();
            let by = |k: usize| {
                slope_y * (k / SIDE) as f64 + slope_x * (k % SIDE) as f64 + noise * (f64::from(seed) + 7.3 * k as f64).sin()
            };
            let mut patches = turned(&right, by);
            let found = synchronize_phases(&mut patches, &offsets, M).unwrap();
            // what is left of a wandering phase: turns of a milliradian, by the slowest mode of five patches across, a tenth a round
            prop_assert!(apart(&patches, &right) < 20.0 * SETTLED, "{found:?}: {}", apart(&patches, &right));
            for (p, q) in zip_eq(&patches, &right) {
                prop_assert!((p.norm() - q.norm()).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn what_agrees_stays_and_threads_change_no_bit() {
        let (right, offsets) = scan();
        let mut patches = right.clone();
        let found = synchronize_phases(&mut patches, &offsets, M).unwrap();
        assert!(found.rounds == 1 && found.first < 1e-6, "{found:?}");
        let by = |k: usize| (1.7 * k as f64).sin();
        let on = |threads| {
            let mut patches = turned(&right, by);
            let pool = Pool::new(threads).unwrap();
            let found = pool
                .run(|| synchronize_phases(&mut patches, &offsets, M))
                .unwrap();
            (patches, found)
        };
        assert_eq!(on(1), on(3));
        // an average of phases that disagree is less than what they are of
        let modulus = |p: &Array3<Complex32>| {
            let s = stitch(p.view(), &offsets, M).unwrap();
            s.canvas.iter().map(|z| f64::from(z.norm())).sum::<f64>()
        };
        let (best, raw) = (modulus(&right), modulus(&turned(&right, by)));
        assert!(raw < 0.95 * best && (modulus(&on(1).0) / best - 1.0).abs() < 1e-4);
    }

    #[test]
    fn patches_and_their_middles_agree_alike_even_or_odd() {
        let (right, offsets) = scan();
        for m in [M, M - 1] {
            let mut whole = turned(&right, |k| (1.7 * k as f64).sin());
            let middle =
                |p: &Array3<Complex32>| p.slice(s![.., central(N, m), central(N, m)]).to_owned();
            let mut part = middle(&whole);
            let found = synchronize_phases(&mut whole, &offsets, m).unwrap();
            assert_eq!(synchronize_phases(&mut part, &offsets, m).unwrap(), found);
            assert_eq!(middle(&whole), part);
            let canvas = |p: &Array3<Complex32>| stitch(p.view(), &offsets, m).unwrap().canvas;
            assert_eq!(canvas(&whole), canvas(&part));
        }
    }

    #[test]
    fn who_meets_nobody_stays_and_what_is_not_finite_spoils_its_place_only() {
        let (right, mut offsets) = scan();
        offsets[0] = Position::new(-300.0, -300.0);
        let mut patches = turned(&right, |k| (2.1 * k as f64).sin());
        patches[[7, N / 2, N / 2]] = Complex32::new(f32::NAN, 0.0);
        let before = patches.clone();
        let found = synchronize_phases(&mut patches, &offsets, M).unwrap();
        assert!(found.rounds > 1 && found.last.is_finite());
        // alone, a patch meets itself, here at a fraction of a pixel: its turns are those of rounding
        let alone = patches.index_axis(Axis(0), 0);
        let was = before.index_axis(Axis(0), 0);
        assert!(zip_eq(&alone, &was).all(|(p, q)| (p - q).norm() < 1e-4));
        let others = |p: &Array3<Complex32>| p.slice(s![1.., .., ..]).to_owned();
        let apart = apart(&others(&patches), &others(&right));
        assert!(apart < 20.0 * SETTLED, "{apart}, {found:?}");
        assert_eq!(patches.iter().filter(|z| z.is_nan()).count(), 1);
        let none: [Position; 0] = [];
        let refused = synchronize_phases(&mut Array3::zeros((0, N, N)), &none, M);
        assert!(refused.unwrap_err().to_string().contains("at least one"));
    }
}
