//! An `.npz` archive or a `.npy` file: headers first, elements on demand, nothing on trust.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, ArrayD, IxDyn, ShapeBuilder};
use num_complex::Complex32;
use zip::{CompressionMethod, ZipArchive};

use super::header::{Dtype, Header, Kind, excerpt, shape_text};
use crate::error::{Error, Result};

/// Most entries an archive may have.
const MOST_ENTRIES: usize = 4096;
/// Deflate turns one byte into at most this many.
const DEFLATE_RATIO: u64 = 1032;
/// Elements that are read at a time.
const CHUNK: usize = 1 << 14;

#[derive(Debug)]
enum Store {
    Zip(Box<ZipArchive<BufReader<File>>>),
    Npy(BufReader<File>),
}

#[derive(Debug)]
struct Entry {
    key: String,
    index: usize,
    /// Bytes of the entry, header included, as the archive says.
    bytes: u64,
    header: std::result::Result<Header, String>,
}

/// An opened file whose headers have been read.
#[derive(Debug)]
pub(in crate::data) struct Archive {
    path: PathBuf,
    store: Store,
    entries: Vec<Entry>,
}

/// An error about `path`, before a key is known.
fn refusal(path: &Path) -> Error {
    Error::input(format!("reading {}", path.display()))
}

fn open(path: &Path) -> Result<(File, u64)> {
    let io = |e| Error::io(format!("opening {}", path.display())).because(e);
    let file = File::open(path).map_err(io)?;
    let about = file.metadata().map_err(io)?;
    if about.is_file() {
        Ok((file, about.len()))
    } else {
        Err(Error::io(format!("opening {}", path.display()))
            .got("a folder or a device")
            .need("a file"))
    }
}

impl Archive {
    /// Opens the `.npz` archive at `path` and reads the header of every array in it.
    pub(in crate::data) fn open(path: &Path) -> Result<Self> {
        let (file, length) = open(path)?;
        let whole = |e| {
            refusal(path)
                .got(format!("{length} bytes that are not a whole zip archive"))
                .need("an .npz file")
                .help("Copy the file again if it was cut short; save it with numpy.savez.")
                .because(e)
        };
        let mut zip = ZipArchive::new(BufReader::new(file)).map_err(whole)?;
        if zip.len() > MOST_ENTRIES {
            return Err(refusal(path)
                .got(format!("{} entries", zip.len()))
                .need(format!("at most {MOST_ENTRIES}")));
        }
        let mut entries = Vec::new();
        for index in 0..zip.len() {
            let name = zip.name_for_index(index).unwrap_or("?").to_owned();
            let (bytes, header) = match zip.by_index(index) {
                Ok(mut entry) => (entry.size(), header_of(&mut entry, length)),
                Err(e) => (0, Err(format!("an entry that cannot be opened ({e})"))),
            };
            entries.push(Entry {
                key: name.strip_suffix(".npy").unwrap_or(&name).to_owned(),
                index,
                bytes,
                header,
            });
        }
        Ok(Self {
            path: path.to_owned(),
            store: Store::Zip(Box::new(zip)),
            entries,
        })
    }

    /// Opens the single array at `path`, and calls it `key`.
    pub(super) fn open_npy(path: &Path, key: &str) -> Result<Self> {
        let (file, bytes) = open(path)?;
        let mut reader = BufReader::new(file);
        let header = Header::read(&mut reader);
        Ok(Self {
            path: path.to_owned(),
            store: Store::Npy(reader),
            entries: vec![Entry {
                key: key.to_owned(),
                index: 0,
                bytes,
                header,
            }],
        })
    }

    /// Where the file is.
    pub(in crate::data) fn path(&self) -> &Path {
        &self.path
    }

    /// An error about this file.
    pub(in crate::data) fn error(&self) -> Error {
        refusal(&self.path)
    }

