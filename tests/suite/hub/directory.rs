//! A hub is written atomically, even if the program is killed or the disk is full.

use ndarray::{Array2, s};
use ndarray_npy::ReadNpyExt;
use proptest::prelude::*;
use ptyproof::error::Kind;
use ptyproof::hub::dir::{self, Hub, Incomplete, Status};
use ptyproof::hub::manifest::{self, Problem};
use ptyproof::json::from_text;
use ptyproof_testkit::skips::{SkipReason, skip};
use std::fs;
use std::path::Path;
use std::process::Command;

const STARTED: &str = "2026-01-20T06:03:07Z";

fn names(dir: &Path) -> Vec<String> {
    let mut n: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    n.sort();
    n
}

#[test]
fn finished_hub_has_its_files_and_a_valid_manifest() {
    let tmp = tempfile::tempdir().unwrap();
    let output = tmp.path().join("deep/er/hub");
    let hub = Hub::create(&output, STARTED).unwrap();
    hub.write_json(dir::STATS, &[1, 2]).unwrap();
    hub.write_text(dir::HISTORY, "first").unwrap();
    hub.write_text(dir::HISTORY, "second").unwrap();
    assert_eq!(hub.finish().unwrap(), output);
    assert_eq!(names(&tmp.path().join("deep/er")), ["hub"]);
    assert_eq!(
        names(&output),
        ["inference_outputs", "manifest.json", "train_outputs"]
    );
    assert_eq!(
        fs::read_to_string(output.join(dir::HISTORY)).unwrap(),
        "second"
    );
    assert_eq!(manifest::verify(&output).unwrap(), []);
}

#[test]
fn killed_run_leaves_only_a_partial_hub() {
    let tmp = tempfile::tempdir().unwrap();
    let output = tmp.path().join("hub");
    let hub = Hub::create(&output, STARTED).unwrap();
    hub.write_text("a.txt", "kept").unwrap();
    drop(hub); // as a kill would
    assert_eq!(names(tmp.path()), ["hub.partial"]);
    assert_eq!(
        names(&tmp.path().join("hub.partial")),
        ["a.txt", "lock.json"]
    );
    assert!(manifest::verify(&tmp.path().join("hub.partial")).is_err());
}

#[test]
fn a_killed_run_can_be_resumed_and_finished() {
    let tmp = tempfile::tempdir().unwrap();
    let (output, partial) = (tmp.path().join("hub"), tmp.path().join("hub.partial"));
    let hub = Hub::create(&output, STARTED).unwrap();
    hub.write_text("a.txt", "kept").unwrap();
    drop(hub);
    fs::write(partial.join("b.npy.being-written"), "half").unwrap();
    let hub = Hub::reopen(&partial, STARTED).unwrap();
    hub.finish().unwrap();
    assert_eq!(names(&output), ["a.txt", "manifest.json"]);
}

#[test]
fn run_killed_before_the_rename_can_be_resumed() {
    let tmp = tempfile::tempdir().unwrap();
    let (output, partial) = (tmp.path().join("hub"), tmp.path().join("hub.partial"));
    let hub = Hub::create(&output, STARTED).unwrap();
    hub.write_text("a.txt", "kept").unwrap();
    let finished = hub.finish().unwrap();
    fs::rename(finished, &partial).unwrap(); // the state just before
    Hub::reopen(&partial, STARTED).unwrap().finish().unwrap();
    assert_eq!(names(&output), ["a.txt", "manifest.json"]);
    assert_eq!(manifest::verify(&output).unwrap(), []);
}

#[test]
fn locked_hub_is_not_resumed() {
    if !Path::new("/proc/1").exists() {
        return skip(
            SkipReason::Machine,
            "no /proc, so nobody can tell whether a process lives",
        );
    }
    let tmp = tempfile::tempdir().unwrap();
    let partial = tmp.path().join("hub.partial");
    drop(Hub::create(&tmp.path().join("hub"), STARTED).unwrap());
    let lock = "{\"pid\": 1, \"started\": \"then\", \"version\": \"0\"}";
    fs::write(partial.join("lock.json"), lock).unwrap();
    let e = Hub::reopen(&partial, STARTED).unwrap_err();
    assert!(e.to_string().contains("process 1 is writing"), "{e}");
    fs::remove_file(partial.join("lock.json")).unwrap();
    let e = Hub::reopen(&partial, STARTED).unwrap_err();
    assert!(e.to_string().contains("without lock.json"), "{e}");
    assert!(Hub::reopen(tmp.path(), STARTED).is_err());
}

