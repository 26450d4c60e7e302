//! Digests and statistics of the tensors of each stage of a run, to locate the first difference of two runs.
//!
//! *Conventions.* Stages are in the order of the pipeline. A digest is SHA-256 of the values' little-endian bytes,
//! row-major; the shape is not in it. Statistics are of all real numbers, those of complex values one by one.
//!
//! *Law.* Equal bits give equal digests, independent of chunking.

use num_complex::Complex32;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::json::Real;

/// The version of the schema of [`Stages`].
pub const SCHEMA: &str = "ptyproof.stage_digests/1";

/// `stage_digests.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stages {
    /// [`SCHEMA`].
    pub schema: String,
    /// One entry per tensor, in the order of the pipeline.
    pub stages: Vec<Stage>,
}

impl Default for Stages {
    fn default() -> Self {
        Self {
            schema: SCHEMA.into(),
            stages: Vec::new(),
        }
    }
}

impl Stages {
    /// Adds a tensor that is there as a whole.
    pub fn add<T: Word>(
        &mut self,
        stage: &str,
        tensor: &str,
        shape: &[usize],
        values: impl IntoIterator<Item = T>,
    ) {
        let mut accumulator = StageAccumulator::default();
        accumulator.extend(values);
        self.stages
            .push(accumulator.finish::<T>(stage, tensor, shape));
    }
}

/// A tensor at a stage of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// The stage: `specimen`, `scan`, `diffraction`, ...
    pub stage: String,
    /// The tensor.
    pub tensor: String,
    /// As NumPy names it.
    pub dtype: String,
    /// Its extents.
    pub shape: Vec<usize>,
    /// SHA-256 of the bytes.
    pub sha256: String,
    /// The smallest finite number.
    pub min: Real,
    /// The largest finite number.
    pub max: Real,
    /// The mean of the finite numbers.
    pub mean: Real,
    /// Euclidean norm of the finite numbers.
    pub norm: Real,
    /// Numbers that are not finite.
    pub non_finite: u64,
}

/// A scalar type that can be hashed.
pub trait Word: Copy {
    /// Its NumPy type name.
    const DTYPE: &'static str;
    /// Passes its bytes, then its real numbers.
    fn visit(self, bytes: impl FnOnce(&[u8]), number: impl FnMut(f64));
}

macro_rules! real {
    ($type:ty, $name:literal, $wide:expr) => {
        impl Word for $type {
            const DTYPE: &'static str = $name;
            fn visit(self, bytes: impl FnOnce(&[u8]), mut number: impl FnMut(f64)) {
                bytes(&self.to_le_bytes());
                number($wide(self));
            }
        }
    };
}
real!(f32, "float32", f64::from);
real!(f64, "float64", |v| v);
real!(u64, "uint64", |v| v as f64);

impl Word for Complex32 {
    const DTYPE: &'static str = "complex64";
    fn visit(self, bytes: impl FnOnce(&[u8]), mut number: impl FnMut(f64)) {
        let mut both = [0; 8];
        both[..4].copy_from_slice(&self.re.to_le_bytes());
        both[4..].copy_from_slice(&self.im.to_le_bytes());
        bytes(&both);
        number(f64::from(self.re));
        number(f64::from(self.im));
    }
}

/// A tensor that comes in parts.
#[derive(Debug, Clone)]
pub struct StageAccumulator {
    digest: Sha256,
    waiting: Vec<u8>,
    min: f64,
    max: f64,
    sum: f64,
    squares: f64,
    finite: u64,
    non_finite: u64,
}

impl Default for StageAccumulator {
    fn default() -> Self {
        Self {
            digest: Sha256::new(),
            waiting: Vec::with_capacity(HASH_BLOCK_BYTES),
            min: f64::NAN,
            max: f64::NAN,
            sum: 0.0,
            squares: 0.0,
            finite: 0,
            non_finite: 0,
        }
    }
}

/// Number of bytes hashed at a time.
const HASH_BLOCK_BYTES: usize = 1 << 16;

impl StageAccumulator {
    /// Takes the next values.
    pub fn extend<T: Word>(&mut self, values: impl IntoIterator<Item = T>) {
        for v in values {
            let (waiting, mut numbers) = (&mut self.waiting, [None; 2]);
            let mut slots = numbers.iter_mut();
            v.visit(
                |bytes| waiting.extend_from_slice(bytes),
                |number| {
                    if let Some(slot) = slots.next() {
                        *slot = Some(number);
                    }
                },
            );
            numbers.into_iter().flatten().for_each(|x| self.number(x));
            if self.waiting.len() >= HASH_BLOCK_BYTES {
                self.digest.update(&self.waiting);
                self.waiting.clear();
            }
        }
    }

    fn number(&mut self, x: f64) {
        if x.is_finite() {
            // `min` and `max` of numbers pass over a NaN
            (self.min, self.max) = (self.min.min(x), self.max.max(x));
            self.sum += x;
            self.squares += x * x;
            self.finite += 1;
        } else {
            self.non_finite += 1;
        }
    }

    /// The entry of the tensor.
    pub fn finish<T: Word>(mut self, stage: &str, tensor: &str, shape: &[usize]) -> Stage {
        self.digest.update(&self.waiting);
        let sha256 = self.digest.finalize();
        Stage {
            stage: stage.into(),
            tensor: tensor.into(),
            dtype: T::DTYPE.into(),
            shape: shape.to_vec(),
            sha256: sha256.iter().map(|b| format!("{b:02x}")).collect(),
            min: Real(self.min),
            max: Real(self.max),
            mean: Real(self.sum / self.finite as f64),
            norm: Real(self.squares.sqrt()),
            non_finite: self.non_finite,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_chunk_independent() {
        let values: Vec<f32> = (0..40_000).map(|k| (k as f32).sin()).collect();
        let mut whole = Stages::default();
        whole.add("a", "b", &[40_000], values.iter().copied());
        let mut parts = StageAccumulator::default();
        for part in values.chunks(777) {
            parts.extend(part.iter().copied());
        }
        assert_eq!(whole.stages[0], parts.finish::<f32>("a", "b", &[40_000]));
    }

    #[test]
    fn known_tensor_has_known_statistics_and_digest() {
        let mut s = Stages::default();
        s.add(
            "a",
            "t",
            &[2],
            [Complex32::new(3.0, -4.0), Complex32::new(f32::NAN, 0.0)],
        );
        let s = &s.stages[0];
        assert_eq!((s.min.get(), s.max.get(), s.norm.get()), (-4.0, 3.0, 5.0));
        assert_eq!((s.non_finite, s.dtype.as_str()), (1, "complex64"));
        let mut empty = Stages::default();
        empty.add::<f32>("a", "t", &[0], []);
        // SHA-256 of nothing
        assert!(empty.stages[0].sha256.starts_with("e3b0c44298fc1c14"));
    }
}
