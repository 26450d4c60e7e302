//! The forward model of one group: from amplitude and phase maps to predicted amplitudes and loss, and its gradient.
//!
//! ```text
//! Z_c = combine(A_c, phi_c)                      the object as channel c sees it, side N
//! O   = merge(Z_c, rel_c)                        on the group's canvas, side M: see physics::merge
//! E_c = translate(O, +rel_c), cropped            side N
//! F_c = FFT2(P m E_c)                            the far field, DC at the corner
//! L   = sum over c, pixels of the Poisson loss   see physics::loss
//! ```
//!
//! *The canvas* is as large as the offsets of the group need, `M = N + 2 ceil(max |rel|)`: pixels beyond are zero and never
//! read, so a larger canvas would not change the result.
//!
//! *Source.* Reference description, sections h and j.

use num_complex::Complex;

use crate::physics::loss::{gradient, pixel};
use crate::physics::merge::Merge;
use crate::physics::object::Numerics;
use ptyproof::error::{Error, Result};
use ptyproof::geometry::{CanvasSize, PatchSize};
use ptyproof::optics::propagate::{from_far_field, pixels, to_far_field};
use ptyproof::optics::translate::translate_add;
use ptyproof_kernels::fft::{Fft2, Scratch};
use ptyproof_kernels::scalar::Scalar;

/// The physics layers for patterns of one size, one probe and one numerics.
#[derive(Debug, Clone)]
pub struct Physics<T: Scalar> {
    n: usize,
    probe: Vec<Complex<T>>,
    pub(super) merge: Merge<T>,
    scale: T,
    numerics: Numerics,
    pub(super) fft: Fft2<T>,
    /// The modulus below which a far field of the expected object is rounding noise.
    pub(super) dark: T,
}

/// The result of the forward pass of one group.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GroupLoss {
    /// Sum of the Poisson loss over channels and pixels.
    pub nll: f64,
    /// Sum of `|label - predicted amplitude|`.
    pub absolute_error: f64,
    /// Pixels whose predicted intensity is below the floor of the guard.
    pub floored: usize,
    /// Pixels whose predicted amplitude is exactly zero.
    pub zeros: usize,
}

/// The fields of one group between forward and backward pass; keep one per group and reuse it.
///
/// Planes are `[channel][row, col]`, DC at the corner for far fields.
#[derive(Debug, Clone)]
pub struct GroupState<T> {
    /// Side of the group's canvas.
    pub canvas: usize,
    /// `Z_c`, `[channel][N, N]`.
    pub patches: Vec<Complex<T>>,
    /// `O`, `[M, M]`.
    pub object: Vec<Complex<T>>,
    /// `W + eps`, `[M, M]`.
    pub coverage: Vec<T>,
    /// `P m E_c`, `[channel][N, N]`, kept only until the transform overwrites it.
    pub fields: Vec<Complex<T>>,
    /// The gradients of all channels on the canvas, `[M, M]`.
    pub(super) gathered: Vec<Complex<T>>,
    /// `w Z_c` of one channel.
    shared: Vec<Complex<T>>,
    /// While the object is estimated: that of the step before, `[M, M]`, and the normalized amplitudes, `[channel][N, N]`, DC at the corner.
    pub(super) last: Vec<Complex<T>>,
    pub(super) amplitude: Vec<T>,
    /// Scratch memory of the transforms.
    pub(crate) scratch: Scratch<T>,
}

impl<T: Scalar> Default for GroupState<T> {
    fn default() -> Self {
        Self {
            canvas: 0,
            patches: Vec::new(),
            object: Vec::new(),
            coverage: Vec::new(),
            fields: Vec::new(),
            gathered: Vec::new(),
            shared: Vec::new(),
            last: Vec::new(),
            amplitude: Vec::new(),
            scratch: Scratch::default(),
        }
    }
}

