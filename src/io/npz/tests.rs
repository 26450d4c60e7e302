//! Files made on purpose: every way of being right, and the ways of being wrong.

use std::io::Write;
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, Array3, Array4, ArrayD, IxDyn};
use ndarray_npy::{NpzWriter, WritableElement, WriteNpyExt};
use num_complex::{Complex32, Complex64};

use super::*;
use crate::geometry::PatchSize;

struct Made {
    dir: tempfile::TempDir,
    npz: NpzWriter<std::fs::File>,
}

impl Made {
    fn new(compressed: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(dir.path().join("made.npz")).unwrap();
        let npz = if compressed {
            NpzWriter::new_compressed(file)
        } else {
            NpzWriter::new(file)
        };
        Self { dir, npz }
    }

    fn coords(self, n: usize) -> Self {
        let at = Array1::from_iter((0..n).map(|i| i as f32));
        self.with("xcoords", at.clone()).with("ycoords", at)
    }

    #[expect(clippy::needless_pass_by_value, reason = "arrays made in the call")]
    fn with<T: WritableElement, D: ndarray::Dimension>(
        mut self,
        key: &str,
        a: ndarray::Array<T, D>,
    ) -> Self {
        self.npz.add_array(key, &a).unwrap();
        self
    }

    fn done(self) -> (tempfile::TempDir, PathBuf) {
        self.npz.finish().unwrap();
        let path = self.dir.path().join("made.npz");
        (self.dir, path)
    }
}

fn stack(n: usize, side: usize) -> Array3<f32> {
    Array3::from_shape_fn((n, side, side), |(k, r, c)| {
        (k * 100 + r * 10 + c) as f32 + 0.5
    })
}

fn refused(made: Made) -> String {
    let (_dir, path) = made.done();
    let message = read_dataset(&path).unwrap_err().to_string();
    for word in ["made.npz", "key `", "got ", "need "] {
        assert!(message.contains(word), "no `{word}` in: {message}");
    }
    message
}

#[test]
fn every_axis_order_and_dtype_reads_equally() {
    let plain = stack(3, 4);
    for compressed in [false, true] {
        let (_d, path) = Made::new(compressed)
            .coords(3)
            .with("diff3d", plain.clone())
            .done();
        let read = read_dataset(&path).unwrap();
        assert_eq!(read.dataset.patterns.values(), &plain);
        assert_eq!((read.notes.len(), read.dataset.name.as_str()), (0, "made"));
        assert_eq!(read.dataset.scan_index, [0, 0, 0]);
    }
    let last = plain.clone().permuted_axes([1, 2, 0]).mapv(f64::from); // not row-major either
    let (_d, path) = Made::new(true).coords(3).with("diffraction", last).done();
    let read = read_dataset(&path).unwrap();
    assert_eq!(read.dataset.patterns.values(), &plain);
    assert!(read.notes[0].contains("transposed"), "{:?}", read.notes);

    let channel = plain.clone().insert_axis(ndarray::Axis(3));
    let (_d, path) = Made::new(true).coords(3).with("diff3d", channel).done();
    let read = read_dataset(&path).unwrap();
    assert_eq!(read.dataset.patterns.values(), &plain);
    assert!(read.notes[0].contains("removed"), "{:?}", read.notes);

    let counts = plain.mapv(|v| v as i64 * 2);
    let want = counts.mapv(|v| (v as f32).sqrt());
    for made in [
        Made::new(true).with("diff3d", counts.mapv(|v| v as u16)),
        Made::new(true).with("diff3d", counts.mapv(|v| v as i32)),
        Made::new(true).with("diff3d", counts.mapv(|v| v as u32)),
        Made::new(true).with("diff3d", counts.clone()),
    ] {
        let (_d, path) = made.coords(3).done();
        let read = read_dataset(&path).unwrap();
        assert_eq!(read.dataset.patterns.values(), &want);
        assert!(read.notes[0].contains("read as counts"), "{:?}", read.notes);
    }
}

