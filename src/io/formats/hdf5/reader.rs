//! The only module that uses the HDF5 library: datasets and attributes, validated before reading.
//!
//! *Law.* A dataset is read only if it can fit in the file: its bytes are at most those of the file times the maximum
//! deflate ratio. Complex numbers are compounds of two floats, `{r, i}` as h5py has them, or `{real, imag}`.
//!
//! *Limit.* The library does not follow soft links; so readers list all hard links of a dataset.

use std::path::{Path, PathBuf};

use hdf5_pure::{AttrValue, Datatype, DatatypeByteOrder, File};
use ndarray::{Array3, ArrayD, IxDyn};
use num_complex::Complex32;

use crate::error::{Error, Result};
use crate::io::npz::header::{Dtype, Kind, excerpt, shape_text};
use crate::io::open_file::{BatchSink, Source};

/// Maximum compression ratio of deflate.
const MAX_DEFLATE_RATIO: u64 = 1032;
/// Maximum number of names in a message.
const MAX_LISTED_NAMES: usize = 40;

/// An opened HDF5 file.
#[derive(Debug)]
pub(super) struct H5 {
    path: PathBuf,
    file: File,
    bytes: u64,
}

/// The kind of an element, and the place of its numbers.
#[derive(Debug, Clone, Copy)]
struct Element {
    size: usize,
    dtype: Dtype,
    re: usize,
    im: Option<usize>,
}

impl Element {
    fn of(datatype: &Datatype) -> Option<Self> {
        let size = usize::try_from(datatype.type_size()).ok()?;
        let simple = |dtype: Dtype| Self {
            size,
            dtype,
            re: 0,
            im: None,
        };
        match datatype {
            Datatype::FixedPoint {
                byte_order, layout, ..
            } => {
                let whole = layout.bit_offset == 0 && usize::from(layout.bit_precision) == 8 * size;
                let kind = if layout.signed {
                    Kind::Signed
                } else {
                    Kind::Unsigned
                };
                (matches!(size, 1 | 2 | 4 | 8) && whole).then_some(())?;
                Some(simple(Dtype {
                    kind,
                    size,
                    big_endian: big(*byte_order)?,
                }))
            }
            Datatype::FloatingPoint {
                byte_order, layout, ..
            } => {
                let l = layout;
                let parts = (l.exponent_location, l.exponent_size, l.mantissa_size);
                let ieee = match size {
                    4 => parts == (23, 8, 23) && l.exponent_bias == 127,
                    8 => parts == (52, 11, 52) && l.exponent_bias == 1023,
                    _ => false,
                };
                (ieee && l.bit_offset == 0 && l.mantissa_location == 0).then_some(())?;
                Some(simple(Dtype {
                    kind: Kind::Float,
                    size,
                    big_endian: big(*byte_order)?,
                }))
            }
            // h5py's booleans
            Datatype::Enumeration { base_type, .. } => Self::of(base_type),
            Datatype::Compound { members, .. } => {
                let [a, b] = members.as_slice() else {
                    return None;
                };
                let names = (a.name.as_str(), b.name.as_str());
                matches!(names, ("r", "i") | ("real", "imag") | ("re", "im")).then_some(())?;
                let (first, second) = (Self::of(&a.datatype)?, Self::of(&b.datatype)?);
                let (re, im) = (
                    usize::try_from(a.byte_offset).ok()?,
                    usize::try_from(b.byte_offset).ok()?,
                );
                let fits = |at: usize| at.checked_add(first.size).is_some_and(|end| end <= size);
                let alike = first.dtype == second.dtype && first.im.is_none();
                (alike && fits(re) && fits(im)).then_some(Self {
                    size,
                    dtype: first.dtype,
                    re,
                    im: Some(im),
                })
            }
            _ => None,
        }
    }

    fn real(self, b: &[u8]) -> f64 {
        self.dtype.complex(&b[self.re..self.re + self.dtype.size]).0
    }

    fn complex(self, b: &[u8]) -> (f64, f64) {
        let im = self
            .im
            .map_or(0.0, |at| self.dtype.complex(&b[at..at + self.dtype.size]).0);
        (self.real(b), im)
    }

    fn name(self) -> String {
        let kind = match (self.im.is_some(), self.dtype.kind) {
            (true, _) => "complex",
            (false, Kind::Float) => "float",
            (false, Kind::Unsigned) => "uint",
            (false, _) => "int",
        };
        format!("{kind}{}", 8 * self.size)
    }
}

fn big(order: DatatypeByteOrder) -> Option<bool> {
    match order {
        DatatypeByteOrder::LittleEndian => Some(false),
        DatatypeByteOrder::BigEndian => Some(true),
        DatatypeByteOrder::Vax => None,
    }
}

/// A dataset that the file can hold.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) shape: Vec<usize>,
    element: Element,
}

impl Found {
    /// The element type in words.
    pub(super) fn dtype(&self) -> String {
        self.element.name()
    }
}

