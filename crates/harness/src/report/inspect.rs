//! What a data file holds, as a table and as a picture.

use std::fmt::Write;

use ndarray::Array2;

use crate::plot::{Panel, PanelAxis, panels};
use ptyproof::error::Result;
use ptyproof::io::inspect::{Inspection, PatternFacts, Pixels, ProbeFacts, ScanFacts, Spread};
use ptyproof::io::open_file::OpenFile;
use ptyproof::number::{count, figure};

/// The width of the names of a table.
const NAME_CHARS: usize = 22;

/// The findings as text, one line each.
pub fn table(found: &Inspection) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:NAME_CHARS$} {value}");
    };
    let generation = if found.generation.is_empty() {
        String::new()
    } else {
        format!(", {}", found.generation)
    };
    line("format", format!("{}{generation}", found.format));
    line("name", found.name.clone());
    match &found.patterns {
        Some(p) => patterns(p, &mut line),
        None => line("patterns", "none".to_owned()),
    }
    match &found.scan {
        Some(s) => scan(s, &mut line),
        None => line("positions", "none".to_owned()),
    }
    match &found.probe {
        Some(p) => probe(p, &mut line),
        None => line("probe", "none".to_owned()),
    }
    line(
        "object",
        found
            .object
            .map_or_else(|| "none".to_owned(), |[h, w]| format!("{h} x {w}")),
    );
    let mut known = |name: &str, value: Option<String>| {
        line(name, value.unwrap_or_else(|| "unknown".to_owned()));
    };
    known(
        "object pixel",
        found
            .pixel_m
            .map(|p| format!("{} x {} m", figure(p.x, 5), figure(p.y, 5))),
    );
    known(
        "detector pixel",
        found
            .detector_pixel_m
            .map(|p| format!("{} x {} m", figure(p.x, 5), figure(p.y, 5))),
    );
    known(
        "distance",
        found.distance_m.map(|z| format!("{} m", figure(z, 5))),
    );
    known(
        "photon energy",
        found
            .photon_energy_ev
            .map(|e| format!("{} eV", figure(e, 6))),
    );
    line(
        "mask",
        found
            .masked
            .map_or_else(|| "none".to_owned(), |n| format!("{} bad pixels", count(n))),
    );
    for note in &found.notes {
        line("note", note.clone());
    }
    for mismatch in found.mismatches() {
        line("MISMATCH", mismatch);
    }
    line("checked", format!("{} values", count(found.values())));
    match found.non_finite() {
        0 => {}
        n => line("NOT FINITE", format!("{} of them", count(n))),
    }
    out
}

fn spread(s: &Spread) -> String {
    let show = |v: f64| figure(v, 4);
    format!(
        "{} (from {} to {})",
        show(s.mean.get()),
        show(s.min.get()),
        show(s.max.get())
    )
}

fn pixels(p: &Pixels) -> String {
    match p.first {
        Some([r, c]) => format!("{}, the first at row {r}, col {c}", count(p.count)),
        None => count(p.count),
    }
}

fn patterns(p: &PatternFacts, line: &mut impl FnMut(&str, String)) {
    line(
        "patterns",
        format!("{} of {} x {}", count(p.count), p.size[0], p.size[1]),
    );
    line(
        "stored as",
        format!("{} {:?} {}", p.place, p.shape, p.dtype),
    );
    line("domain", p.domain.clone());
    line("dose per pattern", spread(&p.dose));
    line("largest value", figure(p.largest.get(), 6));
    line("saturated values", count(p.saturated));
    line(
        "not finite",
        format!(
            "{} values, pixels {}",
            count(p.not_finite),
            pixels(&p.not_finite_pixels)
        ),
    );
    line("negative values", count(p.negative));
    line("dark pixels", pixels(&p.dark));
    line("dead pixels", pixels(&p.dead));
    line("hot pixels", pixels(&p.hot));
    line("dark patterns", count(p.dark_patterns));
    line("repeated patterns", count(p.duplicates));
    let [y, x] = p.center_of_mass;
    line(
        "center of mass - DC",
        format!("row {:+.3}, col {:+.3} pixels", y.get(), x.get()),
    );
}

