//! The scale chain: the factor that nobody undoes is found, in hubs of the reference too.

use super::scan::{SMALL, Scan};
use super::{json, run, said, text};
use ndarray::{Array2, Axis};
use ndarray_npy::{read_npy, write_npy};
use ptyproof::io::dataset::Dataset;
use ptyproof::io::npz::{read_dataset, write_dataset};
use ptyproof_testkit::tolerance::{DECIMALS_4, F32_SUM_1024, assert_close};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The chain of a hub as JSON.
fn chain(hub: &Path, folder: &Path) -> Value {
    let file = folder.join("chain.json");
    said(["scale-audit", text(hub), "--output-json", text(&file)]).ended(0, &[]);
    json(&file)
}

fn findings(chain: &Value) -> Vec<&str> {
    let all = chain["findings"].as_array().unwrap();
    all.iter().map(|f| f.as_str().unwrap()).collect()
}

#[test]
fn unpaired_scale_factor_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let hub = folder.path().join("a hub");
    run(&hub, 1, &[]);
    let path = hub.join("inference_outputs/amplitude.npy");
    let old: Array2<f32> = read_npy(&path).unwrap();
    let flat = |v: f64| write_npy(&path, &Array2::from_elem(old.dim(), v as f32)).unwrap();
    flat(1.0);
    let c = chain(&hub, folder.path());
    // a flat amplitude of 1 over the mean truth
    let truth = 1.0 / c["measured"]["ratio"].as_f64().unwrap();
    let k = c["accounts"]["k"]["value"].as_f64().unwrap();
    assert_eq!(c["total"], c["accounts"]["k"]["value"]);
    let nets = ["s_sim", "s", "k"].map(|f| c["accounts"][f]["net"].as_i64().unwrap());
    assert_eq!(nets, [0, 0, 1]);
    let notes = c["notes"].to_string();
    assert!(notes.contains("those of the run, to the bit"), "{notes}");
    for (amplitude, by, words) in [
        (k * truth, "k", "k = 0."),
        (k * k * truth, "k^2", "k applied twice"),
        (truth, "1", "something inverted it"),
        (truth / k, "k^-1", "k^-1 = 1."),
    ] {
        flat(amplitude);
        let c = chain(&hub, folder.path());
        assert_eq!(c["measured"]["explained_by"], by);
        let found = findings(&c);
        assert!(found[0].starts_with("k = 0.") && found[0].contains("never inverted"));
        assert!(found[1].contains(words), "{found:?}");
    }
    // every stage keeps its energy
    let links = c["links"].as_array().unwrap();
    let held = links.iter().filter(|l| !l["deviation"].is_null());
    assert!(held.clone().count() > 0, "{links:?}");
    for l in held {
        // NaN would be a string here
        let [d, most] = ["deviation", "allowed"].map(|k| l[k].as_f64().unwrap());
        assert!(d.abs() <= most, "{l}");
    }
    let page = folder.path().join("chain.md");
    said(["scale-audit", text(&hub), "--output-markdown", text(&page)]).ended(0, &[]);
    assert!(
        fs::read_to_string(page)
            .unwrap()
            .contains("| far field | - |")
    );
    flat(f64::NAN);
    let file = folder.path().join("chain.json");
    let bad = said(["scale-audit", text(&hub), "--output-json", text(&file)]);
    bad.ended(3, &[]);
    assert!(bad.out.contains("not finite"), "{bad:#?}");
    assert_eq!(json(&file)["measured"], Value::Null);
    assert_eq!(json(&file)["non_finite"], old.len());
    write_npy(&path, &Array2::<f32>::zeros((3, 3))).unwrap();
    said(["scale-audit", text(&hub)]).ended(2, &["phase.npy", "(3, 3)"]);
    fs::remove_file(hub.join("run_metadata.json")).unwrap();
    said(["scale-audit", text(&hub)]).ended(2, &["run_metadata.json"]);
    said(["scale-audit", text(&hub.join("nothing"))]).ended(2, &["nothing"]);
}

#[test]
fn reference_normalization_is_never_inverted() {
    let hubs = ptyproof_testkit::repository().join("../shared/reference/hubs/2026-01-20T071800Z");
    if !hubs.is_dir() {
        super::skip(
            super::SkipReason::Vectors,
            "../shared/reference/hubs is not there",
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // published: normalize_gain 0.559530321508642; the factors of gs2 .55322 and .57808
    for (name, k) in [("gs1_ideal", 0.559_530), ("gs2_ideal", 0.5774)] {
        let c = chain(&hubs.join(name), folder.path());
        let found = c["accounts"]["k"]["value"].as_f64().unwrap();
        assert_close!(found, k, DECIMALS_4);
        assert_eq!(c["accounts"]["k"]["net"], 1);
        assert_eq!(c["measured"]["explained_by"], "k");
        println!("{name}: {:#?}", findings(&c));
    }
}

#[test]
fn noise_is_not_a_factor_and_all_modes_contribute() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.npz");
    Scan {
        n: 32,
        origin: 18.0,
        ..SMALL
    }
    .write(&path);
    let data = read_dataset(&path).unwrap().dataset;
    let probe = data.probe.clone().unwrap();
    let c = chain(&path, folder.path())["accounts"]["c"]["value"]
        .as_f64()
        .unwrap();
    let write = |times: f64, further: Option<f64>| {
        // one part of the light in a second mode
        let share = further.unwrap_or(0.0);
        let of = |share: f64| probe.mapv(|z| z * (times * share.sqrt()) as f32);
        let mut m = data.measurement.clone();
        m.further_modes = further.map(|s| of(s).insert_axis(Axis(0)));
        let told = Dataset::new(
            "scan",
            data.patterns.clone(),
            data.positions.clone(),
            data.scan_index.clone(),
            Some(of(1.0 - share)),
            data.object.clone(),
        );
        write_dataset(&path, &told.unwrap().with_measurement(m).unwrap()).unwrap();
        chain(&path, folder.path())
    };
    // 25 patterns of about 1e6 photons: five sigma of their sum are a thousandth of it, of the amplitude half of that
    for further in [None, Some(0.2)] {
        for off in [1.0, 1.0003, 0.9997] {
            let found = write(c * off, further);
            assert!(found["accounts"]["c"].is_null(), "{found}");
        }
        for off in [1.01, 0.99, 2.0] {
            let found = write(c * off, further);
            let left = found["accounts"]["c"]["value"].as_f64().unwrap();
            assert_close!(left * off, 1.0, F32_SUM_1024);
        }
    }
}
