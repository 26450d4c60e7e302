//! A reconstruction, wherever it is from: a hub, an array, a product. What is known of its place and its probe comes with it.

use std::path::Path;

use ndarray::{Array2, Array3};
use num_complex::{Complex32, Complex64};

use super::super::reconstruct::{POSITIONS, SCAN, canvas};
use ptyproof::error::{Error, Result};
use ptyproof::finite::{Census, PlaneCensus};
use ptyproof::geometry::Position;
use ptyproof::hub::{dir, reconstruction};
use ptyproof::io::formats::{self, ReadOptions};
use ptyproof::io::npz::{Values, image_of, is_object_alone, read_npy, read_object, read_plane};
use ptyproof::io::open_file::OpenFile;

const ACTION: &str = "reading a reconstruction";

/// An image of the object, and what is known beside it.
#[derive(Debug, Clone)]
pub struct Reconstruction {
    /// `[row, col]`; NaN where nothing is known.
    pub image: Array2<Complex64>,
    /// The object pixel `[row, col]` of its pixel `[0, 0]`, if the file says so.
    pub place: Option<[f64; 2]>,
    /// The probe's modes, `[mode, row, col]`.
    pub probe: Option<Array3<Complex32>>,
    /// Its pixels that are not finite.
    pub non_finite: PlaneCensus,
    /// Which pixels a scan covers, if it says so: a hub does.
    pub covered: Option<Array2<bool>>,
    /// Centers in object pixels, where they are known beside it.
    pub positions: Option<Vec<Position>>,
    /// Whether these were moved by an engine: then no others are right for its patterns.
    pub refined: bool,
    /// Side of an object pixel in meters.
    pub pixel_m: Option<f64>,
    /// What was assumed.
    pub notes: Vec<String>,
}

impl Reconstruction {
    /// An image on the object's own pixels.
    pub fn of(object: &Array2<Complex32>) -> Self {
        Self::of_image(object.mapv(wide), Some([0.0; 2]))
    }

    fn of_image(image: Array2<Complex64>, place: Option<[f64; 2]>) -> Self {
        Self {
            non_finite: PlaneCensus::of(&image.view()),
            image,
            place,
            covered: None,
            probe: None,
            positions: None,
            refined: false,
            pixel_m: None,
            notes: Vec::new(),
        }
    }

    /// Which of its pixels are not finite, of those that are covered.
    pub(super) fn events(&self) -> Array2<bool> {
        let bad = self.image.mapv(|z| !z.is_finite());
        match &self.covered {
            Some(covered) => &bad & covered,
            None => bad,
        }
    }

    /// Values of its probe that are not finite.
    pub fn bad_probe(&self) -> usize {
        let values = self.probe.iter().flatten();
        values.filter(|z| !z.is_finite()).count()
    }

    /// Reads a hub, a `.npy` or `.npz` array, or the object of any data format.
    ///
    /// # Errors
    /// If there is nothing, or no image of an object in it.
    pub fn read(path: &Path, told: &ReadOptions) -> Result<Self> {
        if path.is_dir() {
            return hub(path);
        }
        if !path.exists() {
            return Err(Error::input(ACTION)
                .at(path.display())
                .got("nothing")
                .need("a hub, an array, or a file with an object"));
        }
        if path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("npy"))
        {
            return array(path);
        }
        // an archive with an object and nothing else is no data file, and still an image
        if is_object_alone(path) {
            return Ok(Self {
                place: None,
                ..Self::of(&read_object(path)?)
            });
        }
        file(&formats::open(path, told)?, path)
    }
}

pub(super) fn wide(z: Complex32) -> Complex64 {
    Complex64::new(z.re.into(), z.im.into())
}

fn array(path: &Path) -> Result<Reconstruction> {
    let refuse = |got: String| {
        Error::input(ACTION)
            .at(path.display())
            .got(got)
            .need("a complex image, (rows, columns)")
    };
    let Values::Complex(values) = read_npy(path)? else {
        return Err(refuse("real numbers".into())
            .help("a hub's amplitude and phase are read together: give the hub"));
    };
    let shape = format!("shape {:?}", values.shape());
    let image = image_of(values).ok_or_else(|| refuse(shape))?;
    Ok(Reconstruction {
        place: None,
        ..Reconstruction::of(&image)
    })
}

fn file(contents: &OpenFile, path: &Path) -> Result<Reconstruction> {
    let Some(object) = &contents.object else {
        return Err(Error::input(ACTION)
            .at(path.display())
            .got(format!("{}, without an object", contents.format))
            .need("an object")
            .help("patterns alone are given as `data`"));
    };
    let bad = contents.positions.iter().filter(|p| !p.is_finite()).count();
    if bad > 0 {
        return Err(Error::input(ACTION)
            .not_finite()
            .at(path.display())
            .got(format!(
                "{bad} of {} positions that are not finite",
                contents.positions.len()
            ))
            .need("finite positions"));
    }
    Ok(Reconstruction {
        positions: (!contents.positions.is_empty()).then(|| contents.positions.clone()),
        pixel_m: contents.measurement.pixel_m.map(|p| p.y),
        probe: contents.probe.clone(),
        notes: contents.notes.clone(),
        ..Reconstruction::of(object)
    })
}

/// The hub of an engine, of a network, or of the reference; only the first knows its place and its probe.
fn hub(path: &Path) -> Result<Reconstruction> {
    let unknown = Complex64::new(f64::NAN, f64::NAN);
    let image = reconstruction::image(path)?;
    let covered = image.mapv(|z| z != Complex64::ZERO);
    let non_finite = PlaneCensus::of(&image.view());
    let image = image.mapv(|z| if z == Complex64::ZERO { unknown } else { z });
    let frame = canvas(path);
    let probe = path.join(dir::PROBE);
    let probe = if probe.is_file() {
        Some(reconstruction::probe(path)?)
    } else {
        None
    };
    let refined = path.join(POSITIONS).is_file();
    // a hub of an earlier version says where its scan is only if it moved it
    let moved = path.join(if refined { POSITIONS } else { SCAN });
    let positions = if moved.is_file() {
        let all = read_plane(&moved)?;
        let refuse = || {
            Error::input(ACTION)
                .at(moved.display())
                .need("finite positions [x, y], one for each pattern")
        };
        if all.ncols() != 2 {
            return Err(refuse().got(format!("shape {:?}", all.dim())));
        }
        let bad = Census::of(all.iter().copied());
        if !bad.is_finite() {
            return Err(refuse().not_finite().got(bad));
        }
        let rows = all.outer_iter();
        Some(rows.map(|p| Position::new(p[0], p[1])).collect())
    } else {
        None
    };
    Ok(Reconstruction {
        image,
        non_finite,
        covered: Some(covered),
        place: frame.map(|f| [f.top as f64, f.left as f64]),
        probe,
        positions,
        refined,
        pixel_m: None,
        notes: Vec::new(),
    })
}
