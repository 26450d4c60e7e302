//! Simulation of photon counts from an object, a probe and a scan.
//!
//! Expected intensity and photon noise are separate steps: [`expected_counts`] has no randomness,
//! [`draw_counts`] nothing else, and [`simulate`](simulate()) takes both in one array. `patch[i, j] = O(y + i - N/2, x + j - N/2)`, bilinear, zero outside the
//! object; `psi = P * patch`; the intensity is `|FFT2(s psi)|^2 / N^2`, DC at `[N/2, N/2]`, where `s` makes
//! the mean number of photons per pattern the one asked for. Positions are rounded to float32 first, as
//! the reference does.
//!
//! *Memory.* One float32 per pixel of every pattern, and a field per thread. The scale follows from the mean over all
//! patterns, so intensities are buffered in the memory of the final amplitude.
//!
//! *Source.* Reference description, section d.

use ndarray::{Array2, Array3, ArrayView2};
use num_complex::{Complex, Complex32};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::geometry::{PatchSize, Position, floor_index};
use crate::io::domain::{CountAmplitude, Counts, Patterns, Raw, Scale};
use crate::optics::propagate::{intensity, to_far_field};
use crate::par::Pool;
use crate::rng::Stream;
use ptyproof_kernels::fft::{Fft2, Scratch};

/// The result of a simulation.
#[derive(Debug, Clone)]
pub struct SimulatedScan {
    /// The stored patterns: the amplitude of the counted photons, divided by [`SimulatedScan::scale`].
    pub patterns: Patterns<Raw>,
    /// From the stored amplitude to the amplitude of the counts, `s_sim`.
    pub scale: Scale<Raw, CountAmplitude>,
    /// Patch pixels that were outside the object and were taken as zero.
    pub pixels_outside: u64,
}

/// The part of the object that lands on a pattern's pixels when the probe is at `position`: bilinear,
/// zero outside. Returns how many of its pixels are outside the object.
///
/// # Panics
/// If `out` does not hold `n * n` values.
pub fn patch(
    object: &ArrayView2<'_, Complex32>,
    position: Position,
    n: usize,
    out: &mut [Complex32],
) -> u64 {
    assert_eq!(out.len(), n * n, "a patch of {n} x {n}");
    let half = (n / 2) as isize;
    let (Some((ky, fy)), Some((kx, fx))) = (floor_index(position.y), floor_index(position.x))
    else {
        out.fill(Complex32::new(f32::NAN, f32::NAN));
        return 0;
    };
    let (top, left) = (ky - half, kx - half);
    let weights = [
        (1.0 - fy) * (1.0 - fx),
        (1.0 - fy) * fx,
        fy * (1.0 - fx),
        fy * fx,
    ];
    // where all four taps exist, rows are read as slices; elsewhere every tap is looked up
    let whole = |r: isize| -> Option<[&[Complex32]; 2]> {
        let (r, c) = (usize::try_from(r).ok()?, usize::try_from(left).ok()?);
        let row =
            |r: usize| (r < object.nrows()).then(|| object.row(r).to_slice()?.get(c..c + n + 1))?;
        Some([row(r)?, row(r + 1)?])
    };
    let mut outside = 0;
    for (r, to) in (top..).zip(out.chunks_exact_mut(n)) {
        if let Some([upper, lower]) = whole(r) {
            let taps = upper.windows(2).zip(lower.windows(2));
            for (to, (a, b)) in to.iter_mut().zip(taps) {
                *to = narrow(blend([a[0], a[1], b[0], b[1]], weights));
            }
        } else {
            outside += edge(object, (r, left), weights, to);
        }
    }
    outside
}

/// The four taps times their weights, added in their order to zero.
fn blend(taps: [Complex32; 4], weights: [f64; 4]) -> Complex<f64> {
    taps.iter()
        .zip(weights)
        .map(|(z, w)| Complex::new(f64::from(z.re) * w, f64::from(z.im) * w))
        .sum()
}

/// A row of a patch that reaches over the edge of the object, whose first tap is `[r, left]`; returns how many
/// of its pixels are outside. Taps outside are skipped, not multiplied.
fn edge(
    object: &ArrayView2<'_, Complex32>,
    (r, left): (isize, isize),
    weights: [f64; 4],
    out: &mut [Complex32],
) -> u64 {
    let at = |r: isize, c: isize| -> Option<Complex<f64>> {
        let z = object.get([usize::try_from(r).ok()?, usize::try_from(c).ok()?])?;
        Some(Complex::new(f64::from(z.re), f64::from(z.im)))
    };
    let mut outside = 0;
    for (c, to) in (left..).zip(out) {
        let taps = [at(r, c), at(r, c + 1), at(r + 1, c), at(r + 1, c + 1)];
        outside += u64::from(taps[0].is_none());
        let terms = taps.iter().zip(weights);
        let z: Complex<f64> = terms.filter_map(|(z, w)| z.map(|z| z * w)).sum();
        *to = narrow(z);
    }
    outside
}

