//! Files of other programs: their contents, and round trips.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use ptyproof_testkit::tolerance::{F32_STEPS_16, F32_STORED, assert_close};
use std::path::Path;

use ndarray::{
    Array1, Array2, Array3, Array4, Axis, Ix1, Ix3, Ix4, IxDyn, OwnedRepr, arr0, arr1, s,
};
use ndarray_npy::{NpzReader, NpzWriter};
use num_complex::{Complex32, Complex64};
use proptest::prelude::*;
use ptyproof::geometry::Position;
use ptyproof::io::dataset::Dataset;
use ptyproof::io::domain::Patterns;
use ptyproof::io::formats::{Format, ReadOptions, Writing, open, read, write};
use ptyproof::io::inspect::inspect;
use ptyproof::io::measurement::{Measurement, PixelSize};
use ptyproof::io::npz::{read_dataset, write_dataset};
use ptyproof::io::open_file::OpenFile;
use ptyproof_testkit::compare::{scale, zip_eq};
use ptyproof_testkit::shared::shared;

#[test]
fn siemens_star_reads_equally_from_tike() {
    let (Some(tike), Some(ours)) = (
        shared("tike_siemens-star-small.npz"),
        shared("siemens_star_128.npz"),
    ) else {
        return;
    };
    let (a, b) = (read(tike).unwrap().dataset, read(ours).unwrap().dataset);
    // the root of counts: the same float32, as both take it of the same integers
    assert_eq!(a.patterns, b.patterns);
    for (p, q) in zip_eq(&a.positions, &b.positions) {
        // the other file's positions were moved in float32: half a unit in the last place of 230 and 398 each
        assert_close!(p.x, q.x, F32_STORED.scaled(512.0));
        assert_close!(p.y, q.y, F32_STORED.scaled(512.0));
    }
    // the probes differ by the scale to the data, 94.33, alone
    let (p, q) = (a.probe.unwrap(), b.probe.unwrap());
    for (p, q) in zip_eq(&p, &q) {
        assert_close!(p * 94.33483, q, F32_STEPS_16.or_relative());
    }
}

/// The intensity at the detector, DC at `[N/2, N/2]`: the definition, term by term.
fn intensity(field: &Array2<Complex64>) -> Array2<f64> {
    let n = field.nrows();
    let turn = |k: usize| Complex64::cis(-std::f64::consts::TAU * k as f64 / n as f64);
    let rows = Array2::from_shape_fn((n, n), |(r, v)| {
        (0..n)
            .map(|c| field[[r, c]] * turn(c * v))
            .sum::<Complex64>()
    });
    Array2::from_shape_fn((n, n), |(u, v)| {
        let (u, v) = ((u + n / 2) % n, (v + n / 2) % n);
        let f: Complex64 = (0..n).map(|r| rows[[r, v]] * turn(r * u)).sum();
        f.norm_sqr() / (n * n) as f64
    })
}

#[test]
fn ground_truth_of_tike_synthetic_file_predicts_its_patterns() {
    let Some(path) = shared("tike_ptycho_setup.npz") else {
        return;
    };
    let data = read(path).unwrap().dataset;
    let object = data.object.as_ref().unwrap();
    let modes: Vec<Array2<Complex32>> = [data.probe.clone().unwrap()]
        .into_iter()
        .chain(
            (data
                .measurement
                .further_modes
                .as_ref()
                .unwrap()
                .outer_iter())
            .map(|m| m.to_owned()),
        )
        .collect();
    assert_eq!(modes.len(), 2);
    let n = data.side().get();
    for k in [0usize, 84, 168] {
        let p = data.positions[k];
        let at = |v: f64, i: usize, size: usize| {
            let i = v.floor() as usize + i;
            i.checked_sub(n / 2).filter(|i| *i < size)
        };
        let mut want = Array2::<f64>::zeros((n, n));
        for mode in &modes {
            let field = Array2::from_shape_fn((n, n), |(r, c)| {
                let there = at(p.y, r, object.nrows()).zip(at(p.x, c, object.ncols()));
                let o = there.map_or(Complex32::ZERO, |at| object[at]);
                let (o, m) = (o, mode[[r, c]]);
                Complex64::new(o.re.into(), o.im.into()) * Complex64::new(m.re.into(), m.im.into())
            });
            want += &intensity(&field);
        }
        let got = data.patterns.values().index_axis(Axis(0), k);
        let scale = scale(want.iter().copied());
        for (g, w) in zip_eq(got, &want) {
            // float32 data of a float32 FFT: a few units in the last place of the largest
            assert_close!(
                f64::from(*g).powi(2),
                w,
                F32_STEPS_16.scaled(2.0 * scale),
                "{k}"
            );
        }
    }
}

