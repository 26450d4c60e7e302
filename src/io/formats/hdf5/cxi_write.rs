//! Writing CXI: counts, meters, joule.

use std::path::Path;

use ndarray::Array3;

use super::cxi::{DETECTOR, SOURCE};
use super::writer::{Growing, Tree};
use crate::error::{Error, Result};
use crate::file::replace;
use crate::io::formats::options::Writing;
use crate::io::measurement::JOULE_PER_EV;
use crate::io::open_file::OpenFile;
use crate::io::unit::Unit;

pub(super) fn write(path: &Path, contents: &mut OpenFile, how: Writing) -> Result<()> {
    let error = || Error::input(format!("writing {}", path.display()));
    let m = &contents.measurement;
    let known = (m.photon_energy_ev)
        .zip(m.distance_m)
        .zip(m.detector_pixel_m.zip(m.pixel_m));
    let Some(((energy, distance), (detector, pixel))) = known else {
        let missing: Vec<&str> = [
            ("photon energy", m.photon_energy_ev.is_none()),
            ("distance", m.distance_m.is_none()),
            (
                "pixel size",
                m.pixel_m.is_none() && m.detector_pixel_m.is_none(),
            ),
        ]
        .iter()
        .filter(|(_, none)| *none)
        .map(|(name, _)| *name)
        .collect();
        return Err(error()
            .got(format!("no {}", missing.join(", no ")))
            .need("energy, distance and pixel size: CXI stores positions in meters")
            .help("set `energy`, `distance` and `pixel_size`"));
    };
    let Some(mut stack) = contents.stack.take() else {
        return Err(error()
            .at("patterns")
            .got(format!("{}, without patterns", contents.format))
            .need("patterns"));
    };
    let mut tree = Tree::new();
    tree.integer("cxi_version", 160);
    let sign = if how.probe_moves { 1.0 } else { -1.0 };
    let translation: Vec<f64> = (contents.positions.iter())
        .flat_map(|p| [sign * p.x * pixel.x, sign * p.y * pixel.y, 0.0])
        .collect();
    let geometry = "entry_1/sample_1/geometry_1/translation";
    tree.reals(geometry, &translation, &[contents.positions.len(), 3]);
    for (place, value) in [
        (format!("{SOURCE}/energy"), energy * JOULE_PER_EV),
        (format!("{DETECTOR}/distance"), distance),
        (format!("{DETECTOR}/x_pixel_size"), detector.x),
        (format!("{DETECTOR}/y_pixel_size"), detector.y),
    ] {
        tree.reals(&place, &[value], &[]);
    }
    if let Some(good) = &m.good {
        let bad: Vec<u32> = good.iter().map(|g| u32::from(!g)).collect();
        tree.words(
            &format!("{DETECTOR}/mask"),
            bad,
            &[good.nrows(), good.ncols()],
        );
    }
    if let Some(probe) = &contents.probe {
        tree.complexes(
            &format!("{SOURCE}/illumination"),
            &probe.view().into_dyn(),
            &[],
        )?;
    }
    if contents.object.is_some() {
        let note = "the object was not written: CXI has no origin of the positions on the object";
        contents.notes.push(note.to_owned());
    }
    if contents.scan_index.iter().any(|s| *s != 0) {
        let note = "`scan_index` was not written: CXI has one scan";
        contents.notes.push(note.to_owned());
    }
    let (count, size, unit) = (stack.count, stack.size, stack.unit);
    let good = contents.measurement.good.clone();
    let mut masked = 0usize;
    let done = replace(path, |beside| {
        let shape = [count, size.0, size.1];
        let mut growing = Growing::new(tree, super::cxi::DATA, shape, beside, path)?;
        stack.each(&mut |start, mut batch: Array3<f32>| {
            for ((k, r, c), v) in batch.indexed_iter_mut() {
                let counts = if unit == Unit::Counts { *v } else { *v * *v };
                if counts.is_finite() && (unit == Unit::Counts || *v >= 0.0) {
                    *v = counts;
                } else if good.as_ref().is_some_and(|g| !g[[r, c]]) {
                    *v = 0.0;
                    masked += 1;
                } else {
                    return Err(error()
                        .at(format!("pattern {}, row {r}, col {c}", start + k))
                        .because_of(f64::from(*v))
                        .got(format!("{unit} {v}"))
                        .need("counts that are finite in float32"));
                }
            }
            growing.push(&batch)
        })?;
        growing.finish()
    });
    if masked > 0 {
        contents.notes.push(format!(
            "{masked} non-finite values of bad pixels were set to zero"
        ));
    }
    contents.stack = Some(stack);
    done
}
