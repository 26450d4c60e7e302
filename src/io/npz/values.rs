//! Arrays of an `.npz` file, whatever their element type.

use ndarray::ArrayD;
use num_complex::Complex32;

/// Arrays of any shape under names of their own: float32 or complex64.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Real numbers.
    Real(ArrayD<f32>),
    /// Complex numbers.
    Complex(ArrayD<Complex32>),
}
