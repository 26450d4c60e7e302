//! Ranking of the hypotheses: a short first round for all, longer rounds for the best, and repetitions for the last.

use rayon::prelude::*;
use serde::Serialize;

use super::held_out::{self, Effort, Outcome, Start, Trial};
use super::hypothesis::{Center, Hypothesis, Power};
use super::orientation::Orientation;
use super::sample::Sample;
use crate::json::Real;
use crate::par::Pool;

/// Patterns and iterations of the first round.
const FIRST_ROUND_SIZE: [usize; 2] = [80, 6];
/// Iterations of the rounds after it, with all patterns of the sample.
const ITERATIONS: usize = 10;
/// Trials that the first round leaves, beside those that are needed for comparison.
const FIRST_ROUND_SURVIVORS: usize = 10;
/// Repetitions, each with other patterns left out and in another order.
const FOLDS: usize = 3;
/// Factors on the positions.
const SCALES: [f64; 7] = [0.9, 0.95, 0.975, 1.0, 1.025, 1.05, 1.1];
/// Factors where those explain nothing.
const COARSE_SCALES: [f64; 6] = [0.25, 0.5, 0.8, 1.25, 2.0, 4.0];
/// Maximum held-out error of a decisive hypothesis (1 = mean pattern).
pub(super) const MAX_DECISIVE_ERROR: f64 = 0.93;

/// A hypothesis in its place.
#[derive(Debug, Clone, Serialize)]
pub struct Ranked {
    /// Which.
    pub hypothesis: Hypothesis,
    /// The start that served it best.
    pub start: Start,
    /// Rounds that it lived: 1 to 3.
    pub rounds: usize,
    /// `sqrt(sum (|F| - A)^2 / sum A^2)`, `A` as the hypothesis has it, of patterns shown.
    pub fit: Real,
    /// The error of held-out patterns, which only their neighbors predict.
    pub overlap: Real,
    /// Held-out error, 1 for the mean pattern; comparable between all hypotheses.
    #[serde(rename = "unexplained")]
    pub held_out_error: Real,
    /// That of each repetition.
    pub folds: Vec<Real>,
}

/// How much worse another hypothesis is, and whether that is significant.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Margin {
    /// Ratio of its held-out error to the best one, geometric mean over the repetitions.
    pub factor: Real,
    /// Scatter of the ratio between repetitions, as a factor.
    pub scatter: Real,
    /// Whether the ratio differs from 1 by more than 4 % and twice its scatter, with one sign in every repetition.
    pub decided: bool,
    /// Whether it differs from 1 by more than twice its scatter, by any amount.
    #[serde(rename = "stands")]
    pub significant: bool,
}

impl Margin {
    /// Whether the other is worse, beyond its scatter.
    pub(super) fn is_worse(&self) -> bool {
        self.decided && self.factor.get() > 1.0
    }

    /// Whether the other is worse, even by little: then the difference must exceed three times its scatter.
    pub(super) fn is_suspect(&self) -> bool {
        let [factor, scatter] = [self.factor, self.scatter].map(|v| v.get().ln());
        self.is_worse() || (self.significant && factor > 1.01f64.ln() && factor > 3.0 * scatter)
    }

    fn of(best: &[f64], other: &[f64]) -> Self {
        let logs: Vec<f64> = best.iter().zip(other).map(|(b, o)| (o / b).ln()).collect();
        let count = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / count;
        let variance = logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let scatter = variance.sqrt();
        let significant = mean.abs() > 2.0 * scatter && logs.iter().all(|l| l * mean > 0.0);
        Self {
            factor: Real(mean.exp()),
            scatter: Real(scatter.exp()),
            decided: mean.abs() > 1.04f64.ln() && significant,
            significant,
        }
    }
}

/// A factor on the positions, and what it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ScaleRow {
    /// The factor.
    pub scale: Real,
    /// The held-out error.
    #[serde(rename = "unexplained")]
    pub held_out_error: Real,
}

/// A factor on the positions that is better than none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rescaled {
    pub(super) scale: f64,
    /// Of the positions as they are.
    pub(super) margin: Margin,
    /// How many times as much is left [`SCALE_NEIGHBOR_STEP`] on either side of it, on the better one: where an object is smooth, positions that are
    /// closer together explain more, and there is no best.
    pub(super) rise: f64,
}

/// Relative distance of the factors beside the best one that are compared with it.
const SCALE_NEIGHBOR_STEP: f64 = 0.04;

