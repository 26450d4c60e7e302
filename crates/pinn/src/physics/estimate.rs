//! A first estimate of the object of a group from its patterns: the input of a network in guarded numerics, which corrects
//! it.
//!
//! From a flat object of the expected amplitude `A0`, [`STEPS`] steps of accelerated descent on the squared difference of
//! amplitudes:
//!
//! ```text
//! F_c = FFT2(P T_c Y)                                        T_c: moved to channel c
//! G   = sum over c of T_c* conj(P) FFT2*( (X_c - |F_c| / N) F_c / |F_c| ) / N
//! O'  = Y + G / (sum over c of T_c* |P|^2 + ALPHA max |P|^2)
//! Y'  = O' + k / (k + 3) (O' - O)                            step k = 0, 1, ..., STEPS - 1
//! ```
//!
//! The first step is linear in the pattern. From a single pattern it gives half of the contrast of the illuminated object
//! and half of its twin: mirrored, and blurred by twice the phase of the probe. Further steps remove the twin where the
//! phase of the probe or the overlap of the channels distinguishes it from the object. The network then needs no knowledge
//! of Fourier space or of positions: its input is the object at its place, channel by channel, with errors to correct.
//!
//! *Why not more steps.* Hundreds of steps would be an iterative engine for one group. Twenty cost about a ninth of a
//! training step; docs/experiments.md has the results of fewer.
//!
//! *Conventions.* `[row, col]`; labels are model amplitudes `s X`, zero frequency in the center; the estimate is over `A0`, half of the
//! ceiling ([`Numerics::guarded`](crate::physics::object::Numerics::guarded)): flat is 1.
//!
//! *Laws.* Patterns of a flat object give a flat object. Without momentum no step increases the misfit (the denominator
//! majorizes the curvature: translations average, the transform conserves energy): each step reduces it by at least its
//! length. With momentum, at most `4 / (STEPS + 1)^2` of the squared distance of a weak object from the flat one remains,
//! weighted by that denominator. The order of channels does not matter.
//!
//! *Sources.* The step is that of Maiden, Johnson and Li 2017, DOI 10.1364/OPTICA.4.000736, for all patterns at once; the momentum that of Nesterov,
//! as in Beck and Teboulle 2009, DOI 10.1137/080716542. The two halves are Gabor's of in-line holography.

use num_complex::Complex;

use crate::physics::forward::{GroupState, Physics};
use ptyproof::optics::propagate::{pixels, to_far_field};
use ptyproof::optics::translate::translate_add;
use ptyproof_kernels::scalar::Scalar;

/// Regularization, as a share of the maximum intensity of the probe.
pub const ALPHA: f64 = 0.1;

/// Steps from a flat object.
pub const STEPS: usize = 20;

impl<T: Scalar> Physics<T> {
    /// Estimates the object of a group from its labels (`s X`, `[row, col, channel]`) and the offsets `[x, y]` of its
    /// channels, and writes the patch of each channel to `state.fields`, `[channel][N, N]`, over the amplitude to expect.
    /// Everything else in `state` is overwritten.
    ///
    /// # Panics
    /// If the lengths do not fit, or an offset needs a canvas beyond any; grouping admits no such offset.
    pub fn estimate(&self, label: &[T], rel: &[[T; 2]], state: &mut GroupState<T>) {
        let momenta = (0..STEPS).map(|step| T::of(step as f64 / (step + 3) as f64));
        self.descend((label, rel), momenta, state);
    }