#[test]
fn a_product_of_the_first_generation_reads() {
    let Some(path) = shared("ptychi_metadata_250_truePos.hdf5") else {
        return;
    };
    let c = open(&path, &ReadOptions::default()).unwrap();
    assert_eq!(c.format, Format::ProductHdf5);
    assert_eq!(c.generation, "first generation");
    assert_eq!(c.positions.len(), 961);
    assert_eq!(c.probe.as_ref().unwrap().dim(), (2, 256, 256));
    assert_eq!(c.object.as_ref().unwrap().dim(), (415, 415));
    assert_eq!(c.measurement.pixel_m, PixelSize::known(8e-9, 8e-9));
    assert_eq!(c.measurement.photon_energy_ev, Some(1e4));
    let message = c.into_dataset().unwrap_err().to_string();
    assert!(message.contains("without patterns"), "{message}");
}

fn numbers(seed: u32) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 65536.0 + 1e-3
    }
}

/// A data set with everything, made from a few numbers.
fn made(n: usize, half: usize, seed: u32, modes: usize, masked: bool) -> Dataset {
    let (side, mut next) = (2 * half, numbers(seed));
    let values = Array3::from_shape_simple_fn((n, side, side), &mut next);
    let positions = (0..n)
        .map(|_| {
            let mut at = || half as f64 + f64::from(next()) / 16.0;
            Position::new(at(), at())
        })
        .collect();
    let mut image = |count| {
        Array3::from_shape_simple_fn((count, side, side), || Complex32::new(next(), -next()))
    };
    let (probe, further) = (image(1).index_axis_move(Axis(0), 0), image(modes - 1));
    let mut good = Array2::from_elem((side, side), true);
    good[[0, 1]] = false;
    let mut m = Measurement {
        further_modes: (modes > 1).then_some(further),
        good: masked.then_some(good),
        photon_energy_ev: Some(8000.0 + f64::from(seed % 1000)),
        distance_m: Some(1.75),
        detector_pixel_m: PixelSize::known(75e-6, 55e-6),
        pixel_m: None,
    };
    m.complete(side);
    let object =
        Array2::from_shape_simple_fn((2 * half + 40, 2 * half + 44), || Complex32::new(0.5, 0.25));
    let scan = vec![0; n];
    Dataset::new(
        "made",
        Patterns::new(values),
        positions,
        scan,
        Some(probe),
        Some(object),
    )
    .unwrap()
    .with_measurement(m)
    .unwrap()
}

fn near(a: Option<PixelSize>, b: Option<PixelSize>) -> bool {
    let close = |a: f64, b: f64| (a / b - 1.0).abs() <= 8.0 * f64::EPSILON;
    a.zip(b)
        .is_some_and(|(a, b)| close(a.x, b.x) && close(a.y, b.y))
}

