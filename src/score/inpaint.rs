//! What is not known of an image, continued from what is: as smooth as it can be.
//!
//! A transform needs every pixel. A hole that is filled with one number has an edge, both images of a comparison have it at the same
//! place, and on every ring where they have little of their own the edges correlate. So each image is continued into its holes from its own
//! pixels: every unknown pixel becomes the mean of its neighbours (the discrete Laplace equation), those outside left out.
//!
//! *Conventions.* A square, row by row. Known pixels stay. It ends when nothing changes by more than 1e-6 of the largest known value.
//!
//! *Laws.* A plane is continued across a hole as that plane; nothing exceeds the largest and the least of what is known; where nothing
//! is known nothing changes.
//!
//! *Source.* Successive over-relaxation: Young 1954, doi:10.1090/S0002-9947-1954-0059635-7.

use std::f64::consts::PI;

use num_complex::Complex64;

/// Changes below this share of the largest value are none.
const SETTLED: f64 = 1e-6;
/// The most sweeps, in widths of the widest hole: over-relaxed ones settle within a few.
const SWEEPS: usize = 8;

/// Continues `image` to where `known` says that it is not known. What is there beforehand is where it begins.
pub(super) fn inpaint(image: &mut [Complex64], known: &[bool], side: usize) {
    let unknown: Vec<usize> = (0..image.len()).filter(|&k| !known[k]).collect();
    if unknown.is_empty() || unknown.len() == image.len() {
        return;
    }
    let told = image
        .iter()
        .zip(known)
        .filter(|(_, k)| **k)
        .map(|(z, _)| z.norm_sqr());
    // squares throughout: a root for each pixel and sweep takes as long as all the rest
    let settled = SETTLED * SETTLED * told.fold(0.0, f64::max);
    // the best factor for a square hole of this width
    let width = 2 * farthest(known, side);
    let omega = 2.0 / (1.0 + (PI / (width + 1) as f64).sin());
    let inner = |k: usize| (1..side - 1).contains(&k);
    let unknown: Vec<(usize, bool)> = (unknown.into_iter())
        .map(|k| (k, inner(k / side) && inner(k % side)))
        .collect();
    let quarter = omega / 4.0;
    for _ in 0..SWEEPS * width {
        let mut most = 0.0f64;
        for &(k, inner) in &unknown {
            let old = image[k];
            let new = if inner {
                // the left neighbour has just been changed: everything else is ready before it
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

/// The mean of the neighbours of a pixel that has fewer than four.
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

/// How many steps up, down, left or right the farthest unknown pixel is from a known one.
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
    fn a_plane_is_continued_across_holes_and_what_is_known_stays() {
        let plane = image(|y, x| Complex64::new(0.3 * y - 0.2 * x, 1.0 + 0.1 * x));
        // two holes within, one of a single pixel; a plane has no business at a border, where outside has no say
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
            assert!((z - p).norm() < 1e-4, "{z} {p}");
            assert!(!k || z == p);
        }
    }

    #[test]
    fn a_corner_takes_what_is_beside_it_and_the_widest_hole_is_found() {
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
            assert!((z - Complex64::new(2.5, 0.5)).norm() < 1e-4, "{z}");
        }
    }

    #[test]
    fn where_nothing_or_everything_is_known_nothing_changes() {
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
        fn nothing_exceeds_what_is_known(share in 0.02f64..0.98, seed in 0u32..1000) {
            let wave = |k: usize, f: f64| (f * (k as f64 + f64::from(seed))).sin();
            let known: Vec<bool> = (0..SIDE * SIDE).map(|k| wave(k, 12.9898) < 2.0 * share - 1.0).collect();
            prop_assume!(known.iter().any(|&k| k));
            let mut values: Vec<Complex64> = (0..SIDE * SIDE)
                .map(|k| if known[k] { Complex64::new(wave(k, 1.3), wave(k, 0.7)) } else { Complex64::ZERO })
                .collect();
            let told = |of: fn(&Complex64) -> f64, v: &[Complex64], only: bool| {
                let of_known = || zip_eq(v, &known).filter(|(_, k)| **k || !only).map(|(z, _)| of(z));
                (smallest(of_known()), largest(of_known()))
            };
            let before = [told(|z| z.re, &values, true), told(|z| z.im, &values, true)];
            inpaint(&mut values, &known, SIDE);
            let after = [told(|z| z.re, &values, false), told(|z| z.im, &values, false)];
            for (b, a) in before.iter().zip(&after) {
                prop_assert!(a.0 >= b.0 - 1e-3 && a.1 <= b.1 + 1e-3, "{b:?} {a:?}");
            }
        }
    }
}