impl H5 {
    /// Opens the file at `path`; its datasets stay on disk.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let io = |e| Error::input(format!("opening {}", path.display())).because(e);
        let bytes = std::fs::metadata(path).map_err(io)?.len();
        let file = File::open_streaming(path).map_err(|e| {
            Error::input(format!("reading {}", path.display()))
                .got(format!("{bytes} bytes that are not a complete HDF5 file"))
                .need("an HDF5 file")
                .help("copy the file again; it may be truncated")
                .because(e)
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            bytes,
        })
    }

    /// Where the file is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// An error about this file.
    pub(super) fn error(&self) -> Error {
        Error::input(format!("reading {}", self.path.display()))
    }

    /// Whether there is a dataset at `place`.
    pub(super) fn has(&self, place: &str) -> bool {
        self.file.dataset(place).is_ok()
    }

    /// Whether there is a group at `place`.
    pub(super) fn has_group(&self, place: &str) -> bool {
        self.file.group(place).is_ok()
    }

    /// The first of `places` that is a dataset.
    pub(super) fn first<'a>(&self, places: &[&'a str]) -> Option<&'a str> {
        places.iter().copied().find(|p| self.has(p))
    }

    /// The names at the root, for messages.
    pub(super) fn listing(&self) -> String {
        let root = self.file.root();
        let mut names = root.groups().unwrap_or_default();
        names.extend(root.datasets().unwrap_or_default());
        if names.is_empty() {
            return "an empty file".to_owned();
        }
        names.sort();
        names.truncate(MAX_LISTED_NAMES);
        let names: Vec<String> = names.iter().map(|n| excerpt(n)).collect();
        names.join(", ")
    }

    /// The dataset at `place`, if the file can hold what it claims and its elements are numbers.
    pub(super) fn find(&self, place: &str) -> Result<Found> {
        let error = || self.error().at(format!("dataset `{place}`"));
        let refuse = |e| error().got("an unreadable dataset").because(e);
        let set = self.file.dataset(place).map_err(|e| {
            error()
                .got(format!("{} at the root", self.listing()))
                .need("that dataset")
                .because(e)
        })?;
        let shape = set.shape().map_err(refuse)?;
        let datatype = set.datatype().map_err(refuse)?;
        let element = Element::of(&datatype).ok_or_else(|| {
            error()
                .got(excerpt(&format!("elements of type {datatype}")))
                .need("integers, floats of 32 or 64 bits, or complex numbers {r, i} of these")
        })?;
        let claimed = shape
            .iter()
            .try_fold(element.size as u64, |n, &a| n.checked_mul(a.max(1)));
        let most = self.bytes.saturating_mul(MAX_DEFLATE_RATIO);
        let axes: Option<Vec<usize>> = shape.iter().map(|&n| usize::try_from(n).ok()).collect();
        match (claimed, axes) {
            (Some(claimed), Some(shape)) if claimed <= most => Ok(Found { shape, element }),
            _ => Err(error()
                .got(format!("shape {shape:?} of {} bytes each", element.size))
                .need(format!(
                    "a size that fits in a file of {} bytes",
                    self.bytes
                ))),
        }
    }

    fn raw(&self, place: &str) -> Result<(Found, Vec<u8>)> {
        let found = self.find(place)?;
        let bytes = (self.file.dataset(place).and_then(|set| set.read_raw()))
            .map_err(|e| self.damaged(place, e))?;
        self.complete(place, &found, found.shape.iter().product(), &bytes)?;
        Ok((found, bytes))
    }

    fn damaged(&self, place: &str, e: hdf5_pure::Error) -> Error {
        self.error()
            .at(format!("dataset `{place}`"))
            .got("damaged or missing bytes, or an unsupported filter")
            .need("an uncompressed dataset, or one with deflate, shuffle or LZF")
            .help("copy the file again, or repack it: h5repack -f GZIP=1 IN OUT")
            .because(e)
    }

    fn complete(&self, place: &str, found: &Found, count: usize, bytes: &[u8]) -> Result<()> {
        if bytes.len() == count * found.element.size {
            return Ok(());
        }
        Err(self
            .error()
            .at(format!("dataset `{place}`"))
            .got(format!("{} bytes", bytes.len()))
            .need(format!("{count} elements of {} bytes", found.element.size)))
    }

    /// The numbers at `place`, as float64; of complex ones the real part is refused.
    pub(super) fn reals(&self, place: &str) -> Result<ArrayD<f64>> {
        let (found, bytes) = self.raw(place)?;
        self.need_real(place, &found)?;
        let elements = bytes.chunks_exact(found.element.size);
        let values = elements.map(|b| found.element.real(b)).collect();
        self.shaped(place, &found.shape, values)
    }

    /// The numbers at `place`, as complex64; refused if a finite number does not fit.
    pub(super) fn complexes(&self, place: &str) -> Result<ArrayD<Complex32>> {
        let (found, bytes) = self.raw(place)?;
        let mut lost = 0;
        let mut one = |v: f64| {
            let s = v as f32;
            lost += usize::from(v.is_finite() && !s.is_finite());
            s
        };
        let values = (bytes.chunks_exact(found.element.size))
            .map(|b| {
                let (re, im) = found.element.complex(b);
                Complex32::new(one(re), one(im))
            })
            .collect();
        self.fits(place, lost)?;
        self.shaped(place, &found.shape, values)
    }

    fn need_real(&self, place: &str, found: &Found) -> Result<()> {
        if found.element.im.is_none() {
            return Ok(());
        }
        Err(self
            .error()
            .at(format!("dataset `{place}`"))
            .got("complex numbers")
            .need("real numbers"))
    }

    fn fits(&self, place: &str, lost: usize) -> Result<()> {
        if lost == 0 {
            return Ok(());
        }
        Err(self
            .error()
            .at(format!("dataset `{place}`"))
            .got(format!("{lost} numbers outside the range of float32"))
            .need(format!("numbers up to {:e}", f32::MAX)))
    }

    fn shaped<T>(&self, place: &str, shape: &[usize], values: Vec<T>) -> Result<ArrayD<T>> {
        ArrayD::from_shape_vec(IxDyn(shape), values)
            .map_err(|e| self.error().at(format!("dataset `{place}`")).because(e))
    }

    /// The rows `start .. start + count` of the first axis, as float32.
    fn rows(&self, place: &str, found: &Found, start: usize, count: usize) -> Result<Vec<f32>> {
        let (from, n) = (start as u64, count as u64);
        let bytes = (self.file.dataset(place))
            .and_then(|set| set.read_raw_rows(from, n))
            .map_err(|e| self.damaged(place, e))?;
        let area: usize = found.shape.iter().skip(1).product();
        self.complete(place, found, count * area, &bytes)?;
        let mut lost = 0;
        let values = found.element.dtype.singles(&bytes, |_| lost += 1);
        self.fits(place, lost)?;
        Ok(values)
    }

    /// A number: a dataset of one element at `place`, or the attribute of that name of the group or
    /// dataset before the last `/`.
    pub(super) fn number(&self, place: &str) -> Result<Option<f64>> {
        if self.has(place) {
            let all = self.reals(place)?;
            return match all.len() {
                1 => Ok(all.first().copied()),
                n => Err(self
                    .error()
                    .at(format!("dataset `{place}`"))
                    .got(format!("{n} numbers"))
                    .need("one")),
            };
        }
        let (owner, name) = place.rsplit_once('/').unwrap_or(("", place));
        Ok(self.attribute(owner, name).and_then(|v| v.as_f64()))
    }

    /// A text: the attribute `name` of `owner`.
    pub(super) fn text(&self, owner: &str, name: &str) -> Option<String> {
        self.attribute(owner, name)?.as_str().map(excerpt)
    }

    /// Whether `owner` has the attribute `name`.
    pub(super) fn has_attribute(&self, owner: &str, name: &str) -> bool {
        self.attribute(owner, name).is_some()
    }

    fn attribute(&self, owner: &str, name: &str) -> Option<AttrValue> {
        let mut all = if owner.is_empty() {
            self.file.root().attrs().ok()?
        } else if let Ok(set) = self.file.dataset(owner) {
            set.attrs().ok()?
        } else {
            self.file.group(owner).ok()?.attrs().ok()?
        };
        all.remove(name)
    }
}

