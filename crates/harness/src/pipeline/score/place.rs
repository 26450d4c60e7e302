//! Where images lie on one another, and where figures are taken.

use ndarray::Array2;
use num_complex::Complex64;

use super::load::Reconstruction;
use ptyproof::align::Gauge;
use ptyproof::error::{Error, Result};
use ptyproof::geometry::Position;
use ptyproof::io::dataset::Dataset;
use ptyproof::score::fidelity::Region;
use ptyproof::score::known::Extent;
use ptyproof::score::region::middle;

/// What the errors of this room say was being done.
pub(super) const ACTION: &str = "scoring a reconstruction";
/// Nothing is known of a pixel.
pub(super) const UNKNOWN: Complex64 = Complex64::new(f64::NAN, f64::NAN);

/// Pixel `[0, 0]` of an image on the pixels of another: where both know their place, there; else corner on corner for equal
/// shapes, and middle on middle.
fn offset(a: &Reconstruction, b: &Reconstruction, notes: &mut Vec<String>) -> [f64; 2] {
    let ((ra, ca), (rb, cb)) = (a.image.dim(), b.image.dim());
    match (a.place, b.place) {
        (Some(p), Some(q)) => [p[0] - q[0], p[1] - q[1]],
        _ if (ra, ca) == (rb, cb) => [0.0; 2],
        _ => {
            notes.push(format!(
                "nothing says where the {ra} x {ca} pixels lie on the {rb} x {cb}: laid middle on middle"
            ));
            let half =
                |a: usize, b: usize| ((b.cast_signed() - a.cast_signed()) as f64 / 2.0).floor();
            [half(ra, rb), half(ca, cb)]
        }
    }
}

/// An image moved onto another's pixels by a known offset: whole pixels exactly, a fraction by cubic convolution.
fn laid(image: &Array2<Complex64>, offset: [f64; 2], dim: (usize, usize)) -> Array2<Complex64> {
    let whole = offset.map(f64::round);
    let rest = [offset[0] - whole[0], offset[1] - whole[1]];
    let moved = if rest.iter().all(|v| v.abs() < 1e-9) {
        image.clone()
    } else {
        Gauge::shift(rest).apply(image)
    };
    let from = |at: usize, whole: f64| {
        let v = at as f64 - whole;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be an index"
        )]
        (0.0..1e9).contains(&v).then_some(v as usize)
    };
    Array2::from_shape_fn(dim, |(r, c)| {
        let at = from(r, whole[0]).zip(from(c, whole[1]));
        at.and_then(|(r, c)| moved.get([r, c]))
            .copied()
            .unwrap_or(UNKNOWN)
    })
}

pub(super) fn onto(
    found: &Reconstruction,
    truth: &Reconstruction,
    notes: &mut Vec<String>,
) -> Array2<Complex64> {
    let offset = offset(found, truth, notes);
    laid(&found.image, offset, truth.image.dim())
}

/// Which pixels of the truth should be known where no positions say where the scan is: those that the truth covers, and of the
/// reconstruction's those that its own scan covers. An array without a scan should know all.
fn expected(found: &Reconstruction, truth: &Reconstruction) -> Array2<bool> {
    let dim = truth.image.dim();
    let all = || Array2::from_elem(dim, true);
    let mut expected = truth.covered.clone().unwrap_or_else(all);
    if let Some(covered) = &found.covered {
        expected = &expected & &mask_onto(covered, found, truth);
    }
    expected
}

/// Which pixels of the truth lie under pixels of the reconstruction that are not finite.
pub(super) fn non_finite(found: &Reconstruction, truth: &Reconstruction) -> Array2<bool> {
    mask_onto(&found.events(), found, truth)
}

/// A mask of the reconstruction's pixels on the truth's, to the nearest pixel; false outside.
fn mask_onto(mask: &Array2<bool>, found: &Reconstruction, truth: &Reconstruction) -> Array2<bool> {
    let offset = offset(found, truth, &mut Vec::new()).map(f64::round);
    let ones = mask.mapv(|m| Complex64::from(f64::from(u8::from(m))));
    laid(&ones, offset, truth.image.dim()).mapv(|z| z == Complex64::ONE)
}

/// Centers on the truth's pixels, and the side of the patterns, if both are known.
pub(super) fn positions(
    groups: Option<&Vec<Position>>,
    found: &Reconstruction,
    data: Option<&Dataset>,
    truth: &Reconstruction,
) -> Option<(Vec<Position>, usize)> {
    let all = groups.or(found.positions.as_ref());
    let all = all.or(data.map(|d| &d.positions));
    let all = all.or(truth.positions.as_ref())?;
    let side = found.probe.as_ref().map(|p| p.dim().1);
    let side = side.or(data.map(|d| d.side().get()));
    let side = side.or(truth.probe.as_ref().map(|p| p.dim().1))?;
    let [top, left] = truth.place.unwrap_or_default();
    let moved = all.iter().map(|p| Position::new(p.x - left, p.y - top));
    Some((moved.collect(), side))
}

