//! What is reconstructed: object, probe and positions.

use ndarray::{Array2, Array3};
use num_complex::Complex32;

use super::canvas::Placement;
use super::problem::Problem;
use crate::error::{Error, Result};
use crate::geometry::Position;

/// What is reconstructed.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// `[row, col]`, the canvas of the problem.
    pub object: Array2<Complex32>,
    /// Modes one after the other, `N * N` values each, the center at `[N/2, N/2]`.
    pub probes: Vec<Complex32>,
    /// Centres, canvas pixels.
    pub positions: Vec<Position>,
}

impl Estimate {
    /// A transparent object, and a probe whose power is spread over so many modes: the first has the given shape,
    /// each other one that shape times a plane wave of its own, a tenth as strong.
    ///
    /// # Errors
    /// If the probe does not fit the problem.
    pub fn start(problem: &Problem, probe: &Array2<Complex32>, count: usize) -> Result<Self> {
        Self::start_from(problem, probe, None, count)
    }

    /// The same where further modes of the probe are known, `[mode, row, col]`, in the unit of the first: they keep their
    /// strength beside it, and only those that are missing are made up.
    ///
    /// # Errors
    /// As [`Estimate::start`].
    pub fn start_from(
        problem: &Problem,
        probe: &Array2<Complex32>,
        further: Option<&Array3<Complex32>>,
        count: usize,
    ) -> Result<Self> {
        let n = problem.n;
        if !(1..=16).contains(&count) {
            return Err(Error::usage("starting the reconstruction")
                .field("modes")
                .got(count)
                .need("1 to 16"));
        }
        let scaled = problem.scaled_probe(probe)?;
        let own: f64 = probe.iter().map(|z| f64::from(z.norm_sqr())).sum();
        let factor = (problem.power / own).sqrt();
        let mut probes: Vec<Complex32> = scaled.iter().copied().collect();
        for m in 1..count {
            if let Some(known) = further.and_then(|f| f.outer_iter().nth(m - 1)) {
                #[expect(clippy::cast_possible_truncation, reason = "probes are complex64")]
                probes.extend(known.iter().map(|z| z * factor as f32));
                continue;
            }
            let strength = 0.1f32.sqrt();
            let turn = std::f32::consts::TAU / n as f32;
            let [u, v] = [m.div_ceil(2), m / 2].map(|k| k as f32 * turn);
            probes.extend(scaled.indexed_iter().map(|((r, c), p)| {
                p * Complex32::from_polar(strength, u * r as f32 - v * c as f32)
            }));
        }
        let power = squares(&probes);
        #[expect(clippy::cast_possible_truncation, reason = "probes are complex64")]
        let factor = (problem.power / power).sqrt() as f32;
        probes.iter_mut().for_each(|p| *p *= factor);
        Ok(Self {
            object: Array2::from_elem((problem.frame.rows, problem.frame.cols), Complex32::ONE),
            probes,
            positions: problem.positions.clone(),
        })
    }

    /// Whether it can be an estimate of this problem.
    pub(super) fn check(&self, problem: &Problem) -> Result<()> {
        let refuse = |place: &str, got: String, need: String| {
            Err(Error::input("starting the reconstruction")
                .at(place)
                .got(got)
                .need(need))
        };
        let (frame, modes) = (problem.frame, self.probes.len() / problem.area());
        if self.object.dim() != (frame.rows, frame.cols) {
            let need = format!("the canvas, {} x {}", frame.rows, frame.cols);
            return refuse("object", format!("{:?}", self.object.dim()), need);
        }
        if modes == 0 || !self.probes.len().is_multiple_of(problem.area()) {
            let need = format!("modes of {0} x {0}", problem.n);
            return refuse("probe", format!("{} values", self.probes.len()), need);
        }
        if self.positions.len() != problem.len() {
            let need = problem.len().to_string();
            return refuse("positions", self.positions.len().to_string(), need);
        }
        let object = non_finite(self.object.as_slice().unwrap_or(&[]));
        let bad = object + non_finite(&self.probes);
        if bad > 0 {
            let got = format!("{bad} values that are not finite");
            return refuse("object and probe", got, "finite numbers".into()).map_err(|e| {
                e.not_finite().help("where the file's are finite, amplitudes or probe are of a size whose scale to one another does not fit into float32")
            });
        }
        Ok(())
    }

    /// The modes of the probe, `[row, col]` each.
    pub fn modes(&self, n: usize) -> Vec<Array2<Complex32>> {
        let each = self.probes.chunks_exact(n * n);
        each.map(|p| Array2::from_shape_fn((n, n), |(r, c)| p[r * n + c]))
            .collect()
    }

    /// Where the patch of pattern `k` of side `n` lies; `None` off the canvas.
    pub fn placement(&self, k: usize, n: usize) -> Option<Placement> {
        Placement::new(self.positions[k], n, self.object.dim())
    }
}

/// The sum of squares, in float64.
pub(super) fn squares(values: &[Complex32]) -> f64 {
    values.iter().map(|z| f64::from(z.norm_sqr())).sum()
}

/// How many values are not finite.
pub(super) fn non_finite(values: &[Complex32]) -> u64 {
    values.iter().filter(|z| !z.is_finite()).count() as u64
}
