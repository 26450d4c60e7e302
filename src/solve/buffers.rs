//! Work space of one pattern.

use num_complex::Complex32;

use ptyproof_kernels::fft::Scratch;

/// Work space of one pattern.
#[derive(Debug, Clone)]
pub(super) struct Buffers {
    pub(super) patch: Vec<Complex32>,
    pub(super) waves: Vec<Complex32>,
    pub(super) update: Vec<Complex32>,
    pub(super) weights: Vec<f32>,
    pub(super) factors: Vec<f32>,
    pub(super) scratch: Scratch<f32>,
}

impl Buffers {
    pub(super) fn new(area: usize) -> Self {
        Self {
            patch: vec![Complex32::ZERO; area],
            waves: Vec::new(),
            update: Vec::new(),
            weights: Vec::new(),
            factors: Vec::new(),
            scratch: Scratch::default(),
        }
    }
}
