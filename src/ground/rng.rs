//! Keyed random streams (to be completed).

/// A keyed stream.
#[derive(Debug, Clone)]
pub struct Stream(u64);

impl Stream {
    /// Stream of (seed, purpose, index).
    pub fn new(seed: u64, purpose: &str, index: u64) -> Self {
        let mut h = seed ^ 0x9E3779B97F4A7C15;
        for b in purpose.bytes().chain(index.to_le_bytes()) {
            h = (h ^ u64::from(b)).wrapping_mul(0x100000001b3);
        }
        Self(h)
    }
    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E3779B97F4A7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D049BB133111EB);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 53) as f64
    }
}
