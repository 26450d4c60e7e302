//! The doctor on measured data and on the bench problem, with every kind of wrong metadata.
//!
//! It needs `bench_problem.npz` and `siemens_star_128.npz` in `PTYPROOF_DATA` (default `../shared/data`), and
//! `PTYPROOF_SLOW` for all but a few (`all` for every line of the star). Data: Siemens star of tike (BSD-3), and the bench
//! problem with photon noise and its initial probe.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail loudly, and says what it skips"
)]

use ptyproof_testkit::tolerance::F32_STEPS_16;
use std::time::Instant;

use ndarray::{Array3, Ix2, Ix3};
use ptyproof::doctor::{Examination, Finding, Orientation, Severity, examine};
use ptyproof::geometry::Position;
use ptyproof::io::dataset::Dataset;
use ptyproof::io::domain::Patterns;
use ptyproof::io::formats::{ReadOptions, open};
use ptyproof::io::npz::{Values, read_array, read_dataset};
use ptyproof::io::open_file::OpenFile;
use ptyproof::io::unit::Unit;
use ptyproof::par::Pool;
use ptyproof::rng::Stream;
use ptyproof_testkit::shared::shared;
use ptyproof_testkit::skips::{SkipReason, skip};

fn siemens() -> Option<Dataset> {
    Some(
        read_dataset(shared("siemens_star_128.npz")?)
            .unwrap()
            .dataset,
    )
}

/// The bench problem with photon noise, and the probe that every engine started from.
fn bench() -> Option<Dataset> {
    let path = shared("bench_problem.npz")?;
    let file = read_dataset(&path).unwrap().dataset;
    let Values::Real(patterns) = read_array(&path, "diffraction_poisson").unwrap() else {
        panic!("real patterns");
    };
    let Values::Complex(probe) = read_array(&path, "probeInit").unwrap() else {
        panic!("a complex probe");
    };
    let data = Dataset::new(
        "bench_problem",
        Patterns::new(patterns.into_dimensionality::<Ix3>().unwrap()),
        file.positions,
        file.scan_index,
        Some(probe.into_dimensionality::<Ix2>().unwrap()),
        None,
    );
    Some(data.unwrap())
}

/// A kind of wrong metadata.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    Positions(Orientation),
    Transposed,
    Squared,
    AsCounts,
    Corner,
    Shuffled,
    Scaled,
    Shifted,
}

const fn o(swap: bool, negate_x: bool, negate_y: bool) -> Fault {
    Fault::Positions(Orientation::new(swap, negate_x, negate_y))
}

const FAULTS: [(&str, Fault); 13] = [
    ("none", Fault::None),
    ("positions negated in both axes", o(false, true, true)),
    ("detector transposed", Fault::Transposed),
    ("x <-> y", o(true, false, false)),
    ("intensity squared", Fault::Squared),
    ("negate y", o(false, false, true)),
    ("negate x", o(false, true, false)),
    ("DC at corner", Fault::Corner),
    ("positions shuffled", Fault::Shuffled),
    ("swap + negate x", o(true, true, false)),
    ("amplitude fed as intensity", Fault::AsCounts),
    ("positions x 1.05", Fault::Scaled),
    ("detector shifted by one pixel", Fault::Shifted),
];

/// The data with wrong metadata.
fn wrong_metadata(data: &Dataset, fault: Fault) -> OpenFile {
    let mut positions = data.positions.clone();
    let old = data.patterns.values();
    let (count, n, _) = old.dim();
    let pixels = |from: &dyn Fn(usize, usize) -> (usize, usize)| {
        Array3::from_shape_fn((count, n, n), |(k, r, c)| {
            let (r, c) = from(r, c);
            old[[k, r, c]]
        })
    };
    let patterns = match fault {
        Fault::Transposed => pixels(&|r, c| (c, r)),
        Fault::Corner => pixels(&|r, c| ((r + n / 2) % n, (c + n / 2) % n)),
        Fault::Shifted => pixels(&|r, c| (r, (c + n - 1) % n)),
        Fault::Squared => old.mapv(|v| v * v),
        _ => old.clone(),
    };
    match fault {
        Fault::Positions(o) => positions.iter_mut().for_each(|p| *p = o.apply(*p)),
        Fault::Shuffled => Stream::new(1, "fault", 0).shuffle(&mut positions),
        Fault::Scaled => {
            let larger = |p: &Position| Position::new(1.05 * p.x, 1.05 * p.y);
            positions.iter_mut().for_each(|p| *p = larger(p));
        }
        _ => {}
    }
    let scans = data.scan_index.clone();
    let patterns = Patterns::new(patterns);
    let data = Dataset::new(
        &data.name,
        patterns,
        positions,
        scans,
        data.probe.clone(),
        None,
    );
    let mut contents = OpenFile::of(&data.unwrap());
    if fault == Fault::AsCounts {
        contents.stack.as_mut().unwrap().unit = Unit::Counts;
    }
    contents
}