/// Writes and reads data with given pixel, energy and distance; fails unless the result is one consistent geometry.
fn are_one_geometry(
    seed: u32,
    [pixel, energy, distance]: [Option<f64>; 3],
) -> Result<(), TestCaseError> {
    let d = made(4, 4, seed, 1, false);
    let dir = tempfile::tempdir()?;
    let [npz, cxi, again] = ["a.npz", "b.cxi", "c.cxi"].map(|f| dir.path().join(f));
    write_dataset(&npz, &d)?;
    let options = ReadOptions {
        pixel_m: pixel,
        photon_energy_ev: energy,
        distance_m: distance,
        ..ReadOptions::default()
    };
    let mut read = open(&npz, &options)?;
    let m = read.measurement.clone();
    // positions in pixels are those of the file, whatever a pixel is
    prop_assert_eq!(&read.positions, &d.positions);
    prop_assert!(energy.is_none_or(|e| m.photon_energy_ev == Some(e)));
    prop_assert!(distance.is_none_or(|z| m.distance_m == Some(z)));
    prop_assert!(pixel.is_none_or(|p| m.pixel_m == PixelSize::known(p, p)));
    prop_assert!(pixel.is_some() || m.detector_pixel_m == d.measurement.detector_pixel_m);
    let mut follows = Measurement {
        pixel_m: None,
        ..m.clone()
    };
    follows.complete(8);
    prop_assert!(near(follows.pixel_m, m.pixel_m));
    // so meters and pixels agree in what is written, and in what is written of that
    write(&cxi, &mut read, Format::Cxi, Writing::default())?;
    let mut back = open(&cxi, &ReadOptions::default())?;
    write(
        &again,
        &mut open(&cxi, &options)?,
        Format::Cxi,
        Writing::default(),
    )?;
    let twice = open(&again, &ReadOptions::default())?;
    prop_assert!(
        near(back.measurement.pixel_m, m.pixel_m) && near(twice.measurement.pixel_m, m.pixel_m)
    );
    for c in [&mut back, &mut { twice }] {
        let (a, b) = (c.positions[0], d.positions[0]);
        for (p, q) in zip_eq(&c.positions, &d.positions) {
            let most = 64.0 * f64::EPSILON * 512.0;
            prop_assert!(((p.x - a.x) - (q.x - b.x)).abs() <= most, "{p:?} {q:?}");
            prop_assert!(((p.y - a.y) - (q.y - b.y)).abs() <= most, "{p:?} {q:?}");
        }
    }
    Ok(())
}