/// Mean photons per pixel for every position, `s_sim`, and how many patch pixels were outside the object.
///
/// # Errors
/// If the probe is not `N x N` with even `N >= 4`, there are no positions, one is not finite, `nphotons` is
/// not finite and positive, or no light reaches the object.
pub fn expected_counts(
    object: &ArrayView2<'_, Complex32>,
    probe: &Array2<Complex32>,
    positions: &[Position],
    nphotons: f64,
    pool: &Pool,
) -> Result<(Patterns<Counts>, Scale<Raw, CountAmplitude>, u64)> {
    let (mut stack, scale, outside) = intensities(object, probe, positions, nphotons, pool)?;
    let factor = scale.factor() * scale.factor();
    each(&mut stack, pool, |_, frame| {
        for v in frame {
            *v = narrow_real(f64::from(*v) * factor);
        }
    });
    Ok((Patterns::new(stack), scale, outside))
}

/// Photon counts drawn from their means: pattern `k` from its own stream of `seed`.
pub fn draw_counts(expected: &Patterns<Counts>, seed: u64, pool: &Pool) -> Patterns<Counts> {
    let mut counts = expected.values().as_standard_layout().into_owned();
    each(&mut counts, pool, |k, frame| {
        let mut stream = Stream::new(seed, "photons", k as u64);
        for v in frame {
            *v = narrow_real(stream.poisson(f64::from(*v)));
        }
    });
    Patterns::new(counts)
}

/// The whole measurement: expected counts, photon noise, and the stored amplitude, each in the place of the one
/// before. The result is that of [`expected_counts`], [`draw_counts`], a square root and the scale's way back.
///
/// # Errors
/// As [`expected_counts`].
pub fn simulate(
    object: &ArrayView2<'_, Complex32>,
    probe: &Array2<Complex32>,
    positions: &[Position],
    nphotons: f64,
    seed: u64,
    pool: &Pool,
) -> Result<SimulatedScan> {
    let (mut stack, scale, pixels_outside) = intensities(object, probe, positions, nphotons, pool)?;
    let factor = scale.factor() * scale.factor();
    let back = narrow_real(scale.inverse().factor());
    each(&mut stack, pool, |k, frame| {
        let mut stream = Stream::new(seed, "photons", k as u64);
        for v in frame {
            let mean = narrow_real(f64::from(*v) * factor);
            *v = narrow_real(stream.poisson(f64::from(mean))).sqrt() * back;
        }
    });
    Ok(SimulatedScan {
        patterns: Patterns::new(stack),
        scale,
        pixels_outside,
    })
}

/// Calls `f(k, pattern k)` for every pattern of a contiguous stack, one writer each.
fn each(stack: &mut Array3<f32>, pool: &Pool, f: impl Fn(usize, &mut [f32]) + Sync) {
    let (_, h, w) = stack.dim();
    let frames = stack
        .as_slice_mut()
        .expect("a stack of our own is contiguous");
    pool.run(|| {
        let frames = frames.par_chunks_exact_mut((h * w).max(1)).enumerate();
        frames.for_each(|(k, frame)| f(k, frame));
    });
}

