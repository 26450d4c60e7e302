//! The hub that a run leaves: whole, checked, and nobody else's.

use super::{RESULTS, checkpoint, json, names, program, run, said, same, text, tiny};
use ptyproof::hub::manifest;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// Every file of a hub of one epoch.
const FILES: [&str; 18] = [
    "comparison_metrics.json",
    "gs1_ideal_training_summary.md",
    "inference_outputs/amplitude.npy",
    "inference_outputs/amplitude.png",
    "inference_outputs/comparison_amplitude.png",
    "inference_outputs/comparison_phase.png",
    "inference_outputs/phase.npy",
    "inference_outputs/phase.png",
    "inference_outputs/stats.json",
    "manifest.json",
    "run_metadata.json",
    "runner.log",
    "stage_digests.json",
    "train_outputs/checkpoints/epoch_0001.safetensors",
    "train_outputs/history.json",
    "train_outputs/history_steps.json",
    "train_outputs/history_summary.json",
    "train_outputs/training_history.png",
];

/// The metrics that the reference's history has.
const METRICS: [&str; 10] = [
    "intensity_scaler_inv_loss",
    "learning_rate",
    "loss",
    "pred_intensity_loss",
    "train_loss",
    "trimmed_obj_loss",
    "val_intensity_scaler_inv_loss",
    "val_loss",
    "val_pred_intensity_loss",
    "val_trimmed_obj_loss",
];

/// The fields of the reference's `run_metadata.json`.
const FIELDS: [&str; 28] = [
    "amp_png_range",
    "artifacts",
    "buffer",
    "cli_args",
    "elapsed_seconds",
    "group_count",
    "group_limit",
    "neighbor_count",
    "nepochs",
    "nphotons",
    "object_seed",
    "probe_big",
    "probe_mask",
    "probe_mode",
    "probe_scale",
    "profile",
    "scenario",
    "sim_seed",
    "split_fraction",
    "test_count",
    "timestamp",
    "total_images",
    "train_count",
    "training_history",
    "training_history_path",
    "training_nan_overview",
    "training_summary_markdown_path",
    "training_summary_path",
];

#[track_caller]
fn intact(hub: &Path) {
    assert_eq!(manifest::verify(hub).unwrap(), []);
}

#[test]
fn tiny_run_writes_every_required_hub_file() {
    let dir = tempfile::tempdir().unwrap();
    let hub = dir.path().join("hub");
    let said = run(&hub, 1, &[]);
    assert_eq!(said.out.trim_end(), text(&hub));
    let found: Vec<String> = manifest::walk(&hub).unwrap().into_keys().collect();
    assert_eq!(found, FILES);
    intact(&hub);
    for file in FILES.iter().filter(|f| f.ends_with(".json")) {
        json(&hub.join(file)); // strict: no bare NaN
    }
    let history = json(&hub.join("train_outputs/history.json"));
    let metrics = history["metrics"].as_object().unwrap();
    assert_eq!(metrics.keys().collect::<Vec<_>>(), METRICS);
    assert!(metrics.values().all(|v| v.as_array().unwrap().len() == 1));
    assert_eq!(names(dir.path()), ["hub"]);
}

#[test]
fn metadata_has_reference_fields_and_existing_paths() {
    let dir = tempfile::tempdir().unwrap();
    let hub = dir.path().join("hub");
    let args = [
        "run",
        "--scenario",
        "gs2_ideal",
        "--base-total-images",
        "4",
        "--group-count",
        "6",
        "--neighbor-count",
        "4",
        "--batch-size",
        "2",
        "--nepochs",
        "1",
        "--group-limit",
        "2",
        "--output-dir",
        text(&hub),
    ];
    said(args).ended(0, &[]);
    let metadata = json(&hub.join("run_metadata.json"));
    for field in FIELDS {
        assert!(!metadata[field].is_null(), "{field}");
    }
    assert_eq!(metadata["status"], "complete");
    assert_eq!(metadata["total_images"], 16);
    let mut paths: Vec<&Value> = metadata["artifacts"]
        .as_object()
        .unwrap()
        .values()
        .collect();
    paths.extend(
        ["history_json", "summary_json", "summary_markdown"]
            .map(|f| &metadata["training_history"][f]),
    );
    paths.extend(
        FIELDS
            .iter()
            .filter(|f| f.ends_with("_path"))
            .map(|f| &metadata[f]),
    );
    assert_eq!(paths.len(), 13);
    for path in paths {
        let path = Path::new(path.as_str().unwrap());
        assert!(path.is_relative() && hub.join(path).exists(), "{path:?}");
    }
    intact(&hub);
}

#[test]
fn equal_seed_gives_equal_bytes_for_any_thread_count() {
    let dir = tempfile::tempdir().unwrap();
    let hub = |name: &str| dir.path().join(name);
    run(&hub("first"), 1, &[]);
    let trained = checkpoint(1);
    let mut files = RESULTS.to_vec();
    files.push(&trained);
    for threads in ["1", "2", "3"] {
        // the last --threads would be refused as a second one
        let mut args = tiny(&hub(threads), 1, &[]);
        let at = args.iter().position(|a| a == "--threads").unwrap();
        args[at + 1] = threads.into();
        said(&args).ended(0, &[]);
        same(&hub("first"), &hub(threads), &files);
        fs::remove_dir_all(hub(threads)).unwrap();
    }
}