#[test]
fn exactly_one_of_two_runs_starts() {
    let tmp = tempfile::tempdir().unwrap();
    let output = tmp.path().join("hub");
    let pool = ptyproof::par::Pool::new(8).unwrap();
    let begun: Vec<_> = pool.run(|| {
        use rayon::prelude::*;
        (0..64)
            .into_par_iter()
            .map(|_| Hub::create(&output, STARTED))
            .collect()
    });
    assert_eq!(begun.iter().filter(|h| h.is_ok()).count(), 1);
    let e = Hub::create(&output, STARTED).unwrap_err();
    assert_eq!(e.kind(), Kind::Usage);
    let help = e.advice().unwrap();
    assert!(help.contains(STARTED) && help.contains("resume"), "{help}");
}

#[test]
fn existing_hub_is_refused_and_empty_directory_is_used() {
    let tmp = tempfile::tempdir().unwrap();
    let output = tmp.path().join("hub");
    fs::create_dir(&output).unwrap();
    Hub::create(&output, STARTED).unwrap().finish().unwrap();
    let before = fs::read(output.join("manifest.json")).unwrap();
    let e = Hub::create(&output, STARTED).unwrap_err();
    assert_eq!(e.kind(), Kind::Usage);
    assert_eq!(fs::read(output.join("manifest.json")).unwrap(), before);
    assert_eq!(names(tmp.path()), ["hub"]);
    fs::write(tmp.path().join("file"), "").unwrap();
    assert!(Hub::create(&tmp.path().join("file"), STARTED).is_err());
    assert!(Hub::create(Path::new("/"), STARTED).is_err());
}

#[test]
fn hub_created_meanwhile_is_kept_and_so_is_the_work() {
    let tmp = tempfile::tempdir().unwrap();
    let output = tmp.path().join("hub");
    let hub = Hub::create(&output, STARTED).unwrap();
    hub.write_text("mine", "1").unwrap();
    fs::create_dir(&output).unwrap();
    fs::write(output.join("theirs"), "2").unwrap();
    let e = hub.finish().unwrap_err();
    assert!(e.advice().unwrap().contains("hub.partial"));
    assert_eq!(names(&output), ["theirs"]);
    assert_eq!(
        names(&tmp.path().join("hub.partial")),
        ["lock.json", "mine"]
    );
}

#[test]
fn marked_hub_records_reason_and_files() {
    let tmp = tempfile::tempdir().unwrap();
    let hub = Hub::create(&tmp.path().join("hub"), STARTED).unwrap();
    hub.write_text("train/h.json", "{}").unwrap();
    let partial = hub
        .mark(Status::Interrupted, "Ctrl-C", "ptyproof run", STARTED)
        .unwrap();
    let note: Incomplete =
        from_text(&fs::read_to_string(partial.join(dir::INCOMPLETE)).unwrap()).unwrap();
    assert_eq!(note.status, Status::Interrupted);
    assert_eq!(note.files, ["train/h.json"]);
    let hub = Hub::reopen(&partial, STARTED).unwrap();
    let output = hub.finish().unwrap();
    assert_eq!(names(&output), ["manifest.json", "train"]);
}

#[test]
fn hub_names_may_be_any_unicode() {
    let tmp = tempfile::tempdir().unwrap();
    let output = tmp.path().join("Prüfung 2 | λ 光 🔬");
    let hub = Hub::create(&output, STARTED).unwrap();
    hub.write_text("a b/ß 光.txt", "x").unwrap();
    hub.finish().unwrap();
    assert_eq!(manifest::verify(&output).unwrap(), []);
    let files = manifest::Manifest::read(&output).unwrap().files;
    assert_eq!(files[0].path, "a b/ß 光.txt");
}

#[test]
fn path_outside_the_hub_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let hub = Hub::create(&tmp.path().join("hub"), STARTED).unwrap();
    for rel in [
        "",
        "/x",
        "../x",
        "a/../../x",
        "./x",
        "a\\b",
        "lock.json",
        "manifest.json",
    ] {
        assert_eq!(
            hub.write_text(rel, "").unwrap_err().kind(),
            Kind::Bug,
            "{rel}"
        );
    }
    assert_eq!(names(tmp.path()), ["hub.partial"]);
}

