//! A small data file with its truth, for commands that read one.

use std::path::Path;

use ndarray::Array2;
use num_complex::Complex32;
use ptyproof::geometry::Position;
use ptyproof::io::dataset::Dataset;
use ptyproof::io::domain::Patterns;
use ptyproof::io::npz::write_dataset;
use ptyproof::optics::simulate::expected_counts;
use ptyproof::par::Pool;

/// A scan of `side * side` patterns of `n` pixels, with its object and probe, from `origin` on.
pub(super) struct Scan {
    pub(super) n: usize,
    pub(super) side: usize,
    pub(super) origin: f64,
    pub(super) object: bool,
    pub(super) probe: bool,
}

pub(super) const SMALL: Scan = Scan {
    n: 16,
    side: 5,
    origin: 10.0,
    object: true,
    probe: true,
};

impl Scan {
    pub(super) fn write(&self, path: &Path) {
        let n = self.n;
        let extent = 2 * n + 4 * self.side + 12;
        let object = Array2::from_shape_fn((extent, extent), |(r, c)| {
            // nothing in it repeats: a raster and a periodic object would not determine one another
            let (y, x) = (r as f32 / 11.0, c as f32 / 9.0);
            let amplitude = 0.8 + 0.2 * (y * y).sin() * (1.7 * x).cos();
            Complex32::from_polar(amplitude, 0.8 * (x * x + y).sin())
        });
        let probe = Array2::from_shape_fn((n, n), |(r, c)| {
            let [y, x] = [r, c].map(|v| v as f32 - n as f32 / 2.0);
            let square = (x * x + y * y) / (n * n) as f32;
            Complex32::from_polar((-12.0 * square).exp() * 100.0, 9.0 * square)
        });
        let here: Vec<Position> = (0..self.side * self.side)
            .map(|k| {
                let [y, x] = [k / self.side, k % self.side].map(|v| 10.0 + 3.0 * v as f64);
                Position::new(x, y + (k % 2) as f64)
            })
            .collect();
        let pool = Pool::new(1).unwrap();
        let counts = expected_counts(&object.view(), &probe, &here, 1e6, &pool);
        let patterns = counts.unwrap().0.values().mapv(f32::sqrt);
        let moved = here
            .iter()
            .map(|p| Position::new(p.x - 10.0 + self.origin, p.y - 10.0 + self.origin));
        let dataset = Dataset::new(
            "scan",
            Patterns::new(patterns),
            moved.collect(),
            vec![0; here.len()],
            self.probe.then_some(probe),
            self.object.then_some(object),
        );
        write_dataset(path, &dataset.unwrap()).unwrap();
    }
}
