//! Difference map (Thibault et al. 2009, doi:10.1016/j.ultramic.2008.12.011): `psi += beta (P_F(2 P_O psi - psi) - P_O psi)`.

use num_complex::Complex32;

use super::algorithm::Engine;
use super::projection::{Projection, Relaxed};

#[derive(Debug)]
struct Dm;

impl Relaxed for Dm {
    fn update(wave: Complex32, fitted: Complex32, overlap: Complex32, beta: f32) -> Complex32 {
        wave + (fitted - overlap) * beta
    }
}

pub(super) const ENGINE: Engine = Engine {
    reads: &["relaxation"],
    has_likelihood: false,
    moves_positions: false,
    defaults: |s| s.probe_from = 2,
    start: |problem, estimate| Box::new(Projection::<Dm>::new(problem, estimate)),
};