#[test]
fn energy_close_to_the_file_gives_one_geometry() {
    // the file has 8792 eV. This is 4e-5 more, which was taken for the same energy in another rounding, so that its pixel stayed
    are_one_geometry(792, [None, Some(8_792.331_171_739_408), None]).unwrap();
    are_one_geometry(792, [None, None, Some(1.750_01)]).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn npz_round_trips_everything(n in 1usize..6, half in 2usize..5, seed: u32, modes in 1usize..4, masked: bool) {
        let d = made(n, half, seed, modes, masked);
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("made.npz");
        write_dataset(&path, &d)?;
        prop_assert_eq!(read_dataset(&path)?.dataset, d);
    }

    #[test]
    fn product_round_trips_except_patterns_and_mask(
        n in 1usize..6, half in 2usize..5, seed: u32, modes in 1usize..4, flat: bool, known: bool,
    ) {
        let mut d = made(n, half, seed, modes, true);
        if !known {
            d.object = None;
        }
        let dir = tempfile::tempdir()?;
        let (name, format) = if flat {
            ("made.product.npz", Format::ProductNpz)
        } else {
            ("made.h5", Format::ProductHdf5)
        };
        let path = dir.path().join(name);
        write(&path, &mut OpenFile::of(&d), format, Writing::default())?;
        let back = open(&path, &ReadOptions::default())?;
        let before = OpenFile::of(&d);
        prop_assert_eq!(back.format, format);
        prop_assert_eq!(&back.name, "made");
        prop_assert_eq!(back.generation, "third generation (1.7)");
        prop_assert_eq!(&back.probe, &before.probe);
        prop_assert_eq!(&back.object, &before.object);
        prop_assert_eq!(back.measurement.pixel_m, d.measurement.pixel_m);
        prop_assert_eq!(back.measurement.photon_energy_ev, d.measurement.photon_energy_ev);
        prop_assert_eq!(back.measurement.distance_m, d.measurement.distance_m);
        for (p, q) in zip_eq(&back.positions, &d.positions) {
            // minus half the object, times and over the pixel, plus it: four roundings below x + W
            let most = 4.0 * f64::EPSILON * 512.0;
            prop_assert!((p.x - q.x).abs() <= most && (p.y - q.y).abs() <= most);
        }
    }

    #[test]
    fn cxi_round_trips_except_object_and_origin(
        n in 1usize..6, half in 2usize..5, seed: u32, modes in 1usize..4, masked: bool, probe_moves: bool,
    ) {
        let d = made(n, half, seed, modes, masked);
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("made.cxi");
        let how = Writing { probe_moves, ..Writing::default() };
        write(&path, &mut OpenFile::of(&d), Format::Cxi, how)?;
        let options = ReadOptions { probe_moves, ..ReadOptions::default() };
        let back = open(&path, &options)?.into_dataset()?.dataset;
        // the root of the rounded square is the amplitude again
        prop_assert_eq!(&back.patterns, &d.patterns);
        prop_assert_eq!(&back.probe, &d.probe);
        prop_assert_eq!(&back.measurement.further_modes, &d.measurement.further_modes);
        prop_assert_eq!(&back.measurement.good, &d.measurement.good);
        prop_assert_eq!(back.measurement.distance_m, d.measurement.distance_m);
        prop_assert_eq!(back.measurement.detector_pixel_m, d.measurement.detector_pixel_m);
        prop_assert!(near(back.measurement.pixel_m, d.measurement.pixel_m));
        let (a, b) = (back.positions[0], d.positions[0]);
        for (p, q) in zip_eq(&back.positions, &d.positions) {
            let most = 16.0 * f64::EPSILON * 512.0;
            prop_assert!(((p.x - a.x) - (q.x - b.x)).abs() <= most);
            prop_assert!(((p.y - a.y) - (q.y - b.y)).abs() <= most);
        }
    }

    #[test]
    fn read_options_give_one_geometry(
        seed: u32, pixel in prop::option::of(1e-9f64..1e-6), energy in prop::option::of(5e3f64..2e4), distance in prop::option::of(0.5f64..9.0),
    ) {
        are_one_geometry(seed, [pixel, energy, distance])?;
    }

    #[test]
    fn read_options_close_to_the_file_give_one_geometry(
        seed: u32, parts in prop::array::uniform3(prop::option::of(-16.0f64..-2.0)), above: bool,
    ) {
        // relative differences from 1e-16 to 1e-2: below, about and above those that are two roundings of one number
        let d = made(4, 4, seed, 1, false).measurement;
        let own = [d.pixel_m.map(|p| p.x), d.photon_energy_ev, d.distance_m];
        let sign = if above { 1.0 } else { -1.0 };
        let options = [0, 1, 2].map(|k| parts[k].zip(own[k]).map(|(e, v)| v * (1.0 + sign * 10f64.powf(e))));
        are_one_geometry(seed, options)?;
    }

    #[test]
    fn slice_of_stored_patterns_is_read(n in 1usize..9, half in 2usize..5, seed: u32, cut in 0usize..9) {
        let d = made(n, half, seed, 1, false);
        let dir = tempfile::tempdir()?;
        let npz = dir.path().join("made.npz");
        let cxi = dir.path().join("made.cxi");
        let how = Writing { store: true, ..Writing::default() };
        write(&npz, &mut OpenFile::of(&d), Format::PtychoPinn, how)?;
        write(&cxi, &mut OpenFile::of(&d), Format::Cxi, how)?;
        let start = cut.min(n - 1);
        let want = d.patterns.values().slice(s![start.., .., ..]).to_owned();
        let mut file = open(&npz, &ReadOptions::default())?;
        let stack = file.stack.as_mut().unwrap();
        prop_assert_eq!(&stack.range(start, n - start)?, &want);
        prop_assert!(stack.range(start, n).is_err() || start == 0);
        let mut file = open(&cxi, &ReadOptions::default())?;
        let got = file.stack.as_mut().unwrap().range(start, n - start)?;
        prop_assert_eq!(&got.mapv(f32::sqrt), &want);
    }
}

