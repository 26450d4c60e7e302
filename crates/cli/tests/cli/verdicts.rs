//! Every command on input that is not finite, empty, missing, mismatched or there twice: what it says, and its exit code.
//!
//! One table of commands, one set of inputs. With `PTYPROOF_BLESS` set the transcripts go to `docs/verdict_transcripts.md`; without,
//! that page must have each command with its code.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayD, s};
use ndarray_npy::WriteNpyExt;
use num_complex::Complex32;
use ptyproof::hub::manifest::Manifest;
use ptyproof::io::npz::{Values, named_arrays, read_array, read_object};

use super::diff::{AMPLITUDE, copy, edit, json};
use super::scan::{SMALL, Scan};
use super::{Said, run, said, text};

/// A command on an input, and how it must end.
struct Case {
    /// What is wrong with the input, or that nothing is.
    input: &'static str,
    /// The command line; `@name` is a file of the folder.
    command: &'static str,
    code: i32,
    /// What it must say, on either stream.
    words: &'static [&'static str],
}

const fn case(
    input: &'static str,
    command: &'static str,
    code: i32,
    words: &'static [&'static str],
) -> Case {
    Case {
        input,
        command,
        code,
        words,
    }
}

const CASES: &[Case] = &[
    // score
    case(
        "good",
        "score @near.npy --truth @truth.npy --at-most nrmse=0.05",
        0,
        &["holds: nrmse", "1764 of 1764 pixels"],
    ),
    case(
        "good, gate too tight",
        "score @near.npy --truth @truth.npy --at-most nrmse=1e-9",
        1,
        &["FAILS: nrmse"],
    ),
    case(
        "half NaN",
        "score @half.npy --truth @truth.npy --at-most nrmse=0.05",
        3,
        &[
            "882 of 1764 pixels are not finite",
            "row 0, column 0",
            "UNDECIDED: nrmse",
            "known",
        ],
    ),
    case(
        "one NaN",
        "score @one.npy --truth @truth.npy --at-most nrmse=0.05",
        3,
        &[
            "1 of 1764 pixels are not finite",
            "row 20, column 21",
            "NOT FINITE: nrmse",
        ],
    ),
    case(
        "four rows infinite",
        "score @inf.npy --truth @truth.npy --at-most nrmse=0.05",
        3,
        &["168 infinite", "rows 10 to 13"],
    ),
    case(
        "truth half NaN",
        "score @truth.npy --truth @half.npy --at-most nrmse=0.05",
        3,
        &["the truth: 882 of 1764"],
    ),
    case(
        "no pixel",
        "score @empty.npy --truth @truth.npy --at-most nrmse=0.05",
        4,
        &["UNDECIDED: nrmse", "0 of 1764"],
    ),
    case(
        "another shape",
        "score @small.npy --truth @truth.npy --at-most nrmse=0.05",
        4,
        &["UNDECIDED: nrmse", "middle on middle"],
    ),
    case(
        "a truth without light",
        "score @truth.npy --truth @zeros.npy --at-most nrmse=0.05",
        4,
        &["the ground truth is zero"],
    ),
    case(
        "a gate without its data",
        "score @near.npy --truth @truth.npy --at-most r_factor=0.1",
        4,
        &["UNDECIDED: r_factor", "no patterns"],
    ),
    case(
        "missing",
        "score @near.npy --truth @gone.npy",
        2,
        &["gone.npy"],
    ),
    case(
        "no truth at all",
        "score @near.npy",
        2,
        &["neither a truth nor patterns"],
    ),
    case(
        "hub with NaN",
        "score @engine_nan --data @scan.npz --at-most nrmse=0.5",
        3,
        &["not finite: the reconstruction"],
    ),
    case(
        "hub, good",
        "score @engine --data @scan.npz --at-most nrmse=0.5",
        0,
        &["holds: nrmse", "the middle of the scan"],
    ),
    // history
    case(
        "good",
        "history @good.json",
        0,
        &["Checked 1 metric, 3 values"],
    ),
    case(
        "NaN",
        "history @nan.json",
        3,
        &["NaN/inf detected in metrics: loss"],
    ),
    case(
        "ends in null",
        "history @null_end.json",
        3,
        &["Missing values at the end", "loss (2)"],
    ),
    case(
        "null in the middle",
        "history @null_middle.json",
        0,
        &["warning", "1 missing values were left out"],
    ),
    case(
        "null in the middle, --strict",
        "history @null_middle.json --strict",
        1,
        &["--strict"],
    ),
    case(
        "only null",
        "history @null_all.json",
        4,
        &["no metric has a value"],
    ),
    case(
        "an empty list",
        "history @empty_list.json",
        4,
        &["no metric has a value"],
    ),
    case(
        "no metric",
        "history @no_metric.json",
        4,
        &["no numeric series"],
    ),
    case(
        "one metric of two empty",
        "history @half_empty.json",
        4,
        &["without a value: val"],
    ),
    case("a list", "history @list.json", 4, &["a JSON list"]),
    case("empty file", "history @empty.json", 4, &["an empty file"]),
    case(
        "a header alone",
        "history @header.csv",
        4,
        &["a header without rows"],
    ),
    case(
        "cells that stay empty",
        "history @lost.csv",
        3,
        &["NaN/inf detected in metrics: loss"],
    ),
    case(
        "rows that measured something else",
        "history @lightning.csv",
        0,
        &["Checked 2 metrics, 5 values"],
    ),
    case(
        "series of different lengths",
        "history @lengths.json",
        0,
        &["warning", "val has 2 values, loss has 3"],
    ),
    case("a metric twice", "history @twice.json", 2, &["twice"]),
    case("cut short", "history @cut.json", 2, &["cut.json"]),
    case("missing", "history @gone.json", 2, &["gone.json"]),
    // inspect
    case("good", "inspect @scan.npz", 0, &["checked"]),
    case("a NaN pixel", "inspect @scan_nan.npz", 3, &["NOT FINITE"]),
    case(
        "a NaN position",
        "inspect @scan_nan_position.npz",
        3,
        &["NOT FINITE"],
    ),
    case(
        "a NaN probe",
        "inspect @scan_nan_probe.npz",
        3,
        &["probeGuess"],
    ),
    case(
        "no light",
        "inspect @scan_black.npz",
        1,
        &["all 25 patterns are zero"],
    ),
    case(
        "frames without light",
        "inspect @scan_dark.npz",
        0,
        &["warning: 5 of 25 patterns have no light"],
    ),
    case(
        "no pattern",
        "inspect @scan_empty.npz",
        2,
        &["at least one non-empty pattern"],
    ),
    case(
        "a probe of another size",
        "inspect @scan_probe.npz",
        1,
        &["MISMATCH", "16 x 16 but a probe of 8 x 8"],
    ),
    case(
        "positions too few",
        "inspect @scan_less.npz",
        2,
        &["xcoords of (24,)"],
    ),
    case(
        "an array twice",
        "inspect @scan_twice.npz",
        2,
        &["two arrays with this name"],
    ),
    case("missing", "inspect @gone.npz", 2, &["gone.npz"]),
    // doctor
    case(
        "a NaN pixel",
        "doctor @scan_nan.npz",
        3,
        &["values are not finite"],
    ),
    case(
        "no light",
        "doctor @scan_black.npz",
        1,
        &["all patterns are zero"],
    ),
    case(
        "one pattern",
        "doctor @scan_one.npz",
        4,
        &["no trial could run", "the trials are undecided"],
    ),
    case(
        "no patterns in the file",
        "doctor @product.h5",
        4,
        &["this file has no diffraction patterns"],
    ),
    case(
        "an array twice",
        "doctor @scan_twice.npz",
        2,
        &["two arrays with this name"],
    ),
    case(
        "a probe of another size",
        "doctor @scan_probe.npz",
        1,
        &["mismatch: patterns of 16 x 16 but a probe of 8 x 8"],
    ),
    // limits
    case("good", "canvas-check --scenario gs1_ideal", 0, &["fits"]),
    case(
        "too small",
        "canvas-check --scenario gs2_ideal --legacy-canvas",
        1,
        &["**no**"],
    ),
    case(
        "a NaN position",
        "canvas-check --data @scan_nan_position.npz --group-count 4",
        3,
        &["NaN"],
    ),
    case(
        "one pattern",
        "canvas-check --data @scan_one.npz --group-count 1 --reassemble-m 8",
        2,
        &["at least one of each"],
    ),
    case(
        "an array twice",
        "canvas-check --data @scan_twice.npz",
        2,
        &["two arrays with this name"],
    ),
    // convert
    case(
        "good",
        "convert @scan.npz @converted.npz",
        0,
        &["25 patterns, 25 positions"],
    ),
    case(
        "a NaN position",
        "convert @scan_nan_position.npz @converted_nan.npz",
        3,
        &["warning", "1 of 25 positions are not finite"],
    ),
    case(
        "a NaN pixel",
        "convert @scan_nan.npz @converted_pixel.npz",
        3,
        &["NaN"],
    ),
    case(
        "an array twice",
        "convert @scan_twice.npz @converted_twice.npz",
        2,
        &["two arrays with this name"],
    ),
    case(
        "missing",
        "convert @gone.npz @converted_gone.npz",
        2,
        &["gone.npz"],
    ),
    case(
        "nowhere to write",
        "convert @scan.npz @no/folder/out.npz",
        74,
        &["no/folder/out.npz"],
    ),
    // reconstruct
    case(
        "good",
        "reconstruct @scan.npz --engine rpie --iterations 3 -q -o @r_good",
        0,
        &[],
    ),
    case(
        "a NaN pixel",
        "reconstruct @scan_nan.npz --engine rpie --iterations 3 -q -o @r_nan",
        3,
        &["pattern 3, row 4, col 5: got NaN"],
    ),
    case(
        "frames without light",
        "reconstruct @scan_dark.npz --engine rpie --iterations 3 -q -o @r_dark",
        0,
        &["5 of 25 patterns have no light"],
    ),
    case(
        "frames without light, --strict",
        "reconstruct @scan_dark.npz --engine rpie --iterations 3 -q --strict -o @r_strict",
        1,
        &["5 of 25 patterns have no light", "--strict"],
    ),
    case(
        "frames without light, and an engine that they upset",
        "reconstruct @scan_blinking.npz --engine epie --iterations 20 -q -o @r_epie",
        1,
        &["the reconstruction explains nothing"],
    ),
    case(
        "no light",
        "reconstruct @scan_black.npz --engine rpie --iterations 3 -q -o @r_black",
        4,
        &["zero in every pixel"],
    ),
    case(
        "an array twice",
        "reconstruct @scan_twice.npz --engine rpie --iterations 3 -q -o @r_twice",
        2,
        &["two arrays with this name"],
    ),
    case(
        "an output that is there",
        "reconstruct @scan.npz --engine rpie --iterations 3 -q -o @engine",
        2,
        &["never overwritten"],
    ),
    // run
    case(
        "too bright",
        "run --scenario gs1_ideal --base-total-images 8 --group-count 4 --batch-size 2 --group-limit 2 --threads 1 --nepochs 1 --nphotons 1e30 --seed 2 -q -o @n_bright",
        3,
        &["first non-finite event"],
    ),
    case(
        "a NaN pixel",
        "run --data @scan_nan.npz --nepochs 1 -q -o @n_nan",
        3,
        &["got NaN"],
    ),
    case(
        "an array twice",
        "run --data @scan_twice.npz --nepochs 1 -q -o @n_twice",
        2,
        &["two arrays with this name"],
    ),
    case(
        "missing",
        "run --data @gone.npz --nepochs 1 -q -o @n_gone",
        2,
        &["gone.npz"],
    ),
    // compare
    case(
        "a NaN pixel",
        "compare --data @scan_nan.npz -q -o @c_nan",
        3,
        &["got NaN"],
    ),
    case(
        "an output that is there",
        "compare --data @scan.npz -q -o @engine",
        2,
        &["there already"],
    ),
    // hub verify
    case("good", "hub verify @hub", 0, &["whole", "values read"]),
    case(
        "NaN in the amplitude",
        "hub verify @hub_nan",
        3,
        &["amplitude.npy", "1 of", "row 2, column 3"],
    ),
    case(
        "NaN, and a file changed",
        "hub verify @hub_nan_changed",
        3,
        &["differs from the manifest"],
    ),
    case(
        "a file changed",
        "hub verify @hub_changed",
        1,
        &["differs from the manifest"],
    ),
    case(
        "nothing covered",
        "hub verify @hub_zero",
        1,
        &["no pixel is covered"],
    ),
    case("a key twice", "hub verify @hub_twice", 1, &["twice"]),
    case(
        "a metric shorter than its epochs",
        "hub verify @hub_short",
        1,
        &["values for 1 epochs"],
    ),
    case("empty", "hub verify @hub_empty", 2, &["an empty directory"]),
    case("missing", "hub verify @gone", 2, &["gone"]),
    // hub diff
    case("good", "hub diff @hub @hub", 0, &["verdict: agrees, of"]),
    case(
        "NaN in one",
        "hub diff @hub @hub_nan",
        3,
        &["finite in one only"],
    ),
    case(
        "the same NaN in both",
        "hub diff @hub_nan @hub_nan",
        3,
        &["not finite in both", "row 2, column 3"],
    ),
    case(
        "the same NaN in both, as wanted",
        "hub diff @hub_nan @hub_nan --nan-as-golden",
        0,
        &["verdict: agrees"],
    ),
    case(
        "probes of other shapes",
        "hub diff @engine @engine_probe",
        1,
        &["probe.npy: shape", "[1, 16, 16] and [1, 8, 8]"],
    ),
    case(
        "probes with other values",
        "hub diff @engine @engine_power",
        1,
        &["probe.npy: modes"],
    ),
    case(
        "another element type",
        "hub diff @hub @hub_wide",
        1,
        &["amplitude.npy: dtype", "<f4 and <f8"],
    ),
    case(
        "nothing covered in both",
        "hub diff @hub_zero @hub_zero",
        4,
        &["not compared"],
    ),
    case(
        "nothing in common",
        "hub diff @notes @notes",
        4,
        &["not compared"],
    ),
    case(
        "empty",
        "hub diff @hub @hub_empty",
        2,
        &["an empty directory"],
    ),
    case("a key twice", "hub diff @hub @hub_twice", 2, &["twice"]),
    // hub bless
    case(
        "NaN",
        "hub bless @hub_nan --golden @golden --reason why",
        3,
        &["--nan-as-golden"],
    ),
    case(
        "changed",
        "hub bless @hub_changed --golden @golden --reason why",
        2,
        &["a whole hub"],
    ),
    // chain
    case(
        "good",
        "scale-audit @hub",
        0,
        &["energies checked, all conserve energy"],
    ),
    case(
        "NaN in the amplitude",
        "scale-audit @hub_nan",
        3,
        &["values are not finite", "1 pixels"],
    ),
    case(
        "no hub",
        "scale-audit @hub_empty",
        2,
        &["run_metadata.json"],
    ),
    case("missing", "scale-audit @gone", 2, &["gone"]),
    // replay
    case(
        "nothing happened",
        "replay @hub",
        2,
        &["no nonfinite_event.json"],
    ),
    case("missing", "replay @gone", 2, &["gone"]),
    case("an event", "replay @n_bright", 0, &["verdict: the same"]),
    // scenarios
    case("good", "scenarios", 0, &["gs1_ideal"]),
    case(
        "no scenario",
        "scenarios --snapshot @no_scenario.json",
        2,
        &["at least one"],
    ),
    case(
        "missing",
        "scenarios --snapshot @gone.json",
        2,
        &["gone.json"],
    ),
];

