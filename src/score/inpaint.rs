//! Smooth inpainting of unknown pixels.
//!
//! A Fourier transform needs every pixel. A hole filled with a constant has an edge, at equal places in both images of a
//! comparison, and the edges would correlate. So each image is inpainted from its own known pixels: every unknown pixel
//! becomes the mean of its neighbors inside the image (the discrete Laplace equation).
//!
//! *Conventions.* A square, row by row. Known pixels are unchanged. The iteration ends when no pixel changes by more than
//! 1e-6 of the largest known value.
//!
//! *Laws.* A plane is inpainted exactly; inpainted values are between the minimum and maximum of the known ones; an image
//! without known pixels is unchanged.
//!
//! *Source.* Successive over-relaxation: Young 1954, doi:10.1090/S0002-9947-1954-0059635-7.

use std::f64::consts::PI;

use num_complex::Complex64;

/// The iteration ends when all changes are below this share of the largest value.
const MIN_RELATIVE_CHANGE: f64 = 1e-6;
/// Maximum number of sweeps, in widths of the widest hole: over-relaxation converges within a few.
const MAX_SWEEPS_PER_WIDTH: usize = 8;

/// Inpaints the unknown pixels of `image`, starting from their present values.
pub(super) fn inpaint(image: &mut [Complex64], known: &[bool], side: usize) {
    let unknown: Vec<usize> = (0..image.len()).filter(|&k| !known[k]).collect();
    if unknown.is_empty() || unknown.len() == image.len() {
        return;
    }
    let known_power = image
        .iter()
        .zip(known)
        .filter(|(_, k)| **k)
        .map(|(z, _)| z.norm_sqr());
    // squares throughout: a root for each pixel and sweep takes as long as all the rest
    let settled = MIN_RELATIVE_CHANGE * MIN_RELATIVE_CHANGE * known_power.fold(0.0, f64::max);
    // the best factor for a square hole of this width
    let width = 2 * farthest(known, side);
    let omega = 2.0 / (1.0 + (PI / (width + 1) as f64).sin());
    let inner = |k: usize| (1..side - 1).contains(&k);
    let unknown: Vec<(usize, bool)> = (unknown.into_iter())
        .map(|k| (k, inner(k / side) && inner(k % side)))
        .collect();
    let quarter = omega / 4.0;
    for _ in 0..MAX_SWEEPS_PER_WIDTH * width {
        let mut most = 0.0f64;
        for &(k, inner) in &unknown {
            let old = image[k];
            let new = if inner {
                // the left neighbor has just been changed: everything else is ready before it
                let others = image[k - side] + image[k + side] + image[k + 1];
                (old * (1.0 - omega) + others * quarter) + image[k - 1] * quarter
            } else {
                old + (at_the_rim(image, k, side) - old) * omega
            };
            image[k] = new;
            most = most.max((new - old).norm_sqr());
        }
        if most <= settled {
            return;
        }
    }
}

/// The mean of the neighbors of a pixel that has fewer than four.
fn at_the_rim(image: &[Complex64], k: usize, side: usize) -> Complex64 {
    let (row, col) = (k / side, k % side);
    let there = [
        (row > 0).then(|| k - side),
        (row + 1 < side).then(|| k + side),
        (col > 0).then(|| k - 1),
        (col + 1 < side).then(|| k + 1),
    ];
    let count = there.iter().flatten().count();
    there
        .into_iter()
        .flatten()
        .map(|at| image[at])
        .sum::<Complex64>()
        / count as f64
}