    /// Whether there is an entry called `key`.
    pub(in crate::data) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|e| e.key == key)
    }

    /// The keys with shape and dtype, for messages.
    pub(in crate::data) fn listing(&self) -> String {
        if self.entries.is_empty() {
            return "an empty archive".to_owned();
        }
        let all: Vec<String> = self
            .entries
            .iter()
            .take(40)
            .map(|e| match &e.header {
                Ok(h) => format!("{} {} {}", excerpt(&e.key), h.shape_text(), h.descr),
                Err(_) => format!("{} (unreadable)", excerpt(&e.key)),
            })
            .collect();
        let more = if self.entries.len() > 40 { ", ..." } else { "" };
        format!("the keys {}{more}", all.join(", "))
    }

    /// The shape of `key`, once its header has been found to be what the entry holds, and its
    /// elements to be of one of `kinds`.
    pub(in crate::data) fn shape(&self, key: &str, kinds: &[Kind]) -> Result<Vec<usize>> {
        self.entry(key, kinds).map(|(_, h, _, _)| h.shape.clone())
    }

    fn entry(&self, key: &str, kinds: &[Kind]) -> Result<(&Entry, &Header, Dtype, usize)> {
        let error = || self.error().at(format!("key `{key}`"));
        let entry = (self.entries.iter().find(|e| e.key == key))
            .ok_or_else(|| error().got(self.listing()).need(format!("the key `{key}`")))?;
        let header = (entry.header.as_ref()).map_err(|e| error().got(e).need("a .npy array"))?;
        let names: Vec<&str> = kinds.iter().map(|k| name_of(*k)).collect();
        let need = format!("an array of {}", names.join(" or "));
        let dtype = (header.dtype.filter(|d| kinds.contains(&d.kind))).ok_or_else(|| {
            let got = if header.descr.contains('O') {
                format!("an object array (dtype {})", header.descr)
            } else {
                format!("dtype {}", header.descr)
            };
            let e = error().got(got).need(&need);
            if header.descr.contains('O') {
                e.help("Object arrays hold pickled Python code, which is never run; save plain arrays.")
            } else {
                e
            }
        })?;
        let count = header.count();
        let needed = count
            .and_then(|c| c.checked_mul(dtype.size))
            .and_then(|b| (b as u64).checked_add(header.start));
        match (count, needed) {
            (Some(count), Some(needed)) if needed == entry.bytes => {
                Ok((entry, header, dtype, count))
            }
            _ => Err(error()
                .got(format!(
                    "a header for shape {} of {}, and {} bytes in all",
                    header.shape_text(),
                    header.descr,
                    entry.bytes
                ))
                .need(needed.map_or_else(
                    || "a shape that can exist".to_owned(),
                    |n| format!("{n} bytes for that shape"),
                ))),
        }
    }

    /// Reads the elements of `key`, each made by `make` from its type and bytes; row-major.
    fn values<T: Clone>(
        &mut self,
        key: &str,
        kinds: &[Kind],
        make: impl FnMut(Dtype, &[u8]) -> T,
    ) -> Result<ArrayD<T>> {
        let (entry, header, dtype, count) = self.entry(key, kinds)?;
        let (index, header) = (entry.index, header.clone());
        let error = refusal(&self.path).at(format!("key `{key}`"));
        let done = match &mut self.store {
            Store::Npy(reader) => elements(reader, dtype, count, make),
            Store::Zip(zip) => {
                zip.by_index(index)
                    .map_err(std::io::Error::from)
                    .and_then(|mut r| {
                        std::io::copy(&mut r.by_ref().take(header.start), &mut std::io::sink())?;
                        elements(&mut r, dtype, count, make)
                    })
            }
        };
        let values = done.map_err(|e| {
            error
                .got("damaged or missing bytes")
                .need(format!(
                    "{count} elements of {}, shape {}",
                    header.descr,
                    header.shape_text()
                ))
                .help("Copy the file again; it may have been cut short or changed on the way.")
                .because(e)
        })?;
        let shape = IxDyn(&header.shape).set_f(header.fortran);
        let array = ArrayD::from_shape_vec(shape, values)
            .map_err(|e| Error::bug("shaping an array").at(key).because(e))?;
        Ok(if array.is_standard_layout() {
            array
        } else {
            array.as_standard_layout().into_owned()
        })
    }

    /// The real numbers of `key`, as float64, in their shape.
    pub(in crate::data) fn doubles(&mut self, key: &str) -> Result<ArrayD<f64>> {
        self.values(key, REAL, |d, b| d.complex(b).0)
    }

    /// A number of its own, whatever its shape, if `key` is there.
    pub(in crate::data) fn number(&mut self, key: &str) -> Result<Option<f64>> {
        if !self.has(key) {
            return Ok(None);
        }
        let all = self.values(key, REAL, |d, b| d.complex(b).0)?;
        match all.len() {
            1 => Ok(all.first().copied()),
            n => Err(self
                .error()
                .at(format!("key `{key}`"))
                .got(format!("{n} numbers"))
                .need("one")),
        }
    }

    /// The truth values of `key`: booleans, or numbers that are not zero.
    pub(in crate::data) fn truths(&mut self, key: &str) -> Result<ArrayD<bool>> {
        const TRUTH: &[Kind] = &[Kind::Bool, Kind::Signed, Kind::Unsigned, Kind::Float];
        self.values(key, TRUTH, |d, b| d.complex(b).0 != 0.0)
    }

    /// A short text under `key`, if that is what is there.
    pub(in crate::data) fn text(&mut self, key: &str) -> Option<String> {
        let entry = self.entries.iter().find(|e| e.key == key)?;
        let header = entry.header.as_ref().ok()?;
        let letters: u64 = header.descr.strip_prefix("<U")?.parse().ok()?;
        if letters > 4096 || header.count() != Some(1) || entry.bytes != header.start + 4 * letters
        {
            return None;
        }
        let (index, start) = (entry.index, header.start);
        let Store::Zip(zip) = &mut self.store else {
            return None;
        };
        let mut bytes = Vec::new();
        zip.by_index(index).ok()?.read_to_end(&mut bytes).ok()?;
        let letters = bytes.get(usize::try_from(start).ok()?..)?.chunks_exact(4);
        letters
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .filter(|c| *c != 0)
            .map(char::from_u32)
            .collect()
    }

    /// The element type of `key`, as NumPy calls it.
    pub(in crate::data) fn descr(&self, key: &str) -> String {
        let entry = self.entries.iter().find(|e| e.key == key);
        entry
            .and_then(|e| e.header.as_ref().ok())
            .map_or_else(String::new, |h| h.descr.clone())
    }

    /// Whether `key` holds integers.
    pub(in crate::data) fn is_integer(&self, key: &str) -> bool {
        self.shape(key, INTEGER).is_ok()
    }

    /// Whether the elements of `key` lie row-major.
    pub(in crate::data) fn is_row_major(&self, key: &str) -> bool {
        let entry = self.entries.iter().find(|e| e.key == key);
        entry.is_some_and(|e| e.header.as_ref().is_ok_and(|h| !h.fortran))
    }

    /// Hands over the real numbers of `key` in storage order, `batch` elements at a time.
    pub(in crate::data) fn stream(
        &mut self,
        key: &str,
        batch: usize,
        take: &mut dyn FnMut(Vec<f32>) -> Result<()>,
    ) -> Result<()> {
        let (entry, header, dtype, count) = self.entry(key, REAL)?;
        let (index, start, shown) = (entry.index, header.start, header.shape_text());
        let place = refusal(&self.path).at(format!("key `{key}`"));
        let damaged = |e: std::io::Error| damaged(refusal(&self.path), key, &shown, e);
        let mut lost = None;
        let mut run = |r: &mut dyn Read| -> Result<()> {
            let mut left = count;
            let mut bytes = vec![0; batch.min(count).saturating_mul(dtype.size)];
            while left > 0 {
                let now = batch.min(left);
                let part = &mut bytes[..now * dtype.size];
                r.read_exact(part).map_err(damaged)?;
                let values = dtype.singles(part, |v| lost = lost.or(Some(v)));
                left -= now;
                take(values)?;
            }
            // at the end a zip entry's checksum is compared
            match r.read(&mut [0]).map_err(damaged)? {
                0 => Ok(()),
                _ => Err(damaged(std::io::Error::other(
                    "more bytes than the header says",
                ))),
            }
        };
        match &mut self.store {
            Store::Npy(reader) => {
                reader.seek(SeekFrom::Start(start)).map_err(damaged)?;
                run(reader)
            }
            Store::Zip(zip) => {
                let mut r = zip.by_index(index).map_err(|e| damaged(e.into()))?;
                std::io::copy(&mut r.by_ref().take(start), &mut std::io::sink())
                    .map_err(damaged)?;
                run(&mut r)
            }
        }?;
        match lost {
            None => Ok(()),
            Some(v) => Err(place
                .got(format!("{v:e}, a number beyond float32"))
                .need(format!("numbers up to {:e}", f32::MAX))),
        }
    }

    /// The real numbers `first .. first + count` of `key` in storage order, by seeking.
    pub(in crate::data) fn window(
        &mut self,
        key: &str,
        first: usize,
        count: usize,
    ) -> Result<Vec<f32>> {
        let (entry, header, dtype, all) = self.entry(key, REAL)?;
        let (index, shown) = (entry.index, header.shape_text());
        let error = refusal(&self.path).at(format!("key `{key}`"));
        if first.checked_add(count).is_none_or(|end| end > all) {
            return Err(error
                .got(format!("elements {first} and the {count} after it"))
                .need(format!("at most {all}")));
        }
        let from = header.start + (first * dtype.size) as u64;
        let mut bytes = vec![0; count * dtype.size];
        let damaged = |e: std::io::Error| damaged(refusal(&self.path), key, &shown, e);
        let mut fill = |r: &mut dyn ReadSeek| -> Result<()> {
            r.seek(SeekFrom::Start(from)).map_err(damaged)?;
            r.read_exact(&mut bytes).map_err(damaged)
        };
        match &mut self.store {
            Store::Npy(reader) => fill(reader)?,
            Store::Zip(zip) => match zip.by_index_seek(index) {
                Ok(mut r) => fill(&mut r)?,
                Err(e) => {
                    return Err(error
                        .got("a compressed array")
                        .need("one that is stored as it is, to read a part of it")
                        .help("ptyproof convert IN OUT.npz --store writes one")
                        .because(e));
                }
            },
        }
        let mut lost = 0;
        let values = dtype.singles(&bytes, |_| lost += 1);
        if lost > 0 {
            return Err(error
                .got(format!("{lost} numbers beyond float32"))
                .need(format!("numbers up to {:e}", f32::MAX)));
        }
        Ok(values)
    }

    /// The real numbers of `key`, as float64.
    pub(in crate::data) fn reals(&mut self, key: &str) -> Result<Array1<f64>> {
        self.values(key, REAL, |d, b| d.complex(b).0)?
            .into_dimensionality()
            .map_err(|_| self.vector_error(key, REAL))
    }

    /// The real numbers of `key`, as float64, in a plane.
    pub(super) fn plane(&mut self, key: &str) -> Result<Array2<f64>> {
        let all = self.values(key, REAL, |d, b| d.complex(b).0)?;
        let shape = shape_text(all.shape());
        all.into_dimensionality().map_err(|_| {
            self.error()
                .at(key)
                .got(format!("shape {shape}"))
                .need("two axes, (rows, columns)")
        })
    }

    /// The integers of `key`, as int64.
    pub(in crate::data) fn integers(&mut self, key: &str) -> Result<Vec<i64>> {
        let wide: Array1<i128> = self
            .values(key, INTEGER, Dtype::integer)?
            .into_dimensionality()
            .map_err(|_| self.vector_error(key, INTEGER))?;
        let place = |i| self.error().at(format!("key `{key}`, entry {i}"));
        (wide.iter().enumerate())
            .map(|(i, v)| {
                i64::try_from(*v).map_err(|_| place(i).got(v).need("an integer below 2^63"))
            })
            .collect()
    }

    fn vector_error(&self, key: &str, kinds: &[Kind]) -> Error {
        let shape = self.shape(key, kinds).unwrap_or_default();
        self.error()
            .at(format!("key `{key}`"))
            .got(format!("shape {}", shape_text(&shape)))
            .need("one axis, (patterns,)")
    }

    /// The real numbers of `key`, as float32; refused if a finite number does not fit.
    pub(in crate::data) fn singles(&mut self, key: &str) -> Result<ArrayD<f32>> {
        let mut narrow = Narrow::default();
        let array = self.values(key, REAL, |d, b| narrow.one(d.complex(b).0))?;
        self.fits(key, &narrow)?;
        Ok(array)
    }

    /// The numbers of `key`, as complex64; refused if a finite number does not fit.
    pub(in crate::data) fn complexes(&mut self, key: &str) -> Result<ArrayD<Complex32>> {
        let mut narrow = Narrow::default();
        let array = self.values(key, ANY, |d, b| {
            let (re, im) = d.complex(b);
            Complex32::new(narrow.one(re), narrow.one(im))
        })?;
        self.fits(key, &narrow)?;
        Ok(array)
    }

    fn fits(&self, key: &str, narrow: &Narrow) -> Result<()> {
        match narrow.first {
            None => Ok(()),
            Some(v) => Err(self
                .error()
                .at(format!("key `{key}`"))
                .got(format!("{v:e} ({} numbers beyond float32)", narrow.lost))
                .need(format!("numbers up to {:e}", f32::MAX))),
        }
    }
}