fn image(path: &Path, a: &Array2<Complex32>) {
    a.write_npy(fs::File::create(path).unwrap()).unwrap();
}

/// The scan of a file with some of its arrays changed.
fn changed(from: &Path, to: &Path, change: impl Fn(&str, ArrayD<f32>) -> ArrayD<f32>) {
    let mut all = Vec::new();
    for key in ["diffraction", "xcoords", "ycoords"] {
        let stored = if key == "diffraction" { "diff3d" } else { key };
        let Values::Real(a) = read_array(from, stored).unwrap() else {
            panic!("{key} is real");
        };
        all.push((key, Values::Real(change(key, a))));
    }
    all.push(("probeGuess", read_array(from, "probeGuess").unwrap()));
    fs::write(to, named_arrays(&all).unwrap()).unwrap();
}

/// Where every fifth pattern has no light, the dark ones of neighboring rows are not below one another: each step of ePIE there
/// upsets its neighbors.
const BLINKING: Scan = Scan { side: 6, ..SMALL };

/// Every fifth pattern without light.
fn without_light(key: &str, mut a: ArrayD<f32>) -> ArrayD<f32> {
    if key == "diffraction" {
        a.slice_mut(s![..;5, .., ..]).fill(0.0);
    }
    a
}

fn scans(at: &dyn Fn(&str) -> PathBuf) {
    let scan = at("scan.npz");
    SMALL.write(&scan);
    let patterns = |to: &str, edit: &dyn Fn(&mut ArrayD<f32>)| {
        changed(&scan, &at(to), |key, mut a| {
            if key == "diffraction" {
                edit(&mut a);
            }
            a
        });
    };
    patterns("scan_nan.npz", &|a| a[[3, 4, 5]] = f32::NAN);
    patterns("scan_black.npz", &|a| a.fill(0.0));
    changed(&scan, &at("scan_dark.npz"), without_light);
    BLINKING.write(&at("whole.npz"));
    changed(&at("whole.npz"), &at("scan_blinking.npz"), without_light);
    changed(&scan, &at("scan_nan_position.npz"), |key, mut a| {
        if key == "xcoords" {
            a[[2]] = f32::NAN;
        }
        a
    });
    let first = |count: usize, which: &'static [&'static str]| {
        move |key: &str, a: ArrayD<f32>| {
            if which.contains(&key) {
                a.slice_axis(ndarray::Axis(0), (..count).into()).to_owned()
            } else {
                a
            }
        }
    };
    let all = &["diffraction", "xcoords", "ycoords"];
    changed(&scan, &at("scan_empty.npz"), first(0, all));
    changed(&scan, &at("scan_one.npz"), first(1, all));
    changed(
        &scan,
        &at("scan_less.npz"),
        first(24, &["xcoords", "ycoords"]),
    );
    let probe = |to: &str, change: &dyn Fn(ArrayD<Complex32>) -> ArrayD<Complex32>| {
        let mut arrays: Vec<(&str, Values)> = ["diff3d", "xcoords", "ycoords"]
            .map(|key| (key, read_array(&scan, key).unwrap()))
            .into();
        let Values::Complex(p) = read_array(&scan, "probeGuess").unwrap() else {
            panic!("a probe is complex");
        };
        arrays.push(("probeGuess", Values::Complex(change(p))));
        fs::write(at(to), named_arrays(&arrays).unwrap()).unwrap();
    };
    probe("scan_nan_probe.npz", &|mut p| {
        p[[0, 0]].im = f32::NAN;
        p
    });
    probe("scan_probe.npz", &|p| {
        p.slice(s![4..12, 4..12]).to_owned().into_dyn()
    });
    // two arrays of one name: the library that writes archives refuses them, so a name of the same length becomes another's
    let xs = read_array(&scan, "xcoords").unwrap();
    let mut arrays: Vec<(&str, Values)> = ["diff3d", "xcoords", "ycoords", "probeGuess"]
        .map(|key| (key, read_array(&scan, key).unwrap()))
        .into();
    arrays.push(("zcoords", xs));
    let mut bytes = named_arrays(&arrays).unwrap();
    let name = b"zcoords.npy";
    let places: Vec<usize> = (0..bytes.len() - name.len())
        .filter(|k| bytes[*k..].starts_with(name))
        .collect();
    assert_eq!(places.len(), 2, "in its own header, and in the directory");
    places.into_iter().for_each(|k| bytes[k] = b'x');
    fs::write(at("scan_twice.npz"), bytes).unwrap();
}

