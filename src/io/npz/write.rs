//! Writing data sets.

use std::fs::File;
use std::io::{self, BufWriter, Cursor, ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;

use ndarray::{Array1, Array2, ArrayBase, Axis, Data, Dimension, arr0};
use ndarray_npy::{WritableElement, WriteNpyError, WriteNpyExt};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::header::DOMAIN;
use super::header::NPY;
use super::values::Values;
use crate::error::{Error, Result};
use crate::file::{explain, replace};
use crate::io::dataset::Dataset;
use crate::io::measurement::PixelSize;
use crate::io::open_file::{Amplitudes, OpenFile, Stack};

/// Writes `dataset` to the `.npz` file `path`, compressed, with the keys `diff3d` (float32 amplitude),
/// `measurement_domain` (the text `amplitude`), `xcoords`, `ycoords`, `xcoords_start`,
/// `ycoords_start` (float64), `scan_index` (int64), and where they are known `probeGuess` (`(N, N)`, or
/// `(modes, N, N)` of several modes), `objectGuess` (complex64), `bad_pixels` (bool),
/// `photon_energy_eV`, `detector_object_distance_m`, `object_pixel_width_m`, `object_pixel_height_m`,
/// `detector_pixel_width_m`, `detector_pixel_height_m` (float64).
///
/// Equal data give equal bytes. An existing file is replaced only when the new one
/// is whole.
///
/// # Errors
/// If the file system refuses.
pub fn write_dataset(path: impl AsRef<Path>, dataset: &Dataset) -> Result<()> {
    write_contents(path.as_ref(), &mut OpenFile::of(dataset), false)
}

/// Writes what a file holds, patterns as amplitude, batch by batch; uncompressed if `store`.
pub(in crate::io) fn write_contents(
    path: &Path,
    contents: &mut OpenFile,
    store: bool,
) -> Result<()> {
    replace(path, |beside| {
        let file = File::create(beside).map_err(|e| explain("writing a file", path, e))?;
        let mut out = Out::new(BufWriter::new(file), path, store);
        fill(&mut out, contents)?;
        out.finish().map(drop)
    })
}

fn fill(out: &mut Out<'_, BufWriter<File>>, contents: &mut OpenFile) -> Result<()> {
    let x: Array1<f64> = contents.positions.iter().map(|p| p.x).collect();
    let y: Array1<f64> = contents.positions.iter().map(|p| p.y).collect();
    if let Some(stack) = &mut contents.stack {
        out.patterns(
            stack,
            contents.measurement.good.as_ref(),
            &mut contents.notes,
        )?;
        out.text(DOMAIN, "amplitude")?;
    }
    for (key, values) in [
        ("xcoords", &x),
        ("ycoords", &y),
        ("xcoords_start", &x),
        ("ycoords_start", &y),
    ] {
        out.add(key, values)?;
    }
    out.add("scan_index", &Array1::from(contents.scan_index.clone()))?;
    match &contents.probe {
        Some(probe) if probe.dim().0 == 1 => {
            out.add("probeGuess", &probe.index_axis(Axis(0), 0))?;
        }
        Some(probe) => out.add("probeGuess", probe)?,
        None => {}
    }
    if let Some(object) = &contents.object {
        out.add("objectGuess", object)?;
    }
    let m = &contents.measurement;
    if let Some(good) = &m.good {
        out.add("bad_pixels", &good.mapv(|g| !g))?;
    }
    let axis = |p: Option<PixelSize>, x: bool| p.map(|p| if x { p.x } else { p.y });
    for (key, value) in [
        ("photon_energy_eV", m.photon_energy_ev),
        ("detector_object_distance_m", m.distance_m),
        ("object_pixel_width_m", axis(m.pixel_m, true)),
        ("object_pixel_height_m", axis(m.pixel_m, false)),
        ("detector_pixel_width_m", axis(m.detector_pixel_m, true)),
        ("detector_pixel_height_m", axis(m.detector_pixel_m, false)),
    ] {
        if let Some(v) = value {
            out.add(key, &arr0(v))?;
        }
    }
    Ok(())
}

/// The bytes of an `.npz` file with these arrays.
///
/// # Errors
/// If the archive cannot hold them.
pub fn named_arrays(arrays: &[(&str, Values)]) -> Result<Vec<u8>> {
    let mut out = Out::new(Cursor::new(Vec::new()), Path::new("arrays.npz"), false);
    for (name, values) in arrays {
        match values {
            Values::Real(values) => out.add(name, values)?,
            Values::Complex(values) => out.add(name, values)?,
        }
    }
    Ok(out.finish()?.into_inner())
}

/// What is written to; once it has refused, nothing more is, and what follows is only counted: an archive that is given up would try
/// again, and complain by itself on standard error.
struct Once<W> {
    inner: W,
    refused: bool,
    at: u64,
    end: u64,
}

impl<W> Once<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            refused: false,
            at: 0,
            end: 0,
        }
    }

    /// The error of the inner writer, or `given_up`.
    fn attempt<T>(
        &mut self,
        given_up: T,
        f: impl FnOnce(&mut W) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.refused {
            return Ok(given_up);
        }
        f(&mut self.inner).inspect_err(|e| self.refused = e.kind() != ErrorKind::Interrupted)
    }
}

