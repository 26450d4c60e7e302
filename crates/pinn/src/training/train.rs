//! Training: epochs of steps, with an observer, resumable bit for bit.
//!
//! *Conventions.* The last `n - floor(0.95 n)` groups validate, or as many of the training groups if none is held out
//! ([`Validation`]); the training groups are shuffled every epoch by a stream of `(seed, "shuffle", epoch)`; the last batch
//! may be smaller. Metrics have the reference's names and definitions: `loss` is the mean over samples, the other losses
//! are plain means over batches, all while the weights change; `val_*` follow after the epoch.
//!
//! *Source.* Reference description, sections j and k.

use serde::{Deserialize, Serialize};

use super::activation_stats::ActivationMonitor;
use super::model_runner::{BatchLoss, ModelRunner};
use super::schedule::Schedule;
use super::sentinel::{Finding, Place, Sentinel};
use crate::data::training_set::TrainingSet;
use ptyproof::error::{Error, Result};
use ptyproof::par::Pool;
use ptyproof::records::health::EpochHealth;
use ptyproof::records::history::History;
use ptyproof::records::steps::{StepHistory, StepRecord};
use ptyproof::rng::Stream;
use ptyproof_kernels::adam::Adam;
use ptyproof_kernels::conv::Kernels;

/// Share of the groups that validate.
const VALIDATION_SHARE: f64 = 0.05;

/// The validation groups of the losses after each epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Validation {
    /// The last twentieth, which does not train: the error of held-out groups.
    #[default]
    HeldOut,
    /// As many, spread evenly over all, which also train: the error of training groups with the weights at the end of the
    /// epoch.
    Seen,
}

impl Validation {
    /// Divides this many groups into training and validation groups.
    pub fn divide(self, groups: usize) -> (Vec<usize>, Vec<usize>) {
        let trains = validation_split(groups);
        match self {
            Self::HeldOut => ((0..trains).collect(), (trains..groups).collect()),
            Self::Seen => {
                let count = groups - trains;
                let spread = (0..count).map(|k| (2 * k + 1) * groups / (2 * count));
                ((0..groups).collect(), spread.collect())
            }
        }
    }
}

/// The plan of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Total number of epochs, with those before a resumption.
    pub epochs: u64,
    /// Groups per step.
    pub batch: usize,
    /// Seed of the order of groups.
    pub seed: u64,
    /// Which groups are held out, if any.
    pub validation: Validation,
}

/// An observer of the training, which may stop it.
pub trait Observer {
    /// Called after each step of an epoch of `steps` steps. `false` stops the training there.
    fn step(&mut self, record: &StepRecord, steps: u64) -> bool;
    /// Called once, with the first non-finite number of the training, before [`Observer::step`] of its step.
    ///
    /// # Errors
    /// Any error of the observer.
    fn event(&mut self, finding: Finding) -> Result<()>;
    /// Called after each epoch, before the next one begins.
    ///
    /// # Errors
    /// Any error of the observer, for example a full disk.
    fn epoch(&mut self, state: &Progress, weights: &[f32], adam: &Adam<f32>) -> Result<()>;
}

/// The state of a training without the weights and the moments of the optimizer.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Epochs finished.
    pub epochs: u64,
    /// Learning rate and patience.
    pub schedule: Schedule,
    /// Metrics per epoch.
    pub history: History,
    /// Metrics per step.
    pub steps: StepHistory,
    /// Health of each epoch.
    pub vitals: Vec<EpochHealth>,
}

/// The reason why a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// All epochs were done.
    Finished,
    /// The schedule stopped it: see [`super::schedule`].
    Stopped,
    /// The observer stopped it in the middle of an epoch, which does not count.
    Interrupted,
}

/// Splits `groups` into those that train and those that validate (the last ones).
pub fn validation_split(groups: usize) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count is a count"
    )]
    let train = ((1.0 - VALIDATION_SHARE) * groups as f64).floor() as usize;
    train.clamp(usize::from(groups > 0), groups)
}

