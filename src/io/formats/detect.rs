//! Which format a file has, by its content: the ending of its name says nothing.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use super::h5::H5;
use crate::error::{Error, Result};
use crate::io::npz::archive::{Archive, HDF5};

/// The formats that are read; all but [`Format::Tike`] are written too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// PtychoPINN's NPZ: keys `diff3d` or `diffraction`, `xcoords`, `ycoords`, `probeGuess`.
    PtychoPinn,
    /// An NPZ as tike's tests have it: `data`, `scan`, `probe`.
    Tike,
    /// A ptychodus product as HDF5.
    ProductHdf5,
    /// A ptychodus product as NPZ.
    ProductNpz,
    /// CXI: HDF5 with `entry_1`.
    Cxi,
}

impl Format {
    const NAMES: [(Self, &'static str, &'static str); 5] = [
        (Self::PtychoPinn, "ptychopinn", "PtychoPINN NPZ"),
        (Self::Tike, "tike", "tike NPZ"),
        (Self::ProductHdf5, "product", "ptychodus product HDF5"),
        (Self::ProductNpz, "product-npz", "ptychodus product NPZ"),
        (Self::Cxi, "cxi", "CXI"),
    ];

    /// The short name on a command line.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|n| n.0 == self).map_or("", |n| n.1)
    }

    /// The format that a path's ending asks for when a file is to be written.
    pub fn of_ending(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        match name.rsplit_once('.')?.1 {
            "npz" if name.contains("product") => Some(Self::ProductNpz),
            "npz" => Some(Self::PtychoPinn),
            "h5" | "hdf5" => Some(Self::ProductHdf5),
            "cxi" => Some(Self::Cxi),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            Self::NAMES
                .iter()
                .find(|n| n.0 == *self)
                .map_or("", |n| n.2),
        )
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(s: &str) -> std::result::Result<Self, String> {
        let found = Self::NAMES.iter().find(|n| n.1 == s);
        found.map(|n| n.0).ok_or_else(|| {
            let written = Self::NAMES.iter().filter(|n| n.0 != Self::Tike);
            let names: Vec<&str> = written.map(|n| n.1).collect();
            format!("need one of {}", names.join(", "))
        })
    }
}

/// An opened file of a known format.
pub(super) enum Opened {
    Npz(Format, Archive),
    Hdf5(Format, H5),
}

/// Opens `path` and tells its format.
///
/// # Errors
/// If it cannot be read, or is none of the formats: the error lists what is in it.
pub(super) fn open(path: &Path) -> Result<Opened> {
    let mut start = [0; 8];
    let io = |e| Error::input(format!("opening {}", path.display())).because(e);
    let about = std::fs::metadata(path).map_err(io)?;
    if !about.is_file() {
        return Err(Error::input(format!("opening {}", path.display()))
            .got("a folder or a device")
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
        let file = H5::open(path)?;
        let format = if file.has("probe_position_x_m") {
            Format::ProductHdf5
        } else if file.has_group("entry_1") {
            Format::Cxi
        } else {
            return Err(file.error().got(file.listing()).need(
                "a CXI file (group `entry_1`) or a ptychodus product (dataset `probe_position_x_m`)",
            ));
        };
        return Ok(Opened::Hdf5(format, file));
    }
    Err(Error::input(format!("reading {}", path.display()))
        .got(format!(
            "{read} bytes at its start that are neither a zip archive's nor HDF5's"
        ))
        .need("an .npz, an HDF5 or a CXI file"))
}