impl<W: Write> Write for Once<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.attempt(bytes.len(), |w| w.write(bytes))?;
        self.at += written as u64;
        self.end = self.end.max(self.at);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt((), Write::flush)
    }
}

impl<W: Seek> Seek for Once<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let there = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
        };
        let there = there.ok_or(ErrorKind::InvalidInput)?;
        self.at = self.attempt(there, |w| w.seek(to))?;
        Ok(self.at)
    }
}

/// An archive that is being written.
pub(in crate::io) struct Out<'a, W: Write + Seek> {
    zip: ZipWriter<Once<W>>,
    path: &'a Path,
    store: bool,
}

impl<'a, W: Write + Seek> Out<'a, W> {
    pub(in crate::io) fn new(to: W, path: &'a Path, store: bool) -> Self {
        Self {
            zip: ZipWriter::new(Once::new(to)),
            path,
            store,
        }
    }

    fn refused(&self, e: impl Into<io::Error>) -> Error {
        explain("writing a file", self.path, e.into())
    }

    fn start(&mut self, key: &str, bytes: usize) -> Result<()> {
        let method = if self.store {
            CompressionMethod::Stored
        } else {
            CompressionMethod::Deflated
        };
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .large_file(bytes >= 1 << 31);
        self.zip
            .start_file(format!("{key}.npy"), options)
            .map_err(|e| self.refused(e))
    }

    /// A text, as NumPy's `<U`.
    pub(in crate::io) fn text(&mut self, key: &str, text: &str) -> Result<()> {
        let letters: Vec<u32> = text.chars().map(u32::from).collect();
        let width = letters.len().max(1);
        self.start(key, 4 * width)?;
        let mut bytes = header(&format!("<U{width}"), "()");
        bytes.extend(letters.iter().flat_map(|c| c.to_le_bytes()));
        bytes.resize(bytes.len() + 4 * (width - letters.len()), 0);
        self.zip.write_all(&bytes).map_err(|e| self.refused(e))
    }

    /// The patterns as amplitude under `diff3d`.
    fn patterns(
        &mut self,
        stack: &mut Stack,
        good: Option<&Array2<bool>>,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let (rows, cols) = stack.size;
        let bytes = (stack.count.saturating_mul(4)).saturating_mul(rows.saturating_mul(cols));
        self.start("diff3d", bytes)?;
        let shape = format!("({}, {rows}, {cols})", stack.count);
        let refused = |e| explain("writing a file", self.path, e);
        self.zip
            .write_all(&header("<f4", &shape))
            .map_err(refused)?;
        let mut make = Amplitudes::new(stack, good);
        let mut buffer = Vec::new();
        stack.each(&mut |start, mut batch| {
            make.convert(&mut batch);
            make.check(start, &batch)?;
            buffer.clear();
            buffer.extend(batch.iter().flat_map(|v| v.to_le_bytes()));
            self.zip.write_all(&buffer).map_err(refused)
        })?;
        notes.extend(make.notes());
        Ok(())
    }

    pub(in crate::io) fn add<A, S, D>(&mut self, key: &str, array: &ArrayBase<S, D>) -> Result<()>
    where
        A: WritableElement,
        S: Data<Elem = A>,
        D: Dimension,
    {
        let bytes = array.len().saturating_mul(size_of::<A>());
        self.start(key, bytes)?;
        array.write_npy(&mut self.zip).map_err(|e| match e {
            WriteNpyError::Io(e) => self.refused(e),
            e => Error::output("writing a file")
                .at(self.path.display())
                .because(e),
        })
    }

    /// Finishes the archive; returns the complete output.
    pub(in crate::io) fn finish(self) -> Result<W> {
        let refused = |e| explain("writing a file", self.path, e);
        let mut to = self.zip.finish().map_err(|e| refused(e.into()))?;
        if to.refused {
            return Err(refused(ErrorKind::WriteZero.into()));
        }
        to.flush().map_err(refused)?;
        Ok(to.inner)
    }
}

/// The header of a row-major array, version 1.0, its elements on a multiple of 64 bytes.
fn header(descr: &str, shape: &str) -> Vec<u8> {
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    while !(text.len() + 11).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let mut bytes = [NPY, &[1, 0]].concat();
    bytes.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(text.into_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A place for so many bytes.
    struct Small(Cursor<Vec<u8>>, u64);

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.position() + bytes.len() as u64 > self.1 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Small {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn full_disk_at_any_byte_is_an_error() {
        let values = Array1::from_iter((0..3000u32).map(|k| f64::from(k).sin()));
        let written = |room: u64, store: bool| -> Result<()> {
            let to = Small(Cursor::new(Vec::new()), room);
            let mut out = Out::new(to, Path::new("here.npz"), store);
            out.text("domain", "amplitude")?;
            out.add("values", &values)?;
            out.finish().map(drop)
        };
        for store in [false, true] {
            let enough = (0..60_000)
                .step_by(997)
                .filter(|room| match written(*room, store) {
                    Ok(()) => true,
                    Err(e) => {
                        assert!(e.to_string().contains("here.npz"), "{e}");
                        false
                    }
                });
            let enough = enough.count();
            assert!((1..60).contains(&enough), "{enough}");
        }
    }
}
