//! A ptychodus product in an HDF5 file.

use std::path::Path;

use ndarray::{ArrayD, Axis};
use num_complex::Complex32;

use super::reader::H5;
use super::writer::Tree;
use crate::error::{Error, Result};
use crate::file::replace;
use crate::io::format::Format;
use crate::io::formats::placeholder::PLACEHOLDER;
use crate::io::formats::product::Fields;
use crate::io::formats::product_write::gather;
use crate::io::open_file::OpenFile;

pub(super) struct Hdf5(pub(super) H5);

impl Fields for Hdf5 {
    fn format(&self) -> Format {
        Format::ProductHdf5
    }
    fn path(&self) -> &Path {
        self.0.path()
    }
    fn error(&self) -> Error {
        self.0.error()
    }
    fn has(&self, key: &str) -> bool {
        self.0.has(key) || self.0.has_attribute("", key)
    }
    fn shape(&self, key: &str) -> Result<Vec<usize>> {
        self.0.find(key).map(|f| f.shape)
    }
    fn number(&mut self, owner: &str, name: &str) -> Result<Option<f64>> {
        if owner.is_empty() {
            self.0.number(name)
        } else {
            self.0.number(&format!("{owner}/{name}"))
        }
    }
    fn reals(&mut self, key: &str) -> Result<ArrayD<f64>> {
        self.0.reals(key)
    }
    fn complexes(&mut self, key: &str) -> Result<ArrayD<Complex32>> {
        self.0.complexes(key)
    }
    fn name(&mut self) -> Option<String> {
        self.0.text("", "name")
    }
}

pub(super) fn write(path: &Path, contents: &mut OpenFile) -> Result<()> {
    let p = gather(path, contents)?;
    let mut tree = Tree::new();
    tree.text("name", &contents.name);
    tree.text("comments", "");
    for (name, value) in p.numbers {
        tree.attribute(name, value);
    }
    tree.attribute("far_field", 1.0);
    let size = [("pixel_width_m", p.pixel.x), ("pixel_height_m", p.pixel.y)];
    tree.complexes(
        "probe",
        &p.probe.view().insert_axis(Axis(0)).into_dyn(),
        &size,
    )?;
    let mut about = vec![("center_x_m", 0.0), ("center_y_m", 0.0)];
    about.extend(size);
    if p.placeholder {
        about.push((PLACEHOLDER, 1.0));
    }
    tree.complexes("object", &p.object.view().into_dyn(), &about)?;
    tree.integers("probe_position_indexes", p.x.len());
    tree.integers("loss_epochs", 0);
    for (name, values) in [
        ("probe_position_x_m", &p.x[..]),
        ("probe_position_y_m", &p.y[..]),
        ("object_layer_spacing_m", &[][..]),
        ("loss_values", &[][..]),
    ] {
        tree.reals(name, values, &[values.len()]);
    }
    replace(path, |beside| tree.write(beside, path))
}