/// Trains until the plan is complete, or the schedule or the observer stops it.
///
/// # Errors
/// If there is no group to train on, or what the observer returns.
pub fn train(
    engine: &mut ModelRunner<f32>,
    adam: &mut Adam<f32>,
    progress: &mut Progress,
    data: &TrainingSet,
    plan: Plan,
    pool: &Pool,
    observer: &mut dyn Observer,
) -> Result<StopReason> {
    if data.is_empty() || plan.batch == 0 {
        return Err(Error::input("training")
            .got(format!(
                "{} groups in batches of {}",
                data.len(),
                plan.batch
            ))
            .need("at least one of each"));
    }
    let (trains, validation) = plan.validation.divide(data.len());
    // an event of the training before a resumption is in that hub
    let had_one = progress.steps.records.iter().any(StepRecord::is_bad);
    let mut sentinel = if had_one {
        Sentinel::inactive()
    } else {
        Sentinel::default()
    };
    while progress.epochs < plan.epochs {
        if progress.schedule.stop {
            return Ok(StopReason::Stopped);
        }
        let mut order = trains.clone();
        Stream::new(plan.seed, "shuffle", progress.epochs).shuffle(&mut order);
        let steps = order.len().div_ceil(plan.batch) as u64;
        let (first, planned) = (progress.epochs * steps, plan.epochs * steps);
        let mut rate = progress.schedule.learning_rate;
        let mut means = Means::default();
        let before = progress.steps.records.len();
        for (k, members) in (first..).zip(order.chunks(plan.batch)) {
            let place = Place {
                epoch: progress.epochs,
                step: adam.t + 1,
                members,
                data,
            };
            rate = progress.schedule.rate(k, planned);
            let record = pool.run(|| step(engine, adam, place, f64::from(rate), &mut sentinel));
            if let Some(finding) = sentinel.found.take() {
                observer.event(finding)?;
            }
            means.add(record.loss, record.intensity_scaler_inv_loss, members.len());
            progress.steps.push(record);
            if !observer.step(&record, steps) {
                progress.steps.records.truncate(before);
                return Ok(StopReason::Interrupted);
            }
        }
        let mut look = ActivationMonitor::default();
        let checked = pool.run(|| {
            evaluate(engine, data, &validation, plan.batch, |engine| {
                look.at(engine);
            })
        });
        if validation.is_empty() {
            look.at(engine);
        }
        progress.vitals.push(pool.run(|| look.finish(engine)));
        record_epoch(progress, &means, &checked, rate);
        let validation_loss = (!validation.is_empty()).then_some(checked.loss());
        progress.schedule.after_epoch(means.loss(), validation_loss);
        progress.epochs += 1;
        observer.epoch(progress, engine.model().weights(), adam)?;
    }
    Ok(StopReason::Finished)
}

/// One optimizer step on the groups of a place, checked by the sentinel.
pub fn step(
    engine: &mut ModelRunner<f32>,
    adam: &mut Adam<f32>,
    place: Place<'_>,
    learning_rate: f64,
    sentinel: &mut Sentinel,
) -> StepRecord {
    let Place { data, members, .. } = place;
    engine.load(
        &data.amplitude.values().view(),
        &data.grouping.relative,
        members,
    );
    let BatchLoss {
        nll,
        absolute_error,
        floored,
        ..
    } = engine.forward();
    let non_finite_prediction = engine.non_finite_predictions();
    engine.backward();
    let (gradient_norm, non_finite_gradient) = engine.gradient_norm();
    let bad = non_finite_prediction + non_finite_gradient + engine.boundaries() > 0;
    sentinel.after_backward(bad || !nll.is_finite(), engine, place);
    let update_norm =
        engine.update(|weights, gradient| adam.step(weights, gradient, learning_rate));
    let (weights_norm, non_finite_parameters) = engine.weights_norm();
    let norms = [gradient_norm, update_norm, weights_norm];
    sentinel.after_update(norms, (engine, adam, learning_rate), place);
    StepRecord {
        step: adam.t,
        epoch: place.epoch,
        batch_size: members.len() as u64,
        loss: nll,
        pred_intensity_loss: nll,
        intensity_scaler_inv_loss: absolute_error,
        learning_rate,
        gradient_norm,
        update_norm,
        floored_pixels: floored as u64,
        non_finite_prediction,
        non_finite_gradient,
        non_finite_parameters,
    }
}