#[test]
fn slice_of_compressed_patterns_is_refused_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made.npz");
    write_dataset(&path, &made(3, 2, 1, 1, false)).unwrap();
    let mut file = open(&path, &ReadOptions::default()).unwrap();
    let e = file.stack.as_mut().unwrap().range(0, 1).unwrap_err();
    assert!(e.to_string().contains("compressed"), "{e}");
    assert!(e.advice().unwrap().contains("--store"));
}

#[test]
fn product_keeps_its_pixel_and_notes_omissions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made.product.npz");
    let data = made(3, 2, 1, 1, false);
    write(
        &path,
        &mut OpenFile::of(&data),
        Format::ProductNpz,
        Writing::default(),
    )
    .unwrap();
    let options = |pixel| ReadOptions {
        pixel_m: Some(pixel),
        ..ReadOptions::default()
    };
    let own = open(&path, &ReadOptions::default())
        .unwrap()
        .measurement
        .pixel_m
        .unwrap();
    let e = open(&path, &options(2.0 * own.x)).unwrap_err().to_string();
    assert!(
        e.contains("`pixel_size`") && e.contains("its own pixel"),
        "{e}"
    );

    // as another program has it: an exposure, and the second, fourth and sixth of its patterns
    let all = NpzReader::new(std::fs::File::open(&path).unwrap());
    let mut all = all.unwrap();
    let more = dir.path().join("more.product.npz");
    let mut out = NpzWriter::new(std::fs::File::create(&more).unwrap());
    for name in all.names().unwrap() {
        let name = name.trim_end_matches(".npy");
        match name {
            "exposure_time_s" => out.add_array(name, &arr0(0.5)).unwrap(),
            "probe_position_indexes" => out.add_array(name, &arr1(&[1i64, 3, 5])).unwrap(),
            "name" | "comments" => {}
            "probe" => out
                .add_array(
                    name,
                    &all.by_name::<OwnedRepr<Complex32>, Ix4>(name).unwrap(),
                )
                .unwrap(),
            "object" => out
                .add_array(
                    name,
                    &all.by_name::<OwnedRepr<Complex32>, Ix3>(name).unwrap(),
                )
                .unwrap(),
            "loss_epochs" => out
                .add_array(name, &all.by_name::<OwnedRepr<i64>, Ix1>(name).unwrap())
                .unwrap(),
            _ => out
                .add_array(name, &all.by_name::<OwnedRepr<f64>, IxDyn>(name).unwrap())
                .unwrap(),
        }
    }
    out.finish().unwrap();
    let notes = open(&more, &ReadOptions::default())
        .unwrap()
        .notes
        .join("\n");
    assert!(notes.contains("ignored: `exposure_time_s`"), "{notes}");
    assert!(
        notes.contains("`probe_position_indexes` was ignored"),
        "{notes}"
    );
    let notes = open(&path, &ReadOptions::default())
        .unwrap()
        .notes
        .join("\n");
    assert!(
        !notes.contains("ignored:") && !notes.contains("indexes"),
        "{notes}"
    );
}

