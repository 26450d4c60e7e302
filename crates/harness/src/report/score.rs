//! Scores as people read them: a table, a page, the ring correlation as a curve, and the images side by side.

use std::fmt::Write;

use ndarray::Array2;
use num_complex::Complex64;

use super::markdown::{DASH, Table, general};
use crate::plot::{Chart, Curve, Panel, Range, charts, panels};
use ptyproof::error::Result;
use ptyproof::json::Real;
use ptyproof::number::figure;
use ptyproof::score::detector::DetectorFit;
use ptyproof::score::evaluation::{Evaluation, Figures};
use ptyproof::score::fidelity::{Alignment, Fidelity, Quality};
use ptyproof::score::frc::{Crossing, Frc};
use ptyproof::score::scores::Scores;

/// A group of figures: its heading, and name and value of each.
type Section = (String, Vec<(String, String)>);

fn number(v: Real) -> String {
    if v.get().is_nan() {
        DASH.into()
    } else {
        figure(v.get(), 4)
    }
}

fn pair(name: &str, value: impl Into<String>) -> (String, String) {
    (name.into(), value.into())
}

/// The alignment in words, and what it came to.
fn alignment(f: &Fidelity) -> String {
    let g = &f.gauge;
    let factor = format!("scale {}, phase {} rad", number(g.scale), number(g.phase));
    match f.alignment {
        Alignment::None => "none".into(),
        Alignment::Scalar => factor,
        Alignment::Gauge => format!(
            "{factor}, ramp {} {} rad/px, shift {} {} px (y, x){}",
            figure(g.ramp[0].get(), 3),
            figure(g.ramp[1].get(), 3),
            figure(g.shift[0].get(), 3),
            figure(g.shift[1].get(), 3),
            if g.twin { ", twin" } else { "" }
        ),
    }
}

fn crossing(c: &Crossing, pixel_m: Option<Real>) -> String {
    let mut text = if c.crossed {
        format!(
            "{} of Nyquist, half period {} px",
            number(c.of_nyquist),
            number(c.half_period)
        )
    } else {
        "not crossed up to Nyquist".into()
    };
    if let Some(p) = pixel_m.filter(|_| c.crossed) {
        let _ = write!(
            text,
            ", {} nm",
            figure(1e9 * p.get() * c.half_period.get(), 3)
        );
    }
    text
}

fn truth(f: &Fidelity, s: &Scores) -> Vec<Section> {
    let [top, bottom, left, right] = f.region;
    let words = s.region.as_deref().unwrap_or_default();
    let mut own = vec![
        pair(
            "region",
            format!("rows {top} to {bottom}, columns {left} to {right}: {words}"),
        ),
        pair(
            "known",
            format!(
                "{} of the region: {} of {} pixels are finite and covered in both{}",
                number(f.known),
                f.pixels,
                f.region_pixels,
                missing(f)
            ),
        ),
        pair("alignment", alignment(f)),
        pair(
            "nrmse",
            format!(
                "{} (a flat object: {})",
                number(f.nrmse),
                number(f.flat.nrmse)
            ),
        ),
        pair(
            "complex correlation",
            format!(
                "{} (a flat object: {}; not available as a gate)",
                number(f.complex_correlation),
                number(f.flat.complex_correlation)
            ),
        ),
    ];
    if let Some(fault) = f.fault {
        own.push(pair(
            "remaining difference",
            format!("mostly due to {}", fault.description()),
        ));
    }
    let name = s.truth.as_deref().unwrap_or("the truth");
    let mut sections = vec![(format!("against {name}"), own)];
    if !f.is_known() {
        return sections;
    }
    sections.push(("amplitude".into(), quality(&f.amplitude, "")));
    sections.push(("phase".into(), quality(&f.phase, " rad")));
    let curve = match &f.frc {
        None => vec![pair(
            "frc",
            "none: the region is too small, or an image is constant",
        )],
        Some(c) => frc_lines(c, s.pixel_m),
    };
    sections.push(("ring correlation".into(), curve));
    sections
}

/// Why there are no figures, if there are none.
fn missing(f: &Fidelity) -> String {
    if f.is_known() {
        String::new()
    } else if f.dark {
        "; the ground truth is zero there, so every figure is NaN".into()
    } else {
        let least = number(f.known_at_least);
        format!("; below {least} (`known_at_least`) every figure is NaN")
    }
}

