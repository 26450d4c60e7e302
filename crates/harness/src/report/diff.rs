//! A comparison of hubs: for the terminal, as a page, and as JUnit for a CI.

use std::fmt::Write as _;

use super::columns::{Side, columns};
use super::junit::Case;
use ptyproof::diff::{Image, Report, Row, Tensor, Verdict};
use ptyproof::judgment::Judgment;
use ptyproof::number::{count, figure};

/// Quantities that are shown on the terminal.
const MAX_TERMINAL_ROWS: usize = 12;
/// Characters of a value that are shown.
const MAX_VALUE_CHARS: usize = 40;

/// A verdict in words.
pub fn words(v: Verdict) -> &'static str {
    match v {
        Verdict::Agrees => "agrees",
        Verdict::Noted => "noted",
        Verdict::Undecided => "not compared",
        Verdict::Differs => "differs",
        Verdict::NotFinite => "not finite in both",
        Verdict::NonFinite => "finite in one only",
    }
}

/// Without characters that a terminal or a page would act upon.
fn plain(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

fn short(text: &str) -> String {
    let text = plain(text);
    if text.chars().count() <= MAX_VALUE_CHARS {
        return text;
    }
    let kept: String = text.chars().take(MAX_VALUE_CHARS - 3).collect();
    format!("{kept}...")
}

fn quantity(row: &Row) -> String {
    let at = if row.at.is_empty() {
        &row.place
    } else {
        &row.at
    };
    if at.is_empty() {
        row.file.clone()
    } else {
        format!("{}: {at}", row.file)
    }
}

fn excess(row: &Row) -> String {
    let e = row.excess.get();
    if e.is_infinite() {
        "none allowed".into()
    } else {
        format!("{} x", figure(e, 3))
    }
}

/// Rows that gate, the worst first.
fn bad(report: &Report) -> impl Iterator<Item = &Row> {
    let gates = |r: &&Row| r.verdict.judgment() != Judgment::Pass;
    report.rows.iter().filter(gates)
}

/// Where the hubs first part, a line each.
fn first(report: &Report) -> Vec<String> {
    let f = &report.first;
    let mut out: Vec<String> = f
        .settings
        .iter()
        .map(|[place, a, b]| format!("setting {place}: {} and {}", short(a), short(b)))
        .collect();
    if let Some(p) = &f.place {
        let step = p
            .step
            .as_ref()
            .map_or_else(String::new, |s| format!(", {s}"));
        out.push(format!("{}{step}, {}: {}", p.stage, p.tensor, p.how));
    }
    if out.is_empty() {
        out.push("none in the stages that both recorded".into());
    }
    if !f.identical.is_empty() {
        let until = if f.place.is_some() { " before" } else { "" };
        out.push(format!(
            "identical to the bit{until}: {}",
            gathered(&f.identical)
        ));
    }
    out
}

/// Tensors by stage: `specimen (object, probe), scan (positions)`.
fn gathered(tensors: &[Tensor]) -> String {
    let mut stages: Vec<(&str, Vec<&str>)> = Vec::new();
    for t in tensors {
        match stages.last_mut() {
            Some((stage, names)) if *stage == t.stage => names.push(&t.tensor),
            _ => stages.push((&t.stage, vec![&t.tensor])),
        }
    }
    let told: Vec<String> = stages
        .iter()
        .map(|(stage, names)| format!("{stage} ({})", names.join(", ")))
        .collect();
    told.join(", ")
}

fn pictures(i: &Image) -> Vec<String> {
    let e = |v: f64| figure(v, 4);
    let mut out = Vec::new();
    let [a, b] = i.shapes;
    if a != b {
        out.push(format!(
            "{} x {} and {} x {} pixels",
            a[0], a[1], b[0], b[1]
        ));
    }
    if i.covered_alone != [0, 0] {
        let [x, y] = i.covered_alone;
        let place = i.uncovered_box.map_or_else(String::new, |[t, bo, l, r]| {
            format!(", in rows {t} to {bo}, columns {l} to {r}")
        });
        out.push(format!(
            "covered only in A: {x} pixels, only in B: {y}{place}"
        ));
    }
    if i.non_finite != [0, 0] {
        let [x, y] = i.non_finite;
        let place = |at: Option<[usize; 2]>, what: &str| {
            at.map_or_else(String::new, |[r, c]| {
                format!("; the first that is {what}: row {r}, column {c}")
            })
        };
        out.push(format!(
            "not finite: {x} pixels of A, {y} of B{}{}",
            place(i.non_finite_at, "finite in one only"),
            place(i.non_finite_in_both, "not finite in both")
        ));
    }
    if let Some(x) = &i.alignment {
        for (name, d) in [
            ("unaligned", &x.raw),
            ("after phase and scale", &x.scalar),
            ("after full alignment", &x.aligned),
        ] {
            out.push(format!(
                "{name:<22} rms {}, worst {} at row {}, column {}",
                e(d.rms.get()),
                e(d.worst.get()),
                d.at[0],
                d.at[1]
            ));
        }
        let g = &x.gauge;
        out.push(format!(
            "gauge: scale {}, phase {} rad, ramp {} {} rad/px, shift {} {} px (y, x){}",
            figure(g.scale.get(), 6),
            figure(g.phase.get(), 4),
            figure(g.ramp[0].get(), 3),
            figure(g.ramp[1].get(), 3),
            figure(g.shift[0].get(), 3),
            figure(g.shift[1].get(), 3),
            if g.twin { ", twin" } else { "" }
        ));
    }
    out.push(format!(
        "allowed: rms {} after full alignment; {}, of {} pixels",
        e(i.allowed_rms.get()),
        words(i.verdict),
        i.pixels
    ));
    out
}

fn counts(report: &Report) -> String {
    let of = |v: Verdict| report.rows.iter().filter(|r| r.verdict == v).count();
    let both = match of(Verdict::NotFinite) {
        0 => String::new(),
        n => format!("{n} not finite in both, "),
    };
    format!(
        "verdict: {}, of {} values; reconstruction: {}; quantities: {} agree, {} differ, {} finite in one only, {both}{} noted",
        words(report.verdict),
        count(report.values),
        report
            .image
            .as_ref()
            .map_or("not in both", |i| words(i.verdict)),
        of(Verdict::Agrees),
        of(Verdict::Differs),
        of(Verdict::NonFinite),
        of(Verdict::Noted)
    )
}

/// What a person sees, on a terminal of `width` columns or elsewhere.
pub fn terminal(report: &Report, width: Option<usize>) -> String {
    let mut out = format!(
        "A  {}\nB  {}\n{}\n\nfirst difference\n",
        plain(&report.a),
        plain(&report.b),
        counts(report)
    );
    for line in first(report) {
        let _ = writeln!(out, "  {line}");
    }
    if let Some(i) = &report.image {
        out.push_str("\nreconstruction\n");
        for line in pictures(i) {
            let _ = writeln!(out, "  {line}");
        }
    }
    let all: Vec<&Row> = bad(report).collect();
    if !all.is_empty() {
        out.push_str("\nquantities, worst first\n");
        let head = [
            ("where", Side::Left),
            ("over allowed", Side::Right),
            ("A and B", Side::Left),
        ];
        let row = |row: &&Row| {
            let more = if row.different > 1 {
                format!(" ({} of {})", count(row.different), count(row.compared))
            } else {
                String::new()
            };
            let values = format!("{} and {}", short(&row.a), short(&row.b));
            vec![quantity(row) + &more, excess(row), values]
        };
        let rows: Vec<Vec<String>> = all.iter().take(MAX_TERMINAL_ROWS).map(row).collect();
        out.push_str(&columns(&head, &rows, 2, width));
        if all.len() > MAX_TERMINAL_ROWS {
            let _ = writeln!(
                out,
                "  and {} more (the JSON and Markdown reports have all)",
                all.len() - MAX_TERMINAL_ROWS
            );
        }
    }
    if !report.warnings.is_empty() {
        out.push('\n');
    }
    for w in &report.warnings {
        let _ = writeln!(out, "warning: {w}");
    }
    out
}

/// Text on one line of a page: no bar ends a cell, no padding shows.
fn cell(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(plain).collect();
    words.join(" ").replace('|', "\\|")
}

/// The page.
pub fn markdown(report: &Report) -> String {
    let mut out = format!(
        "# Hubs compared\n\n- A: `{}`\n- B: `{}`\n- {}\n\n## First difference\n\n",
        report.a,
        report.b,
        counts(report)
    );
    for line in first(report) {
        let _ = writeln!(out, "- {}", cell(&line));
    }
    if let Some(i) = &report.image {
        out.push_str("\n## Reconstruction\n\n");
        for line in pictures(i) {
            let _ = writeln!(out, "- {}", cell(&line));
        }
    }
    if !report.warnings.is_empty() {
        out.push_str("\n## Warnings\n\n");
        for w in &report.warnings {
            let _ = writeln!(out, "- {}", cell(w));
        }
    }
    for (title, noted) in [
        ("Differences", false),
        ("Not compared, or different by design", true),
    ] {
        let chosen = |r: &&Row| {
            if noted {
                r.verdict == Verdict::Noted
            } else {
                r.verdict.judgment() != Judgment::Pass
            }
        };
        let rows: Vec<&Row> = report.rows.iter().filter(chosen).collect();
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(
            out,
            "\n## {title}\n\n| quantity | A | B | over allowed | places | why |\n|---|---|---|---|---|---|"
        );
        for r in rows {
            let of = if noted { "-".into() } else { excess(r) };
            let _ = writeln!(
                out,
                "| {} | {} | {} | {of} | {} of {} | {} |",
                cell(&quantity(r)),
                cell(&short(&r.a)),
                cell(&short(&r.b)),
                r.different,
                r.compared,
                cell(&r.reason)
            );
        }
    }
    out
}

/// A case per quantity that is compared, and one for the reconstruction.
pub fn cases(report: &Report) -> Vec<Case> {
    let mut cases: Vec<Case> = (report.rows.iter())
        .map(|r| {
            let name = format!("{}: {}", r.file, r.place);
            match r.verdict {
                Verdict::Noted => Case::skipped(name, &r.reason),
                v => Case::new(
                    name,
                    v.judgment(),
                    format!(
                        "{} and {}, difference over the allowed: {}",
                        r.a,
                        r.b,
                        excess(r)
                    ),
                ),
            }
        })
        .collect();
    if let Some(i) = &report.image {
        let says = pictures(i).join("\n");
        cases.push(Case::new("reconstruction", i.verdict.judgment(), says));
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::super::junit::junit;
    use super::*;
    use ptyproof::align::{Alignment, Distance, Gauge};
    use ptyproof::diff::{First, Place};
    use ptyproof::json::Real;

    fn row(place: &str, verdict: Verdict, a: &str, b: &str, excess: f64) -> Row {
        Row {
            file: "inference_outputs/stats.json".into(),
            place: place.into(),
            verdict,
            compared: 2,
            different: usize::from(verdict >= Verdict::Differs),
            at: place.replace("[*]", "[1]"),
            a: a.into(),
            b: b.into(),
            excess: Real(excess),
            widest: Real(0.5),
            reason: if verdict == Verdict::Noted {
                "volatile: time".into()
            } else {
                String::new()
            },
        }
    }

    fn report() -> Report {
        let distance = |rms: f64| Distance {
            rms: Real(rms),
            worst: Real(3.0 * rms),
            at: [80, 91],
        };
        Report {
            schema: ptyproof::diff::SCHEMA.into(),
            a: "golden/a".into(),
            b: "hubs/b".into(),
            verdict: Verdict::NonFinite,
            values: 506,
            first: First {
                settings: vec![[
                    "nphotons".into(),
                    "1000000000.0".into(),
                    "100000000.0".into(),
                ]],
                identical: vec![
                    Tensor::new("specimen", "object"),
                    Tensor::new("specimen", "probe"),
                ],
                place: Some(Place {
                    stage: "diffraction".into(),
                    tensor: "amplitude".into(),
                    step: None,
                    how: "2-norm 2.0 and 1.0".into(),
                    deterministic: true,
                }),
            },
            image: Some(Image {
                shapes: [[180, 180]; 2],
                covered: [500, 480],
                covered_alone: [20, 0],
                uncovered_box: Some([60, 79, 70, 94]),
                pixels: 500,
                non_finite: [0, 1],
                non_finite_at: Some([85, 99]),
                non_finite_in_both: None,
                alignment: Some(Alignment {
                    pixels: 500,
                    raw: distance(0.2),
                    scalar: distance(0.1),
                    aligned: distance(1e-3),
                    gauge: Gauge {
                        twin: false,
                        scale: Real(1.77),
                        phase: Real(-0.25),
                        ramp: [Real(0.0), Real(-0.01)],
                        shift: [Real(0.0), Real(-1.0)],
                    },
                    covered_alone: [0; 2],
                    fault: None,
                }),
                exchanged_rms: Some(Real(1e-3)),
                allowed_rms: Real(1e-5),
                verdict: Verdict::NonFinite,
            }),
            rows: vec![
                row(
                    "offsets.axis_max_abs[*]",
                    Verdict::NonFinite,
                    "1.5",
                    "NaN",
                    f64::INFINITY,
                ),
                row("amplitude.mean", Verdict::Differs, "1.5", "1.5|3", 12.25),
                row("amplitude.min", Verdict::Agrees, "0.0", "0.0", 0.0),
                row("timestamp", Verdict::Noted, "now", "then", 0.0),
            ],
            warnings: vec![
                "the second reconstruction has another gauge: scale, a factor of 1.770000".into(),
            ],
        }
    }

    #[test]
    fn terminal_lists_worst_first() {
        insta::assert_snapshot!(terminal(&report(), None));
    }

    #[test]
    fn page_lists_uncompared_files_with_reasons() {
        insta::assert_snapshot!(markdown(&report()));
    }

    #[test]
    fn junit_has_one_case_per_quantity() {
        let text = junit("ptyproof hub diff", cases(&report())).unwrap();
        insta::assert_snapshot!(text);
    }
}
