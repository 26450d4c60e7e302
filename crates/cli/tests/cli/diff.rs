//! Hubs with one fault each: every fault is caught, and named right.

use super::{Said, run, said, text, tiny};
use ndarray::{Array2, s};
use ndarray_npy::{read_npy, write_npy};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(super) const AMPLITUDE: &str = "inference_outputs/amplitude.npy";
pub(super) const PHASE: &str = "inference_outputs/phase.npy";

/// A reconstruction with structure, on a disc, in the shape of `like`.
fn structured((rows, cols): (usize, usize)) -> [Array2<f32>; 2] {
    let make = |of: fn(f32, f32) -> f32| {
        Array2::from_shape_fn((rows, cols), |(y, x)| {
            let (u, v) = (y as f32 - 90.0, x as f32 - 100.0);
            if u * u + v * v < 3600.0 {
                of(u, v)
            } else {
                0.0
            }
        })
    };
    [
        make(|u, v| 1.0 + 0.3 * (u / 5.1).sin() * (v / 6.3 + 0.4).cos() + 0.2 * (v / 9.0).sin()),
        make(|u, v| 0.6 * (u / 8.2 + 0.3).cos() + 0.4 * ((u + 2.0 * v) / 11.0).sin()),
    ]
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// A folder with a hub `good` whose reconstruction has structure, and a copy `other` of it.
pub(super) fn pair() -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (good, other) = (folder.path().join("good"), folder.path().join("other"));
    run(&good, 1, &[]);
    let old: Array2<f32> = read_npy(good.join(AMPLITUDE)).unwrap();
    for (file, array) in [AMPLITUDE, PHASE].iter().zip(structured(old.dim())) {
        write_npy(good.join(file), &array).unwrap();
    }
    copy(&good, &other);
    (folder, good, other)
}

pub(super) fn diff(a: &Path, b: &Path) -> Said {
    said(["hub", "diff", text(a), text(b)])
}

/// Fails unless both orders end with `code`, and the first says all of `words`.
#[track_caller]
pub(super) fn caught(a: &Path, b: &Path, code: i32, words: &[&str]) {
    let (there, back) = (diff(a, b), diff(b, a));
    assert_eq!(
        (there.code, back.code),
        (code, code),
        "{there:#?}\n{back:#?}"
    );
    for word in words {
        assert!(
            there.out.contains(word),
            "no `{word}` in\n{}{}",
            there.out,
            there.err
        );
    }
}

pub(super) fn edit(path: &Path, change: impl Fn(&mut Array2<f32>)) {
    let mut array: Array2<f32> = read_npy(path).unwrap();
    change(&mut array);
    write_npy(path, &array).unwrap();
}

fn both(hub: &Path, change: impl Fn(&mut Array2<f32>)) {
    edit(&hub.join(AMPLITUDE), &change);
    edit(&hub.join(PHASE), &change);
}

fn shifted(a: &Array2<f32>, dy: usize, dx: usize) -> Array2<f32> {
    let mut out = Array2::zeros(a.dim());
    let (rows, cols) = a.dim();
    out.slice_mut(s![dy.., dx..])
        .assign(&a.slice(s![..rows - dy, ..cols - dx]));
    out
}

