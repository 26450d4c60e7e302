//! What the program is handed, and what it says where that does not fit.

use super::{Said, names, said, text};
use ndarray::{Array1, Array2, Array3, Axis};
use ndarray_npy::NpzWriter;
use num_complex::Complex32;
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// A snapshot of one's own: a tiny scenario without a profile, nothing of it left to defaults, and
/// no patch that leaves the object.
pub(super) const SNAPSHOT: &str = r#"{
  "run_params": {
    "N": 64,
    "base_total_images": 8,
    "buffer": 40.0,
    "group_count": 4,
    "neighbor_count": 4,
    "nphotons": 1e9,
    "object_seed": 42,
    "object_size": 128,
    "reassemble_M": 20,
    "sim_seed": 7,
    "split_fraction": 0.5
  },
  "scenarios": [
    {
      "name": "mine",
      "inputs": {
        "gridsize": 1,
        "probe_mode": "idealized",
        "probe_scale": 10.0,
        "probe_big": false,
        "probe_mask": true
      },
      "defaults": { "probe_big": false, "probe_mask": true }
    }
  ]
}
"#;

/// A place for files, and a hub that must not appear in it.
struct Place {
    dir: tempfile::TempDir,
    hub: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hub = dir.path().join("hub");
        Self { dir, hub }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// A run into the hub.
    fn run(&self, args: &[&str]) -> Said {
        let rest = ["--quiet", "--output-dir", text(&self.hub)];
        said(["run"].iter().chain(args).chain(&rest))
    }

    /// A run that is refused with `code` and `words`, before it has written anything.
    #[track_caller]
    fn refused(&self, code: i32, args: &[&str], words: &[&str]) {
        let before = names(self.dir.path());
        self.run(args).ended(code, words);
        assert_eq!(names(self.dir.path()), before, "{args:?} left something");
    }
}

/// A small data set; each test spoils it in its own way.
pub(super) struct Data {
    pub(super) stack: Array3<f32>,
    pub(super) x: Vec<f64>,
    pub(super) y: Vec<f64>,
    pub(super) object: Option<(usize, usize)>,
}

impl Data {
    /// `count` patterns of side 64 with a bright center.
    pub(super) fn new(count: usize) -> Self {
        let stack = Array3::from_shape_fn((count, 64, 64), |(k, r, c)| {
            let distance = (r as f32 - 32.0).hypot(c as f32 - 32.0);
            100.5 / (1.0 + distance) * (1.0 + 0.1 * (k as f32 + distance).sin())
        });
        let place = |k: usize, step: usize| 40.0 + ((k * step) % 23) as f64 * 1.5;
        Self {
            stack,
            x: (0..count).map(|k| place(k, 7)).collect(),
            y: (0..count).map(|k| place(k, 11)).collect(),
            object: None,
        }
    }

    pub(super) fn write(&self, path: &Path) {
        let mut npz = NpzWriter::new(File::create(path).unwrap());
        npz.add_array("diff3d", &self.stack).unwrap();
        npz.add_array("xcoords", &Array1::from(self.x.clone()))
            .unwrap();
        npz.add_array("ycoords", &Array1::from(self.y.clone()))
            .unwrap();
        if let Some(shape) = self.object {
            let object = Array2::from_elem(shape, Complex32::new(1.0, 0.0));
            npz.add_array("objectGuess", &object).unwrap();
        }
        npz.finish().unwrap();
    }
}

const SMALL: [&str; 10] = [
    "--group-count",
    "4",
    "--batch-size",
    "2",
    "--nepochs",
    "1",
    "--group-limit",
    "2",
    "--threads",
    "1",
];

fn with_data(path: &Path) -> Vec<&str> {
    [&["--data", text(path)], &SMALL[..]].concat()
}

#[test]
fn misspelled_scenario_suggests_the_nearest_name() {
    let words = [
        "`gs2_idael`",
        "gs1_ideal, gs1_custom, gs2_ideal, gs2_custom",
        "Did you mean `gs2_ideal`?",
    ];
    Place::new().refused(2, &["--scenario", "gs2_idael"], &words);
}

