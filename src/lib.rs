//! **ptyproof**: a property-tested numerical verification harness for ptychography.
//!
//! # Conventions
//!
//! * **Axes.** Arrays are `[row = y, col = x]`, row-major; stacks put the pattern first, grouped
//!   tensors the channel last. Coordinates in files are `[x, y]` in object pixels; `x` is the column
//!   and `y` the row of the object pixel that lands on patch pixel `[N/2, N/2]`.
//! * **Fourier transform.** Unnormalised forward transform with the minus sign; a far field is
//!   `|FFT2|^2 / N^2` with DC moved to `[N/2, N/2]`, so that Parseval's sum is the photon count.
//! * **Domains.** Counts, amplitudes and normalized amplitudes are different types: see [`io::domain`].
//! * **Randomness.** Seeds are values. NumPy's legacy stream reproduces published scans bit for bit;
//!   everything else draws from this project's own keyed streams: see [`rng`].
//! * **Determinism.** The same binary gives the same bits for 1 and n threads: see [`par`].
//! * **Non-finite values** are events: counted, located, reported, and never a reason to stop.

pub mod align;
pub mod assemble;
pub mod diff;
pub mod doctor;
pub mod error;
pub mod file;
pub mod finite;
pub mod geometry;
pub mod hub;
pub mod io;
pub mod json;
pub mod judgment;
pub mod optics;
pub mod par;
pub mod records;
pub mod rng;
pub mod score;
pub mod solve;