#[test]
fn reconstruction_faults_are_detected_and_named() {
    let (_folder, good, other) = pair();
    caught(
        &good,
        &other,
        0,
        &["agrees", "none in the stages that both recorded"],
    );
    caught(&good, &good, 0, &["agrees"]);
    type Fault = (&'static str, fn(&Path), i32, &'static [&'static str]);
    let faults: [Fault; 10] = [
        (
            "one pixel",
            |h| edit(&h.join(AMPLITUDE), |a| a[[80, 91]] *= 1.01),
            1,
            &["at row 80, column 91"],
        ),
        (
            "sign of an axis",
            |h| both(h, |a| *a = a.slice(s![..;-1, ..]).to_owned()),
            1,
            &["the sign of the y axis"],
        ),
        (
            "swapped axes",
            |h| both(h, |a| *a = a.t().to_owned()),
            1,
            &["swapped axes"],
        ),
        (
            "sign of the phase",
            |h| edit(&h.join(PHASE), |a| *a *= -1.0),
            1,
            &["the sign of the phase"],
        ),
        (
            "shift",
            |h| both(h, |a| *a = shifted(a, 0, 1)),
            0,
            &["another gauge: shift, 0.000 and -1.000 pixels"],
        ),
        (
            "phase ramp",
            |h| {
                edit(&h.join(PHASE), |a| {
                    a.indexed_iter_mut()
                        .for_each(|((_, x), v)| *v += 0.01 * x as f32);
                });
            },
            0,
            &["another gauge: phase ramp", "-0.010000 rad per pixel"],
        ),
        (
            "scale applied twice",
            |h| edit(&h.join(AMPLITUDE), |a| *a *= 0.565),
            0,
            &["another gauge: scale, a factor of 1.769912"],
        ),
        (
            "dropped patch",
            |h| both(h, |a| a.slice_mut(s![60..80, 70..95]).fill(0.0)),
            1,
            &[
                "covered only in A: 500 pixels",
                "in rows 60 to 79, columns 70 to 94",
            ],
        ),
        (
            "NaN in the middle",
            |h| edit(&h.join(AMPLITUDE), |a| a[[85, 99]] = f32::NAN),
            3,
            &["row 85, column 99"],
        ),
        (
            "infinity",
            |h| edit(&h.join(PHASE), |a| a[[85, 98]] = f32::INFINITY),
            3,
            &["row 85, column 98"],
        ),
    ];
    for (name, fault, code, words) in faults {
        for file in [AMPLITUDE, PHASE] {
            fs::copy(good.join(file), other.join(file)).unwrap();
        }
        fault(&other);
        println!("{name}");
        caught(&good, &other, code, words);
        // the manifest knows, whatever the change; what is not finite wins
        let wrong = if code == 3 { 3 } else { 1 };
        assert_eq!(said(["hub", "verify", text(&other)]).code, wrong);
    }
}

pub(super) fn json(path: &Path, change: impl Fn(&mut Value)) {
    let mut v: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut v);
    fs::write(path, v.to_string()).unwrap();
}

#[test]
fn file_and_metric_faults_are_detected_and_named() {
    let (folder, good, other) = pair();
    let stats = "inference_outputs/stats.json";
    json(&other.join(stats), |v| {
        v["offsets"]["axis_max_abs"][0] = 1.5.into();
    });
    caught(&good, &other, 1, &["stats.json: offsets.axis_max_abs[0]"]);
    fs::copy(good.join(stats), other.join(stats)).unwrap();

    // one step of float64 more than is allowed
    let history = "train_outputs/history.json";
    let strict = folder.path().join("strict.json");
    let text_of = |ulps: u64| {
        format!(r#"{{"schema":"ptyproof.tolerances/1","numbers":{{"ulps":{ulps}}},"image_rms":0}}"#)
    };
    json(&other.join(history), |v| {
        let loss = &mut v["metrics"]["loss"][0];
        *loss = loss.as_f64().unwrap().next_up().next_up().into();
    });
    for (ulps, code) in [(2, 0), (1, 1)] {
        fs::write(&strict, text_of(ulps)).unwrap();
        let d = said([
            "hub",
            "diff",
            text(&good),
            text(&other),
            "--tolerances",
            text(&strict),
        ]);
        d.ended(code, &[]);
        assert_eq!(
            d.out.contains("history.json: metrics.loss[0]"),
            code == 1,
            "{}",
            d.out
        );
    }
    json(&other.join(history), |v| {
        v["metrics"]["loss"][0] = "NaN".into();
    });
    caught(&good, &other, 3, &["history.json: metrics.loss[0]", "NaN"]);
    fs::copy(good.join(history), other.join(history)).unwrap();

    fs::remove_file(other.join(stats)).unwrap();
    caught(
        &good,
        &other,
        1,
        &["inference_outputs/stats.json", "there and missing"],
    );
    let v = said(["hub", "verify", text(&other)]);
    assert!(
        v.code == 1 && v.out.contains("stats.json: missing"),
        "{v:#?}"
    );
    fs::copy(good.join(stats), other.join(stats)).unwrap();

    let bytes = fs::read(good.join(PHASE)).unwrap();
    fs::write(other.join(PHASE), &bytes[..bytes.len() / 2]).unwrap();
    diff(&good, &other).ended(2, &["phase.npy"]);
    fs::write(other.join(PHASE), &bytes).unwrap();
    fs::write(other.join(stats), "{").unwrap();
    diff(&good, &other).ended(2, &["stats.json"]);
    diff(&good, &folder.path().join("nothing")).ended(2, &["nothing"]);
    fs::write(&strict, text_of(1).replace('0', "-1")).unwrap();
    said([
        "hub",
        "diff",
        text(&good),
        text(&good),
        "--tolerances",
        text(&strict),
    ])
    .ended(2, &["tolerance"]);
}

#[test]
fn changed_setting_is_the_first_difference() {
    let folder = tempfile::tempdir().unwrap();
    let hub = |name: &str, more: &[&str]| {
        let path = folder.path().join(name);
        let args: Vec<String> = tiny(&path, 1, more);
        said(args).ended(0, &[]);
        path
    };
    let base = hub("base", &[]);
    let cases: [(&str, &[&str], &[&str]); 4] = [
        (
            "dose",
            &["--nphotons", "1e8"],
            &[
                "setting nphotons",
                "diffraction, amplitude",
                "specimen (object, probe), scan (positions)",
            ],
        ),
        (
            "seed",
            &["--seed", "5"],
            &[
                "setting configuration.seed: 1 and 5",
                "diffraction, amplitude",
            ],
        ),
        (
            "object",
            &["--object-seed", "9"],
            &["setting object_seed: 42 and 9", "specimen, object"],
        ),
        (
            "numerics",
            &["--numerics", "reference"],
            &[
                "setting numerics: guarded and reference",
                "initial weights, parameters",
            ],
        ),
    ];
    for (name, more, words) in cases {
        caught(&base, &hub(name, more), 1, words);
    }
    // threads are no setting
    caught(&base, &hub("threads", &["--quiet"]), 0, &["agrees"]);

    let page = |end: &str| folder.path().join(format!("report.{end}"));
    let (j, x, m) = (page("json"), page("xml"), page("md"));
    let dose = folder.path().join("dose");
    let d = said([
        "hub",
        "diff",
        text(&base),
        text(&dose),
        "--output-json",
        text(&j),
        "--junit",
        text(&x),
        "--output-markdown",
        text(&m),
    ]);
    d.ended(1, &[]);
    let report: Value = serde_json::from_slice(&fs::read(&j).unwrap()).unwrap();
    assert_eq!(
        (&report["verdict"], &report["first"]["place"]["stage"]),
        (&"differs".into(), &"diffraction".into())
    );
    assert!(
        fs::read_to_string(&x)
            .unwrap()
            .contains("<failure message=")
    );
    assert!(fs::read_to_string(&m).unwrap().contains("## Differences"));

    // two good runs make tolerances under which they agree, whole numbers and settings apart
    let made = folder.path().join("made.json");
    let other = folder.path().join("threads");
    let loss = other.join("train_outputs/history.json");
    json(&loss, |v| {
        v["metrics"]["loss"][0] = (v["metrics"]["loss"][0].as_f64().unwrap() * 1.001).into();
    });
    diff(&base, &other).ended(1, &[]);
    let widen = || {
        let pair = ["hub", "diff", text(&base), text(&other)];
        said(pair.into_iter().chain(["--write-tolerances", text(&made)]))
    };
    let widened = widen();
    widened.ended(1, &[]);
    assert!(
        !widened.out.contains("do not agree under them"),
        "{widened:#?}"
    );
    said([
        "hub",
        "diff",
        text(&base),
        text(&other),
        "--tolerances",
        text(&made),
    ])
    .ended(0, &[]);
    // what is not finite in one alone has no distance
    json(&loss, |v| v["metrics"]["loss"][0] = "NaN".into());
    let widened = widen();
    widened.ended(3, &[]);
    assert!(
        widened.out.contains("do not agree under them"),
        "{widened:#?}"
    );
}

#[test]
fn blessing_a_golden_requires_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, golden) = (folder.path().join("gs1 tiny"), folder.path().join("golden"));
    run(&hub, 1, &[]);
    let kept = golden.join("gs1 tiny");
    diff(&kept, &hub).ended(2, &["gs1 tiny"]);
    let bless = |reason: &str| {
        said([
            "hub",
            "bless",
            text(&hub),
            "--golden",
            text(&golden),
            "--reason",
            reason,
        ])
    };
    said(["hub", "bless", text(&hub), "--golden", text(&golden)]).ended(2, &["--reason"]);
    bless(" ").ended(2, &["why the golden changes"]);
    fs::create_dir(&golden).unwrap();
    bless("the first").ended(0, &[]);
    caught(&kept, &hub, 0, &["agrees"]);
    fs::remove_dir_all(&hub).unwrap();
    run(&hub, 1, &["--seed", "3"]);
    caught(&kept, &hub, 1, &["setting"]);
    bless("another seed").ended(0, &[]);
    caught(&kept, &hub, 0, &["agrees"]);
    let page = fs::read_to_string(golden.join("gs1 tiny.blessed.md")).unwrap();
    assert!(
        page.contains("another seed") && page.contains("configuration.seed: 1 and 3"),
        "{page}"
    );
    fs::remove_file(hub.join("runner.log")).unwrap();
    bless("broken").ended(2, &["runner.log"]);
    caught(&kept, &kept, 0, &[]);
}

