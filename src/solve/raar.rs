//! Relaxed averaged alternating reflections (Luke 2005, doi:10.1088/0266-5611/21/1/004):
//! `psi = beta (psi + P_F(2 P_O psi - psi)) + (1 - 2 beta) P_O psi`.

use num_complex::Complex32;

use super::algorithm::Engine;
use super::projection::{Projection, Relaxed};

#[derive(Debug)]
struct Raar;

impl Relaxed for Raar {
    fn update(wave: Complex32, fitted: Complex32, overlap: Complex32, beta: f32) -> Complex32 {
        (wave + fitted) * beta + overlap * (1.0 - 2.0 * beta)
    }
}

pub(super) const ENGINE: Engine = Engine {
    reads: &["relaxation"],
    has_likelihood: false,
    moves_positions: false,
    defaults: |s| (s.probe_from, s.relaxation) = (2, 0.75),
    start: |problem, estimate| Box::new(Projection::<Raar>::new(problem, estimate)),
};
