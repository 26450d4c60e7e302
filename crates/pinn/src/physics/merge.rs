//! The object of a group from the patches of its channels, and its adjoint.
//!
//! ```text
//! S = sum_c translate(v Z_c, -rel_c)      on the group's canvas, side M
//! W = sum_c translate(w, -rel_c)
//! O = S / (W + eps)
//! ```
//!
//! *Weights* ([`Weighting`]): in `reference` numerics `w` is 1 on the central half and 0 outside of it, and `v` is 1, so
//! that a border that the network fills is amplified a thousandfold; in `guarded` both are the intensity of the probe, and
//! `O` is the average of the channels, weighted by their illumination.
//!
//! *Laws.* [`Merge::part`] after [`Merge::divide`] is the adjoint of [`Merge::object`]; consistent channels give their
//! common value where they are illuminated.
//!
//! *Source.* Reference description, section j.

use num_complex::Complex;

use ptyproof::optics::translate::translate_add;
use ptyproof_kernels::scalar::Scalar;

/// The weight of each channel in the object of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weighting {
    /// Patches are added without weights and divided by the number of central squares at a pixel plus 0.001: outside all of
    /// them this amplifies the output of the network a thousandfold.
    Center,
    /// Overlapping channels are averaged with weights `|P|^2`.
    Illumination,
}

impl Weighting {
    /// Added to the sum of weights before the division.
    pub fn epsilon(self) -> f64 {
        match self {
            Self::Center => COVERAGE_EPSILON,
            Self::Illumination => ILLUMINATION_EPSILON,
        }
    }
}

/// Added by the reference to the sum of masks before the division.
pub const COVERAGE_EPSILON: f64 = 0.001;

/// Share of the maximum intensity below which a pixel counts as dark, and the object is zero.
const ILLUMINATION_EPSILON: f64 = 1e-6;

/// The operator from patches of side `N` to the object on a canvas of side `M`. Offsets are `[x, y]` in pixels, one for
/// each channel.
#[derive(Debug, Clone)]
pub struct Merge<T> {
    n: usize,
    coverage: Weighting,
    /// The weight of a channel at each pixel, `w`; `[N, N]`.
    share: Vec<Complex<T>>,
    /// The probe's largest intensity.
    peak: T,
}

impl<T: Scalar> Merge<T> {
    /// For a probe, `[row, col]`, `n^2` values.
    pub fn new(n: usize, probe: &[Complex<T>], coverage: Weighting) -> Self {
        let real = |w: f64| Complex::new(T::of(w), T::zero());
        let intensity = |p: &Complex<T>| p.re.wide().powi(2) + p.im.wide().powi(2);
        let peak = probe.iter().map(intensity).fold(0.0, f64::max);
        let share = match coverage {
            Weighting::Center => {
                let inside = |k: usize| (n / 4..n - n / 4).contains(&k);
                let within = |p: usize| inside(p / n) && inside(p % n);
                let all = (0..n * n).map(|p| real(if within(p) { 1.0 } else { 0.0 }));
                all.collect()
            }
            Weighting::Illumination => {
                let part = |w: f64| if peak > 0.0 { w / peak } else { 0.0 };
                probe.iter().map(|p| real(part(intensity(p)))).collect()
            }
        };
        Self {
            n,
            coverage,
            share,
            peak: T::of(peak),
        }
    }

    /// The maximum intensity of the probe.
    pub fn peak(&self) -> T {
        self.peak
    }

    /// `W + eps` on a canvas of side `m`, into `out`; `sum` is scratch memory for the sum of weights.
    pub fn cover(&self, rel: &[[T; 2]], m: usize, sum: &mut Vec<Complex<T>>, out: &mut Vec<T>) {
        clear(sum, m * m);
        for t in rel {
            translate_add(&self.share, self.n, sum, m, [-t[0], -t[1]]);
        }
        let epsilon = T::of(self.coverage.epsilon());
        out.clear();
        out.extend(sum.iter().map(|w| w.re + epsilon));
    }

    /// `O` on a canvas of side `m`, from patches `[channel][N, N]` and `W + eps`, into `out`; `shared` is scratch memory
    /// for a weighted patch.
    pub fn object(
        &self,
        (patches, coverage): (&[Complex<T>], &[T]),
        rel: &[[T; 2]],
        m: usize,
        shared: &mut Vec<Complex<T>>,
        out: &mut Vec<Complex<T>>,
    ) {
        clear(out, m * m);
        for (plane, t) in patches.chunks_exact(self.n * self.n).zip(rel) {
            let plane = match self.coverage {
                Weighting::Center => plane,
                Weighting::Illumination => {
                    shared.clear();
                    shared.extend(plane.iter().zip(&self.share).map(|(&z, w)| z * w.re));
                    &*shared
                }
            };
            translate_add(plane, self.n, out, m, [-t[0], -t[1]]);
        }
        Self::divide(out, coverage);
    }

