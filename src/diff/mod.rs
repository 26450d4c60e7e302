//! Comparison of two hubs: what differs, by how much, where first, and whether the tolerances allow it.
//!
//! *Law.* A hub agrees with itself. The verdict does not depend on which hub is named first.

mod arrays;
mod first;
mod row;
mod schema;
pub mod side;
pub mod tolerance;
mod widen;

use std::collections::BTreeSet;
use std::path::Path;

use ndarray::Array2;
use num_complex::Complex64;
use serde::Serialize;

pub use first::{First, Place, Tensor};
pub use row::{Row, Verdict};

use crate::align::{Alignment, align, distance_between};
use crate::error::Result;
use crate::hub::dir;
use crate::json::Real;
use row::BY_DESIGN;
use side::Side;
use tolerance::Tolerances;

/// The version of the schema of [`Report`].
pub const SCHEMA: &str = "ptyproof.hub_diff/1";

/// A comparison of two hubs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// The first hub.
    pub a: String,
    /// The second.
    pub b: String,
    /// The outcome: the worst of all.
    pub verdict: Verdict,
    /// Values compared: of JSON files, of arrays, pixels of the reconstructions.
    pub values: usize,
    /// Where they first part.
    pub first: First,
    /// The reconstructions.
    pub image: Option<Image>,
    /// Files and quantities, worst first.
    pub rows: Vec<Row>,
    /// Allowed differences that deserve attention.
    pub warnings: Vec<String>,
}

/// Two reconstructions beside one another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Image {
    /// `[rows, columns]` of each.
    pub shapes: [[usize; 2]; 2],
    /// Covered pixels of each.
    pub covered: [usize; 2],
    /// Pixels that only the first, or only the second, covers.
    pub covered_alone: [usize; 2],
    /// First and last row and column of those.
    pub uncovered_box: Option<[usize; 4]>,
    /// Pixels that are compared.
    pub pixels: usize,
    /// Pixels of each that are not finite.
    pub non_finite: [usize; 2],
    /// The first pixel that is finite in one only.
    pub non_finite_at: Option<[usize; 2]>,
    /// The first pixel that is not finite in both.
    pub non_finite_in_both: Option<[usize; 2]>,
    /// Distances and gauge; `None` if the shapes differ or nothing is covered.
    pub alignment: Option<Alignment>,
    /// Relative rms after alignment with the hubs exchanged.
    pub exchanged_rms: Option<Real>,
    /// The largest rms allowed after alignment.
    pub allowed_rms: Real,
    /// The outcome.
    pub verdict: Verdict,
}

/// Compares two hubs.
///
/// # Errors
/// If one cannot be read.
pub fn diff(a: &Path, b: &Path, tolerances: &Tolerances) -> Result<Report> {
    let (a, b) = (side::read(a)?, side::read(b)?);
    let mut rows = files([&a, &b]);
    for file in a.values.keys() {
        rows.extend(row::rows(file, [&a, &b], tolerances));
    }
    let quantities = rows.iter().filter(|r| r.values() > 0).count();
    let first = first::first(&a, &b);
    rows.extend(stage(&first, tolerances));
    let image = match (&a.image, &b.image) {
        (Some(x), Some(y)) => Some(image(x, y, tolerances)),
        _ => None,
    };
    let gauge = (image.as_ref()).and_then(|i| i.alignment.as_ref().map(|x| &x.gauge));
    rows.extend(arrays::rows([&a, &b], gauge, tolerances)?);
    let pixels = image.as_ref().map_or(0, |i| i.pixels);
    let values = pixels + rows.iter().map(Row::values).sum::<usize>();
    if values == 0 || (quantities == 0 && image.is_none()) {
        rows.push(nothing_in_common());
    }
    rows.sort_by(|p, q| {
        // of those that differ numbers first, the farthest first; what has no distance comes after them
        let exact = |r: &Row| r.excess.get().is_infinite();
        let key = |r: &Row| {
            (
                r.verdict == Verdict::Noted,
                std::cmp::Reverse(r.verdict),
                exact(r),
            )
        };
        key(p)
            .cmp(&key(q))
            .then(q.excess.get().total_cmp(&p.excess.get()))
    });
    let noted = |v: Verdict| {
        if v == Verdict::Noted {
            Verdict::Agrees
        } else {
            v
        }
    };
    let all = rows.iter().map(|r| noted(r.verdict));
    let verdict = all.chain(image.iter().map(|i| i.verdict)).max();
    Ok(Report {
        schema: SCHEMA.into(),
        a: a.path.display().to_string(),
        b: b.path.display().to_string(),
        verdict: verdict.unwrap_or(Verdict::Undecided),
        values,
        warnings: warnings(image.as_ref(), [&a, &b], tolerances),
        first,
        image,
        rows,
    })
}

