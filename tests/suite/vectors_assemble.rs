//! Canvas sizes, placing and stitching against values produced by running the reference.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test panics where it fails and prints what it measured"
)]

use ndarray::Array4;
use num_complex::Complex32;
use ptyproof::assemble::{Jitter, Layout, Placement, stitch};
use ptyproof::geometry::{CanvasSize, GridSize, PatchSize, Position};
use ptyproof_testkit::compare::{Largest, largest, non_empty, zip_eq};
use ptyproof_testkit::tolerance::{
    F32_COORDINATE, F32_SUM_1024, F32_SUM_16384, F64_STEPS_4096, assert_close, assert_within,
};
use ptyproof_testkit::vectors;

#[test]
fn canvas_sizes_match_the_reference() {
    let Some(v) = vectors::json("padded_size.json") else {
        return;
    };
    let int = |v: &serde_json::Value, key: &str| {
        usize::try_from(v[key].as_u64().unwrap_or_else(|| panic!("{key}"))).unwrap()
    };
    let n64 = PatchSize::new(64).unwrap();
    let rows = v["table"].as_array().unwrap();
    for row in rows {
        let layout = Layout {
            n: PatchSize::new(int(row, "N")).unwrap(),
            gridsize: GridSize::new(int(row, "gridsize")).unwrap(),
            offset: int(row, "offset"),
        };
        let jitter = Jitter::new(int(row, "max_position_jitter"));
        assert_eq!(layout.big_n().unwrap(), int(row, "bigN"));
        assert_eq!(
            layout.padded_size(jitter).unwrap().get(),
            int(row, "padded_size")
        );
        assert_eq!(layout.padding(jitter).unwrap(), int(row, "padding_size"));
    }
    let cases = v["jitter_cases"].as_array().unwrap();
    for case in cases {
        let layout = Layout::reference(n64, GridSize::new(int(case, "gridsize")).unwrap());
        let start = Jitter::new(int(case, "start_jitter"));
        let grown = start
            .grow(layout, case["max_abs_offset"].as_f64().unwrap())
            .unwrap();
        assert_eq!(grown.get(), int(case, "max_position_jitter"));
        assert_eq!(
            layout.padded_size(grown).unwrap().get(),
            int(case, "padded_size")
        );
    }
    println!("{} rows, {} jitter cases", rows.len(), cases.len());
    assert!(rows.len() >= 30 && cases.len() >= 9);
}

#[test]
fn stitched_canvas_matches_the_reference() {
    let Some(mut z) = vectors::npz("reassemble_position.npz") else {
        return;
    };
    let patches: Array4<Complex32> = vectors::array(&mut z, "patches");
    let offsets: Array4<f64> = vectors::array(&mut z, "global_offsets");
    let at: Vec<Position> = offsets
        .outer_iter()
        .map(|o| Position::new(o[[0, 0, 0]], o[[0, 1, 0]]))
        .collect();
    for m in [20, 10] {
        let want: ndarray::Array3<Complex32> = vectors::array(&mut z, &format!("out_M{m}"));
        let s = stitch(patches.index_axis(ndarray::Axis(3), 0), &at, m).unwrap();
        assert_eq!((s.canvas.dim().0, s.canvas.dim().1, 1), want.dim());
        assert_eq!(s.dropped, 0);
        let (mut thick, mut thin) = (Largest::default(), Largest::default());
        for ((got, want), w) in zip_eq(zip_eq(&s.canvas, &want), &s.coverage) {
            let e = (got - want).norm();
            if *w == 0.0 {
                assert_eq!((*got, *want), (Complex32::default(), Complex32::default()));
            } else if *w >= 0.05 {
                thick.add(e);
            } else {
                thin.add(e);
            }
        }
        let (thick, thin) = (thick.get(), thin.get());
        println!("M = {m}: largest difference {thick:e}, at thin edges {thin:e}");
        // MANIFEST: 1e-4, and 1e-3 for the ratio at thin edges.
        assert_within!(thick, F32_SUM_1024);
        assert_within!(thin, F32_SUM_16384);
    }
}

