//! Laws for reading arbitrary bytes as a file; used by the replay of the corpus and by the fuzzer.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a broken law is loud, and each fuzz target uses one law"
)]

use std::fs;

use serde::Serialize;
use serde::de::DeserializeOwned;

use ptyproof::diff::tolerance::Tolerances;
use ptyproof::error::{Kind, Result};
use ptyproof::geometry::PatchSize;
use ptyproof::hub::manifest::Manifest;
use ptyproof::hub::metadata::RunMetadata;
use ptyproof::hub::stats::Stats;
use ptyproof::io::formats::{self, ReadOptions};
use ptyproof::io::inspect::inspect;
use ptyproof::io::npz::{read_dataset, read_object, read_plane, read_probe, write_dataset};
use ptyproof::json;
use ptyproof::records::event::Event;
use ptyproof::records::history::History;
use ptyproof::records::stage::Stages;
use ptyproof::records::steps::StepHistory;
use ptyproof::records::summary::Summary;
use ptyproof::records::telemetry::Telemetry;
use ptyproof_harness::scenario::Snapshot;
use ptyproof_pinn::network::architecture::Architecture;
use ptyproof_pinn::training::checkpoint::Checkpoint;

/// The result of reading; an error must be an input error with a message.
fn read<T>(result: Result<T>) -> Option<T> {
    result
        .inspect_err(|e| {
            assert_ne!(e.kind(), Kind::Bug, "{e}");
            assert!(!e.to_string().is_empty());
        })
        .ok()
}

/// A data file is refused, or it has finite non-negative amplitudes and round-trips.
pub(crate) fn npz(bytes: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("x.npz"), dir.path().join("copy.npz"));
    fs::write(&path, bytes).unwrap();
    read(read_object(&path));
    read(read_probe(&path, PatchSize::new(4).unwrap()));
    let Some(file) = read(read_dataset(&path)) else {
        return;
    };
    let (data, count) = (&file.dataset, file.dataset.len());
    assert!(count > 0 && !data.patterns.values().is_empty());
    assert!(data.positions.len() == count && data.scan_index.len() == count);
    assert!(data.patterns.values().iter().all(|v| (0.0..).contains(v)));
    assert!(data.patterns.values().iter().all(|v| v.is_finite()));
    write_dataset(&copy, data).unwrap();
    let again = read_dataset(&copy).unwrap().dataset;
    assert_eq!(again.patterns.values(), data.patterns.values());
    assert_eq!(again.positions, data.positions);
    assert_eq!(again.scan_index, data.scan_index);
    assert_eq!((&again.probe, &again.object), (&data.probe, &data.object));
}

/// A file of any format is refused, or it can be inspected; a valid data set also round-trips as NPZ.
pub(crate) fn data_file(bytes: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("x"), dir.path().join("copy.npz"));
    fs::write(&path, bytes).unwrap();
    let told = ReadOptions {
        pixel_m: Some(1e-8),
        ..ReadOptions::default()
    };
    let open = || read(formats::open(&path, &told));
    if let Some(mut contents) = open()
        && let Some(found) = read(inspect(&mut contents))
    {
        json::to_text(&found).unwrap();
        assert!(!ptyproof_harness::report::inspect::table(&found).is_empty());
        read(ptyproof_harness::report::inspect::picture(
            &found, &contents,
        ));
    }
    let Some(file) = open().and_then(|contents| read(contents.into_dataset())) else {
        return;
    };
    let data = &file.dataset;
    assert!(!data.patterns.values().is_empty());
    assert!(
        data.patterns
            .values()
            .iter()
            .all(|v| v.is_finite() && *v >= 0.0)
    );
    write_dataset(&copy, data).unwrap();
    let again = formats::read(&copy).unwrap().dataset;
    assert_eq!(again.patterns, data.patterns);
    assert_eq!(again.positions, data.positions);
    assert_eq!(again.probe, data.probe);
    assert_eq!(again.measurement, data.measurement);
}

