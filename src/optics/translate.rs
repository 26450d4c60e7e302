//! Translation of an image by a fraction of a pixel, between squares centered on each other.
//!
//! `out[y, x] = sum of 4 bilinear taps of img at (y - ty, x - tx)`: content moves by `+t`. Taps
//! outside the source contribute zero, and the weights of those inside are not rescaled. A shift by
//! whole pixels is a copy: a tap of weight zero is never read, so that it cannot spread a NaN.
//!
//! Source and destination may differ in side (by an even number): a patch placed on a canvas is
//! `ns < nd`, a patch taken from a canvas is `ns > nd`. *Law.* The adjoint of the translation by `t`
//! from side `ns` to side `nd` is the translation by `-t` from `nd` to `ns`.
//!
//! *Source.* Reference description, section j.

use std::ops::Range;

use num_complex::Complex;

use crate::geometry::floor_index;
use ptyproof_kernels::scalar::Scalar;

/// Adds the translate of `src` (`[row, col]`, side `ns`) by `t = [tx, ty]` pixels to `dst` (side `nd`).
///
/// A translation whose components are not finite adds NaN everywhere; one that moves the source out
/// of the destination adds nothing.
///
/// # Panics
/// Unless `src.len() = ns^2`, `dst.len() = nd^2`, and `ns - nd` is even.
pub fn translate_add<T: Scalar>(
    src: &[Complex<T>],
    ns: usize,
    dst: &mut [Complex<T>],
    nd: usize,
    t: [T; 2],
) {
    assert_eq!((src.len(), dst.len()), (ns * ns, nd * nd), "sides");
    assert!(
        ns.abs_diff(nd).is_multiple_of(2),
        "sides centered on each other"
    );
    let (Some((ky, fy)), Some((kx, fx))) = (taps(t[1]), taps(t[0])) else {
        let nan = Complex::new(T::nan(), T::nan());
        dst.iter_mut().for_each(|d| *d = *d + nan);
        return;
    };
    let center = (ns as isize - nd as isize) / 2;
    let (oy, ox) = (ky + center, kx + center);
    let rows = [(T::one() - fy, oy), (fy, oy + 1)];
    // row by row, so that what is added to stays in the nearest cache
    for (y, to) in dst.chunks_exact_mut(nd).enumerate() {
        for (wy, oy) in rows {
            let from = usize::try_from(y as isize + oy).ok().filter(|&sy| sy < ns);
            if let Some(sy) = from {
                let weights = [wy * (T::one() - fx), wy * fx];
                add_row(&src[sy * ns..(sy + 1) * ns], to, ox, weights);
            }
        }
    }
}

/// `dst[x] += w[0] * src[x + o] + w[1] * src[x + o + 1]`, in this order, of taps that exist and weigh anything.
fn add_row<T: Scalar>(src: &[Complex<T>], dst: &mut [Complex<T>], o: isize, w: [T; 2]) {
    let (first, second) = (
        overlap(src.len(), dst.len(), o),
        overlap(src.len(), dst.len(), o + 1),
    );
    match w.map(|w| w != T::zero()) {
        [true, true] => {
            let both = first.start..second.end.max(first.start);
            add_tap(src, dst, (o + 1, w[1]), second.start..both.start);
            let from = |range: &Range<usize>| &src[(range.start as isize + o) as usize..];
            if !both.is_empty() {
                let taps = from(&both).iter().zip(&from(&both)[1..]);
                for (d, (s, t)) in dst[both.clone()].iter_mut().zip(taps) {
                    d.re = d.re + w[0] * s.re + w[1] * t.re;
                    d.im = d.im + w[0] * s.im + w[1] * t.im;
                }
            }
            add_tap(src, dst, (o, w[0]), both.end..first.end);
        }
        [true, false] => add_tap(src, dst, (o, w[0]), first),
        [false, true] => add_tap(src, dst, (o + 1, w[1]), second),
        [false, false] => {}
    }
}

