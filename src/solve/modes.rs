//! Incoherent modes of a probe, made orthogonal: the same illumination, written once.
//!
//! *Law.* `sum_m P_m(r) conj(P_m(s))` does not change; modes come out orthogonal, the strongest first.

use num_complex::{Complex32, Complex64};

/// Rotations of Jacobi's method at most: a handful of sweeps suffices for 16 modes.
const SWEEPS: usize = 30;

/// Makes modes (one after the other, `area` values each) orthogonal.
pub fn orthogonal(probes: &mut [Complex32], area: usize) {
    let count = probes.len() / area.max(1);
    if count < 2 || probes.iter().any(|z| !z.is_finite()) {
        return;
    }
    let wide = |z: &Complex32| Complex64::new(z.re.into(), z.im.into());
    let mut modes: Vec<Vec<Complex64>> = probes
        .chunks_exact(area)
        .map(|m| m.iter().map(wide).collect())
        .collect();
    // one-sided Jacobi: rotate pairs until all are orthogonal
    for _ in 0..SWEEPS {
        let mut largest = 0.0f64;
        for i in 0..count {
            for j in i + 1..count {
                let (left, right) = modes.split_at_mut(j);
                largest = largest.max(rotate(&mut left[i], &mut right[0]));
            }
        }
        if largest < 1e-14 {
            break;
        }
    }
    let power = |m: &[Complex64]| m.iter().map(Complex64::norm_sqr).sum::<f64>();
    modes.sort_by(|a, b| power(b).total_cmp(&power(a)));
    for (to, from) in probes.chunks_exact_mut(area).zip(&modes) {
        for (t, f) in to.iter_mut().zip(from) {
            #[expect(clippy::cast_possible_truncation, reason = "probes are complex64")]
            {
                *t = Complex32::new(f.re as f32, f.im as f32);
            }
        }
    }
}

/// A unitary mixture of two modes that makes them orthogonal; their cosine before.
fn rotate(a: &mut [Complex64], b: &mut [Complex64]) -> f64 {
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, Complex64::ZERO);
    for (x, y) in a.iter().zip(b.iter()) {
        aa += x.norm_sqr();
        bb += y.norm_sqr();
        ab += x.conj() * y;
    }
    let size = ab.norm();
    if size == 0.0 || size <= 1e-15 * (aa * bb).sqrt() {
        return 0.0;
    }
    let zeta = (bb - aa) / (2.0 * size);
    let t = if zeta >= 0.0 { 1.0 } else { -1.0 } / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
    let c = 1.0 / (1.0 + t * t).sqrt();
    let s = c * t;
    let phase = ab / size;
    for (x, y) in a.iter_mut().zip(b.iter_mut()) {
        let turned = *y * phase.conj();
        let (p, q) = (*x * c - turned * s, *x * s + turned * c);
        (*x, *y) = (p, q);
    }
    size / (aa * bb).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ptyproof_testkit::tolerance::{F32_STEPS_16, assert_close, assert_within};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_illumination_stays_and_modes_are_orthogonal_and_sorted(
            values in proptest::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 36),
        ) {
            let before: Vec<Complex32> = values.iter().map(|(re, im)| Complex32::new(*re, *im)).collect();
            let mut after = before.clone();
            orthogonal(&mut after, 9);
            let mutual = |all: &[Complex32], r: usize, s: usize| -> Complex32 {
                all.chunks_exact(9).map(|m| m[r] * m[s].conj()).sum()
            };
            for r in 0..9 {
                for s in 0..9 {
                    // sums of nine products of values below 1
                    assert_close!(mutual(&before, r, s), mutual(&after, r, s), F32_STEPS_16.scaled(9.0));
                }
            }
            let dot = |i: usize, j: usize| -> Complex32 {
                (0..9).map(|k| after[9 * i + k].conj() * after[9 * j + k]).sum()
            };
            for i in 0..4 {
                for j in 0..i {
                    assert_within!(dot(i, j), F32_STEPS_16.scaled(9.0));
                    prop_assert!(dot(j, j).re >= dot(i, i).re - F32_STEPS_16.scaled(9.0).absolute as f32);
                }
            }
        }
    }
}
