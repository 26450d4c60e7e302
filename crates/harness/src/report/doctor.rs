//! An examination as text: the ranked hypotheses, and the findings, the gravest first.

use std::fmt::Write;

use ndarray::Array2;
use num_complex::Complex32;

use super::junit::Case;
use crate::plot::{Panel, PanelAxis, panels};
use ptyproof::doctor::{Examination, Finding, Power, Ranked, Severity, Start};
use ptyproof::error::Result;
use ptyproof::judgment::Judgment;
use ptyproof::number::count;

/// Hypotheses that the table shows.
const MAX_RANKING_ROWS: usize = 10;
/// The longest line of text: a terminal of 80 columns.
const LINE_CHARS: usize = 79;

/// The examination as text.
pub fn text(e: &Examination) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{}: {} patterns; the trials use {} patterns of {} x {}",
        e.name,
        count(e.patterns),
        e.used[0],
        e.used[1],
        e.used[1]
    );
    if !e.ranking.is_empty() {
        table(e, &mut out);
    }
    for finding in &e.findings {
        paragraph(finding, &mut out);
    }
    out.push('\n');
    let number = |s| e.findings.iter().filter(|f| f.severity == s).count();
    let _ = writeln!(
        out,
        "faults: {}, warnings: {}, undecided: {}",
        number(Severity::Fault),
        number(Severity::Warning),
        number(Severity::Undecided)
    );
    for mismatch in e.file.mismatches() {
        let _ = writeln!(out, "mismatch: {mismatch}");
    }
    let [ran, all] = e.trials();
    let _ = writeln!(
        out,
        "checked {} values; {ran} of {all} hypotheses were evaluated: {}",
        count(e.file.values()),
        verdict(e)
    );
    out
}

/// How it ended, in words.
fn verdict(e: &Examination) -> &'static str {
    match e.judgment() {
        Judgment::Pass => "the data agree with the declared metadata",
        Judgment::Undecided => "the trials are undecided",
        Judgment::Fail => "the declared metadata is wrong",
        Judgment::NonFinite => "some values are not finite",
    }
}

/// A case per finding, and two of the whole: whether the file is finite, and whether the trials decide anything.
pub fn cases(e: &Examination) -> Vec<Case> {
    let finite = match e.file.non_finite() {
        0 => Judgment::holds(true, e.file.values()),
        _ => Judgment::NonFinite,
    };
    let of = format!(
        "{} values, {} not finite",
        e.file.values(),
        e.file.non_finite()
    );
    let [ran, all] = e.trials();
    let decided = Judgment::holds(true, usize::from(e.decided));
    let trials = format!("{ran} of {all} hypotheses were evaluated: {}", verdict(e));
    let mut cases = vec![
        Case::new("values are finite", finite, of),
        Case::new("trials are decisive", decided, trials),
    ];
    for mismatch in e.file.mismatches() {
        cases.push(Case::new("parts are consistent", Judgment::Fail, mismatch));
    }
    cases.extend(e.findings.iter().map(|f| {
        let name = format!("{}: {}", f.topic, f.message);
        match f.severity {
            Severity::Fault => Case::new(name, Judgment::Fail, &f.evidence),
            Severity::Undecided => Case::skipped(name, &f.evidence),
            Severity::Warning | Severity::Note => Case::new(name, Judgment::Pass, &f.evidence),
        }
    }));
    cases
}

/// The best hypotheses, and the declared one wherever it is.
fn table(e: &Examination, out: &mut String) {
    let _ = writeln!(
        out,
        "\n{:>4} {:<10} {:<9} {:<9} {:<8} {:>7} {:>8} {:>8}  rounds",
        "", "positions", "DC", "amplitude", "start", "fit", "overlap", "held-out"
    );
    let declared = |r: &Ranked| r.hypothesis == ptyproof::doctor::Hypothesis::DECLARED;
    for (k, r) in e.ranking.iter().enumerate() {
        if k < MAX_RANKING_ROWS || declared(r) {
            let mark = if declared(r) { '*' } else { ' ' };
            let _ = writeln!(out, "{:>3}.{mark}{}", k + 1, row(r));
        }
    }
    if let Some(s) = e.shuffled {
        let _ = writeln!(
            out,
            "{:>4} {:<40} {:>24.4}",
            "",
            "shuffled positions",
            s.get()
        );
    }
    let _ = writeln!(out, "{:>4} {:<40} {:>24.4}", "", "mean pattern", 1.0);
    out.push_str("   * as declared\n");
}

