//! Findings from one pass over the file, without a reconstruction.

use super::finding::{Finding, Severity};
use crate::geometry::{CanvasSize, Position};
use crate::io::inspect::{Inspection, PatternFacts, Pixels, ScanFacts};
use crate::number::figure;

/// Minimum number of photons per pattern of a reliable reconstruction.
const MIN_PHOTONS: f64 = 1e3;
/// Linear overlaps below which neighbors constrain each other weakly, and not at all.
const MIN_LINEAR_OVERLAPS: [f64; 2] = [0.5, 0.1];
/// Maximum canvas, 4 GiB of complex64.
const MAX_CANVAS_BYTES: f64 = 4.3e9;

/// All facts; `isolated` are the indices of positions far from all others.
pub(super) fn of(file: &Inspection, positions: &[Position], isolated: &[usize]) -> Vec<Finding> {
    let mut all = Vec::new();
    match &file.patterns {
        Some(p) => patterns(p, &mut all),
        None => all.push(
            Finding::new(
                Severity::Undecided,
                "patterns",
                "this file has no diffraction patterns",
                format!("{}, {} positions", file.format, positions.len()),
            )
            .advise("use the file that has the patterns"),
        ),
    }
    if let Some(s) = &file.scan {
        scan(
            s,
            file.patterns.as_ref(),
            positions,
            isolated,
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
            "the probe of the file",
        ));
    }
    all
}

/// The finding about the overlap of neighbors.
pub(super) fn overlap_of(
    overlap: f64,
    s: &ScanFacts,
    diameter: f64,
    whose: &str,
) -> Option<Finding> {
    let pitch = s.pitch.map_or(f64::NAN, |p| p.mean.get());
    let evidence = format!(
        "{whose} is {diameter:.1} px wide and the scan pitch is {pitch:.2} px: {:.0} % linear overlap",
        100.0 * overlap
    );
    if overlap >= MIN_LINEAR_OVERLAPS[0] || !overlap.is_finite() {
        return None;
    }
    let message = if overlap < MIN_LINEAR_OVERLAPS[1] {
        "neighboring patterns hardly overlap: the trials cannot decide anything"
    } else {
        "the overlap is small (60 to 80 % is usual)"
    };
    Some(
        Finding::new(Severity::Warning, "overlap", message, evidence)
            .advise("check the unit of the positions and the size of the probe"),
    )
}

fn patterns(p: &PatternFacts, all: &mut Vec<Finding>) {
    let mut add = |severity, topic, message: String, evidence: String, advice: &str| {
        all.push(Finding::new(severity, topic, message, evidence).advise(advice));
    };
    let dose = p.dose.mean.get();
    let spread = format!(
        "{} per pattern, from {} to {}; the largest value is {}",
        figure(dose, 4),
        figure(p.dose.min.get(), 4),
        figure(p.dose.max.get(), 4),
        figure(p.largest.get(), 6)
    );
    if p.dark_patterns == p.count {
        let message = "all patterns are zero".to_owned();
        add(Severity::Fault, "patterns", message, spread, "");
        return;
    }
    if dose < MIN_PHOTONS {
        let message = "the dose is low, if values are photon counts".to_owned();
        let advice = "ignore this if the values were rescaled";
        add(Severity::Warning, "dose", message, spread, advice);
    } else {
        add(
            Severity::Note,
            "dose",
            "dose per pattern".to_owned(),
            spread,
            "",
        );
    }
    let ratio = p.dose.max.get() / p.faintest.get();
    if p.dark_patterns > 0 || ratio > 20.0 {
        add(
            Severity::Warning,
            "dose",
            "the dose varies strongly between patterns".to_owned(),
            format!(
                "{} of {} patterns are zero; among the others the largest dose is {ratio:.1} times the smallest",
                p.dark_patterns, p.count
            ),
            "remove frames taken with a closed shutter, without beam, or with a detector fault",
        );
    }
    if p.saturated > 0 {
        add(
            Severity::Warning,
            "saturation",
            "the detector looks saturated".to_owned(),
            format!(
                "{} values equal {} exactly, and few are just below it",
                p.saturated,
                p.largest.get()
            ),
            "mark saturated pixels as bad (key bad_pixels)",
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
            "some values are not finite".to_owned(),
            format!(
                "{} values of {} pixels{}",
                p.not_finite,
                p.not_finite_pixels.count,
                first(&p.not_finite_pixels)
            ),
            "mark these pixels as bad (key bad_pixels); the trials ignored them",
        );
    }
    if p.negative > 0 {
        add(
            Severity::Warning,
            "pixels",
            "values are negative".to_owned(),
            format!("{} values", p.negative),
            "probably a subtracted background; they are read as zero",
        );
    }
    for (pixels, what, advice) in [
        (
            &p.dead,
            "dead pixels: zero in every pattern although their neighbors are not",
            "mark them as bad (key bad_pixels)",
        ),
        (
            &p.hot,
            "hot pixels: far brighter than all their neighbors",
            "mark them as bad (key bad_pixels); the trials ignored them",
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
            "patterns are exact copies of earlier ones".to_owned(),
            format!("{} of {}", p.duplicates, p.count),
            "a frame was stored twice: later positions may belong to other patterns",
        );
    }
}

