//! Small simulated scans with every kind of wrong metadata.

mod corrupted;

use ndarray::{Array2, Array3};
use num_complex::Complex32;
use proptest::prelude::*;
use ptyproof_testkit::tolerance::{F64_FITTED, assert_close};

use super::*;
use crate::geometry::Position;
use crate::io::dataset::Dataset;
use crate::io::domain::Patterns;
use crate::io::open_file::OpenFile;
use crate::io::unit::Unit;
use crate::par::Pool;
use crate::rng::Stream;
use ptyproof_kernels::fft::{Fft2, Scratch, shifted};
use ptyproof_testkit::compare::{all_finite, scale};

const N: usize = 32;

/// Grid by grid patterns of 32 pixels, 4 pixels apart and up to one more: an object of random waves and blocks, a probe
/// that is defocused and has no symmetry. Photon noise of 1e5 per pattern.
struct Scan {
    patterns: Array3<f32>,
    positions: Vec<Position>,
    probe: Array2<Complex32>,
}

fn scan(seed: u64, grid: usize) -> Scan {
    let mut rng = Stream::new(seed, "doctor", 0);
    let waves = draws::<4>(&mut rng, 14);
    let side = N + 4 * grid + 4;
    let object = Array2::from_shape_fn((side, side), |(r, c)| {
        let (mut a, mut p) = (0.8, 0.0);
        for w in &waves {
            let turn = (w[0] - 0.5) * 1.4 * r as f64 + (w[1] - 0.5) * 1.4 * c as f64;
            a += 0.05 * (turn + 6.3 * w[2]).sin();
            p += 0.25 * (turn * 0.7 + 6.3 * w[3]).cos();
        }
        let block = f64::from(u8::from((r / 7 + 2 * (c / 9)) % 5 == 0));
        Complex32::from_polar((a - 0.25 * block) as f32, (p + 0.8 * block) as f32)
    });
    lit(&mut rng, &object, grid)
}

/// The same scan of sixty smooth hills and hollows.
fn smooth(seed: u64, grid: usize) -> Scan {
    let mut rng = Stream::new(seed, "doctor", 0);
    let hills = draws::<5>(&mut rng, 60);
    let side = N + 4 * grid + 4;
    let object = Array2::from_shape_fn((side, side), |(r, c)| {
        let (mut a, mut p) = (1.0, 0.0);
        for h in &hills {
            let [y, x] = [(r, h[0]), (c, h[1])].map(|(v, h)| v as f64 - h * side as f64);
            let hill = (-(x * x + y * y) / (2.0 * (2.0 + 7.0 * h[2]).powi(2))).exp();
            a += 0.35 * (h[3] - 0.5) * hill;
            p += (h[4] - 0.5) * hill;
        }
        Complex32::from_polar(a as f32, p as f32)
    });
    lit(&mut rng, &object, grid)
}

fn draws<const K: usize>(rng: &mut Stream, count: usize) -> Vec<[f64; K]> {
    (0..count)
        .map(|_| [(); K].map(|()| rng.uniform()))
        .collect()
}

/// The patterns of an object.
fn lit(rng: &mut Stream, object: &Array2<Complex32>, grid: usize) -> Scan {
    let probe = Array2::from_shape_fn((N, N), |(r, c)| {
        let [y, x] = [r, c].map(|v| v as f64 - N as f64 / 2.0);
        let size = (-(x * x / 40.0 + y * y / 22.0)).exp() * (1.0 + 0.05 * x - 0.04 * y);
        Complex32::from_polar(
            size.max(0.0) as f32,
            (0.03 * x * x + 0.045 * y * y + 0.01 * x * y) as f32,
        )
    });
    let mut positions = Vec::new();
    for k in 0..grid * grid {
        let mut at =
            |v: usize| N as f64 / 2.0 + 2.0 + (4 * v) as f64 + (2.0 * rng.uniform() - 1.0).round();
        let (y, x) = (at(k / grid), at(k % grid));
        positions.push(Position::new(x, y));
    }
    let (fft, mut scratch) = (Fft2::<f32>::new(N), Scratch::default());
    let mut patterns = Array3::zeros((positions.len(), N, N));
    for (k, p) in positions.iter().enumerate() {
        let (top, left) = (p.y as usize - N / 2, p.x as usize - N / 2);
        let mut wave: Vec<Complex32> = (0..N * N)
            .map(|at| object[[top + at / N, left + at % N]] * probe[[at / N, at % N]])
            .collect();
        fft.forward(&mut wave, &mut scratch);
        let power: f32 = wave.iter().map(Complex32::norm_sqr).sum();
        for (at, f) in wave.iter().enumerate() {
            let mean = f64::from(f.norm_sqr() / power) * 1e5;
            patterns[[k, shifted(at / N, N), shifted(at % N, N)]] = rng.poisson(mean).sqrt() as f32;
        }
    }
    Scan {
        patterns,
        positions,
        probe,
    }
}