fn row(r: &Ranked) -> String {
    let h = r.hypothesis;
    let center = match h.center {
        ptyproof::doctor::Center::Declared => "declared",
        ptyproof::doctor::Center::Other => "off N/2",
    };
    let power = match h.power {
        Power::Declared => "declared",
        Power::Root => "root",
        Power::Square => "squared",
    };
    let start = match r.start {
        Start::Probe => "probe",
        Start::Turned => "turned",
        Start::Guess => "guess",
    };
    format!(
        "{:<10} {center:<9} {power:<9} {start:<8} {:>7.4} {:>8.4} {:>8.4}  {}",
        h.orientation.to_string(),
        r.fit.get(),
        r.overlap.get(),
        r.held_out_error.get(),
        r.rounds
    )
}

/// A finding as a paragraph.
fn paragraph(f: &Finding, out: &mut String) {
    let _ = writeln!(out, "\n{} ({}): {}", f.severity, f.topic, f.message);
    wrap(&f.evidence, "    ", out);
    if !f.advice.is_empty() {
        wrap(&f.advice, "  > ", out);
    }
}

fn wrap(text: &str, indent: &str, out: &mut String) {
    let mut line = String::from(indent);
    for word in text.split_whitespace() {
        if line.len() + word.len() > LINE_CHARS && line.len() > indent.len() {
            let _ = writeln!(out, "{}", line.trim_end());
            line = " ".repeat(indent.len());
        }
        line.push_str(word);
        line.push(' ');
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

/// Held-out error of every hypothesis as bars, and what the best one reconstructed, as PNG.
///
/// # Errors
/// If there is nothing to show, or the picture would be too large.
pub fn picture(e: &Examination) -> Result<Vec<u8>> {
    let bars = (!e.ranking.is_empty()).then(|| bars(&e.ranking));
    let parts = e.reconstruction.as_ref().map(|r| {
        let amplitude = |z: &Complex32| z.norm();
        [
            r.object.mapv(|z| amplitude(&z)),
            r.object.mapv(|z| z.arg()),
            r.probe.mapv(|z| amplitude(&z)),
        ]
    });
    let mean = e
        .file
        .mean
        .as_ref()
        .map(|m| m.mapv(|v| (1.0 + v.max(0.0)).log10() as f32));
    let mut all = Vec::new();
    if let Some(b) = &bars {
        let mut panel = Panel::amplitude("held-out error by hypothesis, best first", b.view());
        panel.unit = "held-out error (1 = mean pattern)";
        let share = PanelAxis {
            label: "held-out error",
            first: 0.0,
            step: MAX_BAR_ERROR / BAR_WIDTH_PX as f64,
        };
        // the middle of a bar's three rows is its place
        let place = PanelAxis {
            label: "rank",
            first: 1.0 - 1.0 / BAR_HEIGHT_PX as f64,
            step: 1.0 / BAR_HEIGHT_PX as f64,
        };
        panel.axes = [share, place];
        all.push(panel);
    }
    if let Some([a, p, probe]) = &parts {
        all.push(Panel::amplitude(
            "object of the best hypothesis, amplitude",
            a.view(),
        ));
        all.push(Panel::phase(
            "object of the best hypothesis, phase",
            p.view(),
        ));
        all.push(Panel::amplitude(
            "probe of the best hypothesis",
            probe.view(),
        ));
    } else if let Some(m) = &mean {
        let mut panel = Panel::amplitude("mean pattern", m.view());
        panel.unit = "log10(1 + intensity)";
        all.push(panel);
    }
    panels(&e.name, &all)
}

/// Rows of a bar, pixels and held-out error of the longest.
const BAR_HEIGHT_PX: usize = 4;
const BAR_WIDTH_PX: usize = 150;
const MAX_BAR_ERROR: f64 = 1.5;

/// One bar of four rows, the last dark, for each hypothesis, as long as its held-out error, up to 1.5.
fn bars(rows: &[Ranked]) -> Array2<f32> {
    Array2::from_shape_fn((BAR_HEIGHT_PX * rows.len(), BAR_WIDTH_PX), |(r, c)| {
        let v = rows[r / BAR_HEIGHT_PX]
            .held_out_error
            .get()
            .min(MAX_BAR_ERROR);
        let lit = r % BAR_HEIGHT_PX != BAR_HEIGHT_PX - 1
            && (c as f64) < v / MAX_BAR_ERROR * BAR_WIDTH_PX as f64;
        if lit { v as f32 } else { 0.0 }
    })
}
