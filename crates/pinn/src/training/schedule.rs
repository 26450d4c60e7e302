//! The learning rate of each step, and whether training stops early.
//!
//! | course | rate | stops early |
//! |---|---|---|
//! | [`Course::Plateau`], `reference` | halved where the validation loss stays, never below 1e-4 | loss has not fallen for 3 epochs |
//! | [`Course::Cosine`], `guarded` | rises over a tenth of the steps, then falls by a cosine to nothing | loss has not been finite for 3 epochs |
//!
//! A plateau is no sign of the end here: the loss of a network that learns to invert diffraction rests at that of a flat object, and a
//! validation set of seven groups is noise. The rule of the reference takes both for the end, and quarters the rate before learning begins.
//!
//! *Law.* A comparison with NaN is never an improvement, so a run that went NaN stops after the
//! patience is used up: on a plateau course after 4 epochs if the first was NaN already.
//!
//! *Law.* A plateau course knows nothing of the end: one epoch, and one more, are two epochs to the bit. A cosine is laid over the epochs
//! that are planned, so that a training of two epochs is another from its first step on; what was interrupted goes on to the same end.
//!
//! *Source.* Reference description, section k; the rules of Keras 3's `ReduceLROnPlateau` and
//! `EarlyStopping`. Cosine: Loshchilov and Hutter 2017, arXiv 1608.03983, one period, without restarts.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use ptyproof::json::Real;

/// The reference's learning rate before any plateau.
pub const LEARNING_RATE: f32 = 1e-3;
/// The factor at a plateau.
const FACTOR: f32 = 0.5;
/// On a plateau course the learning rate never falls below this.
const LOWEST: f32 = 1e-4;
/// A smaller fall of the validation loss is none.
const SMALLEST_FALL: f64 = 1e-4;
/// Epochs without improvement before the learning rate falls.
const PLATEAU_PATIENCE: u64 = 2;
/// Epochs without improvement before training stops.
const STOP_PATIENCE: u64 = 3;
/// The share of the steps over which the rate of a cosine rises.
const RISE: f64 = 0.1;

/// How the learning rate goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Course {
    /// The reference's: down by half at a plateau.
    #[default]
    Plateau,
    /// Up, and down to nothing at the planned end.
    Cosine,
}

/// The state of both rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The learning rate in force, of a cosine its largest; float32, as the optimizer keeps it.
    pub learning_rate: f32,
    #[serde(default)]
    course: Course,
    /// The epochs that a cosine was laid over last.
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
            course: Course::Plateau,
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
    /// A schedule of this course and (largest) rate.
    pub fn new(course: Course, learning_rate: f32) -> Self {
        Self {
            learning_rate,
            course,
            ..Self::default()
        }
    }

    /// Lays a cosine over this many epochs; over how many it lay before, if over others. A plateau course has no plan: it goes on as far
    /// as it is let.
    pub fn plan(&mut self, epochs: u64) -> Option<u64> {
        let before = match self.course {
            Course::Plateau => None,
            Course::Cosine => self.planned.replace(epochs),
        };
        before.filter(|&b| b != epochs)
    }

    /// The epochs that a cosine lies over.
    pub fn planned(&self) -> Option<u64> {
        self.planned
    }

    /// Why a training of this course ends before its plan.
    pub fn stops_when(&self) -> String {
        let not = match self.course {
            Course::Plateau => "fallen",
            Course::Cosine => "been finite",
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
            Course::Plateau => self.learning_rate,
            Course::Cosine => {
                let done = step as f64 / steps.max(1) as f64;
                let rise = ((step + 1) as f64 / (RISE * steps as f64)).min(1.0);
                let fall = 0.5 * (1.0 + (PI * done.min(1.0)).cos());
                (f64::from(self.learning_rate) * rise * fall) as f32
            }
        }
    }

    /// Takes the losses of an epoch into account; without validation data the learning rate stays.
    pub fn after_epoch(&mut self, loss: f64, validation: Option<f64>) {
        let better = match self.course {
            Course::Plateau => {
                self.after_validation(validation);
                self.best_loss.is_none_or(|b| loss < b.0)
            }
            Course::Cosine => loss.is_finite(),
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
        if self.best_validation.is_none_or(|b| v < b.0 - SMALLEST_FALL) {
            self.best_validation = Some(Real(v));
            self.validation_wait = 0;
            return;
        }
        self.validation_wait += 1;
        if self.validation_wait >= PLATEAU_PATIENCE && self.learning_rate > LOWEST {
            self.learning_rate = (self.learning_rate * FACTOR).max(LOWEST);
            self.validation_wait = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_plateau_halves_the_rate_down_to_its_floor() {
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
    fn a_cosine_rises_and_falls_to_nothing_and_its_plan_alone_decides() {
        let s = Schedule::new(Course::Cosine, 3e-4);
        for steps in [1, 2, 7, 155, 1240] {
            let rates: Vec<f32> = (0..steps).map(|k| s.rate(k, steps)).collect();
            assert!(rates.iter().all(|&r| r > 0.0 && r <= 3e-4), "{rates:?}");
            let top = rates.iter().copied().enumerate();
            let top = top.fold((0, 0.0), |a, b| if b.1 > a.1 { b } else { a }).0;
            assert!(rates[..=top].is_sorted() && rates[top..].is_sorted_by(|a, b| a >= b));
            if steps > 100 {
                // the last step is one from the end: (pi / steps)^2 / 4 of the largest
                assert!(rates[rates.len() - 1] < 3e-4 * 3.0 / (steps * steps) as f32);
                assert!((rates[rates.len() / 2] / 1.5e-4 - 1.0).abs() < 0.02);
            }
        }
        // a resumed training may have come to its end already
        assert_eq!(s.rate(155, 155), 0.0);
    }

    #[test]
    fn only_a_cosine_has_a_plan_and_another_than_before_is_told() {
        let mut s = Schedule::new(Course::Cosine, 3e-4);
        let told: Vec<_> = [2, 2, 5, 5].map(|epochs| s.plan(epochs)).into();
        assert_eq!(told, [None, None, Some(2), None]);
        let mut s = Schedule::default();
        assert_eq!([2, 5].map(|epochs| s.plan(epochs)), [None, None]);
        assert_eq!(s, Schedule::default());
    }

    #[test]
    fn a_cosine_stops_for_what_is_not_finite_only() {
        let mut s = Schedule::new(Course::Cosine, 3e-4);
        for _ in 0..20 {
            s.after_epoch(5.0, Some(5.0));
        }
        assert!(!s.stop);
        assert_eq!(s.learning_rate, 3e-4);
        for _ in 0..3 {
            assert!(!s.stop);
            s.after_epoch(f64::NAN, None);
        }
        assert!(s.stop);
    }
}
