//! The learning rate of each step, and whether training stops early.
//!
//! | kind | rate | stops early |
//! |---|---|---|
//! | [`ScheduleKind::Plateau`], `reference` | halved when the validation loss does not fall, never below 1e-4 | loss has not fallen for 3 epochs |
//! | [`ScheduleKind::Cosine`], `guarded` | rises over a tenth of the steps, then falls by a cosine to zero | loss has not been finite for 3 epochs |
//!
//! A plateau does not mean convergence here: the loss of a network that learns to invert diffraction stays at that of a
//! flat object for some time, and the loss of seven validation groups is noisy. The rule of the reference reacts to both
//! and quarters the rate before learning begins.
//!
//! *Law.* A comparison with NaN is never an improvement, so a NaN run stops after its patience: with a plateau schedule
//! after 4 epochs if the first was NaN.
//!
//! *Law.* A plateau schedule does not depend on the planned epochs: one epoch plus one resumed epoch equal two, bit for
//! bit. A cosine schedule depends on the planned epochs from its first step on; an interrupted training resumes to the
//! uninterrupted result.
//!
//! *Source.* Reference description, section k; the rules of Keras 3's `ReduceLROnPlateau` and
//! `EarlyStopping`. Cosine: Loshchilov and Hutter 2017, arXiv 1608.03983, one period, without restarts.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use ptyproof::json::Real;

/// The initial learning rate of the reference.
pub const LEARNING_RATE: f32 = 1e-3;
/// The factor at a plateau.
const PLATEAU_FACTOR: f32 = 0.5;
/// Minimum learning rate of a plateau schedule.
const MIN_LEARNING_RATE: f32 = 1e-4;
/// Minimum decrease of the validation loss that counts as improvement.
const MIN_IMPROVEMENT: f64 = 1e-4;
/// Number of epochs without improvement before the learning rate falls.
const PLATEAU_PATIENCE: u64 = 2;
/// Number of epochs without improvement before training stops.
const STOP_PATIENCE: u64 = 3;
/// Share of the steps of the warm-up of a cosine schedule.
const WARMUP_SHARE: f64 = 0.1;

/// The kind of the learning rate schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// The schedule of the reference: halved at a plateau.
    #[default]
    Plateau,
    /// Warm-up, then a cosine to zero at the planned end.
    Cosine,
}

/// The state of a schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The current learning rate, of a cosine its maximum; float32, as in the optimizer.
    pub learning_rate: f32,
    #[serde(default)]
    course: ScheduleKind,
    /// The planned epochs of a cosine.
    #[serde(default)]
    planned: Option<u64>,
    best_validation: Option<Real>,
    validation_wait: u64,
    best_loss: Option<Real>,
    loss_wait: u64,
    /// Whether training is to stop.
    pub stop: bool,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            learning_rate: LEARNING_RATE,
            course: ScheduleKind::Plateau,
            planned: None,
            best_validation: None,
            validation_wait: 0,
            best_loss: None,
            loss_wait: 0,
            stop: false,
        }
    }
}

impl Schedule {
    /// A schedule of this kind and (maximum) rate.
    pub fn new(course: ScheduleKind, learning_rate: f32) -> Self {
        Self {
            learning_rate,
            course,
            ..Self::default()
        }
    }

    /// Plans a cosine over this many epochs; returns the previous number if it differs. A plateau schedule has no plan.
    pub fn plan(&mut self, epochs: u64) -> Option<u64> {
        let before = match self.course {
            ScheduleKind::Plateau => None,
            ScheduleKind::Cosine => self.planned.replace(epochs),
        };
        before.filter(|&b| b != epochs)
    }

    /// The planned epochs of a cosine.
    pub fn planned(&self) -> Option<u64> {
        self.planned
    }

    /// The reason why a training of this kind stops early.
    pub fn stop_reason(&self) -> String {
        let not = match self.course {
            ScheduleKind::Plateau => "fallen",
            ScheduleKind::Cosine => "been finite",
        };
        format!("the loss had not {not} for {STOP_PATIENCE} epochs")
    }

