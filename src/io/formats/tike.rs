//! NPZ files in the layout of the tests of tike.
//!
//! *Conventions.* `data` or `intensity`, `([1,] n, N, N)` counts, DC at `[0, 0]`; `scan`,
//! `([1,] n, 2)`, (row, column) of the first corner of the probe's grid in object pixels; `probe`,
//! `(1, 1, 1, modes, P, P)` complex64, `P <= N`; `psi`, `(layers, H, W)` complex64, optional. Fields
//! go to the detector by an orthonormal FFT.
//!
//! A probe of `P < N` is zero-padded to `N` around its center: the intensity is unchanged, because tike pads after the
//! product. A position becomes the center: corner + `P / 2`.
//!
//! *Source.* `tests/data` of tike (BSD-3); the conventions were checked against its synthetic data to
//! 2.5e-7.

use ndarray::{Array2, Array3, Axis, Ix2, s};
use num_complex::Complex32;

use super::origin::settle;
use crate::error::Result;
use crate::geometry::Position;
use crate::io::dataset::Labels;
use crate::io::format::Format;
use crate::io::measurement::Measurement;
use crate::io::npz::archive::{ANY, Archive, REAL};
use crate::io::npz::header::shape_text;
use crate::io::npz::image::modes;
use crate::io::npz::read::stem;
use crate::io::npz::stack::NpzPatterns;
use crate::io::open_file::{OpenFile, Stack};
use crate::io::unit::Unit;

pub(super) fn read(mut file: Archive) -> Result<OpenFile> {
    let mut notes = Vec::new();
    let key = if file.has("data") {
        "data"
    } else {
        "intensity"
    };
    let shape = file.shape(key, REAL)?;
    let (count, rows, cols) = match shape[..] {
        [n, r, c] | [1, n, r, c] => (n, r, c),
        _ => {
            return Err(file
                .error()
                .at(format!("key `{key}`"))
                .got(format!("shape {}", shape_text(&shape)))
                .need("(1, patterns, N, N) or (patterns, N, N)"));
        }
    };
    if !file.is_row_major(key) {
        return Err(file
            .error()
            .at(format!("key `{key}`"))
            .got("an array in Fortran order")
            .need("row-major order (numpy.ascontiguousarray)"));
    }
    let scan = scan(&mut file, count)?;
    let psi = if file.has("psi") {
        let layers = modes(&mut file, "psi", &mut Vec::new())?;
        if layers.dim().0 > 1 {
            notes.push(format!(
                "`psi` has {} layers; only the first was read",
                layers.dim().0
            ));
        }
        Some(layers.index_axis_move(Axis(0), 0))
    } else {
        None
    };
    let probe = if file.has("probe") {
        Some(modes(&mut file, "probe", &mut notes)?)
    } else {
        None
    };
    let side = probe.as_ref().map_or(cols, |p| p.dim().2);
    let mut positions: Vec<Position> = (scan.outer_iter())
        .map(|p| Position::new(p[1] + side as f64 / 2.0, p[0] + side as f64 / 2.0))
        .collect();
    notes.push(format!(
        "`scan` is the (row, column) of the first corner of each patch: {} was added for its center",
        side as f64 / 2.0
    ));
    if psi.is_none() {
        settle(&mut positions, cols, &mut notes);
    }
    let probe = probe.map(|p| padded(p, rows, cols, &mut notes));
    notes.push(format!(
        "`{key}` holds counts with DC at [0, 0]: fftshift and square root were applied"
    ));
    let labels = Labels {
        action: format!("reading {}", file.path().display()),
        patterns: format!("key `{key}`"),
        positions: "key `scan`".to_owned(),
        scan_index: "key `scan`".to_owned(),
        probe: "key `probe`".to_owned(),
        object: "key `psi`".to_owned(),
    };
    Ok(OpenFile {
        format: Format::Tike,
        generation: String::new(),
        name: stem(file.path()),
        stack: Some(Stack {
            count,
            size: (rows, cols),
            unit: Unit::Counts,
            dtype: file.descr(key),
            shape,
            place: format!("key `{key}`"),
            corner: true,
            source: Box::new(NpzPatterns {
                file,
                key: key.to_owned(),
                size: (rows, cols),
            }),
        }),
        scan_index: vec![0; positions.len()],
        positions,
        probe,
        object: psi,
        measurement: Measurement::default(),
        notes,
        labels,
    })
}

/// The scan, `(n, 2)`.
fn scan(file: &mut Archive, count: usize) -> Result<Array2<f64>> {
    let shape = file.shape("scan", ANY)?;
    let refused = |file: &Archive| {
        file.error()
            .at("key `scan`")
            .got(format!("shape {}", shape_text(&shape)))
            .need(format!("({count}, 2) or (1, {count}, 2)"))
    };
    let mut all = file.doubles("scan")?;
    if all.ndim() == 3 && shape[0] == 1 {
        all = all.index_axis_move(Axis(0), 0);
    }
    match all.into_dimensionality::<Ix2>() {
        Ok(scan) if scan.dim() == (count, 2) => Ok(scan),
        _ => Err(refused(file)),
    }
}

/// The modes in the middle of `rows x cols` zeros, if they are smaller than that.
fn padded(
    modes: Array3<Complex32>,
    rows: usize,
    cols: usize,
    notes: &mut Vec<String>,
) -> Array3<Complex32> {
    let (m, r, c) = modes.dim();
    if (r, c) == (rows, cols) || r > rows || c > cols {
        return modes; // a larger one is refused by the data set
    }
    notes.push(format!(
        "`probe` is {r} x {c} and the patterns are {rows} x {cols}: the probe was zero-padded around its center"
    ));
    let mut out = Array3::zeros((m, rows, cols));
    let (y, x) = (rows / 2 - r / 2, cols / 2 - c / 2);
    out.slice_mut(s![.., y..y + r, x..x + c]).assign(&modes);
    out
}
