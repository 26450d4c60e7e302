//! Every size of pattern and group, and probes from a file, each from the command to a whole hub.

use super::input::Data;
use super::{RESULTS, checkpoint, json, said, same, text};
use ndarray::{Array2, Array3, Axis};
use ndarray_npy::NpzWriter;
use num_complex::{Complex32, Complex64};
use ptyproof::hub::manifest;
use serde_json::Value;
use std::fs::{self, File};
use std::path::Path;

/// One short run with `args`, its hub checked; returns the metadata.
fn whole(hub: &Path, args: &[&str]) -> Value {
    let rest = [
        "--nepochs",
        "1",
        "--threads",
        "2",
        "--quiet",
        "--output-dir",
    ];
    let run = ["run"].iter().chain(args).chain(&rest);
    said(run.chain(&[text(hub)])).ended(0, &[]);
    assert_eq!(manifest::verify(hub).unwrap(), []);
    json(&hub.join("run_metadata.json"))
}

/// The shape of the reconstruction, and whether each of its values is finite.
fn reconstruction(hub: &Path) -> ((usize, usize), bool) {
    let file = hub.join("inference_outputs/amplitude.npy");
    let amplitude: Array2<f32> = ndarray_npy::read_npy(file).unwrap();
    let finite = !amplitude.is_empty() && amplitude.iter().all(|a| a.is_finite());
    (amplitude.dim(), finite)
}

#[test]
fn zero_epochs_return_the_network_input() {
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str, epochs: &str| {
        let hub = dir.path().join(name);
        let tiny = "run --scenario gs2_ideal --base-total-images 16 --group-count 8 --group-limit 4 --batch-size 2 --quiet";
        let args = tiny.split(' ').chain(["--nepochs", epochs]);
        said(args.chain(["-o", text(&hub)])).ended(0, &[]);
        assert_eq!(manifest::verify(&hub).unwrap(), []);
        fs::read(hub.join("inference_outputs/amplitude.npy")).unwrap()
    };
    let untrained = run("none", "0");
    let history = json(&dir.path().join("none/train_outputs/history.json"));
    assert_eq!(history, serde_json::json!({ "metrics": {} }));
    let figures = json(&dir.path().join("none/comparison_metrics.json"));
    let amplitude = &figures["registered"]["amplitude"];
    // a flat object has none; four groups at the edges of an object have little
    assert!(amplitude["pearson_r"].as_f64().unwrap() > 0.3, "{figures}");
    assert!(run("trained", "1") != untrained);
}

#[test]
fn groups_of_nine_train_and_stitch() {
    let dir = tempfile::tempdir().unwrap();
    let hub = dir.path().join("hub");
    let args = [
        "--scenario",
        "gs2_ideal",
        "--gridsize",
        "3",
        "--neighbor-count",
        "9",
        "--base-total-images",
        "6",
        "--group-count",
        "4",
        "--batch-size",
        "2",
        "--group-limit",
        "2",
    ];
    let metadata = whole(&hub, &args);
    assert_eq!(metadata["configuration"]["settings"]["gridsize"], 3);
    assert!(reconstruction(&hub).1);
}

#[test]
fn patterns_of_side_256_train_and_stitch_with_the_big_decoder() {
    let dir = tempfile::tempdir().unwrap();
    let (file, hub) = (dir.path().join("data.npz"), dir.path().join("hub"));
    let mut data = Data::new(4);
    data.stack = Array3::from_shape_fn((4, 256, 256), |(k, r, c)| {
        let distance = (r as f32 - 128.0).hypot(c as f32 - 128.0);
        100.5 / (1.0 + distance) * (1.0 + 0.1 * (k as f32 + distance).sin())
    });
    for position in data.x.iter_mut().chain(&mut data.y) {
        *position += 100.0;
    }
    data.write(&file);
    let args = [
        "--data",
        text(&file),
        "--probe-big",
        "true",
        "--group-count",
        "2",
        "--batch-size",
        "1",
        "--group-limit",
        "2",
    ];
    let metadata = whole(&hub, &args);
    assert_eq!(metadata["configuration"]["settings"]["N"], 256);
    assert!(reconstruction(&hub).1);
}

/// A focused probe with a quadratic phase, written under `key` in the precision that files of the
/// field have.
fn probe_file(path: &Path) {
    let probe = Array2::from_shape_fn((64, 64), |(r, c)| {
        let squared = (r as f64 - 32.0).powi(2) + (c as f64 - 32.0).powi(2);
        Complex64::from_polar((-squared / 200.0).exp(), squared / 150.0)
    });
    let mut npz = NpzWriter::new(File::create(path).unwrap());
    npz.add_array("probeGuess", &probe).unwrap();
    npz.finish().unwrap();
}

