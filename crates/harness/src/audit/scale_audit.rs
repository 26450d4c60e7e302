//! The scale chain: every factor between photons and the reconstructed object, where it is applied and whether it is
//! ever undone.
//!
//! *Conventions.* A link takes amplitudes of one domain to another. Its `power` says what it does to its factor on the way
//! from the object to its reconstruction: `+1` applied, `-1` undone, `0` neither. `energy` is the mean over patterns of
//! the sum of squares, `mean` the mean amplitude, each after the link. Where Parseval's theorem or a definition says
//! what the energy must be, `deviation` is the relative distance from that, and `allowed` what rounding and photon
//! noise explain.
//!
//! *Law.* The product of all factors, each to its net power, is the reconstruction over the object.
//!
//! *Source.* Reference description, sections d and e; its notes on the amplitude bias.

use std::collections::BTreeMap;

use serde::Serialize;

use ptyproof::json::Real;
use ptyproof::judgment::Judgment;

/// The version of the schema of [`ScaleAudit`].
pub const SCHEMA: &str = "ptyproof.scale_chain/1";

/// One step from domain to domain.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Factor {
    /// Where it is applied: `exposure`, `storage`, `normalization`, ...
    pub stage: String,
    /// The factor's symbol; empty for an operator without a factor.
    pub symbol: String,
    /// `+1`, `-1` or `0`.
    pub power: i32,
    /// The factor.
    pub value: Real,
    /// The domain before.
    pub from: String,
    /// The domain after.
    pub to: String,
    /// Mean over patterns of the sum of squares, after the link.
    pub energy: Real,
    /// Mean amplitude, after the link.
    pub mean: Real,
    /// Relative distance of the energy from what it must be.
    pub deviation: Option<Real>,
    /// The most that rounding and noise explain.
    pub allowed: Option<Real>,
    /// What holds the link to its value, in a few words.
    pub law: String,
}

impl Factor {
    /// Whether the energy is what it must be; a link that is held to nothing is.
    pub fn holds(&self) -> bool {
        let (Some(d), Some(most)) = (self.deviation, self.allowed) else {
            return true;
        };
        // of NaN on either side nothing holds
        d.get().abs() <= most.get()
    }

    /// Whether it is held to anything.
    pub fn is_held(&self) -> bool {
        self.deviation.is_some() && self.allowed.is_some()
    }
}

/// The account of one factor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Account {
    /// Its value.
    pub value: Real,
    /// Where it is applied.
    pub applied: Vec<String>,
    /// Where it is undone.
    pub undone: Vec<String>,
    /// Applications less undoings.
    pub net: i32,
}

/// What the stitched amplitude is of the truth's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// Mean amplitude over mean truth, covered pixels, each at its place.
    pub ratio: Real,
    /// Covered pixels.
    pub pixels: usize,
    /// The product of factors nearest to the ratio, such as `k` or `k^2`; `1` if none remains; `None` if nothing
    /// fits.
    pub explained_by: Option<String>,
    /// Its value.
    pub explained_value: Option<Real>,
    /// Where the amplitude was read.
    pub source: String,
}

/// The whole chain.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScaleAudit {
    /// [`SCHEMA`].
    pub schema: String,
    /// What it is of.
    pub of: String,
    /// The links, in order.
    pub links: Vec<Factor>,
    /// Factors by symbol.
    pub accounts: BTreeMap<String, Account>,
    /// The product of all factors, each to its net power: reconstruction over object.
    pub total: Real,
    /// The reconstruction beside the truth, where both are known.
    pub measured: Option<Measured>,
    /// Pixels of the reconstruction that are not finite.
    pub non_finite: usize,
    /// What could not be compared although it should be, in a sentence.
    pub unchecked: Option<String>,
    /// Whether an energy is lost, or the data are not those of the run: more than a factor that stays.
    pub broken: bool,
    /// What a person should know.
    pub notes: Vec<String>,
    /// What is wrong: a factor never undone or applied twice, an energy that is lost.
    pub findings: Vec<String>,
}