#[test]
fn probe_object_and_scan_index_are_read() {
    let probe = Array2::from_elem((4, 4), Complex64::new(0.5, -2.0));
    let object = Array2::from_elem((9, 8), Complex32::new(1.0, 1.0));
    let (_d, path) = Made::new(true)
        .coords(3)
        .with("diff3d", stack(3, 4))
        .with("probeGuess", probe)
        .with("objectGuess", object.clone())
        .with("scan_index", Array1::from(vec![4i32, 5, -6]))
        .with("xcoords_start", Array1::from(vec![0.0, 1.0, 2.25]))
        .done();
    let read = read_dataset(&path).unwrap();
    assert_eq!(read.dataset.scan_index, [4, 5, -6]);
    assert_eq!(read.dataset.object.unwrap(), object);
    assert_eq!(
        read.dataset.probe.unwrap()[[0, 0]],
        Complex32::new(0.5, -2.0)
    );
    assert!(
        read.notes[0].contains("up to 0.250 pixels"),
        "{:?}",
        read.notes
    );
    assert_eq!(read_object(&path).unwrap(), object);
    assert!(read_probe(&path, PatchSize::new(4).unwrap()).is_ok());
    let wrong = read_probe(&path, PatchSize::new(8).unwrap())
        .unwrap_err()
        .to_string();
    assert!(wrong.contains("got shape (4, 4), need (8, 8)"), "{wrong}");
}

#[test]
fn invalid_file_error_has_file_key_got_and_need() {
    let made = || Made::new(true).coords(4);
    let refuses = |m: Made, word: &str| {
        let message = refused(m);
        assert!(message.contains(word), "no `{word}` in: {message}");
    };
    refuses(made(), "no diffraction");
    refuses(
        Made::new(true).with("diff3d", stack(3, 4)),
        "need the key `xcoords`",
    );
    refuses(
        made().with("diffraction", stack(4, 4)),
        "determine the axis order",
    );
    refuses(
        made().with("diff3d", stack(3, 6)),
        "shape (3, 6, 6), and xcoords of (4,)",
    );
    refuses(made().with("diff3d", Array1::<f32>::ones(4)), "shape (4,)");
    refuses(made().with("diff3d", stack(4, 5)), "even N");
    refuses(made().with("diff3d", stack(4, 2)), "even N");
    refuses(
        Made::new(true).coords(0).with("diff3d", stack(0, 4)),
        "at least one non-empty pattern",
    );
    refuses(
        made().with("diff3d", Array3::<Complex32>::ones((4, 6, 6))),
        "dtype <c8",
    );
    refuses(
        made().with("diff3d", Array3::<f64>::from_elem((4, 6, 6), 1e300)),
        "outside the range of float32",
    );
    refuses(
        made().with("diff3d", Array4::<f32>::ones((4, 6, 6, 2))),
        "shape (4, 6, 6, 2)",
    );
    refuses(made().with("diff3d", -stack(4, 6)), "negative");
    let probe = Array2::<Complex32>::ones((4, 4));
    refuses(
        made().with("diff3d", stack(4, 6)).with("probeGuess", probe),
        "4 x 4",
    );
    let scan = Array1::<f64>::zeros(4);
    refuses(
        made().with("diff3d", stack(4, 6)).with("scan_index", scan),
        "integers",
    );
    let short = Array1::<i64>::zeros(3);
    refuses(
        made().with("diff3d", stack(4, 6)).with("scan_index", short),
        "3 entries",
    );
}

/// Writes a zip with one entry per `(key, header text, bytes)`.
fn raw(path: &Path, entries: &[(&str, &str, &[u8])]) {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (key, text, bytes) in entries {
        zip.start_file(
            format!("{key}.npy"),
            zip::write::SimpleFileOptions::default(),
        )
        .unwrap();
        let length = u16::try_from(text.len()).unwrap().to_le_bytes();
        zip.write_all(b"\x93NUMPY\x01\x00").unwrap();
        zip.write_all(&length).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn header_larger_than_the_data_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hostile.npz");
    for (text, word) in [
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000, 4000000000, 8), }",
            "fits in memory",
        ),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9000000000000000000, 9), }",
            "fits in memory",
        ),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 64, 64), }",
            "bytes for this shape",
        ),
        (
            "{'descr': '|O', 'fortran_order': False, 'shape': (4,), }",
            "object array",
        ),
        (
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,), }",
            "a structure",
        ),
        (
            "{'descr': '<U9', 'fortran_order': False, 'shape': (4,), }",
            "dtype <U9",
        ),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
            "an invalid header",
        ),
        ("((((((((", "an invalid header"),
    ] {
        raw(
            &path,
            &[
                ("xcoords", text, &[0; 16]),
                ("ycoords", text, &[]),
                ("diff3d", text, &[]),
            ],
        );
        let message = read_dataset(&path).unwrap_err().to_string();
        assert!(
            message.contains(word) && message.contains("key `xcoords`"),
            "{text}: {message}"
        );
    }
    std::fs::write(&path, b"PK not a zip").unwrap();
    assert!(
        read_dataset(&path)
            .unwrap_err()
            .to_string()
            .contains("zip archive")
    );
    let missing = read_dataset(dir.path().join("none.npz")).unwrap_err();
    assert_eq!(missing.kind(), crate::error::Kind::Input);
    assert!(read_dataset(dir.path()).is_err());
}