/// Patterns of a dataset `(n, rows, columns)`.
#[derive(Debug)]
pub(super) struct H5Patterns {
    file: H5,
    place: String,
    found: Found,
    size: (usize, usize),
}

impl H5Patterns {
    /// The dataset at `place`, if it has three axes and real elements.
    pub(super) fn new(file: H5, place: &str) -> Result<Self> {
        let found = file.find(place)?;
        file.need_real(place, &found)?;
        let [_, rows, cols] = found.shape[..] else {
            return Err(file
                .error()
                .at(format!("dataset `{place}`"))
                .got(format!("shape {}", shape_text(&found.shape)))
                .need("three axes, (patterns, rows, columns)"));
        };
        Ok(Self {
            file,
            place: place.to_owned(),
            found,
            size: (rows, cols),
        })
    }
}

impl Source for H5Patterns {
    fn each(&mut self, batch: usize, take: &mut BatchSink<'_>) -> Result<()> {
        let all = self.found.shape[0];
        for start in (0..all).step_by(batch.max(1)) {
            let values = self.range(start, batch.max(1).min(all - start))?;
            take(start, values)?;
        }
        Ok(())
    }

    fn range(&mut self, start: usize, count: usize) -> Result<Array3<f32>> {
        let values = self.file.rows(&self.place, &self.found, start, count)?;
        Array3::from_shape_vec((count, self.size.0, self.size.1), values).map_err(|e| {
            Error::bug("reshaping the patterns")
                .at(&self.place)
                .because(e)
        })
    }
}