/// `dst[x] += w * src[x + o]` in a range where both exist.
fn add_tap<T: Scalar>(
    src: &[Complex<T>],
    dst: &mut [Complex<T>],
    (o, w): (isize, T),
    range: Range<usize>,
) {
    if range.is_empty() {
        return;
    }
    let from = &src[(range.start as isize + o) as usize..];
    for (d, s) in dst[range].iter_mut().zip(from) {
        d.re = d.re + w * s.re;
        d.im = d.im + w * s.im;
    }
}

/// The `x` below `nd` whose `x + o` are below `ns`.
fn overlap(ns: usize, nd: usize, o: isize) -> Range<usize> {
    let from = (-o).clamp(0, nd as isize);
    let to = (ns as isize - o).clamp(from, nd as isize);
    from as usize..to as usize
}

/// `-t` as a whole number of pixels and a fraction in `[0, 1)`; shifts beyond any canvas saturate.
fn taps<T: Scalar>(t: T) -> Option<(isize, T)> {
    if !t.is_finite() {
        return None;
    }
    let floor = (-t).floor();
    let bounded = floor.wide().clamp(-1e9, 1e9);
    floor_index(bounded).map(|(k, _)| (k, -t - floor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ptyproof_testkit::compare::zip_eq;
    use ptyproof_testkit::tolerance::{F64_STEPS_64, F64_STEPS_512, assert_close};

    fn image(n: usize, seed: f64) -> Vec<Complex<f64>> {
        (0..n * n)
            .map(|k| {
                let t = (k as f64 + 1.0) * (seed + 0.618033988749895);
                Complex::new((t * 1.7).sin(), (t * 2.3).cos())
            })
            .collect()
    }

    fn dot(a: &[Complex<f64>], b: &[Complex<f64>]) -> Complex<f64> {
        zip_eq(a, b).map(|(p, q)| p.conj() * q).sum()
    }

    #[test]
    fn point_moves_by_plus_t() {
        let mut src = vec![Complex::new(0.0f32, 0.0); 81];
        src[4 * 9 + 4] = Complex::new(1.0, -2.0);
        let mut dst = vec![Complex::new(0.0, 0.0); 81];
        translate_add(&src, 9, &mut dst, 9, [2.0, -1.0]);
        assert_eq!(dst[3 * 9 + 6], Complex::new(1.0, -2.0));
        assert_eq!(dst.iter().filter(|z| z.norm_sqr() > 0.0).count(), 1);
    }

    #[test]
    fn integer_shift_keeps_nan_local() {
        let mut src = vec![Complex::new(1.0f32, 0.0); 16];
        src[5] = Complex::new(f32::NAN, 0.0);
        let mut dst = vec![Complex::new(0.0, 0.0); 16];
        translate_add(&src, 4, &mut dst, 4, [0.0, -0.0]);
        assert_eq!(dst.iter().filter(|z| z.re.is_nan()).count(), 1);
    }

    #[test]
    fn shift_outside_adds_zero_and_nan_shift_adds_nan() {
        let src = image(6, 1.0);
        for t in [[1e6, 0.0], [0.0, -1e300], [7.0, 7.0]] {
            let mut dst = vec![Complex::new(0.0, 0.0); 64];
            translate_add(&src, 6, &mut dst, 8, t);
            assert!(dst.iter().all(|z| z.norm_sqr() == 0.0), "{t:?}");
        }
        let mut dst = vec![Complex::new(0.0, 0.0); 64];
        translate_add(&src, 6, &mut dst, 8, [f64::NAN, 0.0]);
        assert!(dst.iter().all(|z| z.re.is_nan()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn opposite_translation_is_the_adjoint(
            half in 1usize..9, grow in -4isize..6, odd in 0usize..2,
            tx in -12.0f64..12.0, ty in -12.0f64..12.0, whole in 0u8..4,
        ) {
            // <A_t x, y> = <x, A_-t y>
            let ns = 2 * half + odd;
            let nd = (ns as isize + 2 * grow).max(1 + odd as isize + 1 - 2 * odd as isize) as usize;
            prop_assume!(ns.abs_diff(nd).is_multiple_of(2));
            let t = [if whole & 1 == 1 { tx.round() } else { tx }, if whole & 2 == 2 { ty.round() } else { ty }];
            let (x, y) = (image(ns, 1.0), image(nd, 2.0));
            let (mut ax, mut aty) = (vec![Complex::default(); nd * nd], vec![Complex::default(); ns * ns]);
            translate_add(&x, ns, &mut ax, nd, t);
            translate_add(&y, nd, &mut aty, ns, [-t[0], -t[1]]);
            let scale = (ns * nd) as f64;
            assert_close!(dot(&ax, &y), dot(&x, &aty), F64_STEPS_64.scaled(scale));
        }

        #[test]
        fn pixels_are_bit_identical_to_four_tap_interpolation(
            ns in 1usize..12, grow in -3isize..6, tx in -14.0f64..14.0, ty in -14.0f64..14.0, whole in 0u8..4,
        ) {
            let nd = usize::try_from((ns as isize + 2 * grow).max(1 + (ns as isize + 1) % 2)).unwrap();
            let t = [if whole & 1 == 1 { tx.round() } else { tx }, if whole & 2 == 2 { ty.round() } else { ty }];
            let (src, before) = (image(ns, 1.0), image(nd, 2.0));
            let mut dst = before.clone();
            translate_add(&src, ns, &mut dst, nd, t);
            let center = (ns as isize - nd as isize) / 2;
            for (k, (found, before)) in dst.iter().zip(&before).enumerate() {
                let at = |axis: usize| {
                    let position = if axis == 0 { k % nd } else { k / nd } as f64 - t[axis];
                    let fraction = -t[axis] - (-t[axis]).floor();
                    ((position.floor() as isize + center), fraction)
                };
                let ((x, fx), (y, fy)) = (at(0), at(1));
                let mut sum = *before;
                for (dy, wy) in [(0, 1.0 - fy), (1, fy)] {
                    for (dx, wx) in [(0, 1.0 - fx), (1, fx)] {
                        let (y, x) = (y + dy, x + dx);
                        let inside = |v: isize| (0..ns as isize).contains(&v);
                        if inside(y) && inside(x) && wy * wx != 0.0 {
                            let s = src[y as usize * ns + x as usize];
                            sum.re += wy * wx * s.re;
                            sum.im += wy * wx * s.im;
                        }
                    }
                }
                prop_assert_eq!(*found, sum);
            }
        }

        #[test]
        fn large_enough_canvas_keeps_the_sum(half in 1usize..8, tx in -5.0f64..5.0, ty in -5.0f64..5.0) {
            // the sum of the pixels is invariant, and taking back the integer part is exact
            let n = 2 * half;
            let m = crate::geometry::CanvasSize::holding(n, tx.abs().max(ty.abs())).unwrap().get();
            let x = image(n, 3.0);
            let mut c = vec![Complex::default(); m * m];
            translate_add(&x, n, &mut c, m, [tx, ty]);
            let (a, b): (Complex<f64>, Complex<f64>) = (x.iter().sum(), c.iter().sum());
            assert_close!(a, b, F64_STEPS_512.scaled(n as f64));
        }

        #[test]
        fn translation_is_linear(n in 2usize..10, tx in -3.0f64..3.0, a in -2.0f64..2.0) {
            let (x, y) = (image(n, 1.0), image(n, 2.0));
            let run = |v: &[Complex<f64>]| {
                let mut d = vec![Complex::default(); n * n];
                translate_add(v, n, &mut d, n, [tx, 0.5]);
                d
            };
            let mix: Vec<_> = x.iter().zip(&y).map(|(p, q)| p * a + q).collect();
            let (fx, fy, fm) = (run(&x), run(&y), run(&mix));
            for k in 0..n * n {
                assert_close!(fx[k] * a + fy[k], fm[k], F64_STEPS_512);
            }
        }
    }
}