/// How far a measured ratio may be from a product of factors, as a factor: trained networks were within a tenth, and
/// powers of one `k` of .56 to .58 are 1.7 apart.
const MAX_POWER_RATIO: f64 = 1.15;

impl ScaleAudit {
    /// Balances the links of a chain, and compares with the ratio that was measured, `(ratio, pixels, source)`.
    pub fn of(
        of: &str,
        links: Vec<Factor>,
        measured: Option<(f64, usize, String)>,
        notes: Vec<String>,
    ) -> Self {
        let accounts = balance(&links);
        let total = accounts
            .values()
            .map(|a| a.value.get().powi(a.net))
            .product();
        let mut findings = Vec::new();
        let mut broken = false;
        // a factor of 1 stays without doing anything
        let stays = |a: &Account| a.net != 0 && (a.value.get() - 1.0).abs() > 1e-4;
        for (symbol, a) in accounts.iter().filter(|(_, a)| stays(a)) {
            let place = |all: &[String]| all.join(" and ");
            findings.push(match a.net {
                1 => format!(
                    "{symbol} = {:.6} is applied in {} and never inverted: the reconstruction is {symbol} times the object",
                    a.value.get(),
                    place(&a.applied)
                ),
                n if n > 1 => format!(
                    "{symbol} = {:.6} is applied {n} times more often than inverted, in {}",
                    a.value.get(),
                    place(&a.applied)
                ),
                _ => format!(
                    "{symbol} = {:.6} is inverted in {} but not applied before",
                    a.value.get(),
                    place(&a.undone)
                ),
            });
        }
        for l in &links {
            if let (Some(d), Some(most)) = (l.deviation, l.allowed)
                && !l.holds()
            {
                broken = true;
                findings.push(format!(
                    "{}: the energy differs from the expected value by {:+.2e} (relative; {}; allowed {:.1e})",
                    l.stage,
                    d.get(),
                    l.law,
                    most.get()
                ));
            }
        }
        let measured = measured.map(|(ratio, pixels, source)| {
            let m = explain(&accounts, ratio, pixels, source);
            findings.push(told(&m, total));
            m
        });
        Self {
            schema: SCHEMA.into(),
            of: of.into(),
            links,
            accounts,
            total: Real(total),
            measured,
            non_finite: 0,
            unchecked: None,
            broken,
            notes,
            findings,
        }
    }

    /// Links whose energy was compared with what it must be.
    pub fn checks(&self) -> usize {
        self.links.iter().filter(|l| l.is_held()).count()
    }

    /// How it ended: whether every energy that was checked is kept, and every number finite.
    pub fn judgment(&self) -> Judgment {
        let nan = |v: &Option<Real>| v.is_some_and(|v| !v.get().is_finite());
        let measured = self.measured.as_ref();
        let finite = self.non_finite == 0
            && self.total.get().is_finite()
            && !self
                .links
                .iter()
                .any(|l| nan(&l.deviation) || nan(&l.allowed))
            && measured.is_none_or(|m| m.ratio.get().is_finite());
        let open = self.unchecked.as_ref().map(|_| Judgment::Undecided);
        if finite {
            let kept = Judgment::holds(!self.broken, self.checks());
            Judgment::worst([kept].into_iter().chain(open))
        } else {
            Judgment::NonFinite
        }
    }

    /// Adds what is wrong with the data themselves.
    pub fn break_with(&mut self, finding: String) {
        self.broken = true;
        self.findings.insert(0, finding);
    }
}

