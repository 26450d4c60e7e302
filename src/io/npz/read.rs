//! Reading data sets.

use std::path::Path;

use ndarray::{Array2, Array3, Ix2};
use num_complex::Complex32;

use super::archive::{Archive, REAL};
use super::header::{DOMAIN, excerpt, shape_text};
use super::image::{image, modes};
use super::stack::{Layout, NpzPatterns, arrange, layout_of, stack_key};
use crate::error::Result;
use crate::geometry::Position;
use crate::io::dataset::Labels;
use crate::io::format::Format;
use crate::io::measurement::{Measurement, PixelSize, known as known_number};
use crate::io::open_file::{DataFile, InMemory, OpenFile, Source, Stack, guess_unit};
use crate::io::unit::Unit;

/// Reads the data set in the `.npz` file at `path`; the keys are those of the parent module.
///
/// Counts become amplitude; amplitudes become float32, positions float64, probe and object complex64. A stack `(N, N, M)`
/// is distinguished from `(M, N, N)` by the length of `xcoords` and transposed, pattern `k` being
/// `[:, :, k]`; a last axis of length 1 after three others is removed. Both are recorded in the notes. Where
/// `M = N` under the key `diff3d`, the order is taken to be the contract's, `(M, N, N)`.
///
/// # Errors
/// If the file cannot be opened, is not an archive of arrays, lacks a key, or breaks the law of
/// [`crate::io::dataset`]; or if the order of the axes is ambiguous.
pub fn read_dataset(path: impl AsRef<Path>) -> Result<DataFile> {
    contents(Archive::open(path.as_ref())?, true)?.into_dataset()
}

/// Opens the contents of an `.npz` file; patterns may be absent unless `needed`.
pub(in crate::io) fn contents(mut file: Archive, needed: bool) -> Result<OpenFile> {
    let mut notes = Vec::new();
    let labels = Labels {
        action: format!("reading {}", file.path().display()),
        patterns: "key `diff3d`".to_owned(),
        positions: "keys `xcoords`, `ycoords`".to_owned(),
        scan_index: "key `scan_index`".to_owned(),
        probe: "key `probeGuess`".to_owned(),
        object: "key `objectGuess`".to_owned(),
    };
    let (probe, object, measurement) = known(&mut file, &mut notes)?;
    notes.extend(left_alone(&file));
    let mut found = OpenFile {
        format: Format::PtychoPinn,
        generation: String::new(),
        name: stem(file.path()),
        stack: None,
        positions: Vec::new(),
        scan_index: Vec::new(),
        probe,
        object,
        measurement,
        notes,
        labels,
    };
    if !needed && !file.has("diff3d") && !file.has("diffraction") {
        if file.has("xcoords") && file.has("ycoords") {
            found.positions = read_positions(&mut file, &mut found.notes)?;
            found.scan_index = vec![0; found.positions.len()];
        }
        return Ok(found);
    }
    let key = stack_key(&file, &mut found.notes)?;
    found.labels.patterns = format!("key `{key}`");
    let count = match file.shape("xcoords", REAL)?.as_slice() {
        [n] => *n,
        other => {
            return Err(file
                .error()
                .at("key `xcoords`")
                .got(format!("shape {}", shape_text(other)))
                .need("one axis, (patterns,)"));
        }
    };
    let (layout, drop) = layout_of(&file, key, count, &mut found.notes)?;
    found.positions = read_positions(&mut file, &mut found.notes)?;
    found.scan_index = if file.has("scan_index") {
        file.integers("scan_index")?
    } else {
        vec![0; count]
    };
    let shape = file.shape(key, REAL)?;
    let (dtype, integer) = (file.descr(key), file.is_integer(key));
    let domain = file.text(DOMAIN);
    let marked = file.has("bad_pixels");
    let side = if layout == Layout::PatternFirst {
        shape[1]
    } else {
        shape[0]
    };
    let source: Box<dyn Source> = if layout == Layout::PatternFirst && file.is_row_major(key) {
        Box::new(NpzPatterns {
            file,
            key: key.to_owned(),
            size: (side, side),
        })
    } else {
        Box::new(InMemory(arrange(file.singles(key)?, layout, drop)))
    };
    let mut stack = Stack {
        count,
        size: (side, side),
        unit: Unit::Amplitude,
        dtype,
        shape,
        place: format!("key `{key}`"),
        corner: false,
        source,
    };
    stack.unit = match domain.as_deref() {
        Some("amplitude" | "normalized_amplitude") => Unit::Amplitude,
        Some("counts" | "count_intensity") => Unit::Counts,
        other => {
            if let Some(text) = other {
                found
                    .notes
                    .push(format!("`{DOMAIN}` has the unknown value {text:?}"));
            }
            if integer {
                found.notes.push(format!(
                    "`{key}` has integers: read as counts, with the square root as amplitude"
                ));
                Unit::Counts
            } else {
                guess_unit(&mut stack, &mut found.notes)?
            }
        }
    };
    if marked && stack.unit == Unit::Counts {
        found.generation = "ptychodus 1.7".to_owned();
    }
    found.stack = Some(stack);
    Ok(found)
}

