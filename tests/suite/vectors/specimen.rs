//! Object, probe, scan and simulation against the reference's vectors, at the tolerances of its manifest.

use ndarray::{Array2, Ix0, Ix1, Ix2, Ix3, s};
use num_complex::Complex32;
use ptyproof::geometry::{PatchSize, Position};
use ptyproof::io::domain::{CountAmplitude, Patterns};
use ptyproof::optics::simulate;
use ptyproof::optics::{filter, object, probe, scan};
use ptyproof::par::Pool;
use ptyproof::rng::NumpyLegacy;
use ptyproof_pinn::data::split::by_y;
use ptyproof_testkit::tolerance::{
    F32_COORDINATE, F32_FFT_64, F32_STEPS_16, F64_STEPS_4096, assert_close, assert_within,
};

use super::compare::{Largest, non_empty, scale, zip_eq};
use super::vectors;
use super::{load, parts, worst};

fn n64() -> PatchSize {
    PatchSize::new(64).unwrap()
}

/// The object of the published runs.
pub(crate) fn lines() -> Array2<Complex32> {
    object::lines(392, &mut NumpyLegacy::new(42)).object
}

fn normalized_probe() -> Array2<Complex32> {
    let p = probe::idealized(n64(), probe::DEFAULT_PROBE_SCALE);
    probe::normalize_guess(&p, Some(&probe::mask(n64())), 10.0)
        .unwrap()
        .0
}

#[test]
fn lines_object_matches_the_reference() {
    let Some(_) = vectors::folder() else { return };
    const FILE: &str = "object_lines_intermediates.npz";
    let mut r = NumpyLegacy::new(42);
    assert!(non_empty(load::<f64, Ix1>(FILE, "uniforms")).all(|u| u == r.random_sample()));
    let drawn = object::lines(392, &mut NumpyLegacy::new(42));
    let want = load::<i32, Ix2>(FILE, "endpoints");
    assert!(zip_eq(drawn.endpoints.iter().flatten(), &want).all(|(a, b)| *a as i32 == *b));
    let canvas = &drawn.canvas;
    let want = load::<u8, Ix2>(FILE, "canvas");
    assert!(zip_eq(canvas, &want).all(|(a, b)| *a == f64::from(*b)));
    for (sigma, key) in [(1.0, "gf1"), (5.0, "gf5"), (10.0, "gf10")] {
        let g = filter::gaussian(canvas, sigma);
        let want = load::<f64, Ix2>(FILE, key);
        let mut off = Largest::default();
        for (a, b) in zip_eq(g.slice(s![196..588;7, 196..588;7]), &want) {
            assert_close!(a, b, F64_STEPS_4096.as_relative(), "{key}");
            off.add((a - b).abs() / b.abs());
        }
        println!("{key}: worst {:e}, relative", off.get());
    }
    let want: Array2<Complex32> = ndarray_npy::read_npy(
        vectors::folder()
            .unwrap()
            .join("object_lines_seed42_392.npy"),
    )
    .unwrap();
    let off = worst(parts(&drawn.object), parts(&want));
    println!("object: worst {off:e}");
    assert_within!(off, F32_STEPS_16);
}

#[test]
fn probe_matches_the_reference() {
    let Some(_) = vectors::folder() else { return };
    const FILE: &str = "probe_idealized_N64.npz";
    let want = load::<f64, Ix1>(FILE, "lowpass_1d");
    // the window is one exponential and one division: a few units in the last place
    assert!(worst(probe::lowpass(n64(), 0.7), want) <= 4.0 * f64::EPSILON);
    let want = load::<u8, Ix2>(FILE, "disk");
    assert_eq!(probe::disk(n64(), 0.7), want.mapv(f64::from));
    let want = load::<u8, Ix2>(FILE, "mask");
    assert_eq!(probe::mask(n64()), want.mapv(f32::from));
    let raw = probe::idealized(n64(), 0.7);
    let want = load::<Complex32, Ix2>(FILE, "raw");
    assert_within!(worst(parts(&raw), parts(&want)), F32_STEPS_16);
    let (p, factor) = probe::normalize_guess(&raw, Some(&probe::mask(n64())), 10.0).unwrap();
    let want = load::<Complex32, Ix2>(FILE, "normalized");
    assert_within!(worst(parts(&p), parts(&want)), F32_STEPS_16);
    let want = load::<f64, Ix0>(FILE, "norm_factor").into_scalar();
    assert_close!(factor, want, F32_STEPS_16);
}

