//! Every file of the fuzzer's corpus against the law of its target, without a fuzzer.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use crate::laws;

use std::fs;
use std::path::Path;

/// The contents of the corpus of `target`, which holds at least one file.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let files: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(!files.is_empty(), "no seed in {}", dir.display());
    files
}

/// Each file unchanged, truncated at a few places, and with flipped bits.
fn each(target: &str, law: fn(&[u8])) {
    for bytes in corpus(target) {
        law(&bytes);
        for part in 1..8 {
            law(&bytes[..bytes.len() * part / 8]);
        }
        for k in (0..bytes.len()).step_by(bytes.len() / 16 + 1) {
            let mut turned = bytes.clone();
            turned[k] ^= 1 << (k % 8);
            law(&turned);
        }
    }
}

#[test]
fn corpus_data_files_keep_their_laws() {
    each("npz", laws::npz);
}

#[test]
fn corpus_tike_files_keep_their_laws() {
    each("tike", laws::data_file);
}

#[test]
fn corpus_products_keep_their_laws() {
    each("product", laws::data_file);
}

#[test]
fn corpus_cxi_files_keep_their_laws() {
    each("cxi", laws::data_file);
}

#[test]
fn corpus_texts_keep_their_laws() {
    each("json", laws::json);
}

#[test]
fn corpus_checkpoints_keep_their_laws() {
    each("checkpoint", laws::checkpoint);
}

#[test]
fn corpus_arrays_keep_their_laws() {
    each("npy", laws::npy);
}

#[test]
fn corpus_histories_keep_their_laws() {
    each("history", laws::history);
}

#[test]
fn corpus_hub_files_keep_their_laws() {
    each("hub", laws::hub);
}

#[test]
fn corpus_tolerances_keep_their_laws() {
    each("tolerances", laws::tolerances);
}

#[test]
fn corpus_has_accepted_seeds() {
    let network = laws::smallest();
    let read = |bytes: &Vec<u8>| {
        ptyproof_pinn::training::checkpoint::Checkpoint::from_bytes(bytes, &network).is_ok()
    };
    assert!(corpus("checkpoint").iter().any(read));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npz");
    let read = |bytes: &Vec<u8>| {
        fs::write(&path, bytes).unwrap();
        ptyproof::io::npz::read_dataset(&path).is_ok()
    };
    assert!(corpus("npz").iter().any(read));
    for target in ["tike", "product", "cxi"] {
        let read = |bytes: &Vec<u8>| {
            fs::write(&path, bytes).unwrap();
            ptyproof::io::formats::open(&path, &Default::default()).is_ok()
        };
        assert!(corpus(target).iter().all(read), "{target}");
    }
    let path = dir.path().join("x.npy");
    let read = |bytes: &Vec<u8>| {
        fs::write(&path, bytes).unwrap();
        ptyproof::io::npz::read_plane(&path).is_ok()
    };
    assert!(corpus("npy").iter().any(read));
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).unwrap_or_default();
    let read = |b: &Vec<u8>| ptyproof::diff::tolerance::Tolerances::from_text(&text(b)).is_ok();
    assert!(corpus("tolerances").iter().any(read));
    let read = |b: &Vec<u8>| {
        let found = ptyproof::json::from_text::<ptyproof::hub::metadata::RunMetadata>(&text(b));
        found.is_ok_and(|m| !m.scenario.is_empty())
    };
    assert!(corpus("hub").iter().any(read));
}