/// An array is refused, or its element count matches its shape and it round-trips.
pub(crate) fn npy(bytes: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("x.npy"), dir.path().join("copy.npy"));
    fs::write(&path, bytes).unwrap();
    read(read_object(&path));
    if let Some(plane) = read(read_plane(&path)) {
        assert!(plane.len() <= bytes.len());
        ndarray_npy::write_npy(&copy, &plane).unwrap();
        let again = read_plane(&copy).unwrap();
        assert_eq!(again.dim(), plane.dim());
        let pairs = again.iter().zip(&plane);
        assert!(
            pairs
                .into_iter()
                .all(|(a, b)| a == b || (a.is_nan() && b.is_nan()))
        );
    }
}

/// A text is refused as this kind of file, or it round-trips, byte for byte from the second time on.
fn kept<T: Serialize + DeserializeOwned>(text: &str) {
    if let Some(value) = read(json::from_text::<T>(text)) {
        let once = json::to_text(&value).unwrap();
        let again: T = json::from_text(&once).unwrap();
        assert_eq!(json::to_text(&again).unwrap(), once);
    }
}

/// Each JSON file of a hub, read as each kind.
pub(crate) fn hub(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    kept::<RunMetadata>(text);
    kept::<Stats>(text);
    kept::<Summary>(text);
    kept::<Stages>(text);
    kept::<Event>(text);
    kept::<Manifest>(text);
}

/// Tolerances are refused, or every number agrees with itself and they round-trip.
pub(crate) fn tolerances(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(t) = read(Tolerances::from_text(text)) {
        let once = json::to_text(&t).unwrap();
        let again = Tolerances::from_text(&once).unwrap();
        assert_eq!(json::to_text(&again).unwrap(), once);
        for v in [0.0, -1.5, f64::MAX, f64::MIN_POSITIVE] {
            assert!(t.numbers.excess(v, v) <= 1.0);
            assert_eq!(t.numbers.excess(v, 2.0), t.numbers.excess(2.0, v));
        }
    }
}

/// Any bytes are refused as a history, or the extremes and places of every metric are consistent with its series.
pub(crate) fn history(bytes: &[u8]) {
    let Some(t) = read(Telemetry::read(std::io::Cursor::new(bytes))) else {
        return;
    };
    for m in t.metrics.values() {
        let count = m.summary.count as u64;
        // places count the missing values before them
        let places = count + m.missing;
        assert!(m.argmin.is_none_or(|k| k < places));
        assert!(m.divergence_onset.is_none_or(|k| k < places));
        assert!(m.missing_at_end + m.left_out <= m.missing);
        assert_eq!(m.summary.has_nan, m.first_nan_value.is_some());
        assert_eq!(m.summary.last.is_none(), count == 0);
    }
    json::to_text(&t).unwrap();
}

/// A text is refused, or it round-trips, byte for byte from the second time on.
pub(crate) fn json(bytes: &[u8]) {
    history(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    read(Snapshot::parse("x.json", text));
    if let Some(value) = read(json::from_text::<serde_json::Value>(text)) {
        let once = json::to_text(&value).unwrap();
        let again: serde_json::Value = json::from_text(&once).unwrap();
        assert_eq!(json::to_text(&again).unwrap(), once);
    }
    if let Some(history) = read(History::from_text(text)) {
        let once = history.to_text().unwrap();
        let again = History::from_text(&once).unwrap();
        assert!(again.same(&history));
        assert_eq!(again.to_text().unwrap(), once);
    }
    if let Some(steps) = read(StepHistory::from_text(text)) {
        let once = steps.to_text().unwrap();
        let again = StepHistory::from_text(&once).unwrap();
        assert_eq!(again.to_text().unwrap(), once);
    }
}

/// A network whose checkpoint is small enough for a corpus.
pub(crate) fn smallest() -> Architecture {
    Architecture {
        n: 8,
        channels: 1,
        encoder: vec![1, 1],
        decoder: vec![5],
        outer: None,
        estimates: false,
    }
}

/// A checkpoint is refused, or it round-trips, byte for byte from the second time on.
pub(crate) fn checkpoint(bytes: &[u8]) {
    let network = smallest();
    if let Some(found) = read(Checkpoint::from_bytes(bytes, &network)) {
        assert_eq!(found.weights.len(), network.parameters());
        let once = found.to_bytes(&network).unwrap();
        let again = Checkpoint::from_bytes(&once, &network).unwrap();
        assert_eq!(again.to_bytes(&network).unwrap(), once);
    }
}
