//! Patterns that lie together, small enough for many trials.

use ndarray::{Array2, Array3};
use num_complex::Complex32;

use crate::data::contents::{Contents, Unit};
use crate::error::Result;
use crate::ground::geometry::Position;

/// Patterns of one neighbourhood.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Their side.
    pub n: usize,
    /// Declared amplitude over the largest, `[pattern, row, col]`, DC where the light is: at `[n/2, n/2]`.
    pub values: Vec<f32>,
    /// `(x, y)` in pixels of the object as `n` samples it, declared; the inmost first.
    pub positions: Vec<Position>,
    /// Pixels to believe, `[row, col]`.
    pub good: Vec<bool>,
    /// The probe of the data.
    pub probe: Option<Array2<Complex32>>,
    /// Which patterns of the file they are.
    pub indices: Vec<usize>,
}

impl Sample {
    pub fn pattern(&self, k: usize) -> &[f32] {
        let area = self.n * self.n;
        &self.values[k * area..(k + 1) * area]
    }
    pub fn rough(contents: &mut Contents, most: usize) -> Result<Self> {
        let ps = contents.positions.clone();
        let mut xs: Vec<f64> = ps.iter().map(|p| p.x).collect();
        let mut ys: Vec<f64> = ps.iter().map(|p| p.y).collect();
        xs.sort_by(f64::total_cmp);
        ys.sort_by(f64::total_cmp);
        let (cx, cy) = (xs[xs.len() / 2], ys[ys.len() / 2]);
        let mut order: Vec<usize> = (0..ps.len()).collect();
        order.sort_by(|a, b| {
            let d = |k: usize| (ps[k].x - cx).powi(2) + (ps[k].y - cy).powi(2);
            d(*a).total_cmp(&d(*b)).then(a.cmp(b))
        });
        order.truncate(most);
        let stack = contents.stack.as_mut().unwrap();
        let n = stack.size.0;
        let unit = stack.unit;
        let mut all = vec![0.0f32; order.len() * n * n];
        let mut place = vec![usize::MAX; ps.len()];
        for (k, o) in order.iter().enumerate() {
            place[*o] = k;
        }
        stack.each(&mut |start, batch: Array3<f32>| {
            for (k, p) in batch.outer_iter().enumerate() {
                let at = place[start + k];
                if at != usize::MAX {
                    for (t, v) in all[at * n * n..(at + 1) * n * n].iter_mut().zip(p) {
                        *t = if unit == Unit::Counts { v.sqrt() } else { *v };
                    }
                }
            }
            Ok(())
        })?;
        let max = all.iter().fold(0.0f32, |m, v| m.max(*v));
        all.iter_mut().for_each(|v| *v /= max);
        Ok(Self {
            n,
            values: all,
            positions: order.iter().map(|k| ps[*k]).collect(),
            good: vec![true; n * n],
            probe: contents.probe.as_ref().map(|p| p.index_axis(ndarray::Axis(0), 0).to_owned()),
            indices: order,
        })
    }
}
