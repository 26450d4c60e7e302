//! The operations of physics and loss, and their gradients.

use num_complex::Complex;

use super::Bench;
use super::network::values_of;
use crate::physics::forward::{GroupState, Physics};
use crate::physics::loss::{gradient, pixel};
use crate::training::network_input;
use ptyproof::error::Result;
use ptyproof::geometry::PatchSize;
use ptyproof::optics::propagate::{pixels, to_far_field};
use ptyproof::records::event::Operation;
use ptyproof_kernels::conv::Kernels;
use ptyproof_kernels::fft::{Fft2, Scratch};
use ptyproof_kernels::map::FeatureMap;
use ptyproof_kernels::scalar::Scalar;

fn pairs<T: Scalar>(values: &[Complex<T>]) -> Vec<T> {
    values.iter().flat_map(|z| [z.re, z.im]).collect()
}

impl Bench<'_> {
    pub(super) fn physics<T: Kernels>(&self, operation: &Operation) -> Result<Vec<T>> {
        let groups = self.inputs[0].shape[0];
        Ok(match operation {
            Operation::Combine => {
                let maps = self.values::<T>(0).into_iter().zip(self.values::<T>(1));
                let combination = self.numerics.combination;
                let all: Vec<_> = maps.map(|(a, phi)| combination.combine(a, phi)).collect();
                pairs(&planes(&all, self.inputs[0].shape[3], self.area()))
            }
            Operation::Propagate => {
                let mut all = self.complexes::<T>(0);
                let (fft, mut scratch) = (Fft2::new(self.setting.side), Scratch::default());
                for plane in all.chunks_exact_mut(self.area()) {
                    to_far_field(&fft, plane, &mut scratch);
                    let corner = plane.to_vec();
                    for (from, to) in pixels(self.setting.side) {
                        plane[to] = corner[from];
                    }
                }
                pairs(&all)
            }
            Operation::Detect => {
                let all = self.complexes::<T>(0);
                all.iter()
                    .map(|&f| self.pixel(f, T::zero()).amplitude)
                    .collect()
            }
            Operation::Likelihood => {
                let all = self.complexes::<T>(1);
                let labels = self.labels::<T>(2);
                all.iter()
                    .zip(labels)
                    .map(|(&f, t)| self.pixel(f, t).nll)
                    .collect()
            }
            Operation::LikelihoodGradient => {
                let (s, n) = (T::of(self.setting.scale), self.setting.side);
                let (guard, weight) = (self.numerics.guard, self.setting.weight);
                let all = self.complexes::<T>(1);
                let with = all.iter().zip(self.labels::<T>(2));
                let all: Vec<_> = with
                    .map(|(&f, t)| gradient(guard, f, n, s, t, weight))
                    .collect();
                pairs(&all)
            }
            Operation::Estimate => self.estimate()?,
            _ => {
                let mut out = Vec::new();
                for group in 0..groups {
                    out.extend(self.translated::<T>(operation, group)?);
                }
                out
            }
        })
    }

    fn area(&self) -> usize {
        self.setting.side * self.setting.side
    }

    fn pixel<T: Scalar>(&self, f: Complex<T>, t: T) -> crate::physics::loss::PixelLoss<T> {
        pixel(
            self.numerics.guard,
            f,
            self.setting.side,
            T::of(self.setting.scale),
            t,
        )
    }

    /// Labels `[n, y, x, c]` in the order `[n, c, y, x]`.
    fn labels<T: Scalar>(&self, k: usize) -> Vec<T> {
        planes(&self.values::<T>(k), self.inputs[k].shape[3], self.area())
    }

    /// The offsets of a group.
    fn offsets<T: Scalar>(&self, k: usize, group: usize) -> Vec<[T; 2]> {
        let c = self.inputs[k].shape[1];
        let all = self.values::<T>(k);
        let (pairs, _) = all[group * c * 2..(group + 1) * c * 2].as_chunks::<2>();
        pairs.to_vec()
    }

    /// The part of input `k` that belongs to a group.
    fn of_group<V: Copy>(&self, values: &[V], k: usize, group: usize) -> Vec<V> {
        let each = values.len() / self.inputs[k].shape[0];
        values[group * each..(group + 1) * each].to_vec()
    }

    /// The network input from the patterns, `[n, y, x, 2c]`: estimates always use `guarded` numerics.
    fn estimate<T: Kernels>(&self) -> Result<Vec<T>> {
        let [groups, n, _, c] = [0, 1, 2, 3].map(|axis| self.inputs[0].shape[axis]);
        let numerics = super::numerics(self.setting, "guarded");
        let (side, probe) = (PatchSize::new(n)?, self.complexes::<f64>(2));
        let physics = Physics::new(side, &probe, self.setting.scale, numerics)?;
        let all: Vec<_> = (0..groups).flat_map(|g| self.offsets::<T>(1, g)).collect();
        let mut states = vec![GroupState::default(); groups];
        let mut input = FeatureMap::input(groups, n, n, 2 * c);
        let given = (&*self.values::<T>(0), &*all);
        network_input::fill_input(&physics, given, &mut states, &mut input);
        Ok(values_of(&input))
    }

    /// The operations that shift patches, for one group.
    fn translated<T: Scalar>(&self, operation: &Operation, group: usize) -> Result<Vec<T>> {
        let n = self.setting.side;
        let zero = Complex::new(T::zero(), T::zero());
        let side = PatchSize::new(n)?;
        let with = |probe: &[Complex<f64>]| {
            Physics::<T>::new(side, probe, self.setting.scale, self.numerics)
        };
        let mut state = GroupState::default();
        Ok(match operation {
            Operation::Cover => {
                let rel = self.offsets::<T>(0, group);
                with(&self.complexes::<f64>(1))?.lay_out(&rel, &mut state)?;
                state.coverage
            }
            Operation::Assemble => {
                let m = self.inputs[1].shape[1];
                let patches = self.of_group(&self.complexes::<T>(0), 0, group);
                let coverage = self.of_group(&self.values::<T>(1), 1, group);
                state.canvas = m;
                state.patches = patches;
                state.coverage = coverage;
                let rel = self.offsets::<T>(2, group);
                with(&self.complexes::<f64>(3))?.merge(&rel, &mut state);
                pairs(&state.object)
            }
            Operation::Illuminate => {
                state.canvas = self.inputs[0].shape[1];
                state.object = self.of_group(&self.complexes::<T>(0), 0, group);
                let rel = self.offsets::<T>(2, group);
                with(&self.complexes::<f64>(1))?.illuminate(&rel, &mut state);
                pairs(&state.fields)
            }
            Operation::MapGradient { phase } => {
                let centered = self.of_group(&self.complexes::<T>(0), 0, group);
                state.fields = vec![zero; centered.len()];
                let fields = state.fields.chunks_exact_mut(n * n);
                for (to, from) in fields.zip(centered.chunks_exact(n * n)) {
                    for (corner, centered) in pixels(n) {
                        to[corner] = from[centered];
                    }
                }
                state.canvas = self.inputs[2].shape[1];
                state.coverage = self.of_group(&self.values::<T>(2), 2, group);
                let rel = self.offsets::<T>(3, group);
                let [a, p] = [4, 5].map(|k| self.of_group(&self.values::<T>(k), k, group));
                let (mut da, mut dp) = (vec![T::zero(); a.len()], vec![T::zero(); p.len()]);
                let physics = with(&self.complexes::<f64>(1))?;
                physics.pull_back((&a, &p), &rel, &mut state, (&mut da, &mut dp));
                if *phase { dp } else { da }
            }
            _ => Vec::new(),
        })
    }
}

/// `[n, y, x, c]` as `[n, c, y, x]`, for planes of `area` pixels.
fn planes<V: Copy>(values: &[V], channels: usize, area: usize) -> Vec<V> {
    let groups = values.chunks_exact(channels * area);
    groups
        .flat_map(|g| (0..channels).flat_map(move |c| (0..area).map(move |p| g[p * channels + c])))
        .collect()
}