#[test]
fn mismatched_mask_or_scan_index_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npz");
    let write = |mask: usize, scans: usize, key: &str| {
        let mut npz = NpzWriter::new(std::fs::File::create(&path).unwrap());
        npz.add_array("diffraction", &Array3::<f32>::from_elem((3, 8, 8), 1.5))
            .unwrap();
        npz.add_array("xcoords", &arr1(&[9.0, 10.0, 11.0])).unwrap();
        npz.add_array("ycoords", &arr1(&[9.0, 10.0, 11.5])).unwrap();
        npz.add_array(key, &Array2::<u8>::zeros((mask, mask)))
            .unwrap();
        npz.add_array("scan_index", &Array1::<i64>::zeros(scans))
            .unwrap();
        npz.finish().unwrap();
        open(&path, &ReadOptions::default())
    };
    let e = write(4, 3, "bad_pixels").unwrap_err().to_string();
    assert!(
        e.contains("mask") && e.contains("4 x 4") && e.contains("8 x 8"),
        "{e}"
    );
    let e = write(8, 2, "bad_pixels").unwrap_err().to_string();
    assert!(
        e.contains("scan_index") && e.contains('2') && e.contains('3'),
        "{e}"
    );
    assert!(write(8, 3, "bad_pixels").is_ok());
    let notes = write(8, 3, "mask").unwrap().notes.join("\n");
    assert!(notes.contains("`mask` was ignored"), "{notes}");
}

/// A tike file of counts, DC at `[0, 0]`.
fn tike(path: &Path, counts: &Array3<f32>) {
    let n = counts.dim().0;
    let mut npz = NpzWriter::new(std::fs::File::create(path).unwrap());
    npz.add_array("data", &counts.view().insert_axis(Axis(0)))
        .unwrap();
    let scan = Array3::from_shape_fn((1, n, 2), |(_, k, axis)| (10 * k + 3 * axis) as f32);
    npz.add_array("scan", &scan).unwrap();
    let side = counts.dim().1;
    let probe = Array4::from_elem((1, 2, side, side), Complex32::ONE);
    npz.add_array("probe", &probe).unwrap();
    npz.finish().unwrap();
}

#[test]
fn negative_counts_become_zero_with_a_note() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npz");
    let mut counts = Array3::from_elem((3, 4, 4), 9.0);
    counts[[1, 0, 0]] = -2.5;
    tike(&path, &counts);
    let file = read(&path).unwrap();
    // DC at [0, 0] comes to [2, 2]
    assert_eq!(file.dataset.patterns.values()[[1, 2, 2]], 0.0);
    assert_eq!(file.dataset.patterns.values().sum(), 3.0 * 47.0);
    assert!(
        file.notes
            .iter()
            .any(|n| n.contains("1 negative counts") && n.contains("-2.5")),
        "{:?}",
        file.notes
    );
    // rows are y: the second patch begins at row 10, column 13 - 3 from the first
    let step = file.dataset.positions[1].y - file.dataset.positions[0].y;
    assert_eq!(step, 10.0);
    assert_eq!(file.dataset.positions[0], Position::new(4.0, 4.0));
}

