//! Scores: of an engine's hub, of arrays, of a network's hub; gates; and what cannot be scored.

use super::input::Data;
use super::scan::{SMALL, Scan};
use super::{TINY, json, said, text};
use ptyproof_testkit::tolerance::{F32_FFT_64, F32_STEPS_16, assert_within};
use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array2, s};
use ndarray_npy::WriteNpyExt;
use num_complex::Complex32;
use ptyproof::io::npz::read_object;
use serde_json::Value;
use tempfile::TempDir;

/// A data file, its object as an array, and a hub of an engine.
fn scene() -> (TempDir, PathBuf, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (data, hub) = (dir.path().join("small scan.npz"), dir.path().join("hub"));
    // wide enough for a ring correlation of its middle
    Scan { side: 9, ..SMALL }.write(&data);
    let done = said([
        "reconstruct",
        text(&data),
        "--engine",
        "epie",
        "--iterations",
        "60",
        "-q",
        "-o",
        text(&hub),
    ]);
    assert_eq!(done.code, 0, "{done:#?}");
    let truth = dir.path().join("truth.npy");
    write(&truth, &read_object(&data).unwrap());
    (dir, data, hub, truth)
}

fn write(path: &Path, image: &Array2<Complex32>) {
    image.write_npy(fs::File::create(path).unwrap()).unwrap();
}

#[test]
fn hub_is_scored_against_its_ground_truth() {
    let (dir, data, hub, truth) = scene();
    let at = |name: &str| dir.path().join(name);
    let files = ["a.json", "a.md", "a.csv", "c.png", "p.png"].map(at);
    let [json_file, page, csv, curve, picture] = &files;
    let done = said([
        "score",
        text(&hub),
        "--data",
        text(&data),
        "--output-json",
        text(json_file),
        "--output-markdown",
        text(page),
        "--frc-csv",
        text(csv),
        "--frc-picture",
        text(curve),
        "--picture",
        text(picture),
        "--convention",
        "reference",
        "--at-most",
        "nrmse=0.2",
        "--at-least",
        "frc_mean=0.5",
    ]);
    done.ended(0, &[]);
    for words in [
        "the object of the data",
        "the middle of the scan",
        "holds: nrmse",
        "a flat object",
        "peak fixed at 255",
    ] {
        assert!(done.out.contains(words), "no `{words}` in {}", done.out);
    }
    let found = json(json_file);
    let f = &found["fidelity"];
    assert!(
        f["nrmse"].as_f64().unwrap() < 0.2 * f["flat"]["nrmse"].as_f64().unwrap(),
        "{f}"
    );
    assert!(found["detector"]["residual"].as_f64().unwrap() < 0.05);
    assert_eq!(found["detector"]["patterns"], 81);
    let pixels = f["frc"]["side"].as_u64().unwrap() / 2;
    assert_eq!(
        fs::read_to_string(csv).unwrap().lines().count() as u64,
        pixels + 1
    );
    for png in [curve, picture] {
        assert!(fs::read(png).unwrap().starts_with(b"\x89PNG"));
    }
    assert!(fs::read_to_string(page).unwrap().starts_with("# Scores"));
    // the truth as a file of its own gives the same figures, but for its name
    let again = at("b.json");
    let done = said([
        "score",
        text(&hub),
        "--truth",
        text(&truth),
        "--data",
        text(&data),
        "--output-json",
        text(&again),
    ]);
    done.ended(0, &[]);
    assert_eq!(json(&again)["fidelity"], *f);
}

#[test]
fn ground_truth_in_another_gauge_has_zero_error() {
    let (dir, data, _, detected) = scene();
    let [truth, other] = ["whole.npy", "other.npy"].map(|name| dir.path().join(name));
    // nothing in it repeats, so that there is one shift
    let object = Array2::from_shape_fn((64, 64), |(r, c)| {
        let (y, x) = (r as f32 / 9.0, c as f32 / 7.0);
        Complex32::from_polar(
            1.0 + 0.4 * (y * y).sin() * (x * 1.7).cos(),
            (x * x + y).sin(),
        )
    });
    write(&truth, &object);
    // two rows and a column less, a factor, a ramp: laid middle on middle, the rest is a shift of a pixel
    let cut = object.slice(s![2.., 1..]).to_owned();
    let turned = Array2::from_shape_fn(cut.dim(), |(r, c)| {
        cut[[r, c]] * Complex32::from_polar(3.0, 0.01 * r as f32 - 0.02 * c as f32)
    });
    write(&other, &turned);
    let out = dir.path().join("s.json");
    for (image, most) in [(&truth, F32_STEPS_16), (&other, F32_FFT_64)] {
        let done = said([
            "score",
            text(image),
            "--truth",
            text(&truth),
            "--output-json",
            text(&out),
            "--region",
            "16,48,16,48",
        ]);
        done.ended(0, &[]);
        let f = &json(&out)["fidelity"];
        assert_within!(f["nrmse"].as_f64().unwrap(), most, "{f}");
        assert!(f["frc"]["mean"].as_f64().unwrap() > 0.999, "{f}");
    }
    let done = said([
        "score",
        text(&other),
        "--truth",
        text(&truth),
        "--align",
        "scalar",
        "--at-most",
        "nrmse=0.01",
    ]);
    // laid on its middle it is another object; and what it does not cover of the truth is too much for a figure
    done.ended(4, &[]);
    assert!(
        done.out.contains("UNDECIDED: nrmse") && done.out.contains("laid middle on middle"),
        "{done:#?}"
    );
    // the detector has no gauge to take off, and a truth explains its patterns
    let done = said([
        "score",
        text(&detected),
        "--data",
        text(&data),
        "--at-most",
        "residual=1e-5",
        "--at-most",
        "r_factor=1e-5",
    ]);
    done.ended(0, &[]);
    assert!(done.out.contains("with the probe of the data"), "{done:#?}");
}