/// What can be read from any place.
trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

fn damaged(error: Error, key: &str, shape: &str, e: std::io::Error) -> Error {
    error
        .at(format!("key `{key}`"))
        .got("damaged or missing bytes")
        .need(format!("an array of shape {shape}"))
        .help("Copy the file again; it may have been cut short or changed on the way.")
        .because(e)
}

/// Counts the finite numbers that are not finite as float32.
#[derive(Debug, Default)]
struct Narrow {
    first: Option<f64>,
    lost: usize,
}

impl Narrow {
    fn one(&mut self, v: f64) -> f32 {
        let s = v as f32;
        if v.is_finite() && !s.is_finite() {
            self.first.get_or_insert(v);
            self.lost += 1;
        }
        s
    }
}

/// Whole numbers.
const INTEGER: &[Kind] = &[Kind::Signed, Kind::Unsigned];
/// Real numbers.
pub(in crate::data) const REAL: &[Kind] = &[Kind::Float, Kind::Signed, Kind::Unsigned];
/// Numbers.
pub(in crate::data) const ANY: &[Kind] =
    &[Kind::Complex, Kind::Float, Kind::Signed, Kind::Unsigned];

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "booleans",
        Kind::Float => "float32 or float64",
        Kind::Signed => "signed integers",
        Kind::Unsigned => "unsigned integers",
        Kind::Complex => "complex64 or complex128",
    }
}