fn frc_lines(c: &Frc, pixel_m: Option<Real>) -> Vec<(String, String)> {
    vec![
        pair(
            "square",
            format!(
                "{0} x {0} px, {1} % known",
                c.side,
                general(100.0 * c.known.get(), 4)
            ),
        ),
        pair("mean", number(c.mean)),
        pair("crosses 1/2", crossing(&c.half, pixel_m)),
        pair("crosses half bit", crossing(&c.half_bit, pixel_m)),
    ]
}

fn quality(q: &Quality, unit: &str) -> Vec<(String, String)> {
    let similar = |value: Option<Real>, more: String| {
        value.map_or_else(
            || format!("{DASH} (the ground truth is flat, or no window is known)"),
            |v| format!("{} ({more})", number(v)),
        )
    };
    let windows = q.ssim.map_or(0, |s| s.windows);
    let scales = q.ms_ssim.map_or(0, |s| s.scales);
    vec![
        pair("mae", format!("{}{unit}", number(q.mae))),
        pair("mse", number(q.mse)),
        pair(
            "psnr",
            format!("{} dB (peak {})", number(q.psnr), number(q.peak)),
        ),
        pair(
            "ssim",
            similar(
                q.ssim.map(|s| s.value),
                format!("range {}, {windows} windows", number(q.range)),
            ),
        ),
        pair(
            "ms-ssim",
            similar(q.ms_ssim.map(|s| s.value), format!("{scales} scales")),
        ),
    ]
}

fn detector(d: &DetectorFit, on: &str) -> Section {
    let worst: Vec<String> = d
        .worst
        .iter()
        .map(|(k, r)| format!("{k} ({})", number(*r)))
        .collect();
    let lines = vec![
        pair(
            "patterns",
            format!(
                "{} compared; excluded: {} on unknown pixels, {} zero",
                d.patterns, d.left_out, d.dark
            ),
        ),
        pair(
            "known",
            format!(
                "{} of the non-zero patterns in the center of the scan{}",
                number(d.known),
                if d.is_known() {
                    String::new()
                } else {
                    let least = number(d.known_at_least);
                    format!(
                        "; below {least} (`known_at_least`), or with fewer than half of all, every figure is NaN"
                    )
                }
            ),
        ),
        pair("factor on |F|", number(d.scale)),
        pair("r factor", number(d.r_factor)),
        pair(
            "residual",
            format!(
                "{} (without the factor: {})",
                number(d.residual),
                number(d.residual_as_is)
            ),
        ),
        pair(
            "chi square",
            format!(
                "{} (1: photon noise, if the amplitude is the square root of counts)",
                number(d.chi_square)
            ),
        ),
        pair("worst patterns", worst.join(", ")),
    ];
    (format!("on the detector: {on}"), lines)
}

fn reference(e: &Evaluation) -> Vec<Section> {
    let figures = |f: &Figures| {
        vec![
            pair("mae", number(f.mae)),
            pair("mse", number(f.mse)),
            pair("psnr", format!("{} dB (peak fixed at 255)", number(f.psnr))),
            pair("ssim", number(f.ssim)),
            pair("ms-ssim", number(f.ms_ssim)),
        ]
    };
    let mut whole = vec![
        pair("pixels", format!("{} x {}", e.shape[0], e.shape[1])),
        pair(
            "known",
            format!(
                "{} of them are covered in both; the others count as zero, as in the reference",
                number(e.known)
            ),
        ),
        pair("amplitude times", number(e.amplitude_scale)),
    ];
    whole.push(pair(
        "frc50",
        e.frc50.map_or(DASH.into(), |k| format!("ring {k}")),
    ));
    vec![
        ("reference evaluation".into(), whole),
        (
            "amplitude, reference evaluation".into(),
            figures(&e.amplitude),
        ),
        ("phase, reference evaluation".into(), figures(&e.phase)),
    ]
}

fn sections(s: &Scores) -> Vec<Section> {
    let mut all = Vec::new();
    if let Some(f) = &s.fidelity {
        all.extend(truth(f, s));
    }
    if let Some(d) = &s.detector {
        all.push(detector(d, s.data.as_deref().unwrap_or_default()));
    }
    all.extend(s.reference.iter().flat_map(reference));
    all
}

