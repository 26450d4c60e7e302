//! The scale chain as a table, for the terminal and as a page.

use std::fmt::Write as _;

use super::columns::{Side, columns};
use super::markdown::Table;
use crate::audit::scale_audit::{Factor, ScaleAudit};
use ptyproof::json::Real;
use ptyproof::judgment::Judgment;
use ptyproof::number::figure;

fn number(v: Real) -> String {
    if v.get().is_nan() {
        "-".into()
    } else {
        figure(v.get(), 5)
    }
}

fn factor(l: &Factor) -> String {
    match (l.symbol.as_str(), l.power) {
        ("", _) => "-".into(),
        (s, p) if p < 0 => format!("/ {s} = {}", number(l.value)),
        (s, _) => format!("x {s} = {}", number(l.value)),
    }
}

fn check(l: &Factor) -> String {
    let held = l.deviation.zip(l.allowed).map(|(d, most)| {
        let good = l.holds();
        format!(
            "{} {} (allowed {})",
            if good { "holds" } else { "FAILS" },
            figure(d.get(), 2),
            figure(most.get(), 2)
        )
    });
    held.unwrap_or_else(|| "-".into())
}

/// Ratio of the means of one stage and the one before.
fn ratios(chain: &ScaleAudit) -> Vec<String> {
    let mut before = f64::NAN;
    let each = chain.links.iter().map(|l| {
        let ratio = l.mean.get() / before;
        before = l.mean.get();
        number(Real(ratio))
    });
    each.collect()
}

/// What a person sees, on a terminal of `width` columns or elsewhere.
pub fn terminal(chain: &ScaleAudit, width: Option<usize>) -> String {
    let mut out = format!("{}\n\n", chain.of);
    let head = ["stage", "factor", "to", "energy", "mean", "ratio", "check"];
    let rows: Vec<Vec<String>> = (chain.links.iter().zip(ratios(chain)))
        .map(|(l, ratio)| {
            vec![
                l.stage.clone(),
                factor(l),
                l.to.clone(),
                number(l.energy),
                number(l.mean),
                ratio,
                check(l),
            ]
        })
        .collect();
    out.push_str(&columns(&head.map(|h| (h, Side::Left)), &rows, 2, width));
    let _ = writeln!(out, "\n  reconstruction = {} x object", left(chain));
    let _ = writeln!(out, "{}", verdict(chain));
    for f in &chain.findings {
        let _ = writeln!(out, "finding: {f}");
    }
    for n in &chain.notes {
        let _ = writeln!(out, "note: {n}");
    }
    out
}

/// What was checked, and how it ended.
fn verdict(chain: &ScaleAudit) -> String {
    let checks = match chain.checks() {
        1 => "1 energy".to_owned(),
        n => format!("{n} energies"),
    };
    match chain.judgment() {
        Judgment::Pass => format!("verdict: {checks} checked, all conserve energy"),
        Judgment::Undecided => match &chain.unchecked {
            Some(what) => format!("verdict: {checks} checked, and {what}"),
            None => "verdict: no energy could be checked".into(),
        },
        Judgment::Fail => format!("verdict: {checks} checked, energy is lost or changed"),
        Judgment::NonFinite => format!(
            "verdict: {checks} checked, values are not finite ({} pixels of the reconstruction)",
            chain.non_finite
        ),
    }
}

/// `k = 0.5595`, or 1 where every factor is undone.
fn left(chain: &ScaleAudit) -> String {
    let open: Vec<String> = chain
        .accounts
        .iter()
        .filter(|(_, a)| a.net != 0)
        .map(|(s, a)| match a.net {
            1 => s.clone(),
            n => format!("{s}^{n}"),
        })
        .collect();
    if open.is_empty() {
        "1".into()
    } else {
        format!("{} = {}", open.join(" "), number(chain.total))
    }
}

/// The page.
pub fn markdown(chain: &ScaleAudit) -> String {
    let mut out = format!("# Scale audit of `{}`\n\n", chain.of);
    let mut table = Table::new(&[
        "Stage",
        "Factor",
        "From",
        "To",
        "Energy",
        "Mean",
        "Ratio of means",
        "Check",
        "Law",
    ]);
    for (l, ratio) in chain.links.iter().zip(ratios(chain)) {
        table.row([
            l.stage.clone(),
            factor(l),
            l.from.clone(),
            l.to.clone(),
            number(l.energy),
            number(l.mean),
            ratio,
            check(l),
            l.law.clone(),
        ]);
    }
    out.push_str(table.text());
    let _ = writeln!(out, "\nReconstruction = {} x object.\n", left(chain));
    let _ = writeln!(out, "- {}", verdict(chain));
    for f in &chain.findings {
        let _ = writeln!(out, "- {f}");
    }
    for n in &chain.notes {
        let _ = writeln!(out, "- note: {n}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> ScaleAudit {
        let link = |stage: &str, symbol: &str, power, value, mean| Factor {
            stage: stage.into(),
            symbol: symbol.into(),
            power,
            value: Real(value),
            from: "raw amplitude".into(),
            to: "normalized amplitude".into(),
            energy: Real(1024.0),
            mean: Real(mean),
            deviation: (power != 0).then_some(Real(-8.1e-8)),
            allowed: (power != 0).then_some(Real(if power > 0 { 4.8e-7 } else { 1e-9 })),
            law: "mean sum of squares (N/2)^2".into(),
        };
        let links = vec![
            link("illumination", "", 0, 1.0, 0.25),
            link("normalization, inference", "k", 1, 0.559531, 0.085),
            link("network input", "s", -1, 988.2118, f64::NAN),
        ];
        let measured = Some((0.5535, 23042, "stats.json".to_owned()));
        ScaleAudit::of(
            "hubs/gs1",
            links,
            measured,
            vec!["its noise is drawn anew".into()],
        )
    }

    #[test]
    fn terminal_lists_factors_and_findings() {
        insta::assert_snapshot!(terminal(&chain(), None));
    }

    #[test]
    fn page_lists_energy_checks() {
        insta::assert_snapshot!(markdown(&chain()));
    }
}
