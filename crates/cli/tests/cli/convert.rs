//! Data files of any format: written in another, and looked at.

use super::{said, text};
use std::fs;
use std::path::PathBuf;

/// A file of the fuzzer's corpus.
fn seed(name: &str) -> PathBuf {
    ptyproof_testkit::repository()
        .join("fuzz/corpus")
        .join(name)
}

#[test]
fn each_format_is_written_and_detected_by_content() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let from = seed("cxi/links.cxi");
    let steps = [
        (from, at("a.npz"), "PtychoPINN NPZ"),
        (at("a.npz"), at("b.cxi"), "CXI"),
        (
            seed("product/generation1.h5"),
            at("c.h5"),
            "ptychodus product HDF5, third generation",
        ),
        (at("c.h5"), at("d_product.npz"), "ptychodus product NPZ"),
        (at("d_product.npz"), at("e.hdf5"), "ptychodus product HDF5"),
    ];
    for (input, output, format) in steps {
        let done = said(["convert", text(&input), text(&output)]);
        assert_eq!(done.code, 0, "{done:#?}");
        // the ending says nothing to a reader
        let other = output.with_extension("dat");
        fs::rename(&output, &other).unwrap();
        let seen = said(["inspect", text(&other)]);
        assert_eq!(seen.code, 0, "{seen:#?}");
        assert!(seen.out.contains(format), "{seen:#?}");
        fs::rename(&other, &output).unwrap();
    }
}

#[test]
fn assumptions_are_printed() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("a.npz");
    let done = said(["convert", text(&seed("cxi/links.cxi")), text(&out)]);
    for word in [
        "basis vectors",
        "the sample moves",
        "no origin",
        "1 of 16 pixels as bad",
    ] {
        assert!(done.err.contains(word), "no `{word}` in {done:#?}");
    }
    let done = said(["convert", text(&seed("tike/plain.npz")), text(&out)]);
    assert!(done.err.contains("first corner"), "{done:#?}");
}

#[test]
fn missing_value_is_named_with_its_flag() {
    let dir = tempfile::tempdir().unwrap();
    let (input, out) = (seed("tike/plain.npz"), dir.path().join("a.cxi"));
    said(["convert", text(&input), text(&out)]).ended(2, &["no photon energy", "energy"]);
    said(["convert", text(&input), text(&dir.path().join("a.foo"))]).ended(2, &["--to"]);
    said(["convert", text(&input), text(&out), "--energy", "-3"]).ended(2, &["--energy"]);
    said(["convert", text(&input), text(&out), "--to", "tike"]).ended(2, &["format tike"]);
    said(["convert", text(&input), text(&input)]).ended(2, &["another path"]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let told = [
        "--energy",
        "8000",
        "--distance",
        "2",
        "--pixel-size",
        "1e-8",
    ];
    let done = said(
        ["convert", text(&input), text(&out)]
            .into_iter()
            .chain(told),
    );
    assert_eq!(done.code, 0, "{done:#?}");
}

#[test]
fn inspect_writes_table_json_and_png() {
    let dir = tempfile::tempdir().unwrap();
    let (json, png) = (dir.path().join("a.json"), dir.path().join("a.png"));
    let file = seed("tike/nan.npz");
    let seen = said([
        "inspect",
        text(&file),
        "--output-json",
        text(&json),
        "--picture",
        text(&png),
    ]);
    assert_eq!(seen.code, 3, "{seen:#?}");
    assert!(
        seen.out
            .contains("1 values, pixels 1, the first at row 0, col 0"),
        "{}",
        seen.out
    );
    let value = super::json(&json);
    assert_eq!(value["patterns"]["not_finite"], 1);
    assert_eq!(value["patterns"]["domain"], "counts");
    assert!(fs::read(png).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn damaged_file_is_named_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (cut, out) = (dir.path().join("cut.cxi"), dir.path().join("a.npz"));
    let bytes = fs::read(seed("cxi/packed.cxi")).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    said(["convert", text(&cut), text(&out)]).ended(2, &["cut.cxi"]);
    said(["inspect", text(&dir.path().join("none"))]).ended(2, &["none"]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
