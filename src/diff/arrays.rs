//! Comparison of the arrays of two hubs that are not the image: positions, probes and any other `.npy` file.
//!
//! *Conventions.* Element type and shape must be equal. Real numbers are compared with the tolerance of the place `values`.
//! The probe is compared mode by mode up to the ambiguities of diffraction, with each distance relative to the norm of all
//! modes; its scale must be the reciprocal of the object's. Other complex arrays are compared without alignment.

use ndarray::{Array2, ArrayD, Axis};
use num_complex::{Complex32, Complex64};

use super::row::{Row, Verdict};
use super::side::Side;
use super::tolerance::{Step, Tolerances};
use crate::align::{Gauge, align};
use crate::error::Result;
use crate::hub::dir;
use crate::io::npz::{Values, npy_header, read_npy, read_npy_real};
use crate::json::Real;

/// The rows of all arrays that both hubs have; `gauge` is the one that takes the second object to the first.
pub(super) fn rows(
    sides: [&Side; 2],
    gauge: Option<&Gauge>,
    tolerances: &Tolerances,
) -> Result<Vec<Row>> {
    let [a, b] = sides;
    let both = a.files.iter().filter(|f| b.files.contains(f));
    let mut rows = Vec::new();
    for file in both.filter(|f| f.ends_with(".npy")) {
        let paths = sides.map(|s| s.path.join(file));
        let [(type_a, shape_a), (type_b, shape_b)] =
            [npy_header(&paths[0])?, npy_header(&paths[1])?];
        let mut same = true;
        for (place, x, y) in [
            ("dtype", type_a, type_b),
            ("shape", format!("{shape_a:?}"), format!("{shape_b:?}")),
        ] {
            same &= x == y;
            rows.push(row(file, place, &x, &y, x == y));
        }
        // the image is compared separately
        if !same || [dir::AMPLITUDE, dir::PHASE].contains(&file.as_str()) {
            continue;
        }
        let read = || -> Result<[Values; 2]> { Ok([read_npy(&paths[0])?, read_npy(&paths[1])?]) };
        if shape_a.contains(&0) {
            let mut nothing = row(file, "values", "none", "none", true);
            (nothing.verdict, nothing.compared) = (Verdict::Undecided, 0);
            rows.push(nothing);
            continue;
        }
        rows.push(match read()? {
            [Values::Complex(x), Values::Complex(y)] if file == dir::PROBE => {
                probe(file, &x, &y, gauge, tolerances)
            }
            [Values::Complex(x), Values::Complex(y)] => complex(file, &x, &y, tolerances),
            _ => {
                let [x, y] = [read_npy_real(&paths[0])?, read_npy_real(&paths[1])?];
                real(file, &x, &y, tolerances)
            }
        });
    }
    Ok(rows)
}

fn row(file: &str, place: &str, a: &str, b: &str, same: bool) -> Row {
    Row {
        file: file.into(),
        place: place.into(),
        verdict: if same {
            Verdict::Agrees
        } else {
            Verdict::Differs
        },
        compared: 1,
        different: usize::from(!same),
        at: place.into(),
        a: a.into(),
        b: b.into(),
        excess: Real(if same { 0.0 } else { f64::INFINITY }),
        widest: Real(0.0),
        reason: String::new(),
    }
}

/// The index of an element, as text.
fn place(index: usize, shape: &[usize]) -> String {
    let mut rest = index;
    let mut at: Vec<String> = shape
        .iter()
        .rev()
        .map(|n| {
            let k = rest % n.max(&1);
            rest /= n.max(&1);
            format!("[{k}]")
        })
        .collect();
    at.reverse();
    format!("values{}", at.concat())
}