#[test]
fn seed_changes_results_but_not_the_scan() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    run(&a, 1, &[]);
    run(&b, 1, &["--seed", "2"]);
    for file in RESULTS {
        assert!(
            fs::read(a.join(file)).unwrap() != fs::read(b.join(file)).unwrap(),
            "{file}"
        );
    }
    let offsets = |hub: &Path| json(&hub.join("inference_outputs/stats.json"))["offsets"].clone();
    assert_eq!(offsets(&a), offsets(&b));
}

#[test]
fn existing_hub_is_never_modified() {
    let dir = tempfile::tempdir().unwrap();
    let hub = dir.path().join("hub");
    run(&hub, 1, &[]);
    let before = fs::read(hub.join("runner.log")).unwrap();
    let refused = said(tiny(&hub, 1, &["--seed", "9"]));
    refused.ended(
        2,
        &[
            text(&hub),
            "an unused name",
            "never overwritten",
            "choose another",
        ],
    );
    intact(&hub);
    assert_eq!(fs::read(hub.join("runner.log")).unwrap(), before);
    assert_eq!(names(dir.path()), ["hub"]);
}

#[test]
fn exactly_one_of_two_runs_gets_the_hub() {
    let dir = tempfile::tempdir().unwrap();
    let hub = dir.path().join("hub");
    let start = || {
        let mut command = program();
        command.args(tiny(&hub, 1, &["--quiet"]));
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let (mut a, mut b) = (start(), start());
    let mut codes = [&mut a, &mut b].map(|run| run.wait().unwrap().code().unwrap());
    codes.sort_unstable();
    assert_eq!(codes, [0, 2]);
    intact(&hub);
    assert_eq!(names(dir.path()), ["hub"]);
}

#[test]
fn output_path_may_have_spaces_umlauts_and_new_directories() {
    let dir = tempfile::tempdir().unwrap();
    let hub = dir
        .path()
        .join("Größe 10 µm/näher dran/die \"beste\" Röntgen-Messung");
    run(&hub, 1, &[]);
    intact(&hub);
}

#[test]
fn invalid_output_path_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "mine").unwrap();
    said(tiny(&file.join("hub"), 1, &[])).ended(74, &[text(&file)]);
    said(tiny(&file, 1, &[])).ended(2, &[text(&file), "an unused name"]);
    said(tiny(Path::new(".."), 1, &[])).ended(2, &["ends in a directory name"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(names(dir.path()), ["file"]);
}

#[cfg(unix)]
#[test]
fn unwritable_directory_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(closed.join("probe"), "").is_ok() {
        return super::skip(
            super::SkipReason::Machine,
            "this user (root?) may write anywhere",
        );
    }
    said(tiny(&closed.join("hub"), 1, &[])).ended(74, &[text(&closed), "writable directory"]);
}

/// A small file system of its own, gone at the end.
#[cfg(target_os = "linux")]
struct Disk<'a>(&'a Path);

#[cfg(target_os = "linux")]
impl<'a> Disk<'a> {
    fn mount(at: &'a Path, options: &str) -> Option<Self> {
        let mut command = std::process::Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(at);
        let done = command.stderr(Stdio::null()).status();
        done.is_ok_and(|s| s.success()).then_some(Self(at))
    }
}

#[cfg(target_os = "linux")]
impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn run_on_a_full_disk_names_the_file_and_can_be_resumed() {
    let dir = tempfile::tempdir().unwrap();
    // room for one checkpoint of 27 MB, not for the next beside it
    let Some(disk) = Disk::mount(dir.path(), "size=40M") else {
        return super::skip(
            super::SkipReason::Machine,
            "mounting a small tmpfs is not permitted here",
        );
    };
    let hub = dir.path().join("hub");
    let partial = dir.path().join("hub.partial");
    let full = said(tiny(&hub, 1, &[]));
    full.ended(
        74,
        &[
            "epoch_0001.safetensors",
            "No space left",
            "free some space",
            text(&partial),
        ],
    );
    let note = json(&partial.join("INCOMPLETE.json"));
    assert_eq!(note["status"], "blocked");
    assert!(partial.join(checkpoint(0)).is_file());
    let report = names(&partial)
        .into_iter()
        .find(|n| n.starts_with("blocked_"))
        .unwrap();
    assert!(
        fs::read_to_string(partial.join(report))
            .unwrap()
            .contains("epoch_0001")
    );
    assert!(!hub.exists());

    let mut command = std::process::Command::new("mount");
    command.args(["-o", "remount,size=120M"]).arg(dir.path());
    if command.status().is_ok_and(|s| s.success()) {
        run(&hub, 1, &["--resume", text(&partial)]);
        intact(&hub);
    }
    drop(disk);
}