#[test]
fn placement_matches_reference_translation() {
    let Some(mut z) = vectors::npz("translation_bilinear.npz") else {
        return;
    };
    let image: Array4<Complex32> = vectors::array(&mut z, "image");
    let by: ndarray::Array2<f32> = vectors::array(&mut z, "translations_xy");
    let want: Array4<Complex32> = vectors::array(&mut z, "output");
    let cotangent: Array4<Complex32> = vectors::array(&mut z, "cotangent");
    let grad: Array4<Complex32> = vectors::array(&mut z, "grad_image");
    let side = CanvasSize::new(image.dim().1).unwrap();
    let difference = |a: &ndarray::Array2<Complex32>, b: ndarray::ArrayView2<'_, Complex32>| {
        largest(zip_eq(a, b).map(|(a, b)| (a - b).norm()))
    };
    for k in non_empty(0..image.dim().0) {
        let p = Placement::new(side.get(), 0, side, &[[by[[k, 0]], by[[k, 1]]]]).unwrap();
        let one = |a: &Array4<Complex32>| a.slice(ndarray::s![k..=k, .., .., 0]).to_owned();
        let moved = p.place(one(&image).view()).unwrap();
        let forward = difference(&moved, want.slice(ndarray::s![k, .., .., 0]));
        let c = one(&cotangent);
        let taken = p.take(c.index_axis(ndarray::Axis(0), 0)).unwrap();
        let taken = taken.index_axis(ndarray::Axis(0), 0).to_owned();
        let backward = difference(&taken, grad.slice(ndarray::s![k, .., .., 0]));
        println!("shift {k}: forward {forward:e}, adjoint {backward:e}");
        assert_within!(forward, F32_COORDINATE);
        assert_within!(backward, F32_COORDINATE);
    }
}

#[test]
fn collapsed_run_matches_published_figures() {
    // The gs1 run whose weights became NaN: every covered pixel is NaN, the rest is 0, so its figures
    // depend on the scan, the canvas and the truth alone. Published: NaN 23065, count 130599, ...
    let (Some(mut z), Some(folder)) = (vectors::npz("grouping_gs1.npz"), vectors::folder()) else {
        return;
    };
    let offsets: Array4<f64> = vectors::array(&mut z, "infer_coords_offsets");
    let truth: ndarray::Array2<Complex32> =
        ndarray_npy::read_npy(folder.join("object_lines_seed42_392.npy")).unwrap();
    let at: Vec<Position> = offsets
        .outer_iter()
        .map(|o| Position::new(o[[0, 0, 0]], o[[0, 1, 0]]))
        .collect();
    let nan = Complex32::new(f32::NAN, f32::NAN);
    let patches = ndarray::Array3::from_elem((at.len(), 64, 64), nan);
    let s = stitch(patches.view(), &at, 20).unwrap();
    assert_eq!(s.canvas.dim(), (392, 392));
    assert_eq!(s.canvas.iter().filter(|v| v.is_nan()).count(), 23065);
    assert_eq!(s.covered(), 23065);
    let c = ptyproof::score::compare(&s, truth.view(), 1.0)
        .unwrap()
        .metrics;
    let a = c.amplitude.metrics;
    println!("{a:?}");
    assert_eq!(a.count, 130599);
    assert_eq!(a.pearson_r, None);
    // The truth is float32 to 5e-7 (MANIFEST): means of 1e5 such values agree far better than that.
    for (got, want) in [
        (a.mae, 2.6816206856592113),
        (a.rmse, 2.7572922296847815),
        (a.max_abs, 4.7676825523376465),
    ] {
        assert_close!(got.unwrap(), want, F64_STEPS_4096);
    }
    assert!(c.registered.seen_pixels > 0);
    assert_eq!(c.registered.non_finite, c.registered.seen_pixels);
}

#[test]
fn published_groups_give_published_canvas_sizes() {
    // Published stats.json: offsets of the 64 inference groups, padded_size 828 and 822.
    for (gs, file, jitter, padded, required, farthest) in [
        (1, "grouping_gs1.npz", 764, 828, 828, 381.8949744624406),
        (2, "grouping_gs2.npz", 754, 822, 817, 376.3193180156394),
    ] {
        let Some(mut z) = vectors::npz(file) else {
            return;
        };
        let mut max_abs = |key: &str| {
            let a: Array4<f64> = vectors::array(&mut z, key);
            largest(a.iter().map(|v| v.abs()))
        };
        let n = PatchSize::new(64).unwrap();
        let layout = Layout::reference(n, GridSize::new(gs).unwrap());
        let mut room = Jitter::REFERENCE;
        for key in ["train_coords_offsets", "test_coords_offsets"] {
            room = room.grow(layout, max_abs(key)).unwrap();
        }
        assert_eq!(room.get(), jitter);
        assert_eq!(layout.padded_size(room).unwrap().get(), padded);
        let m = max_abs("infer_coords_offsets");
        assert_eq!(m, farthest);
        let plain = ptyproof::assemble::required_canvas(n, m, false).unwrap();
        assert_eq!(plain.get(), required);
    }
}