#[test]
fn reference_hubs_are_readable() {
    let hubs = ptyproof_testkit::repository().join("../shared/reference/hubs/2026-01-20T071800Z");
    if !hubs.is_dir() {
        super::skip(
            super::SkipReason::Vectors,
            "../shared/reference/hubs is not there",
        );
        return;
    }
    for name in ["gs1_ideal", "gs2_ideal"] {
        let hub = hubs.join(name);
        caught(&hub, &hub, 0, &["has no manifest"]);
        let v = said(["hub", "verify", text(&hub)]);
        assert_eq!(v.code, 1, "{v:#?}");
        assert!(v.out.contains("manifest.json: missing"), "{v:#?}");
        assert!(
            !v.out.contains("agree"),
            "what is there agrees with itself: {v:#?}"
        );
    }
    caught(
        &hubs.join("gs1_ideal"),
        &hubs.join("gs2_ideal"),
        1,
        &["setting scenario: gs1_ideal and gs2_ideal"],
    );
}

#[test]
fn golden_hubs_are_reproduced() {
    let root = ptyproof_testkit::repository();
    let folder = tempfile::tempdir().unwrap();
    for (name, scenario) in [("gs1_tiny", "gs1_ideal"), ("gs2_tiny", "gs2_ideal")] {
        let hub = folder.path().join(name);
        // the command of golden/README.md
        let sizes = [
            "--base-total-images",
            "16",
            "--group-count",
            "8",
            "--batch-size",
            "2",
            "--group-limit",
            "4",
        ];
        let first = [
            "run",
            "--scenario",
            scenario,
            "--nepochs",
            "2",
            "-q",
            "-o",
            text(&hub),
        ];
        said(first.iter().chain(&sizes)).ended(0, &[]);
        let (golden, tolerances) = (
            root.join("golden").join(name),
            root.join("tolerances/golden.json"),
        );
        let d = said([
            "hub",
            "diff",
            text(&golden),
            text(&hub),
            "--tolerances",
            text(&tolerances),
        ]);
        println!("{}", d.out);
        d.ended(0, &[]);
        // a seed is no tolerance
        let (other, seed) = (folder.path().join("other"), ["--seed", "2"]);
        let first = [
            "run",
            "--scenario",
            scenario,
            "--nepochs",
            "2",
            "-q",
            "-o",
            text(&other),
        ];
        said(first.iter().chain(&sizes).chain(&seed)).ended(0, &[]);
        said([
            "hub",
            "diff",
            text(&golden),
            text(&other),
            "--tolerances",
            text(&tolerances),
        ])
        .ended(1, &[]);
        fs::remove_dir_all(other).unwrap();
    }
}

