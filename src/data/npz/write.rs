//! Writing data sets.

use std::fs::{self, File};
use std::io::{BufWriter, Cursor, Seek, Write};
use std::path::{Path, PathBuf};

use ndarray::{Array1, ArrayBase, ArrayD, Data, Dimension};
use ndarray_npy::{WritableElement, WriteNpyExt};
use num_complex::Complex32;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::data::dataset::Dataset;
use crate::error::{Error, Result};

/// Writes `dataset` to the `.npz` file `path`, compressed, with the keys `diff3d` (float32),
/// `xcoords`, `ycoords`, `xcoords_start`, `ycoords_start` (float64), `scan_index` (int64), and
/// `probeGuess`, `objectGuess` (complex64) where they are known.
///
/// The same data give the same bytes. A file that is there is replaced, and only once the new one
/// is whole.
///
/// # Errors
/// If the file system refuses.
pub fn write_dataset(path: impl AsRef<Path>, dataset: &Dataset) -> Result<()> {
    let path = path.as_ref();
    let partial = partial_path(path)?;
    let io = |e| Error::io(format!("writing {}", path.display())).because(e);
    let done = File::create(&partial)
        .map_err(io)
        .and_then(|file| fill(file, path, dataset))
        .and_then(|()| fs::rename(&partial, path).map_err(io));
    if done.is_err() {
        // best effort: the error that matters is the first one
        let _ = fs::remove_file(&partial);
    }
    done
}

fn partial_path(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| {
        Error::io(format!("writing {}", path.display()))
            .got("a path without a file name")
            .need("the path of an .npz file")
    })?;
    let mut partial = name.to_owned();
    partial.push(format!(".partial-{}", std::process::id()));
    Ok(path.with_file_name(partial))
}

fn fill(file: File, path: &Path, dataset: &Dataset) -> Result<()> {
    let mut out = Out {
        zip: ZipWriter::new(BufWriter::new(file)),
        path,
    };
    let x: Array1<f64> = dataset.positions.iter().map(|p| p.x).collect();
    let y: Array1<f64> = dataset.positions.iter().map(|p| p.y).collect();
    out.add("diff3d", dataset.patterns.values())?;
    for (key, values) in [
        ("xcoords", &x),
        ("ycoords", &y),
        ("xcoords_start", &x),
        ("ycoords_start", &y),
    ] {
        out.add(key, values)?;
    }
    out.add("scan_index", &Array1::from(dataset.scan_index.clone()))?;
    if let Some(probe) = &dataset.probe {
        out.add("probeGuess", probe)?;
    }
    if let Some(object) = &dataset.object {
        out.add("objectGuess", object)?;
    }
    out.finish()
}

/// Arrays of any shape under names of their own: float32 or complex64.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Real numbers.
    Real(ArrayD<f32>),
    /// Complex numbers.
    Complex(ArrayD<Complex32>),
}

/// The bytes of an `.npz` file with these arrays.
///
/// # Errors
/// If the archive cannot hold them.
pub fn named_arrays(arrays: &[(&str, Values)]) -> Result<Vec<u8>> {
    let mut out = Out {
        zip: ZipWriter::new(Cursor::new(Vec::new())),
        path: Path::new("arrays.npz"),
    };
    for (name, values) in arrays {
        match values {
            Values::Real(values) => out.add(name, values)?,
            Values::Complex(values) => out.add(name, values)?,
        }
    }
    let done = out.zip.finish();
    let done = done.map_err(|e| Error::io("writing arrays.npz").because(e))?;
    Ok(done.into_inner())
}

struct Out<'a, W: Write + Seek> {
    zip: ZipWriter<W>,
    path: &'a Path,
}

impl<W: Write + Seek> Out<'_, W> {
    fn refused(&self, e: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::io(format!("writing {}", self.path.display())).because(e)
    }

    fn add<A, S, D>(&mut self, key: &str, array: &ArrayBase<S, D>) -> Result<()>
    where
        A: WritableElement,
        S: Data<Elem = A>,
        D: Dimension,
    {
        let bytes = array.len().saturating_mul(size_of::<A>());
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .large_file(bytes >= 1 << 31);
        self.zip
            .start_file(format!("{key}.npy"), options)
            .map_err(|e| self.refused(e).at(format!("key `{key}`")))?;
        array
            .write_npy(&mut self.zip)
            .map_err(|e| self.refused(e).at(format!("key `{key}`")))
    }
}

impl Out<'_, BufWriter<File>> {
    fn finish(self) -> Result<()> {
        let io = |e| Error::io(format!("writing {}", self.path.display())).because(e);
        let mut writer = self
            .zip
            .finish()
            .map_err(|e| Error::io(format!("writing {}", self.path.display())).because(e))?;
        writer.flush().map_err(io)?;
        writer.get_ref().sync_all().map_err(io)
    }
}