/// Where checkpoints are.
const CHECKPOINTS: &str = "train_outputs/checkpoints/";

/// Files that only one has.
fn files([a, b]: [&Side; 2]) -> Vec<Row> {
    let own = a.own && b.own;
    let all: BTreeSet<&String> = a.files.iter().chain(&b.files).collect();
    let mut rows = Vec::new();
    for file in all {
        let there = [a, b].map(|s| s.files.contains(file));
        let verdict = match (there, own) {
            ([true, true], _) if side::compared(file) || same_bytes(a, b, file) => Verdict::Agrees,
            ([true, true], _) => Verdict::Noted,
            // a golden hub is kept without them
            _ if file.starts_with(CHECKPOINTS) => Verdict::Noted,
            // a run that failed leaves what a sound one does not
            (_, true) => Verdict::Differs,
            (_, false) => Verdict::Noted,
        };
        let description = there.map(|t| if t { "there" } else { "missing" }.to_owned());
        let reason = match (verdict, schema::derived(file)) {
            (Verdict::Noted, _) if there == [true, true] => {
                schema::derived(file).unwrap_or("it is of bytes")
            }
            (Verdict::Noted, Some(why)) if own => why,
            (Verdict::Noted, _) => BY_DESIGN,
            (Verdict::Differs, _) => "the file is in one hub only",
            (_, Some(why)) => why,
            _ => "",
        };
        let [x, y] = description;
        rows.push(Row {
            file: file.clone(),
            place: String::new(),
            verdict,
            compared: 1,
            different: usize::from(verdict == Verdict::Differs),
            at: String::new(),
            a: x,
            b: y,
            excess: Real(if verdict == Verdict::Differs {
                f64::INFINITY
            } else {
                0.0
            }),
            widest: Real(0.0),
            reason: reason.into(),
        });
    }
    rows
}

fn same_bytes(a: &Side, b: &Side, file: &str) -> bool {
    let [x, y] = [a, b].map(|s| std::fs::read(s.path.join(file)));
    matches!((x, y), (Ok(x), Ok(y)) if x == y)
}

fn nothing_in_common() -> Row {
    Row {
        file: "*".into(),
        place: String::new(),
        verdict: Verdict::Undecided,
        compared: 0,
        different: 0,
        at: String::new(),
        a: "-".into(),
        b: "-".into(),
        excess: Real(0.0),
        widest: Real(0.0),
        reason: "the two hubs have no quantity in common".into(),
    }
}

/// The row of a stage that differs although nothing random or iterated came before it.
fn stage(first: &First, tolerances: &Tolerances) -> Option<Row> {
    let place = first.place.as_ref().filter(|p| p.deterministic)?;
    let at = [
        tolerance::Step::Name(place.stage.clone()),
        tolerance::Step::Name(place.tensor.clone()),
    ];
    let rule = tolerances.rule(dir::STAGES, &at);
    let ignored = rule.is_some_and(|r| r.ignore);
    Some(Row {
        file: dir::STAGES.into(),
        place: format!("{}.{}", place.stage, place.tensor),
        verdict: if ignored {
            Verdict::Noted
        } else {
            Verdict::Differs
        },
        compared: 1,
        different: 1,
        at: place.tensor.clone(),
        a: place.how.clone(),
        b: String::new(),
        excess: Real(if ignored { 0.0 } else { f64::INFINITY }),
        widest: Real(0.0),
        reason: rule.map_or("no tolerance applies before training".into(), |r| {
            r.reason.clone()
        }),
    })
}