#[test]
fn out_of_range_number_is_refused_with_the_range() {
    let place = Place::new();
    for (flag, value, words) in [
        ("--gridsize", "4", &["got 4", "need 1, 2 or 3"][..]),
        (
            "--batch-size",
            "0",
            &["--batch-size", "got 0", "at least 1"],
        ),
        ("--batch-size", "-3", &["--batch-size", "'-3'", "invalid"]),
        (
            "--nepochs",
            "99999999999999999999",
            &["--nepochs", "too large"],
        ),
        (
            "--nphotons",
            "-1",
            &["--nphotons", "got -1", "1e-30 to 1e30"],
        ),
        ("--nphotons", "0", &["--nphotons", "got 0", "1e-30 to 1e30"]),
        (
            "--nphotons",
            "nan",
            &["--nphotons", "got NaN", "1e-30 to 1e30"],
        ),
        (
            "--nphotons",
            "inf",
            &["--nphotons", "got inf", "1e-30 to 1e30"],
        ),
        ("--nphotons", "1e300", &["--nphotons", "1e-30 to 1e30"]),
        ("--nphotons", "1e-300", &["--nphotons", "1e-30 to 1e30"]),
        ("--nphotons", "many", &["--nphotons", "'many'"]),
        ("--probe-scale", "0", &["--probe-scale", "got 0", "above 0"]),
        (
            "--probe-scale",
            "-4",
            &["--probe-scale", "got -4", "above 0"],
        ),
        (
            "--split-fraction",
            "1",
            &["--split-fraction", "got 1", "above 0, below 1"],
        ),
        (
            "--split-fraction",
            "0",
            &["--split-fraction", "got 0", "above 0, below 1"],
        ),
        (
            "--split-fraction",
            "0.0001",
            &["--split-fraction", "at least one of each"],
        ),
        ("--buffer", "-1", &["--buffer", "got -1", "0 or more"]),
        ("--amp-vmax", "-1", &["--amp-vmax", "got -1", "above 0"]),
        ("--threads", "0", &["threads", "got 0", "1 to 1024"]),
        ("--seed", "-1", &["--seed", "'-1'"]),
        (
            "--object",
            "cheese",
            &["--object", "cheese", "lines, grf, points, diagonals"],
        ),
        (
            "--image-multiplier",
            "18446744073709551615",
            &["image_multiplier", "at most 4294967295"],
        ),
    ] {
        let args = ["--scenario", "gs1_ideal", flag, value];
        place.refused(2, &args, words);
    }
}

#[test]
fn too_many_groups_are_refused_with_the_maximum() {
    let tiny = ["--scenario", "gs1_ideal", "--base-total-images", "9"];
    let words = [
        "--group-count",
        "got 5 groups",
        "4 test positions",
        "The largest --group-count here is 4.",
    ];
    Place::new().refused(2, &[&tiny[..], &["--group-count", "5"]].concat(), &words);
    let args = [
        &tiny[..],
        &["--group-count", "4", "--group-multiplier", "2"],
    ]
    .concat();
    Place::new().refused(
        2,
        &args,
        &["8 groups", "The largest --group-count here is 2."],
    );
}

#[test]
fn too_few_neighbors_are_refused_with_the_minimum() {
    let args = [
        "--scenario",
        "gs2_ideal",
        "--base-total-images",
        "4",
        "--group-count",
        "6",
    ];
    let words = [
        "--neighbor-count",
        "got 2",
        "3 to 7",
        "Set --neighbor-count to 3.",
    ];
    Place::new().refused(2, &[&args[..], &["--neighbor-count", "2"]].concat(), &words);
}

#[test]
fn missing_custom_probe_is_refused_before_writing() {
    let words = [
        "custom probe",
        "--custom-probe, a file",
        "probeGuess",
        "--probe-mode idealized",
    ];
    Place::new().refused(2, &["--scenario", "gs1_custom"], &words);
}

#[test]
fn idealized_probe_conflicts_with_a_probe_file() {
    let args = ["--scenario", "gs1_ideal", "--custom-probe", "probe.npz"];
    let words = ["--probe-mode", "--custom-probe", "one of the two"];
    Place::new().refused(
        2,
        &[&args[..], &["--probe-mode", "idealized"]].concat(),
        &words,
    );
}

#[test]
fn probe_of_wrong_size_or_key_is_refused() {
    let place = Place::new();
    let file = place.path("probe.npz");
    let write = |key: &str, side: usize| {
        let mut npz = NpzWriter::new(File::create(&file).unwrap());
        let probe = Array2::from_elem((side, side), Complex32::new(1.0, 0.0));
        npz.add_array(key, &probe).unwrap();
        npz.finish().unwrap();
    };
    let args = ["--scenario", "gs1_custom", "--custom-probe", text(&file)];
    write("probeGuess", 32);
    place.refused(2, &args, &[text(&file), "(32, 32)", "(64, 64)"]);
    write("probe", 64);
    place.refused(2, &args, &[text(&file), "probeGuess"]);
}

#[test]
fn invalid_snapshot_is_refused_with_line_and_field() {
    let place = Place::new();
    let broken = place.file("broken.json", "{\n  \"run_params\": {,\n");
    let args = |path| ["--scenario", "mine", "--snapshot", path];
    place.refused(
        2,
        &args(text(&broken)),
        &[text(&broken), "line 2", "no JSON"],
    );
    let missing = place.file("missing.json", &SNAPSHOT.replace("\"nphotons\": 1e9,", ""));
    place.refused(
        2,
        &args(text(&missing)),
        &["missing field `nphotons`", text(&missing)],
    );
    let gone = place.path("gone.json");
    place.refused(
        2,
        &args(text(&gone)),
        &[text(&gone), "No such file", "built-in"],
    );
}