impl Scan {
    fn contents(&self, probe: bool) -> OpenFile {
        let data = Dataset::new(
            "told",
            Patterns::new(self.patterns.clone()),
            self.positions.clone(),
            vec![0; self.positions.len()],
            probe.then(|| self.probe.clone()),
            None,
        );
        OpenFile::of(&data.unwrap())
    }
}

fn run_doctor(contents: &mut OpenFile) -> Examination {
    examine(contents, &Pool::new(2).unwrap()).unwrap()
}

/// The topics of all faults.
fn faults(e: &Examination) -> Vec<&str> {
    let all = e.findings.iter().filter(|f| f.severity == Severity::Fault);
    all.map(|f| f.topic.as_str()).collect()
}

fn topic<'a>(e: &'a Examination, severity: Severity, topic: &str) -> Option<&'a Finding> {
    e.findings
        .iter()
        .find(|f| f.severity == severity && f.topic == topic)
}

#[test]
fn correct_metadata_has_no_fault_and_ranks_first() {
    let e = run_doctor(&mut scan(1, 10).contents(true));
    assert_eq!(faults(&e), Vec::<&str>::new(), "{:#?}", e.findings);
    assert_eq!(e.ranking[0].hypothesis, Hypothesis::DECLARED);
    assert!(topic(&e, Severity::Note, "unit").is_some());
    assert!(topic(&e, Severity::Note, "twin").is_some());
}

/// A scan with wrong metadata: orientation of the positions, unit, place of DC.
#[derive(Debug, Clone, Copy)]
struct Declared {
    fault: Orientation,
    power: Power,
    corner: bool,
}

impl Declared {
    fn examined(self, seed: u64) -> Examination {
        let mut s = scan(seed, 10);
        for p in &mut s.positions {
            *p = self.fault.apply(*p);
        }
        if self.corner {
            let old = s.patterns.clone();
            for ((k, r, c), v) in old.indexed_iter() {
                s.patterns[[k, shifted(r, N), shifted(c, N)]] = *v;
            }
        }
        if self.power == Power::Root {
            s.patterns.mapv_inplace(|v| v * v);
        }
        let mut contents = s.contents(true);
        if self.power == Power::Square {
            contents.stack.as_mut().unwrap().unit = Unit::Counts;
        }
        run_doctor(&mut contents)
    }

    /// The reading that undoes it.
    fn inverse(self) -> Hypothesis {
        Hypothesis {
            orientation: self.fault.inverse(),
            center: if self.corner {
                Center::Other
            } else {
                Center::Declared
            },
            power: self.power,
        }
    }

    /// The expected topics, sorted.
    fn names(self) -> Vec<&'static str> {
        let turned = match self.fault {
            Orientation::IDENTITY => None,
            o if o == Orientation::IDENTITY.twin() => Some("twin"),
            _ => Some("orientation"),
        };
        let named = [
            self.corner.then_some("centre"),
            turned.filter(|t| *t == "orientation"),
            turned.filter(|t| *t == "twin"),
            (self.power != Power::Declared).then_some("unit"),
        ];
        named.into_iter().flatten().collect()
    }
}

const UNITS: [Power; 3] = [Power::Declared, Power::Root, Power::Square];

#[test]
fn wrong_orientation_is_named() {
    for (k, fault) in Orientation::ALL.into_iter().enumerate() {
        let declared = Declared {
            fault,
            power: UNITS[k % 3],
            corner: k % 2 == 1,
        };
        let e = declared.examined(k as u64 + 1);
        let mut got = faults(&e);
        got.sort_unstable();
        assert_eq!(got, declared.names(), "{declared:?}: {:#?}", e.findings);
    }
}

