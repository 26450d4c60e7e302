//! A network's reconstruction and an engine's of the same data, on the same pixels: against the truth where there is one, against
//! each other, and on the detector.
//!
//! *Fairness.* Figures are taken where both know the object, in the middle of the groups that the network inferred. The engine sees all
//! patterns. Neither sees the object, so the network may train on those that it infers, or on others: [`NetworkVsEngine::network_seen`] says how many
//! of each, and [`NetworkVsEngine::network_probe`] whether its probe is one that the engine refined, which has seen all patterns too. Each explains the patterns whose light falls on what it knows: their numbers are stated.

use std::collections::BTreeSet;

use ndarray::Array2;
use num_complex::Complex64;

use super::load::Reconstruction;
use super::place::ACTION;
use super::place::{onto, positions};
use super::{measured, own};
use crate::pipeline::Job;
use crate::pipeline::prepare::Grouped;
use ptyproof::error::{Error, Result};
use ptyproof::par::Pool;
use ptyproof::score::fidelity::{Alignment, Scored, fidelity};
use ptyproof::score::known::Extent;
use ptyproof::score::network_vs_engine::{NetworkVsEngine, PatternsSeen, ProbeOf, Side};
use ptyproof::score::region::middle;

/// What is compared.
#[derive(Debug)]
pub struct Pair {
    /// What the comparison is of.
    pub of: String,
    /// The network's hub.
    pub network: Reconstruction,
    /// The engine's hub.
    pub engine: Reconstruction,
    /// Whence the network has its probe.
    pub network_probe: ProbeOf,
    /// What the network's run was told.
    pub run: Job,
    /// The share of the region, and of the patterns, that must be known: below it every figure is NaN.
    pub known_at_least: f64,
}

/// The figures, and the images they are of: after the alignment, the region alone.
#[derive(Debug)]
pub struct Outcome {
    /// The figures.
    pub versus: NetworkVsEngine,
    /// The network's image.
    pub network: Array2<Complex64>,
    /// The engine's.
    pub engine: Array2<Complex64>,
    /// The truth, if there is one.
    pub truth: Option<Array2<Complex64>>,
}

/// Compares a network with an engine.
///
/// # Errors
/// If the hubs do not fit the run, or have nothing in common.
pub fn versus(pair: Pair, pool: &Pool) -> Result<Outcome> {
    let own = own(&pair.run, pool)?;
    let mut network = pair.network;
    own.place_on(&pair.of, &mut network)?;
    let mut notes = Vec::new();
    let truth = own.truth.as_ref().map(Reconstruction::of);
    let base = &truth.clone().unwrap_or_else(|| pair.engine.clone());
    let seen = onto(&network, base, &mut notes);
    let solved = onto(&pair.engine, base, &mut notes);
    // where the network knows nothing there is nothing to compare; the engine keeps its neighbors there, which a shift needs
    let where_both = |mut image: Array2<Complex64>| {
        for ((z, a), b) in image.iter_mut().zip(&seen).zip(&solved) {
            if !(a.is_finite() && b.is_finite()) {
                *z = super::place::UNKNOWN;
            }
        }
        image
    };
    let truth = truth.map(|t| Reconstruction {
        image: where_both(t.image),
        ..t
    });
    let (rows, cols) = base.image.dim();
    let scan = positions(
        Some(&own.grouped.inference.centers),
        &network,
        Some(&own.data),
        base,
    );
    let (centers, side) = scan.ok_or_else(|| Error::bug(ACTION).got("a run without positions"))?;
    let region = middle(&centers, side, [rows, cols]);
    let nothing = || {
        Error::input(ACTION)
            .at(&pair.of)
            .got("no pixel that network and engine both know")
            .need("an overlap")
            .help("more groups, `group_limit`, or more of each, `reassemble_M`; or one of them went non-finite: the summary in its hub says when")
    };
    let extent = Extent {
        known_at_least: pair.known_at_least,
        ..Extent::of(region)
    };
    let against = |p: &Array2<Complex64>, t: &Array2<Complex64>| -> Result<Scored> {
        fidelity(p, t, &extent, Alignment::Gauge).ok_or_else(nothing)
    };
    let between = against(&seen, &where_both(solved.clone()))?;
    let scored = match &truth {
        Some(t) => Some([against(&seen, &t.image)?, against(&solved, &t.image)?]),
        None => None,
    };
    let detector = [
        measured(&network, &own.data, pair.known_at_least, pool, &mut notes)?,
        measured(
            &pair.engine,
            &own.data,
            pair.known_at_least,
            pool,
            &mut notes,
        )?,
    ];
    let [by_network, by_engine] = detector;
    let (fidelities, images) = match scored {
        Some([n, e]) => (
            [Some(n.fidelity), Some(e.fidelity)],
            [n.prediction, e.prediction, n.truth],
        ),
        None => (
            [None, None],
            [between.prediction, between.truth.clone(), between.truth],
        ),
    };
    let [of_network, of_engine] = fidelities;
    let known = of_network.is_some();
    let [network, engine, base] = images;
    Ok(Outcome {
        versus: NetworkVsEngine {
            schema: ptyproof::score::network_vs_engine::SCHEMA.into(),
            of: pair.of,
            patterns: own.data.len(),
            network_probe: pair.network_probe,
            network_seen: patterns_seen(&pair.run, &own.grouped),
            network: Side {
                fidelity: of_network,
                detector: by_network,
            },
            engine: Side {
                fidelity: of_engine,
                detector: by_engine,
            },
            between: between.fidelity,
            notes,
        },
        network,
        engine,
        truth: known.then_some(base),
    })
}

/// The patterns that a run's groups are made of.
fn patterns_seen(job: &Job, grouped: &Grouped) -> PatternsSeen {
    let (trains, _) = job.validation().divide(grouped.train.len());
    let c = grouped.train.channels;
    let trained: BTreeSet<usize> = trains
        .iter()
        .flat_map(|g| &grouped.train.members[g * c..(g + 1) * c])
        .map(|&m| grouped.split.train[m])
        .collect();
    let inferred: BTreeSet<usize> = (grouped.inference.members.iter())
        .map(|&m| grouped.split.test[m])
        .collect();
    PatternsSeen {
        trained: trained.len(),
        inferred: inferred.len(),
        both: trained.intersection(&inferred).count(),
    }
}
