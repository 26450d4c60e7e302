//! An `.npz` archive or a `.npy` file: validated headers first, elements on demand.

mod names;
mod parts;
mod typed;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn, ShapeBuilder};
use zip::{CompressionMethod, ZipArchive};

use super::header::{Dtype, Header, Kind, NPY, excerpt};
use crate::error::{Error, Result};

/// Maximum number of entries of an archive.
const MAX_ENTRIES: usize = 4096;
/// Maximum compression ratio of deflate.
const MAX_DEFLATE_RATIO: u64 = 1032;
/// Number of elements read at a time.
const CHUNK_ELEMENTS: usize = 1 << 14;

#[derive(Debug)]
enum Store {
    Zip(Box<ZipArchive<BufReader<File>>>),
    Npy(BufReader<File>),
}

#[derive(Debug)]
struct Entry {
    key: String,
    index: usize,
    /// Bytes of the entry, with its header, as listed in the archive.
    bytes: u64,
    header: std::result::Result<Header, String>,
}

/// An opened file whose headers have been read.
#[derive(Debug)]
pub(in crate::io) struct Archive {
    path: PathBuf,
    store: Store,
    entries: Vec<Entry>,
}

/// An error about `path`, before a key is known.
fn refusal(path: &Path) -> Error {
    Error::input(format!("reading {}", path.display()))
}

fn open(path: &Path) -> Result<(File, u64)> {
    let io = |e| Error::input(format!("opening {}", path.display())).because(e);
    let file = File::open(path).map_err(io)?;
    let about = file.metadata().map_err(io)?;
    if about.is_file() {
        Ok((file, about.len()))
    } else {
        Err(Error::input(format!("opening {}", path.display()))
            .got("a directory or a device")
            .need("a file"))
    }
}

/// Magic bytes of an HDF5 file.
pub(in crate::io) const HDF5: &[u8; 8] = b"\x89HDF\r\n\x1a\n";

/// The kind of a file that is no archive, from its first bytes.
fn other_format(path: &Path) -> Option<&'static str> {
    let mut begin = [0; 8];
    File::open(path).ok()?.read_exact(&mut begin).ok()?;
    if begin == *HDF5 {
        Some("an HDF5 file")
    } else if begin.starts_with(NPY) {
        Some("a single array, an .npy file")
    } else {
        None
    }
}

impl Archive {
    /// Opens the `.npz` archive at `path` and reads the header of every array in it.
    pub(in crate::io) fn open(path: &Path) -> Result<Self> {
        let (file, length) = open(path)?;
        let whole = |e| match other_format(path) {
            Some(other) => refusal(path).got(other).need("an .npz file"),
            None => refusal(path)
                .got(format!(
                    "{length} bytes that are not a complete zip archive"
                ))
                .need("an .npz file")
                .help("copy the file again if it is truncated, or save it with numpy.savez")
                .because(e),
        };
        let mut zip = ZipArchive::new(BufReader::new(file)).map_err(whole)?;
        let io = |e| refusal(path).got("unreadable array names").because(e);
        let names = File::open(path).map_err(io)?;
        let start = zip.central_directory_start();
        let listed = names::names(&mut BufReader::new(names), start, MAX_ENTRIES).map_err(io)?;
        if let Some(key) = listed.twice {
            return Err(refusal(path)
                .at(format!("key `{}`", excerpt(&key)))
                .got("two arrays with this name")
                .need("one array per name"));
        }
        if listed.count < zip.len().min(MAX_ENTRIES) {
            return Err(refusal(path)
                .got(format!("{} names for {} arrays", listed.count, zip.len()))
                .need("a name for each array"));
        }
        if zip.len() > MAX_ENTRIES {
            return Err(refusal(path)
                .got(format!("{} entries", zip.len()))
                .need(format!("at most {MAX_ENTRIES}")));
        }
        let mut entries = Vec::new();
        for index in 0..zip.len() {
            let name = zip.name_for_index(index).unwrap_or("?").to_owned();
            let (bytes, header) = match zip.by_index(index) {
                Ok(mut entry) => (entry.size(), header_of(&mut entry, length)),
                Err(e) => (0, Err(format!("an unreadable entry ({e})"))),
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
    pub(in crate::io) fn path(&self) -> &Path {
        &self.path
    }

    /// An error about this file.
    pub(in crate::io) fn error(&self) -> Error {
        refusal(&self.path)
    }

    /// Whether there is an entry called `key`.
    pub(in crate::io) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|e| e.key == key)
    }

    /// The keys, in the order of the file.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|e| e.key.as_str())
    }

    /// The keys with shape and dtype, for messages.
    pub(in crate::io) fn listing(&self) -> String {
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
    pub(in crate::io) fn shape(&self, key: &str, kinds: &[Kind]) -> Result<Vec<usize>> {
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
                e.help(
                    "object arrays hold pickled Python code, which is never run; save plain arrays",
                )
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
                    "a header for shape {} of {}, but {} bytes in total",
                    header.shape_text(),
                    header.descr,
                    entry.bytes
                ))
                .need(needed.map_or_else(
                    || "a shape that fits in memory".to_owned(),
                    |n| format!("{n} bytes for this shape"),
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
                .help("copy the file again; it may be truncated or damaged")
                .because(e)
        })?;
        let shape = IxDyn(&header.shape).set_f(header.fortran);
        let array = ArrayD::from_shape_vec(shape, values)
            .map_err(|e| Error::bug("reshaping an array").at(key).because(e))?;
        Ok(if array.is_standard_layout() {
            array
        } else {
            array.as_standard_layout().into_owned()
        })
    }

    /// The element type of `key`, as NumPy calls it.
    pub(in crate::io) fn descr(&self, key: &str) -> String {
        let entry = self.entries.iter().find(|e| e.key == key);
        entry
            .and_then(|e| e.header.as_ref().ok())
            .map_or_else(String::new, |h| h.descr.clone())
    }

    /// Whether `key` holds integers.
    pub(in crate::io) fn is_integer(&self, key: &str) -> bool {
        self.shape(key, INTEGER).is_ok()
    }

    /// Whether the elements of `key` are row-major.
    pub(in crate::io) fn is_row_major(&self, key: &str) -> bool {
        let entry = self.entries.iter().find(|e| e.key == key);
        entry.is_some_and(|e| e.header.as_ref().is_ok_and(|h| !h.fortran))
    }
}

/// Whole numbers.
const INTEGER: &[Kind] = &[Kind::Signed, Kind::Unsigned];
/// Real numbers.
pub(in crate::io) const REAL: &[Kind] = &[Kind::Float, Kind::Signed, Kind::Unsigned];
/// Numbers.
pub(in crate::io) const ANY: &[Kind] = &[Kind::Complex, Kind::Float, Kind::Signed, Kind::Unsigned];

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
        CompressionMethod::Deflated => packed.saturating_mul(MAX_DEFLATE_RATIO),
        other => return Err(format!("an entry with compression method {other}")),
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
    let mut chunk = vec![0; CHUNK_ELEMENTS.min(count) * dtype.size];
    while values.len() < count {
        let now = CHUNK_ELEMENTS.min(count - values.len()) * dtype.size;
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
        Err(std::io::Error::other("more bytes than the header states"))
    }
}
