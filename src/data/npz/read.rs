//! Reading data sets, probes and objects.

use std::path::Path;

use ndarray::{Array2, Array3, ArrayD, Axis, Ix3};
use num_complex::Complex32;

use super::archive::{ANY, Archive, REAL};
use super::header::shape_text;
use super::write::Values;
use crate::data::dataset::{Dataset, Labels, check_complex};
use crate::data::domain::Patterns;
use crate::error::Result;
use crate::ground::geometry::{PatchSize, Position};

/// A data set from a file, and what a person should know of how it was read.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// The data set, named after the file.
    pub dataset: Dataset,
    /// Sentences on what was transposed, dropped, or looks odd; empty for a plain file.
    pub notes: Vec<String>,
}

/// How the stack lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    PatternFirst,
    PatternLast,
}

/// Reads the data set in the `.npz` file at `path`; the keys are those of the parent module.
///
/// Amplitudes become float32, positions float64, probe and object complex64. A stack `(N, N, M)`
/// is told from `(M, N, N)` by the length of `xcoords` and transposed, pattern `k` being
/// `[:, :, k]`; a last axis of length 1 after three others is dropped. Both are said in the notes. Where
/// `M = N` under the key `diff3d`, the order is taken to be the contract's, `(M, N, N)`.
///
/// # Errors
/// If the file cannot be opened, is not an archive of arrays, lacks a key, or breaks the law of
/// [`crate::data::dataset`]; or if the order of the axes cannot be told.
pub fn read_dataset(path: impl AsRef<Path>) -> Result<DataFile> {
    let path = path.as_ref();
    let mut file = Archive::open(path)?;
    let mut notes = Vec::new();
    let key = stack_key(&file, &mut notes)?;
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
    let (layout, drop) = layout_of(&file, key, count, &mut notes)?;
    let positions = read_positions(&mut file, &mut notes)?;
    let stack = file.singles(key)?;
    let patterns = arrange(stack, layout, drop);
    if let Some(note) = counts_note(key, &patterns) {
        notes.push(note);
    }
    let scan_index = if file.has("scan_index") {
        file.integers("scan_index")?
    } else {
        vec![0; count]
    };
    let probe = optional(&mut file, "probeGuess")?;
    let object = optional(&mut file, "objectGuess")?;
    let labels = Labels {
        action: format!("reading {}", path.display()),
        patterns: format!("key `{key}`"),
        positions: "keys `xcoords`, `ycoords`".to_owned(),
        scan_index: "key `scan_index`".to_owned(),
        probe: "key `probeGuess`".to_owned(),
        object: "key `objectGuess`".to_owned(),
    };
    let name = path
        .file_stem()
        .map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    let patterns = Patterns::new(patterns);
    let dataset = Dataset::checked(
        &labels, name, patterns, positions, scan_index, probe, object,
    )?;
    Ok(DataFile { dataset, notes })
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

fn counts_note(key: &str, patterns: &Array3<f32>) -> Option<String> {
    let mut largest = 0.0f32;
    for &v in patterns {
        if v.fract() != 0.0 {
            return None; // NaN and infinities too: their fraction is NaN
        }
        largest = largest.max(v);
    }
    (largest > 255.0).then(|| {
        format!(
            "`{key}` has whole numbers only, up to {largest}: looks like counts, taken as amplitude"
        )
    })
}

fn optional(file: &mut Archive, key: &str) -> Result<Option<Array2<Complex32>>> {
    if file.has(key) {
        image(file, key).map(Some)
    } else {
        Ok(None)
    }
}

/// A finite image of two axes; axes of length 1 beyond two are dropped.
fn image(file: &mut Archive, key: &str) -> Result<Array2<Complex32>> {
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