#[test]
fn network_is_scored_at_its_group_positions() {
    let dir = tempfile::tempdir().unwrap();
    let hub = dir.path().join("a hub");
    let done = said(
        TINY.iter()
            .copied()
            .chain(["--nepochs", "1", "-q", "-o", text(&hub)]),
    );
    assert_eq!(done.code, 0, "{done:#?}");
    let out = dir.path().join("s.json");
    let done = said([
        "score",
        text(&hub),
        "--align",
        "none",
        "--output-json",
        text(&out),
        "--region",
        "0,392,0,392",
        "--known-at-least",
        "0.001",
    ]);
    // no pattern lies whole in what two groups cover, so that of the detector nothing can be said
    done.ended(4, &[]);
    let (found, own) = (json(&out), json(&hub.join("comparison_metrics.json")));
    // on the same pixels as the hub's own registered comparison, but for those that interpolation needs; the mean error is alike
    let pixels = |v: &Value| v.as_f64().unwrap();
    let (seen, compared) = (
        pixels(&own["registered"]["seen_pixels"]),
        pixels(&found["fidelity"]["pixels"]),
    );
    assert!(
        compared <= seen && compared > 0.5 * seen,
        "{compared} of {seen}"
    );
    let [a, b] = [
        &found["fidelity"]["amplitude"]["mae"],
        &own["registered"]["amplitude"]["mae"],
    ]
    .map(pixels);
    assert!((a / b - 1.0).abs() < 0.2, "{a} {b}");
    assert!(
        done.out.contains("the object of the run's own settings"),
        "{done:#?}"
    );
}

#[test]
fn unscorable_input_is_reported() {
    let (dir, data, hub, truth) = scene();
    let at = |name: &str| dir.path().join(name);
    let real = at("real.npy");
    Array2::<f32>::ones((4, 4))
        .write_npy(fs::File::create(&real).unwrap())
        .unwrap();
    let broken = at("broken.npy");
    fs::write(&broken, &fs::read(&truth).unwrap()[..200]).unwrap();
    let (truth, hub, data) = (text(&truth), text(&hub), text(&data));
    let cases: [(&[&str], i32, &[&str]); 13] = [
        (&[hub], 2, &["neither a truth nor patterns", "--truth"]),
        (&["no such"], 2, &["no such", "nothing"]),
        (&[text(&real), "--truth", truth], 2, &["real numbers"]),
        (&[text(&broken), "--truth", truth], 2, &["broken.npy"]),
        (
            &[truth, "--truth", truth, "--region", "0,9"],
            2,
            &["2 numbers"],
        ),
        (
            &[truth, "--truth", truth, "--region", "5,5,0,9"],
            2,
            &["5,5,0,9"],
        ),
        (
            &[truth, "--truth", truth, "--region", "0,900,0,9"],
            2,
            &["the ends exclusive"],
        ),
        (
            &[
                truth,
                "--truth",
                truth,
                "--at-least",
                "complex_correlation=0.9",
            ],
            2,
            &["a flat object"],
        ),
        (
            &[truth, "--truth", truth, "--at-most", "frc_mean=1"],
            2,
            &["nrmse"],
        ),
        (
            &[truth, "--truth", truth, "--at-most", "nrmse=x"],
            2,
            &["FIGURE=VALUE"],
        ),
        (
            &[truth, "--truth", truth, "--at-most", "nrmse=inf"],
            2,
            &["a finite number"],
        ),
        (&[hub, "--data", truth], 2, &["truth.npy"]),
        (
            &[
                truth,
                "--data",
                data,
                "--output-json",
                "/nonexistent/a.json",
            ],
            74,
            &["nonexistent"],
        ),
    ];
    for (args, code, words) in cases {
        let done = said(["score"].iter().chain(args).copied());
        done.ended(code, words);
    }
    // a gate on a figure that is not to be had cannot be judged
    let done = said(["score", truth, "--truth", truth, "--at-most", "residual=1"]);
    done.ended(4, &[]);
    assert!(done.out.contains("UNDECIDED: residual"), "{done:#?}");
    // and so does one of so few pixels that anything fits them
    let one = ["--region", "20,27,20,29", "--at-most", "nrmse=1"];
    let done = said(["score", truth, "--truth", truth].into_iter().chain(one));
    done.ended(4, &[]);
    assert!(done.out.contains("63 pixels are too few"), "{done:#?}");
}

#[test]
fn run_is_scored_only_against_its_own_patterns() {
    let dir = tempfile::tempdir().unwrap();
    let (data, hub) = (dir.path().join("a.npz"), dir.path().join("hub"));
    let mut file = Data::new(12);
    file.object = Some((160, 160));
    file.write(&data);
    let tiny = "--group-count 4 --batch-size 2 --nepochs 1 --group-limit 2 --threads 1 -q";
    let run = ["run", "--data", text(&data), "-o", text(&hub)];
    said(run.into_iter().chain(tiny.split(' '))).ended(0, &[]);
    // two groups cover next to nothing, and no pattern whole
    let scored = said(["score", text(&hub)]);
    scored.ended(4, &[]);
    assert!(scored.out.contains("0 compared"), "{scored:#?}");
    file.stack[[3, 4, 5]] += 1.0;
    file.write(&data);
    said(["score", text(&hub)]).ended(2, &["has changed since the run"]);
}
