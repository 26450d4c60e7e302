//! HDF5 files in a build without the feature `hdf5`: refused by name.

use std::path::Path;

use super::options::{ReadOptions, Writing};
use crate::error::{Error, Result};
use crate::io::open_file::OpenFile;

fn refuse(action: &str, path: &Path) -> Error {
    Error::usage(format!("{action} {}", path.display()))
        .got("an HDF5 file")
        .need("an .npz file: this build of ptyproof has no HDF5")
        .help("build with the feature `hdf5`, which is on by default")
}

pub(super) fn read(path: &Path, _: &ReadOptions) -> Result<OpenFile> {
    Err(refuse("reading", path))
}

pub(super) fn write_product(path: &Path, _: &mut OpenFile) -> Result<()> {
    Err(refuse("writing", path))
}

pub(super) fn write_cxi(path: &Path, _: &mut OpenFile, _: Writing) -> Result<()> {
    Err(refuse("writing", path))
}
