//! The data of a reconstruction, laid out for it: amplitudes with DC at the corner, and where each patch lies.

use ndarray::Array2;
use num_complex::Complex32;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::geometry::{Position, floor_index};
use crate::io::dataset::Dataset;
use ptyproof_kernels::fft::shifted;

/// The largest canvas, in pixels: 256 MiB as complex64, of which some engines hold a dozen.
const MAX_PIXELS: usize = 1 << 25;

/// Where the canvas lies: its pixel `[0, 0]` is the object pixel `[top, left]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Row of the object.
    pub top: isize,
    /// Column of the object.
    pub left: isize,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
}

/// Patterns and positions, ready.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Side of the patterns.
    pub n: usize,
    /// `[pattern, row, col]`, amplitude, DC at the corner.
    pub amplitude: Vec<f32>,
    /// Centres `[x, y]` in canvas pixels.
    pub positions: Vec<Position>,
    /// Where the canvas lies.
    pub frame: Frame,
    /// Which pixels of the detector are believed, `[row, col]`, DC at the corner.
    pub good: Vec<bool>,
    /// Mean over patterns of the sum of squares.
    pub power: f64,
}

impl Problem {
    /// Lays out a data set. The canvas is the object's where the object is known and holds all patches, and otherwise
    /// as large as the patches need, with one pixel more on each side.
    ///
    /// # Errors
    /// If the canvas would have more than 2^25 pixels.
    pub fn new(data: &Dataset) -> Result<Self> {
        Self::with_margin(data, 1)
    }

    /// The same with so many pixels more on each side: positions that move need them.
    ///
    /// # Errors
    /// As [`Problem::new`].
    pub fn with_margin(data: &Dataset, margin: usize) -> Result<Self> {
        let action = "laying out the reconstruction";
        let n = data.side().get();
        let half = n as isize / 2;
        let mut bounds = [[isize::MAX, isize::MIN]; 2];
        for (k, p) in data.positions.iter().enumerate() {
            for (b, v) in bounds.iter_mut().zip([p.y, p.x]) {
                let (Some((low, _)), Some(high)) = (floor_index(v), ceil_signed(v)) else {
                    return Err(Error::input(action)
                        .at(format!("position {k}"))
                        .because_of(v)
                        .got(v)
                        .need("a coordinate that can be an index"));
                };
                *b = [b[0].min(low - half), b[1].max(high - half + n as isize)];
            }
        }
        let frame = if let Some((rows, cols)) = data.object_bounds() {
            let holds = bounds[0][0] >= 0
                && bounds[1][0] >= 0
                && bounds[0][1] <= rows as isize
                && bounds[1][1] <= cols as isize;
            holds.then_some(Frame {
                top: 0,
                left: 0,
                rows,
                cols,
            })
        } else {
            None
        };
        let frame = match frame {
            Some(f) => f,
            None => {
                let [rows, cols] =
                    bounds.map(|[low, high]| high.abs_diff(low).saturating_add(2 * margin));
                if rows.saturating_mul(cols) > MAX_PIXELS {
                    return Err(Error::input(action)
                        .at("positions")
                        .got(format!(
                            "patches that need a canvas of {rows} x {cols} pixels"
                        ))
                        .need(format!("at most {MAX_PIXELS} pixels"))
                        .help(
                            "positions are in pixels of the object, not in meters or nanometers",
                        ));
                }
                Frame {
                    top: bounds[0][0] - margin as isize,
                    left: bounds[1][0] - margin as isize,
                    rows,
                    cols,
                }
            }
        };
        let patterns = data.patterns.values();
        let mut amplitude = vec![0.0; patterns.len()];
        for (to, from) in amplitude.chunks_exact_mut(n * n).zip(patterns.outer_iter()) {
            for ((r, c), v) in from.indexed_iter() {
                to[shifted(r, n) * n + shifted(c, n)] = *v;
            }
        }
        let mut good = vec![true; n * n];
        if let Some(mask) = &data.measurement.good {
            for ((r, c), g) in mask.indexed_iter() {
                good[shifted(r, n) * n + shifted(c, n)] = *g;
            }
        }
        // what is not believed is not light
        for pattern in amplitude.chunks_exact_mut(n * n) {
            let bad = pattern.iter_mut().zip(&good).filter(|(_, g)| !**g);
            bad.for_each(|(v, _)| *v = 0.0);
        }
        let squares: f64 = amplitude.iter().map(|v| f64::from(*v).powi(2)).sum();
        let origin = Position::new(frame.left as f64, frame.top as f64);
        Ok(Self {
            n,
            amplitude,
            positions: data
                .positions
                .iter()
                .map(|p| Position::new(p.x - origin.x, p.y - origin.y))
                .collect(),
            frame,
            good,
            power: squares / data.len().max(1) as f64,
        })
    }

    /// The number of patterns.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Values of one pattern.
    pub fn area(&self) -> usize {
        self.n * self.n
    }

    /// Amplitudes of pattern `k`.
    pub fn pattern(&self, k: usize) -> &[f32] {
        &self.amplitude[k * self.area()..(k + 1) * self.area()]
    }

    /// Whether a pattern has any light on pixels that are believed.
    pub fn has_light(&self, k: usize) -> bool {
        // what is not believed is zero
        self.pattern(k).iter().any(|v| *v != 0.0)
    }

    /// A probe scaled to the data: behind a transparent object it gives the mean number of photons.
    ///
    /// # Errors
    /// If it is dark, not finite, or not of the patterns' size.
    pub fn scaled_probe(&self, probe: &Array2<Complex32>) -> Result<Array2<Complex32>> {
        let power: f64 = probe.iter().map(|z| f64::from(z.norm_sqr())).sum();
        let factor = (self.power / power).sqrt();
        if probe.dim() != (self.n, self.n) || !(factor.is_finite() && power > 0.0) {
            return Err(Error::input("starting the reconstruction")
                .at("probe")
                .got(format!("{:?} with a power of {power}", probe.dim()))
                .need(format!("{} x {} and light", self.n, self.n)));
        }
        #[expect(clippy::cast_possible_truncation, reason = "probes are complex64")]
        let factor = factor as f32;
        Ok(probe.mapv(|z| z * factor))
    }

    /// A first probe from the data alone: the inverse transform of the mean amplitude, which is what a focus would be.
    pub fn guessed_probe(&self) -> Array2<Complex32> {
        let (n, area) = (self.n, self.area());
        let mut field = vec![num_complex::Complex64::ZERO; area];
        for pattern in self.amplitude.chunks_exact(area) {
            for (f, v) in field.iter_mut().zip(pattern) {
                f.re += f64::from(*v).powi(2);
            }
        }
        for f in &mut field {
            *f = (f.re / self.len().max(1) as f64).sqrt().into();
        }
        let fft = ptyproof_kernels::fft::Fft2::<f64>::new(n);
        fft.inverse(&mut field, &mut ptyproof_kernels::fft::Scratch::default());
        #[expect(clippy::cast_possible_truncation, reason = "probes are complex64")]
        Array2::from_shape_fn((n, n), |(r, c)| {
            let z = field[shifted(r, n) * n + shifted(c, n)] / n as f64;
            Complex32::new(z.re as f32, z.im as f32)
        })
    }
}

fn ceil_signed(v: f64) -> Option<isize> {
    // the fraction of a whole position is zero
    let (low, fraction) = floor_index(v)?;
    low.checked_add(isize::from(fraction > 0.0))
}
