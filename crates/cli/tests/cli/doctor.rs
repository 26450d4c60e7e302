//! What a file is told to be, against what its patterns say.

use super::{json, said, text};
use std::fs;
use std::path::Path;

use ndarray::{Array1, Array3};
use ndarray_npy::NpzWriter;

/// A file of patterns that say nothing of one another: `count` of 16 pixels, a spot of light each.
fn file(path: &Path, count: usize, pixel: f32) {
    let mut npz = NpzWriter::new(fs::File::create(path).unwrap());
    let patterns = Array3::from_shape_fn((count, 16, 16), |(k, r, c)| {
        let d = (r as f32 - 8.0).powi(2) + (c as f32 - 8.0).powi(2);
        if (r, c) == (3, 3) {
            pixel
        } else {
            90.0 * (-d / 9.0).exp() * (1.0 + 0.1 * ((k * 7 + r) as f32).sin())
        }
    });
    npz.add_array("diffraction", &patterns).unwrap();
    for (key, step) in [("xcoords", 3), ("ycoords", 2)] {
        let at = Array1::from_shape_fn(count, |k| (20 + step * (k % 5) + k) as f64);
        npz.add_array(key, &at).unwrap();
    }
    npz.finish().unwrap();
}

#[test]
fn doctor_writes_text_json_and_png() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    file(&at("few.npz"), 5, f32::NAN);
    let done = said([
        "doctor",
        text(&at("few.npz")),
        "--output-json",
        text(&at("a.json")),
        "--picture",
        text(&at("a.png")),
    ]);
    assert_eq!(done.code, 3, "{done:#?}");
    insta::assert_snapshot!(done.out);
    let value = json(&at("a.json"));
    assert_eq!(value["schema"], "ptyproof.doctor/1");
    assert_eq!(value["findings"][0]["severity"], "fault");
    assert!(fs::read(at("a.png")).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn unrelated_patterns_are_undecided() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("none.npz");
    file(&path, 30, 0.0);
    let done = said(["doctor", text(&path), "--threads", "1"]);
    assert!([1, 4].contains(&done.code), "{done:#?}");
    assert!(
        done.out.contains("of all") || done.out.contains("hypothes"),
        "{done:#?}"
    );
    assert!(!done.err.contains("panicked"), "{done:#?}");
}

#[test]
fn unexaminable_input_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    said(["doctor"]).ended(2, &["DATA"]);
    said(["doctor", text(&dir.path().join("none"))]).ended(2, &["none"]);
    let path = dir.path().join("few.npz");
    file(&path, 5, 0.0);
    said(["doctor", text(&path), "--threads", "0"]).ended(2, &["threads", "got 0"]);
    said(["doctor", text(&path), "--unit", "volts"]).ended(2, &["volts"]);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    said(["doctor", text(&path)]).ended(2, &["few.npz"]);
}

#[test]
fn fuzz_seeds_are_examined_or_refused() {
    let corpus = ptyproof_testkit::repository().join("fuzz/corpus");
    let mut seen = 0;
    for format in ["tike", "cxi", "product"] {
        for entry in fs::read_dir(corpus.join(format)).unwrap() {
            let done = said(["doctor", text(&entry.unwrap().path())]);
            assert!([0, 1, 2, 3, 4].contains(&done.code), "{done:#?}");
            assert!(!done.err.contains("panicked"), "{done:#?}");
            assert!(
                done.code == 0 || !(done.err.is_empty() && done.out.is_empty()),
                "{done:#?}"
            );
            seen += 1;
        }
    }
    assert!(seen > 5);
}
