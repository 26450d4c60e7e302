//! Small problems with a known truth, made in code.

use ndarray::Array2;
use num_complex::Complex32;

use super::canvas::cut;
use super::estimate::Estimate;
use super::problem::{Frame, Problem};
use crate::geometry::Position;
use crate::rng::Stream;
use ptyproof_kernels::fft::{Fft2, Scratch};

/// A scan of `grid * grid` patterns of side `n`, `step` pixels apart, each moved by up to one pixel; whole positions, or any.
/// Probe modes are orthogonal by parity, the second a quarter as strong.
pub(super) struct Scene {
    pub(super) n: usize,
    pub(super) grid: usize,
    pub(super) step: f64,
    pub(super) whole: bool,
    pub(super) modes: usize,
    pub(super) seed: u64,
}

impl Scene {
    /// Sixteen pixels, 25 patterns.
    pub(super) fn small(seed: u64) -> Self {
        Self {
            n: 16,
            grid: 5,
            step: 3.0,
            whole: true,
            modes: 1,
            seed,
        }
    }

    /// Noise-free amplitudes, and object, probe and positions that made them.
    pub(super) fn make(&self) -> (Problem, Estimate) {
        let n = self.n;
        let mut rng = Stream::new(self.seed, "scene", 0);
        let mut draw = move || rng.uniform();
        let side = n + (self.step * (self.grid - 1) as f64).ceil() as usize + 6;
        let waves: Vec<[f32; 5]> = (0..12).map(|_| [(); 5].map(|()| draw() as f32)).collect();
        let object = Array2::from_shape_fn((side, side), |(r, c)| {
            let (mut a, mut p) = (0.9f32, 0.0f32);
            for w in &waves {
                let turn = (w[0] - 0.5) * 1.6 * r as f32 + (w[1] - 0.5) * 1.6 * c as f32;
                a += 0.06 * (turn + 6.3 * w[2]).sin();
                p += 0.2 * (turn * w[3] + 6.3 * w[4]).cos();
            }
            Complex32::from_polar(a, p)
        });
        let mut probes = Vec::new();
        for m in 0..self.modes {
            for k in 0..n * n {
                let [y, x] = [k / n, k % n].map(|v| v as f32 - n as f32 / 2.0);
                let width = n as f32 / 5.0;
                let g = (-(x * x + y * y) / (2.0 * width * width)).exp() * 40.0;
                let shape = if m == 0 { 1.0 } else { 0.5 * x / width };
                probes.push(Complex32::from_polar(g, (x * x + y * y) / (n as f32 * 2.0)) * shape);
            }
        }
        let first = n as f64 / 2.0 + 2.0;
        let mut positions = Vec::new();
        for k in 0..self.grid * self.grid {
            let mut at = |v: usize| {
                let v = first + v as f64 * self.step + draw() * 2.0 - 1.0;
                if self.whole { v.round() } else { v }
            };
            let (y, x) = (at(k / self.grid), at(k % self.grid));
            positions.push(Position::new(x, y));
        }
        let truth = Estimate {
            object,
            probes,
            positions,
        };
        (problem(&truth, n), truth)
    }
}

/// The problem whose patterns an estimate explains without noise.
pub(super) fn problem(truth: &Estimate, n: usize) -> Problem {
    let area = n * n;
    let (fft, mut scratch) = (Fft2::<f32>::new(n), Scratch::default());
    let (rows, cols) = truth.object.dim();
    let mut amplitude = Vec::new();
    let mut patch = vec![Complex32::ZERO; area];
    for k in 0..truth.positions.len() {
        let at = truth.placement(k, n).unwrap();
        cut(&truth.object, at, n, &mut patch);
        let mut intensity = vec![0.0f32; area];
        for probe in truth.probes.chunks_exact(area) {
            let mut wave: Vec<_> = probe.iter().zip(&patch).map(|(p, o)| p * o).collect();
            fft.forward(&mut wave, &mut scratch);
            for (i, f) in intensity.iter_mut().zip(&wave) {
                *i += f.norm_sqr() / area as f32;
            }
        }
        amplitude.extend(intensity.iter().map(|i| i.sqrt()));
    }
    let squares: f64 = amplitude.iter().map(|a| f64::from(*a).powi(2)).sum();
    Problem {
        n,
        amplitude,
        positions: truth.positions.clone(),
        frame: Frame {
            top: 0,
            left: 0,
            rows,
            cols,
        },
        good: vec![true; n * n],
        power: squares / truth.positions.len() as f64,
    }
}
