//! The figures of `golden/figures.json`, which need nothing but this repository.

use ptyproof::geometry::{GridSize, PatchSize, Position};
use ptyproof::optics::simulate::expected_counts;
use ptyproof::optics::{object, probe, scan};
use ptyproof::par::Pool;
use ptyproof::rng::NumpyLegacy;
use ptyproof_harness::pipeline::prepare;
use ptyproof_harness::scenario::{Overrides, Scenario, Snapshot};
use ptyproof_pinn::data::group::Grouping;
use ptyproof_pinn::data::scale::nominal_dose;
use ptyproof_pinn::data::split::by_y;
use ptyproof_testkit::tolerance::{DECIMALS_7, F64_STEPS_4096, assert_close, assert_within};
use serde_json::Value;

use super::compare::{largest, smallest};

fn figures() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/figures.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn number(v: &Value) -> f64 {
    v.as_f64().unwrap()
}

fn count(v: &Value) -> usize {
    usize::try_from(v.as_u64().unwrap()).unwrap()
}

/// Whether `got` prints as `want` did: within half a unit of its last digit.
fn printed(got: f64, want: &Value) {
    let text = want.to_string();
    let digits = text.split('.').nth(1).map_or(0, str::len) as i32;
    assert!(
        (got - number(want)).abs() <= 0.5000001 * 10f64.powi(-digits),
        "{got} is not {text}"
    );
}

/// NumPy's pairwise sum of a contiguous float64 array, needed to repeat its means and deviations to the
/// last digit: eight running sums up to 128 values, halves (of a multiple of eight) above.
fn numpy_sum(v: &[f64]) -> f64 {
    match v.len() {
        0..8 => v.iter().sum(),
        8..=128 => {
            let mut r = [0.0; 8];
            let (whole, rest) = v.as_chunks::<8>();
            for chunk in whole {
                r.iter_mut().zip(chunk).for_each(|(r, v)| *r += v);
            }
            let pairs = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
            rest.iter().fold(pairs, |s, v| s + v)
        }
        n => {
            let half = n / 2 - n / 2 % 8;
            numpy_sum(&v[..half]) + numpy_sum(&v[half..])
        }
    }
}

fn check_axes(got: &[Position], want: &Value, what: &str) {
    assert_eq!(want.as_array().unwrap().len(), 2, "{what}: x and y");
    for (axis, stats) in want.as_array().unwrap().iter().enumerate() {
        let v: Vec<f64> = got
            .iter()
            .map(|p| if axis == 0 { p.x } else { p.y })
            .collect();
        let n = v.len() as f64;
        let mean = numpy_sum(&v) / n;
        let squares: Vec<f64> = v.iter().map(|x| (x - mean) * (x - mean)).collect();
        let figures = [
            ("min", smallest(v.iter().copied())),
            ("max", largest(v.iter().copied())),
            ("abs_max", largest(v.iter().map(|x| x.abs()))),
            ("std", (numpy_sum(&squares) / n).sqrt()),
        ];
        for (name, got) in figures {
            assert_eq!(got, number(&stats[name]), "{what}, axis {axis}, {name}");
        }
        let off = (mean - number(&stats["mean"])).abs();
        assert_within!(off, F64_STEPS_4096, "{what}, axis {axis}");
    }
}

#[test]
fn offsets_match_published_reports_exactly() {
    for (gs, name) in [(1, "gs1"), (2, "gs2")] {
        let report = &figures()["reports"][name];
        let all = scan::nongrid((392, 392), count(&report["images"]), 10.0, 42).unwrap();
        let split = by_y(&all, 0.5).unwrap();
        for (part, half) in [("train", split.train), ("test", split.test)] {
            let want = &report["subsets"][part];
            let p: Vec<Position> = half.iter().map(|&i| all[i]).collect();
            assert_eq!(p.len(), count(&want["point_count"]));
            // the report seeds anew before each subset
            let mut rng = NumpyLegacy::new(42);
            let asked = count(&want["requested_groups"]);
            let g = Grouping::draw(&p, GridSize::new(gs).unwrap(), asked, 4, &mut rng).unwrap();
            assert_eq!(g.len(), count(&want["actual_groups"]));
            let combined: Vec<Position> = (0..g.members.len())
                .map(|k| (g.centers[k / g.channels], g.relative[k]))
                .map(|(c, r)| Position::new(c.x + r.x, c.y + r.y))
                .collect();
            let what = |of| format!("{name} {part} {of}");
            check_axes(&g.centers, &want["coords_offsets"], &what("offsets"));
            check_axes(&g.relative, &want["coords_relative"], &what("relative"));
            check_axes(&combined, &want["combined"], &what("combined"));
        }
    }
}