/// The expected finding of a fault: its topic, and a part of its message or advice.
fn expected(fault: Fault) -> (Option<&'static str>, String) {
    match fault {
        Fault::None => (None, String::new()),
        Fault::Positions(o) if o == Orientation::IDENTITY.twin() => {
            (Some("twin"), "negate both".into())
        }
        Fault::Positions(o) => (Some("orientation"), format!("the data fit {}", o.inverse())),
        Fault::Transposed => (Some("orientation"), "transpose the patterns".into()),
        Fault::Squared => (Some("unit"), "counts were declared as amplitude".into()),
        Fault::AsCounts => (Some("unit"), "amplitude was declared as counts".into()),
        Fault::Corner => (Some("centre"), "off by half the detector".into()),
        Fault::Shuffled => (Some("positions"), "do not match".into()),
        Fault::Scaled => (Some("scale"), "too large".into()),
        Fault::Shifted => (None, String::new()),
    }
}

/// Examines and prints a line of the table; returns an error for a wrong verdict.
fn verdict(data: &Dataset, name: &str, fault: Fault) -> Result<(), String> {
    let begin = Instant::now();
    let e = examine(&mut wrong_metadata(data, fault), &Pool::new(2).unwrap()).unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    // a scale that is wrong by 5 % may be only a warning
    let grave = |f: &&Finding| {
        let suspicion = fault == Fault::Scaled && f.topic == "scale";
        f.severity == Severity::Fault || (suspicion && f.severity == Severity::Warning)
    };
    let faults: Vec<_> = e.findings.iter().filter(grave).collect();
    let message: Vec<&str> = faults.iter().map(|f| f.topic.as_str()).collect();
    let row = |k: usize| {
        e.ranking.get(k).map_or(String::new(), |r| {
            format!(
                "{:<34} {:.4} {:.4}",
                r.hypothesis.to_string(),
                r.overlap.get(),
                r.held_out_error.get()
            )
        })
    };
    let factor = |k: usize| e.margins[k].map_or(f64::NAN, |m| m.factor.get());
    println!(
        "{:<16} {name:<31} {:<14} {} | {} | null {:.2}, orientation {:.2}, twin {:.2}, unit {:.2}; {seconds:.1} s",
        data.name,
        message.join(", "),
        row(0),
        row(1),
        factor(0),
        factor(1),
        factor(2),
        factor(3),
    );
    let (topic, words) = expected(fault);
    let right = message == topic.into_iter().collect::<Vec<_>>()
        && faults
            .iter()
            .all(|f| f.message.contains(&words) || f.advice.contains(&words));
    let wrong = |why: &str| Err(format!("{}, {name}: {why}: {:#?}", data.name, e.findings));
    if !right {
        return wrong("not named");
    }
    if fault == Fault::Shifted && !shifted(data, &e) {
        return wrong("the light did not move by a pixel");
    }
    Ok(())
}

/// Whether the beam center is one column further right than in the data, with a warning.
fn shifted(data: &Dataset, e: &Examination) -> bool {
    let [y, x] = e.beam_center.unwrap().offset.map(|v| v.get());
    let (count, n, _) = data.patterns.values().dim();
    let squares = data.patterns.values().mapv(|v| f64::from(v).powi(2));
    let mean = squares.sum_axis(ndarray::Axis(0)) / count as f64;
    let [y0, x0] = ptyproof::doctor::BeamCenter::of(&mean, &[])
        .offset
        .map(|v| v.get());
    let warned = e.findings.iter().any(|f| {
        f.severity == Severity::Warning
            && f.topic == "centre"
            && f.message.contains(&format!("{:+} columns", x.round()))
    });
    let allowed = F32_STEPS_16.scaled(n as f64);
    let moved = allowed.check(y, y0).is_none() && allowed.check(x, x0 + 1.0).is_none();
    warned && moved
}