/// Real numbers, one by one.
fn real(file: &str, a: &ArrayD<f64>, b: &ArrayD<f64>, tolerances: &Tolerances) -> Row {
    let mut out = row(file, "values", "", "", true);
    out.compared = a.len();
    let name = [Step::Name("values".into())];
    for (k, (x, y)) in a.iter().zip(b).enumerate() {
        let point = super::row::numbers(file, &name, [*x, *y], tolerances);
        if (x - y).abs() > out.widest.get() {
            out.widest = Real((x - y).abs());
        }
        out.different += usize::from(point.verdict >= Verdict::Differs);
        if k == 0 || (point.verdict, point.excess) > (out.verdict, out.excess.get()) {
            out.at = place(k, a.shape());
            (out.a, out.b) = (format!("{x:?}"), format!("{y:?}"));
            (out.verdict, out.excess) = (point.verdict, Real(point.excess));
            out.reason = point.reason;
        }
    }
    out
}

/// Non-finite values of two complex arrays: in both at equal places, and in only one.
fn non_finite(a: &ArrayD<Complex32>, b: &ArrayD<Complex32>) -> [usize; 2] {
    // a NaN is no infinity
    let kind = |z: &Complex32| (z.is_finite(), z.is_nan());
    let pairs = || a.iter().zip(b).map(|(x, y)| (kind(x), kind(y)));
    [
        pairs().filter(|(x, y)| x == y && !x.0).count(),
        pairs().filter(|(x, y)| x != y).count(),
    ]
}

/// The result for arrays with non-finite values; `None` for others.
fn events(out: &mut Row, [both, alone]: [usize; 2], tolerances: &Tolerances) -> bool {
    let (verdict, reason, count) = match (both, alone) {
        (0, 0) => return false,
        (n, 0) if tolerances.nan_as_golden => {
            out.reason = format!("{n} values are not finite in both hubs, as required");
            return false;
        }
        (n, 0) => (Verdict::NotFinite, "not finite in both hubs", n),
        (_, n) => (Verdict::NonFinite, "finite in one hub only", n),
    };
    out.verdict = verdict;
    out.reason = reason.into();
    out.different = count;
    (out.a, out.b) = (format!("{count} values"), String::new());
    out.excess = Real(f64::INFINITY);
    true
}

/// Complex numbers as they are: the distance relative to the first array.
fn complex(
    file: &str,
    a: &ArrayD<Complex32>,
    b: &ArrayD<Complex32>,
    tolerances: &Tolerances,
) -> Row {
    let mut out = row(file, "values", "", "", true);
    out.compared = a.len();
    if events(&mut out, non_finite(a, b), tolerances) {
        return out;
    }
    let wide = |z: &Complex32| Complex64::new(z.re.into(), z.im.into());
    let pairs = || {
        let finite = a.iter().zip(b).filter(|(x, _)| x.is_finite());
        finite.map(|(x, y)| [wide(x), wide(y)])
    };
    let apart: f64 = pairs().map(|[x, y]| (x - y).norm_sqr()).sum();
    let own: f64 = pairs().map(|[x, y]| x.norm_sqr().max(y.norm_sqr())).sum();
    measured(
        &mut out,
        relative(apart.sqrt(), own.sqrt()),
        tolerances.image_rms,
    );
    out
}

fn relative(distance: f64, size: f64) -> f64 {
    if distance == 0.0 {
        0.0
    } else {
        distance / size
    }
}

/// Holds a relative distance to the one that is allowed.
fn measured(out: &mut Row, rms: f64, allowed: Real) {
    out.widest = Real(rms);
    out.excess = Real(relative(rms, allowed.get()));
    let far = rms.is_nan() || rms > allowed.get();
    if far {
        out.verdict = Verdict::Differs;
        out.different = out.compared;
        (out.a, out.b) = (
            format!("rms difference {rms:e}"),
            format!("{:e} allowed", allowed.get()),
        );
    }
}