/// What is not finite in what was handed in, a line each.
fn events(s: &Scores) -> Vec<String> {
    let n = &s.non_finite;
    let mut lines = Vec::new();
    if !n.reconstruction.is_finite() {
        lines.push(format!("the reconstruction: {}", n.reconstruction));
    }
    if let Some(t) = n.truth.filter(|t| !t.is_finite()) {
        lines.push(format!("the truth: {t}"));
    }
    if n.probe > 0 {
        lines.push(format!(
            "the probe of the reconstruction: {} values are not finite",
            n.probe
        ));
    }
    if !lines.is_empty() && !n.in_region {
        lines.push("none of them is in the requested region".into());
    }
    lines
}

/// Whether the figures could be taken, in a sentence.
pub fn judged(s: &Scores) -> String {
    let mut said = events(s);
    if let Some(f) = &s.fidelity {
        said.push(format!(
            "{} of {} pixels of the region known{}",
            f.pixels,
            f.region_pixels,
            missing(f)
        ));
    }
    if let Some(d) = &s.detector {
        said.push(format!(
            "{} of {} non-zero patterns compared, residual {}",
            d.patterns,
            d.patterns + d.left_out,
            number(d.residual)
        ));
    }
    said.join("; ")
}

/// What a person sees.
pub fn terminal(s: &Scores) -> String {
    let mut out = format!("{}\n", s.of);
    for line in events(s) {
        let _ = writeln!(out, "not finite: {line}");
    }
    for (heading, lines) in sections(s) {
        let _ = writeln!(out, "\n{heading}");
        for (name, value) in lines {
            let _ = writeln!(out, "  {name:24} {value}");
        }
    }
    if !s.notes.is_empty() {
        out.push('\n');
    }
    for note in &s.notes {
        let _ = writeln!(out, "note: {note}");
    }
    out
}

/// The same as a page.
pub fn markdown(s: &Scores) -> String {
    let mut out = format!("# Scores: {}\n", s.of);
    for line in events(s) {
        let _ = writeln!(out, "\nNot finite: {line}.");
    }
    for (heading, lines) in sections(s) {
        let mut table = Table::new(&["figure", "value"]);
        for (name, value) in lines {
            table.row([name, value]);
        }
        let _ = write!(out, "\n## {heading}\n\n{}", table.text());
    }
    if !s.notes.is_empty() {
        out.push_str("\n## Notes\n\n");
    }
    for note in &s.notes {
        let _ = writeln!(out, "* {note}");
    }
    out
}

/// The ring correlation with both thresholds, as PNG.
///
/// # Errors
/// None that a correlation can cause.
pub fn curve(s: &Scores, frc: &Frc) -> Result<Vec<u8>> {
    let line = |label: &str, of: &dyn Fn(usize) -> f64| Curve {
        label: label.into(),
        points: (0..frc.rings.len())
            .map(|k| (2.0 * frc.rings[k].frequency.get(), of(k)))
            .collect(),
    };
    let chart = Chart {
        title: "Fourier ring correlation".into(),
        x: "frequency / Nyquist".into(),
        curves: vec![
            line("FRC", &|k| frc.rings[k].correlation.get()),
            line("1/2", &|_| 0.5),
            line("half bit", &|k| frc.rings[k].half_bit.get()),
        ],
    };
    charts(&s.of, &[chart])
}

/// Reconstruction and truth after the alignment, amplitude and phase, and how far they are apart, as PNG.
///
/// # Errors
/// None that images of one shape can cause.
pub fn picture(s: &Scores, [p, t]: &[Array2<Complex64>; 2]) -> Result<Vec<u8>> {
    #[expect(clippy::cast_possible_truncation, reason = "pictures are float32")]
    let plane = |a: &Array2<Complex64>, of: fn(&Complex64) -> f64| a.map(|z| of(z) as f32);
    let (pa, ta) = (plane(p, |z| z.norm()), plane(t, |z| z.norm()));
    let (pp, tp) = (plane(p, |z| z.arg()), plane(t, |z| z.arg()));
    let apart = plane(&(p - t), |z| z.norm());
    let highest = |a: &Array2<f32>| Range::amplitude(a.view()).high;
    let range = Range::new(0.0, highest(&pa).max(highest(&ta)));
    let all = [
        Panel::amplitude("reconstruction", pa.view()).with_range(range),
        Panel::amplitude("truth", ta.view()).with_range(range),
        Panel::phase("reconstruction", pp.view()),
        Panel::phase("truth", tp.view()),
        Panel::amplitude("magnitude of the difference", apart.view()),
    ];
    // rows and columns of the truth
    let [row, _, col, _] = s.fidelity.as_ref().map_or([0; 4], |f| f.region);
    panels(&s.of, &all.map(|panel| panel.from(row, col)))
}
