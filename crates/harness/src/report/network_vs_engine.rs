//! The network against the engine on one page: figures, pictures side by side, residuals.

use std::fmt::Write;

use ndarray::Array2;
use num_complex::Complex64;

use super::markdown::{DASH, general};
use crate::plot::{Chart, Curve, Panel, Range, charts, panels};
use ptyproof::error::Result;
use ptyproof::json::Real;
use ptyproof::score::fidelity::Fidelity;
use ptyproof::score::known::MIN_PIXELS;
use ptyproof::score::network_vs_engine::{NetworkVsEngine, ProbeOf, Side};

/// Pictures of the page: the file, what it shows, and its bytes.
#[derive(Debug)]
pub struct Picture {
    /// Its name beside the page.
    pub file: &'static str,
    /// What it shows.
    pub caption: &'static str,
    /// PNG.
    pub png: Vec<u8>,
}

/// Images of one shape: the network's, the engine's, and the truth where there is one.
#[derive(Debug, Clone, Copy)]
pub struct Images<'a> {
    /// The network's.
    pub network: &'a Array2<Complex64>,
    /// The engine's.
    pub engine: &'a Array2<Complex64>,
    /// What both should be.
    pub truth: Option<&'a Array2<Complex64>>,
}

#[expect(clippy::cast_possible_truncation, reason = "pictures are float32")]
fn plane(a: &Array2<Complex64>, of: fn(&Complex64) -> f64) -> Array2<f32> {
    a.map(|z| of(z) as f32)
}

/// All pictures of a comparison.
///
/// # Errors
/// None that images of one shape can cause.
pub fn pictures(v: &NetworkVsEngine, images: Images<'_>) -> Result<Vec<Picture>> {
    let mut named = vec![("network", images.network), ("engine", images.engine)];
    named.extend(images.truth.map(|t| ("truth", t)));
    let modulus: Vec<_> = named
        .iter()
        .map(|(n, a)| (*n, plane(a, |z| z.norm())))
        .collect();
    let turn: Vec<_> = named
        .iter()
        .map(|(n, a)| (*n, plane(a, |z| z.arg())))
        .collect();
    let most = modulus
        .iter()
        .map(|(_, a)| Range::amplitude(a.view()).high)
        .fold(0.0, f64::max);
    let amplitude: Vec<Panel<'_>> = modulus
        .iter()
        .map(|(n, a)| Panel::amplitude(n, a.view()).with_range(Range::new(0.0, most)))
        .collect();
    let phase: Vec<Panel<'_>> = turn
        .iter()
        .map(|(n, a)| Panel::phase(n, a.view()))
        .collect();
    let apart = |a: &Array2<Complex64>, b: &Array2<Complex64>| plane(&(a - b), |z| z.norm());
    let differences = match images.truth {
        Some(t) => vec![
            ("network - ground truth", apart(images.network, t)),
            ("engine - ground truth", apart(images.engine, t)),
        ],
        None => vec![("network - engine", apart(images.network, images.engine))],
    };
    let most = differences
        .iter()
        .map(|(_, a)| Range::amplitude(a.view()).high)
        .fold(0.0, f64::max);
    let difference: Vec<Panel<'_>> = differences
        .iter()
        .map(|(n, a)| Panel::amplitude(n, a.view()).with_range(Range::new(0.0, most)))
        .collect();
    let picture = |file, caption, png| Picture { file, caption, png };
    let mut all = vec![
        picture(
            "amplitude.png",
            "Amplitude after alignment; green: not known in both.",
            panels("", &amplitude)?,
        ),
        picture("phase.png", "Phase after alignment.", panels("", &phase)?),
        picture(
            "difference.png",
            "Magnitude of the difference.",
            panels("", &difference)?,
        ),
    ];
    if let Some(chart) = rings(v) {
        all.push(picture(
            "frc.png",
            "Fourier ring correlation.",
            charts("", &[chart])?,
        ));
    }
    if let Some(chart) = residuals(v) {
        all.push(picture(
            "residuals.png",
            "Residual of each pattern on the detector, with the probe of each reconstruction and one fitted factor.",
            charts("", &[chart])?,
        ));
    }
    Ok(all)
}