#[test]
fn unsupported_pattern_size_is_refused_with_the_supported_sizes() {
    let place = Place::new();
    let snapshot = place.file("n96.json", &SNAPSHOT.replace("\"N\": 64", "\"N\": 96"));
    let args = ["--scenario", "mine", "--snapshot", text(&snapshot)];
    place.refused(2, &args, &["96", "64, 128 or 256"]);
}

#[test]
fn missing_or_invalid_data_file_is_named() {
    let place = Place::new();
    let gone = place.path("gone.npz");
    place.refused(2, &with_data(&gone), &[text(&gone), "No such file"]);
    let letter = place.file("letter.npz", "Dear program,");
    place.refused(
        2,
        &with_data(&letter),
        &[text(&letter), "neither a zip archive nor HDF5"],
    );
    place.refused(2, &with_data(place.dir.path()), &[text(place.dir.path())]);
    let both = [&with_data(&gone)[..], &["--custom-object", text(&gone)]].concat();
    place.refused(2, &both, &["cannot be used with"]);
}

#[test]
fn nonfinite_pixel_is_named() {
    let place = Place::new();
    let file = place.path("data.npz");
    for (bad, said, code) in [
        (f32::NAN, "NaN", 3),
        (f32::INFINITY, "inf", 3),
        (-1.5, "-1.5", 2),
    ] {
        let mut data = Data::new(8);
        data.stack[[5, 17, 40]] = bad;
        data.write(&file);
        place.refused(
            code,
            &with_data(&file),
            &["diff3d", "pattern 5, row 17, col 40", said],
        );
    }
}

#[test]
fn inconsistent_shapes_are_refused() {
    let place = Place::new();
    let file = place.path("data.npz");
    let mut data = Data::new(8);
    data.x.pop();
    data.write(&file);
    place.refused(
        2,
        &with_data(&file),
        &["diff3d", "(8, 64, 64)", "(7, N, N)"],
    );
    let mut data = Data::new(8);
    data.y.pop();
    data.write(&file);
    place.refused(2, &with_data(&file), &["ycoords", "7 entries", "need 8"]);
    let mut data = Data::new(8);
    data.stack = Array3::ones((8, 64, 62));
    data.write(&file);
    place.refused(2, &with_data(&file), &["(8, 64, 62)"]);
    let mut data = Data::new(8);
    data.stack = Array3::ones((8, 32, 32));
    data.write(&file);
    place.refused(2, &with_data(&file), &["32", "64, 128 or 256"]);
}

#[test]
fn single_pattern_cannot_be_split() {
    let place = Place::new();
    let file = place.path("data.npz");
    Data::new(1).write(&file);
    place.refused(
        2,
        &with_data(&file),
        &[
            "--split-fraction",
            "1 images",
            "at least one of each",
            "--split none",
        ],
    );
}

#[test]
fn single_unsplit_pattern_is_trained_and_inferred() {
    let place = Place::new();
    let file = place.path("data.npz");
    Data::new(1).write(&file);
    let hub = place.path("hub");
    let short = ["--nepochs", "1", "--batch-size", "1", "--threads", "1"];
    let all = ["--split", "none", "--split-fraction", "0.5"];
    let args = ["run", "--data", text(&file), "-o", text(&hub)];
    let done = said(args.into_iter().chain(short).chain(all));
    assert!(done.code == 0 || done.code == 3, "{done:#?}");
    let log = fs::read_to_string(hub.join("runner.log")).unwrap();
    assert!(
        log.contains("groups: 1 to train on, 1 to infer, of the same positions"),
        "{log}"
    );
    assert!(log.contains("split_fraction = 0.5: has no effect"), "{log}");
    place.refused(
        2,
        &[&with_data(&file)[..], &["--split", "some"]].concat(),
        &["some", "halves, none"],
    );
}

#[test]
fn nonfinite_positions_are_refused_with_their_index() {
    let place = Place::new();
    let file = place.path("data.npz");
    let mut data = Data::new(8);
    data.y[3] = f64::NAN;
    data.write(&file);
    place.refused(
        3,
        &with_data(&file),
        &["coords", "3", "NaN", "finite coordinates"],
    );
}

#[test]
fn positions_in_meters_are_refused() {
    let place = Place::new();
    let file = place.path("data.npz");
    let mut data = Data::new(8);
    data.x[3] = 1e6;
    data.write(&file);
    // found once the groups are drawn, so the hub has begun
    let words = [
        "largest offset",
        "1000000",
        "object pixels",
        "hub.partial/blocked_",
    ];
    place.run(&with_data(&file)).ended(2, &words);
    assert_eq!(names(place.dir.path()), ["data.npz", "hub.partial"]);
}