fn scanned(gs: usize) -> Vec<Position> {
    scan::nongrid((392, 392), if gs == 1 { 512 } else { 1024 }, 10.0, 42).unwrap()
}

#[test]
fn scan_and_split_match_the_reference() {
    let Some(_) = vectors::folder() else { return };
    for gs in [1, 2] {
        let file = format!("scan_gs{gs}.npz");
        let p = scanned(gs);
        assert!(zip_eq(load::<f64, Ix1>(&file, "x"), &p).all(|(x, p)| x == p.x));
        assert!(zip_eq(load::<f64, Ix1>(&file, "y"), &p).all(|(y, p)| y == p.y));
        let split = by_y(&p, 0.5).unwrap();
        for (key, got) in [("train_idx", &split.train), ("test_idx", &split.test)] {
            let want = load::<i64, Ix1>(&file, key);
            assert!(zip_eq(got, &want).all(|(a, b)| *a as i64 == *b));
        }
    }
}

#[test]
fn simulation_matches_the_reference_before_noise() {
    let Some(_) = vectors::folder() else { return };
    let (o, p, pool) = (lines(), normalized_probe(), Pool::new(2).unwrap());
    for gs in [1, 2] {
        let file = format!("diffraction_gs{gs}.npz");
        let all = scanned(gs);
        let (expected, s, _) = simulate::expected_counts(&o.view(), &p, &all, 1e9, &pool).unwrap();
        let want = load::<f64, Ix0>(&file, "sim_intensity_scale").into_scalar();
        println!("gs{gs}: s_sim {} against {want}", s.factor());
        assert_close!(s.factor(), want, F32_STEPS_16.as_relative());

        let patches = load::<Complex32, Ix3>(&file, "patch");
        let lit = load::<Complex32, Ix3>(&file, "illuminated_scaled");
        let most = scale(lit.iter().map(|z| z.norm()));
        let mut patch = vec![Complex32::default(); 64 * 64];
        let mut off = [Largest::default(); 2];
        for (k, &at) in all[..8].iter().enumerate() {
            simulate::patch(&o.view(), simulate::single(at), 64, &mut patch);
            off[0].add(worst(parts(&patch), parts(&patches.slice(s![k, .., ..]))));
            let got: Vec<Complex32> = patch
                .iter()
                .zip(&p)
                .map(|(o, p)| o * p * s.factor() as f32)
                .collect();
            off[1].add(worst(parts(&got), parts(&lit.slice(s![k, .., ..]))) / most);
        }
        let off = off.map(Largest::get);
        println!(
            "gs{gs}: patch worst {:e}, illuminated {:e} of the maximum",
            off[0], off[1]
        );
        assert_within!(off[0], F32_COORDINATE);
        assert_within!(off[1], F32_COORDINATE);

        let expected = expected.values().slice(s![..8, .., ..]);
        let want = load::<f32, Ix3>(&file, "amplitude_counts_noisefree");
        let most = scale(want.iter().copied());
        let off = worst(
            expected.iter().map(|&v| f64::from(v.sqrt())),
            want.iter().map(|&v| f64::from(v)),
        );
        println!("gs{gs}: amplitude worst {:e} of the maximum", off / most);
        assert_within!(off, F32_FFT_64.scaled(most));

        // the reference's own photons: one draw of our expectations, by chi-square
        let drawn = load::<f32, Ix3>(&file, "amplitude_counts_poisson");
        let (mut chi, mut pixels) = (0.0, 0.0);
        for (a, m) in zip_eq(&drawn, &expected) {
            let (k, m) = (f64::from(*a).powi(2), f64::from(*m));
            if m > 20.0 {
                chi += (k - m).powi(2) / m;
                pixels += 1.0;
            }
        }
        println!("gs{gs}: chi-square {chi} of {pixels} pixels");
        assert!((chi - pixels).abs() < 6.0 * f64::sqrt(2.1 * pixels));
        let stored = s.inverse().apply(&Patterns::<CountAmplitude>::new(drawn));
        let want = load::<f32, Ix3>(&file, "diff3d_stored");
        for (a, b) in zip_eq(stored.values(), &want) {
            assert_close!(a, b, F32_STEPS_16.as_relative());
        }
    }
}
