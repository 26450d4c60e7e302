//! Reading single arrays: a probe, an object, a plane.

use std::path::Path;

use ndarray::{Array2, Array3, ArrayD, Axis};
use num_complex::Complex32;

use super::archive::{ANY, Archive, REAL};
use super::header::shape_text;
use super::values::Values;
use crate::error::Result;
use crate::geometry::PatchSize;
use crate::io::dataset::check_complex;

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
            .need(format!("({n}, {n}), the size of the patterns")));
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
            .need("this array"));
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

/// The element type, as NumPy writes it, and the shape of the array of a `.npy` file whose bytes are all there.
///
/// # Errors
/// If the file cannot be read, is not whole, or holds no array of numbers.
pub fn npy_header(path: impl AsRef<Path>) -> Result<(String, Vec<usize>)> {
    let key = "the array of the file";
    let file = Archive::open_npy(path.as_ref(), key)?;
    let shape = file.shape(key, ANY)?;
    Ok((file.descr(key), shape))
}

/// Reads the real numbers of a `.npy` file as float64, whatever their shape, numbers that are not finite included.
///
/// # Errors
/// If the file cannot be read, is not whole, or holds anything else.
pub fn read_npy_real(path: impl AsRef<Path>) -> Result<ArrayD<f64>> {
    let key = "the array of the file";
    Archive::open_npy(path.as_ref(), key)?.doubles(key)
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

/// Whether a file is an archive that holds an object and nothing that belongs to a scan.
pub fn is_object_alone(path: impl AsRef<Path>) -> bool {
    let scan = [
        "diff3d",
        "diffraction",
        "data",
        "scan",
        "xcoords",
        "ycoords",
        "probeGuess",
        "probe_position_x_m",
    ];
    Archive::open(path.as_ref()).is_ok_and(|f| {
        OBJECT_KEYS.into_iter().any(|k| f.has(k)) && !scan.into_iter().any(|k| f.has(k))
    })
}

/// Accepted keys of the object.
const OBJECT_KEYS: [&str; 3] = ["objectGuess", "object", "obj"];

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
    let key = OBJECT_KEYS
        .into_iter()
        .find(|k| file.has(k))
        .ok_or_else(|| {
            file.error()
                .at("key `objectGuess`")
                .got(file.listing())
                .need("the key `objectGuess`, `object` or `obj`")
        })?;
    image(&mut file, key)
}

/// A finite image of two axes; axes of length 1 beyond two are dropped.
pub(in crate::io) fn image(file: &mut Archive, key: &str) -> Result<Array2<Complex32>> {
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

/// Modes of a probe, `[mode, row, col]`, out of two or three axes, or of more whose first are of length 1.
pub(in crate::io) fn modes(
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
            "`{key}` has {first} probes (of shots or scans); only the first was read"
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
pub(in crate::io) fn modes_shape(shape: &[usize]) -> Option<([usize; 3], usize)> {
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