/// Intensities before the scale, `s_sim`, and how many patch pixels were outside the object.
fn intensities(
    object: &ArrayView2<'_, Complex32>,
    probe: &Array2<Complex32>,
    positions: &[Position],
    nphotons: f64,
    pool: &Pool,
) -> Result<(Array3<f32>, Scale<Raw, CountAmplitude>, u64)> {
    let action = "simulating diffraction";
    let n = PatchSize::new(probe.nrows())?.get();
    if probe.dim() != (n, n) {
        let shape = format!("{} x {}", probe.nrows(), probe.ncols());
        return Err(Error::input(action).at("probe").got(shape).need("a square"));
    }
    if positions.is_empty() {
        return Err(Error::input(action)
            .got("no positions")
            .need("at least one"));
    }
    if let Some(k) = positions.iter().position(|p| !p.is_finite()) {
        let p = positions[k];
        return Err(Error::input(action)
            .at(format!("position {k}"))
            .not_finite()
            .got(format!("({}, {})", p.x, p.y))
            .need("finite coordinates"));
    }
    if !(nphotons.is_finite() && nphotons > 0.0) {
        return Err(Error::usage(action)
            .at("`nphotons`")
            .got(nphotons)
            .need("a finite number above zero"));
    }
    let mut stack = Array3::<f32>::zeros((positions.len(), n, n));
    let fft = Fft2::<f64>::new(n);
    let probe = probe.as_standard_layout();
    let probe = probe.as_slice().expect("the standard layout is contiguous");
    let frames = stack.as_slice_mut().expect("a fresh array is contiguous");
    let sums: Vec<(f64, u64)> = pool.run(|| {
        frames
            .par_chunks_exact_mut(n * n)
            .zip(positions)
            .map_init(
                || {
                    let field = vec![Complex::<f64>::default(); n * n];
                    (vec![Complex32::default(); n * n], field, Scratch::default())
                },
                |(seen, field, scratch), (frame, &p)| {
                    let outside = patch(object, single(p), n, seen);
                    let mut sum = 0.0;
                    for (to, (&o, &p)) in field.iter_mut().zip(seen.iter().zip(probe)) {
                        let z = o * p;
                        *to = Complex::new(f64::from(z.re), f64::from(z.im));
                        sum += to.norm_sqr();
                    }
                    to_far_field(&fft, field, scratch);
                    detect(field, n, frame);
                    (sum, outside)
                },
            )
            .collect()
    });
    let mean = sums.iter().map(|s| s.0).sum::<f64>() / positions.len() as f64;
    let outside = sums.iter().map(|s| s.1).sum();
    if !(mean.is_finite() && mean > 0.0) {
        return Err(Error::input(action)
            .at("object under the probe")
            .because_of(mean)
            .got(format!("a mean intensity of {mean}"))
            .need("a finite value above zero"));
    }
    let scale = f64::from(narrow_real((nphotons / mean).sqrt()));
    Ok((stack, Scale::new(scale, "simulation")?, outside))
}

/// Intensities of a far field with DC at the corner, written with DC at `[n/2, n/2]`, `n` even: the quadrants change
/// places, half a row at a time.
fn detect(field: &[Complex<f64>], n: usize, frame: &mut [f32]) {
    let half = n / 2;
    for (u, row) in field.chunks_exact(n).enumerate() {
        let at = (u + half) % n * n;
        let (left, right) = frame[at..at + n].split_at_mut(half);
        let (low, high) = row.split_at(half);
        for (to, from) in right.iter_mut().zip(low).chain(left.iter_mut().zip(high)) {
            *to = narrow_real(intensity(*from, n));
        }
    }
}

/// The position as float32 holds it: the reference cuts its patches there, up to 1.5e-5 pixels away.
pub fn single(p: Position) -> Position {
    Position::new(f64::from(narrow_real(p.x)), f64::from(narrow_real(p.y)))
}