fn image(a: &Array2<Complex64>, b: &Array2<Complex64>, tolerances: &Tolerances) -> Image {
    let allowed = tolerances.image_rms;
    let is_covered = |z: &Complex64| *z != Complex64::ZERO;
    let bad = |z: &Complex64| !z.is_finite();
    let mut found = Image {
        shapes: [a, b].map(|i| i.dim().into()),
        covered: [a, b].map(|i| i.iter().filter(|z| is_covered(z)).count()),
        covered_alone: [0; 2],
        uncovered_box: None,
        pixels: 0,
        non_finite: [a, b].map(|i| i.iter().filter(|z| bad(z)).count()),
        non_finite_at: None,
        non_finite_in_both: None,
        alignment: None,
        exchanged_rms: None,
        allowed_rms: allowed,
        verdict: Verdict::Differs,
    };
    if a.dim() != b.dim() {
        return found;
    }
    for (((y, x), p), q) in a.indexed_iter().zip(b) {
        if is_covered(p) != is_covered(q) {
            found.covered_alone[usize::from(is_covered(q))] += 1;
            let [top, bottom, left, right] = found.uncovered_box.unwrap_or([y, y, x, x]);
            found.uncovered_box = Some([top.min(y), bottom.max(y), left.min(x), right.max(x)]);
        }
        match (bad(p), bad(q)) {
            (false, false) => continue,
            (true, true) if p.is_nan() == q.is_nan() => {
                found.non_finite_in_both.get_or_insert([y, x])
            }
            _ => found.non_finite_at.get_or_insert([y, x]),
        };
    }
    found.alignment = align(a, b);
    found.exchanged_rms = found
        .alignment
        .as_ref()
        .and_then(|_| distance_between(b, a));
    let rms = [
        found.alignment.as_ref().map(|x| x.aligned.rms),
        found.exchanged_rms,
    ];
    let far = rms
        .iter()
        .flatten()
        .any(|r| r.get().is_nan() || r.get() > allowed.get());
    // a shift of the gauge moves the covered pixels too: then they must coincide
    let moved = found.alignment.as_ref().is_some_and(|x| {
        x.covered_alone == [0; 2] && (x.gauge.twin || x.gauge.shift != [Real(0.0); 2])
    });
    found.pixels = found.alignment.as_ref().map_or(0, |x| x.pixels);
    found.verdict = if found.non_finite_at.is_some() {
        Verdict::NonFinite
    } else if found.non_finite_in_both.is_some() && !tolerances.nan_as_golden {
        Verdict::NotFinite
    } else if found.pixels == 0 && found.non_finite_in_both.is_none() {
        Verdict::Undecided
    } else if far || (found.covered_alone != [0; 2] && !moved) {
        Verdict::Differs
    } else {
        Verdict::Agrees
    };
    found
}

/// Maximum gauge changes without a warning: scale, phase, ramp over the image in radians, shift in pixels.
const MAX_GAUGE_CHANGES: [f64; 4] = [1e-3, 1e-3, 1e-2, 1e-2];