fn scan(s: &ScanFacts, line: &mut impl FnMut(&str, String)) {
    line(
        "positions",
        format!("{} of {} scan(s)", count(s.count), s.scans),
    );
    line(
        "x, y",
        format!(
            "{:.3} to {:.3}, {:.3} to {:.3} pixels",
            s.x[0].get(),
            s.x[1].get(),
            s.y[0].get(),
            s.y[1].get()
        ),
    );
    if let Some(pitch) = &s.pitch {
        line("pitch", format!("{} pixels", spread(pitch)));
    }
    if let Some(overlap) = s.linear_overlap {
        line("linear overlap", format!("{:.1} %", 100.0 * overlap.get()));
    }
    if let Some(coverage) = s.coverage {
        line("coverage", format!("{:.1} %", 100.0 * coverage.get()));
    }
    line("repeated positions", count(s.duplicates));
    if s.not_finite > 0 {
        line("positions not finite", count(s.not_finite));
    }
    if let Some([h, w]) = s.object_needed {
        line("object needed", format!("{} x {} pixels", h.get(), w.get()));
    }
    if let Some(outside) = s.outside {
        line("patches outside", count(outside));
    }
}

fn probe(p: &ProbeFacts, line: &mut impl FnMut(&str, String)) {
    let shares: Vec<String> = (p.shares.iter())
        .map(|s| format!("{:.1} %", 100.0 * s.get()))
        .collect();
    line(
        "probe",
        format!(
            "{} x {}, {} mode(s): {}",
            p.size[0],
            p.size[1],
            p.modes,
            shares.join(", ")
        ),
    );
    line("probe power", figure(p.power.get(), 5));
    line(
        "probe diameter",
        format!("{} pixels", figure(p.diameter.get(), 4)),
    );
    if let Some(ratio) = p.dose_over_power {
        line("dose / probe power", figure(ratio.get(), 5));
    }
}

/// Mean pattern (logarithm), first mode of the probe and scan positions, side by side, as PNG.
///
/// # Errors
/// If there is nothing to show, or the picture would be too large.
pub fn picture(found: &Inspection, contents: &OpenFile) -> Result<Vec<u8>> {
    let mean = found.mean.as_ref().map(logarithm);
    let probe = (contents.probe.as_ref()).map(|p| {
        p.index_axis(ndarray::Axis(0), 0)
            .mapv(num_complex::Complex32::norm)
    });
    let mut shown = Vec::new();
    for (title, array, unit) in [
        ("Mean pattern", &mean, "log10(1 + intensity)"),
        ("Probe, first mode", &probe, "amplitude"),
    ] {
        if let Some(array) = array.as_ref().filter(|a| !a.is_empty()) {
            let mut panel = Panel::amplitude(title, array.view());
            panel.unit = unit;
            shown.push(panel);
        }
    }
    let scan = (found.scan.as_ref()).and_then(|s| {
        let [x, y] = [s.x, s.y].map(|v| v.map(|v| v.get()));
        positions(contents, x, y)
    });
    if let Some((array, axes)) = &scan {
        let mut panel = Panel::amplitude("Scan positions", array.view());
        (panel.unit, panel.axes) = ("positions", *axes);
        shown.push(panel);
    }
    panels(&found.name, &shown)
}

/// `log10(1 + mean / least light)`, so that the faintest lit pixel is seen.
fn logarithm(mean: &Array2<f64>) -> Array2<f32> {
    let least = (mean.iter().copied())
        .filter(|v| *v > 0.0)
        .fold(f64::INFINITY, f64::min)
        .min(1.0);
    mean.mapv(|v| (1.0 + v.max(0.0) / least).log10() as f32)
}

/// The scan on a raster of at most 256 pixels, a dot for each position, and what its pixels count; `None` if it has no extent to speak of.
fn positions(
    contents: &OpenFile,
    x: [f64; 2],
    y: [f64; 2],
) -> Option<(Array2<f32>, [PanelAxis<'static>; 2])> {
    const RIM: usize = 2;
    let k = 251.0 / (x[1] - x[0]).max(y[1] - y[0]).max(1.0);
    if !(k.is_finite() && k > 0.0) {
        return None;
    }
    let place = |v: f64, low: f64| ((v - low) * k).round().clamp(0.0, 251.0) as usize + RIM;
    let size = |v: [f64; 2]| place(v[1], v[0]) + 3;
    let mut out = Array2::zeros((size(y), size(x)));
    for p in contents.positions.iter().filter(|p| p.is_finite()) {
        out[[place(p.y, y[0]), place(p.x, x[0])]] += 1.0;
    }
    let axis = |label, low: f64| PanelAxis {
        label,
        first: low - RIM as f64 / k,
        step: 1.0 / k,
    };
    Some((
        out,
        [axis("x (object px)", x[0]), axis("y (object px)", y[0])],
    ))
}
