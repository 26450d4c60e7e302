//! Reading data sets, probes and objects.

use std::path::Path;

use ndarray::{Array2, Array3, ArrayD, Axis, Ix2, Ix3};
use num_complex::Complex32;

use super::archive::{ANY, Archive, REAL};
use super::header::shape_text;
use super::write::Values;
use crate::data::contents::{Contents, DataFile, Held, Source, Stack, Take, Unit, guess_unit};
use crate::data::dataset::{Labels, check_complex};
use crate::data::formats::Format;
use crate::data::measurement::{Measurement, PixelSize, known as known_number};
use crate::error::{Error, Result};
use crate::ground::geometry::{PatchSize, Position};

/// How the stack lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    PatternFirst,
    PatternLast,
}

/// Reads the data set in the `.npz` file at `path`; the keys are those of the parent module.
///
/// Counts become amplitude; amplitudes become float32, positions float64, probe and object complex64. A stack `(N, N, M)`
/// is told from `(M, N, N)` by the length of `xcoords` and transposed, pattern `k` being
/// `[:, :, k]`; a last axis of length 1 after three others is dropped. Both are said in the notes. Where
/// `M = N` under the key `diff3d`, the order is taken to be the contract's, `(M, N, N)`.
///
/// # Errors
/// If the file cannot be opened, is not an archive of arrays, lacks a key, or breaks the law of
/// [`crate::data::dataset`]; or if the order of the axes cannot be told.
pub fn read_dataset(path: impl AsRef<Path>) -> Result<DataFile> {
    contents(Archive::open(path.as_ref())?, true)?.into_dataset()
}