/// A trial and its results, round by round.
#[derive(Debug, Clone)]
struct Runner {
    trial: Trial,
    rounds: usize,
    last: Option<Outcome>,
    folds: Vec<f64>,
}

impl Runner {
    fn score(&self) -> f64 {
        if self.folds.is_empty() {
            let v = self
                .last
                .as_ref()
                .map_or(f64::INFINITY, |o| o.held_out_error);
            return if v.is_finite() { v } else { f64::INFINITY };
        }
        let logs: f64 = self.folds.iter().map(|f| f.ln()).sum();
        (logs / self.folds.len() as f64).exp()
    }

    fn row(&self) -> Ranked {
        let of = |f: fn(&Outcome) -> f64| Real(self.last.as_ref().map_or(f64::NAN, f));
        Ranked {
            hypothesis: self.trial.hypothesis,
            start: self.trial.start,
            rounds: self.rounds,
            fit: of(|o| o.fit),
            overlap: of(|o| o.overlap),
            held_out_error: Real(self.score()),
            folds: self.folds.iter().copied().map(Real).collect(),
        }
    }
}

/// The result of the ranking.
#[derive(Debug, Clone)]
pub(super) struct Ranking {
    /// One row for each hypothesis, the best first; those that were never run are not in it.
    pub(super) rows: Vec<Ranked>,
    /// The best.
    pub(super) best: Ranked,
    /// Of positions in no order.
    pub(super) shuffled: f64,
    /// The best hypothesis against shuffled positions.
    pub(super) null: Margin,
    /// Against the best orientation that is neither it nor its twin.
    pub(super) orientation: Margin,
    /// Against its twin, both from the data's probe; none without one that explains anything.
    pub(super) twin: Option<Margin>,
    /// Against the best other unit.
    pub(super) power: Margin,
    /// Held-out error at each factor on the positions, ascending.
    pub(super) scales: Vec<ScaleRow>,
    /// The best factor, and positions as they are against it, if another is better.
    pub(super) scale: Option<Rescaled>,
    /// What the best hypothesis reconstructed.
    pub(super) outcome: Outcome,
}

struct Race<'a> {
    sample: &'a Sample,
    pool: &'a Pool,
    runners: Vec<Runner>,
}

/// Runs all rounds; none if no trial can be run at all.
pub(super) fn rank(sample: &Sample, pool: &Pool) -> Option<Ranking> {
    let mut race = Race {
        sample,
        pool,
        runners: Vec::new(),
    };
    race.first();
    race.second();
    race.third()
}