    /// A canvas over `W + eps`: its own adjoint.
    pub fn divide(canvas: &mut [Complex<T>], coverage: &[T]) {
        for (o, &w) in canvas.iter_mut().zip(coverage) {
            *o = Complex::new(o.re / w, o.im / w);
        }
    }

    /// The part of a divided canvas of side `m` for the patch of a channel at offset `t`, into `plane`, `[N, N]`.
    pub fn part(&self, canvas: &[Complex<T>], m: usize, t: [T; 2], plane: &mut [Complex<T>]) {
        plane.fill(Complex::new(T::zero(), T::zero()));
        translate_add(canvas, m, plane, self.n, t);
        if self.coverage == Weighting::Illumination {
            for (g, w) in plane.iter_mut().zip(&self.share) {
                *g = *g * w.re;
            }
        }
    }
}

/// Zeros, so many.
fn clear<T: Scalar>(values: &mut Vec<Complex<T>>, len: usize) {
    values.clear();
    values.resize(len, Complex::new(T::zero(), T::zero()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ptyproof_testkit::compare::zip_eq;
    use ptyproof_testkit::tolerance::{F64_STEPS_512, assert_close};

    const N: usize = 8;
    const M: usize = 12;
    const REL: [[f64; 2]; 4] = [[0.3, -1.2], [-0.8, 0.4], [1.5, 1.0], [-1.0, -0.2]];

    fn wave(k: usize, f: f64) -> f64 {
        ((k as f64 + 1.0) * f).sin()
    }

    fn merge(coverage: Weighting) -> Merge<f64> {
        let probe: Vec<_> = (0..N * N)
            .map(|k| {
                let r2 = ((k / N) as f64 - 3.3).powi(2) + ((k % N) as f64 - 4.1).powi(2);
                Complex::from_polar((-r2 / 12.0).exp(), 0.05 * r2)
            })
            .collect();
        Merge::new(N, &probe, coverage)
    }

    fn covered(m: &Merge<f64>) -> Vec<f64> {
        let mut out = Vec::new();
        m.cover(&REL, M, &mut Vec::new(), &mut out);
        out
    }

    fn object(m: &Merge<f64>, patches: &[Complex<f64>]) -> Vec<Complex<f64>> {
        let mut out = Vec::new();
        m.object((patches, &covered(m)), &REL, M, &mut Vec::new(), &mut out);
        out
    }

    #[test]
    fn consistent_channels_merge_to_their_value() {
        // law: Z_c = z  =>  O = z W / (W + eps), border and center alike; the reference's border is a thousandfold of it
        let z = Complex::from_polar(1.2, 0.3);
        let patches = vec![z; 4 * N * N];
        let intensity = merge(Weighting::Illumination);
        let epsilon = Weighting::Illumination.epsilon();
        let mut lit = 0;
        for (o, w) in zip_eq(object(&intensity, &patches), covered(&intensity)) {
            if w > 1e-3 {
                assert!(
                    (o - z).norm() <= 1.2 * (epsilon / w + F64_STEPS_512.absolute),
                    "{o} {w}"
                );
                lit += 1;
            }
        }
        assert!(lit > N * N / 2, "{lit}");
        let center = object(&merge(Weighting::Center), &patches);
        assert!(center.iter().any(|o| o.norm() > 500.0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn part_is_the_adjoint_of_merge(a in 0.3f64..3.0, b in 0.3f64..3.0) {
            // <O(x), y> = sum over c of <x_c, part_c(y / (W + eps))>
            let x: Vec<_> = (0..4 * N * N).map(|k| Complex::new(wave(k, a), wave(k, b))).collect();
            let y: Vec<_> = (0..M * M).map(|k| Complex::new(wave(k, b), wave(k, 1.7 * a))).collect();
            let dot = |x: &[Complex<f64>], y: &[Complex<f64>]| zip_eq(x, y).map(|(x, y)| x.conj() * y).sum::<Complex<f64>>();
            for coverage in [Weighting::Center, Weighting::Illumination] {
                let m = merge(coverage);
                let left = dot(&object(&m, &x), &y);
                let mut divided = y.clone();
                Merge::divide(&mut divided, &covered(&m));
                let mut plane = vec![Complex::default(); N * N];
                let mut right = Complex::new(0.0, 0.0);
                for (x, t) in zip_eq(x.chunks_exact(N * N), REL) {
                    m.part(&divided, M, t, &mut plane);
                    right += dot(x, &plane);
                }
                let size = dot(&divided, &divided).re.sqrt() * dot(&x, &x).re.sqrt();
                assert_close!(left, right, F64_STEPS_512.scaled(size));
            }
        }
    }
}