fn balance(links: &[Factor]) -> BTreeMap<String, Account> {
    let mut all: BTreeMap<String, Account> = BTreeMap::new();
    for l in links.iter().filter(|l| l.power != 0) {
        let a = all.entry(l.symbol.clone()).or_insert_with(|| Account {
            value: l.value,
            applied: Vec::new(),
            undone: Vec::new(),
            net: 0,
        });
        a.net += l.power;
        let place = if l.power > 0 {
            &mut a.applied
        } else {
            &mut a.undone
        };
        place.push(l.stage.clone());
    }
    all
}

/// The simplest product of the factors that stay, each to a power from -2 to 2, that is near the ratio. (With enough
/// factors some product is near anything: one that is undone is no candidate.)
fn explain(
    accounts: &BTreeMap<String, Account>,
    ratio: f64,
    pixels: usize,
    source: String,
) -> Measured {
    // factors that are nearly 1 explain nothing
    let factors: Vec<(&String, f64)> = accounts
        .iter()
        .filter(|(_, a)| a.net != 0)
        .map(|(s, a)| (s, a.value.get()))
        .filter(|(_, v)| v.ln().abs() > MAX_POWER_RATIO.ln())
        .collect();
    let mut best: Option<(i32, f64, Vec<i32>)> = None;
    for code in 0..5usize.pow(u32::try_from(factors.len()).unwrap_or(0)) {
        let mut rest = code;
        let powers: Vec<i32> = factors
            .iter()
            .map(|_| {
                let p = [0, 1, -1, 2, -2][rest % 5];
                rest /= 5;
                p
            })
            .collect();
        let pairs = || factors.iter().zip(&powers);
        let value: f64 = pairs().map(|((_, v), p)| v.powi(*p)).product();
        let away = (ratio / value).ln().abs();
        if away.is_nan() || away > MAX_POWER_RATIO.ln() {
            continue;
        }
        let weight = powers.iter().map(|p| p.abs()).sum();
        if best
            .as_ref()
            .is_none_or(|(w, a, _)| (weight, away) < (*w, *a))
        {
            best = Some((weight, away, powers));
        }
    }
    let words = |powers: &[i32]| {
        let each = factors.iter().zip(powers).filter(|(_, p)| **p != 0);
        let told: Vec<String> = each
            .map(|((s, _), p)| {
                if *p == 1 {
                    (*s).clone()
                } else {
                    format!("{s}^{p}")
                }
            })
            .collect();
        if told.is_empty() {
            "1".to_owned()
        } else {
            told.join(" ")
        }
    };
    Measured {
        ratio: Real(ratio),
        pixels,
        explained_value: best.as_ref().map(|(_, _, p)| {
            let pairs = factors.iter().zip(p);
            Real(pairs.map(|((_, v), p)| v.powi(*p)).product())
        }),
        explained_by: best.as_ref().map(|(_, _, p)| words(p)),
        source,
    }
}