/// The losses of `members`, batch by batch, with the present weights; `each` is called for every batch.
pub fn evaluate<T: Kernels>(
    engine: &mut ModelRunner<T>,
    data: &TrainingSet,
    members: &[usize],
    batch: usize,
    mut each: impl FnMut(&ModelRunner<T>),
) -> Means {
    let mut means = Means::default();
    for members in members.chunks(batch) {
        engine.load(
            &data.amplitude.values().view(),
            &data.grouping.relative,
            members,
        );
        let found = engine.forward();
        each(engine);
        means.add(found.nll, found.absolute_error, members.len());
    }
    means
}

/// Running means of an epoch, with both definitions of the reference.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Means {
    weighted: f64,
    samples: f64,
    plain: f64,
    absolute_error: f64,
    batches: f64,
}

impl Means {
    fn add(&mut self, loss: f64, absolute_error: f64, samples: usize) {
        self.weighted += loss * samples as f64;
        self.samples += samples as f64;
        self.plain += loss;
        self.absolute_error += absolute_error;
        self.batches += 1.0;
    }

    /// The mean over samples.
    pub fn loss(&self) -> f64 {
        self.weighted / self.samples
    }

    /// The mean over batches.
    pub fn pred_intensity_loss(&self) -> f64 {
        self.plain / self.batches
    }

    /// The mean absolute error of the amplitude over batches, in sqrt(counts).
    pub fn intensity_scaler_inv_loss(&self) -> f64 {
        self.absolute_error / self.batches
    }
}

fn record_epoch(progress: &mut Progress, train: &Means, validation: &Means, rate: f32) {
    let loss = train.loss();
    let mut metrics = vec![
        ("loss", loss),
        ("train_loss", loss),
        ("pred_intensity_loss", train.pred_intensity_loss()),
        (
            "intensity_scaler_inv_loss",
            train.intensity_scaler_inv_loss(),
        ),
        ("trimmed_obj_loss", 0.0),
        ("learning_rate", f64::from(rate)),
    ];
    if validation.batches > 0.0 {
        metrics.extend([
            ("val_loss", validation.loss()),
            ("val_pred_intensity_loss", validation.pred_intensity_loss()),
            (
                "val_intensity_scaler_inv_loss",
                validation.intensity_scaler_inv_loss(),
            ),
            ("val_trimmed_obj_loss", 0.0),
        ]);
    }
    progress.history.push(progress.epochs as f64, metrics);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validation_groups_are_spread_and_the_rest_train() {
        assert_eq!(Validation::HeldOut.divide(256).0.len(), 243);
        let (trains, validates) = Validation::Seen.divide(256);
        assert_eq!(trains, (0..256).collect::<Vec<_>>());
        assert_eq!(validates.len(), 13);
        let steps: Vec<usize> = validates.windows(2).map(|w| w[1] - w[0]).collect();
        assert!(steps.iter().all(|s| (19..=20).contains(s)), "{steps:?}");
        assert_eq!([validates[0], validates[12]], [9, 246]);
        assert_eq!(Validation::Seen.divide(1), (vec![0], vec![]));
        assert_eq!(Validation::Seen.divide(0), (vec![], vec![]));
    }

    #[test]
    fn the_published_validation_splits() {
        // reference description, section k: gs1 243 / 13, gs2 121 / 7
        assert_eq!(validation_split(256), 243);
        assert_eq!(validation_split(128), 121);
        assert_eq!([0, 1, 2].map(validation_split), [0, 1, 1]);
    }

    #[test]
    fn last_small_batch_is_weighted_by_its_samples() {
        let mut m = Means::default();
        m.add(1.0, 4.0, 8);
        m.add(4.0, 8.0, 2);
        assert_eq!((m.loss(), m.pred_intensity_loss()), (1.6, 2.5));
        assert_eq!(m.intensity_scaler_inv_loss(), 6.0);
    }
}