#[test]
fn benchmark_problem_with_correct_and_wrong_metadata() {
    let Some(data) = bench() else { return };
    // the middle of the scan does: 120 patterns
    let inmost: Vec<usize> = (0..data.len())
        .filter(|k| {
            let p = data.positions[*k];
            (p.x - 128.0).abs() < 54.0 && (p.y - 128.0).abs() < 54.0
        })
        .collect();
    let part = data.subset(&inmost, "bench, middle").unwrap();
    for (name, fault) in FAULTS {
        if matches!(fault, Fault::None | Fault::Corner) || name == "x <-> y" {
            verdict(&part, name, fault).unwrap();
        }
    }
}

#[test]
fn every_fault_is_named_on_both_benchmark_problems() {
    if std::env::var_os("PTYPROOF_SLOW").is_none() {
        skip(SkipReason::Time, "PTYPROOF_SLOW is not set");
        return;
    }
    // a line takes some seconds, of the star half a minute: all of them only on request; the unit tests cover every fault
    // on small scans
    let all = std::env::var_os("PTYPROOF_SLOW").is_some_and(|v| v == "all");
    let mut wrong = Vec::new();
    for data in [bench(), siemens()].into_iter().flatten() {
        let measured = data.name.starts_with("siemens");
        for (name, fault) in FAULTS {
            let first = match fault {
                Fault::None => measured,
                Fault::AsCounts | Fault::Shuffled | Fault::Scaled => !measured,
                _ => false,
            };
            if all || first {
                wrong.extend(verdict(&data, name, fault).err());
            } else {
                println!("left out: {} {name}: PTYPROOF_SLOW is not `all`", data.name);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Invalid data must still give a report and a picture: a panic would hide the finding. The files also contain zero and
/// non-finite frames, which a data set in memory refuses.
#[test]
fn degenerate_scans_have_a_report_and_a_picture() {
    const N: usize = 16;
    let mut rng = Stream::new(4, "degenerate", 0);
    let mut noise = |count: usize| Array3::from_shape_fn((count, N, N), |_| rng.uniform() as f32);
    let grid = |count: usize| {
        (0..count)
            .map(|k| 20.0 + 3.0 * k as f64)
            .collect::<Vec<_>>()
    };
    let far: Vec<f64> = (0..9).map(|k| 1e6 * f64::from(k)).collect();
    let mut nan = noise(9);
    nan[[4, 3, 2]] = f32::NAN;
    let cases: [(&str, Array3<f32>, Vec<f64>); 10] = [
        ("one pattern", noise(1), grid(1)),
        ("two patterns", noise(2), grid(2)),
        ("one position", noise(9), vec![20.0; 9]),
        ("far apart", noise(9), far),
        ("dark", Array3::zeros((9, N, N)), grid(9)),
        ("one value", Array3::from_elem((9, N, N), 1.0), grid(9)),
        ("largest", Array3::from_elem((9, N, N), f32::MAX), grid(9)),
        ("subnormal", noise(9).mapv(|v| v * 1e-42), grid(9)),
        ("one NaN", nan, grid(9)),
        ("only NaN", Array3::from_elem((9, N, N), f32::NAN), grid(9)),
    ];
    let (pool, dir) = (Pool::new(2).unwrap(), tempfile::tempdir().unwrap());
    for (name, values, x) in cases {
        let path = dir.path().join("scan.npz");
        let mut npz = ndarray_npy::NpzWriter::new(std::fs::File::create(&path).unwrap());
        npz.add_array("diffraction", &values).unwrap();
        npz.add_array("ycoords", &ndarray::Array1::from_elem(x.len(), 20.0))
            .unwrap();
        npz.add_array("xcoords", &ndarray::Array1::from(x)).unwrap();
        npz.finish().unwrap();
        for unit in [Unit::Amplitude, Unit::Counts] {
            let mut file = open(&path, &ReadOptions::default()).unwrap();
            file.stack.as_mut().unwrap().unit = unit;
            let found = examine(&mut file, &pool).unwrap();
            assert!(!found.findings.is_empty(), "{name}: nothing was found");
            let page = ptyproof_harness::report::doctor::text(&found);
            assert!(!page.is_empty(), "{name}");
            let picture = ptyproof_harness::report::doctor::picture(&found).unwrap();
            assert_eq!(&picture[1..4], b"PNG", "{name}");
        }
    }
}
