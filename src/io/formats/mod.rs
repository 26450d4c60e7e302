//! Files of other programs. The format is detected by content when reading and by extension when writing.
//!
//! *Law.* A written file reads back equal, as far as the format can store the data; the rounding of each conversion is
//! documented at its writer. An inconsistent file is refused with its path, the dataset, what was found and what was
//! needed.
//!
//! | format | patterns | positions | read from |
//! |---|---|---|---|
//! | PtychoPINN NPZ | amplitude or counts, DC at `[N/2, N/2]` | object pixels, centers | [`super::npz`] |
//! | tike NPZ | counts, DC at `[0, 0]` | object pixels, first corner | `tike` |
//! | ptychodus product, HDF5 or NPZ | none | meters, centers | `product` |
//! | CXI | counts, DC at `[N/2, N/2]` | meters, motion of the sample | `cxi` |
//!
//! Every assumption is recorded in [`OpenFile::notes`].

mod detect;
#[cfg(feature = "hdf5")]
mod hdf5;
#[cfg(not(feature = "hdf5"))]
#[path = "without_hdf5.rs"]
mod hdf5;
mod options;
mod origin;
mod placeholder;
mod product;
mod product_write;
mod tike;
mod write;

use std::path::Path;

pub use crate::io::format::Format;
pub use options::{ReadOptions, Writing};
pub use write::write;

use self::detect::Opened;
use crate::error::{Error, Result};
use crate::io::measurement::PixelSize;
use crate::io::npz::read::contents as ptychopinn;
use crate::io::open_file::{DataFile, OpenFile};

/// Opens `path`, whatever its format; patterns stay on disk.
///
/// # Errors
/// If it is unreadable, of unknown format, or inconsistent.
pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<OpenFile> {
    options.check()?;
    let mut found = match detect::open(path.as_ref())? {
        Opened::Npz(Format::ProductNpz, file) => product::read(&mut product::Npz(file))?,
        Opened::Npz(Format::Tike, file) => tike::read(file)?,
        Opened::Npz(_, file) => ptychopinn(file, false)?,
        Opened::Hdf5 => hdf5::read(path.as_ref(), options)?,
    };
    if let (Some(unit), Some(stack)) = (options.unit, &mut found.stack) {
        stack.unit = unit;
        found.notes.push(format!("read as {unit}, as requested"));
    }
    overrule(&mut found, options)?;
    if let Some(side) = found.side() {
        found.measurement.complete(side);
    }
    found.check_images()?;
    found.check_sizes()?;
    Ok(found)
}

/// Maximum relative difference of two roundings of one length. It decides notes and refusals, never results.
const MAX_RELATIVE_DIFFERENCE: f64 = 1e-3;

/// Applies the read options to the values of the file and recomputes dependent values, so that wavelength, distance and
/// both pixel sizes are consistent.
fn overrule(found: &mut OpenFile, options: &ReadOptions) -> Result<()> {
    let side = found.side();
    let m = &mut found.measurement;
    for (what, unit, options) in [
        ("object pixel", "m", options.pixel_m),
        ("photon energy", "eV", options.photon_energy_ev),
        ("distance", "m", options.distance_m),
    ] {
        if let Some(v) = options {
            found
                .notes
                .push(format!("{what}: {v:e} {unit}, as requested"));
        }
    }
    if let Some(p) = options.pixel_m {
        let meters = matches!(found.format, Format::ProductHdf5 | Format::ProductNpz);
        let own = (m.pixel_m).filter(|o| {
            meters
                && [o.x, o.y]
                    .iter()
                    .any(|o| (o / p - 1.0).abs() > MAX_RELATIVE_DIFFERENCE)
        });
        if let Some(o) = own {
            return Err(Error::usage(found.labels.action.clone())
                .at(format!("`pixel_size` {p:e}"))
                .got(format!("a product whose pixel is {:e} x {:e} m", o.x, o.y))
                .need("no `pixel_size`: its positions are meters divided by its own pixel"));
        }
        m.pixel_m = PixelSize::known(p, p).or(m.pixel_m);
    }
    m.photon_energy_ev = options.photon_energy_ev.or(m.photon_energy_ev);
    m.distance_m = options.distance_m.or(m.distance_m);
    let anything = options
        .pixel_m
        .or(options.photon_energy_ev)
        .or(options.distance_m);
    let (Some(side), Some(_)) = (side, anything) else {
        return Ok(());
    };
    let mut follows = m.clone();
    follows.pixel_m = None;
    follows.complete(side);
    let Some((a, b)) = follows.pixel_m.zip(m.pixel_m) else {
        return Ok(());
    };
    // the computed value replaces that of the file even for a small difference: positions would otherwise be converted to
    // meters with one pixel size and back with another. A given object pixel determines the detector pixel; otherwise the
    // detector pixel determines the object pixel
    let name = if options.pixel_m.is_some() {
        m.detector_pixel_m = None;
        "detector"
    } else {
        m.pixel_m = None;
        "object"
    };
    let differ = |r: f64| (r - 1.0).abs() > MAX_RELATIVE_DIFFERENCE;
    if differ(a.x / b.x) || differ(a.y / b.y) {
        found.notes.push(format!(
            "the {name} pixel size of the file contradicts these values: lambda z / (N d) was used instead"
        ));
    }
    Ok(())
}

/// Reads the data set at `path`, whatever its format.
///
/// # Errors
/// As [`open`], and if there are no patterns or the law of [`super::dataset`] is broken.
pub fn read(path: impl AsRef<Path>) -> Result<DataFile> {
    open(path, &ReadOptions::default())?.into_dataset()
}