    /// One step for each of the `momenta`.
    fn descend(
        &self,
        (label, rel): (&[T], &[[T; 2]]),
        momenta: impl Iterator<Item = T>,
        state: &mut GroupState<T>,
    ) {
        self.lay_out(rel, state)
            .expect("offsets were bounded by grouping");
        let (n, m, c) = (self.side(), state.canvas, rel.len());
        assert_eq!(label.len(), n * n * c, "labels");
        let (zero, flat) = (T::zero(), T::of(self.numerics().ceiling / 2.0));
        let (side, alpha) = (T::of(n as f64), T::of(ALPHA));
        state.amplitude.clear();
        for k in 0..c {
            let of_channel = pixels(n).map(|(_, centered)| label[centered * c + k] / self.scale());
            state.amplitude.extend(of_channel);
        }
        // from here on what a gathered value is worth
        let over = side * self.merge.peak();
        for w in &mut state.coverage {
            *w = (over * (*w + alpha)).recip();
        }
        state.object.clear();
        state.object.resize(m * m, Complex::new(flat, zero));
        state.last.clone_from(&state.object);
        for momentum in momenta {
            self.illuminate(rel, state);
            let seen = state.amplitude.chunks_exact(n * n);
            for (plane, seen) in state.fields.chunks_exact_mut(n * n).zip(seen) {
                to_far_field(&self.fft, plane, &mut state.scratch);
                for (z, &x) in plane.iter_mut().zip(seen) {
                    let modulus = z.norm_sqr().sqrt();
                    // what is but the rounding of a zero has no direction
                    let factor = if modulus > self.dark {
                        x / modulus - side.recip()
                    } else {
                        zero
                    };
                    *z = *z * factor;
                }
            }
            self.gather(rel, state);
            let steps = state.gathered.iter().zip(&state.coverage);
            let objects = state.object.iter_mut().zip(&mut state.last);
            for ((y, last), (&g, &w)) in objects.zip(steps) {
                let next = *y + g * w;
                *y = next + (next - *last) * momentum;
                *last = next;
            }
        }
        for (plane, &t) in state.fields.chunks_exact_mut(n * n).zip(rel) {
            plane.fill(Complex::new(zero, zero));
            translate_add(&state.last, m, plane, n, t);
            plane.iter_mut().for_each(|z| *z = *z * flat.recip());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physics::object::Numerics;
    use proptest::prelude::*;
    use ptyproof::geometry::PatchSize;
    use ptyproof_testkit::compare::{largest, non_empty, zip_eq};
    use ptyproof_testkit::tolerance::{F64_FITTED, F64_STEPS_4096, assert_close};

    const N: usize = 16;
    const SCALE: f64 = 30.0;
    const FOUR: [[f64; 2]; 4] = [[0.3, -1.2], [-0.8, 0.4], [1.5, 1.0], [-1.0, -0.2]];

    fn wave(k: usize, f: f64) -> f64 {
        ((k as f64 + 1.0) * f).sin()
    }

    fn physics() -> Physics<f64> {
        let at = |k: usize| k as f64 - 7.7;
        let probe: Vec<_> = (0..N * N)
            .map(|k| {
                let r2 = at(k / N).powi(2) + at(k % N).powi(2);
                Complex::from_polar((-r2 / 20.0).exp(), 0.11 * r2 + 0.2 * wave(k, 1.1))
            })
            .collect();
        let energy = probe.iter().map(Complex::norm_sqr).sum();
        let numerics = Numerics::guarded(N, energy, SCALE);
        Physics::new(PatchSize::new(N).unwrap(), &probe, SCALE, numerics).unwrap()
    }

    fn flat(p: &Physics<f64>) -> f64 {
        p.numerics().ceiling / 2.0
    }

    /// The labels of an object of side `m` about the group's center.
    fn labels(
        p: &Physics<f64>,
        rel: &[[f64; 2]],
        (m, object): (usize, Vec<Complex<f64>>),
    ) -> Vec<f64> {
        let mut state = GroupState::default();
        (state.canvas, state.object) = (m, object);
        p.illuminate(rel, &mut state);
        let mut label = vec![0.0; N * N * rel.len()];
        for (k, plane) in state.fields.chunks_exact_mut(N * N).enumerate() {
            to_far_field(&p.fft, plane, &mut state.scratch);
            for (corner, centered) in pixels(N) {
                label[centered * rel.len() + k] = SCALE * plane[corner].norm() / N as f64;
            }
        }
        label
    }

    /// An object that deviates from the flat one by so much, on a canvas for four channels.
    fn object(p: &Physics<f64>, contrast: f64, f: f64) -> (usize, Vec<Complex<f64>>) {
        let m = N + 4;
        let value = |k: usize| {
            Complex::from_polar(1.0 + contrast * wave(k, f), contrast * wave(k, 1.7 * f))
        };
        (m, (0..m * m).map(|k| value(k) * flat(p)).collect())
    }

    fn estimate(p: &Physics<f64>, label: &[f64], rel: &[[f64; 2]]) -> GroupState<f64> {
        let mut state = GroupState::default();
        p.estimate(label, rel, &mut state);
        state
    }

    /// Sum of squared differences of amplitudes, over the squared amplitudes, of the object where the steps led.
    fn left(
        p: &Physics<f64>,
        label: &[f64],
        rel: &[[f64; 2]],
        object: (usize, Vec<Complex<f64>>),
    ) -> f64 {
        let predicted = labels(p, rel, object);
        let square = |x: f64| x * x;
        let all: f64 = label.iter().copied().map(square).sum();
        zip_eq(label, &predicted)
            .map(|(x, y)| square(x - y))
            .sum::<f64>()
            / all
    }

    #[test]
    fn flat_object_is_estimated_as_flat() {
        let p = physics();
        for rel in [&FOUR[..], &[[0.0, 0.0]]] {
            let all = (N + 4, vec![flat(&p).into(); (N + 4) * (N + 4)]);
            let found = estimate(&p, &labels(&p, rel, all), rel);
            for z in non_empty(&found.fields) {
                assert_close!(z, 1.0, F64_STEPS_4096);
            }
        }
    }

    #[test]
    fn estimate_matches_pattern_energy_and_stops_at_zero_patterns() {
        let p = physics();
        let found = estimate(&p, &vec![0.0; N * N], &[[0.0, 0.0]]);
        let lit = found.fields[7 * N + 8];
        assert!(lit.norm() < 0.05, "{lit}");
    }

    /// Contrast of an object whose far field differs by less than a tenth from a flat object's, in every pixel: an object of contrast `c`
    /// is at most `1.5 c` from flat, which changes no pixel by more than `1.5 c sum |P|` of flat, 93 `c`; the darkest pixel of the flat object's is 0.01 of it.
    const FAINT: f64 = 1e-5;

    /// The steps of the estimate: the point that the last one starts from, where it ends, and the denominator.
    struct ScheduleKind {
        canvas: usize,
        from: Vec<Complex<f64>>,
        to: Vec<Complex<f64>>,
        denominator: Vec<f64>,
    }

    fn course(p: &Physics<f64>, label: &[f64], rel: &[[f64; 2]], steps: usize) -> ScheduleKind {
        let run = |steps: usize| {
            let momenta = (0..steps).map(|k| k as f64 / (k + 3) as f64);
            let mut s = GroupState::default();
            p.descend((label, rel), momenta, &mut s);
            s
        };
        let (before, after) = (run(steps), run(steps + 1));
        // the definition: the illumination of all channels and a share of the maximum
        let lights: Vec<_> = (p.probe().iter())
            .map(|z| Complex::from(z.norm_sqr()))
            .collect();
        let peak = lights.iter().map(|z| z.re).fold(0.0, f64::max);
        let m = after.canvas;
        let mut sum = vec![Complex::from(ALPHA * peak); m * m];
        for t in rel {
            translate_add(&lights, N, &mut sum, m, [-t[0], -t[1]]);
        }
        ScheduleKind {
            canvas: m,
            from: before.object,
            to: after.last,
            denominator: sum.iter().map(|z| z.re).collect(),
        }
    }

    impl ScheduleKind {
        /// The squared distance of two objects, weighted by the denominator.
        fn square(&self, a: &[Complex<f64>], b: &[Complex<f64>]) -> f64 {
            let pairs = a.iter().zip(b).zip(&self.denominator);
            pairs.map(|((a, b), d)| d * (a - b).norm_sqr()).sum()
        }
    }

    /// `E(x) <= E(y) - |x - y|^2` for the step from `y` to `x`, where `E` is the squared difference of amplitudes and the length is weighted by the
    /// denominator `D`.
    ///
    /// For every pixel, with `F` of `y` and `F + f` of another object, `(X - |F + f|)^2 <= |F + f - X F / |F||^2`, which is
    /// `(X - |F|)^2 - 2 Re conj(f) (X - |F|) F / |F| + |f|^2`. Summed, with `G` of this module, `E(y + h) <= E(y) - 2 Re
    /// <G, h> + sum |f|^2`, and the last term is the energy of `h` in all channels: at most `<h, D h>`, since bilinear
    /// weights average (Jensen) and the transform keeps energies. At `h = x - y = G / D` that is the law. It asks nothing
    /// of the object: the function need not be convex.
    ///
    /// *Rounding.* A far field in float64 is off by at most 200 half units in the last place of its norm (eight levels of seven, and what makes the
    /// wave and its modulus), so the root of `E` is, and `E` by twice that times its root.
    fn takes_its_length_off(
        p: &Physics<f64>,
        rel: &[[f64; 2]],
        object: (usize, Vec<Complex<f64>>),
        steps: usize,
    ) -> Result<(), TestCaseError> {
        let label = labels(p, rel, object);
        let c = course(p, &label, rel, steps);
        let all: f64 = label.iter().map(|x| (x / SCALE).powi(2)).sum();
        let e = |y: &Vec<Complex<f64>>| all * left(p, &label, rel, (c.canvas, y.clone()));
        let (before, after, length) = (e(&c.from), e(&c.to), c.square(&c.from, &c.to));
        let off = 200.0 * f64::EPSILON / 2.0 * all.sqrt();
        let rounding = 2.0 * off * (2.0 * before.sqrt() + off);
        prop_assert!(
            after <= before - length + rounding,
            "step {steps}: {before} to {after}, length {length}"
        );
        Ok(())
    }

    /// `E(x) <= 4 |x0 - o|^2 / (STEPS + 1)^2` for the estimate `x` of a faint object `o` from the flat one `x0`, lengths weighted by the denominator.
    ///
    /// This is the bound of accelerated descent, `2 L |x0 - o|^2 / (k + 1)^2` after `k` steps with momenta `(j - 1) / (j + 2)` (Beck and
    /// Teboulle 2009, theorem 4.4; their proof asks of the momenta that `t_j = (j + 1) / 2` obey `t_(j+1)^2 - t_(j+1) <= t_j^2`, as these do), with
    /// `L = 2` by the law of a single step, and nothing left by `o` itself. It is of convex functions. `E` is convex as far as
    /// `|F|` is linear: where far fields differ little from those of the flat object, in every pixel. Of objects of more contrast there is no such bound,
    /// since their dark pixels may begin with the wrong phase.
    fn is_explained_fast_enough(
        p: &Physics<f64>,
        rel: &[[f64; 2]],
        (m, object): (usize, Vec<Complex<f64>>),
    ) -> Result<(), TestCaseError> {
        let label = labels(p, rel, (m, object.clone()));
        let c = course(p, &label, rel, STEPS - 1);
        let off = (m - c.canvas) / 2;
        let seen: Vec<_> = (0..c.canvas * c.canvas)
            .map(|k| object[(k / c.canvas + off) * m + k % c.canvas + off])
            .collect();
        let start = vec![flat(p).into(); seen.len()];
        let bound = 4.0 * c.square(&start, &seen) / ((STEPS + 1) * (STEPS + 1)) as f64;
        let all: f64 = label.iter().map(|x| (x / SCALE).powi(2)).sum();
        let after = all * left(p, &label, rel, (c.canvas, c.to.clone()));
        prop_assert!(after <= bound, "{after} of at most {bound}");
        // the premise
        let fields = |object| far_fields(p, rel, (c.canvas, object));
        for (flat, own) in fields(start).iter().zip(fields(seen)) {
            prop_assert!((own - flat).norm() < 0.1 * flat.norm(), "{own} {flat}");
        }
        Ok(())
    }

    /// Far fields of the channels, `[channel][N, N]`, of an object of side `m`.
    fn far_fields(
        p: &Physics<f64>,
        rel: &[[f64; 2]],
        (m, object): (usize, Vec<Complex<f64>>),
    ) -> Vec<Complex<f64>> {
        let mut state = GroupState::default();
        (state.canvas, state.object) = (m, object);
        p.illuminate(rel, &mut state);
        for plane in state.fields.chunks_exact_mut(N * N) {
            to_far_field(&p.fft, plane, &mut state.scratch);
        }
        state.fields
    }

    #[test]
    fn wrong_phase_at_dark_pixels_slows_convergence() {
        // of the first object, more than a tenth is left of what a flat object leaves: the difference is not convex there
        let (p, f) = (physics(), 2.320_828_311_321_989);
        for (contrast, delayed) in [(0.01, true), (0.001, false)] {
            let o = object(&p, contrast, f);
            let label = labels(&p, &FOUR, o.clone());
            for steps in 0..STEPS {
                takes_its_length_off(&p, &FOUR, o.clone(), steps).unwrap();
            }
            let truth = far_fields(&p, &FOUR, o);
            let brightest = truth.iter().map(|z| z.norm()).fold(0.0, f64::max);
            let after = |steps: usize| {
                let c = course(&p, &label, &FOUR, steps - 1);
                let e = left(&p, &label, &FOUR, (c.canvas, c.to.clone()));
                let found = far_fields(&p, &FOUR, (c.canvas, c.to));
                let pairs = truth.iter().zip(found);
                let wrong = pairs.filter(|(t, z)| (*t * z.conj()).re < 0.0);
                let wrong: Vec<f64> = wrong.map(|(t, _)| t.norm()).collect();
                (e, wrong)
            };
            let start = (N + 4, vec![flat(&p).into(); (N + 4) * (N + 4)]);
            let before = left(&p, &label, &FOUR, start);
            let ((e, wrong), (later, none)) = (after(STEPS), after(50 * STEPS));
            assert_eq!((e > 0.1 * before, wrong.is_empty()), (delayed, !delayed));
            // dark is below a hundredth of the brightest pixel; in the end no phase is wrong, and little is left
            assert!(
                wrong.iter().all(|t| *t < 0.01 * brightest),
                "{wrong:?} {brightest}"
            );
            assert!(none.is_empty() && later < 0.1 * e, "{none:?} {e} {later}");
        }
    }

    #[test]
    fn estimate_residual_is_below_a_tenth_of_flat() {
        let p = physics();
        for contrast in [0.02, 0.1, 0.4] {
            for f in [0.3, 0.7, 1.1, 1.5, 1.9, 2.3, 2.7] {
                for rel in [&FOUR[..], &FOUR[..1]] {
                    let label = labels(&p, rel, object(&p, contrast, f));
                    let found = estimate(&p, &label, rel);
                    let start = (N + 4, vec![flat(&p).into(); (N + 4) * (N + 4)]);
                    let before = left(&p, &label, rel, start);
                    let after = left(&p, &label, rel, (found.canvas, found.last));
                    assert!(after < 0.1 * before, "{contrast} {f}: {before} {after}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn each_step_reduces_the_misfit_by_its_length(
            contrast in 0.01f64..1.5, f in 0.3f64..3.0, steps in 0..STEPS,
        ) {
            let p = physics();
            for rel in [&FOUR[..], &FOUR[..1]] {
                takes_its_length_off(&p, rel, object(&p, contrast, f), steps)?;
            }
        }

        #[test]
        fn weak_object_converges_at_the_accelerated_rate(contrast in 1e-7f64..FAINT, f in 0.3f64..3.0) {
            let p = physics();
            for rel in [&FOUR[..], &FOUR[..1]] {
                is_explained_fast_enough(&p, rel, object(&p, contrast, f))?;
            }
        }

        #[test]
        fn misfit_never_rises_without_momentum(contrast in 0.01f64..1.5, f in 0.3f64..3.0) {
            let p = physics();
            for rel in [&FOUR[..], &FOUR[..1]] {
                let label = labels(&p, rel, object(&p, contrast, f));
                let after = |steps: usize| {
                    let mut s = GroupState::default();
                    p.descend((&label, rel), std::iter::repeat_n(0.0, steps), &mut s);
                    left(&p, &label, rel, (s.canvas, s.last))
                };
                let course: Vec<f64> = (0..8).map(after).collect();
                prop_assert!(course.is_sorted_by(|a, b| b <= a), "{course:?}");
            }
        }

        #[test]
        fn estimate_is_channel_order_independent(f in 0.3f64..3.0) {
            let p = physics();
            let label = labels(&p, &FOUR, object(&p, 0.2, f));
            let found = estimate(&p, &label, &FOUR);
            let turned: Vec<_> = (0..4).map(|k| FOUR[(k + 1) % 4]).collect();
            let swapped: Vec<_> = (0..label.len()).map(|k| label[k / 4 * 4 + (k + 1) % 4]).collect();
            let other = estimate(&p, &swapped, &turned);
            for k in 0..4 {
                let (a, b) = (&found.fields[(k + 1) % 4 * N * N..][..N * N], &other.fields[k * N * N..][..N * N]);
                for (a, b) in a.iter().zip(b) {
                    assert_close!(a, b, F64_FITTED);
                }
            }
        }
    }

    #[test]
    fn weak_object_appears_at_its_position() {
        // one pixel of 1 % in amplitude and -0.02 rad, illuminated and off center
        let p = physics();
        let (at, contrast) = (9 * N + 6, Complex::new(0.01, -0.02));
        let mut seen = vec![Complex::from(flat(&p)); N * N];
        seen[at] += flat(&p) * contrast;
        let rel = [[0.0, 0.0]];
        let found = estimate(&p, &labels(&p, &rel, (N, seen)), &rel).fields;
        let there = (found[at] - 1.0) / contrast;
        assert!(
            there.re > 0.5 && there.re < 1.1 && there.im.abs() < 0.2,
            "{there}"
        );
        let others = found.iter().enumerate().filter(|(k, _)| *k != at);
        let most = largest(others.map(|(_, z)| (z - 1.0).norm()));
        assert!(most < 0.5 * (found[at] - 1.0).norm(), "{most}");
    }
}
