//! The reassembly limits of the published runs, from the scan up: a small oracle of NumPy's legacy
//! stream, independent of the library, draws the scan and the groups again.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test panics where it fails and prints what it measured"
)]

use ptyproof_testkit::tolerance::{F32_STEPS_16, F64_STEPS_4096};
use std::collections::BTreeMap;

use ptyproof::assemble::Layout;
use ptyproof::geometry::{GridSize, PatchSize, Position};
use ptyproof_harness::audit::canvas_check::{
    CanvasRule, GROUP_LIMIT, LimitsReport, Metadata, Subset, limits,
};
use ptyproof_pinn::data::group::Grouping;
use ptyproof_testkit::vectors;
use rand_mt::Mt;
use serde_json::Value;

fn uniform(mt: &mut Mt) -> f64 {
    let (a, b) = (mt.next_u32() >> 5, mt.next_u32() >> 6);
    (f64::from(a) * 67108864.0 + f64::from(b)) / 9007199254740992.0
}

fn bounded(mt: &mut Mt, max: u32) -> u32 {
    let mask = max
        .checked_next_power_of_two()
        .map_or(u32::MAX, |p| if p == max { 2 * p - 1 } else { p - 1 });
    loop {
        let v = mt.next_u32() & mask;
        if v <= max {
            return v;
        }
    }
}

fn permutation(mt: &mut Mt, n: usize) -> Vec<usize> {
    let mut v: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        let j = bounded(mt, u32::try_from(i).unwrap()) as usize;
        v.swap(i, j);
    }
    v
}

/// The positions of a scan of an object of 392 pixels, sorted by y: train first.
fn scan(n: usize) -> (Vec<Position>, Vec<Position>) {
    let mut mt = Mt::new(42);
    let x: Vec<f64> = (0..n).map(|_| 10.0 + 372.0 * uniform(&mut mt)).collect();
    let mut all: Vec<Position> = x
        .into_iter()
        .map(|x| Position::new(x, 10.0 + 372.0 * uniform(&mut mt)))
        .collect();
    all.sort_by(|a, b| a.y.total_cmp(&b.y));
    let test = all.split_off(n - n / 2);
    (all, test)
}

fn group(points: &[Position], gs: usize, wanted: usize) -> Grouping {
    let mut mt = Mt::new(42);
    let seeds = if wanted < points.len() {
        permutation(&mut mt, points.len())[..wanted].to_vec()
    } else {
        (0..points.len()).collect()
    };
    let channels = gs * gs;
    let mut members = Vec::new();
    for seed in seeds {
        members.push(seed);
        if channels > 1 {
            let d2 = |i: usize| {
                let (p, q) = (points[i], points[seed]);
                (p.x - q.x).powi(2) + (p.y - q.y).powi(2)
            };
            let mut near: Vec<usize> = (0..points.len()).filter(|i| *i != seed).collect();
            near.select_nth_unstable_by(4, |a, b| d2(*a).total_cmp(&d2(*b)));
            near.truncate(4);
            near.sort_by(|a, b| d2(*a).total_cmp(&d2(*b)));
            let chosen = permutation(&mut mt, 4);
            members.extend(chosen[..channels - 1].iter().map(|c| near[*c]));
        }
    }
    let mut centers = Vec::new();
    let mut relative = Vec::new();
    for g in members.chunks(channels) {
        let sum =
            |f: fn(&Position) -> f64| g.iter().map(|i| f(&points[*i])).fold(0.0, |a, b| a + b);
        let c = channels as f64;
        let center = Position::new(sum(|p| p.x) / c, sum(|p| p.y) / c);
        centers.push(center);
        relative.extend(
            g.iter()
                .map(|i| Position::new(-(points[*i].x - center.x), -(points[*i].y - center.y))),
        );
    }
    Grouping {
        channels,
        members,
        centers,
        relative,
    }
}

