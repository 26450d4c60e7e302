//! Findings of what one pass over the file saw: nothing is reconstructed for them.

use super::finding::{Finding, Severity};
use crate::geometry::{CanvasSize, Position};
use crate::io::inspect::{Inspection, PatternFacts, Pixels, ScanFacts};

/// Photons per pattern below which a reconstruction is a gamble.
const MIN_PHOTONS: f64 = 1e3;
/// Linear overlap below which neighbours say little of one another, and below which they say nothing.
const OVERLAP: [f64; 2] = [0.5, 0.1];
/// Bytes of a canvas that no one wants: 4 GiB of complex64.
const MAX_CANVAS_BYTES: f64 = 4.3e9;

/// All of them; `lone` are positions without company.
pub(super) fn of(file: &Inspection, positions: &[Position], lone: &[usize]) -> Vec<Finding> {
    let mut all = Vec::new();
    match &file.patterns {
        Some(p) => patterns(p, &mut all),
        None => all.push(
            Finding::new(
                Severity::Undecided,
                "patterns",
                "there are no diffraction patterns in this file",
                format!("{}, {} positions", file.format, positions.len()),
            )
            .advise("give the file with the patterns"),
        ),
    }
    if let Some(s) = &file.scan {
        scan(
            s,
            file.patterns.as_ref(),
            positions,
            lone,
            file.object,
            &mut all,
        );
    }
    if let (Some(s), Some(p)) = (&file.scan, &file.probe)
        && let Some(overlap) = s.linear_overlap
    {
        all.extend(overlap_of(
            overlap.get(),
            s,
            p.diameter.get(),
            "the data's probe",
        ));
    }
    all
}

/// Whether neighbours share enough light.
pub(super) fn overlap_of(
    overlap: f64,
    s: &ScanFacts,
    diameter: f64,
    whose: &str,
) -> Option<Finding> {
    let pitch = s.pitch.map_or(f64::NAN, |p| p.mean.get());
    let evidence = format!(
        "{whose} is {diameter:.1} pixels wide, neighbours are {pitch:.2} pixels apart: {:.0} % linear overlap",
        100.0 * overlap
    );
    if overlap >= OVERLAP[0] || !overlap.is_finite() {
        return None;
    }
    let says = if overlap < OVERLAP[1] {
        "neighbouring patterns hardly share light: nothing can be decided from their overlap"
    } else {
        "the overlap is small: 60 to 80 % is usual"
    };
    Some(
        Finding::new(Severity::Warning, "overlap", says, evidence)
            .advise("positions may be in another unit, or the probe larger than it is said to be"),
    )
}

