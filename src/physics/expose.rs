//! From an object, a probe and a scan to what a detector counts.
//!
//! Expected intensity and photon noise are separate steps: [`expected_counts`] has no randomness,
//! [`draw_counts`] nothing else. `patch[i, j] = O(y + i - N/2, x + j - N/2)`, bilinear, zero outside the
//! object; `psi = P * patch`; the intensity is `|FFT2(s psi)|^2 / N^2`, DC at `[N/2, N/2]`, where `s` makes
//! the mean number of photons per pattern the one asked for. Positions are rounded to float32 first, as
//! the reference does.
//!
//! *Source.* Reference description, section d.

use ndarray::{Array2, Array3, ArrayView2, Axis};
use num_complex::{Complex, Complex32};
use rayon::prelude::*;

use super::propagate::{intensity, pixels, to_far_field};
use crate::data::domain::{CountAmplitude, Counts, Patterns, Raw, Scale};
use crate::error::{Error, Result};
use crate::ground::geometry::{PatchSize, Position, floor_index};
use crate::ground::par::Pool;
use crate::ground::rng::Stream;
use crate::kernel::fft::{Fft2, Scratch};

/// What a simulation gives.
#[derive(Debug, Clone)]
pub struct Exposure {
    /// Mean photons per pixel, without noise.
    pub expected: Patterns<Counts>,
    /// Photons counted.
    pub counts: Patterns<Counts>,
    /// What is stored: the amplitude of the counts, divided by [`Exposure::scale`].
    pub patterns: Patterns<Raw>,
    /// From the stored amplitude to the amplitude of the counts, `s_sim`.
    pub scale: Scale<Raw, CountAmplitude>,
    /// Patch pixels that lay outside the object and were taken as zero.
    pub pixels_outside: u64,
}

/// The part of the object that lands on a pattern's pixels when the probe is at `position`: bilinear,
/// zero outside. Returns how many of its pixels lie outside the object.
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
    let (rows, cols) = (object.dim().0 as isize, object.dim().1 as isize);
    let at = |r: isize, c: isize| -> Option<Complex<f64>> {
        let inside = (0..rows).contains(&r) && (0..cols).contains(&c);
        let z = inside.then(|| object[[r.unsigned_abs(), c.unsigned_abs()]])?;
        Some(Complex::new(f64::from(z.re), f64::from(z.im)))
    };
    let mut outside = 0;
    for (k, to) in out.iter_mut().enumerate() {
        let r = ky + (k / n) as isize - half;
        let c = kx + (k % n) as isize - half;
        let taps = [
            (at(r, c), (1.0 - fy) * (1.0 - fx)),
            (at(r, c + 1), (1.0 - fy) * fx),
            (at(r + 1, c), fy * (1.0 - fx)),
            (at(r + 1, c + 1), fy * fx),
        ];
        outside += u64::from(taps[0].0.is_none());
        let z: Complex<f64> = taps.iter().filter_map(|(z, w)| z.map(|z| z * w)).sum();
        *to = narrow(z);
    }
    outside
}

