//! Synchronization of the global phases of overlapping patches.
//!
//! A diffraction pattern does not determine the global phase of its exit wave, so each patch may have a different global
//! phase. Overlapping patches show one object, which determines their relative phases, up to one global phase for each
//! connected set of patches.
//!
//! *Method.* Alternating minimization of `sum over patches k and pixels of |u_k p_k - C|^2` with `|u_k| = 1`. For given
//! phases the best canvas `C` is the weighted average of [`stitch`](mod@super::stitch). For a given canvas the best phases
//! are `u_k = <p_k, C> / |<p_k, C>|`, with `C` sampled by the adjoint of the placement
//! ([`Stitched::placement`](super::Stitched::placement)). Neither step increases the sum. The iteration ends when every
//! phase changes by less than a milliradian, or after [`MAX_ROUNDS`].
//!
//! *Conventions.* Patches `[patch, N, N]`, complex object values, of which the central `M x M` counts, at offsets in object pixels, as in
//! [`mod@super::stitch`]. Phases in radians. Values that are not finite are ignored. Memory: the patches and a canvas.
//!
//! *Laws.* Patches of one object whose phases vary smoothly are synchronized up to one global phase; consistent patches are
//! unchanged; a common factor changes no phase; the result does not depend on the number of threads.
//!
//! *Source.* Angular synchronization by alternating least squares; compare Singer 2011, DOI 10.1016/j.acha.2010.02.001.

use ndarray::{Array3, ArrayView2, Axis, s};
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;

use super::canvas::central;
use super::stitch::stitch;
use crate::error::Result;
use crate::geometry::Position;

/// Maximum number of rounds: phases that vary over many patches converge slowly.
pub const MAX_ROUNDS: usize = 200;
/// The iteration ends when every phase changes by less than this, in radians.
pub const MIN_PHASE_STEP_RAD: f64 = 1e-3;

/// The result of a synchronization.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhaseSync {
    /// Rounds done.
    pub rounds: usize,
    /// The largest phase change of the first round, radians.
    pub first: f64,
    /// The largest phase change of the last round, radians.
    pub last: f64,
}

/// Synchronizes the global phases of the patches. Uses the threads of the current pool.
///
/// # Errors
/// As [`stitch`](fn@super::stitch::stitch).
pub fn synchronize_phases(
    patches: &mut Array3<Complex32>,
    offsets: &[Position],
    m: usize,
) -> Result<PhaseSync> {
    let mut found = PhaseSync {
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
        if found.last < MIN_PHASE_STEP_RAD || found.rounds == MAX_ROUNDS {
            return Ok(found);
        }
        stitched = stitch(patches.view(), offsets, m)?;
    }
}

/// The phase factor that minimizes the distance of a patch to the canvas under it.
fn turn(patch: &ArrayView2<'_, Complex32>, under: &ArrayView2<'_, Complex32>) -> Complex64 {
    let wide = |z: &Complex32| Complex64::new(z.re.into(), z.im.into());
    let parts = patch
        .iter()
        .zip(under)
        .map(|(p, c)| wide(p).conj() * wide(c));
    // a value that is not finite affects only its pixel, not the phases of overlapping patches
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
    use ptyproof_testkit::tolerance::{
        F32_STEPS_16, F32_SUM_1024, assert_all_close, assert_close, assert_within,
    };

    const N: usize = 24;
    const M: usize = 16;
    const SIDE: usize = 5;

    fn object(y: f64, x: f64) -> Complex32 {
        let amplitude = 1.0 + 0.3 * (0.31 * y).sin() * (0.23 * x).cos();
        // two radians across the field: the phases of all patches differ
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

    /// The largest phase difference, after a global phase.
    fn phase_error(a: &Array3<Complex32>, b: &Array3<Complex32>) -> f64 {
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
        fn phases_of_overlapping_patches_are_recovered(slope_y in -0.5f64..0.5, slope_x in -0.5f64..0.5, noise in 0.0f64..1.0, seed in 0u32..1000) {
            let (right, offsets) = scan();
            let by = |k: usize| {
                slope_y * (k / SIDE) as f64 + slope_x * (k % SIDE) as f64 + noise * (f64::from(seed) + 7.3 * k as f64).sin()
            };
            let mut patches = turned(&right, by);
            let found = synchronize_phases(&mut patches, &offsets, M).unwrap();
            // the slowest mode of five patches across decays by a tenth a round: a few milliradians remain
            let error = phase_error(&patches, &right);
            prop_assert!(error < 20.0 * MIN_PHASE_STEP_RAD, "{found:?}: {error}");
            for (p, q) in zip_eq(&patches, &right) {
                assert_close!(p.norm(), q.norm(), F32_SUM_1024);
            }
        }
    }

    #[test]
    fn consistent_patches_are_unchanged_for_any_thread_count() {
        let (right, offsets) = scan();
        let mut patches = right.clone();
        let found = synchronize_phases(&mut patches, &offsets, M).unwrap();
        assert_eq!(found.rounds, 1, "{found:?}");
        assert_within!(found.first, F32_STEPS_16, "{found:?}");
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
        // averaging inconsistent phases reduces the amplitude
        let modulus = |p: &Array3<Complex32>| {
            let s = stitch(p.view(), &offsets, M).unwrap();
            s.canvas.iter().map(|z| f64::from(z.norm())).sum::<f64>()
        };
        let (best, raw) = (modulus(&right), modulus(&turned(&right, by)));
        assert!(raw < 0.95 * best);
        assert_close!(modulus(&on(1).0), best, F32_SUM_1024.as_relative());
    }

    #[test]
    fn cropped_patches_give_equal_phases() {
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
    fn isolated_patches_are_unchanged() {
        let (right, mut offsets) = scan();
        offsets[0] = Position::new(-300.0, -300.0);
        let mut patches = turned(&right, |k| (2.1 * k as f64).sin());
        let before = patches.clone();
        let found = synchronize_phases(&mut patches, &offsets, M).unwrap();
        assert!(found.rounds > 1 && found.last.is_finite());
        // an isolated patch overlaps only itself, at a subpixel offset: only rounding changes its phase
        let isolated = patches.index_axis(Axis(0), 0);
        let was = before.index_axis(Axis(0), 0);
        assert_all_close!(&isolated, &was, F32_SUM_1024);
        let others = |p: &Array3<Complex32>| p.slice(s![1.., .., ..]).to_owned();
        let error = phase_error(&others(&patches), &others(&right));
        assert!(error < 20.0 * MIN_PHASE_STEP_RAD, "{error}, {found:?}");
    }

    #[test]
    fn nan_stays_local() {
        let (right, offsets) = scan();
        let mut patches = turned(&right, |k| (2.1 * k as f64).sin());
        patches[[7, N / 2, N / 2]] = Complex32::new(f32::NAN, 0.0);
        let found = synchronize_phases(&mut patches, &offsets, M).unwrap();
        assert!(found.rounds > 1 && found.last.is_finite());
        let error = phase_error(&patches, &right);
        assert!(error < 20.0 * MIN_PHASE_STEP_RAD, "{error}, {found:?}");
        assert_eq!(patches.iter().filter(|z| z.is_nan()).count(), 1);
    }

    #[test]
    fn no_patches_are_refused() {
        let none: [Position; 0] = [];
        let refused = synchronize_phases(&mut Array3::zeros((0, N, N)), &none, M);
        assert!(refused.unwrap_err().to_string().contains("at least one"));
    }
}