impl<T: Scalar> Physics<T> {
    /// The physics of patterns of side `n`, for a probe (`[row, col]`, `n^2` values, already masked),
    /// and `scale` from normalized to model amplitude.
    ///
    /// # Errors
    /// If the probe has another size or holds a value that is not finite, if `scale` is not finite
    /// and positive, or if the brightest far field the ceiling allows would overflow float32.
    pub fn new(
        n: PatchSize,
        probe: &[Complex<f64>],
        scale: f64,
        numerics: Numerics,
    ) -> Result<Self> {
        let action = "setting up the physics";
        if probe.len() != n.area() {
            return Err(Error::input(action)
                .at("probe")
                .got(format!("{} values", probe.len()))
                .need(format!("{} x {}", n.get(), n.get())));
        }
        if let Some(k) = probe
            .iter()
            .position(|p| !(p.re.is_finite() && p.im.is_finite()))
        {
            let (row, col) = (k / n.get(), k % n.get());
            return Err(Error::input(action)
                .at(format!("probe[{row}, {col}]"))
                .not_finite()
                .got(probe[k])
                .need("finite values"));
        }
        if !(scale.is_finite() && scale > 0.0) {
            return Err(Error::input(action)
                .at("scale")
                .got(scale)
                .need("a finite factor > 0"));
        }
        let bound = probe.iter().map(|p| p.norm()).sum::<f64>() * numerics.ceiling.max(4.0);
        let brightest = (bound * scale).powi(2);
        if brightest > f64::from(f32::MAX) / 16.0 {
            return Err(Error::input(action)
                .at("probe and scale")
                .got(format!("a maximum possible intensity of {brightest:e}"))
                .need("a value within the range of float32")
                .help("normalize the probe, or lower `nphotons`"));
        }
        let n = n.get();
        let narrow = |p: &Complex<f64>| Complex::new(T::of(p.re), T::of(p.im));
        let probe: Vec<Complex<T>> = probe.iter().map(narrow).collect();
        let total: f64 = (probe.iter().map(|p| p.re.wide().hypot(p.im.wide()))).sum();
        Ok(Self {
            n,
            merge: Merge::new(n, &probe, numerics.coverage),
            probe,
            scale: T::of(scale),
            numerics,
            fft: Fft2::new(n),
            dark: T::of(f64::from(f32::EPSILON) * total * numerics.ceiling / 2.0),
        })
    }

    /// The side of the patterns.
    pub fn side(&self) -> usize {
        self.n
    }

    /// The masked probe, `[row, col]`.
    pub fn probe(&self) -> &[Complex<T>] {
        &self.probe
    }

    /// The numerics in force.
    pub fn numerics(&self) -> Numerics {
        self.numerics
    }

    /// The factor from normalized to model amplitude.
    pub fn scale(&self) -> T {
        self.scale
    }

    /// `Z`, the canvas and `O`, from amplitude and phase (`[row, col, channel]`, `N * N * C` values,
    /// phase in radians) and the relative offsets `[x, y]` of each channel in pixels.
    ///
    /// # Panics
    /// If the lengths do not fit, or an offset needs a canvas beyond [`CanvasSize::MAX`]; grouping
    /// admits no such offset.
    pub fn assemble(
        &self,
        amplitude: &[T],
        phase: &[T],
        rel: &[[T; 2]],
        state: &mut GroupState<T>,
    ) {
        let (n, c) = (self.n, rel.len());
        assert_eq!(
            (amplitude.len(), phase.len()),
            (n * n * c, n * n * c),
            "maps"
        );
        self.lay_out(rel, state)
            .expect("offsets were bounded by grouping");
        (state.patches).resize(c * n * n, Complex::new(T::zero(), T::zero()));
        for (k, plane) in state.patches.chunks_exact_mut(n * n).enumerate() {
            for (p, z) in plane.iter_mut().enumerate() {
                let at = p * c + k;
                *z = (self.numerics.combination).combine(amplitude[at], phase[at]);
            }
        }
        self.merge(rel, state);
    }

    /// The canvas that the offsets need, and `W + eps`: the sum of the channel weights at each of its pixels.
    ///
    /// # Errors
    /// If they need one beyond [`CanvasSize::MAX`].
    pub fn lay_out(&self, rel: &[[T; 2]], state: &mut GroupState<T>) -> Result<()> {
        let far = |m: f64, v: &T| m.max(v.wide().abs());
        let reach = rel.iter().flatten().fold(0.0, far);
        state.canvas = CanvasSize::holding(self.n, reach)?.get();
        (self.merge).cover(rel, state.canvas, &mut state.gathered, &mut state.coverage);
        Ok(())
    }

    /// `O` of `Z` and `W + eps`, which are in `state` with the canvas.
    pub fn merge(&self, rel: &[[T; 2]], state: &mut GroupState<T>) {
        let from = (&*state.patches, &*state.coverage);
        (self.merge).object(
            from,
            rel,
            state.canvas,
            &mut state.shared,
            &mut state.object,
        );
    }

    /// The group's object, `O` cropped to its central `N x N`, into `out`.
    ///
    /// # Panics
    /// Unless `out` holds `N^2` values.
    pub fn trimmed(&self, state: &GroupState<T>, out: &mut [Complex<T>]) {
        let (n, m) = (self.n, state.canvas);
        let pad = (m - n) / 2;
        for (row, to) in out.chunks_exact_mut(n).enumerate() {
            to.copy_from_slice(&state.object[(row + pad) * m + pad..][..n]);
        }
    }