fn scan(
    s: &ScanFacts,
    patterns: Option<&PatternFacts>,
    positions: &[Position],
    isolated: &[usize],
    object: Option<[usize; 2]>,
    all: &mut Vec<Finding>,
) {
    let mut add = |severity, topic, message: String, evidence: String, advice: &str| {
        all.push(Finding::new(severity, topic, message, evidence).advise(advice));
    };
    if let Some(p) = patterns.filter(|p| p.count != s.count) {
        add(
            Severity::Fault,
            "positions",
            "the numbers of positions and patterns differ".to_owned(),
            format!("{} positions, {} patterns", s.count, p.count),
            "the trials need one position for each pattern",
        );
    }
    if s.not_finite > 0 {
        add(
            Severity::Fault,
            "positions",
            "positions are not finite".to_owned(),
            format!("{} of {}", s.not_finite, s.count),
            "remove these patterns; the trials ignored them",
        );
    }
    if s.duplicates > 0 {
        let evidence = format!("{} of {} equal an earlier position", s.duplicates, s.count);
        let (severity, advice) = if s.duplicates * 2 > s.count {
            (
                Severity::Fault,
                "most positions are missing, or were rounded in too large a unit",
            )
        } else {
            (
                Severity::Warning,
                "the stage may have stopped, or two scans were joined",
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
    if let Some(k) = isolated.first() {
        let p = positions[*k];
        add(
            Severity::Warning,
            "positions",
            "some positions are far from all others".to_owned(),
            format!(
                "{} of {}; the first is position {k} at ({}, {})",
                isolated.len(),
                s.count,
                p.x,
                p.y
            ),
            "they enlarge the canvas: correct them or remove these patterns",
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
    let shown = |v: f64| figure(v, 6);
    let evidence = format!(
        "M >= N + 2 max(|dx|, |dy|) = {n} + 2 x {} = {} from the origin; {m} x {m} pixels around the mean position, {}",
        shown(far),
        shown(side(far)),
        amount(bytes),
        m = shown(side(most)),
    );
    // the size from the origin has a bound; the memory is that of a canvas around the mean
    let enormous = CanvasSize::holding(n, most).is_err() || bytes > MAX_CANVAS_BYTES;
    if CanvasSize::holding(n, far).is_err() && !enormous {
        add(
            Severity::Warning,
            "canvas",
            "positions are too far from the origin for the canvas of a network".to_owned(),
            evidence,
            "subtract their mean: `run` and `canvas-check` size the canvas from the origin",
        );
    } else if enormous {
        add(
            Severity::Warning,
            "canvas",
            "the canvas would need more than 4 GB".to_owned(),
            evidence,
            "convert positions to object pixels; they may be in meters, nanometers or motor steps",
        );
    } else {
        add(
            Severity::Note,
            "canvas",
            "required canvas".to_owned(),
            evidence,
            "",
        );
    }
    if most < 1.0 && finite.len() > 1 {
        add(
            Severity::Fault,
            "positions",
            "all positions are within one pixel".to_owned(),
            format!("the farthest is {} pixels from their mean", figure(most, 3)),
            "convert positions to object pixels: if they are in meters, divide by the pixel size",
        );
    }
}

/// Whether positions and their patches are inside the object of the file.
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
        "{off} of {} positions are outside its {rows} x {cols} pixels, {patches} patches extend beyond them",
        s.count
    );
    if off > 0 {
        let message =
            "positions are outside the object of the file: every other command refuses the file"
                .to_owned();
        let advice = "object and positions have different origins or pixel sizes: convert one, or remove the object";
        add(Severity::Fault, "object", message, evidence, advice);
    } else if patches > 0 {
        let message = "patches extend beyond the object of the file".to_owned();
        let advice = "the object may be cropped to the scan or have another origin; `score` compares the pixels known in both";
        add(Severity::Warning, "object", message, evidence, advice);
    }
}

/// Bytes of complex64, as text.
fn amount(bytes: f64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB")];
    let (unit, name) = units
        .into_iter()
        .find(|(u, _)| bytes >= *u)
        .unwrap_or((1e3, "kB"));
    format!("{:.1} {name} as complex64", bytes / unit)
}
