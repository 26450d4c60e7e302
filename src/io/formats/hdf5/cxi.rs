//! CXI: HDF5 with diffraction in counts, positions in meters, energy in joule.
//!
//! *Conventions.*
//!
//! | dataset | unit | |
//! |---|---|---|
//! | `entry_1/instrument_1/detector_1/data` or `entry_1/data_1/data` | counts | `(n, N, N)`, DC at `[N/2, N/2]` |
//! | `entry_1/sample_1/geometry_1/translation`, or of `data_1` or `detector_1` | m | `(n, 3)` or `(n, 2)`: x, y of the sample |
//! | `entry_1/instrument_1/source_1/energy` | J | or `wavelength` in m |
//! | `entry_1/instrument_1/detector_1/{distance, x_pixel_size, y_pixel_size}` | m | or `basis_vectors (3, 2)` |
//! | `entry_1/instrument_1/detector_1/mask` | | `(N, N)`, 0 = good |
//! | `entry_1/instrument_1/source_1/illumination` | | probe `(modes, N, N)`, this program's place for it |
//! | `entry_1/image_1/data` | | object, not read: its origin relative to the positions is unknown |
//!
//! The sample moves, so the probe moves the other way: positions are the negative translation over the pixel (programs
//! differ; both conventions are supported). There is no origin: the first patch begins two pixels inside the object. Soft
//! links are not followed, so every possible place of the dataset is tried.
//!
//! *Source.* The CXI file format, and files of cdtools (MIT).

use ndarray::{Array2, Array3, Ix2};
use num_complex::Complex32;

use super::reader::{H5, H5Patterns};
use crate::error::Result;
use crate::geometry::Position;
use crate::io::dataset::Labels;
use crate::io::format::Format;
use crate::io::formats::options::ReadOptions;
use crate::io::formats::origin::settle;
use crate::io::measurement::{JOULE_PER_EV, Measurement, PixelSize, known};
use crate::io::npz::header::shape_text;
use crate::io::npz::image::modes_shape;
use crate::io::npz::read::stem;
use crate::io::open_file::{OpenFile, Stack};
use crate::io::unit::Unit;

pub(super) const DATA: &str = "entry_1/instrument_1/detector_1/data";
pub(super) const DETECTOR: &str = "entry_1/instrument_1/detector_1";
pub(super) const SOURCE: &str = "entry_1/instrument_1/source_1";
pub(super) const TRANSLATION: &str = "entry_1/sample_1/geometry_1/translation";
const OBJECT: &str = "entry_1/image_1/data";

/// `h c` over wavelength is energy: in joule meters.
const HC_J_M: f64 = 6.626_070_15e-34 * 299_792_458.0;

pub(super) fn read(file: H5, options: &ReadOptions) -> Result<OpenFile> {
    let mut notes = Vec::new();
    let data = file.first(&[DATA, "entry_1/data_1/data"]).ok_or_else(|| {
        file.error()
            .at(format!("dataset `{DATA}`"))
            .got("neither this nor `entry_1/data_1/data`")
            .need("the patterns, (patterns, rows, columns)")
            .help("external links and soft links to other datasets are not followed")
    })?;
    let found = file.find(data)?;
    let (count, rows, cols) = match found.shape[..] {
        [n, r, c] => (n, r, c),
        _ => {
            return Err(file
                .error()
                .at(format!("dataset `{data}`"))
                .got(format!("shape {}", shape_text(&found.shape)))
                .need("three axes, (patterns, rows, columns)"));
        }
    };
    let mut measurement = lengths(&file, options, &mut notes)?;
    measurement.complete(cols);
    let mut positions = positions(&file, count, &measurement, options, &mut notes)?;
    settle(&mut positions, cols, &mut notes);
    measurement.good = mask(&file, (rows, cols), &mut notes)?;
    let probe = image(&file, "entry_1/instrument_1/source_1/illumination")?;
    if file.has(OBJECT) {
        notes.push(format!(
            "`{OBJECT}` was ignored: the file does not give its origin relative to the positions"
        ));
    }
    let labels = Labels {
        action: format!("reading {}", file.path().display()),
        patterns: format!("dataset `{data}`"),
        positions: "translation".to_owned(),
        scan_index: "translation".to_owned(),
        probe: "dataset `illumination`".to_owned(),
        object: format!("dataset `{OBJECT}`"),
    };
    let generation = file
        .number("cxi_version")?
        .map_or_else(String::new, |v| format!("version {v}"));
    let name = stem(file.path());
    Ok(OpenFile {
        format: Format::Cxi,
        generation,
        name,
        stack: Some(Stack {
            count,
            size: (rows, cols),
            unit: Unit::Counts,
            dtype: found.dtype(),
            shape: found.shape,
            place: format!("dataset `{data}`"),
            corner: false,
            source: Box::new(H5Patterns::new(file, data)?),
        }),
        scan_index: vec![0; positions.len()],
        positions,
        probe,
        object: None,
        measurement,
        notes,
        labels,
    })
}