fn patterns(p: &PatternFacts, all: &mut Vec<Finding>) {
    let mut add = |severity, topic, says: String, evidence: String, advice: &str| {
        all.push(Finding::new(severity, topic, says, evidence).advise(advice));
    };
    let dose = p.dose.mean.get();
    let spread = format!(
        "{dose:.4e} per pattern, from {:.4e} to {:.4e}; the largest value is {}",
        p.dose.min.get(),
        p.dose.max.get(),
        p.largest.get()
    );
    if p.dark_patterns == p.count {
        let says = "no pattern has any light".to_owned();
        add(Severity::Fault, "patterns", says, spread, "");
        return;
    }
    if dose < MIN_PHOTONS {
        let says = "there is little light, if values are photons".to_owned();
        let advice = "values that were scaled are fine; photons so few are not";
        add(Severity::Warning, "dose", says, spread, advice);
    } else {
        add(
            Severity::Note,
            "dose",
            "light per pattern".to_owned(),
            spread,
            "",
        );
    }
    let ratio = p.dose.max.get() / p.faintest.get();
    if p.dark_patterns > 0 || ratio > 20.0 {
        add(
            Severity::Warning,
            "dose",
            "patterns differ much in light".to_owned(),
            format!(
                "{} of {} have none; of the others the brightest has {ratio:.1} times the light of the faintest",
                p.dark_patterns, p.count
            ),
            "leave out what was taken with the shutter closed, the beam lost, or the detector struck",
        );
    }
    if p.saturated > 0 {
        add(
            Severity::Warning,
            "saturation",
            "the detector looks saturated".to_owned(),
            format!(
                "{} values are exactly {}, and few lie just below",
                p.saturated,
                p.largest.get()
            ),
            "mark those pixels as bad where they are cut off",
        );
    }
    let first = |p: &Pixels| {
        p.first.map_or(String::new(), |[r, c]| {
            format!(", the first at row {r}, col {c}")
        })
    };
    if p.not_finite > 0 {
        add(
            Severity::Fault,
            "pixels",
            "values are not finite".to_owned(),
            format!(
                "{} values of {} pixels{}",
                p.not_finite,
                p.not_finite_pixels.count,
                first(&p.not_finite_pixels)
            ),
            "mark these pixels as bad (key bad_pixels); here they were left out of all patterns",
        );
    }
    if p.negative > 0 {
        add(
            Severity::Warning,
            "pixels",
            "values are negative".to_owned(),
            format!("{} values", p.negative),
            "a background was taken off; they count as zero",
        );
    }
    for (pixels, what, advice) in [
        (
            &p.dead,
            "pixels are dead: dark in every pattern among lit ones",
            "mark them as bad",
        ),
        (
            &p.hot,
            "pixels are hot: far brighter than all around them",
            "mark them as bad; here they were left out",
        ),
    ] {
        if pixels.count > 0 {
            let evidence = format!("{}{}", pixels.count, first(pixels));
            add(
                Severity::Warning,
                "pixels",
                what.to_owned(),
                evidence,
                advice,
            );
        }
    }
    if p.duplicates > p.dark_patterns.saturating_sub(1) {
        add(
            Severity::Warning,
            "patterns",
            "patterns repeat earlier ones to the bit".to_owned(),
            format!("{} of {}", p.duplicates, p.count),
            "a frame was stored twice: positions after it may belong to other patterns",
        );
    }
}

fn scan(
    s: &ScanFacts,
    patterns: Option<&PatternFacts>,
    positions: &[Position],
    lone: &[usize],
    object: Option<[usize; 2]>,
    all: &mut Vec<Finding>,
) {
    let mut add = |severity, topic, says: String, evidence: String, advice: &str| {
        all.push(Finding::new(severity, topic, says, evidence).advise(advice));
    };
    if let Some(p) = patterns.filter(|p| p.count != s.count) {
        add(
            Severity::Fault,
            "positions",
            "there are not as many positions as patterns".to_owned(),
            format!("{} positions, {} patterns", s.count, p.count),
            "nothing can be tried until each pattern has its position",
        );
    }
    if s.not_finite > 0 {
        add(
            Severity::Fault,
            "positions",
            "positions are not finite".to_owned(),
            format!("{} of {}", s.not_finite, s.count),
            "leave these patterns out; here they were",
        );
    }
    if s.duplicates > 0 {
        let evidence = format!(
            "{} of {} are where an earlier one is",
            s.duplicates, s.count
        );
        let (severity, advice) = if s.duplicates * 2 > s.count {
            (
                Severity::Fault,
                "the positions of most patterns are lost, or in a unit so large that they were rounded",
            )
        } else {
            (
                Severity::Warning,
                "the stage may have stood still, or two scans were joined",
            )
        };
        add(
            severity,
            "positions",
            "positions repeat".to_owned(),
            evidence,
            advice,
        );
    }
    if let Some(k) = lone.first() {
        let p = positions[*k];
        add(
            Severity::Warning,
            "positions",
            "positions lie far from all others".to_owned(),
            format!(
                "{} of {}, the first is number {k} at ({}, {})",
                lone.len(),
                s.count,
                p.x,
                p.y
            ),
            "they make the canvas large for nothing: correct them, or leave these patterns out",
        );
    }
    object_of(s, positions, object, &mut add);
    let Some(n) = patterns.map(|p| p.size[1]) else {
        return;
    };
    canvas(n, positions, &mut add);
}

