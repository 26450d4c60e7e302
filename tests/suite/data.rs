//! Data sets in files: the shared ones, round trips, and damage.

use ndarray::{Array1, Array2, Array3};
use ndarray_npy::NpzWriter;
use num_complex::Complex32;
use proptest::prelude::*;
use ptyproof::geometry::{PatchSize, Position};
use ptyproof::io::dataset::Dataset;
use ptyproof::io::domain::Patterns;
use ptyproof::io::npz::{read_dataset, read_object, read_probe, write_dataset};
use ptyproof_testkit::shared::shared;

#[test]
fn the_siemens_star_reads() {
    let Some(path) = shared("siemens_star_128.npz") else {
        return;
    };
    let read = read_dataset(&path).unwrap();
    let d = &read.dataset;
    assert_eq!(
        (d.len(), d.side().get(), d.name.as_str()),
        (516, 128, "siemens_star_128")
    );
    assert!(d.probe.is_some() && d.object.is_none());
    assert_eq!(read.notes, Vec::<String>::new());
    // the README's mean of counts per pattern
    let counts: f64 = d
        .patterns
        .values()
        .iter()
        .map(|&v| f64::from(v).powi(2))
        .sum();
    assert!(
        (counts / 516.0 - 461_213.0).abs() < 1.0,
        "{}",
        counts / 516.0
    );
}

#[test]
fn the_bench_problem_reads() {
    let Some(path) = shared("bench_problem.npz") else {
        return;
    };
    let read = read_dataset(&path).unwrap();
    let d = &read.dataset;
    assert_eq!(
        (d.len(), d.side().get(), d.object_bounds()),
        (400, 64, Some((256, 256)))
    );
    assert_eq!(d.object.as_ref(), Some(&read_object(&path).unwrap()));
}

#[test]
fn file_without_diffraction_still_gives_its_probe() {
    let Some(path) = shared("PtychoPINN_Run1084_recon3_postPC.npz") else {
        return;
    };
    let message = read_dataset(&path).unwrap_err().to_string();
    assert!(
        message.contains("no diffraction") && message.contains("probeGuess (64, 64) <c16"),
        "{message}"
    );
    assert_eq!(
        read_probe(&path, PatchSize::new(64).unwrap())
            .unwrap()
            .dim(),
        (64, 64)
    );
    assert_eq!(read_object(&path).unwrap().dim(), (227, 226));
    assert!(read_probe(&path, PatchSize::new(128).unwrap()).is_err());
}

/// A data set made from a few numbers.
fn made(n: usize, half: usize, seed: u32, known: bool) -> Dataset {
    let side = 2 * half;
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 65536.0 + 1e-3
    };
    let values = Array3::from_shape_simple_fn((n, side, side), &mut next);
    let positions = (0..n)
        .map(|_| Position::new(f64::from(next()) / 30.0, f64::from(next()) / 30.0))
        .collect();
    let probe = known
        .then(|| Array2::from_shape_simple_fn((side, side), || Complex32::new(next(), -next())));
    let object = known.then(|| Array2::from_elem((12, 10), Complex32::new(0.5, 0.25)));
    let scan = (0..n).map(|i| i as i64 - 1).collect();
    Dataset::new(
        "made",
        Patterns::new(values),
        positions,
        scan,
        probe,
        object,
    )
    .unwrap_or_else(|e| panic!("{e}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn data_set_round_trips(n in 1usize..9, half in 2usize..5, seed: u32, known: bool) {
        // law: read(write(d)) = d, and write is a function of d
        let d = made(n, half, seed, known);
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("made.npz");
        write_dataset(&path, &d)?;
        let bytes = std::fs::read(&path)?;
        let read = read_dataset(&path)?;
        prop_assert_eq!(&read.dataset, &d);
        prop_assert_eq!(read.notes.len(), usize::from(n == 2 * half));
        write_dataset(&path, &d)?;
        prop_assert_eq!(std::fs::read(&path)?, bytes);
        prop_assert_eq!(std::fs::read_dir(dir.path())?.count(), 1);
    }

    #[test]
    fn transposed_copy_reads_equally(n in 1usize..9, half in 2usize..5, seed: u32) {
        // law: read(transpose(d)) = d, with a note
        prop_assume!(n != 2 * half);
        let d = made(n, half, seed, false);
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("turned.npz");
        let mut npz = NpzWriter::new(std::fs::File::create(&path)?);
        npz.add_array("diffraction", &d.patterns.values().view().permuted_axes([1, 2, 0]))?;
        npz.add_array("xcoords", &d.positions.iter().map(|p| p.x).collect::<Array1<f64>>())?;
        npz.add_array("ycoords", &d.positions.iter().map(|p| p.y).collect::<Array1<f64>>())?;
        npz.finish()?;
        let read = read_dataset(&path)?;
        prop_assert_eq!(&read.dataset.patterns, &d.patterns);
        prop_assert_eq!(&read.dataset.positions, &d.positions);
        prop_assert!(read.notes.iter().any(|s| s.contains("transposed")));
    }

    #[test]
    fn damaged_file_is_refused_or_reads_equally(
        cut in 0.0f64..1.2,
        flips in prop::collection::vec((0.0f64..1.0, 1u8..=255), 0..6),
        tail: bool,
        seed in 0u32..4,
    ) {
        // law: reading damaged bytes never panics, and returns `Ok` only with valid data
        let d = made(3, 2, seed, true);
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("made.npz");
        write_dataset(&path, &d)?;
        let mut bytes = std::fs::read(&path)?;
        let length = bytes.len();
        bytes.truncate((cut * length as f64) as usize);
        let length = bytes.len();
        // the directory at the end is a small part of a file: half of the cases aim at it
        let from = if tail { length.saturating_sub(700) } else { 0 };
        for (at, mask) in flips {
            if length > 0 {
                bytes[from + (at * (length - from) as f64) as usize] ^= mask;
            }
        }
        std::fs::write(&path, &bytes)?;
        let side = PatchSize::new(4)?;
        if let Ok(read) = read_dataset(&path) {
            // names, dates and comments have no checksum; a lost optional key is a shorter file
            prop_assert_eq!(&read.dataset.patterns, &d.patterns);
            prop_assert_eq!(&read.dataset.positions, &d.positions);
        }
        let _ = read_probe(&path, side);
        let _ = read_object(&path);
        std::fs::rename(&path, dir.path().join("made.npy"))?;
        let _ = read_object(dir.path().join("made.npy"));
    }
}