    /// `P m E_c`: the exit waves of the group, from its object, into `state.fields`.
    pub fn illuminate(&self, rel: &[[T; 2]], state: &mut GroupState<T>) {
        let (n, m) = (self.n, state.canvas);
        let zero = Complex::new(T::zero(), T::zero());
        state.fields.clear();
        state.fields.resize(rel.len() * n * n, zero);
        for (plane, &t) in state.fields.chunks_exact_mut(n * n).zip(rel) {
            translate_add(&state.object, m, plane, n, t);
            for (e, &p) in plane.iter_mut().zip(&self.probe) {
                *e = *e * p;
            }
        }
    }

    /// The loss of the group against `label` (`s X`, `[row, col, channel]`), leaving the far fields
    /// in `state.fields`. Call after [`Physics::assemble`].
    pub fn forward(&self, rel: &[[T; 2]], label: &[T], state: &mut GroupState<T>) -> GroupLoss {
        let (n, c) = (self.n, rel.len());
        assert_eq!(label.len(), n * n * c, "labels");
        self.illuminate(rel, state);
        let mut found = GroupLoss::default();
        for (k, plane) in state.fields.chunks_exact_mut(n * n).enumerate() {
            to_far_field(&self.fft, plane, &mut state.scratch);
            for (corner, centered) in pixels(n) {
                let t = label[centered * c + k];
                let l = pixel(self.numerics.guard, plane[corner], n, self.scale, t);
                found.nll += l.nll.wide();
                found.absolute_error += l.absolute_error.wide();
                found.floored += usize::from(l.floored);
                found.zeros += usize::from(l.amplitude == T::zero());
            }
        }
        found
    }

    /// The gradients of `weight * L` with respect to amplitude and phase, `[row, col, channel]`.
    /// Call after [`Physics::forward`]; overwrites the far fields.
    pub fn backward(
        &self,
        amplitude_and_phase: (&[T], &[T]),
        rel: &[[T; 2]],
        label: &[T],
        weight: f64,
        state: &mut GroupState<T>,
        out: (&mut [T], &mut [T]),
    ) {
        let n = self.n;
        let c = rel.len();
        for (k, plane) in state.fields.chunks_exact_mut(n * n).enumerate() {
            for (corner, centered) in pixels(n) {
                let t = label[centered * c + k];
                plane[corner] =
                    gradient(self.numerics.guard, plane[corner], n, self.scale, t, weight);
            }
        }
        self.pull_back(amplitude_and_phase, rel, state, out);
    }

    /// The adjoint of [`Physics::illuminate`] and the transform: from far fields in `state.fields`, which are overwritten, onto the canvas,
    /// into `state.gathered`.
    pub(super) fn gather(&self, rel: &[[T; 2]], state: &mut GroupState<T>) {
        let (n, m) = (self.n, state.canvas);
        let zero = Complex::new(T::zero(), T::zero());
        state.gathered.clear();
        state.gathered.resize(m * m, zero);
        for (plane, t) in state.fields.chunks_exact_mut(n * n).zip(rel) {
            from_far_field(&self.fft, plane, &mut state.scratch);
            for (e, p) in plane.iter_mut().zip(&self.probe) {
                *e = *e * p.conj();
            }
            translate_add(plane, n, &mut state.gathered, m, [-t[0], -t[1]]);
        }
    }