proptest! {
    // one case is 20 million pixel updates
    #![proptest_config(ProptestConfig { cases: 4, max_shrink_iters: 0, ..ProptestConfig::default() })]

    /// For any object: the hypothesis that corrects the fault ranks first, correct metadata gives no fault, and wrong
    /// metadata is named or said to be undecided.
    #[test]
    fn wrong_orientation_ranks_its_inverse_first(
        seed in 1u64..1_000_000, fault in 0usize..8, unit in 0usize..3, corner: bool,
    ) {
        let declared = Declared { fault: Orientation::ALL[fault], power: UNITS[unit], corner };
        let e = declared.examined(seed);
        prop_assert_eq!(e.ranking[0].hypothesis, declared.inverse(), "{:#?}", e.findings);
        let (got, want) = (faults(&e), declared.names());
        for name in &got {
            prop_assert!(want.contains(name), "{name}: {:#?}", e.findings);
        }
        for name in want {
            let open = topic(&e, Severity::Undecided, name).is_some();
            prop_assert!(open || got.contains(&name), "{name}: {:#?}", e.findings);
        }
    }
}

#[test]
fn result_is_thread_independent() {
    let run = |threads| {
        let pool = Pool::new(threads).unwrap();
        let e = examine(&mut scan(3, 6).contents(true), &pool).unwrap();
        crate::json::to_text(&e).unwrap()
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn twin_is_undecided_without_a_probe() {
    let mut s = scan(5, 10);
    for p in &mut s.positions {
        *p = Orientation::new(true, false, false).apply(*p);
    }
    let e = run_doctor(&mut s.contents(false));
    assert!(
        topic(&e, Severity::Undecided, "twin").is_some(),
        "{:#?}",
        e.findings
    );
    assert_eq!(faults(&e), ["orientation"]);
    let o = e.ranking[0].hypothesis.orientation;
    assert!(o.swap && o.negate_x == o.negate_y);
}

#[test]
fn shuffled_positions_are_a_fault() {
    let mut s = scan(7, 10);
    Stream::new(9, "fault", 0).shuffle(&mut s.positions);
    let e = run_doctor(&mut s.contents(true));
    assert_eq!(faults(&e), ["positions"], "{:#?}", e.findings);
}

#[test]
fn shuffled_positions_are_a_fault_only_with_many_patterns() {
    for seed in 1..4 {
        let e = run_doctor(&mut scan(seed, 4).contents(false));
        assert!(faults(&e).is_empty(), "{:#?}", e.findings);
        let mut shuffled = scan(seed, 6);
        Stream::new(seed, "fault", 0).shuffle(&mut shuffled.positions);
        let e = run_doctor(&mut shuffled.contents(false));
        assert_eq!(faults(&e), ["positions"], "{:#?}", e.findings);
    }
}

#[test]
fn wrong_position_scale_is_named_with_the_factor() {
    let mut s = scan(11, 10);
    for p in &mut s.positions {
        *p = Position::new(1.05 * p.x, 1.05 * p.y);
    }
    let e = run_doctor(&mut s.contents(true));
    // a hundred patterns of 32 x 32 cannot exclude a smooth object: a warning is the most that they support
    let message = e.findings.iter().find(|f| f.topic == "scale").unwrap();
    let wrong = [Severity::Fault, Severity::Warning].contains(&message.severity);
    assert!(
        wrong && faults(&e).iter().all(|f| *f == "scale"),
        "{:#?}",
        e.findings
    );
    assert!(all_finite(e.scales.iter().map(|s| s.held_out_error.get())));
    let best = e
        .scales
        .iter()
        .min_by(|a, b| a.held_out_error.get().total_cmp(&b.held_out_error.get()));
    assert!(
        (best.unwrap().scale.get() * 1.05 - 1.0).abs() < 0.015,
        "{:?}",
        e.scales
    );
}

#[test]
fn smooth_object_gives_no_false_scale_fault() {
    for seed in 1..5 {
        let e = run_doctor(&mut smooth(seed, 10).contents(true));
        assert!(!faults(&e).contains(&"scale"), "{:#?}", e.findings);
    }
}

#[test]
fn shifted_detector_gives_a_beam_center_warning() {
    let mut s = scan(13, 6);
    let old = s.patterns.clone();
    for ((k, r, c), v) in old.indexed_iter() {
        s.patterns[[k, (r + 1) % N, c]] = *v;
    }
    let (before, after) = (
        BeamCenter::of(&mean(&old), &[]),
        BeamCenter::of(&mean(&s.patterns), &[]),
    );
    let moved = after.offset[0].get() - before.offset[0].get();
    assert_close!(moved, 1.0, F64_FITTED);
    assert_close!(after.offset[1].get(), before.offset[1].get(), F64_FITTED);
}

fn mean(patterns: &Array3<f32>) -> Array2<f64> {
    patterns
        .mapv(|v| f64::from(v).powi(2))
        .mean_axis(ndarray::Axis(0))
        .unwrap()
}

/// Invalid data must give a finding and no panic.
fn survives(s: &Scan) -> Examination {
    let e = run_doctor(&mut s.contents(true));
    assert!(!e.findings.is_empty());
    e
}

#[test]
fn very_few_patterns_are_undecided() {
    for count in [1, 2, 11] {
        let mut s = scan(1, 6);
        s.patterns = s.patterns.slice(ndarray::s![..count, .., ..]).to_owned();
        s.positions.truncate(count);
        let e = survives(&s);
        assert!(topic(&e, Severity::Undecided, "orientation").is_some());
        assert_eq!(e.ranking.len(), 0);
    }
}

#[test]
fn constant_positions_are_a_fault() {
    let mut s = scan(1, 5);
    s.positions.fill(Position::new(40.0, 40.0));
    let e = survives(&s);
    assert!(faults(&e).contains(&"positions"), "{:#?}", e.findings);
}

#[test]
fn wrong_position_unit_reports_the_canvas_size() {
    let mut s = scan(1, 5);
    for p in &mut s.positions {
        *p = Position::new(1e6 * p.x, 1e6 * p.y);
    }
    let e = survives(&s);
    assert!(
        topic(&e, Severity::Warning, "canvas").is_some(),
        "{:#?}",
        e.findings
    );
    for p in &mut s.positions {
        *p = Position::new(1e-15 * p.x, 1e-15 * p.y);
    }
    assert!(faults(&survives(&s)).contains(&"positions"));
}

#[test]
fn outlier_position_is_named_and_ignored() {
    let mut s = scan(1, 8);
    s.positions[17] = Position::new(-1e6, 1e6);
    let e = survives(&s);
    assert!(
        topic(&e, Severity::Warning, "positions")
            .unwrap()
            .evidence
            .contains("position 17")
    );
    assert_eq!(e.ranking[0].hypothesis, Hypothesis::DECLARED);
    assert_eq!(faults(&e), Vec::<&str>::new(), "{:#?}", e.findings);
}

#[test]
fn nonfinite_and_hot_pixels_are_named_and_masked() {
    let s = scan(1, 8);
    let mut contents = s.contents(true);
    let mut values = s.patterns;
    values[[20, 3, 4]] = f32::NAN;
    values.slice_mut(ndarray::s![.., 28, 5]).fill(3e5);
    let stack = contents.stack.as_mut().unwrap();
    stack.source = Box::new(crate::io::open_file::InMemory(values));
    let e = run_doctor(&mut contents);
    let pixel = topic(&e, Severity::Fault, "pixels").unwrap();
    assert!(pixel.evidence.contains("row 3, col 4"), "{pixel:?}");
    assert!(topic(&e, Severity::Warning, "pixels").is_some());
    assert_eq!(e.ranking[0].hypothesis, Hypothesis::DECLARED);
    assert!(
        e.ranking[0].held_out_error.get() < 0.5,
        "{:?}",
        e.ranking[0]
    );
}

#[test]
fn zero_intensity_is_a_fault() {
    let s = scan(1, 5);
    let mut contents = s.contents(false);
    let stack = contents.stack.as_mut().unwrap();
    stack.source = Box::new(crate::io::open_file::InMemory(Array3::zeros((25, N, N))));
    let e = run_doctor(&mut contents);
    assert_eq!(faults(&e), ["patterns"]);
}

#[test]
fn values_near_float32_max_do_not_panic() {
    for value in [f32::MAX, 1e30, 1e-38, 1e-45] {
        let s = scan(1, 5);
        let mut contents = s.contents(true);
        let stack = contents.stack.as_mut().unwrap();
        let largest = scale(s.patterns.iter().copied()) as f32;
        let values = s.patterns.mapv(|v| v / largest * value);
        stack.source = Box::new(crate::io::open_file::InMemory(values));
        for unit in [Unit::Amplitude, Unit::Counts] {
            contents.stack.as_mut().unwrap().unit = unit;
            run_doctor(&mut contents);
        }
    }
}
