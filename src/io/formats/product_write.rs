//! Writing ptychodus products, in the layout of 1.7.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use ndarray::{Array1, Array3, Axis, arr0};
use num_complex::Complex32;

use super::placeholder::{PLACEHOLDER, placeholder};
use crate::error::{Error, Result};
use crate::file::{explain, replace};
use crate::io::measurement::PixelSize;
use crate::io::npz::write::Out;
use crate::io::open_file::OpenFile;

/// The values of a product, by their names.
pub(super) struct Product {
    pub(super) probe: Array3<Complex32>,
    pub(super) object: Array3<Complex32>,
    pub(super) placeholder: bool,
    pub(super) pixel: PixelSize,
    pub(super) x: Vec<f64>,
    pub(super) y: Vec<f64>,
    /// Numbers of the product as a whole.
    pub(super) numbers: [(&'static str, f64); 8],
}

pub(super) fn gather(path: &Path, contents: &mut OpenFile) -> Result<Product> {
    let error = || Error::input(format!("writing {}", path.display()));
    let Some(probe) = contents.probe.clone() else {
        return Err(error()
            .at("probe")
            .got("none")
            .need("a probe: a product holds probe, object and positions"));
    };
    let Some(pixel) = contents.measurement.pixel_m else {
        return Err(error()
            .at("pixel size")
            .got("none")
            .need("the object pixel size in meters, to write positions in meters")
            .help(
                "set `pixel_size`, or `energy` and `distance` if the detector pixel size is known",
            ));
    };
    let mut notes = Vec::new();
    let (object, made) = match &contents.object {
        Some(object) => (object.clone(), false),
        None => (placeholder(contents, probe.dim().2, &mut notes)?, true),
    };
    if contents.stack.is_some() {
        notes.push("the patterns were not written: a product has none".to_owned());
    }
    if contents.measurement.good.is_some() {
        notes.push("the mask was not written: a product has none".to_owned());
    }
    if contents.scan_index.iter().any(|s| *s != 0) {
        notes.push("`scan_index` was not written: a product has one scan".to_owned());
    }
    let m = &contents.measurement;
    for (what, known) in [
        ("photon energy", m.photon_energy_ev.is_some()),
        ("distance", m.distance_m.is_some()),
    ] {
        if !known {
            notes.push(format!("the {what} is unknown: 0 was written"));
        }
    }
    let (h, w) = object.dim();
    let meters = |v: f64, side: usize, d: f64| (v - side as f64 / 2.0) * d;
    let product = Product {
        x: (contents.positions.iter())
            .map(|p| meters(p.x, w, pixel.x))
            .collect(),
        y: (contents.positions.iter())
            .map(|p| meters(p.y, h, pixel.y))
            .collect(),
        probe,
        object: object.insert_axis(Axis(0)),
        placeholder: made,
        pixel,
        numbers: [
            ("detector_object_distance_m", m.distance_m.unwrap_or(0.0)),
            ("focus_object_distance_m", 0.0),
            ("photon_energy_eV", m.photon_energy_ev.unwrap_or(0.0)),
            ("probe_photon_count", 0.0),
            ("exposure_time_s", 0.0),
            ("mass_attenuation_m2_per_kg", 0.0),
            ("tomography_angle_deg", 0.0),
            ("tilt_angle_deg", 0.0),
        ],
    };
    contents.notes.extend(notes);
    Ok(product)
}

pub(super) fn npz(path: &Path, contents: &mut OpenFile, store: bool) -> Result<()> {
    let p = gather(path, contents)?;
    let name = contents.name.clone();
    replace(path, |beside| {
        let file = File::create(beside).map_err(|e| explain("writing a file", path, e))?;
        let mut out = Out::new(BufWriter::new(file), path, store);
        out.text("name", &name)?;
        out.text("comments", "")?;
        for (key, value) in p.numbers {
            out.add(key, &arr0(value))?;
        }
        out.add("far_field", &arr0(1.0))?;
        out.add("probe", &p.probe.view().insert_axis(Axis(0)))?;
        out.add("object", &p.object)?;
        for (key, value) in [
            ("probe_pixel_width_m", p.pixel.x),
            ("probe_pixel_height_m", p.pixel.y),
            ("object_pixel_width_m", p.pixel.x),
            ("object_pixel_height_m", p.pixel.y),
            ("object_center_x_m", 0.0),
            ("object_center_y_m", 0.0),
        ] {
            out.add(key, &arr0(value))?;
        }
        if p.placeholder {
            out.add(&format!("object_{PLACEHOLDER}"), &arr0(1.0))?;
        }
        out.add(
            "probe_position_indexes",
            &(0..p.x.len() as i64).collect::<Array1<i64>>(),
        )?;
        out.add("probe_position_x_m", &Array1::from(p.x.clone()))?;
        out.add("probe_position_y_m", &Array1::from(p.y.clone()))?;
        for key in ["object_layer_spacing_m", "loss_values"] {
            out.add(key, &Array1::<f64>::zeros(0))?;
        }
        out.add("loss_epochs", &Array1::<i64>::zeros(0))?;
        out.finish().map(drop)
    })
}
