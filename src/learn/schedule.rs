//! What happens between epochs: the learning rate falls on a plateau, and training may stop early.
//!
//! *Law.* A comparison with NaN is never an improvement, so a run that went NaN stops after the
//! patience is used up: after 4 epochs if the first was NaN already.
//!
//! *Source.* Reference description, section k; the rules of Keras 3's `ReduceLROnPlateau` and
//! `EarlyStopping`.

use serde::{Deserialize, Serialize};

use crate::ground::json::Real;

/// The reference's learning rate before any plateau.
pub const LEARNING_RATE: f32 = 1e-3;
/// The factor at a plateau.
const FACTOR: f32 = 0.5;
/// The learning rate never falls below this.
const LOWEST: f32 = 1e-4;
/// A smaller fall of the validation loss is none.
const SMALLEST_FALL: f64 = 1e-4;
/// Epochs without improvement before the learning rate falls.
const PLATEAU_PATIENCE: u64 = 2;
/// Epochs without improvement before training stops.
const STOP_PATIENCE: u64 = 3;

/// The state of both rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The learning rate in force; float32, as the optimizer keeps it.
    pub learning_rate: f32,
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
            best_validation: None,
            validation_wait: 0,
            best_loss: None,
            loss_wait: 0,
            stop: false,
        }
    }
}

impl Schedule {
    /// A schedule that begins with a rate of its own.
    pub fn starting_at(learning_rate: f32) -> Self {
        Self {
            learning_rate,
            ..Self::default()
        }
    }

    /// Takes the losses of an epoch into account; without validation data the learning rate stays.
    pub fn after_epoch(&mut self, loss: f64, validation: Option<f64>) {
        if let Some(v) = validation {
            if self.best_validation.is_none_or(|b| v < b.0 - SMALLEST_FALL) {
                self.best_validation = Some(Real(v));
                self.validation_wait = 0;
            } else {
                self.validation_wait += 1;
                if self.validation_wait >= PLATEAU_PATIENCE && self.learning_rate > LOWEST {
                    self.learning_rate = (self.learning_rate * FACTOR).max(LOWEST);
                    self.validation_wait = 0;
                }
            }
        }
        if self.best_loss.is_none_or(|b| loss < b.0) {
            self.best_loss = Some(Real(loss));
            self.loss_wait = 0;
        } else {
            self.loss_wait += 1;
            self.stop = self.loss_wait >= STOP_PATIENCE;
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
}