/// The modes of two probes, each up to its gauge.
fn probe(
    file: &str,
    a: &ArrayD<Complex32>,
    b: &ArrayD<Complex32>,
    gauge: Option<&Gauge>,
    tolerances: &Tolerances,
) -> Row {
    let modes = |p: &ArrayD<Complex32>| -> Option<Vec<Array2<Complex64>>> {
        let wide = p.mapv(|z| Complex64::new(z.re.into(), z.im.into()));
        let all = wide.into_dimensionality::<ndarray::Ix3>().ok()?;
        Some(all.axis_iter(Axis(0)).map(|m| m.to_owned()).collect())
    };
    let (Some(x), Some(y)) = (modes(a), modes(b)) else {
        return complex(file, a, b, tolerances);
    };
    let mut out = row(file, "modes", "", "", true);
    out.compared = a.len();
    if events(&mut out, non_finite(a, b), tolerances) {
        return out;
    }
    let power = |m: &Array2<Complex64>| -> f64 {
        let finite = m.iter().filter(|z| z.is_finite());
        finite.map(Complex64::norm_sqr).sum()
    };
    let whole: f64 = x
        .iter()
        .map(power)
        .sum::<f64>()
        .max(y.iter().map(power).sum());
    let object = gauge.map_or(1.0, |g| g.scale.get());
    let (mut squares, mut apart) = (0.0, None);
    for (k, (p, q)) in x.iter().zip(&y).enumerate() {
        let Some(found) = align(p, q) else {
            // both are zero, or have nothing in common
            squares += power(p).max(power(q));
            continue;
        };
        let own = power(p).sqrt();
        // probe times c and object over c are equivalent
        let scale = found.gauge.scale.get() * object - 1.0;
        // shift, phase ramp and mirroring of the object apply to the probe too
        if own > MIN_MAIN_MODE_SHARE * whole.sqrt() {
            apart = apart.or_else(|| other_gauge(&found.gauge, gauge, p.nrows()));
        }
        let away = (found.aligned.rms.get() * own).hypot(scale * own);
        squares += away * away;
        if out.at == "modes" && away > 0.0 {
            out.at = format!("modes[{k}]");
        }
    }
    measured(
        &mut out,
        relative(squares.sqrt(), whole.sqrt()),
        tolerances.image_rms,
    );
    if let Some(what) = apart {
        out.verdict = Verdict::Differs;
        out.different = out.compared;
        out.excess = Real(f64::INFINITY);
        out.reason = "the probe has another gauge than the object".into();
        (out.a, out.b) = (what, String::new());
    }
    out
}

/// Minimum share of the norm of the probe of a mode whose gauge is compared.
const MIN_MAIN_MODE_SHARE: f64 = 0.3;
/// Above these a probe has another gauge than its object: shift in pixels, ramp over the probe in radians.
const MAX_SHIFT_PX: f64 = 0.05;
const MAX_RAMP_RAD: f64 = 0.05;

/// The contradiction between the gauges of a probe and its object: shift and twin are common, the phase ramp is opposite.
fn other_gauge(probe: &Gauge, object: Option<&Gauge>, side: usize) -> Option<String> {
    let none = Gauge::none();
    let object = object.unwrap_or(&none);
    if probe.twin != object.twin {
        return Some("only one of probe and object is mirrored and conjugated".into());
    }
    if probe.twin {
        return None;
    }
    let pairs = |a: [Real; 2], b: [Real; 2]| [[a[0].get(), b[0].get()], [a[1].get(), b[1].get()]];
    for [own, of] in pairs(probe.shift, object.shift) {
        if (own - of).abs() > MAX_SHIFT_PX {
            return Some(format!(
                "the probe is shifted by {own:.3} px, the object by {of:.3} px"
            ));
        }
    }
    for [own, of] in pairs(probe.ramp, object.ramp) {
        if (own + of).abs() * side as f64 > MAX_RAMP_RAD {
            return Some(format!(
                "the probe has a phase ramp of {own:.5} rad/px, the object of {of:.5} rad/px"
            ));
        }
    }
    None
}