#[test]
fn positions_outside_the_object_are_counted_and_the_first_is_named() {
    let place = Place::new();
    let file = place.path("data.npz");
    let mut data = Data::new(8);
    data.object = Some((100, 90));
    data.x[3] = 90.0;
    data.y[6] = -0.5;
    data.write(&file);
    let words = [
        "position 3",
        "x = 90",
        "2 of 8 positions outside the object",
        "0 <= y < 100",
    ];
    place.refused(2, &with_data(&file), &words);
    let mismatch = "2 of 8 positions are outside the object of 100 x 90 pixels";
    let found = said(["inspect", text(&file)]);
    found.ended(1, &[]);
    assert!(found.out.contains(mismatch), "{found:#?}");
}

#[test]
fn zero_and_overflowing_patterns_are_refused() {
    let place = Place::new();
    let file = place.path("data.npz");
    let mut data = Data::new(8);
    data.stack.fill(0.0);
    data.write(&file);
    place.refused(
        4,
        &with_data(&file),
        &["diff3d", "zero in every pixel of all 8 patterns"],
    );
    // whole as every number of this size is, and so no counts
    data.stack.fill(1e30);
    data.write(&file);
    place.refused(2, &with_data(&file), &["nphotons", "e63", "1e-30 to 1e30"]);
}

#[test]
fn single_dark_pattern_is_accepted() {
    let place = Place::new();
    let file = place.path("data.npz");
    let mut data = Data::new(8);
    data.stack.index_axis_mut(Axis(0), 2).fill(0.0);
    data.write(&file);
    place.run(&with_data(&file)).ended(0, &[]);
}

#[test]
fn pattern_last_axis_order_is_accepted_with_a_note() {
    let place = Place::new();
    let file = place.path("turned.npz");
    let mut data = Data::new(8);
    data.stack = data
        .stack
        .permuted_axes([1, 2, 0])
        .as_standard_layout()
        .into_owned();
    data.write(&file);
    place
        .run(&with_data(&file))
        .ended(0, &["transposed to (8, 64, 64)"]);
    let text = fs::read_to_string(place.hub.join("run_metadata.json")).unwrap();
    let metadata: Value = serde_json::from_str(&text).unwrap();
    let notes = metadata["data_notes"].as_array().unwrap();
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0]
            .as_str()
            .unwrap()
            .contains("(64, 64, 8), with the pattern axis last"),
        "{notes:?}"
    );
    assert_eq!(metadata["scenario"], "turned");
    // without a truth there is nothing to compare with
    assert!(!place.hub.join("comparison_metrics.json").exists());
}

#[test]
fn file_options_need_a_file_and_scan_seed_needs_a_scan() {
    let p = Place::new();
    let scenario = ["--scenario", "gs1_ideal"];
    for told in [
        &["--unit", "counts"][..],
        &["--energy", "8000"],
        &["--probe-moves"],
    ] {
        p.refused(2, &[&scenario[..], told].concat(), &["without --data"]);
        said([&["canvas-check"][..], &scenario, told].concat()).ended(2, &["without --data"]);
    }
    let path = p.path("a.npz");
    Data::new(12).write(&path);
    let seeded = [&with_data(&path)[..], &["--sim-seed", "4"]].concat();
    p.refused(2, &seeded, &["--sim-seed", "--data as well"]);
    let out = p.path("page");
    let idle = ["--data", text(&path), "--buffer", "5", "-o", text(&out)];
    said([&["compare"][..], &idle].concat()).ended(2, &["--buffer", "--data as well"]);
    assert!(!out.exists());
}

#[test]
fn object_options_need_a_simulated_object() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    super::scan::SMALL.write(&at("a.npz"));
    let (data, object, out) = (at("a.npz"), at("o.npy"), at("hub"));
    let image = Array2::from_elem((200, 200), Complex32::new(1.0, 0.0));
    ndarray_npy::write_npy(&object, &image).unwrap();
    let scenario = ["--scenario", "gs1_ideal"];
    for (args, named) in [
        (
            vec!["--data", text(&data), "--object", "grf"],
            ["--object", "--data"],
        ),
        (
            vec!["--data", text(&data), "--buffer", "3"],
            ["--buffer", "--data"],
        ),
        (
            vec!["--data", text(&data), "--object-phase"],
            ["--object-phase", "--data"],
        ),
        (
            [
                &scenario[..],
                &["--custom-object", text(&object), "--object", "grf"],
            ]
            .concat(),
            ["--object", "--custom-object"],
        ),
    ] {
        let run = ["run", "-o", text(&out)].into_iter().chain(args);
        said(run).ended(2, &named);
        assert!(!out.exists());
    }
}