#[test]
fn array_round_trips_bit_for_bit() {
    let tmp = tempfile::tempdir().unwrap();
    let hub = Hub::create(&tmp.path().join("hub"), STARTED).unwrap();
    let mut a = Array2::from_shape_fn((7, 5), |(r, c)| (r as f32 - 3.0) / (c as f32 + 0.3));
    a[[0, 0]] = f32::from_bits(0x7fc0_1234); // a NaN with a payload
    a[[1, 0]] = f32::NEG_INFINITY;
    a[[2, 0]] = -0.0;
    for (rel, view) in [
        ("whole.npy", a.view()),
        ("turned.npy", a.t()),
        ("every second.npy", a.slice(s![..;2, 1..;-2])),
    ] {
        hub.write_npy(rel, view).unwrap();
        let file = fs::File::open(hub.path().join(rel)).unwrap();
        let back = Array2::<f32>::read_npy(file).unwrap();
        let bits = |v: &f32| v.to_bits();
        assert_eq!(back.map(bits), view.map(bits), "{rel}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_array_with_any_name_round_trips(
        name in "[\\w .,;+@-]{1,40}",
        values in prop::collection::vec(any::<u32>(), 1..60),
        width in 1usize..8,
    ) {
        // read(write(a)) = a, bit for bit, and the manifest agrees
        prop_assume!(![".", ".."].contains(&name.as_str()));
        let a = Array2::from_shape_fn((values.len().div_ceil(width), width), |(r, c)| {
            f32::from_bits(values[(r * width + c) % values.len()])
        });
        let tmp = tempfile::tempdir().unwrap();
        let hub = Hub::create(&tmp.path().join("hub"), STARTED).unwrap();
        let rel = format!("arrays/{name}");
        hub.write_npy(&rel, a.view()).unwrap();
        let output = hub.finish().unwrap();
        let back = Array2::<f32>::read_npy(fs::File::open(output.join(&rel)).unwrap()).unwrap();
        prop_assert_eq!(back.map(|v| v.to_bits()), a.map(|v| v.to_bits()));
        prop_assert_eq!(manifest::verify(&output).unwrap(), []);
    }
}

#[test]
fn one_flipped_byte_is_found() {
    let tmp = tempfile::tempdir().unwrap();
    let hub = Hub::create(&tmp.path().join("hub"), STARTED).unwrap();
    hub.write_npy(dir::AMPLITUDE, Array2::<f32>::zeros((4, 4)).view())
        .unwrap();
    let output = hub.finish().unwrap();
    let path = output.join(dir::AMPLITUDE);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 0x80;
    fs::write(&path, bytes).unwrap();
    let problems = manifest::verify(&output).unwrap();
    assert!(matches!(&problems[..], [Problem::Changed { path, .. }] if path == dir::AMPLITUDE));
}

#[cfg(unix)]
#[test]
fn unwritable_hub_is_an_error() {
    use std::os::unix::fs::PermissionsExt;
    let tmp = tempfile::tempdir().unwrap();
    let closed = tmp.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(closed.join("probe"), "").is_ok() {
        return skip(
            SkipReason::Machine,
            "this user may write into read-only directories",
        );
    }
    let e = Hub::create(&closed.join("hub"), STARTED).unwrap_err();
    assert_eq!(e.kind(), Kind::Output);
    assert!(e.advice().unwrap().contains("writable directory"), "{e}");
}

/// A small file system that is removed after the test.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Option<Self> {
        let tmp = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=256k", "ptyproof-test"])
            .arg(tmp.path());
        mount.output().ok()?.status.success().then_some(Self(tmp))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn full_disk_keeps_the_partial_hub() {
    let Some(disk) = SmallDisk::new() else {
        return skip(
            SkipReason::Machine,
            "this user may not mount a small file system",
        );
    };
    let hub = Hub::create(&disk.0.path().join("hub"), STARTED).unwrap();
    hub.write_text("small.txt", "kept").unwrap();
    let big = Array2::<f32>::zeros((512, 512));
    let e = hub.write_npy(dir::AMPLITUDE, big.view()).unwrap_err();
    assert!(e.to_string().contains("amplitude.npy"), "{e}");
    assert!(e.advice().unwrap().contains("full"), "{:?}", e.advice());
    let inside = names(&hub.path().join("inference_outputs"));
    assert_eq!(inside, [""; 0]); // the half-written file is gone, its space is free again
    let partial = hub
        .mark(Status::Blocked, "disk full", "ptyproof run", STARTED)
        .unwrap();
    assert_eq!(
        fs::read_to_string(partial.join("small.txt")).unwrap(),
        "kept"
    );
}
