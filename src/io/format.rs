//! The formats by name.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// The formats that are read; all but [`Format::Tike`] are written too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
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

    fn from_str(s: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|n| n.1 == s);
        found.map(|n| n.0).ok_or_else(|| {
            let written = Self::NAMES.iter().filter(|n| n.0 != Self::Tike);
            let names: Vec<&str> = written.map(|n| n.1).collect();
            format!("need one of {}", names.join(", "))
        })
    }
}