/// The header of a zip entry, unless the sizes that the archive claims cannot be.
fn header_of(
    entry: &mut zip::read::ZipFile<'_, BufReader<File>>,
    file: u64,
) -> std::result::Result<Header, String> {
    let packed = entry.compressed_size();
    let most = match entry.compression() {
        CompressionMethod::Stored => packed,
        CompressionMethod::Deflated => packed.saturating_mul(DEFLATE_RATIO),
        other => return Err(format!("an entry compressed by {other}")),
    };
    if packed > file || entry.size() > most {
        return Err(format!(
            "an entry that claims {} bytes from {packed} in a file of {file}",
            entry.size()
        ));
    }
    Header::read(entry)
}

/// Reads `count` elements, and then the end: which is where a zip entry's checksum is compared.
fn elements<T>(
    r: &mut impl Read,
    dtype: Dtype,
    count: usize,
    mut make: impl FnMut(Dtype, &[u8]) -> T,
) -> std::io::Result<Vec<T>> {
    let mut values = Vec::new();
    let mut chunk = vec![0; CHUNK.min(count) * dtype.size];
    while values.len() < count {
        let now = CHUNK.min(count - values.len()) * dtype.size;
        r.read_exact(&mut chunk[..now])?;
        values.extend(
            chunk[..now]
                .chunks_exact(dtype.size)
                .map(|b| make(dtype, b)),
        );
    }
    if r.read(&mut [0])? == 0 {
        Ok(values)
    } else {
        Err(std::io::Error::other("more bytes than the header says"))
    }
}
