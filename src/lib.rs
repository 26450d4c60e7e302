//! **ptyproof**: a property-tested numerical verification harness for ptychography.
//!
//! # Map
//!
//! | module | holds |
//! |---|---|
//! | [`align`] | alignment of two images up to what diffraction cannot determine |
//! | [`score`] | figures of merit, each with its region and its known share |
//! | [`io`] | data files: formats, in memory, inspection |
//! | [`doctor`] | checks of the declared metadata against the patterns |
//! | [`optics`] | objects, probes, scans, and simulated diffraction |
//! | [`assemble`] | placement, extraction and stitching of patches |
//! | [`solve`] | iterative engines |
//! | [`records`] | histories, steps, stages, events of a run |
//! | [`hub`], [`diff`] | run directories: reading, verifying, comparing |
//! | [`setting`] | settings, each described once |
//! | [`judgment`], [`error`] | the scale of verdicts; the one error type |
//! | [`json`], [`mod@file`], [`finite`], [`geometry`], [`number`], [`par`], [`rng`] | shared by all modules |
//!
//! # Examples
//!
//! Two images are compared up to global phase, scale, phase ramp, shift and twin:
//!
//! ```
//! use ndarray::Array2;
//! use num_complex::Complex64;
//! use ptyproof::align::align;
//!
//! let a = Array2::from_shape_fn((32, 32), |(y, x)| {
//!     Complex64::from_polar(1.0 + 0.2 * (0.3 * x as f64).sin(), (0.2 * y as f64).cos())
//! });
//! let found = align(&a, &a.mapv(|z| z * 2.0)).expect("both images cover something");
//! assert!(found.raw.rms.get() > 0.1 && found.aligned.rms.get() < 1e-9);
//! ```
//!
//! A history of any program, checked for finite values:
//!
//! ```
//! use ptyproof::judgment::Judgment;
//! use ptyproof::records::telemetry::Telemetry;
//!
//! let text = r#"{"loss": [3.0, 1.0, NaN]}"#;
//! let read = Telemetry::read(std::io::Cursor::new(text))?;
//! assert_eq!(read.judgment(), Judgment::NonFinite);
//! # Ok::<(), ptyproof::error::Error>(())
//! ```
//!
//! # Conventions
//!
//! * **Axes.** Arrays are `[row = y, col = x]`, row-major; stacks put the pattern first, grouped
//!   tensors the channel last. Coordinates in files are `[x, y]` in object pixels; `x` is the column
//!   and `y` the row of the object pixel that lands on patch pixel `[N/2, N/2]`.
//! * **Fourier transform.** Unnormalized forward transform with the minus sign; a far field is
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
pub mod number;
pub mod optics;
pub mod par;
pub mod records;
pub mod rng;
pub mod score;
pub mod setting;
pub mod solve;

/// The example of the first page is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
