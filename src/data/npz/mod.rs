//! `.npz` files: data sets in and out.
//!
//! *Law.* What [`write_dataset`] wrote, [`read_dataset`] reads back equal, bit for bit. A file that
//! is not what it says is refused with its path, the key, what was found and what was needed; it
//! never makes the program panic, and nothing is allocated for bytes that the file does not have.
//!
//! *Conventions.* Keys of the raw NPZ contract, `M` patterns of side `N`:
//!
//! | key | shape | dtype | |
//! |---|---|---|---|
//! | `diff3d` or `diffraction` | `(M, N, N)` or `(N, N, M)` | float, integer | amplitude, DC at `[N/2, N/2]` |
//! | `xcoords`, `ycoords` | `(M,)` | float, integer | column and row, object pixels |
//! | `xcoords_start`, `ycoords_start` | `(M,)` | float, integer | optional, before correction |
//! | `scan_index` | `(M,)` | integer | optional, zeros |
//! | `probeGuess` | `(N, N)` | complex, float | optional |
//! | `objectGuess` | `(H, W)` | complex, float | optional |
//!
//! *Source.* Reference description, section p.

pub(in crate::data) mod archive;
pub(in crate::data) mod header;
pub(in crate::data) mod read;
#[cfg(test)]
mod tests;
pub(in crate::data) mod write;

pub use crate::data::contents::DataFile;
pub use read::{read_array, read_dataset, read_object, read_plane, read_probe};
pub use write::{Values, named_arrays, write_dataset};