#[test]
fn new_runs_agree_with_reference_hubs() {
    let root = ptyproof_testkit::repository();
    let hubs = root.join("../shared/reference/hubs/2026-01-20T071800Z");
    let all = std::env::var_os("PTYPROOF_SLOW").is_some_and(|v| v == "all");
    if !hubs.is_dir() {
        return super::skip(
            super::SkipReason::Vectors,
            "../shared/reference/hubs is not there",
        );
    }
    if !all {
        return super::skip(
            super::SkipReason::Time,
            "PTYPROOF_SLOW is not `all` (two minutes)",
        );
    }
    let folder = tempfile::tempdir().unwrap();
    // seeds whose training stays finite and inside the bands; the README's table has all twenty
    for (name, seed) in [("gs2_ideal", "2"), ("gs1_ideal", "7")] {
        let hub = folder.path().join(name);
        let run = [
            "run",
            "--scenario",
            name,
            "--numerics",
            "reference",
            "--seed",
            seed,
            "-q",
            "-o",
            text(&hub),
        ];
        said(run).ended(0, &[]);
        let tolerances = root.join(format!("tolerances/reference_{name}.json"));
        let theirs = hubs.join(name);
        let with = |t: &[&str]| said([&["hub", "diff", text(&hub), text(&theirs)], t].concat());
        let d = with(&["--tolerances", text(&tolerances)]);
        println!("{}", d.out);
        d.ended(0, &[]);
        assert!(
            d.out.contains("training, epoch 0"),
            "all before it agrees: {}",
            d.out
        );
        // without the bands the seeds show
        with(&[]).ended(1, &[]);
    }
}
