//! Conversion of a file to another format.
//!
//! *Law.* What a format cannot store is omitted with a note; nothing is invented except an object of ones for a product
//! without one, marked so that it is ignored when read. Roundings:
//!
//! | to | amplitude | positions |
//! |---|---|---|
//! | PtychoPINN NPZ | kept; of counts the root, rounded to float32 | kept |
//! | product | left out | meters, `(x - W/2) d`: on reading within `4 eps (x + W)` pixels |
//! | CXI | counts kept; of amplitude the square, rounded to float32, whose root is the amplitude again where the square is a normal number | meters without origin, within `8 eps` times the largest |

use std::path::Path;

use super::options::Writing;
use super::{hdf5, product_write};
use crate::error::{Error, Result};
use crate::io::format::Format;
use crate::io::npz::write::write_contents;
use crate::io::open_file::OpenFile;

/// Writes `contents` to `path` in `format`, patterns batch by batch; records what was omitted, added or
/// set to zero. A file that is there is replaced, and only once the new one is whole.
///
/// # Errors
/// If the format needs missing metadata, a pattern is not finite, or the file system refuses.
pub fn write(
    path: impl AsRef<Path>,
    contents: &mut OpenFile,
    format: Format,
    how: Writing,
) -> Result<Vec<String>> {
    let path = path.as_ref();
    let before = contents.notes.len();
    if let Some(side) = contents.side() {
        contents.measurement.complete(side);
    }
    match format {
        Format::PtychoPinn => write_contents(path, contents, how.store)?,
        Format::ProductHdf5 => hdf5::write_product(path, contents)?,
        Format::ProductNpz => product_write::npz(path, contents, how.store)?,
        Format::Cxi => hdf5::write_cxi(path, contents, how)?,
        Format::Tike => {
            return Err(Error::usage(format!("writing {}", path.display()))
                .got("the format tike")
                .need("ptychopinn, product, product-npz or cxi"));
        }
    }
    Ok(contents.notes.split_off(before))
}