fn told(m: &Measured, total: f64) -> String {
    let found = format!(
        "the stitched amplitude is {:.4} times the ground truth on {} covered pixels",
        m.ratio.get(),
        m.pixels
    );
    let (Some(by), Some(v)) = (&m.explained_by, m.explained_value) else {
        return format!(
            "{found}: no power of the remaining factors (total {total:.4}) matches; an untrained network has no scale"
        );
    };
    if by == "1" {
        return if total.ln().abs() > MAX_POWER_RATIO.ln() {
            format!(
                "{found}: no factor remains although the factors give {total:.4}: something inverted it"
            )
        } else {
            format!("{found}: no factor remains")
        };
    }
    let off = 100.0 * (m.ratio.get() / v.get() - 1.0);
    let twice: String = by
        .split(' ')
        .filter_map(|f| f.strip_suffix("^2"))
        .map(|symbol| format!(": {symbol} applied twice, unless the network is untrained"))
        .collect();
    format!(
        "{found}, consistent with {by} = {:.4} ({off:+.1} %){twice}",
        v.get()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ptyproof_testkit::tolerance::{F64_STEPS_64, assert_close};

    fn link(stage: &str, symbol: &str, power: i32, value: f64) -> Factor {
        Factor {
            stage: stage.into(),
            symbol: symbol.into(),
            power,
            value: Real(value),
            from: String::new(),
            to: String::new(),
            energy: Real(1.0),
            mean: Real(1.0),
            deviation: None,
            allowed: None,
            law: String::new(),
        }
    }

    fn published() -> Vec<Factor> {
        vec![
            link("exposure", "s_sim", 1, 567.2232),
            link("storage", "s_sim", -1, 567.2232),
            link("normalization", "k", 1, 0.5595),
            link("dose", "s", 1, 988.2118),
            link("network input", "s", -1, 988.2118),
        ]
    }

    fn of(links: Vec<Factor>, ratio: f64) -> ScaleAudit {
        ScaleAudit::of("x", links, Some((ratio, 100, "test".into())), Vec::new())
    }

    #[test]
    fn published_bias_is_the_uninverted_normalization() {
        // notes of the reference: mean .2302 over a canvas of which 23065 of 153664 pixels are covered, truth 2.708
        let c = of(published(), 0.2302 * 153_664.0 / 23_065.0 / 2.708);
        assert_close!(c.total.get(), 0.5595, F64_STEPS_64);
        let nets: Vec<i32> = c.accounts.values().map(|a| a.net).collect();
        assert_eq!(nets, [1, 0, 0], "k, s, s_sim");
        assert!(
            c.findings[0]
                .starts_with("k = 0.559500 is applied in normalization and never inverted"),
            "{:?}",
            c.findings
        );
        let m = c.measured.unwrap();
        assert_eq!(m.explained_by.as_deref(), Some("k"));
        assert_eq!(c.findings.len(), 2);
    }

    #[test]
    fn double_and_inverted_factors_are_distinguished() {
        let twice = of(published(), 0.5595f64.powi(2));
        assert!(twice.findings[1].contains("k applied twice"), "{twice:?}");
        let undone = of(published(), 1.02);
        assert!(
            undone.findings[1].contains("something inverted it"),
            "{undone:?}"
        );
        let strange = of(published(), 0.05);
        assert!(strange.findings[1].contains("no power"), "{strange:?}");
        let mut links = published();
        links.push(link("comparison", "k", -1, 0.5595));
        let closed = of(links, 1.0);
        assert_eq!(closed.findings.len(), 1);
        assert!(
            closed.findings[0].ends_with("no factor remains"),
            "{closed:?}"
        );
    }

    #[test]
    fn lost_energy_is_detected() {
        let mut links = published();
        links[1].deviation = Some(Real(1e-3));
        links[1].allowed = Some(Real(1e-4));
        let c = ScaleAudit::of("x", links.clone(), None, Vec::new());
        assert!(
            c.findings
                .iter()
                .any(|f| f.starts_with("storage: the energy"))
        );
        links[1].deviation = Some(Real(f64::NAN));
        let c = ScaleAudit::of("x", links, None, Vec::new());
        assert!(
            c.findings
                .iter()
                .any(|f| f.starts_with("storage: the energy"))
        );
    }

    proptest! {
        #[test]
        fn total_is_the_product_of_unpaired_factors(
            values in proptest::collection::vec((0.1f64..10.0, -2i32..=2), 1..5),
        ) {
            let links: Vec<Factor> = values.iter().enumerate()
                .flat_map(|(k, (v, p))| {
                    (0..p.abs()).map(move |_| link("here", &format!("f{k}"), p.signum(), *v))
                })
                .collect();
            let want: f64 = values.iter().map(|(v, p)| v.powi(*p)).product();
            let c = ScaleAudit::of("x", links, None, Vec::new());
            assert_close!(c.total.get(), want, F64_STEPS_64.as_relative());
            let open = values.iter().filter(|(v, p)| *p != 0 && (v - 1.0).abs() > 1e-4).count();
            prop_assert_eq!(c.findings.len(), open);
        }
    }
}
