//! The ptychodus product: probe, object and positions of a reconstruction; no diffraction.
//!
//! *Conventions.* Three generations, distinguished by their names:
//!
//! | | first | second | third (1.7) |
//! |---|---|---|---|
//! | photon energy | `probe_energy_eV` | `probe_energy_eV` | `photon_energy_eV` |
//! | probe | `(modes, H, W)` | `(shots, modes, H, W)` | `(shots, modes, H, W)`, and `opr_weights` |
//! | layers | `object_layer_distance_m` | `object_layer_spacing_m` | the same |
//! | loss | `costs` | `costs` | `loss_epochs`, `loss_values` |
//! | mark | `probe_photons_per_s` | | |
//!
//! Positions are meters; `x = (x_m - center_x_m) / pixel_width_m + W / 2` object pixels, and y alike.
//! In HDF5 numbers are attributes of the root, of `probe` and of `object`; in NPZ they are arrays of
//! their own, `probe_pixel_width_m`, `object_center_x_m`. A length or an energy of zero means that it is not known.
//!
//! *Source.* ptychodus 1.7.0's file keys (BSD-3), and files of its earlier generations.

use std::path::Path;

use ndarray::{Array3, ArrayD, Axis};
use num_complex::Complex32;

use super::placeholder::PLACEHOLDER;
use crate::error::{Error, Result};
use crate::geometry::Position;
use crate::io::dataset::Labels;
use crate::io::format::Format;
use crate::io::measurement::{Measurement, PixelSize, known};
use crate::io::npz::archive::{ANY, Archive};
use crate::io::npz::header::shape_text;
use crate::io::npz::image::modes_shape;
use crate::io::npz::read::stem;
use crate::io::open_file::OpenFile;

/// Names of values that both containers have.
pub(super) trait Fields {
    fn format(&self) -> Format;
    fn path(&self) -> &Path;
    fn error(&self) -> Error;
    fn has(&self, key: &str) -> bool;
    fn shape(&self, key: &str) -> Result<Vec<usize>>;
    /// `owner` is empty, `probe` or `object`.
    fn number(&mut self, owner: &str, name: &str) -> Result<Option<f64>>;
    fn reals(&mut self, key: &str) -> Result<ArrayD<f64>>;
    fn complexes(&mut self, key: &str) -> Result<ArrayD<Complex32>>;
    fn name(&mut self) -> Option<String>;
}

/// A product in an `.npz` archive.
pub(super) struct Npz(pub(super) Archive);

impl Fields for Npz {
    fn format(&self) -> Format {
        Format::ProductNpz
    }
    fn path(&self) -> &Path {
        self.0.path()
    }
    fn error(&self) -> Error {
        self.0.error()
    }
    fn has(&self, key: &str) -> bool {
        self.0.has(key)
    }
    fn shape(&self, key: &str) -> Result<Vec<usize>> {
        self.0.shape(key, ANY)
    }
    fn number(&mut self, owner: &str, name: &str) -> Result<Option<f64>> {
        let flat = if owner.is_empty() {
            name.to_owned()
        } else {
            format!("{owner}_{name}")
        };
        self.0.number(&flat)
    }
    fn reals(&mut self, key: &str) -> Result<ArrayD<f64>> {
        self.0.doubles(key)
    }
    fn complexes(&mut self, key: &str) -> Result<ArrayD<Complex32>> {
        self.0.complexes(key)
    }
    fn name(&mut self) -> Option<String> {
        self.0.text("name")
    }
}