fn rings(v: &NetworkVsEngine) -> Option<Chart> {
    let line = |label: &str, f: Option<&Fidelity>| {
        let c = f.and_then(|f| f.frc.as_ref())?;
        let points = c
            .rings
            .iter()
            .map(|r| (2.0 * r.frequency.get(), r.correlation.get()));
        Some(Curve {
            label: label.into(),
            points: points.collect(),
        })
    };
    let (n, e) = (v.network.fidelity.as_ref(), v.engine.fidelity.as_ref());
    let mut curves: Vec<Curve> = if n.is_some() {
        [line("network", n), line("engine", e)]
            .into_iter()
            .flatten()
            .collect()
    } else {
        line("network and engine", Some(&v.between))
            .into_iter()
            .collect()
    };
    let frc = n.unwrap_or(&v.between).frc.as_ref()?;
    curves.push(Curve {
        label: "half bit".into(),
        points: frc
            .rings
            .iter()
            .map(|r| (2.0 * r.frequency.get(), r.half_bit.get()))
            .collect(),
    });
    Some(Chart {
        title: "ring correlation".into(),
        x: "frequency / Nyquist".into(),
        curves,
    })
}

fn residuals(v: &NetworkVsEngine) -> Option<Chart> {
    let line = |label: &str, s: &Side| {
        let d = s.detector.as_ref()?;
        let all = d.per_pattern.iter().enumerate();
        // a pattern that does not count is no value that is not finite
        let points = all.filter_map(|(k, r)| Some((k as f64, (*r)?.get())));
        Some(Curve {
            label: label.into(),
            points: points.collect(),
        })
    };
    let curves: Vec<Curve> = [line("network", &v.network), line("engine", &v.engine)]
        .into_iter()
        .flatten()
        .collect();
    (!curves.is_empty()).then(|| Chart {
        title: "residual".into(),
        x: "pattern".into(),
        curves,
    })
}

fn number(v: Option<Real>) -> String {
    v.filter(|v| v.get().is_finite())
        .map_or_else(|| DASH.into(), |v| general(v.get(), 4))
}

/// The figures: name, network, engine.
fn rows(v: &NetworkVsEngine) -> Vec<[String; 3]> {
    let mut rows = Vec::new();
    let sides = [&v.network, &v.engine];
    let mut row = |name: &str, of: &dyn Fn(&Side) -> Option<Real>| {
        let [n, e] = sides.map(|s| number(of(s)));
        rows.push([name.to_owned(), n, e]);
    };
    if v.network.fidelity.is_some() {
        let of = |f: fn(&Fidelity) -> Option<Real>| move |s: &Side| s.fidelity.as_ref().and_then(f);
        row("nrmse (ground truth)", &of(|f| Some(f.nrmse)));
        row("nrmse of a flat object", &of(|f| Some(f.flat.nrmse)));
        row("amplitude mae", &of(|f| Some(f.amplitude.mae)));
        row("amplitude psnr, dB", &of(|f| Some(f.amplitude.psnr)));
        row("amplitude ssim", &of(|f| f.amplitude.ssim.map(|s| s.value)));
        row("phase mae, rad", &of(|f| Some(f.phase.mae)));
        row("phase ssim", &of(|f| f.phase.ssim.map(|s| s.value)));
        row("frc, mean", &of(|f| f.frc.as_ref().map(|c| c.mean)));
        row(
            "frc half-bit crossing, of Nyquist",
            &of(|f| f.frc.as_ref().map(|c| c.half_bit.of_nyquist)),
        );
        row("fitted scale", &of(|f| Some(f.gauge.scale)));
        row("known share of the region", &of(|f| Some(f.known)));
    }
    row("detector residual", &|s| {
        s.detector.as_ref().map(|d| d.residual)
    });
    row("detector residual, no fitted factor", &|s| {
        s.detector.as_ref().map(|d| d.residual_as_is)
    });
    row("r factor", &|s| s.detector.as_ref().map(|d| d.r_factor));
    row("patterns compared", &|s| {
        s.detector.as_ref().map(|d| Real(d.patterns as f64))
    });
    row("known share of the central patterns", &|s| {
        s.detector.as_ref().map(|d| d.known)
    });
    rows
}

fn between(v: &NetworkVsEngine) -> String {
    let b = &v.between;
    let frc = b.frc.as_ref();
    let few = if b.pixels < MIN_PIXELS {
        ": too few to judge"
    } else {
        ""
    };
    format!(
        "network against engine: nrmse {} (a flat object: {}), frc mean {}, on {} of {} pixels{few}",
        number(Some(b.nrmse)),
        number(Some(b.flat.nrmse)),
        number(frc.map(|c| c.mean)),
        b.pixels,
        b.region_pixels
    )
}

