//! Format detection by content; the file extension is ignored.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};
use crate::io::format::Format;
use crate::io::npz::archive::{Archive, HDF5};

/// An opened file of a known format.
pub(super) enum Opened {
    Npz(Format, Archive),
    /// Its reader says which format it has.
    Hdf5,
}

/// Opens `path` and detects its format.
///
/// # Errors
/// If it is unreadable or of unknown format: the error lists its contents.
pub(super) fn open(path: &Path) -> Result<Opened> {
    let mut start = [0; 8];
    let io = |e| Error::input(format!("opening {}", path.display())).because(e);
    let about = std::fs::metadata(path).map_err(io)?;
    if !about.is_file() {
        return Err(Error::input(format!("opening {}", path.display()))
            .got("a directory or a device")
            .need("a file"));
    }
    let read = File::open(path)
        .and_then(|f| f.take(8).read(&mut start))
        .map_err(io)?;
    if start.starts_with(b"PK") {
        let file = Archive::open(path)?;
        let has = |key| file.has(key);
        let format = if has("probe_position_x_m") {
            Format::ProductNpz
        } else if has("scan") && (has("data") || has("intensity")) {
            Format::Tike
        } else if ["diff3d", "diffraction", "probeGuess", "objectGuess"]
            .into_iter()
            .any(has)
        {
            Format::PtychoPinn
        } else {
            return Err(file.error().got(file.listing()).need(
                "diffraction (`diff3d` or `diffraction`), or `data` and `scan`, or a product \
                 (`probe_position_x_m`)",
            ));
        };
        return Ok(Opened::Npz(format, file));
    }
    if start == *HDF5 {
        return Ok(Opened::Hdf5);
    }
    Err(Error::input(format!("reading {}", path.display()))
        .got(format!(
            "a file of {read} bytes or more that is neither a zip archive nor HDF5"
        ))
        .need("an .npz, HDF5 or CXI file"))
}
