//! Where a reconstruction begins: a probe behind a transparent object, or what an earlier one left.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Ix3};
use num_complex::Complex32;
use serde_json::Value;

use super::last_part;
use ptyproof::error::{Error, Result};
use ptyproof::finite::Census;
use ptyproof::geometry::Position;
use ptyproof::hub::dir;
use ptyproof::io::dataset::Dataset;
use ptyproof::io::npz::{Values, image_of, read_array, read_npy, read_plane};
use ptyproof::json;
use ptyproof::solve::problem::Frame;
use ptyproof::solve::{Estimate, Problem};

/// Where to begin.
#[derive(Debug)]
pub enum InitialGuess {
    /// The probe of the data file; without one, the guess from the mean pattern.
    Own,
    /// A probe, `[row, col]`, and where it is from.
    Probe(String, Array2<Complex32>),
    /// Object, probe and positions of a hub.
    Hub(PathBuf),
}

/// A start, and what it is in words.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) estimate: Estimate,
    pub(super) from: String,
}

pub(super) fn estimate(
    problem: &Problem,
    begin: &InitialGuess,
    data: &Dataset,
    modes: Option<usize>,
) -> Result<Started> {
    let further = match begin {
        InitialGuess::Own => data.measurement.further_modes.as_ref(),
        _ => None,
    };
    let known = 1 + further.map_or(0, |f| f.dim().0);
    let count = modes.unwrap_or(known);
    let (probe, from) = match (begin, data.probe.as_ref()) {
        (InitialGuess::Hub(path), _) => return hub(problem, path, modes),
        (InitialGuess::Probe(from, probe), _) => (probe, from.clone()),
        (InitialGuess::Own, Some(probe)) => (
            probe,
            match count.min(known) {
                1 => "the probe of the data".to_owned(),
                m => format!("the {m} modes of the data's probe"),
            },
        ),
        (InitialGuess::Own, None) => (
            &problem.guessed_probe(),
            "a probe guessed from the mean pattern".to_owned(),
        ),
    };
    Ok(Started {
        estimate: Estimate::start_from(problem, probe, further, count)?,
        from,
    })
}

/// The probe under a key of a `.npz` file, `[row, col]`; axes of length 1 beyond two are dropped.
///
/// # Errors
/// If the file cannot be read, lacks the key, or holds something else there.
pub fn probe_of(path: &Path, key: &str) -> Result<Array2<Complex32>> {
    let values = match read_array(path, key)? {
        Values::Complex(a) => a,
        Values::Real(a) => a.mapv(Complex32::from),
    };
    let shape = values.shape().to_vec();
    image_of(values).ok_or_else(|| {
        Error::input("reading the probe")
            .at(format!("{}, key `{key}`", path.display()))
            .got(format!("shape {shape:?}"))
            .need("two axes, (rows, columns)")
    })
}

/// What a hub of an earlier reconstruction holds.
fn hub(problem: &Problem, path: &Path, modes: Option<usize>) -> Result<Started> {
    let action = "starting from an earlier reconstruction";
    let refuse = |place: &str, got: String, need: String| {
        Error::input(action)
            .at(path.join(place).display())
            .got(got)
            .need(need)
    };
    if !path.join(dir::PROBE).is_file() {
        let need = "the hub of a reconstruction, with a probe and an object";
        return Err(refuse(dir::PROBE, "nothing".into(), need.into()));
    }
    let n = problem.n;
    let wanted = modes.map_or("modes".to_owned(), |m| format!("{m} modes"));
    let probes = match read_npy(path.join(dir::PROBE))? {
        Values::Complex(a) if a.ndim() == 3 && a.shape()[1..] == [n, n] => a
            .into_dimensionality::<Ix3>()
            .map_err(|e| Error::bug(action).because(e))?,
        other => {
            let shape = match &other {
                Values::Complex(a) => format!("complex64 {:?}", a.shape()),
                Values::Real(a) => format!("float32 {:?}", a.shape()),
            };
            return Err(refuse(dir::PROBE, shape, format!("{wanted} of {n} x {n}")));
        }
    };
    let count = probes.dim().0;
    if modes.is_some_and(|m| m != count) {
        let need = format!("{wanted}, or no `modes`");
        return Err(refuse(dir::PROBE, format!("{count} modes"), need));
    }
    let [amplitude, phase] = [dir::AMPLITUDE, dir::PHASE].map(|file| read_plane(path.join(file)));
    let (amplitude, phase) = (amplitude?, phase?);
    let frame = problem.frame;
    let there = canvas(path).unwrap_or(frame);
    for (file, dim) in [(dir::AMPLITUDE, amplitude.dim()), (dir::PHASE, phase.dim())] {
        if dim != (there.rows, there.cols) {
            let need = format!("the canvas, {} x {}", there.rows, there.cols);
            return Err(refuse(file, format!("{} x {}", dim.0, dim.1), need));
        }
    }
    // the same place of the object on the other canvas, which may have another margin
    let onto = |v: usize, origin: isize, other: isize| usize::try_from(v as isize + origin - other);
    let mut seen = 0;
    #[expect(clippy::cast_possible_truncation, reason = "objects are complex64")]
    let object = Array2::from_shape_fn((frame.rows, frame.cols), |(r, c)| {
        let at = [
            onto(r, frame.top, there.top).unwrap_or(usize::MAX),
            onto(c, frame.left, there.left).unwrap_or(usize::MAX),
        ];
        match (amplitude.get(at), phase.get(at)) {
            (Some(a), Some(p)) if *a != 0.0 => {
                seen += 1;
                Complex32::from_polar(*a as f32, *p as f32)
            }
            // nothing was ever seen there: it is as transparent as at the start
            _ => Complex32::ONE,
        }
    });
    if seen == 0 {
        let got = format!("a canvas from row {}, column {}", there.top, there.left);
        let need = format!(
            "one that meets these data's, from row {}, column {}",
            frame.top, frame.left
        );
        return Err(refuse(dir::METADATA, got, need));
    }
    Ok(Started {
        estimate: Estimate {
            object,
            probes: probes.iter().copied().collect(),
            positions: positions(problem, path)?,
        },
        from: format!("the hub {}", last_part(path).display()),
    })
}

/// The canvas that a hub's metadata tell, if they do.
pub(in crate::pipeline) fn canvas(path: &Path) -> Option<Frame> {
    let text = std::fs::read_to_string(path.join(dir::METADATA)).ok()?;
    let value: Value = json::from_text(&text).ok()?;
    serde_json::from_value(value["configuration"]["canvas"].clone()).ok()
}

/// The positions of a hub that refined them, on this canvas; else those of the data.
fn positions(problem: &Problem, path: &Path) -> Result<Vec<Position>> {
    let file = path.join(super::artifacts::POSITIONS);
    if !file.is_file() {
        return Ok(problem.positions.clone());
    }
    let all = read_plane(&file)?;
    let refuse = || {
        Error::input("starting from an earlier reconstruction")
            .at(file.display())
            .need(format!("{} finite positions [x, y]", problem.len()))
    };
    if all.dim() != (problem.len(), 2) {
        return Err(refuse().got(format!("shape {:?}", all.dim())));
    }
    let bad = Census::of(all.iter().copied());
    if !bad.is_finite() {
        return Err(refuse().not_finite().got(bad));
    }
    let origin = [problem.frame.left as f64, problem.frame.top as f64];
    let own = all.outer_iter();
    Ok(own
        .map(|p| Position::new(p[0] - origin[0], p[1] - origin[1]))
        .collect())
}
