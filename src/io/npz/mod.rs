//! `.npz` files: data sets in and out.
//!
//! *Law.* What [`write_dataset`] wrote, [`read_dataset`] reads back equal, bit for bit. A file that is inconsistent is
//! refused with its path, the key, what was found and what was needed; it never makes the program panic, and nothing is
//! allocated for bytes that the file does not have.
//!
//! *Conventions.* Keys of the raw NPZ contract, `M` patterns of side `N`:
//!
//! | key | shape | dtype | |
//! |---|---|---|---|
//! | `diff3d` or `diffraction` | `(M, N, N)` or `(N, N, M)` | float, integer | amplitude or counts, DC at `[N/2, N/2]` |
//! | `xcoords`, `ycoords` | `(M,)` | float, integer | column and row, object pixels |
//! | `xcoords_start`, `ycoords_start` | `(M,)` | float, integer | optional, before correction |
//! | `scan_index` | `(M,)` | integer | optional, zeros |
//! | `measurement_domain` | `()` | text | optional: `amplitude` or `counts` |
//! | `probeGuess` | `(N, N)` or `(modes, N, N)` | complex, float | optional |
//! | `objectGuess` | `(H, W)` | complex, float | optional |
//! | `bad_pixels` | `(N, N)` | bool, integer, float | optional, not 0 = bad |
//! | `photon_energy_eV`, `detector_object_distance_m` | `()` | float, integer | optional |
//! | `object_pixel_width_m`, `..._height_m`, `detector_pixel_...` | `()` | float, integer | optional, meters |
//!
//! Without `measurement_domain`, integers are counts, and so are floats that are whole throughout and
//! not all below 2 nor all from 2^24 on (ptychodus 1.7 writes such); else the values are amplitude. Counts are turned into
//! amplitude, their square root.
//!
//! *Source.* Reference description, section p.

pub(in crate::io) mod archive;
pub(in crate::io) mod header;
pub(in crate::io) mod image;
pub(in crate::io) mod read;
pub(in crate::io) mod stack;
#[cfg(test)]
mod tests;
mod values;
pub(in crate::io) mod write;

pub use crate::io::open_file::DataFile;
pub use image::{
    image_of, is_object_alone, npy_header, read_array, read_npy, read_npy_real, read_object,
    read_plane, read_probe,
};
pub use read::read_dataset;
pub use values::Values;
pub use write::{named_arrays, write_dataset};
