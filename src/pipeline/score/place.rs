//! Where images lie on one another, and where figures are taken.

use ndarray::Array2;
use num_complex::Complex64;

use super::load::Reconstruction;
use super::{ACTION, UNKNOWN};
use crate::align::Gauge;
use crate::data::dataset::Dataset;
use crate::error::{Error, Result};
use crate::ground::geometry::Position;
use crate::score::fidelity::Region;
use crate::score::region::middle;

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

/// Centres on the truth's pixels, and the side of the patterns, if both are known.
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

/// The region, and what it is.
pub(super) fn region(
    asked: Option<Region>,
    scan: Option<&(Vec<Position>, usize)>,
    found: &Array2<Complex64>,
    truth: &Array2<Complex64>,
) -> Result<(Region, String)> {
    let (rows, cols) = truth.dim();
    if let Some(r) = asked {
        let [top, bottom, left, right] = r;
        if top >= bottom || left >= right || bottom > rows || right > cols {
            return Err(Error::usage(ACTION)
                .at("--region")
                .got(format!("{top},{bottom},{left},{right}"))
                .need(format!(
                    "rows and columns of the truth, {rows} x {cols}, the ends exclusive"
                )));
        }
        return Ok((r, "as asked".into()));
    }
    // with few groups it may be a hole
    let middle = scan.map(|(all, side)| middle(all, *side, [rows, cols]));
    let why = match middle {
        Some(r) if known([found, truth], r).count() > 0 => {
            return Ok((r, "the middle of the scan".into()));
        }
        Some(_) => "nothing is known in the middle of the scan",
        None => "no positions say where the scan is",
    };
    let whole = [0, rows, 0, cols];
    let mut r = [usize::MAX, 0, usize::MAX, 0];
    for (y, x) in known([found, truth], whole) {
        r = [r[0].min(y), r[1].max(y + 1), r[2].min(x), r[3].max(x + 1)];
    }
    if r[1] == 0 {
        r = whole;
    }
    Ok((r, format!("all that is known of both: {why}")))
}

/// The pixels of a region that all images know.
fn known<const K: usize>(
    images: [&Array2<Complex64>; K],
    [top, bottom, left, right]: Region,
) -> impl Iterator<Item = (usize, usize)> {
    (top..bottom)
        .flat_map(move |y| (left..right).map(move |x| (y, x)))
        .filter(move |at| images.iter().all(|a| a[*at].is_finite()))
}

/// What a region lacks.
pub(super) fn unknown(found: &Array2<Complex64>, truth: &Array2<Complex64>, r: Region) -> String {
    let count = |a, r| known([a], r).count();
    let whole = [0, found.nrows(), 0, found.ncols()];
    format!(
        "{} of {} pixels known of the reconstruction ({} in all), {} of the truth",
        count(found, r),
        (r[1] - r[0]) * (r[3] - r[2]),
        count(found, whole),
        count(truth, r)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(rows: usize, cols: usize) -> Array2<Complex64> {
        Array2::from_shape_fn((rows, cols), |(r, c)| Complex64::new(r as f64, c as f64))
    }

    #[test]
    fn whole_offsets_move_exactly_and_fractions_nearly() {
        let a = image(20, 20);
        let b = laid(&a, [3.0, -2.0], (24, 16));
        assert_eq!(b[[3, 0]], a[[0, 2]]);
        assert!(b[[2, 0]].is_nan() && b[[23, 5]].is_nan());
        // a plane is what a cubic interpolates exactly
        let c = laid(&a, [0.25, 1.5], (20, 20));
        let want = Complex64::new(10.0 - 0.25, 10.0 - 1.5);
        assert!((c[[10, 10]] - want).norm() < 1e-12, "{}", c[[10, 10]]);
    }

    #[test]
    fn what_says_nothing_of_its_place_lies_in_the_middle() {
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
    fn figures_are_taken_where_something_is_known() {
        let truth = image(40, 40);
        let mut found = truth.mapv(|_| UNKNOWN);
        let scan = (
            vec![Position::new(20.0, 20.0), Position::new(30.0, 30.0)],
            8,
        );
        for (y, x) in [(3, 5), (7, 4)] {
            found[[y, x]] = Complex64::ONE;
        }
        let (r, why) = region(None, Some(&scan), &found, &truth).unwrap();
        assert_eq!(r, [3, 8, 4, 6]);
        assert!(
            why.contains("nothing is known in the middle of the scan"),
            "{why}"
        );
        found[[25, 25]] = Complex64::ONE;
        let (r, why) = region(None, Some(&scan), &found, &truth).unwrap();
        assert_eq!(
            (r, why.as_str()),
            ([22, 29, 22, 29], "the middle of the scan")
        );
        let words = unknown(&found, &truth, [0, 10, 0, 10]);
        assert_eq!(
            words,
            "2 of 100 pixels known of the reconstruction (3 in all), 100 of the truth"
        );
    }
}