fn images(at: &dyn Fn(&str) -> PathBuf) {
    let truth = read_object(at("scan.npz")).unwrap();
    let truth = truth.slice(s![..42, ..42]).to_owned();
    let with = |name: &str, change: &dyn Fn(&mut Array2<Complex32>)| {
        let mut a = truth.clone();
        change(&mut a);
        image(&at(name), &a);
    };
    with("truth.npy", &|_| {});
    with("near.npy", &|a| {
        for ((r, c), z) in a.indexed_iter_mut() {
            *z *= 1.0 + 0.01 * ((7 * r + 3 * c) as f32).sin();
        }
    });
    let nan = Complex32::new(f32::NAN, f32::NAN);
    with("half.npy", &|a| a.slice_mut(s![..21, ..]).fill(nan));
    with("one.npy", &|a| a[[20, 21]].im = f32::NAN);
    with("inf.npy", &|a| {
        a.slice_mut(s![10..14, ..])
            .fill(Complex32::from(f32::INFINITY));
    });
    with("zeros.npy", &|a| a.fill(Complex32::ZERO));
    image(&at("empty.npy"), &truth.slice(s![..0, ..]).to_owned());
    image(&at("small.npy"), &truth.slice(s![5..35, 5..35]).to_owned());
}

fn histories(at: &dyn Fn(&str) -> PathBuf) {
    for (name, words) in [
        ("good.json", r#"{"loss":[3,2,1]}"#),
        ("nan.json", r#"{"loss":[3,NaN,1]}"#),
        ("null_end.json", r#"{"loss":[1.0,null,null]}"#),
        ("null_middle.json", r#"{"loss":[3,null,1]}"#),
        ("null_all.json", r#"{"loss":[null,null]}"#),
        ("empty_list.json", r#"{"loss":[]}"#),
        ("no_metric.json", r#"{"name":"x","epochs":[0,1]}"#),
        ("half_empty.json", r#"{"loss":[2,1],"val":[]}"#),
        ("lengths.json", r#"{"loss":[3,2,1],"val":[3,2]}"#),
        ("list.json", "[1, 2]"),
        ("empty.json", ""),
        ("twice.json", r#"{"loss":[1],"loss":[2]}"#),
        ("cut.json", r#"{"loss":[1,"#),
        ("header.csv", "epoch,loss\n"),
        ("lost.csv", "epoch,loss,lr\n0,1,.1\n1,.5,.1\n2,,.1\n3,,.1\n"),
        (
            "lightning.csv",
            "epoch,step,train,val\n0,49,2.5,\n0,99,2,\n0,99,,1.5\n1,149,1,\n1,199,,1.25\n",
        ),
        (
            "no_scenario.json",
            &super::input::SNAPSHOT.replace(
                &super::input::SNAPSHOT[super::input::SNAPSHOT.find('[').unwrap()
                    ..super::input::SNAPSHOT.rfind(']').unwrap()],
                "[",
            ),
        ),
    ] {
        fs::write(at(name), words).unwrap();
    }
}

/// A copy of a hub with something changed, before or after its manifest was written.
fn corrupted(from: &Path, to: &Path, sealed: bool, change: impl Fn(&Path)) {
    copy(from, to);
    change(to);
    if sealed {
        Manifest::of(to).unwrap().write(to).unwrap();
    }
}

fn hubs(at: &dyn Fn(&str) -> PathBuf) {
    let hub = at("hub");
    run(&hub, 1, &[]);
    let nan = |h: &Path| edit(&h.join(AMPLITUDE), |a| a[[2, 3]] = f32::NAN);
    let log = |h: &Path| fs::write(h.join("runner.log"), "another").unwrap();
    corrupted(&hub, &at("hub_nan"), true, nan);
    corrupted(&hub, &at("hub_nan_changed"), true, nan);
    log(&at("hub_nan_changed"));
    corrupted(&hub, &at("hub_changed"), false, log);
    corrupted(&hub, &at("hub_zero"), true, |h| {
        edit(&h.join(AMPLITUDE), |a| a.fill(0.0));
    });
    let twice = |h: &Path| {
        let path = h.join("train_outputs/history.json");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replacen('{', "{\"epochs\": [0.0],", 1)).unwrap();
    };
    corrupted(&hub, &at("hub_twice"), true, twice);
    corrupted(&hub, &at("hub_short"), true, |h| {
        json(&h.join("train_outputs/history.json"), |v| {
            v["metrics"]["loss"] = serde_json::json!([]);
        });
    });
    corrupted(&hub, &at("hub_wide"), true, |h| {
        let a: Array2<f32> = ndarray_npy::read_npy(h.join(AMPLITUDE)).unwrap();
        ndarray_npy::write_npy(h.join(AMPLITUDE), &a.mapv(f64::from)).unwrap();
    });
    for (folder, file) in [("hub_empty", None), ("notes", Some("notes.txt"))] {
        fs::create_dir(at(folder)).unwrap();
        if let Some(file) = file {
            fs::write(at(folder).join(file), "nothing").unwrap();
        }
    }
    let (engine, scan) = (at("engine"), at("scan.npz"));
    let made = [
        "reconstruct",
        text(&scan),
        "--engine",
        "epie",
        "--iterations",
        "40",
        "-q",
        "-o",
        text(&engine),
    ];
    said(made).ended(0, &[]);
    corrupted(&engine, &at("engine_nan"), true, |h| {
        edit(&h.join(AMPLITUDE), |a| a[[12, 13]] = f32::INFINITY);
    });
    let probe = "inference_outputs/probe.npy";
    let read =
        |h: &Path| ndarray_npy::read_npy::<_, ndarray::Array3<Complex32>>(h.join(probe)).unwrap();
    corrupted(&engine, &at("engine_probe"), true, |h| {
        let p = read(h).slice(s![.., 4..12, 4..12]).to_owned();
        ndarray_npy::write_npy(h.join(probe), &p).unwrap();
    });
    corrupted(&engine, &at("engine_power"), true, |h| {
        let p = read(h).mapv(|z| z * 1.5);
        ndarray_npy::write_npy(h.join(probe), &p).unwrap();
    });
    let product = ptyproof_testkit::repository().join("fuzz/corpus/product/generation1.h5");
    fs::copy(product, at("product.h5")).unwrap();
}

/// The lines of both streams that a page shows: the first and the last.
fn shown(done: &Said, folder: &str) -> String {
    const LINES: usize = 5;
    let all = format!("{}{}", done.err, done.out).replace(folder, "");
    let lines: Vec<&str> = all.lines().filter(|l| !l.trim().is_empty()).collect();
    let mut out = String::new();
    for (k, line) in lines.iter().enumerate() {
        if k < LINES || k + LINES >= lines.len() {
            // a log line without its time
            let timed = (line.trim_start().split_once("s "))
                .filter(|(t, _)| line.starts_with(' ') && t.parse::<f64>().is_ok());
            let line = timed.map_or(*line, |(_, rest)| rest);
            let _ = writeln!(out, "{}", line.trim_end());
        } else if k == LINES {
            out.push_str("...\n");
        }
    }
    out
}

#[test]
fn every_command_reports_undecided_cases() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    scans(&at);
    images(&at);
    histories(&at);
    hubs(&at);
    let page = ptyproof_testkit::repository().join("docs/verdict_transcripts.md");
    let committed = fs::read_to_string(&page).unwrap_or_default();
    let mut transcript = String::from(
        "# What each command says of NaN, nothing and mismatches\n\n\
         Written by `PTYPROOF_BLESS=1 cargo test --test cli verdicts`, which holds every command to its exit code and its words. \
         [verdicts.md](verdicts.md) says what each verdict looks at. Long outputs are cut in the middle (`...`).\n",
    );
    let (mut wrong, mut before) = (Vec::new(), "");
    for c in CASES {
        let words = c.command.split(' ').map(|w| match w.strip_prefix('@') {
            Some(name) => text(&at(name)).to_owned(),
            None => w.to_owned(),
        });
        let done = said(words);
        let both = format!("{}{}", done.out, done.err);
        let missing: Vec<&&str> = c.words.iter().filter(|w| !both.contains(**w)).collect();
        if done.code != c.code || !missing.is_empty() || both.contains("panicked") {
            wrong.push(format!(
                "{} ({}): code {} for {}, not said: {missing:?}\n{both}",
                c.command, c.input, done.code, c.code
            ));
        }
        let name = c
            .command
            .split(' ')
            .take(if c.command.starts_with("hub") { 2 } else { 1 });
        let name = name.collect::<Vec<_>>().join(" ");
        if !before.starts_with(&name) || before.split(' ').next() != c.command.split(' ').next() {
            let _ = write!(transcript, "\n## {name}\n");
        }
        before = c.command;
        let command = c.command.replace('@', "");
        let entry = format!("$ ptyproof {command}");
        let _ = write!(
            transcript,
            "\n{}:\n\n```\n{entry}\n{}exit code {}\n```\n",
            c.input,
            shown(&done, &format!("{}/", text(dir.path()))),
            c.code
        );
        let kept = committed.split("```").any(|block| {
            let lines: Vec<&str> = block.trim().lines().collect();
            lines.first() == Some(&entry.as_str())
                && lines.last() == Some(&format!("exit code {}", c.code).as_str())
        });
        if !kept && std::env::var_os("PTYPROOF_BLESS").is_none() {
            wrong.push(format!(
                "docs/verdict_transcripts.md lacks: {entry}, exit code {}",
                c.code
            ));
        }
    }
    if std::env::var_os("PTYPROOF_BLESS").is_some() {
        fs::write(&page, transcript).unwrap();
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        CASES.len(),
        wrong.join("\n\n")
    );
}

#[test]
fn engine_with_residual_above_one_fails_and_so_does_its_hub() {
    // ePIE on frames without light: the exit waves of the others grow without bound
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    BLINKING.write(&at("scan.npz"));
    changed(&at("scan.npz"), &at("dark.npz"), without_light);
    let (data, hub) = (at("dark.npz"), at("hub"));
    let args = [
        "reconstruct",
        text(&data),
        "--engine",
        "epie",
        "--iterations",
        "20",
    ];
    let done = said(args.iter().chain(&["-q", "-o", text(&hub)]));
    done.ended(
        1,
        &[
            "8 of 36 patterns have no light",
            "the reconstruction explains nothing",
        ],
    );
    let stored = super::json(&hub.join("inference_outputs/residuals.json"));
    assert!(stored["residual"].as_f64().unwrap() > 1.0, "{stored}");
    let each = stored["per_pattern"].as_array().unwrap();
    assert_eq!(each.iter().filter(|v| v.is_null()).count(), 8, "{stored}");
    assert_eq!(
        (&stored["patterns"], &stored["patterns_without_light"]),
        (&28.into(), &8.into())
    );
    let metadata = super::json(&hub.join("run_metadata.json"));
    assert_eq!(metadata["status"], "complete_explains_nothing");
    let verified = said(["hub", "verify", text(&hub)]);
    assert!(
        verified.code == 1 && verified.out.contains("worse than their mean"),
        "{verified:#?}"
    );
}

/// The commands that write JUnit, on an input that is good and on one that is not: failures and errors of each.
const REPORTS: &[(&str, [usize; 2])] = &[
    (
        "score @near.npy --truth @truth.npy --at-most nrmse=0.05",
        [0, 0],
    ),
    (
        "score @near.npy --truth @truth.npy --at-most nrmse=1e-9",
        [1, 0],
    ),
    // the figures are not finite, and the gate has none
    (
        "score @half.npy --truth @truth.npy --at-most nrmse=0.05",
        [1, 1],
    ),
    ("score @gone.npy --truth @truth.npy", [0, 1]),
    ("history @good.json", [0, 0]),
    ("history @nan.json", [1, 0]),
    ("history @null_all.json", [0, 1]),
    ("history @empty.json", [0, 1]),
    ("history @good.json @empty.json", [0, 1]),
    ("canvas-check --scenario gs1_ideal", [0, 0]),
    ("canvas-check --scenario gs1_ideal --legacy-canvas", [2, 0]),
    (
        "canvas-check --data @scan_nan_position.npz --group-count 4",
        [1, 0],
    ),
    ("doctor @scan_one.npz", [0, 1]),
    ("doctor @gone.npz", [0, 1]),
    ("hub verify @hub", [0, 0]),
    ("hub verify @hub_changed", [2, 0]),
    ("hub diff @hub @hub", [0, 0]),
    ("hub diff @notes @notes", [0, 1]),
];

#[test]
fn junit_verdicts_match_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    scans(&at);
    images(&at);
    histories(&at);
    hubs(&at);
    let report = at("report.xml");
    for (command, [failures, errors]) in REPORTS {
        // a report of an earlier time must not stand for this one
        fs::write(&report, "<old/>").unwrap();
        let words = command.split(' ').map(|w| match w.strip_prefix('@') {
            Some(name) => text(&at(name)).to_owned(),
            None => w.to_owned(),
        });
        let done = said(words.chain(["--junit".to_owned(), text(&report).to_owned()]));
        let xml = fs::read_to_string(&report).unwrap();
        let head = xml
            .lines()
            .find(|l| l.contains("<testsuites"))
            .unwrap_or(&xml);
        for (name, count) in [("failures", failures), ("errors", errors)] {
            assert!(
                head.contains(&format!("{name}=\"{count}\"")),
                "{command}: {xml}"
            );
        }
        assert!(!head.contains("tests=\"0\""), "{command}: {xml}");
        assert_eq!(
            done.code == 0,
            failures + errors == 0,
            "{command}: {done:#?}"
        );
    }
}

#[test]
fn every_help_shows_the_exit_code_table() {
    for command in [
        "run",
        "reconstruct",
        "scenarios",
        "canvas-check",
        "history",
        "replay",
        "hub verify",
        "hub diff",
        "hub bless",
        "scale-audit",
        "convert",
        "inspect",
        "compare",
        "score",
        "doctor",
    ] {
        let done = said(command.split(' ').chain(["--help"]));
        done.ended(0, &[]);
        for line in [
            "0  looked, and well",
            "4  could not judge",
            "74  output could not be written",
            "--strict",
        ] {
            assert!(done.out.contains(line), "{command}: {}", done.out);
        }
    }
}