impl Race<'_> {
    fn all(&self, work: &[(Trial, Effort)]) -> Vec<Option<Outcome>> {
        let one = |(trial, effort): &(Trial, Effort)| {
            held_out::run(self.sample, trial, *effort, self.pool).ok()
        };
        self.pool.run(|| work.par_iter().map(one).collect())
    }

    fn effort(&self, fold: usize) -> Effort {
        Effort {
            patterns: self.sample.len(),
            iterations: ITERATIONS,
            fold,
        }
    }

    /// The place of DC of the sample.
    fn center(&self) -> Center {
        if self.sample.moved {
            Center::Other
        } else {
            Center::Declared
        }
    }

    fn starts(&self, o: Orientation) -> Vec<Start> {
        match (&self.sample.probe, o == Orientation::IDENTITY) {
            (None, _) => vec![Start::Guess],
            (Some(_), true) => vec![Start::Probe, Start::Guess],
            (Some(_), false) => vec![Start::Probe, Start::Turned, Start::Guess],
        }
    }

    /// Every orientation and unit from every start, with a part of the patterns.
    fn first(&mut self) {
        let [patterns, iterations] = FIRST_ROUND_SIZE;
        let mut work = Vec::new();
        for power in Power::ALL {
            for orientation in Orientation::ALL {
                for start in self.starts(orientation) {
                    let hypothesis = Hypothesis {
                        orientation,
                        center: self.center(),
                        power,
                    };
                    let effort = Effort {
                        patterns,
                        iterations,
                        fold: 0,
                    };
                    work.push((Trial::new(hypothesis, start), effort));
                }
            }
        }
        let found = self.all(&work);
        self.runners = (work.into_iter().zip(found))
            .map(|((trial, _), last)| Runner {
                trial,
                rounds: 1,
                last,
                folds: Vec::new(),
            })
            .collect();
    }

    /// The indices of runners, the best first.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.runners.len()).collect();
        order.sort_by(|a, b| {
            let [a, b] = [a, b].map(|k| (&self.runners[*k], *k));
            let first = b.0.rounds.cmp(&a.0.rounds);
            first
                .then(a.0.score().total_cmp(&b.0.score()))
                .then(a.1.cmp(&b.1))
        });
        order
    }

    /// The best hypothesis with all patterns, and with the other place of DC, which only the probe of the file
    /// distinguishes from a phase ramp.
    fn second(&mut self) {
        let order = self.order();
        let mut chosen: Vec<usize> = order[..FIRST_ROUND_SURVIVORS.min(order.len())].to_vec();
        chosen.extend(order.iter().copied().filter(|k| {
            let h = self.runners[*k].trial.hypothesis;
            (h.orientation, h.power) == (Orientation::IDENTITY, Power::Declared)
        }));
        chosen.sort_unstable();
        chosen.dedup();
        let mut work: Vec<(Trial, Effort)> = (chosen.iter())
            .map(|k| (self.runners[*k].trial, self.effort(0)))
            .collect();
        let other = match self.center() {
            Center::Declared => Center::Other,
            Center::Other => Center::Declared,
        };
        if self.sample.probe.is_some() {
            let best = self.runners[order[0]].trial.hypothesis;
            for hypothesis in [best, Hypothesis::DECLARED] {
                let hypothesis = Hypothesis {
                    center: other,
                    ..hypothesis
                };
                work.push((Trial::new(hypothesis, Start::Probe), self.effort(0)));
            }
        }
        let found = self.all(&work);
        for (k, (job, last)) in work.into_iter().zip(found).enumerate() {
            if let Some(at) = chosen.get(k) {
                self.runners[*at].last = last;
                self.runners[*at].rounds = 2;
            } else {
                self.runners.push(Runner {
                    trial: job.0,
                    rounds: 2,
                    last,
                    folds: Vec::new(),
                });
            }
        }
    }

    /// The best runner of some hypotheses and starts.
    fn best(&self, fits: impl Fn(&Trial) -> bool) -> Option<usize> {
        self.order()
            .into_iter()
            .find(|k| fits(&self.runners[*k].trial))
    }

    /// Repetitions of the trials that decide, and the verdicts.
    fn third(mut self) -> Option<Ranking> {
        let lead = self.order()[0];
        if !self.runners[lead].score().is_finite() {
            return None;
        }
        let h = self.runners[lead].trial.hypothesis;
        let kin = |o: Orientation| o == h.orientation || o == h.orientation.twin();
        let mut last = vec![lead];
        for o in Orientation::ALL.into_iter().step_by(2) {
            let same = |t: &Trial| {
                let own = t.hypothesis.orientation;
                (own == o || own == o.twin()) && t.hypothesis.power == h.power
            };
            last.extend(self.best(same));
        }
        for o in [h.orientation, h.orientation.twin()] {
            for start in [Start::Probe, Start::Turned] {
                last.extend(self.best(|t| {
                    let own = t.hypothesis;
                    (own.orientation, own.power, t.start) == (o, h.power, start)
                }));
            }
        }
        for power in Power::ALL {
            last.extend(
                self.best(|t| kin(t.hypothesis.orientation) && t.hypothesis.power == power),
            );
        }
        last.extend(self.best(|t| {
            (t.hypothesis.orientation, t.hypothesis.power)
                == (Orientation::IDENTITY, Power::Declared)
        }));
        last.sort_unstable();
        last.dedup();
        let mut trials: Vec<Trial> = last.iter().map(|k| self.runners[*k].trial).collect();
        trials.push(Trial {
            shuffled: true,
            ..self.runners[lead].trial
        });
        let work: Vec<(Trial, Effort)> = (trials.iter())
            .flat_map(|t| (0..FOLDS).map(|fold| (*t, self.effort(fold))))
            .collect();
        let found = self.all(&work);
        let scores = |of: &[Option<Outcome>]| -> Vec<f64> {
            of.iter()
                .map(|o| o.as_ref().map_or(f64::INFINITY, |o| o.held_out_error))
                .map(|v| if v.is_finite() { v } else { f64::INFINITY })
                .collect()
        };
        let mut each = found.chunks_exact(FOLDS);
        for (k, of) in last.iter().zip(each.by_ref()) {
            let runner = &mut self.runners[*k];
            runner.rounds = 3;
            runner.folds = scores(of);
            runner.last.clone_from(&of[0]);
        }
        let shuffled = scores(each.next()?);
        self.judge(&shuffled)
    }

    /// Compares the finalists.
    fn judge(self, shuffled: &[f64]) -> Option<Ranking> {
        let lead = self.order()[0];
        let best = &self.runners[lead];
        let (h, folds) = (best.trial.hypothesis, best.folds.as_slice());
        let outcome = best.last.clone()?;
        let kin = |o: Orientation| o == h.orientation || o == h.orientation.twin();
        let folds_of = |fits: &dyn Fn(&Trial) -> bool| -> Option<&[f64]> {
            let k = self.best(fits)?;
            Some(self.runners[k].folds.as_slice()).filter(|f| !f.is_empty())
        };
        let against = |fits: &dyn Fn(&Trial) -> bool| {
            folds_of(fits).map_or(
                Margin::of(&[1.0; FOLDS], &[f64::INFINITY; FOLDS]),
                |other| Margin::of(folds, other),
            )
        };
        let from_probe = |o: Orientation| {
            folds_of(&|t: &Trial| {
                t.start != Start::Guess
                    && t.hypothesis.orientation == o
                    && t.hypothesis.power == h.power
            })
        };
        let twin = from_probe(h.orientation)
            .zip(from_probe(h.orientation.twin()))
            .filter(|(own, _)| own.iter().all(|v| *v < MAX_DECISIVE_ERROR))
            .map(|(own, other)| Margin::of(own, other));
        let mut seen: Vec<Hypothesis> = Vec::new();
        let mut rows = Vec::new();
        for k in self.order() {
            let row = self.runners[k].row();
            if !seen.contains(&row.hypothesis) {
                seen.push(row.hypothesis);
                rows.push(row);
            }
        }
        let (scales, scale) = self.scales(&best.trial, folds);
        let mean = shuffled.iter().map(|v| v.ln()).sum::<f64>() / shuffled.len() as f64;
        Some(Ranking {
            best: best.row(),
            shuffled: mean.exp(),
            null: Margin::of(folds, shuffled),
            orientation: against(&|t| {
                !kin(t.hypothesis.orientation) && t.hypothesis.power == h.power
            }),
            twin,
            power: against(&|t| kin(t.hypothesis.orientation) && t.hypothesis.power != h.power),
            rows,
            scales,
            scale,
            outcome,
        })
    }

    /// The best hypothesis with rescaled positions.
    fn scales(&self, best: &Trial, folds: &[f64]) -> (Vec<ScaleRow>, Option<Rescaled>) {
        let scaled = |scale: f64, fold: usize| (Trial { scale, ..*best }, self.effort(fold));
        let explains = folds.iter().all(|f| *f < MAX_DECISIVE_ERROR);
        let factors: Vec<f64> = if explains {
            SCALES.to_vec()
        } else {
            COARSE_SCALES.iter().chain(&SCALES).copied().collect()
        };
        // factors, and what each leaves
        let tried = |factors: &[f64]| -> Vec<(f64, f64)> {
            let work: Vec<_> = factors.iter().map(|s| scaled(*s, 0)).collect();
            (factors.iter().zip(self.all(&work)))
                .filter_map(|(s, o)| Some((*s, o?.held_out_error)))
                .filter(|(_, v)| v.is_finite())
                .collect()
        };
        let mut rows = tried(&factors);
        let least = |rows: &[(f64, f64)]| rows.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1));
        // halfway to both neighbors of the best
        if let Some((s, _)) = least(&rows) {
            rows.extend(tried(&[s * 0.9875, s * 1.0125]));
        }
        let better = least(&rows).filter(|(s, _)| *s != 1.0).map(|(s, left)| {
            let flanks = tried(&[
                s * (1.0 - SCALE_NEIGHBOR_STEP),
                s * (1.0 + SCALE_NEIGHBOR_STEP),
            ]);
            // a factor whose trial failed is ignored
            let rise = match flanks[..] {
                [below, above] => below.1.min(above.1) / left,
                _ => 1.0,
            };
            rows.extend(flanks);
            let work: Vec<_> = (0..FOLDS).map(|fold| scaled(s, fold)).collect();
            let found = self.all(&work);
            let own: Vec<f64> = found
                .iter()
                .map(|o| o.as_ref().map_or(f64::INFINITY, |o| o.held_out_error))
                .collect();
            Rescaled {
                scale: s,
                margin: Margin::of(&own, folds),
                rise,
            }
        });
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let row = |(s, v): (f64, f64)| ScaleRow {
            scale: Real(s),
            held_out_error: Real(v),
        };
        (rows.into_iter().map(row).collect(), better)
    }
}