pub(super) fn read(file: &mut dyn Fields) -> Result<OpenFile> {
    let mut notes = Vec::new();
    let generation = generation(file);
    let probe = if file.has("probe") {
        Some(images(file, "probe", "probes (of shots)", &mut notes)?)
    } else {
        None
    };
    let object = if file.has("object") {
        let layers = images(file, "object", "objects", &mut notes)?;
        if layers.dim().0 > 1 {
            notes.push(format!(
                "`object` has {} layers; only the first was read",
                layers.dim().0
            ));
        }
        Some(layers.index_axis_move(Axis(0), 0))
    } else {
        None
    };
    let (h, w) = object.as_ref().map_or((0, 0), |o| o.dim());
    let mut pixel = |owner: &str| -> Result<Option<PixelSize>> {
        let x = file.number(owner, "pixel_width_m")?;
        let y = file.number(owner, "pixel_height_m")?;
        Ok(x.zip(y).and_then(|(x, y)| PixelSize::known(x, y)))
    };
    let (of_object, of_probe) = (pixel("object")?, pixel("probe")?);
    if let (Some(a), Some(b)) = (of_object, of_probe)
        && a != b
    {
        notes.push(format!(
            "the object pixel is {:e} x {:e} m, the probe pixel {:e} x {:e} m: the object pixel was used",
            a.x, a.y, b.x, b.y
        ));
    }
    let Some(size) = of_object.or(of_probe) else {
        return Err(file
            .error()
            .at("`pixel_width_m` and `pixel_height_m` of `object`")
            .got("no positive value here or in `probe`")
            .need("the object pixel size in meters, to convert positions to pixels"));
    };
    let cx = file.number("object", "center_x_m")?.unwrap_or(0.0);
    let cy = file.number("object", "center_y_m")?.unwrap_or(0.0);
    let xs = coordinates(file, "probe_position_x_m")?;
    let ys = coordinates(file, "probe_position_y_m")?;
    if xs.len() != ys.len() {
        return Err(file
            .error()
            .at("`probe_position_y_m`")
            .got(format!("{} entries", ys.len()))
            .need(format!("{}, as in `probe_position_x_m`", xs.len())));
    }
    let positions: Vec<Position> = (xs.iter().zip(&ys))
        .map(|(x, y)| {
            let px = (x - cx) / size.x + w as f64 / 2.0;
            Position::new(px, (y - cy) / size.y + h as f64 / 2.0)
        })
        .collect();
    if let Some((k, p)) = positions.iter().enumerate().find(|(_, p)| !p.is_finite()) {
        return Err(file
            .error()
            .at(format!(
                "probe_position_x_m, probe_position_y_m, position {k}"
            ))
            .not_finite()
            .got(format!("x = {}, y = {} pixels", p.x, p.y))
            .need("finite positions in meters"));
    }
    notes.push(format!(
        "positions: meters divided by a pixel of {:e} x {:e} m, relative to the object center ({cx}, {cy}) m",
        size.x, size.y
    ));
    let mut first = |names: &[&str]| -> Result<Option<f64>> {
        for name in names {
            if let Some(v) = file.number("", name)?.and_then(known) {
                return Ok(Some(v));
            }
        }
        Ok(None)
    };
    let measurement = Measurement {
        pixel_m: Some(size),
        photon_energy_ev: first(&["photon_energy_eV", "probe_energy_eV"])?,
        distance_m: first(&["detector_object_distance_m"])?,
        ..Measurement::default()
    };
    let placeholder = file
        .number("object", PLACEHOLDER)?
        .is_some_and(|v| v != 0.0);
    if placeholder {
        notes.push("the object was ignored: it is a placeholder of ones".to_owned());
    }
    left_out(file, positions.len(), &mut notes)?;
    let labels = Labels {
        action: format!("reading {}", file.path().display()),
        patterns: "patterns".to_owned(),
        positions: "`probe_position_x_m`, `probe_position_y_m`".to_owned(),
        scan_index: "`probe_position_indexes`".to_owned(),
        probe: "`probe`".to_owned(),
        object: "`object`".to_owned(),
    };
    Ok(OpenFile {
        format: file.format(),
        generation,
        name: file
            .name()
            .filter(|n| !n.is_empty())
            .unwrap_or_else(|| stem(file.path())),
        stack: None,
        scan_index: vec![0; positions.len()],
        positions,
        probe,
        object: object.filter(|_| !placeholder),
        measurement,
        notes,
        labels,
    })
}

fn generation(file: &dyn Fields) -> String {
    let has = |key: &str| file.has(key);
    if has("probe_photons_per_s") || has("object_layer_distance_m") {
        "first generation"
    } else if has("photon_energy_eV") {
        "third generation (1.7)"
    } else {
        "second generation"
    }
    .to_owned()
}

/// Notes the non-empty parts of the file that are ignored.
fn left_out(file: &mut dyn Fields, count: usize, notes: &mut Vec<String>) -> Result<()> {
    let mut lost = Vec::new();
    for name in [
        "exposure_time_s",
        "focus_object_distance_m",
        "mass_attenuation_m2_per_kg",
        "probe_photon_count",
        "tilt_angle_deg",
        "tomography_angle_deg",
    ] {
        if file.number("", name)?.is_some_and(|v| v != 0.0) {
            lost.push(format!("`{name}`"));
        }
    }
    for name in ["loss_values", "opr_weights"] {
        if file.has(name) && file.shape(name)?.iter().product::<usize>() > 0 {
            lost.push(format!("`{name}`"));
        }
    }
    if !lost.is_empty() {
        notes.push(format!("ignored: {}", lost.join(", ")));
    }
    let indexes = "probe_position_indexes";
    if file.has(indexes) {
        let of = file.reals(indexes)?;
        let in_order = of.len() == count && of.iter().enumerate().all(|(k, v)| *v == k as f64);
        if !in_order {
            notes.push(format!(
                "`{indexes}` was ignored because it is not 0, 1, 2, ...: positions keep the order of the file"
            ));
        }
    }
    Ok(())
}

fn coordinates(file: &mut dyn Fields, key: &str) -> Result<Vec<f64>> {
    let all = file.reals(key)?;
    if all.ndim() == 1 {
        return Ok(all.into_iter().collect());
    }
    Err(file
        .error()
        .at(format!("`{key}`"))
        .got(format!("shape {}", shape_text(all.shape())))
        .need("one axis, (positions,)"))
}

/// The first group of images, `[mode or layer, row, col]`.
fn images(
    file: &mut dyn Fields,
    key: &str,
    what: &str,
    notes: &mut Vec<String>,
) -> Result<Array3<Complex32>> {
    let shape = file.shape(key)?;
    let refused = |file: &dyn Fields| {
        file.error()
            .at(format!("`{key}`"))
            .got(format!("shape {}", shape_text(&shape)))
            .need("two to four axes, the last two (rows, columns), not empty")
    };
    let Some((dims, first)) = modes_shape(&shape).filter(|_| shape.len() <= 4) else {
        return Err(refused(file));
    };
    if first > 1 {
        notes.push(format!(
            "`{key}` has {first} {what}; only the first was read"
        ));
    }
    let take: usize = dims.iter().product();
    let values = file.complexes(key)?.into_iter().take(take).collect();
    Array3::from_shape_vec(dims, values).map_err(|e| refused(file).because(e))
}