/// What the `.npz` file holds; patterns may be absent unless `needed`.
pub(in crate::data) fn contents(mut file: Archive, needed: bool) -> Result<Contents> {
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
    let mut found = Contents {
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
        Box::new(Held(arrange(file.singles(key)?, layout, drop)))
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
                    .push(format!("`{DOMAIN}` says {text:?}, which is not known here"));
            }
            if integer {
                found.notes.push(format!(
                    "`{key}` has integers: read as counts, their square roots are the amplitude"
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

/// The key that says what a value of the patterns is.
pub(super) const DOMAIN: &str = "measurement_domain";

/// The name of the file without folder and ending.
pub(in crate::data) fn stem(path: &Path) -> String {
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

/// Modes of a probe, `[mode, row, col]`, out of two or three axes, or of more whose first are of length 1.
pub(in crate::data) fn modes(
    file: &mut Archive,
    key: &str,
    notes: &mut Vec<String>,
) -> Result<Array3<Complex32>> {
    let shape = file.shape(key, ANY)?;
    let error = |file: &Archive| file.error().at(format!("key `{key}`"));
    let (dims, first) = modes_shape(&shape).ok_or_else(|| {
        error(file)
            .got(format!("shape {}", shape_text(&shape)))
            .need("(rows, columns) or (modes, rows, columns)")
    })?;
    if first > 1 {
        notes.push(format!(
            "`{key}` has {first} probes (of shots or of scans); the first was read"
        ));
    }
    let take: usize = dims.iter().product();
    let values: Vec<Complex32> = file.complexes(key)?.into_iter().take(take).collect();
    if dims[0] > 1 {
        notes.push(format!("`{key}` has {} incoherent modes", dims[0]));
    }
    Array3::from_shape_vec(dims, values).map_err(|e| error(file).because(e))
}

/// `[modes, rows, columns]` of a shape whose last axes are these, and how many such there are.
pub(in crate::data) fn modes_shape(shape: &[usize]) -> Option<([usize; 3], usize)> {
    let mut flat = shape.to_vec();
    if shape.contains(&0) {
        return None;
    }
    if !matches!(shape, [.., r, c] if r == c) {
        flat.retain(|n| *n != 1);
    }
    match flat[..] {
        [r, c] => Some(([1, r, c], 1)),
        [ref first @ .., m, r, c] => Some(([m, r, c], first.iter().product())),
        _ => None,
    }
}

/// Patterns of a `.npz` entry that lie one after another.
#[derive(Debug)]
pub(in crate::data) struct NpzPatterns {
    pub(in crate::data) file: Archive,
    pub(in crate::data) key: String,
    pub(in crate::data) size: (usize, usize),
}

impl NpzPatterns {
    fn shaped(&self, values: Vec<f32>) -> Result<Array3<f32>> {
        let (rows, cols) = self.size;
        let count = values.len() / (rows * cols).max(1);
        Array3::from_shape_vec((count, rows, cols), values)
            .map_err(|e| Error::bug("shaping patterns").at(&self.key).because(e))
    }
}

impl Source for NpzPatterns {
    fn each(&mut self, batch: usize, take: &mut Take<'_>) -> Result<()> {
        let (rows, cols) = self.size;
        let mut start = 0;
        self.file
            .stream(&self.key, batch * rows * cols, &mut |values| {
                let count = values.len() / (rows * cols).max(1);
                let values = Array3::from_shape_vec((count, rows, cols), values)
                    .map_err(|e| Error::bug("shaping patterns").because(e))?;
                start += count;
                take(start - count, values)
            })
    }

    fn range(&mut self, start: usize, count: usize) -> Result<Array3<f32>> {
        let area = self.size.0 * self.size.1;
        let values = self.file.window(&self.key, start * area, count * area)?;
        self.shaped(values)
    }
}

/// Reads the probe, key `probeGuess`, from the `.npz` file at `path`: `[row, col]`, complex64,
/// from complex64, complex128 or real numbers.
///
/// # Errors
/// If the file cannot be read, has no probe, or the probe is not `side x side` or not finite.
pub fn read_probe(path: impl AsRef<Path>, side: PatchSize) -> Result<Array2<Complex32>> {
    let mut file = Archive::open(path.as_ref())?;
    let (key, n) = ("probeGuess", side.get());
    let shape = file.shape(key, ANY)?;
    if shape != [n, n] {
        return Err(file
            .error()
            .at(format!("key `{key}`"))
            .got(format!("shape {}", shape_text(&shape)))
            .need(format!("({n}, {n}), as the patterns are")));
    }
    image(&mut file, key)
}

/// Reads one array of an `.npz` file, whatever its shape, numbers that are not finite included.
///
/// # Errors
/// If the file cannot be read, or has no such array of numbers.
pub fn read_array(path: impl AsRef<Path>, key: &str) -> Result<Values> {
    let mut file = Archive::open(path.as_ref())?;
    if !file.has(key) {
        return Err(file
            .error()
            .at(format!("key `{key}`"))
            .got(file.listing())
            .need("that array"));
    }
    values(&mut file, key)
}

/// Reads the array of a `.npy` file, whatever its shape, numbers that are not finite included.
///
/// # Errors
/// If the file cannot be read, or holds no array of numbers.
pub fn read_npy(path: impl AsRef<Path>) -> Result<Values> {
    let key = "the array of the file";
    values(&mut Archive::open_npy(path.as_ref(), key)?, key)
}

fn values(file: &mut Archive, key: &str) -> Result<Values> {
    Ok(if file.shape(key, REAL).is_ok() {
        Values::Real(file.singles(key)?)
    } else {
        Values::Complex(file.complexes(key)?)
    })
}

/// An array as an image, `[row, col]`: axes of length 1 beyond two are dropped; `None` if others are left.
pub fn image_of(mut values: ArrayD<Complex32>) -> Option<Array2<Complex32>> {
    while values.ndim() > 2 {
        let axis = values.shape().iter().position(|n| *n == 1)?;
        values = values.index_axis_move(Axis(axis), 0);
    }
    values.into_dimensionality().ok()
}

/// Reads a plane of real numbers, `[row, col]`, float64, out of a `.npy` file; numbers that are not finite included.
///
/// # Errors
/// If the file cannot be read, is not whole, or holds anything else.
pub fn read_plane(path: impl AsRef<Path>) -> Result<Array2<f64>> {
    let key = "the array of the file";
    Archive::open_npy(path.as_ref(), key)?.plane(key)
}

/// Reads an object: `[row, col]`, complex64, from complex64, complex128 or real numbers, out of a
/// `.npy` file or of an `.npz` file with the key `objectGuess`, `object` or `obj`. Axes of length 1
/// beyond two are dropped.
///
/// # Errors
/// If the file cannot be read, has none of these keys, or the object is not a finite image.
pub fn read_object(path: impl AsRef<Path>) -> Result<Array2<Complex32>> {
    let path = path.as_ref();
    if path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("npy"))
    {
        let key = "the array of the file";
        return image(&mut Archive::open_npy(path, key)?, key);
    }
    let mut file = Archive::open(path)?;
    let keys = ["objectGuess", "object", "obj"];
    let key = keys.into_iter().find(|k| file.has(k)).ok_or_else(|| {
        file.error()
            .at("key `objectGuess`")
            .got(file.listing())
            .need("the key `objectGuess`, `object` or `obj`")
    })?;
    image(&mut file, key)
}

fn stack_key(file: &Archive, notes: &mut Vec<String>) -> Result<&'static str> {
    let keys = (file.has("diff3d"), file.has("diffraction"));
    let key = match keys {
        (true, true) => {
            notes.push("both `diff3d` and `diffraction` are there; `diff3d` was read".to_owned());
            "diff3d"
        }
        (true, false) => "diff3d",
        (false, true) => "diffraction",
        (false, false) => {
            return Err(file
                .error()
                .at("key `diff3d`")
                .got(format!("no diffraction: {}", file.listing()))
                .need("the key `diff3d` or `diffraction`")
                .help("A file with a probe or an object alone can be given as the probe or the object, not as the data."));
        }
    };
    for needed in ["xcoords", "ycoords"] {
        if !file.has(needed) {
            return Err(file
                .error()
                .at(format!("key `{needed}`"))
                .got(file.listing())
                .need(format!("the key `{needed}`, (patterns,) in object pixels")));
        }
    }
    Ok(key)
}

/// Decides from the shapes alone how the stack lies, and whether a last axis of 1 is dropped.
fn layout_of(
    file: &Archive,
    key: &str,
    count: usize,
    notes: &mut Vec<String>,
) -> Result<(Layout, bool)> {
    let full = file.shape(key, REAL)?;
    let error = || {
        file.error().at(format!("key `{key}`")).got(format!(
            "shape {}, and xcoords of {}",
            shape_text(&full),
            shape_text(&[count])
        ))
    };
    let need = format!("({count}, N, N) or (N, N, {count})");
    let (shape, drop) = match full.as_slice() {
        [a, b, c] => ([*a, *b, *c], false),
        [a, b, c, 1] => ([*a, *b, *c], true),
        _ => return Err(error().need(need)),
    };
    if drop {
        notes.push(format!(
            "the last axis of `{key}`, of length 1, was dropped"
        ));
    }
    if full.contains(&0) {
        return Err(error().need("at least one pattern with pixels"));
    }
    let [a, b, c] = shape;
    let (first, last) = (a == count && b == c, c == count && a == b);
    let (layout, side) = match (first, last) {
        (true, true) if key == "diff3d" => {
            notes.push(format!(
                "`{key}` has three axes of {a}: read as (patterns, N, N), the order of the contract"
            ));
            (Layout::PatternFirst, b)
        }
        (true, true) => {
            return Err(error()
                .need("axes from whose lengths the order can be told")
                .help(format!("Save the stack as (patterns, N, N) under the key `diff3d` instead of `{key}`; that key has this order.")));
        }
        (true, false) => (Layout::PatternFirst, b),
        (false, true) => {
            notes.push(format!(
                "`{key}` is ({a}, {b}, {c}), pattern last; it was transposed to ({c}, {a}, {b})"
            ));
            (Layout::PatternLast, a)
        }
        (false, false) => return Err(error().need(need)),
    };
    PatchSize::new(side).map_err(|_| {
        error()
            .need(format!("an even N from 4 to {}", PatchSize::MAX))
            .help("Crop or pad the patterns to an even side, with DC at [N/2, N/2].")
    })?;
    Ok((layout, drop))
}

fn arrange(stack: ArrayD<f32>, layout: Layout, drop: bool) -> Array3<f32> {
    let stack = if drop {
        stack.index_axis_move(Axis(3), 0)
    } else {
        stack
    };
    // layout_of has seen three axes
    let stack = stack
        .into_dimensionality::<Ix3>()
        .unwrap_or_else(|_| Array3::zeros((0, 0, 0)));
    match layout {
        Layout::PatternFirst => stack,
        Layout::PatternLast => stack
            .permuted_axes([2, 0, 1])
            .as_standard_layout()
            .into_owned(),
    }
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
            Err(e) => Some(format!("`{key}` is not used and could not be read: {e}")),
            Ok(start) if start.len() != now.len() => Some(format!(
                "`{key}` has {} entries and `{used}` {}; `{used}` was used",
                start.len(),
                now.len()
            )),
            Ok(start) => {
                let far = (start.iter().zip(now).map(|(a, b)| (a - b).abs())).fold(0.0, f64::max);
                (far > 0.0).then(|| {
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

/// A finite image of two axes; axes of length 1 beyond two are dropped.
pub(in crate::data) fn image(file: &mut Archive, key: &str) -> Result<Array2<Complex32>> {
    let shape = file.shape(key, ANY)?;
    let error = |file: &Archive| file.error().at(format!("key `{key}`"));
    let mut flat = shape.clone();
    while flat.len() > 2 {
        match flat.iter().position(|&n| n == 1) {
            Some(axis) => flat.remove(axis),
            None => break,
        };
    }
    let [rows, cols] = flat[..] else {
        return Err(error(file)
            .got(format!("shape {}", shape_text(&shape)))
            .need("two axes, (rows, columns)"));
    };
    let array = file
        .complexes(key)?
        .into_shape_with_order((rows, cols))
        .map_err(|e| error(file).because(e))?;
    check_complex(error(file), &array)?;
    Ok(array)
}
