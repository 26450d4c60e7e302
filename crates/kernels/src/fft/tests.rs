//! The laws of the transform: the definition, energy, adjointness, shifts; of its float32 form also
//! one set of bits and exact darkness.

use super::*;
use crate::testing::on_threads;
use proptest::prelude::*;
use ptyproof_testkit::compare::zip_eq;
use ptyproof_testkit::tolerance::{F64_STEPS_8, F64_STEPS_512, assert_close, assert_within};

/// The definition, in O(n^4): the oracle of the fast transform.
fn naive(f: &[Complex<f64>], n: usize, sign: f64) -> Vec<Complex<f64>> {
    let mut out = vec![Complex::new(0.0, 0.0); n * n];
    for u in 0..n {
        for v in 0..n {
            for i in 0..n {
                for j in 0..n {
                    let turn = ((u * i + v * j) % n) as f64 / n as f64;
                    let w = Complex::from_polar(1.0, sign * std::f64::consts::TAU * turn);
                    out[u * n + v] += f[i * n + j] * w;
                }
            }
        }
    }
    out
}

fn image(n: usize, seed: u64) -> Vec<Complex<f64>> {
    // a fixed irrational rotation: dense, bounded, no generator needed
    (0..n * n)
        .map(|k| {
            let t = (k as f64 + 1.0) * (seed as f64 + 0.618033988749895);
            Complex::new((t * 1.7).sin(), (t * 2.3).cos())
        })
        .collect()
}

fn rel(a: &[Complex<f64>], b: &[Complex<f64>]) -> f64 {
    let d: f64 = zip_eq(a, b).map(|(x, y)| (x - y).norm_sqr()).sum();
    let s: f64 = b.iter().map(Complex::norm_sqr).sum();
    (d / s).sqrt()
}

#[test]
fn naive_fft_matches_closed_forms() {
    // f = [[1, 2], [3, 4]]: sums 10, -2 (columns), -4 (rows), 0
    let f: Vec<_> = [1.0, 2.0, 3.0, 4.0].map(|x| Complex::new(x, 0.0)).to_vec();
    let want = [10.0, -2.0, -4.0, 0.0].map(|x| Complex::new(x, 0.0));
    assert_within!(rel(&naive(&f, 2, -1.0), &want), F64_STEPS_8);
}