/// Energy, distance and pixels.
fn lengths(file: &H5, options: &ReadOptions, notes: &mut Vec<String>) -> Result<Measurement> {
    let at = |name: &str| -> Result<Option<f64>> {
        Ok(file.number(&format!("{DETECTOR}/{name}"))?.and_then(known))
    };
    let source = |name: &str| -> Result<Option<f64>> {
        Ok(file.number(&format!("{SOURCE}/{name}"))?.and_then(known))
    };
    let joule = match source("energy")? {
        Some(e) => Some(e),
        None => source("wavelength")?.map(|l| HC_J_M / l),
    };
    if let Some(e) = joule {
        // a photon of 1e-12 J has 6 MeV: whoever wrote more meant electronvolt
        if e > 1e-12 {
            notes.push(format!(
                "`{SOURCE}/energy` is {e}, too large for joules: read as electronvolts"
            ));
        }
    }
    let mut m = Measurement {
        photon_energy_ev: (options.photon_energy_ev)
            .or(joule.map(|e| if e > 1e-12 { e } else { e / JOULE_PER_EV })),
        distance_m: options.distance_m.or(at("distance")?),
        pixel_m: options.pixel_m.and_then(|p| PixelSize::known(p, p)),
        ..Measurement::default()
    };
    let (x, y) = (at("x_pixel_size")?, at("y_pixel_size")?);
    m.detector_pixel_m = x.zip(y).and_then(|(x, y)| PixelSize::known(x, y));
    let basis = format!("{DETECTOR}/basis_vectors");
    if m.detector_pixel_m.is_none() && file.has(&basis) {
        let b = file.reals(&basis)?;
        if b.shape() == [3, 2] {
            let length = |k: usize| (0..3).map(|i| b[[i, k]].powi(2)).sum::<f64>().sqrt();
            m.detector_pixel_m = PixelSize::known(length(1), length(0));
            notes.push("the detector pixel size is the length of the basis vectors; their directions are not used".to_owned());
        }
    }
    Ok(m)
}

/// The probe's motion in object pixels, without an origin.
fn positions(
    file: &H5,
    count: usize,
    m: &Measurement,
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<Position>> {
    let places = [
        TRANSLATION,
        "entry_1/data_1/translation",
        "entry_1/instrument_1/detector_1/translation",
    ];
    let place = file.first(&places).ok_or_else(|| {
        file.error()
            .at(format!("dataset `{TRANSLATION}`"))
            .got("no translation here, in `data_1` or in `detector_1`")
            .need("the translation of the sample in meters, (patterns, 3)")
    })?;
    let all = file.reals(place)?;
    let shape = shape_text(all.shape());
    let all = all
        .into_dimensionality::<Ix2>()
        .ok()
        .filter(|a| a.nrows() == count && (2..=3).contains(&a.ncols()))
        .ok_or_else(|| {
            file.error()
                .at(format!("dataset `{place}`"))
                .got(format!("shape {shape}"))
                .need(format!("({count}, 3), x, y and z for each pattern"))
        })?;
    let Some(pixel) = m.pixel_m else {
        let missing: Vec<&str> = [
            ("photon energy", m.photon_energy_ev.is_none()),
            ("distance", m.distance_m.is_none()),
            ("detector pixel", m.detector_pixel_m.is_none()),
        ]
        .iter()
        .filter(|(_, none)| *none)
        .map(|(name, _)| *name)
        .collect();
        return Err(file
            .error()
            .at(format!("dataset `{place}`"))
            .got(format!("no {}", missing.join(", no ")))
            .need("the object pixel size, lambda z / (N d), to convert meters to pixels")
            .help("set `pixel_size`, or `energy` and `distance`"));
    };
    let sign = if options.probe_moves { 1.0 } else { -1.0 };
    notes.push(format!(
        "positions: {} translation divided by a pixel of {:e} x {:e} m",
        if options.probe_moves {
            "the"
        } else {
            "negated (the sample moves)"
        },
        pixel.x,
        pixel.y
    ));
    Ok((all.outer_iter())
        .map(|p| Position::new(sign * p[0] / pixel.x, sign * p[1] / pixel.y))
        .collect())
}

/// The good pixels.
fn mask(file: &H5, size: (usize, usize), notes: &mut Vec<String>) -> Result<Option<Array2<bool>>> {
    let place = format!("{DETECTOR}/mask");
    if !file.has(&place) {
        return Ok(None);
    }
    let found = file.find(&place)?;
    if found.shape.len() != 2 {
        notes.push(format!(
            "`{place}` was ignored: got shape {}, need (rows, columns)",
            shape_text(&found.shape)
        ));
        return Ok(None);
    }
    let all = file.reals(&place)?;
    let good = all
        .into_dimensionality::<Ix2>()
        .ok()
        .filter(|m| m.dim() == size)
        .map(|m| m.mapv(|v| v == 0.0))
        .ok_or_else(|| {
            file.error()
                .at(format!("dataset `{place}`"))
                .got(format!("shape {}", shape_text(&found.shape)))
                .need(format!(
                    "({}, {}), the size of the patterns",
                    size.0, size.1
                ))
        })?;
    notes.push(format!(
        "`mask` marks {} of {} pixels as bad (not 0)",
        good.iter().filter(|g| !**g).count(),
        good.len()
    ));
    Ok(Some(good))
}

/// An image, or several.
fn image(file: &H5, place: &str) -> Result<Option<Array3<Complex32>>> {
    if !file.has(place) {
        return Ok(None);
    }
    let all = file.complexes(place)?;
    let shape = all.shape().to_vec();
    let error = || {
        file.error()
            .at(format!("dataset `{place}`"))
            .got(format!("shape {}", shape_text(&shape)))
            .need("(rows, columns) or (modes, rows, columns)")
    };
    let (dims, _) = modes_shape(&shape).ok_or_else(error)?;
    let take: usize = dims.iter().product();
    Array3::from_shape_vec(dims, all.into_iter().take(take).collect())
        .map(Some)
        .map_err(|e| error().because(e))
}
