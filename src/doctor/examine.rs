//! Examination of a file: facts, trials and findings.

use ndarray::Array2;
use num_complex::Complex32;
use serde::Serialize;

use super::beam_center::{BeamCenter, IntegerShares};
use super::facts;
use super::finding::{Finding, Severity};
use super::held_out::{MIN_PATTERNS, self_twin};
use super::neighbor_similarity::NeighborSimilarity;
use super::ranking::{self, Margin, Ranked, ScaleRow};
use super::sample::{Sample, outliers};
use super::verdict;
use crate::error::Result;
use crate::io::inspect::{Inspection, inspect};
use crate::io::open_file::OpenFile;
use crate::json::Real;
use crate::judgment::Judgment;
use crate::par::Pool;

/// The reconstruction of the best hypothesis after a few iterations.
#[derive(Debug, Clone)]
pub struct Reconstruction {
    /// `[row, col]`.
    pub object: Array2<Complex32>,
    /// `[row, col]`.
    pub probe: Array2<Complex32>,
}

/// All that was found.
#[derive(Debug, Clone, Serialize)]
pub struct Examination {
    /// `ptyproof.doctor/1`.
    pub schema: String,
    /// The name of the data.
    pub name: String,
    /// Findings, worst first.
    pub findings: Vec<Finding>,
    /// Whether the trials are decisive: the best hypothesis predicts held-out patterns.
    pub decided: bool,
    /// Patterns of the file.
    pub patterns: usize,
    /// Patterns that the trials used, and their side.
    pub used: [usize; 2],
    /// The beam center of the mean pattern.
    #[serde(rename = "light")]
    pub beam_center: Option<BeamCenter>,
    /// The integer test of the values.
    pub whole_numbers: Option<IntegerShares>,
    /// Similarity of the patterns of neighboring positions.
    #[serde(rename = "kinship")]
    pub neighbor_similarity: Option<NeighborSimilarity>,
    /// Correlation of the probe of the file with its twin.
    pub self_twin: Option<Real>,
    /// Hypotheses, best first.
    pub ranking: Vec<Ranked>,
    /// The held-out error with shuffled positions.
    pub shuffled: Option<Real>,
    /// Margins of the best hypothesis over: shuffled positions, the next orientation, its twin, the next unit.
    pub margins: [Option<Margin>; 4],
    /// Held-out error at each factor on the positions.
    pub scales: Vec<ScaleRow>,
    /// What the file holds.
    pub file: Inspection,
    /// The reconstruction of the best hypothesis, if it is decisive.
    #[serde(skip)]
    pub reconstruction: Option<Reconstruction>,
}

impl Examination {
    /// Whether the data contradict the declared metadata.
    pub fn has_fault(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Fault)
    }

    /// Evaluated trials and all trials.
    pub fn trials(&self) -> [usize; 2] {
        let ran = self
            .ranking
            .iter()
            .filter(|r| r.held_out_error.get().is_finite());
        [ran.count(), self.ranking.len()]
    }

    /// The outcome. Without a trial that explains anything nothing is decided, whatever else was seen.
    pub fn judgment(&self) -> Judgment {
        if self.file.non_finite() > 0 {
            Judgment::NonFinite
        } else if self.has_fault() || !self.file.mismatches().is_empty() {
            Judgment::Fail
        } else {
            Judgment::holds(true, usize::from(self.decided))
        }
    }
}

/// Examines a file. Patterns are read twice, in batches; at most 256 are kept in memory.
///
/// # Errors
/// If the patterns cannot be read. Data that are no good are a finding and no error.
pub fn examine(contents: &mut OpenFile, pool: &Pool) -> Result<Examination> {
    pool.run(|| examined(contents, pool))
}

fn examined(contents: &mut OpenFile, pool: &Pool) -> Result<Examination> {
    let file = inspect(contents)?;
    let (usable, isolated) = outliers(&contents.positions);
    let mut findings = facts::of(&file, &contents.positions, &isolated);
    let hot = (file.patterns.as_ref()).map_or(&[][..], |p| p.hot_pixels.as_slice());
    let beam_center = file.mean.as_ref().map(|mean| BeamCenter::of(mean, hot));
    let count = file.patterns.as_ref().map_or(0, |p| p.count);
    let fits = contents.positions.len() == count;
    let sample = match &beam_center {
        Some(beam_center) if fits => Sample::take(contents, &usable, hot, beam_center)?,
        _ => None,
    };
    let neighbor_similarity = sample.as_ref().and_then(NeighborSimilarity::of);
    let twin = (sample.as_ref()).and_then(|s| s.probe.as_ref().map(self_twin));
    let runs = |s: &&Sample| s.len() >= MIN_PATTERNS && s.extent() >= 1.0;
    let ranking = (sample.as_ref().filter(runs)).and_then(|s| ranking::rank(s, pool));
    let lit = (file.patterns.as_ref()).is_some_and(|p| p.dark_patterns < p.count);
    if let Some(beam_center) = beam_center.as_ref().filter(|_| lit) {
        findings.extend(verdict::center(beam_center, &file));
    }
    findings.extend(sample.iter().flat_map(verdict::unused));
    let whole = sample.as_ref().map(|s| s.whole);
    match (&sample, &ranking) {
        (Some(sample), Some(ranking)) => {
            findings.extend(verdict::of(
                ranking,
                sample,
                &file,
                neighbor_similarity.as_ref(),
                twin,
            ));
        }
        _ => findings.push(verdict::no_trials(&file, sample.as_ref())),
    }
    findings.sort_by_key(|f| f.severity);
    let reconstruction = ranking.as_ref().map(|r| Reconstruction {
        object: r.outcome.estimate.object.clone(),
        probe: r.outcome.estimate.modes(sample.as_ref().map_or(1, |s| s.n))[0].clone(),
    });
    Ok(Examination {
        schema: "ptyproof.doctor/1".to_owned(),
        name: file.name.clone(),
        findings,
        decided: ranking.as_ref().is_some_and(verdict::decides),
        patterns: count,
        used: sample.as_ref().map_or([0; 2], |s| [s.len(), s.n]),
        beam_center,
        whole_numbers: whole,
        neighbor_similarity,
        self_twin: twin.map(Real),
        shuffled: ranking.as_ref().map(|r| Real(r.shuffled)),
        margins: ranking.as_ref().map_or([None; 4], |r| {
            [Some(r.null), Some(r.orientation), r.twin, Some(r.power)]
        }),
        scales: ranking.as_ref().map_or(Vec::new(), |r| r.scales.clone()),
        ranking: ranking.map_or(Vec::new(), |r| r.rows),
        file,
        reconstruction,
    })
}