/// What a person sees.
pub fn terminal(v: &NetworkVsEngine) -> String {
    let mut out = format!("{}\n\n{:42} {:>10} {:>10}\n", v.of, "", "network", "engine");
    for [name, n, e] in rows(v) {
        let _ = writeln!(out, "{name:42} {n:>10} {e:>10}");
    }
    let _ = writeln!(out, "\n{}", between(v));
    let _ = writeln!(out, "{}", seen(v));
    for note in &v.notes {
        let _ = writeln!(out, "note: {note}");
    }
    out.push('\n');
    for line in verdicts(v) {
        let _ = writeln!(out, "{line}");
    }
    out
}

/// What each look came to, a line each.
fn verdicts(v: &NetworkVsEngine) -> impl Iterator<Item = String> {
    (v.checks().into_iter()).map(|l| format!("{}: {}: {}", l.judgment, l.of, l.message))
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// What each has seen of the patterns.
fn seen(v: &NetworkVsEngine) -> String {
    let (all, s) = (v.patterns, v.network_seen);
    if [s.trained, s.inferred, s.both] == [all; 3] {
        return "Network and engine have seen the same patterns, all of them, and neither an object.".into();
    }
    let known = match s.both {
        0 => "none of which it had seen".to_owned(),
        both => format!("{both} of which it had seen"),
    };
    format!(
        "The network was trained on {} patterns and inferred {}, {known}; the engine used all {all}.",
        s.trained, s.inferred
    )
}

/// What each knew of the probe.
fn begun(probe: ProbeOf) -> &'static str {
    match probe {
        ProbeOf::Given => {
            "Both begin with the probe of the data, which of a simulation is the true one."
        }
        ProbeOf::Custom => {
            "The network used the custom probe (`custom_probe`); the engine started from the probe of the data."
        }
        ProbeOf::Scenario => {
            "The network used the probe of `probe_mode`; the engine started from the probe of the data."
        }
        ProbeOf::Engine => "The network has the probe that the engine refined, on all patterns.",
        ProbeOf::EngineOfOneMode => {
            "The network has the probe that a second run of the engine, with one mode, refined on all patterns \
             (<a href=\"engine_of_one_mode\">engine_of_one_mode</a>)."
        }
    }
}

/// The page: it needs nothing but the pictures beside it.
pub fn page(v: &NetworkVsEngine, pictures: &[Picture]) -> String {
    let of = escaped(&v.of);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{of}</title>\n\
         <style>body{{font:16px/1.5 sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem;color:#222}}\
         table{{border-collapse:collapse}}td,th{{padding:.2rem 1.2rem .2rem 0;text-align:right;border-bottom:1px solid #ddd}}\
         td:first-child{{text-align:left}}img{{max-width:100%}}figure{{margin:2rem 0}}figcaption{{color:#555}}</style>\n\
         <h1>{of}</h1>\n<p>{} patterns. {}.</p>\n<table>\n<tr><th></th><th>network</th><th>engine</th></tr>\n",
        v.patterns,
        escaped(&between(v))
    );
    for [name, n, e] in rows(v) {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{n}</td><td>{e}</td></tr>",
            escaped(&name)
        );
    }
    out.push_str("</table>\n");
    for p in pictures {
        let _ = writeln!(
            out,
            "<figure><img src=\"{}\" alt=\"{1}\"><figcaption>{1}</figcaption></figure>",
            p.file,
            escaped(p.caption)
        );
    }
    out.push_str("<ul>\n");
    for line in verdicts(v) {
        let _ = writeln!(out, "<li>{}</li>", escaped(&line));
    }
    out.push_str("</ul>\n");
    for note in &v.notes {
        let _ = writeln!(out, "<p>Note: {}</p>", escaped(note));
    }
    let _ = writeln!(
        out,
        "<p>Figures are computed where both objects are known, in the center of the groups that the network inferred, after alignment of global phase, scale, phase ramp, shift and twin. {} {} \
         The two hubs beside this page, <a href=\"network\">network</a> and <a href=\"engine\">engine</a>, record how each was made.</p>\n</html>",
        seen(v),
        begun(v.network_probe)
    );
    out
}