/// The canvas of `M >= N + 2 max(|dx|, |dy|)`, offsets from the origin as `run` and `canvas-check` take them; beside it that about
/// the mean position.
fn canvas(
    n: usize,
    positions: &[Position],
    add: &mut impl FnMut(Severity, &'static str, String, String, &str),
) {
    let finite: Vec<&Position> = positions.iter().filter(|p| p.is_finite()).collect();
    let count = finite.len() as f64;
    let mean = |of: fn(&Position) -> f64| finite.iter().map(|p| of(p) / count).sum::<f64>();
    let (x, y) = (mean(|p| p.x), mean(|p| p.y));
    let offset = |p: &Position| Position::new(p.x - x, p.y - y).max_abs();
    let most = finite.iter().map(|p| offset(p)).fold(0.0, f64::max);
    let far = finite.iter().map(|p| p.max_abs()).fold(0.0, f64::max);
    let side = |most: f64| n as f64 + 2.0 * most.ceil();
    let bytes = 8.0 * side(most).powi(2);
    let shown = |v: f64| match v {
        v if v >= 1e9 => format!("{v:.3e}"),
        v if v.fract() == 0.0 => format!("{v}"),
        v => format!("{v:.2}"),
    };
    let evidence = format!(
        "M >= N + 2 max(|dx|, |dy|) = {n} + 2 x {} = {} from the origin; {m} x {m} pixels about the mean position, {}",
        shown(far),
        shown(side(far)),
        amount(bytes),
        m = shown(side(most)),
    );
    // from the origin it is a number, which has a bound; what is held is about the mean
    let enormous = CanvasSize::holding(n, most).is_err() || bytes > MAX_CANVAS_BYTES;
    if CanvasSize::holding(n, far).is_err() && !enormous {
        add(
            Severity::Warning,
            "canvas",
            "positions lie so far from the origin that a network has no canvas for them".to_owned(),
            evidence,
            "take their mean off: `run` and `canvas-check` count a canvas from the origin",
        );
    } else if enormous {
        add(
            Severity::Warning,
            "canvas",
            "the canvas would be enormous".to_owned(),
            evidence,
            "positions must be in pixels of the object, not in metres, nanometres or motor steps",
        );
    } else {
        add(
            Severity::Note,
            "canvas",
            "what a canvas needs".to_owned(),
            evidence,
            "",
        );
    }
    if most < 1.0 && finite.len() > 1 {
        add(
            Severity::Fault,
            "positions",
            "all positions lie within a pixel".to_owned(),
            format!("the farthest is {most:.3e} pixels from their mean"),
            "positions must be in pixels of the object, not in metres: divide by the size of a pixel",
        );
    }
}

/// Whether positions, and the patches about them, lie on the object of the file.
fn object_of(
    s: &ScanFacts,
    positions: &[Position],
    object: Option<[usize; 2]>,
    add: &mut impl FnMut(Severity, &'static str, String, String, &str),
) {
    let Some([rows, cols]) = object else { return };
    let on = |p: &Position| (0.0..cols as f64).contains(&p.x) && (0.0..rows as f64).contains(&p.y);
    let off = positions.iter().filter(|p| p.is_finite() && !on(p)).count();
    let patches = s.outside.unwrap_or(0).saturating_sub(s.not_finite);
    let evidence = format!(
        "{off} of {} positions lie outside its {rows} x {cols} pixels, {patches} patches reach beyond them",
        s.count
    );
    if off > 0 {
        let says = "positions lie outside the object of the file: every other command refuses it"
            .to_owned();
        let advice = "object and positions are of different frames, or of different pixels: convert one, or leave the object out";
        add(Severity::Fault, "object", says, evidence, advice);
    } else if patches > 0 {
        let says = "patches reach beyond the object of the file".to_owned();
        let advice = "the object may have been cut to the scan, or be of another frame; a truth is compared where both are known";
        add(Severity::Warning, "object", says, evidence, advice);
    }
}

/// Bytes as complex64 takes them, for a person.
fn amount(bytes: f64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB")];
    let (unit, name) = units
        .into_iter()
        .find(|(u, _)| bytes >= *u)
        .unwrap_or((1e3, "kB"));
    format!("{:.1} {name} as complex64", bytes / unit)
}