fn report(gs: usize, rule: CanvasRule) -> LimitsReport {
    let total = 2000 * gs * gs;
    let (train, test) = scan(total);
    let (gtrain, gtest) = (group(&train, gs, 1000), group(&test, gs, 1000));
    let metadata = Metadata {
        label: "published".into(),
        scenario: format!("gs{gs}"),
        snapshot: "published".into(),
        timestamp: String::new(),
        parameters: BTreeMap::new(),
        overrides: BTreeMap::new(),
    };
    let of = |points: &[Position], grouping| Subset {
        point_count: points.len(),
        requested_groups: 1000,
        grouping,
    };
    let layout = Layout::reference(PatchSize::new(64).unwrap(), GridSize::new(gs).unwrap());
    let start = std::time::Instant::now();
    let r = limits(
        metadata,
        layout,
        rule,
        GROUP_LIMIT,
        of(&train, &gtrain),
        of(&test, &gtest),
    )
    .unwrap();
    println!("gs{gs} {rule:?}: {:?}", start.elapsed());
    r
}

/// Every number of `want` equals that of `got` at its place, within a sum's rounding of its coordinate scale;
/// sums of float32 within one unit in the last place.
fn same(path: &str, got: &Value, want: &Value, differences: &mut Vec<String>) {
    match (got, want) {
        (Value::Object(g), Value::Object(w)) => {
            for (key, w) in w {
                let path = format!("{path}/{key}");
                match g.get(key) {
                    Some(g) => same(&path, g, w, differences),
                    None => differences.push(format!("{path}: missing")),
                }
            }
        }
        (Value::Array(g), Value::Array(w)) if g.len() == w.len() => {
            for (i, (g, w)) in g.iter().zip(w).enumerate() {
                same(&format!("{path}/{i}"), g, w, differences);
            }
        }
        (Value::Number(g), Value::Number(w)) => {
            let (g, w) = (g.as_f64().unwrap(), w.as_f64().unwrap());
            let allowed = if path.ends_with("_sum") {
                f64::from(f32::EPSILON) * w.abs()
            } else if path.ends_with("loss_fraction") {
                F32_STEPS_16.absolute
            } else {
                F64_STEPS_4096.absolute * w.abs().max(1.0)
            };
            if path.ends_with("_sum") {
                println!("{path}: {g} published {w}");
            }
            let within = (g - w).abs() <= allowed;
            if !within {
                differences.push(format!("{path}: {g} published {w}"));
            }
        }
        (g, w) if g == w => {}
        (g, w) => differences.push(format!("{path}: {g} published {w}")),
    }
}

fn check(gs: usize, rule: CanvasRule, file: &str) {
    let Some(hubs) = vectors::hubs() else { return };
    let want: Value =
        serde_json::from_str(&std::fs::read_to_string(hubs.join(file)).unwrap()).unwrap();
    let r = report(gs, rule);
    let got = serde_json::to_value(&r).unwrap();
    let mut differences = Vec::new();
    assert_eq!(want["subsets"].as_object().unwrap().len(), 2);
    same(
        "subsets",
        &got["subsets"],
        &want["subsets"],
        &mut differences,
    );
    for key in ["legacy_max_position_jitter", "legacy_offset", "padded_size"] {
        assert!(want["metadata"][key].is_number(), "{key}");
        same(
            key,
            &got["metadata"][key],
            &want["metadata"][key],
            &mut differences,
        );
    }
    assert_eq!(r.fits(), rule == CanvasRule::Grown);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn canvas_check_of_gs1_matches_the_publication() {
    check(
        1,
        CanvasRule::Grown,
        "2026-01-20T071800Z/reassembly_gs1_ideal.json",
    );
}

#[test]
fn canvas_check_of_gs2_matches_the_publication() {
    check(
        2,
        CanvasRule::Grown,
        "2026-01-20T071800Z/reassembly_gs2_ideal.json",
    );
}

#[test]
fn original_gs1_canvas_is_too_small_as_published() {
    check(
        1,
        CanvasRule::Legacy,
        "2026-01-16T050500Z/reassembly_gs1_custom.json",
    );
}

#[test]
fn original_gs2_canvas_is_too_small_as_published() {
    check(
        2,
        CanvasRule::Legacy,
        "2026-01-16T050500Z/reassembly_gs2_custom.json",
    );
}