fn narrow(z: Complex<f64>) -> Complex32 {
    Complex32::new(narrow_real(z.re), narrow_real(z.im))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "fields and patterns are float32"
)]
fn narrow_real(v: f64) -> f32 {
    v as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optics::{object, probe, scan};
    use proptest::prelude::*;
    use ptyproof_testkit::compare::{all_finite, zip_eq};

    fn scene(positions: usize) -> (Array2<Complex32>, Array2<Complex32>, Vec<Position>) {
        let mut rng = crate::rng::NumpyLegacy::new(1);
        let object = object::points(96, &mut rng);
        let probe = probe::idealized(PatchSize::new(16).unwrap(), 0.7);
        (
            object,
            probe,
            scan::nongrid((96, 96), positions, 4.0, 2).unwrap(),
        )
    }

    #[test]
    fn mean_dose_equals_the_requested_dose() {
        let (o, p, s) = scene(40);
        let pool = Pool::new(2).unwrap();
        for dose in [1.0, 1e4, 1e9] {
            let (e, _, _) = expected_counts(&o.view(), &p, &s, dose, &pool).unwrap();
            let mean = e.values().iter().map(|&v| f64::from(v)).sum::<f64>() / 40.0;
            // Parseval, to float32's rounding of each pixel and of the scale (twice)
            assert!(
                (mean / dose - 1.0).abs() < 4.0 * f64::from(f32::EPSILON),
                "{mean}"
            );
        }
    }

    #[test]
    fn counts_have_poisson_scatter() {
        let (o, p, s) = scene(20);
        let pool = Pool::new(1).unwrap();
        let (expected, _, _) = expected_counts(&o.view(), &p, &s, 1e6, &pool).unwrap();
        let counts = draw_counts(&expected, 3, &pool);
        // sum of (n - mean)^2 / mean over bright pixels: as many as pixels, within 5 sigma
        assert!(all_finite(expected.values().iter().copied()));
        let (mut chi, mut bright) = (0.0, 0.0);
        for (&n, &m) in zip_eq(counts.values(), expected.values()) {
            if m > 20.0 {
                chi += f64::from(n - m).powi(2) / f64::from(m);
                bright += 1.0;
            }
        }
        assert!(
            bright > 500.0 && (chi - bright).abs() < 5.0 * (2.0f64 * bright).sqrt(),
            "{chi} {bright}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn bits_are_thread_independent(seed in 0u64..1000, count in 1usize..20) {
            let (o, p, s) = scene(count);
            let run = |t| simulate(&o.view(), &p, &s, 1e5, seed, &Pool::new(t).unwrap()).unwrap();
            let (a, b) = (run(1), run(3));
            prop_assert_eq!(&a.patterns, &b.patterns);
            // law: the measurement in place is its steps one after the other
            let pool = Pool::new(2).unwrap();
            let (expected, scale, _) = expected_counts(&o.view(), &p, &s, 1e5, &pool).unwrap();
            let amplitude = draw_counts(&expected, seed, &pool).into_values().mapv(f32::sqrt);
            prop_assert_eq!(scale.inverse().apply(&Patterns::new(amplitude)), a.patterns);
        }
    }

    proptest! {
        #[test]
        fn patch_equals_its_definition(x in -12.0f64..44.0, y in -12.0f64..44.0, half in 2usize..9, whole: bool) {
            // law: every pixel is the sum of its four taps that exist, in order
            let (o, n) = (scene(1).0, 2 * half);
            let o = o.slice(ndarray::s![..32, ..33]);
            let at = if whole { Position::new(x.floor(), y.floor()) } else { Position::new(x, y) };
            let mut out = vec![Complex32::default(); n * n];
            let outside = patch(&o, at, n, &mut out);
            let (ky, fy) = floor_index(at.y).unwrap();
            let (kx, fx) = floor_index(at.x).unwrap();
            let mut count = 0;
            for (k, got) in out.iter().enumerate() {
                let r = ky + (k / n) as isize - half as isize;
                let c = kx + (k % n) as isize - half as isize;
                let mut z = Complex::new(0.0, 0.0);
                for (i, w) in [(1.0 - fy) * (1.0 - fx), (1.0 - fy) * fx, fy * (1.0 - fx), fy * fx].iter().enumerate() {
                    let (r, c) = (r + (i / 2) as isize, c + (i % 2) as isize);
                    if (0..32).contains(&r) && (0..33).contains(&c) {
                        let v = o[[r.unsigned_abs(), c.unsigned_abs()]];
                        z += Complex::new(f64::from(v.re), f64::from(v.im)) * *w;
                    } else if i == 0 {
                        count += 1;
                    }
                }
                prop_assert_eq!(*got, narrow(z));
            }
            prop_assert_eq!(outside, count);
        }
    }

    #[test]
    fn patch_beyond_the_edge_is_zero_filled_and_counted() {
        let o = Array2::from_elem((32, 32), Complex32::new(1.0, 0.0));
        let mut out = vec![Complex32::default(); 64];
        assert_eq!(patch(&o.view(), Position::new(16.0, 16.0), 8, &mut out), 0);
        assert_eq!(patch(&o.view(), Position::new(0.0, 16.0), 8, &mut out), 32);
        assert_eq!(out.iter().filter(|z| z.re == 0.0).count(), 32);
    }

    #[test]
    fn invalid_simulation_is_refused() {
        let (o, p, s) = scene(2);
        let pool = Pool::new(1).unwrap();
        let dark = Array2::zeros((96, 96));
        let text = |r: Result<_>| {
            r.map(|_: (Patterns<Counts>, _, u64)| ())
                .unwrap_err()
                .to_string()
        };
        assert!(text(expected_counts(&dark.view(), &p, &s, 1e4, &pool)).contains("above zero"));
        assert!(text(expected_counts(&o.view(), &p, &[], 1e4, &pool)).contains("no positions"));
        assert!(text(expected_counts(&o.view(), &p, &s, f64::NAN, &pool)).contains("`nphotons`"));
        let nan = [Position::new(1.0, f64::NAN)];
        assert!(text(expected_counts(&o.view(), &p, &nan, 1e4, &pool)).contains("position 0"));
    }
}
