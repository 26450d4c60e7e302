//! Figures without a ground truth: predicted against measured amplitude on the detector.
//!
//! *Conventions.* `F` is the far field of the reconstruction, `|F| = sqrt(sum_m |F_m|^2)` over probe modes, `A` the
//! measured amplitude; sums run over good pixels of all compared patterns. One factor on `|F|` is fitted, `c = sum A |F| /
//! sum |F|^2`, and stated: object and probe are only known up to it. `r_factor = sum |c|F| - A| / sum A`, `residual =
//! sqrt(sum (c|F| - A)^2 / sum A^2)`. A pattern is compared if nearly all of its illumination is on known object pixels.
//! Zero patterns are excluded. `known` is the share of compared patterns among the others in the center of the scan: an
//! object that was stitched from small patches does not reach the edge of the illumination. If it is below
//! `known_at_least`, or fewer than half of all patterns are compared, every figure is NaN.
//!
//! *Law.* A ground truth predicts its patterns; a factor on object or probe changes only `c`.

use ndarray::Array2;
use num_complex::Complex32;
use rayon::prelude::*;
use serde::Serialize;

use super::region::middle;
use crate::json::Real;
use crate::judgment::Judgment;
use crate::par::Pool;
use crate::solve::canvas::cut;
use crate::solve::{Estimate, Problem};
use ptyproof_kernels::fft::{Fft2, Scratch};

/// Minimum share of the illumination of a pattern on known object pixels.
const MIN_KNOWN_INTENSITY_SHARE: f64 = 0.95;
/// Minimum share of the non-zero patterns that must be compared.
const MIN_PATTERN_SHARE: f64 = 0.5;
/// Maximum number of listed worst patterns.
const MAX_LISTED_PATTERNS: usize = 5;

/// On the detector.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetectorFit {
    /// Patterns that count.
    pub patterns: usize,
    /// Zero patterns, excluded.
    pub dark: usize,
    /// The share of compared patterns among the non-zero ones in the center of the scan.
    pub known: Real,
    /// The share below which all figures are NaN.
    pub known_at_least: Real,
    /// Patterns whose illumination is on unknown object pixels or outside the canvas.
    pub left_out: usize,
    /// The factor on `|F|`.
    pub scale: Real,
    /// `sum |c|F| - A| / sum A`.
    pub r_factor: Real,
    /// `sqrt(sum (c|F| - A)^2 / sum A^2)`.
    pub residual: Real,
    /// The residual with `c = 1`: much larger if a scale was lost.
    pub residual_as_is: Real,
    /// Mean of `4 (c|F| - A)^2`: 1 is photon noise, if amplitudes are square roots of photon counts.
    pub chi_square: Real,
    /// The patterns that are explained worst, and their residuals.
    pub worst: Vec<(usize, Real)>,
    /// The residual of each pattern; null where it does not count.
    pub per_pattern: Vec<Option<Real>>,
}

impl DetectorFit {
    /// Whether enough patterns count for figures.
    pub fn is_known(&self) -> bool {
        enough(
            [self.patterns, self.patterns + self.left_out],
            self.known.get(),
            self.known_at_least.get(),
        )
    }

    /// Whether its figures could be taken, are finite, and explain more than a dark object: the residual of that is 1.
    pub fn judgment(&self) -> Judgment {
        Judgment::at_most(self.residual.get(), 1.0, self.is_known())
    }
}

/// Sums over one pattern.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    predicted: f64,
    both: f64,
    measured: f64,
    amplitude: f64,
}

struct Buffers {
    patch: Vec<Complex32>,
    wave: Vec<Complex32>,
    far: Vec<f64>,
    scratch: Scratch<f32>,
}

/// Whether enough of all non-zero patterns, and enough of the central ones, are compared.
fn enough([patterns, all]: [usize; 2], share: f64, least: f64) -> bool {
    patterns > 0 && share >= least && patterns as f64 >= least.min(MIN_PATTERN_SHARE) * all as f64
}

