//! Files of other programs, read by their content and written by their endings.
//!
//! *Law.* What is read back from a file that was written here is what went in, as far as the format
//! can hold it; each conversion's rounding is stated beside its writer. A file that is not what it
//! says is refused with its path, the dataset, what was found and what was needed.
//!
//! | format | patterns | positions | read from |
//! |---|---|---|---|
//! | PtychoPINN NPZ | amplitude or counts, DC at `[N/2, N/2]` | object pixels, centres | [`super::npz`] |
//! | tike NPZ | counts, DC at `[0, 0]` | object pixels, first corner | `tike` |
//! | ptychodus product, HDF5 or NPZ | none | metres, centres | `product` |
//! | CXI | counts, DC at `[N/2, N/2]` | metres, motion of the sample | `cxi` |
//!
//! Every assumption is a sentence in [`OpenFile::notes`].

mod cxi;
mod cxi_write;
mod detect;
mod h5;
mod h5_write;
mod product;
mod product_write;
mod tike;
mod write;

use std::path::Path;

pub use detect::Format;
pub use write::{Writing, write};

use self::detect::Opened;
use crate::error::{Error, Result};
use crate::geometry::Position;
use crate::io::measurement::PixelSize;
use crate::io::npz::read::contents as ptychopinn;
use crate::io::open_file::{DataFile, OpenFile, Unit};

/// What the person who reads a file knows better than it.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadOptions {
    /// What a value of a pattern is.
    pub unit: Option<Unit>,
    /// The side of an object pixel, in metres.
    pub pixel_m: Option<f64>,
    /// The energy of a photon, in electronvolt.
    pub photon_energy_ev: Option<f64>,
    /// From the object to the detector, in metres.
    pub distance_m: Option<f64>,
    /// Whether a CXI file's translation is the probe's motion and not the sample's.
    pub probe_moves: bool,
}

/// Opens `path`, whatever its format; patterns stay on disk.
///
/// # Errors
/// If it cannot be read, is of no known format, or is not what it says.
pub fn open(path: impl AsRef<Path>, told: &ReadOptions) -> Result<OpenFile> {
    let mut found = match detect::open(path.as_ref())? {
        Opened::Npz(Format::ProductNpz, file) => product::read(&mut product::Npz(file))?,
        Opened::Npz(Format::Tike, file) => tike::read(file)?,
        Opened::Npz(_, file) => ptychopinn(file, false)?,
        Opened::Hdf5(Format::Cxi, file) => cxi::read(file, told)?,
        Opened::Hdf5(_, file) => product::read(&mut product::Hdf5(file))?,
    };
    if let (Some(unit), Some(stack)) = (told.unit, &mut found.stack) {
        stack.unit = unit;
        found.notes.push(format!("read as {unit}, as told"));
    }
    overrule(&mut found, told)?;
    if let Some(side) = found.side() {
        found.measurement.complete(side);
    }
    found.check_images()?;
    found.check_sizes()?;
    Ok(found)
}

/// Lengths that are farther apart than this are not one length in two roundings. It decides what is said and refused, never what follows.
const APART: f64 = 1e-3;

/// Puts what was told in the place of what the file says; what follows from it follows, so that wavelength, distance and both pixels
/// stay one geometry.
fn overrule(found: &mut OpenFile, told: &ReadOptions) -> Result<()> {
    let side = found.side();
    let m = &mut found.measurement;
    for (what, unit, told) in [
        ("object pixel", "m", told.pixel_m),
        ("photon energy", "eV", told.photon_energy_ev),
        ("distance", "m", told.distance_m),
    ] {
        if let Some(v) = told {
            found.notes.push(format!("{what}: {v:e} {unit}, as told"));
        }
    }
    if let Some(p) = told.pixel_m {
        let metres = matches!(found.format, Format::ProductHdf5 | Format::ProductNpz);
        let own = (m.pixel_m)
            .filter(|o| metres && [o.x, o.y].iter().any(|o| (o / p - 1.0).abs() > APART));
        if let Some(o) = own {
            return Err(Error::usage(found.labels.action.clone())
                .at(format!("--pixel-size {p:e}"))
                .got(format!("a product whose pixel is {:e} x {:e} m", o.x, o.y))
                .need("no --pixel-size: its positions are metres over its own pixel"));
        }
        m.pixel_m = PixelSize::known(p, p).or(m.pixel_m);
    }
    m.photon_energy_ev = told.photon_energy_ev.or(m.photon_energy_ev);
    m.distance_m = told.distance_m.or(m.distance_m);
    let anything = told.pixel_m.or(told.photon_energy_ev).or(told.distance_m);
    let (Some(side), Some(_)) = (side, anything) else {
        return Ok(());
    };
    let mut follows = m.clone();
    follows.pixel_m = None;
    follows.complete(side);
    let Some((a, b)) = follows.pixel_m.zip(m.pixel_m) else {
        return Ok(());
    };
    // what follows replaces what the file says even if they differ by little: positions would otherwise be turned into metres with one
    // pixel and back with another. A pixel that was told stands, and says what the detector's is; otherwise the detector does
    let name = if told.pixel_m.is_some() {
        m.detector_pixel_m = None;
        "detector"
    } else {
        m.pixel_m = None;
        "object"
    };
    let differ = |r: f64| (r - 1.0).abs() > APART;
    if differ(a.x / b.x) || differ(a.y / b.y) {
        found.notes.push(format!(
            "the {name}'s pixel of the file does not belong to that: it is the one that follows, lambda z / (N d)"
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

/// Pixels left free between the object's edge and the first patch, where a format has no object:
/// room for the refinement of positions.
const MARGIN: f64 = 2.0;

/// Moves positions so that the first patch of `side` begins [`MARGIN`] pixels inside the object, and
/// says so.
fn settle(positions: &mut [Position], side: usize, notes: &mut Vec<String>) {
    let finite = || positions.iter().filter(|p| p.is_finite());
    let low = |of: fn(&Position) -> f64| finite().map(of).fold(f64::INFINITY, f64::min);
    let (x, y) = (low(|p| p.x), low(|p| p.y));
    if !(x.is_finite() && y.is_finite()) {
        return; // the data set's law will say which is not finite
    }
    let first = side as f64 / 2.0 + MARGIN;
    for p in positions {
        p.x = p.x - x + first;
        p.y = p.y - y + first;
    }
    notes.push(format!(
        "positions have no origin in the file: moved so that the smallest x and y are {first} pixels"
    ));
}