    /// The learning rate of step `step` of `steps` planned, counted from 0 over all epochs.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the optimizer keeps float32"
    )]
    pub fn rate(&self, step: u64, steps: u64) -> f32 {
        match self.course {
            ScheduleKind::Plateau => self.learning_rate,
            ScheduleKind::Cosine => {
                let done = step as f64 / steps.max(1) as f64;
                let rise = ((step + 1) as f64 / (WARMUP_SHARE * steps as f64)).min(1.0);
                let fall = 0.5 * (1.0 + (PI * done.min(1.0)).cos());
                (f64::from(self.learning_rate) * rise * fall) as f32
            }
        }
    }

    /// Takes the losses of an epoch into account; without validation data the learning rate stays.
    pub fn after_epoch(&mut self, loss: f64, validation: Option<f64>) {
        let better = match self.course {
            ScheduleKind::Plateau => {
                self.after_validation(validation);
                self.best_loss.is_none_or(|b| loss < b.0)
            }
            ScheduleKind::Cosine => loss.is_finite(),
        };
        if better {
            self.best_loss = Some(Real(loss));
            self.loss_wait = 0;
        } else {
            self.loss_wait += 1;
            self.stop = self.loss_wait >= STOP_PATIENCE;
        }
    }

    fn after_validation(&mut self, validation: Option<f64>) {
        let Some(v) = validation else { return };
        if self
            .best_validation
            .is_none_or(|b| v < b.0 - MIN_IMPROVEMENT)
        {
            self.best_validation = Some(Real(v));
            self.validation_wait = 0;
            return;
        }
        self.validation_wait += 1;
        if self.validation_wait >= PLATEAU_PATIENCE && self.learning_rate > MIN_LEARNING_RATE {
            self.learning_rate = (self.learning_rate * PLATEAU_FACTOR).max(MIN_LEARNING_RATE);
            self.validation_wait = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A learning rate to start from.
    const RATE: f32 = 3e-4;

    #[test]
    fn nan_from_the_start_stops_after_four_epochs() {
        let mut s = Schedule::default();
        let epochs = (1..).find(|_| {
            s.after_epoch(f64::NAN, Some(f64::NAN));
            s.stop
        });
        assert_eq!(epochs, Some(4));
    }

    #[test]
    fn plateau_halves_the_rate_to_its_minimum() {
        let mut s = Schedule::default();
        let mut rates = Vec::new();
        for k in 0..10 {
            s.after_epoch(-f64::from(k), Some(5.0));
            rates.push(s.learning_rate);
        }
        let want = [
            1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4, 2.5e-4, 1.25e-4, 1.25e-4, 1e-4, 1e-4,
        ];
        assert_eq!(rates, want.map(|r: f32| r));
        assert!(!s.stop);
    }

    #[test]
    fn cosine_schedule_depends_only_on_its_plan() {
        let s = Schedule::new(ScheduleKind::Cosine, RATE);
        for steps in [1, 2, 7, 155, 1240] {
            let rates: Vec<f32> = (0..steps).map(|k| s.rate(k, steps)).collect();
            assert!(rates.iter().all(|&r| r > 0.0 && r <= RATE), "{rates:?}");
            let top = rates.iter().copied().enumerate();
            let top = top.fold((0, 0.0), |a, b| if b.1 > a.1 { b } else { a }).0;
            assert!(rates[..=top].is_sorted() && rates[top..].is_sorted_by(|a, b| a >= b));
            if steps > 100 {
                // the last step is one from the end: (pi / steps)^2 / 4 of the largest
                assert!(rates[rates.len() - 1] < RATE * 3.0 / (steps * steps) as f32);
                assert!((rates[rates.len() / 2] / (RATE / 2.0) - 1.0).abs() < 0.02);
            }
        }
        // a resumed training may already be complete
        assert_eq!(s.rate(155, 155), 0.0);
    }

    #[test]
    fn changed_cosine_plan_is_reported() {
        let mut s = Schedule::new(ScheduleKind::Cosine, RATE);
        let changes: Vec<_> = [2, 2, 5, 5].map(|epochs| s.plan(epochs)).into();
        assert_eq!(changes, [None, None, Some(2), None]);
        let mut s = Schedule::default();
        assert_eq!([2, 5].map(|epochs| s.plan(epochs)), [None, None]);
        assert_eq!(s, Schedule::default());
    }

    #[test]
    fn cosine_schedule_stops_only_on_nonfinite_loss() {
        let mut s = Schedule::new(ScheduleKind::Cosine, RATE);
        for _ in 0..20 {
            s.after_epoch(5.0, Some(5.0));
        }
        assert!(!s.stop);
        assert_eq!(s.learning_rate, RATE);
        for _ in 0..3 {
            assert!(!s.stop);
            s.after_epoch(f64::NAN, None);
        }
        assert!(s.stop);
    }
}
