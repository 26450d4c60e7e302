//! HDF5 files: CXI, and ptychodus products.

mod cxi;
mod cxi_write;
mod product;
mod reader;
mod writer;

use std::path::Path;

use super::options::{ReadOptions, Writing};
use super::product::read as read_product;
use crate::error::Result;
use crate::io::open_file::OpenFile;
use product::Hdf5;
use reader::H5;

/// Reads a file of whichever HDF5 format.
pub(super) fn read(path: &Path, told: &ReadOptions) -> Result<OpenFile> {
    let file = H5::open(path)?;
    if file.has("probe_position_x_m") {
        return read_product(&mut Hdf5(file));
    }
    if file.has_group("entry_1") {
        return cxi::read(file, told);
    }
    Err(file
        .error()
        .got(file.listing())
        .need("a CXI file (group `entry_1`) or a ptychodus product (dataset `probe_position_x_m`)"))
}

pub(super) fn write_product(path: &Path, contents: &mut OpenFile) -> Result<()> {
    product::write(path, contents)
}

pub(super) fn write_cxi(path: &Path, contents: &mut OpenFile, how: Writing) -> Result<()> {
    cxi_write::write(path, contents, how)
}