/// The largest distance of an unknown pixel to a known one, in steps up, down, left or right.
fn farthest(known: &[bool], side: usize) -> usize {
    let mut steps: Vec<usize> = known
        .iter()
        .map(|&k| if k { 0 } else { 2 * side })
        .collect();
    let mut nearer = |k: usize, than: usize| steps[k] = steps[k].min(steps[than] + 1);
    for k in 0..side * side {
        if k >= side {
            nearer(k, k - side);
        }
        if k % side > 0 {
            nearer(k, k - 1);
        }
    }
    for k in (0..side * side).rev() {
        if k + side < side * side {
            nearer(k, k + side);
        }
        if k % side + 1 < side {
            nearer(k, k + 1);
        }
    }
    steps.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ptyproof_testkit::compare::{largest, smallest, zip_eq};

    const SIDE: usize = 24;

    fn image(of: impl Fn(f64, f64) -> Complex64) -> Vec<Complex64> {
        (0..SIDE * SIDE)
            .map(|k| of((k / SIDE) as f64, (k % SIDE) as f64))
            .collect()
    }

    #[test]
    fn plane_is_inpainted_exactly() {
        let plane = image(|y, x| Complex64::new(0.3 * y - 0.2 * x, 1.0 + 0.1 * x));
        // two interior holes, one of a single pixel; at a border the equation does not preserve a plane
        let known: Vec<bool> = (0..SIDE * SIDE)
            .map(|k| {
                let (r, c) = (k / SIDE, k % SIDE);
                !((3..9).contains(&r) && (4..15).contains(&c) || (r, c) == (20, 20))
            })
            .collect();
        let mut holes = plane.clone();
        for (z, k) in holes.iter_mut().zip(&known) {
            if !k {
                *z = Complex64::new(50.0, -7.0);
            }
        }
        inpaint(&mut holes, &known, SIDE);
        for ((z, p), k) in holes.iter().zip(&plane).zip(&known) {
            // changes end at 1e-6 of 7, and a sweep removes a third of an error: 2.1e-5; five times that
            assert!((z - p).norm() < 1e-4, "{z} {p}");
            assert!(!k || z == p);
        }
    }

    #[test]
    fn corner_takes_the_adjacent_value() {
        let mut known = vec![true; SIDE * SIDE];
        let hole = |r: usize, c: usize| r < 5 && c >= SIDE - 7;
        for (k, known) in known.iter_mut().enumerate() {
            *known = !hole(k / SIDE, k % SIDE);
        }
        assert_eq!(farthest(&known, SIDE), 5);
        assert_eq!(farthest(&[true; SIDE * SIDE], SIDE), 0);
        // constant on two sides: constant in the corner
        let mut corner = image(|r, c| {
            let inside = hole(r as usize, c as usize);
            Complex64::new(if inside { -3.0 } else { 2.5 }, 0.5)
        });
        inpaint(&mut corner, &known, SIDE);
        for z in corner {
            // changes end at 1e-6 of 2.5, and a sweep removes a quarter of an error: 1e-5; ten times that
            assert!((z - Complex64::new(2.5, 0.5)).norm() < 1e-4, "{z}");
        }
    }

    #[test]
    fn all_known_or_all_unknown_is_unchanged() {
        let plane = image(Complex64::new);
        for known in [true, false] {
            let mut same = plane.clone();
            inpaint(&mut same, &[known; SIDE * SIDE], SIDE);
            assert_eq!(same, plane);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn inpainting_obeys_the_maximum_principle(share in 0.02f64..0.98, seed in 0u32..1000) {
            let wave = |k: usize, f: f64| (f * (k as f64 + f64::from(seed))).sin();
            let known: Vec<bool> = (0..SIDE * SIDE).map(|k| wave(k, 12.9898) < 2.0 * share - 1.0).collect();
            prop_assume!(known.iter().any(|&k| k));
            let mut values: Vec<Complex64> = (0..SIDE * SIDE)
                .map(|k| if known[k] { Complex64::new(wave(k, 1.3), wave(k, 0.7)) } else { Complex64::ZERO })
                .collect();
            let range = |of: fn(&Complex64) -> f64, v: &[Complex64], only: bool| {
                let of_known = || zip_eq(v, &known).filter(|(_, k)| **k || !only).map(|(z, _)| of(z));
                (smallest(of_known()), largest(of_known()))
            };
            let before = [range(|z| z.re, &values, true), range(|z| z.im, &values, true)];
            inpaint(&mut values, &known, SIDE);
            let after = [range(|z| z.re, &values, false), range(|z| z.im, &values, false)];
            for (b, a) in before.iter().zip(&after) {
                // 1.4e-6 / 0.12 for the widest square hole is 1.2e-5; holes of other shapes converge more slowly
                prop_assert!(a.0 >= b.0 - 1e-3 && a.1 <= b.1 + 1e-3, "{b:?} {a:?}");
            }
        }
    }
}