/// The share of compared patterns among the non-zero ones whose centers are in the center of the scan; among all, if none
/// are.
fn share_in_the_middle(problem: &Problem, lights: &[bool], counted: &[Option<Sums>]) -> f64 {
    let (frame, lit) = (problem.frame, |k: &usize| lights[*k]);
    let [top, bottom, left, right] =
        middle(&problem.positions, problem.n, [frame.rows, frame.cols]);
    let within = |v: f64, low: usize, high: usize| v >= low as f64 && v < high as f64;
    let inside = |k: &usize| {
        let p = problem.positions[*k];
        within(p.y, top, bottom) && within(p.x, left, right)
    };
    let mut expected: Vec<usize> = (0..problem.len()).filter(lit).filter(inside).collect();
    if expected.is_empty() {
        expected = (0..problem.len()).filter(lit).collect();
    }
    let count = expected.iter().filter(|k| counted[**k].is_some()).count();
    count as f64 / expected.len().max(1) as f64
}

/// Compares prediction and measurement; `known`: which pixels of the canvas. `None` if all patterns are dark.
///
/// If fewer than `known_at_least` of the non-zero patterns are compared, all figures are NaN.
pub fn on_detector(
    problem: &Problem,
    estimate: &Estimate,
    known: &Array2<bool>,
    known_at_least: f64,
    pool: &Pool,
) -> Option<DetectorFit> {
    let (n, area) = (problem.n, problem.area());
    let fft = Fft2::<f32>::new(n);
    let lit = known.mapv(|k| Complex32::from(f32::from(u8::from(k))));
    let illumination: Vec<f64> = (0..area)
        .map(|k| {
            let modes = estimate.probes.chunks_exact(area);
            modes.map(|m| f64::from(m[k].norm_sqr())).sum()
        })
        .collect();
    let total: f64 = illumination.iter().sum();
    let buffers = || Buffers {
        patch: vec![Complex32::ZERO; area],
        wave: vec![Complex32::ZERO; area],
        far: vec![0.0; area],
        scratch: Scratch::default(),
    };
    let lights: Vec<bool> = (0..problem.len()).map(|k| problem.has_light(k)).collect();
    let expected = lights.iter().filter(|l| **l).count();
    if expected == 0 {
        return None;
    }
    // |F| of pattern k into `far`, if its illumination is on known pixels
    let predict = |b: &mut Buffers, k: usize| {
        if !lights[k] {
            return None;
        }
        let at = estimate.placement(k, n)?;
        cut(&lit, at, n, &mut b.patch);
        let on: f64 = illumination
            .iter()
            .zip(&b.patch)
            .map(|(l, p)| l * f64::from(p.re))
            .sum();
        if !(on >= MIN_KNOWN_INTENSITY_SHARE * total && total > 0.0) {
            return None;
        }
        cut(&estimate.object, at, n, &mut b.patch);
        b.far.fill(0.0);
        for probe in estimate.probes.chunks_exact(area) {
            for ((w, p), o) in b.wave.iter_mut().zip(probe).zip(&b.patch) {
                *w = p * o;
            }
            fft.forward(&mut b.wave, &mut b.scratch);
            for (f, w) in b.far.iter_mut().zip(&b.wave) {
                *f += f64::from(w.norm_sqr());
            }
        }
        b.far.iter_mut().for_each(|f| *f = f.sqrt() / n as f64);
        Some(())
    };
    let believed = |b: &Buffers, k: usize, f: &mut dyn FnMut(f64, f64)| {
        let pairs = b.far.iter().zip(problem.pattern(k)).zip(&problem.good);
        for ((p, a), _) in pairs.filter(|(_, good)| **good) {
            f(*p, f64::from(*a));
        }
    };
    let each = |one: &(dyn Fn(&mut Buffers, usize) -> Sums + Sync)| -> Vec<Option<Sums>> {
        pool.run(|| {
            let all = (0..problem.len()).into_par_iter();
            all.map_init(buffers, |b, k| predict(b, k).map(|()| one(b, k)))
                .collect()
        })
    };
    let sums = each(&|b, k| {
        let mut s = Sums::default();
        believed(b, k, &mut |p, a| {
            s.predicted += p * p;
            s.both += p * a;
            s.measured += a * a;
            s.amplitude += a;
        });
        s
    });
    let over = |of: fn(&Sums) -> f64| sums.iter().flatten().map(of).sum::<f64>();
    let (predicted, both) = (over(|s| s.predicted), over(|s| s.both));
    let (measured, amplitude) = (over(|s| s.measured), over(|s| s.amplitude));
    let patterns = sums.iter().flatten().count();
    let share = share_in_the_middle(problem, &lights, &sums);
    // of nothing, or too little, no factor is fitted
    let scale = if enough([patterns, expected], share, known_at_least) {
        both / predicted
    } else {
        f64::NAN
    };
    // of a pattern: `predicted` is now the squared error, `amplitude` the absolute one
    let errors = each(&|b, k| {
        let mut s = Sums::default();
        believed(b, k, &mut |p, a| {
            let e = scale * p - a;
            s.predicted += e * e;
            s.amplitude += e.abs();
            s.measured += a * a;
        });
        s
    });
    let squared: f64 = errors.iter().flatten().map(|s| s.predicted).sum();
    let absolute: f64 = errors.iter().flatten().map(|s| s.amplitude).sum();
    let residual = |s: &Option<Sums>| s.map(|s| (s.predicted / s.measured).sqrt());
    let own: Vec<Option<f64>> = errors.iter().map(residual).collect();
    let mut order: Vec<(usize, f64)> = (own.iter().enumerate())
        .filter_map(|(k, r)| Some((k, (*r)?)))
        .collect();
    // largest first, after the non-finite ones
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let believed_pixels = problem.good.iter().filter(|g| **g).count() * patterns;
    let as_is = measured - 2.0 * both + predicted;
    Some(DetectorFit {
        patterns,
        dark: problem.len() - expected,
        known: Real(share),
        known_at_least: Real(known_at_least),
        left_out: expected - patterns,
        scale: Real(scale),
        r_factor: Real(absolute / amplitude),
        residual: Real((squared / measured).sqrt()),
        // rounding may take it below zero; NaN stays NaN
        residual_as_is: Real(if scale.is_nan() || as_is.is_nan() {
            f64::NAN
        } else {
            (as_is.max(0.0) / measured).sqrt()
        }),
        chi_square: Real(4.0 * squared / believed_pixels as f64),
        worst: (order.iter().take(MAX_LISTED_PATTERNS))
            .map(|&(k, r)| (k, Real(r)))
            .collect(),
        per_pattern: own.into_iter().map(|r| r.map(Real)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Position;
    use crate::solve::problem::Frame;
    use proptest::prelude::*;
    use ptyproof_testkit::tolerance::{F32_FFT_64, F32_STEPS_16, assert_close, assert_within};

    /// Nine positions over a wavy object, and a probe; the patterns are those that a truth predicts.
    fn scene() -> (Problem, Estimate) {
        let n = 16;
        let object = Array2::from_shape_fn((40, 40), |(r, c)| {
            let (y, x) = (r as f32 / 4.0, c as f32 / 5.0);
            Complex32::from_polar(1.0 + 0.3 * y.sin(), 0.5 * (x + y).cos())
        });
        let probes: Vec<Complex32> = (0..n * n)
            .map(|k| {
                let [y, x] = [k / n, k % n].map(|v| v as f32 - 8.0);
                Complex32::from_polar(30.0 * (-(y * y + x * x) / 18.0).exp(), 0.02 * y * x)
            })
            .collect();
        let positions: Vec<Position> = (0..9)
            .map(|k| Position::new(14.0 + 6.0 * f64::from(k % 3), 14.0 + 6.0 * f64::from(k / 3)))
            .collect();
        let estimate = Estimate {
            object,
            probes,
            positions: positions.clone(),
        };
        let fft = Fft2::<f32>::new(n);
        let mut amplitude = Vec::new();
        for k in 0..9 {
            let mut wave = vec![Complex32::ZERO; n * n];
            cut(
                &estimate.object,
                estimate.placement(k, n).unwrap(),
                n,
                &mut wave,
            );
            wave.iter_mut()
                .zip(&estimate.probes)
                .for_each(|(w, p)| *w *= p);
            fft.forward(&mut wave, &mut Scratch::default());
            amplitude.extend(wave.iter().map(|z| z.norm() / n as f32));
        }
        let problem = Problem {
            n,
            amplitude,
            positions,
            frame: Frame {
                top: 0,
                left: 0,
                rows: 40,
                cols: 40,
            },
            good: vec![true; n * n],
            power: 1.0,
        };
        (problem, estimate)
    }

    #[test]
    fn patterns_on_unknown_pixels_are_excluded() {
        let (mut problem, estimate) = scene();
        let pool = Pool::new(1).unwrap();
        let half = Array2::from_shape_fn((40, 40), |(_, c)| c < 21);
        let of = |problem: &Problem, known: &Array2<bool>, least| {
            on_detector(problem, &estimate, known, least, &pool)
        };
        let found = of(&problem, &half, 0.0).unwrap();
        assert_eq!((found.patterns, found.left_out, found.dark), (3, 6, 0));
        assert!(found.per_pattern[1].is_none());
        assert_within!(found.per_pattern[0].unwrap().get(), F32_STEPS_16);
        // the one in the middle does not count
        assert!(found.known.get() == 0.0 && found.is_known());
        // the rim may be unknown where the middle is known, if not most is
        let most = Array2::from_shape_fn((40, 40), |(_, c)| c < 27);
        let found = of(&problem, &most, 0.99).unwrap();
        assert_eq!((found.patterns, found.known), (6, Real(1.0)));
        assert!(found.is_known());
        assert_within!(found.residual.get(), F32_STEPS_16);
        let center = Array2::from_shape_fn((40, 40), |(r, c)| {
            (11..29).contains(&r) && (11..29).contains(&c)
        });
        // too little is not enough, and nothing never is
        for (known, least) in [(&half, 0.99), (&center, 0.99), (&half.mapv(|_| false), 0.0)] {
            let found = of(&problem, known, least).unwrap();
            let figures = [
                found.r_factor,
                found.residual,
                found.chi_square,
                found.scale,
            ];
            assert!(figures.iter().all(|f| f.get().is_nan()), "{found:?}");
            assert!(!found.is_known());
        }
        // a pattern that is another's is the worst
        let (a, b) = problem.amplitude.split_at_mut(256 * 5);
        b[..256].copy_from_slice(&a[..256]);
        let whole = half.mapv(|_| true);
        let found = of(&problem, &whole, 0.99).unwrap();
        assert_eq!(found.worst[0].0, 5);
        // a zero pattern is excluded, counted, and changes nothing
        problem.amplitude[256 * 5..256 * 6].fill(0.0);
        let found = of(&problem, &whole, 0.99).unwrap();
        assert_eq!((found.patterns, found.dark, found.known), (8, 1, Real(1.0)));
        assert!(found.per_pattern[5].is_none());
        assert_within!(found.residual.get(), F32_STEPS_16);
        problem.amplitude.fill(0.0);
        assert!(of(&problem, &whole, 0.99).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn ground_truth_predicts_its_patterns_up_to_a_factor(factor in 0.1f32..8.0, threads in 1usize..4) {
            let (problem, mut estimate) = scene();
            estimate.object.mapv_inplace(|z| z * factor);
            let known = Array2::from_elem((40, 40), true);
            let found = on_detector(&problem, &estimate, &known, 0.99, &Pool::new(threads)?).unwrap();
            assert_close!(found.scale.get() * f64::from(factor), 1.0, F32_STEPS_16);
            // float32 fields, a transform of 256 values
            assert_within!(found.residual.get(), F32_STEPS_16, "{found:?}");
            assert_within!(found.r_factor.get(), F32_STEPS_16, "{found:?}");
            let lost = (f64::from(factor) - 1.0).abs();
            assert_close!(found.residual_as_is.get(), lost, F32_FFT_64.or_relative());
        }

        #[test]
        fn masked_pixels_are_excluded(pixel in 0usize..256) {
            let (mut problem, estimate) = scene();
            let known = Array2::from_elem((40, 40), true);
            for pattern in problem.amplitude.chunks_exact_mut(256) {
                pattern[pixel] += 500.0;
            }
            let pool = Pool::new(1)?;
            prop_assert!(on_detector(&problem, &estimate, &known, 0.99, &pool).unwrap().residual.get() > 0.1);
            problem.good[pixel] = false;
            let found = on_detector(&problem, &estimate, &known, 0.99, &pool).unwrap();
            assert_within!(found.residual.get(), F32_STEPS_16);
        }
    }
}
