//! Figures that need no truth: what object and probe predict on the detector, against what was measured there.
//!
//! *Conventions.* `F` is the far field of the reconstruction, `|F| = sqrt(sum_m |F_m|^2)` over probe modes, `A` the measured
//! amplitude; sums run over believed pixels of all patterns that count. One factor on `|F|` is fitted, `c = sum A |F| / sum |F|^2`,
//! and stated: object and probe are only known up to it. `r_factor = sum |c|F| - A| / sum A`, `residual = sqrt(sum (c|F| - A)^2 / sum A^2)`.
//! A pattern counts if nearly all of its light falls on what is known of the object.
//!
//! *Law.* A truth explains its own patterns; a factor on object or probe moves nothing but `c`.

use ndarray::Array2;
use num_complex::Complex32;
use rayon::prelude::*;
use serde::Serialize;

use crate::ground::json::{Real, reals};
use crate::ground::par::Pool;
use crate::kernel::fft::{Fft2, Scratch};
use crate::solve::canvas::cut;
use crate::solve::{Estimate, Problem};

/// Share of a pattern's light that must fall on known object.
const LIT: f64 = 0.95;
/// Of the worst patterns, so many are named.
const WORST: usize = 5;

/// On the detector.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OnDetector {
    /// Patterns that count.
    pub patterns: usize,
    /// Patterns whose light falls on what is not known of the object, or off the canvas.
    pub left_out: usize,
    /// The factor on `|F|`.
    pub scale: Real,
    /// `sum |c|F| - A| / sum A`.
    pub r_factor: Real,
    /// `sqrt(sum (c|F| - A)^2 / sum A^2)`.
    pub residual: Real,
    /// The same with `c = 1`: far more where a scale was lost.
    pub residual_as_is: Real,
    /// Mean of `4 (c|F| - A)^2`: 1 is photon noise, if amplitudes are square roots of photon counts.
    pub chi_square: Real,
    /// The patterns that are explained worst, and their residuals.
    pub worst: Vec<(usize, Real)>,
    /// The residual of each pattern; NaN where it does not count.
    pub per_pattern: Vec<Real>,
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

/// Compares prediction and measurement; `known`: which pixels of the canvas. `None` if no pattern counts, or all are dark.
pub fn on_detector(
    problem: &Problem,
    estimate: &Estimate,
    known: &Array2<bool>,
    pool: &Pool,
) -> Option<OnDetector> {
    let (n, area) = (problem.n, problem.area());
    let fft = Fft2::<f32>::new(n);
    let lit = known.mapv(|k| Complex32::from(f32::from(u8::from(k))));
    let light: Vec<f64> = (0..area)
        .map(|k| {
            let modes = estimate.probes.chunks_exact(area);
            modes.map(|m| f64::from(m[k].norm_sqr())).sum()
        })
        .collect();
    let total: f64 = light.iter().sum();
    let buffers = || Buffers {
        patch: vec![Complex32::ZERO; area],
        wave: vec![Complex32::ZERO; area],
        far: vec![0.0; area],
        scratch: Scratch::default(),
    };
    // |F| of pattern k into `far`, if its light falls on what is known
    let predict = |b: &mut Buffers, k: usize| {
        let at = estimate.placement(k, n)?;
        cut(&lit, at, n, &mut b.patch);
        let on: f64 = light
            .iter()
            .zip(&b.patch)
            .map(|(l, p)| l * f64::from(p.re))
            .sum();
        if !(on >= LIT * total && total > 0.0) {
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
    let scale = both / predicted;
    if patterns == 0 || !(scale.is_finite() && measured > 0.0) {
        return None;
    }
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
    let residual = |s: &Option<Sums>| s.map_or(f64::NAN, |s| (s.predicted / s.measured).sqrt());
    let own: Vec<f64> = errors.iter().map(residual).collect();
    let mut order: Vec<usize> = (0..own.len()).filter(|k| own[*k].is_finite()).collect();
    order.sort_by(|a, b| own[*b].total_cmp(&own[*a]).then(a.cmp(b)));
    let believed_pixels = problem.good.iter().filter(|g| **g).count() * patterns;
    let as_is = measured - 2.0 * both + predicted;
    Some(OnDetector {
        patterns,
        left_out: problem.len() - patterns,
        scale: Real(scale),
        r_factor: Real(absolute / amplitude),
        residual: Real((squared / measured).sqrt()),
        residual_as_is: Real((as_is.max(0.0) / measured).sqrt()),
        chi_square: Real(4.0 * squared / believed_pixels as f64),
        worst: order
            .iter()
            .take(WORST)
            .map(|&k| (k, Real(own[k])))
            .collect(),
        per_pattern: reals(own),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::geometry::Position;
    use crate::solve::problem::Frame;
    use proptest::prelude::*;

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
    fn patterns_on_what_is_not_known_do_not_count() {
        let (mut problem, estimate) = scene();
        let pool = Pool::new(1).unwrap();
        let half = Array2::from_shape_fn((40, 40), |(_, c)| c < 21);
        let found = on_detector(&problem, &estimate, &half, &pool).unwrap();
        assert_eq!((found.patterns, found.left_out), (3, 6));
        assert!(found.per_pattern[1].get().is_nan() && found.per_pattern[0].get() < 1e-6);
        assert!(on_detector(&problem, &estimate, &half.mapv(|_| false), &pool).is_none());
        // a pattern that is another's is the worst
        let (a, b) = problem.amplitude.split_at_mut(256 * 5);
        b[..256].copy_from_slice(&a[..256]);
        let found = on_detector(&problem, &estimate, &half.mapv(|_| true), &pool).unwrap();
        assert_eq!(found.worst[0].0, 5);
        problem.amplitude.fill(0.0);
        assert!(on_detector(&problem, &estimate, &half.mapv(|_| true), &pool).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn a_truth_explains_its_patterns_up_to_one_factor(factor in 0.1f32..8.0, threads in 1usize..4) {
            let (problem, mut estimate) = scene();
            estimate.object.mapv_inplace(|z| z * factor);
            let known = Array2::from_elem((40, 40), true);
            let found = on_detector(&problem, &estimate, &known, &Pool::new(threads)?).unwrap();
            prop_assert!((found.scale.get() * f64::from(factor) - 1.0).abs() < 1e-6);
            // float32 fields, a transform of 256 values
            prop_assert!(found.residual.get() < 1e-6 && found.r_factor.get() < 1e-6, "{found:?}");
            let lost = (f64::from(factor) - 1.0).abs();
            prop_assert!((found.residual_as_is.get() - lost).abs() < 1e-5 * (1.0 + lost));
        }

        #[test]
        fn what_the_mask_hides_does_not_count(pixel in 0usize..256) {
            let (mut problem, estimate) = scene();
            let known = Array2::from_elem((40, 40), true);
            for pattern in problem.amplitude.chunks_exact_mut(256) {
                pattern[pixel] += 500.0;
            }
            let pool = Pool::new(1)?;
            prop_assert!(on_detector(&problem, &estimate, &known, &pool).unwrap().residual.get() > 0.1);
            problem.good[pixel] = false;
            prop_assert!(on_detector(&problem, &estimate, &known, &pool).unwrap().residual.get() < 1e-6);
        }
    }
}