/// Mean photons per pixel for every position, and `s_sim`.
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
            .got(format!("({}, {})", p.x, p.y))
            .need("finite coordinates"));
    }
    if !(nphotons.is_finite() && nphotons > 0.0) {
        return Err(Error::usage(action)
            .at("--nphotons")
            .got(nphotons)
            .need("a finite number above zero"));
    }
    // unscaled intensities first; their mean sum gives the scale
    let mut stack = Array3::<f32>::zeros((positions.len(), n, n));
    let fft = Fft2::<f64>::new(n);
    let frames = stack.as_slice_mut().expect("a fresh array is contiguous");
    let sums: Vec<(f64, u64)> = pool.run(|| {
        frames
            .par_chunks_exact_mut(n * n)
            .zip(positions)
            .map_init(
                || {
                    (
                        vec![Complex32::default(); n * n],
                        Vec::new(),
                        Scratch::default(),
                    )
                },
                |(patch_of, field, scratch), (frame, &p)| {
                    let outside = patch(object, single(p), n, patch_of);
                    field.clear();
                    field.extend(patch_of.iter().zip(probe).map(|(&o, &p)| {
                        let z = o * p;
                        Complex::new(f64::from(z.re), f64::from(z.im))
                    }));
                    let sum: f64 = field.iter().map(Complex::norm_sqr).sum();
                    to_far_field(&fft, field, scratch);
                    for (corner, centred) in pixels(n) {
                        frame[centred] = narrow_real(intensity(field[corner], n));
                    }
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
            .got(format!("a mean intensity of {mean}"))
            .need("a finite one above zero"));
    }
    let scale = f64::from(narrow_real((nphotons / mean).sqrt()));
    let factor = scale * scale;
    stack.mapv_inplace(|v| narrow_real(f64::from(v) * factor));
    Ok((
        Patterns::new(stack),
        Scale::new(scale, "simulation")?,
        outside,
    ))
}

/// Photon counts drawn from their means: pattern `k` from its own stream of `seed`.
pub fn draw_counts(expected: &Patterns<Counts>, seed: u64, pool: &Pool) -> Patterns<Counts> {
    let mut counts = expected.values().clone();
    pool.run(|| {
        counts
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .enumerate()
            .for_each(|(k, mut frame)| {
                let mut stream = Stream::new(seed, "photons", k as u64);
                frame.mapv_inplace(|mean| narrow_real(stream.poisson(f64::from(mean))));
            });
    });
    Patterns::new(counts)
}

/// The whole measurement: expected counts, photon noise, and the stored amplitude.
///
/// # Errors
/// As [`expected_counts`].
pub fn expose(
    object: &ArrayView2<'_, Complex32>,
    probe: &Array2<Complex32>,
    positions: &[Position],
    nphotons: f64,
    seed: u64,
    pool: &Pool,
) -> Result<Exposure> {
    let (expected, scale, pixels_outside) =
        expected_counts(object, probe, positions, nphotons, pool)?;
    let counts = draw_counts(&expected, seed, pool);
    let amplitude = Patterns::<CountAmplitude>::new(counts.values().mapv(f32::sqrt));
    let patterns = scale.inverse().apply(&amplitude);
    Ok(Exposure {
        expected,
        counts,
        patterns,
        scale,
        pixels_outside,
    })
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
    use crate::specimen::{object, probe, scan};
    use proptest::prelude::*;

    fn scene(positions: usize) -> (Array2<Complex32>, Array2<Complex32>, Vec<Position>) {
        let mut rng = crate::ground::rng::NumpyLegacy::new(1);
        let object = object::points(96, &mut rng);
        let probe = probe::idealized(PatchSize::new(16).unwrap(), 0.7);
        (
            object,
            probe,
            scan::nongrid((96, 96), positions, 4.0, 2).unwrap(),
        )
    }

    #[test]
    fn the_mean_dose_is_the_one_asked_for() {
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
    fn counts_scatter_about_their_means() {
        let (o, p, s) = scene(20);
        let pool = Pool::new(1).unwrap();
        let x = expose(&o.view(), &p, &s, 1e6, 3, &pool).unwrap();
        // sum of (n - mean)^2 / mean over bright pixels: as many as pixels, within 5 sigma
        let (mut chi, mut bright) = (0.0, 0.0);
        for (&n, &m) in x.counts.values().iter().zip(x.expected.values()) {
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
        fn threads_change_no_bit(seed in 0u64..1000, count in 1usize..20) {
            let (o, p, s) = scene(count);
            let run = |t| expose(&o.view(), &p, &s, 1e5, seed, &Pool::new(t).unwrap()).unwrap();
            let (a, b) = (run(1), run(3));
            prop_assert_eq!(a.counts, b.counts);
            prop_assert_eq!(a.patterns, b.patterns);
        }
    }

    #[test]
    fn a_position_at_the_edge_sees_zeros_and_says_how_many() {
        let o = Array2::from_elem((32, 32), Complex32::new(1.0, 0.0));
        let mut out = vec![Complex32::default(); 64];
        assert_eq!(patch(&o.view(), Position::new(16.0, 16.0), 8, &mut out), 0);
        assert_eq!(patch(&o.view(), Position::new(0.0, 16.0), 8, &mut out), 32);
        assert_eq!(out.iter().filter(|z| z.re == 0.0).count(), 32);
    }

    #[test]
    fn what_cannot_be_simulated_is_refused() {
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
        assert!(text(expected_counts(&o.view(), &p, &s, f64::NAN, &pool)).contains("--nphotons"));
        let nan = [Position::new(1.0, f64::NAN)];
        assert!(text(expected_counts(&o.view(), &p, &nan, 1e4, &pool)).contains("position 0"));
    }
}