#[test]
fn big_endian_numbers_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("big.npz");
    let text = "{'descr': '>c8', 'fortran_order': False, 'shape': (1, 1), }";
    let mut bytes = 1.5f32.to_be_bytes().to_vec();
    bytes.extend((-2.0f32).to_be_bytes());
    raw(&path, &[("obj", text, &bytes)]);
    assert_eq!(
        read_object(&path).unwrap()[[0, 0]],
        Complex32::new(1.5, -2.0)
    );
}

#[test]
fn object_reads_equally_from_npy_and_npz() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("object.npy");
    let mut object = ArrayD::from_elem(IxDyn(&[1, 5, 6]), 2.0f64);
    object
        .write_npy(std::fs::File::create(&path).unwrap())
        .unwrap();
    assert_eq!(
        read_object(&path).unwrap(),
        Array2::from_elem((5, 6), Complex32::new(2.0, 0.0))
    );
    object[[0, 3, 1]] = f64::NAN;
    object
        .write_npy(std::fs::File::create(&path).unwrap())
        .unwrap();
    let message = read_object(&path).unwrap_err().to_string();
    assert!(
        message.contains("row 3, col 1 (1 of 30 pixels"),
        "{message}"
    );
    std::fs::write(&path, b"\x93NUMPY\x01\x00\xff").unwrap();
    assert!(read_object(&path).is_err());
    let (_d, npz) = Made::new(true)
        .with("object", Array2::<f32>::ones((5, 6)))
        .done();
    assert!(read_object(&npz).is_ok());
}

#[test]
fn impossible_decompressed_size_is_refused() {
    let (_d, path) = Made::new(true).coords(4).with("diff3d", stack(4, 4)).done();
    let mut bytes = std::fs::read(&path).unwrap();
    let mut found = 0;
    for i in 0..bytes.len() - 28 {
        if &bytes[i..i + 4] == b"PK\x01\x02" {
            bytes[i + 24..i + 28].copy_from_slice(&0x7fff_fff0u32.to_le_bytes());
            found += 1;
        }
    }
    assert_eq!(found, 3);
    std::fs::write(&path, &bytes).unwrap();
    let message = read_dataset(&path).unwrap_err().to_string();
    assert!(message.contains("claims 2147483632 bytes"), "{message}");
}

#[test]
fn duplicate_array_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("twice.npz");
    let archive = |second: &str| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut zip = zip::ZipWriter::new(&mut bytes);
        for (name, value) in [("xcoords.npy", 1.0f64), ("ycoords.npy", 2.0), (second, 3.0)] {
            let how = zip::write::SimpleFileOptions::default();
            zip.start_file(name, how).unwrap();
            Array1::from_elem(3, value).write_npy(&mut zip).unwrap();
        }
        zip.finish().unwrap();
        bytes.into_inner()
    };
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let e = read_array(&path, "ycoords").unwrap_err();
        assert_eq!(e.kind(), crate::error::Kind::Input);
        e.to_string()
    };
    // of two names one key
    let e = refused(&archive("xcoords"));
    assert!(
        e.contains("key `xcoords`: got two arrays with this name"),
        "{e}"
    );
    // of one name twice the library that reads archives sees the last alone, and the one that writes them refuses it
    let mut bytes = archive("zcoords.npy");
    let places: Vec<usize> = (0..bytes.len())
        .filter(|k| bytes[*k..].starts_with(b"zcoords"))
        .collect();
    assert_eq!(places.len(), 2, "its own header and the directory");
    std::fs::write(&path, &bytes).unwrap();
    assert!(read_array(&path, "ycoords").is_ok());
    places.into_iter().for_each(|k| bytes[k] = b'x');
    let e = refused(&bytes);
    assert!(
        e.contains("key `xcoords`: got two arrays with this name"),
        "{e}"
    );
}