/// Where figures are taken, and what that is in words.
pub(super) fn extent(
    asked: Option<Region>,
    scan: Option<&(Vec<Position>, usize)>,
    found: &Reconstruction,
    truth: &Reconstruction,
    known_at_least: f64,
) -> Result<(Extent, String)> {
    let whole = |region: Region| Extent {
        region,
        expected: None,
        known_at_least,
    };
    let (rows, cols) = truth.image.dim();
    if let Some(r) = asked {
        let [top, bottom, left, right] = r;
        if top >= bottom || left >= right || bottom > rows || right > cols {
            return Err(Error::usage(ACTION)
                .field("region")
                .got(format!("{top},{bottom},{left},{right}"))
                .need(format!(
                    "rows and columns of the truth, {rows} x {cols}, the ends exclusive"
                )));
        }
        return Ok((whole(r), "as asked".into()));
    }
    if let Some((all, side)) = scan {
        let r = middle(all, *side, [rows, cols]);
        return Ok((whole(r), "the middle of the scan".into()));
    }
    let expected = expected(found, truth);
    let mut r = [usize::MAX, 0, usize::MAX, 0];
    for ((y, x), _) in expected.indexed_iter().filter(|(_, e)| **e) {
        r = [r[0].min(y), r[1].max(y + 1), r[2].min(x), r[3].max(x + 1)];
    }
    if r[1] == 0 {
        return Ok((whole([0, rows, 0, cols]), "nothing is covered".into()));
    }
    let of = if found.covered.is_some() || truth.covered.is_some() {
        "all that the hub covers"
    } else {
        "all of the truth"
    };
    let extent = Extent {
        expected: Some(expected),
        ..whole(r)
    };
    Ok((extent, format!("{of}: no positions say where the scan is")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ptyproof_testkit::tolerance::{F64_STEPS_512, assert_close};

    fn image(rows: usize, cols: usize) -> Array2<Complex64> {
        Array2::from_shape_fn((rows, cols), |(r, c)| Complex64::new(r as f64, c as f64))
    }

    #[test]
    fn integer_offsets_are_exact_and_fractional_are_interpolated() {
        let a = image(20, 20);
        let b = laid(&a, [3.0, -2.0], (24, 16));
        assert_eq!(b[[3, 0]], a[[0, 2]]);
        assert!(b[[2, 0]].is_nan() && b[[23, 5]].is_nan());
        // a plane is what a cubic interpolates exactly
        let c = laid(&a, [0.25, 1.5], (20, 20));
        let want = Complex64::new(10.0 - 0.25, 10.0 - 1.5);
        assert_close!(c[[10, 10]], want, F64_STEPS_512);
    }

    #[test]
    fn object_without_origin_is_centered() {
        let of = |rows, cols, place| Reconstruction {
            image: image(rows, cols),
            place,
            ..Reconstruction::of(&Array2::zeros((1, 1)))
        };
        let mut notes = Vec::new();
        let truth = of(30, 30, Some([0.0; 2]));
        assert_eq!(offset(&of(30, 30, None), &truth, &mut notes), [0.0; 2]);
        assert!(notes.is_empty());
        assert_eq!(offset(&of(20, 41, None), &truth, &mut notes), [5.0, -6.0]);
        assert_eq!(notes.len(), 1);
        assert_eq!(
            offset(&of(9, 9, Some([4.5, 2.0])), &truth, &mut notes),
            [4.5, 2.0]
        );
    }

    #[test]
    fn unknown_pixels_do_not_shrink_the_region() {
        let whole = Reconstruction::of(&Array2::from_elem((40, 40), num_complex::Complex32::ONE));
        let mut holed = whole.clone();
        holed.image.slice_mut(ndarray::s![..30, ..]).fill(UNKNOWN);
        let scan = (
            vec![Position::new(20.0, 20.0), Position::new(30.0, 30.0)],
            8,
        );
        for (found, truth) in [(&holed, &whole), (&whole, &holed)] {
            let of = |scan| extent(None, scan, found, truth, 0.9).unwrap();
            let (e, why) = of(Some(&scan));
            assert_eq!(e.region, [22, 29, 22, 29]);
            assert_eq!((e.expected, why.as_str()), (None, "the middle of the scan"));
            let (e, _) = of(None);
            assert_eq!((e.region, e.known_at_least), ([0, 40, 0, 40], 0.9));
            assert!(e.expected.unwrap().iter().all(|e| *e));
        }
        // a hub says what its scan covers: there it must know all, and nobody asks about the rest
        let mut hub = whole.clone();
        hub.covered = Some(Array2::from_shape_fn((40, 40), |(r, c)| {
            (5..20).contains(&r) && (8..30).contains(&c)
        }));
        for (found, truth) in [(&hub, &whole), (&whole, &hub)] {
            let (e, why) = extent(None, None, found, truth, 0.99).unwrap();
            assert_eq!(e.region, [5, 20, 8, 30]);
            assert!(why.starts_with("all that the hub covers"), "{why}");
        }
        hub.covered = Some(Array2::from_elem((40, 40), false));
        let (e, why) = extent(None, None, &hub, &whole, 0.99).unwrap();
        assert_eq!(
            (e.region, why.as_str()),
            ([0, 40, 0, 40], "nothing is covered")
        );
    }
}