#[test]
fn nonfinite_count_is_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npz");
    let mut counts = Array3::from_elem((3, 4, 4), 9.0);
    counts[[2, 0, 1]] = f32::NAN;
    tike(&path, &counts);
    let options = ReadOptions {
        pixel_m: Some(1e-8),
        photon_energy_ev: Some(8e3),
        distance_m: Some(1.0),
        ..ReadOptions::default()
    };
    for (name, format) in [("a.npz", Format::PtychoPinn), ("a.cxi", Format::Cxi)] {
        let mut c = open(&path, &options).unwrap();
        let e = write(dir.path().join(name), &mut c, format, Writing::default()).unwrap_err();
        assert!(e.to_string().contains("pattern 2, row 2, col 3"), "{e}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let mut c = open(&path, &options).unwrap();
    let found = inspect(&mut c).unwrap().patterns.unwrap();
    assert_eq!(found.not_finite, 1);
    assert_eq!(found.not_finite_pixels.first, Some([2, 3]));
}

#[test]
fn bad_pixels_are_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npz");
    let mut counts = Array3::<f64>::from_elem((3, 4, 4), 9.0);
    counts.slice_mut(s![.., 1, 2]).fill(f64::INFINITY);
    let mut npz = NpzWriter::new(std::fs::File::create(&path).unwrap());
    npz.add_array("diff3d", &counts).unwrap();
    for key in ["xcoords", "ycoords"] {
        let at = arr1(&[1.0, 5.0, 9.0]);
        npz.add_array(key, &at).unwrap();
    }
    let bad = Array2::from_shape_fn((4, 4), |at| at == (1, 2));
    npz.add_array("bad_pixels", &bad).unwrap();
    npz.finish().unwrap();
    let file = read(&path).unwrap();
    let d = &file.dataset;
    assert_eq!(d.patterns.values()[[0, 1, 2]], 0.0);
    // whole numbers of 2 and more: counts
    assert_eq!(d.patterns.values()[[0, 0, 0]], 3.0);
    assert_eq!(d.measurement.good.as_ref().unwrap(), &bad.mapv(|b| !b));
    let found = inspect(&mut open(&path, &ReadOptions::default()).unwrap()).unwrap();
    assert_eq!(
        (found.masked, found.patterns.unwrap().not_finite),
        (Some(1), 0)
    );
}

#[test]
fn pixel_and_pattern_defects_are_counted() {
    let plain = || {
        let mut next = numbers(7);
        Array3::from_shape_simple_fn((6, 8, 8), || 400.0 + next().floor())
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npz");
    let found = |counts: &Array3<f32>| {
        tike(&path, counts);
        let options = ReadOptions::default();
        inspect(&mut open(&path, &options).unwrap())
            .unwrap()
            .patterns
            .unwrap()
    };
    let p = found(&plain());
    assert_eq!(
        (p.dead.count, p.hot.count, p.saturated, p.duplicates),
        (0, 0, 0, 0)
    );
    let mut counts = plain();
    counts.slice_mut(s![.., 1, 1]).fill(0.0);
    counts.slice_mut(s![.., 2, 6]).fill(9999.0);
    let first = counts.index_axis(Axis(0), 0).to_owned();
    counts.index_axis_mut(Axis(0), 5).assign(&first);
    let p = found(&counts);
    assert_eq!((p.dead.count, p.dead.first), (1, Some([5, 5])));
    assert_eq!((p.hot.count, p.hot.first), (1, Some([6, 2])));
    assert_eq!((p.saturated, p.duplicates), (6, 1));
}

#[test]
fn direct_beam_is_not_a_hot_pixel() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npz");
    // tike's files have DC at the corner: a beam at (row, col) is read `N / 2` further
    let n = 128;
    let hot = |beam: usize| {
        let mut counts = Array3::<f32>::from_elem((2, n, n), 100.0);
        counts.slice_mut(s![.., 0, beam]).fill(1e6);
        tike(&path, &counts);
        let found = inspect(&mut open(&path, &ReadOptions::default()).unwrap()).unwrap();
        found.patterns.unwrap().hot_pixels
    };
    // a thirty-second of a detector
    assert_eq!(hot(4), [[0; 2]; 0]);
    assert_eq!(hot(5), [[n / 2, n / 2 + 5]]);
}

#[test]
fn unknown_format_error_lists_the_keys() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.h5");
    std::fs::write(&path, b"neither").unwrap();
    let message = open(&path, &ReadOptions::default())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("x.h5") && message.contains("neither"),
        "{message}"
    );
    let mut npz = NpzWriter::new(std::fs::File::create(&path).unwrap());
    npz.add_array("alone", &Array2::<f32>::zeros((2, 3)))
        .unwrap();
    npz.finish().unwrap();
    let message = open(&path, &ReadOptions::default())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("alone (2, 3)") && message.contains("need"),
        "{message}"
    );
}