#[test]
fn offsets_match_published_inferences_exactly() {
    for (gs, name) in [(1, "gs1"), (2, "gs2")] {
        let want = &figures()["runs"][name]["inference_offsets_axis_max_abs"]["value"];
        let (_, _, g) = &super::data::run(gs)[2];
        let max = |axis: fn(&Position) -> f64| largest(g.centers.iter().map(|c| axis(c).abs()));
        assert_eq!(
            [max(|c| c.x), max(|c| c.y)],
            [number(&want[0]), number(&want[1])],
            "{name}"
        );
    }
}

#[test]
fn object_probe_and_scales_match_printed_figures() {
    let f = figures();
    let object = object::lines(392, &mut NumpyLegacy::new(42)).object;
    let want = &f["specimen"]["object"];
    let values: Vec<f64> = object.iter().map(|z| f64::from(z.re)).collect();
    printed(smallest(values.iter().copied()), &want["min"]);
    printed(largest(values.iter().copied()), &want["max"]);
    printed(
        values.iter().sum::<f64>() / values.len() as f64,
        &want["mean"],
    );

    let n = PatchSize::new(64).unwrap();
    let mask = probe::mask(n);
    assert_eq!(
        mask.sum(),
        number(&f["specimen"]["probe"]["mask_pixels"]) as f32
    );
    assert_eq!(
        probe::disk(n, 0.7).sum(),
        number(&f["specimen"]["probe"]["disk_pixels"])
    );
    let mut normalized = None;
    for (scale, key) in [(10.0, "probe_of_20260116"), (0.7, "probe")] {
        let want = &f["specimen"][key];
        let (p, factor) =
            probe::normalize_guess(&probe::idealized(n, scale), Some(&mask), 10.0).unwrap();
        printed(largest(p.iter().map(|z| z.re)), &want["max"]);
        let want = number(&want["norm_factor"]);
        assert_close!(factor, want, DECIMALS_7);
        normalized = Some(p);
    }
    let probe = normalized.unwrap();

    let pool = Pool::new(2).unwrap();
    for (name, images) in [("gs1", 512), ("gs2", 1024)] {
        let all = scan::nongrid((392, 392), images, 10.0, 42).unwrap();
        let (_, s, _) = expected_counts(&object.view(), &probe, &all, 1e9, &pool).unwrap();
        printed(s.factor(), &f["runs"][name]["sim_intensity_scale"]["value"]);
    }
    let s = nominal_dose(1e9, n).unwrap();
    assert_eq!(s.factor(), number(&f["intensity_scale"]["value"]));
}

#[test]
fn canvas_grows_to_the_published_size() {
    let snapshot = Snapshot::builtin().unwrap();
    for (name, jitter, padded, offsets) in [
        (
            "gs1_ideal",
            764,
            828,
            [377.02992320243726, 381.8949744624406],
        ),
        (
            "gs2_ideal",
            754,
            822,
            [376.3193180156394, 373.3114293734376],
        ),
    ] {
        let s = Scenario::resolve(&snapshot, name, &Overrides::default()).unwrap();
        let mut rng = NumpyLegacy::new(s.object_seed);
        object::lines(s.object_size.get(), &mut rng);
        let side = s.object_size.get();
        let positions = prepare::positions(&s, (side, side)).unwrap();
        let g = prepare::group(&s, &positions, &mut rng).unwrap();
        assert_eq!(g.jitter.get(), jitter, "{name}");
        assert_eq!(
            g.layout.padded_size(g.jitter).unwrap().get(),
            padded,
            "{name}"
        );
        let max = |axis: fn(&Position) -> f64| {
            let of = g.inference.centers.iter();
            largest(of.map(|c| axis(c).abs()))
        };
        assert_eq!([max(|c| c.x), max(|c| c.y)], offsets, "{name}");
    }
}