fn warnings(image: Option<&Image>, sides: [&Side; 2], tolerances: &Tolerances) -> Vec<String> {
    let mut out = Vec::new();
    if let Some((i, x)) = image.and_then(|i| i.alignment.as_ref().map(|x| (i, x))) {
        let g = &x.gauge;
        let mut jump = |is: bool, what: String| {
            if is {
                out.push(format!(
                    "the second reconstruction has another gauge: {what}"
                ));
            }
        };
        let [ry, rx] = g.ramp.map(Real::get);
        let [sy, sx] = g.shift.map(Real::get);
        jump(g.twin, "conjugate mirror image (twin)".into());
        jump(
            (g.scale.get() - 1.0).abs() > MAX_GAUGE_CHANGES[0],
            format!("scale, a factor of {:.6}", g.scale.get()),
        );
        jump(
            g.phase.get().abs() > MAX_GAUGE_CHANGES[1],
            format!("global phase, {:.6} rad", g.phase.get()),
        );
        let side = i.shapes[0].map(|n| n as f64);
        jump(
            (ry * side[0]).abs().max((rx * side[1]).abs()) > MAX_GAUGE_CHANGES[2],
            format!("phase ramp, {ry:.6} and {rx:.6} rad per pixel along y and x"),
        );
        jump(
            sy.abs().max(sx.abs()) > MAX_GAUGE_CHANGES[3],
            format!("shift, {sy:.3} and {sx:.3} pixels along y and x"),
        );
        if let Some(fault) = x.fault {
            out.push(format!(
                "most of the difference disappears with {}",
                fault.description()
            ));
        }
    }
    for (k, name) in ["A", "B"].into_iter().enumerate() {
        let bad = image.map_or(0, |i| i.non_finite[k]);
        if bad > 0 {
            out.push(format!(
                "{bad} pixels of {name}'s reconstruction are not finite"
            ));
        }
        for file in &sides[k].skipped {
            out.push(format!(
                "{name}: {file} is not a regular file and was not compared"
            ));
        }
        if !sides[k].own {
            out.push(format!(
                "{name} has no manifest, so it was not written by this program: files in only one hub are noted, not gated"
            ));
        }
    }
    let places = || {
        sides
            .iter()
            .flat_map(|s| &s.values)
            .flat_map(|(file, v)| v.keys().map(move |p| (file, p)))
    };
    // the row of a stage has no field
    let stages = || {
        places()
            .filter(|(f, p)| *f == dir::STAGES && p.len() > 2)
            .map(|(f, p)| (f, &p[..2]))
    };
    for r in &tolerances.rules {
        let used = places().any(|(f, p)| r.means(f, p)) || stages().any(|(f, p)| r.means(f, p));
        if !used {
            out.push(format!(
                "a rule matches nothing in either hub: {}, {}",
                r.file, r.place
            ));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::to_text;
    use ndarray_npy::write_npy;
    use proptest::prelude::*;
    use serde_json::json;

    /// A hub of a few numbers and a reconstruction of 6 x 6.
    fn hub(at: &Path, numbers: &[f64], pixels: &[f32]) {
        std::fs::create_dir_all(at.join("inference_outputs")).unwrap();
        let list: Vec<Real> = numbers.iter().map(|v| Real(*v)).collect();
        let value = json!({"values": list, "count": numbers.len()});
        std::fs::write(at.join(dir::STATS), to_text(&value).unwrap()).unwrap();
        let plane = Array2::from_shape_fn((6, 6), |(r, c)| pixels[(6 * r + c) % pixels.len()]);
        write_npy(at.join(dir::AMPLITUDE), &plane).unwrap();
        write_npy(at.join(dir::PHASE), &plane.mapv(|v| v / 7.0)).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn diff_is_reflexive_and_symmetric(
            a in proptest::collection::vec(any::<f64>(), 1..5), b in proptest::collection::vec(any::<f64>(), 1..5),
            nudge in -8e-6f64..8e-6, own in any::<bool>(), equal in any::<bool>(),
            p in proptest::collection::vec(prop_oneof![Just(0.0f32), 0.1f32..2.0, Just(f32::NAN)], 1..9),
        ) {
            // law: diff(a, a) agrees; verdict(diff(a, b)) = verdict(diff(b, a))
            let folder = tempfile::tempdir().unwrap();
            let (x, y) = (folder.path().join("x"), folder.path().join("y"));
            let near: Vec<f64> = a.iter().map(|v| v * (1.0 + nudge)).collect();
            hub(&x, &a, &p);
            let moved: Vec<f32> = p.iter().map(|v| v * (1.0 + nudge as f32)).collect();
            hub(&y, if equal { &near } else { &b }, &moved);
            if own {
                for h in [&x, &y] {
                    crate::hub::manifest::Manifest::of(h).unwrap().write(h).unwrap();
                }
            }
            let t = Tolerances::default();
            // non-finite pixels agree with nothing unless they are required; images without covered pixels are undecided
            let itself = diff(&x, &x, &t).unwrap().verdict;
            let finite = a.iter().all(|v| v.is_finite()) && p.iter().all(|v| v.is_finite());
            let covered = p.iter().any(|v| *v != 0.0);
            let wanted = Tolerances { nan_as_golden: true, ..t.clone() };
            prop_assert_eq!(diff(&x, &x, &wanted).unwrap().verdict, if covered { Verdict::Agrees } else { Verdict::Undecided });
            prop_assert_eq!(itself, match (finite, covered) {
                (false, _) => Verdict::NotFinite,
                (true, true) => Verdict::Agrees,
                (true, false) => Verdict::Undecided,
            });
            let (there, back) = (diff(&x, &y, &t).unwrap(), diff(&y, &x, &t).unwrap());
            prop_assert_eq!(there.verdict, back.verdict, "{:#?} {:#?}", there, back);
            let wide = diff(&x, &y, &t.widened(&there)).unwrap();
            prop_assert!(wide.verdict <= there.verdict, "room never makes it worse");
        }
    }
}