/// Every key that has a meaning here.
const KEYS: [&str; 17] = [
    "diff3d",
    "diffraction",
    "xcoords",
    "ycoords",
    "xcoords_start",
    "ycoords_start",
    "scan_index",
    DOMAIN,
    "probeGuess",
    "objectGuess",
    "bad_pixels",
    "photon_energy_eV",
    "detector_object_distance_m",
    "object_pixel_width_m",
    "object_pixel_height_m",
    "detector_pixel_width_m",
    "detector_pixel_height_m",
];

/// Keys with an ambiguous meaning; each gets a note.
const MASKS: [&str; 3] = ["mask", "valid_pixels", "good_pixels"];

/// A note of the keys that are not read, which a conversion leaves out.
fn left_alone(file: &Archive) -> Option<String> {
    let others: Vec<String> = (file.keys())
        .filter(|k| !KEYS.contains(k) && !MASKS.contains(k))
        .map(|k| format!("`{}`", excerpt(k)))
        .collect();
    let more = if others.len() > 8 { ", ..." } else { "" };
    let named = &others[..others.len().min(8)];
    (!others.is_empty()).then(|| format!("ignored: {}{more}", named.join(", ")))
}

/// The name of the file without folder and ending.
pub(in crate::io) fn stem(path: &Path) -> String {
    path.file_stem()
        .map_or_else(String::new, |s| s.to_string_lossy().into_owned())
}

type Known = (
    Option<Array3<Complex32>>,
    Option<Array2<Complex32>>,
    Measurement,
);

/// Probe, object and what else is known.
fn known(file: &mut Archive, notes: &mut Vec<String>) -> Result<Known> {
    let probe = if file.has("probeGuess") {
        Some(modes(file, "probeGuess", notes)?)
    } else {
        None
    };
    let object = if file.has("objectGuess") {
        Some(image(file, "objectGuess")?)
    } else {
        None
    };
    let mut m = Measurement::default();
    if file.has("bad_pixels") {
        let bad = file.truths("bad_pixels")?;
        let shape = shape_text(bad.shape());
        let bad = bad.into_dimensionality::<Ix2>().map_err(|_| {
            file.error()
                .at("key `bad_pixels`")
                .got(format!("shape {shape}"))
                .need("two axes, (rows, columns)")
        })?;
        notes.push(format!(
            "`bad_pixels` marks {} of {} pixels",
            bad.iter().filter(|b| **b).count(),
            bad.len()
        ));
        m.good = Some(bad.mapv(|b| !b));
    }
    for key in MASKS {
        if file.has(key) {
            notes.push(format!(
                "`{key}` was ignored: the file does not tell whether it marks good or bad pixels; use `bad_pixels` (1 = bad)"
            ));
        }
    }
    let mut number = |key: &str| file.number(key).map(|v| v.and_then(known_number));
    m.photon_energy_ev = number("photon_energy_eV")?;
    m.distance_m = number("detector_object_distance_m")?;
    let mut pixel = |of: &str| -> Result<Option<PixelSize>> {
        let x = number(&format!("{of}_pixel_width_m"))?;
        let y = number(&format!("{of}_pixel_height_m"))?;
        Ok(x.zip(y).and_then(|(x, y)| PixelSize::known(x, y)))
    };
    m.pixel_m = pixel("object")?;
    m.detector_pixel_m = pixel("detector")?;
    Ok((probe, object, m))
}

fn read_positions(file: &mut Archive, notes: &mut Vec<String>) -> Result<Vec<Position>> {
    let (x, y) = (file.reals("xcoords")?, file.reals("ycoords")?);
    if x.len() != y.len() {
        return Err(file
            .error()
            .at("key `ycoords`")
            .got(format!("{} entries", y.len()))
            .need(format!("{}, as in `xcoords`", x.len())));
    }
    for (key, now) in [("xcoords_start", &x), ("ycoords_start", &y)] {
        if !file.has(key) {
            continue;
        }
        let used = key.trim_end_matches("_start");
        notes.extend(match file.reals(key) {
            Err(e) => Some(format!(
                "`{key}` was ignored because it could not be read: {e}"
            )),
            Ok(start) if start.len() != now.len() => Some(format!(
                "`{key}` has {} entries and `{used}` {}; `{used}` was used",
                start.len(),
                now.len()
            )),
            Ok(start) => {
                let differences = start.iter().zip(now).map(|(a, b)| (a - b).abs());
                // NaN is as far as can be
                let far = differences.fold(0.0, |m: f64, d| {
                    if m.is_nan() || d.is_nan() {
                        f64::NAN
                    } else {
                        m.max(d)
                    }
                });
                (far.is_nan() || far > 0.0).then(|| {
                    format!(
                        "`{key}` differs from `{used}` by up to {far:.3} pixels; `{used}` was used"
                    )
                })
            }
        });
    }
    Ok(x.iter()
        .zip(&y)
        .map(|(&x, &y)| Position::new(x, y))
        .collect())
}
