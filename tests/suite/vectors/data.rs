//! Grouping and normalization against the reference's vectors.

use ndarray::{Ix0, Ix2, Ix4};
use ptyproof::geometry::{GridSize, Position};
use ptyproof::io::domain::{Groups, Normalized, Raw, Scale};
use ptyproof::optics::{object, scan};
use ptyproof::rng::NumpyLegacy;
use ptyproof_pinn::data::group::Grouping;
use ptyproof_pinn::data::split::by_y;
use ptyproof_testkit::tolerance::{F32_STEPS_16, F64_STEPS_4096, assert_all_close, assert_close};

use super::compare::zip_eq;
use super::load;
use super::vectors;

/// The three groupings of a run: train, test and 64 of test for inference, on the stream that the
/// object left (reference description, section g).
pub(crate) fn run(gs: usize) -> [(&'static str, Vec<Position>, Grouping); 3] {
    let size = GridSize::new(gs).unwrap();
    let all = scan::nongrid((392, 392), if gs == 1 { 512 } else { 1024 }, 10.0, 42).unwrap();
    let split = by_y(&all, 0.5).unwrap();
    let take = |idx: &[usize]| idx.iter().map(|&i| all[i]).collect::<Vec<_>>();
    let (train, test) = (take(&split.train), take(&split.test));
    let mut rng = NumpyLegacy::new(42);
    object::lines(392, &mut rng);
    let count = if gs == 1 { 256 } else { 128 };
    let mut group = |p: &[Position], n| Grouping::draw(p, size, n, 4, &mut rng).unwrap();
    let (a, b) = (group(&train, count), group(&test, count));
    let c = group(&test, 64);
    [
        ("train", train, a),
        ("test", test.clone(), b),
        ("infer", test, c),
    ]
}

fn xy(p: &[Position], channels: usize) -> Vec<f64> {
    // [group, 1, axis, channel]
    p.chunks_exact(channels)
        .flat_map(|g| {
            g.iter()
                .map(|p| p.x)
                .chain(g.iter().map(|p| p.y))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn groups_match_the_reference() {
    let Some(_) = vectors::folder() else { return };
    for gs in [1, 2] {
        let (file, c) = (format!("grouping_gs{gs}.npz"), gs * gs);
        for (part, positions, g) in run(gs) {
            let want = load::<i32, Ix2>(&file, &format!("{part}_nn_indices"));
            let same = zip_eq(&g.members, &want).all(|(a, b)| *a as i32 == *b);
            assert!(same, "{part} of gs{gs}");
            let at: Vec<Position> = g.members.iter().map(|&m| positions[m]).collect();
            for (key, got) in [
                ("offsets", xy(&g.centers, 1)),
                ("relative", xy(&g.relative, c)),
                ("nn", xy(&at, c)),
            ] {
                let want = load::<f64, Ix4>(&file, &format!("{part}_coords_{key}"));
                assert_all_close!(&got, &want, F64_STEPS_4096, "{part} {key}");
                if gs == 1 && key == "relative" {
                    assert!(
                        zip_eq(&got, &want).all(|(a, b)| a.to_bits() == b.to_bits()),
                        "-0.0"
                    );
                }
            }
        }
    }
}

#[test]
fn normalized_groups_match_the_reference() {
    let Some(_) = vectors::folder() else { return };
    for gs in [1, 2] {
        let file = format!("normalized_gs{gs}.npz");
        let raw = Groups::<Raw>::new(load::<f32, Ix4>(&file, "X_raw"));
        let k = load::<f64, Ix0>(&file, "train_norm_factor").into_scalar();
        let x = Scale::<Raw, Normalized>::new(k, "train")
            .unwrap()
            .apply_groups(raw.clone());
        for (a, b) in zip_eq(x.values(), &load::<f32, Ix4>(&file, "X")) {
            assert_close!(a, b, F32_STEPS_16.as_relative());
        }
        // the factor itself comes from the whole, unrepeatable container; its 4 groups are close to it
        let few = ptyproof_pinn::data::scale::statistical(&raw, "four groups").unwrap();
        assert!((few.factor() / k - 1.0).abs() < 0.5, "{} {k}", few.factor());
        let want = load::<i32, Ix2>(&file, "nn_indices");
        // the file has the first groups of the run only
        let (_, _, g) = &run(gs)[0];
        let first = &g.members[..want.len()];
        assert!(zip_eq(&want, first).all(|(a, b)| *a == *b as i32));
    }
}