#[test]
fn custom_scenarios_run_with_a_probe_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a probe.npz");
    probe_file(&file);
    let scenarios = [("gs1_custom", "4"), ("gs2_custom", "6"), ("gs1_ideal", "4")];
    for (scenario, groups) in scenarios {
        let hub = dir.path().join(scenario);
        let args = [
            "--scenario",
            scenario,
            "--custom-probe",
            text(&file),
            "--base-total-images",
            "8",
            "--group-count",
            groups,
            "--batch-size",
            "2",
            "--group-limit",
            "2",
        ];
        let metadata = whole(&hub, &args);
        // of whatever scenario: it is the probe that was used
        assert_eq!(metadata["probe_mode"], "custom");
        assert_eq!(metadata["probe_big"], scenario != "gs1_ideal");
        assert!(reconstruction(&hub).1);
    }
}

#[test]
fn measured_reference_probe_runs_both_custom_scenarios() {
    let Some(file) = super::shared("PtychoPINN_Run1084_recon3_postPC.npz") else {
        return;
    };
    let file = file.as_path();
    let dir = tempfile::tempdir().unwrap();
    for (scenario, groups) in [("gs1_custom", "4"), ("gs2_custom", "6")] {
        let hub = dir.path().join(scenario);
        let args = [
            "--scenario",
            scenario,
            "--custom-probe",
            text(file),
            "--base-total-images",
            "8",
            "--group-count",
            groups,
            "--batch-size",
            "2",
            "--group-limit",
            "2",
        ];
        whole(&hub, &args);
        assert!(reconstruction(&hub).1);
    }
}

/// A probe of two equal pixels a quarter of the field apart: some rows of the far field of a constant
/// object is exactly zero, and a dark pattern makes an untrained network's object constant.
#[test]
fn nonfinite_run_exits_with_3_and_a_complete_hub() {
    let dir = tempfile::tempdir().unwrap();
    let (data, probe) = (dir.path().join("data.npz"), dir.path().join("probe.npz"));
    let mut dark = Data::new(8);
    for k in [0, 6] {
        // one in each half of the scan
        dark.stack.index_axis_mut(Axis(0), k).fill(0.0);
    }
    dark.write(&data);
    let mut two = Array2::from_elem((64, 64), Complex32::new(0.0, 0.0));
    two[[24, 32]] = Complex32::new(1.0, 0.0);
    two[[40, 32]] = Complex32::new(1.0, 0.0);
    let mut npz = NpzWriter::new(File::create(&probe).unwrap());
    npz.add_array("probeGuess", &two).unwrap();
    npz.finish().unwrap();
    let run = |numerics: &str| {
        let hub = dir.path().join(numerics);
        let said = said([
            "run",
            "--data",
            text(&data),
            "--custom-probe",
            text(&probe),
            "--probe-mode",
            "custom",
            "--numerics",
            numerics,
            "--group-count",
            "4",
            "--batch-size",
            "2",
            "--nepochs",
            "1",
            "--group-limit",
            "4",
            "--threads",
            "1",
            "--quiet",
            "--output-dir",
            text(&hub),
        ]);
        assert!(hub.exists(), "{said:#?}");
        assert_eq!(manifest::verify(&hub).unwrap(), []);
        said
    };
    run("reference").ended(3, &["NaN", "step 1"]);
    run("guarded").ended(0, &[]);
}

/// All patterns and batches of the whole scenario, of which a few are enough to have allocated everything.
#[test]
fn run_uses_less_than_256_mib() {
    let dir = tempfile::tempdir().unwrap();
    for scenario in ["gs1_ideal", "gs2_ideal"] {
        let args = ["--scenario", scenario, "--group-count", "32"];
        let metadata = whole(&dir.path().join(scenario), &args);
        let settings = &metadata["configuration"]["settings"];
        assert!(settings["batch_size"].as_u64().unwrap() >= 4, "{settings}");
        let peak = metadata["peak_memory_bytes"].as_u64().unwrap();
        println!("{scenario}: {} MB", peak / 1_000_000);
        // 247 and 197 MB where this was written; allocators and page sizes differ by a few
        assert!(peak <= 1 << 28, "{scenario}: {peak} bytes");
    }
}

#[test]
fn phase_sync_does_not_change_the_training() {
    let dir = tempfile::tempdir().unwrap();
    let hub = |name: &str| dir.path().join(name);
    let tiny =
        "--scenario gs1_ideal --base-total-images 8 --group-count 4 --batch-size 2 --group-limit 4";
    let tiny: Vec<&str> = tiny.split(' ').collect();
    whole(&hub("own"), &tiny);
    let agreed = whole(
        &hub("agreed"),
        &[&tiny[..], &["--phase-sync", "overlaps"]].concat(),
    );
    assert_eq!(agreed["cli_args"]["phases"], "overlaps");
    same(
        &hub("own"),
        &hub("agreed"),
        &[RESULTS[0], RESULTS[1], &checkpoint(1)],
    );
    let stitched = |name: &str| fs::read(hub(name).join(RESULTS[3])).unwrap();
    assert_ne!(stitched("own"), stitched("agreed"));
    let log = fs::read_to_string(hub("agreed").join("runner.log")).unwrap();
    assert!(log.contains("phases of overlapping objects"), "{log}");
}