#[test]
fn fast_fft_equals_naive_fft() {
    for n in [1, 2, 3, 4, 6, 8, 15, 16, 17] {
        let f = image(n, 3);
        let (fft, mut s) = (Fft2::new(n), Scratch::default());
        let mut g = f.clone();
        fft.forward(&mut g, &mut s);
        // eps * log2(n^2) is the FFT's error growth; the naive sum's own error dominates: n eps
        let tol = 8.0 * f64::EPSILON * (n * n) as f64;
        assert!(rel(&g, &naive(&f, n, -1.0)) < tol, "n = {n}");
        fft.inverse(&mut g, &mut s);
        let back: Vec<_> = g.iter().map(|z| z / (n * n) as f64).collect();
        assert!(rel(&back, &f) < tol, "n = {n}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn energy_is_conserved(n in 2usize..40, seed in 0u64..1000) {
        // Parseval: |F|^2 = n^2 |f|^2
        let f = image(n, seed);
        let mut g = f.clone();
        Fft2::new(n).forward(&mut g, &mut Scratch::default());
        let (a, b): (f64, f64) =
            (f.iter().map(Complex::norm_sqr).sum(), g.iter().map(Complex::norm_sqr).sum());
        assert_close!(b / (n * n) as f64, a, F64_STEPS_512.as_relative());
    }

    #[test]
    fn shift_is_a_phase_ramp(n in 2usize..32, dy in 0usize..32, dx in 0usize..32) {
        // F(f(. - d))[u, v] = exp(-2 pi i (u dy + v dx) / n) F(f)[u, v]
        let f = image(n, 7);
        let (fft, mut s) = (Fft2::new(n), Scratch::default());
        let mut moved = vec![Complex::new(0.0, 0.0); n * n];
        for r in 0..n {
            for c in 0..n {
                moved[(r + dy) % n * n + (c + dx) % n] = f[r * n + c];
            }
        }
        let mut g = f;
        fft.forward(&mut g, &mut s);
        fft.forward(&mut moved, &mut s);
        for u in 0..n {
            for v in 0..n {
                let turn = ((u * dy + v * dx) % n) as f64 / n as f64;
                g[u * n + v] *= Complex::from_polar(1.0, -std::f64::consts::TAU * turn);
            }
        }
        assert_within!(rel(&moved, &g), F64_STEPS_512);
    }

    #[test]
    fn inverse_fft_is_the_adjoint(n in 2usize..32, seed in 0u64..1000) {
        // <F x, y> = <x, F* y>
        let (x, y) = (image(n, seed), image(n, seed + 1));
        let (fft, mut s) = (Fft2::new(n), Scratch::default());
        let dot = |a: &[Complex<f64>], b: &[Complex<f64>]| -> Complex<f64> {
            zip_eq(a, b).map(|(p, q)| p.conj() * q).sum()
        };
        let (mut fx, mut fy) = (x.clone(), y.clone());
        fft.forward(&mut fx, &mut s);
        fft.inverse(&mut fy, &mut s);
        let scale = (n * n * n) as f64;
        assert_close!(dot(&fx, &y), dot(&x, &fy), F64_STEPS_512.scaled(scale));
    }
}

/// The definition one axis after the other, in O(n^3): for sides where [`naive`] takes too long.
fn by_axes(f: &[Complex<f64>], n: usize) -> Vec<Complex<f64>> {
    let w: Vec<_> = (0..n)
        .map(|k| Complex::from_polar(1.0, -std::f64::consts::TAU * k as f64 / n as f64))
        .collect();
    let turned_rows = |f: &[Complex<f64>]| {
        let mut out = vec![Complex::new(0.0, 0.0); n * n];
        for (i, row) in f.chunks_exact(n).enumerate() {
            for u in 0..n {
                out[u * n + i] = (0..n).map(|j| row[j] * w[u * j % n]).sum();
            }
        }
        out
    };
    turned_rows(&turned_rows(f))
}

fn narrow(f: &[Complex<f64>]) -> Vec<Complex32> {
    f.iter()
        .map(|z| Complex32::new(z.re as f32, z.im as f32))
        .collect()
}

fn wide(f: &[Complex32]) -> Vec<Complex<f64>> {
    f.iter()
        .map(|z| Complex::new(z.re.into(), z.im.into()))
        .collect()
}

fn forward(n: usize, f: &[Complex32]) -> Vec<Complex32> {
    let mut g = f.to_vec();
    Fft2::new(n).forward(&mut g, &mut Scratch::default());
    g
}

fn bits(f: &[Complex32]) -> Vec<[u32; 2]> {
    f.iter().map(|z| [z.re.to_bits(), z.im.to_bits()]).collect()
}

fn energy(f: &[Complex<f64>]) -> f64 {
    f.iter().map(Complex::norm_sqr).sum()
}

/// The error in the mean square, relative: there are `log2(n^2)` levels of additions, each with its
/// product of a rounded factor; a level rounds values of unchanged energy with a spread of at most
/// `u = eps / 2`, and independent roundings add in square. Twice that.
fn tolerance(n: usize) -> f64 {
    f64::from(f32::EPSILON) * (2.0 * (n as f64).log2()).sqrt()
}

#[test]
fn row_column_fft_equals_naive_fft() {
    for n in [1, 2, 5, 8, 12] {
        let f = image(n, 5);
        let off = rel(&by_axes(&f, n), &naive(&f, n, -1.0));
        assert!(
            off < 8.0 * f64::EPSILON * (n * n) as f64,
            "n = {n}: {off:e}"
        );
    }
}

#[test]
fn float32_fft_equals_the_definition() {
    for n in SIDES {
        let f = narrow(&image(n, 3));
        let g = forward(n, &f);
        let off = rel(&wide(&g), &by_axes(&wide(&f), n));
        assert!(off < tolerance(n), "n = {n}: {off:e}");
        let mut back = g;
        Fft2::new(n).inverse(&mut back, &mut Scratch::default());
        let back: Vec<_> = wide(&back).iter().map(|z| z / (n * n) as f64).collect();
        let off = rel(&back, &wide(&f));
        assert!(off < 2.0 * tolerance(n), "n = {n}: back {off:e}");
    }
}

const SIDES: [usize; 3] = [64, 128, 256];

/// Random images of one of the sides.
fn images(count: usize) -> impl Strategy<Value = (usize, Vec<Vec<Complex32>>)> {
    (0usize..3, 0u64..1 << 32).prop_map(move |(side, seed)| {
        let n = SIDES[side];
        let mut s = seed;
        let mut next = || {
            s = s
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (s >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        let images = (0..count)
            .map(|_| (0..n * n).map(|_| Complex32::new(next(), next())).collect())
            .collect();
        (n, images)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn fft_is_bit_identical_on_every_instruction_set((n, f) in images(1)) {
        for back in [false, true] {
            let of = |isa| {
                let mut g = f[0].clone();
                let (fft, mut scratch) = (Fft2::on(isa, n), Scratch::default());
                if back { fft.inverse(&mut g, &mut scratch) } else { fft.forward(&mut g, &mut scratch) }
                bits(&g)
            };
            let want = of(Isa::Portable);
            for isa in Isa::available() {
                prop_assert!(of(isa) == want, "n = {}, {}", n, isa);
            }
        }
    }

    #[test]
    fn batched_fft_is_bit_identical_to_single((n, f) in images(5), threads in 1usize..4) {
        let fft = Fft2::new(n);
        for back in [false, true] {
            let mut all = f.concat();
            on_threads(threads, || if back { fft.inverse_all(&mut all) } else { fft.forward_all(&mut all) });
            let mut scratch = Scratch::default();
            for (f, got) in zip_eq(&f, all.chunks_exact(n * n)) {
                let mut want = f.clone();
                if back { fft.inverse(&mut want, &mut scratch) } else { fft.forward(&mut want, &mut scratch) }
                prop_assert!(bits(got) == bits(&want), "n = {}", n);
            }
        }
    }

    #[test]
    fn float32_energy_is_conserved((n, f) in images(1)) {
        let ratio = energy(&wide(&forward(n, &f[0]))) / (n * n) as f64 / energy(&wide(&f[0]));
        prop_assert!((ratio - 1.0).abs() < 2.0 * tolerance(n), "n = {}: {:e}", n, ratio - 1.0);
    }

    #[test]
    fn float32_inverse_fft_is_the_adjoint((n, f) in images(2)) {
        let (x, y) = (wide(&f[0]), wide(&f[1]));
        let mut fy = f[1].clone();
        Fft2::new(n).inverse(&mut fy, &mut Scratch::default());
        let (fx, fy) = (wide(&forward(n, &f[0])), wide(&fy));
        let dot = |a: &[Complex<f64>], b: &[Complex<f64>]| -> Complex<f64> {
            zip_eq(a, b).map(|(p, q)| p.conj() * q).sum()
        };
        // Cauchy-Schwarz bounds each side's error by n |x| |y| times its own
        let scale = n as f64 * (energy(&x) * energy(&y)).sqrt();
        prop_assert!((dot(&fx, &y) - dot(&x, &fy)).norm() / scale < 2.0 * tolerance(n));
    }

    #[test]
    fn float32_shift_is_a_phase_ramp((n, f) in images(1), dy in 0usize..256, dx in 0usize..256) {
        let mut moved = f[0].clone();
        for (k, z) in f[0].iter().enumerate() {
            moved[(k / n + dy) % n * n + (k % n + dx) % n] = *z;
        }
        let mut g = wide(&forward(n, &f[0]));
        for (k, z) in g.iter_mut().enumerate() {
            let turn = ((k / n * dy + k % n * dx) % n) as f64 / n as f64;
            *z *= Complex::from_polar(1.0, -std::f64::consts::TAU * turn);
        }
        prop_assert!(rel(&wide(&forward(n, &moved)), &g) < 2.0 * tolerance(n));
    }

    #[test]
    fn mirror_symmetric_image_is_zero_at_nyquist((n, f) in images(1)) {
        // f[i, j] = f[n - 1 - i, j] = f[i, n - 1 - j], to the bit
        let fold = |i: usize| i.min(n - 1 - i);
        let even: Vec<_> = (0..n * n).map(|k| f[0][fold(k / n) * n + fold(k % n)]).collect();
        let zeros = |g: &[Complex32]| {
            let nyquist = (0..n * n).filter(|k| k / n == n / 2 || k % n == n / 2);
            nyquist.filter(|&k| g[k].re == 0.0 && g[k].im == 0.0).count()
        };
        prop_assert_eq!(zeros(&forward(n, &even)), 2 * n - 1);
        // without the symmetry nothing is
        prop_assert_eq!(zeros(&forward(n, &f[0])), 0);
    }
}

#[test]
fn batch_of_any_size_and_precision() {
    let (n, count) = (12, 9);
    let f: Vec<_> = (0..count).flat_map(|k| image(n, k)).collect();
    let fft = Fft2::new(n);
    let mut all = f.clone();
    fft.forward_all(&mut all);
    let mut scratch = Scratch::default();
    for (f, got) in zip_eq(f.chunks_exact(n * n), all.chunks_exact(n * n)) {
        let mut want = f.to_vec();
        fft.forward(&mut want, &mut scratch);
        assert_eq!(got, want);
    }
    fft.inverse_all(&mut []);
}

#[test]
#[should_panic(expected = "whole images of 4096 values")]
fn incomplete_image_is_refused() {
    Fft2::new(64).forward_all(&mut vec![Complex32::default(); 4096 + 2048]);
}

#[test]
#[should_panic(expected = "an image of 64 x 64 values")]
fn short_image_is_refused() {
    let mut image = vec![Complex32::default(); 4095];
    Fft2::new(64).forward(&mut image, &mut Scratch::default());
}