    /// The gradients with respect to amplitude and phase, `[row, col, channel]`, from that with respect to the
    /// far fields in `state.fields`, which is overwritten; `state` has its canvas and its coverage.
    pub fn pull_back(
        &self,
        (amplitude, phase): (&[T], &[T]),
        rel: &[[T; 2]],
        state: &mut GroupState<T>,
        (d_amplitude, d_phase): (&mut [T], &mut [T]),
    ) {
        let (n, m, c) = (self.n, state.canvas, rel.len());
        self.gather(rel, state);
        Merge::divide(&mut state.gathered, &state.coverage);
        for (k, (&t, plane)) in rel
            .iter()
            .zip(state.fields.chunks_exact_mut(n * n))
            .enumerate()
        {
            self.merge.part(&state.gathered, m, t, plane);
            for (p, &g) in plane.iter().enumerate() {
                let at = p * c + k;
                let (da, dp) = self
                    .numerics
                    .combination
                    .gradient(amplitude[at], phase[at], g);
                d_amplitude[at] = da;
                d_phase[at] = dp;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physics::loss::Guard;
    use crate::physics::merge::Weighting;
    use crate::physics::object::{Combination, Gauge};
    use ptyproof_kernels::conv::Arithmetic;
    use ptyproof_testkit::compare::zip_eq;
    use ptyproof_testkit::tolerance::{F64_GRADIENT, F64_STEPS_8, F64_STEPS_64, assert_close};

    fn wave(k: usize, f: f64) -> f64 {
        ((k as f64 + 1.0) * f).sin()
    }

    fn physics(n: usize, numerics: Numerics) -> Physics<f64> {
        let probe: Vec<_> = (0..n * n)
            .map(|k| {
                let r2 = ((k / n) as f64 - 3.3).powi(2) + ((k % n) as f64 - 4.1).powi(2);
                Complex::from_polar((-r2 / 12.0).exp(), 0.05 * r2)
            })
            .collect();
        Physics::new(PatchSize::new(n).unwrap(), &probe, 30.0, numerics).unwrap()
    }

    #[test]
    fn gradient_matches_finite_differences_of_the_loss() {
        // central differences in f64, every numerics, one and four channels
        let n = 8;
        for numerics in [
            Numerics::reference(),
            Numerics {
                combination: Combination::Polar,
                ceiling: 1.0,
                guard: Guard::floor(n, 50.0),
                arithmetic: Arithmetic::Fast,
                estimates: true,
                coverage: Weighting::Illumination,
                gauge: Gauge::AsGiven,
            },
        ] {
            for rel in [
                vec![[0.0, 0.0]],
                vec![[0.3, -1.2], [-0.8, 0.4], [1.5, 1.0], [-1.0, -0.2]],
            ] {
                let c = rel.len();
                let ph = physics(n, numerics);
                let amplitude: Vec<_> = (0..n * n * c).map(|k| 0.6 + 0.3 * wave(k, 1.7)).collect();
                let phase: Vec<_> = (0..n * n * c).map(|k| 0.9 * wave(k, 0.9)).collect();
                let label: Vec<_> = (0..n * n * c).map(|k| 40.0 + 30.0 * wave(k, 2.3)).collect();
                let loss = |a: &[f64], p: &[f64]| {
                    let mut s = GroupState::default();
                    ph.assemble(a, p, &rel, &mut s);
                    ph.forward(&rel, &label, &mut s).nll
                };
                let mut s = GroupState::default();
                ph.assemble(&amplitude, &phase, &rel, &mut s);
                ph.forward(&rel, &label, &mut s);
                let (mut da, mut dp) = (vec![0.0; n * n * c], vec![0.0; n * n * c]);
                ph.backward(
                    (&amplitude, &phase),
                    &rel,
                    &label,
                    1.0,
                    &mut s,
                    (&mut da, &mut dp),
                );
                // one random direction tests all components at once
                let dir: Vec<_> = (0..2 * n * n * c).map(|k| wave(k, 3.1)).collect();
                let moved = |h: f64| {
                    let a: Vec<_> = amplitude.iter().zip(&dir).map(|(v, d)| v + h * d).collect();
                    let p: Vec<_> = phase
                        .iter()
                        .zip(&dir[n * n * c..])
                        .map(|(v, d)| v + h * d)
                        .collect();
                    loss(&a, &p)
                };
                let h = 1e-5;
                let numeric = (moved(h) - moved(-h)) / (2.0 * h);
                let exact: f64 = zip_eq(da.iter().chain(&dp), &dir).map(|(g, d)| g * d).sum();
                let norm: f64 = da.iter().chain(&dp).map(|g| g * g).sum::<f64>().sqrt();
                assert_close!(numeric, exact, F64_GRADIENT.scaled(norm));
            }
        }
    }

    #[test]
    fn single_channel_without_offset_is_identity() {
        // gs1: O = Z / 1.001 in the center square, Z / 0.001 outside of it
        let n = 8;
        let ph = physics(n, Numerics::reference());
        let (a, p) = (vec![0.5; 64], vec![0.25; 64]);
        let mut s = GroupState::default();
        ph.assemble(&a, &p, &[[0.0, -0.0]], &mut s);
        let mut o = vec![Complex::default(); 64];
        ph.trimmed(&s, &mut o);
        assert_eq!(s.canvas, 8);
        assert_close!(o[3 * 8 + 3], Complex::new(0.5, 0.25) / 1.001, F64_STEPS_8);
        assert_close!(
            o[0],
            Complex::new(0.5, 0.25) / 0.001,
            F64_STEPS_64.as_relative()
        );
    }

    #[test]
    fn overflowing_probe_is_refused() {
        let n = PatchSize::new(8).unwrap();
        let probe = vec![Complex::new(1e18, 0.0); 64];
        let e = Physics::<f32>::new(n, &probe, 988.0, Numerics::reference()).unwrap_err();
        assert!(e.to_string().contains("float32"), "{e}");
        let mut probe = vec![Complex::new(1.0, 0.0); 64];
        probe[9].im = f64::NAN;
        let e = Physics::<f32>::new(n, &probe, 988.0, Numerics::reference()).unwrap_err();
        assert!(e.to_string().contains("probe[1, 1]"), "{e}");
    }
}
