//! Watching a training: a checkpoint and a line per epoch, a warning at the first non-finite number, and
//! an ear for the person who wants to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use super::event;
use crate::log::Log;
use ptyproof::error::Result;
use ptyproof::hub::Hub;
use ptyproof::number::figure;
use ptyproof::records::steps::StepRecord;
use ptyproof_kernels::adam::Adam;
use ptyproof_pinn::network::architecture::Architecture;
use ptyproof_pinn::training::checkpoint::Draft;
use ptyproof_pinn::training::sentinel::Finding;
use ptyproof_pinn::training::train::{Observer, Plan, Progress};

/// The folder of checkpoints in a hub.
pub const CHECKPOINTS: &str = "train_outputs/checkpoints";

/// Told of every step: the record, steps per epoch, epochs.
type OnStep<'a> = &'a mut dyn FnMut(&StepRecord, u64, u64);

/// The observer of a run.
pub struct Watch<'a> {
    hub: &'a Hub,
    log: &'a Log,
    stop: &'a AtomicBool,
    architecture: &'a Architecture,
    config: String,
    epochs: u64,
    seed: u64,
    warned: bool,
    /// The epoch of the event: the checkpoint before it stays, for a replay.
    event_epoch: Option<u64>,
    /// Told of every step, if anyone wants to know.
    pub on_step: Option<OnStep<'a>>,
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}

/// The name of the checkpoint after so many epochs.
pub(super) fn file_name(epochs: u64) -> String {
    format!("{CHECKPOINTS}/epoch_{epochs:04}.safetensors")
}

impl<'a> Watch<'a> {
    /// An observer that writes into `hub`.
    pub fn new(
        hub: &'a Hub,
        log: &'a Log,
        stop: &'a AtomicBool,
        architecture: &'a Architecture,
        config: String,
        plan: Plan,
    ) -> Self {
        Self {
            hub,
            log,
            stop,
            architecture,
            config,
            epochs: plan.epochs,
            seed: plan.seed,
            warned: false,
            event_epoch: None,
            on_step: None,
        }
    }

    /// Leaves a checkpoint before the first step, so that a stop at any time can be resumed.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(&mut self, state: &Progress, weights: &[f32], adam: &Adam<f32>) -> Result<()> {
        // of a training that goes on in place, whose checkpoint before it is to stay
        self.event_epoch = event::read(self.hub.path())?.map(|e| e.epoch);
        self.save(state, weights, adam)
    }

    /// Writes a checkpoint, then removes the one before: one is enough to go on, but the one that an event
    /// followed is kept.
    fn save(&self, state: &Progress, weights: &[f32], adam: &Adam<f32>) -> Result<()> {
        let draft = Draft::new(&self.config, state, weights, adam, self.architecture)?;
        (self.hub).write_by(&file_name(state.epochs), |out| draft.write(out))?;
        let before = state.epochs.checked_sub(1);
        if let Some(before) = before.filter(|b| self.event_epoch != Some(*b)) {
            // a run that was resumed elsewhere has none to remove
            let _ = std::fs::remove_file(self.hub.path().join(file_name(before)));
        }
        Ok(())
    }
}

impl Observer for Watch<'_> {
    fn step(&mut self, record: &StepRecord, steps: u64) -> bool {
        if record.is_bad() && !self.warned {
            self.warned = true;
            self.log.warn(format!(
                "first non-finite numbers at step {} (epoch {}): loss {}, {} predicted amplitudes, {} \
                 gradients, {} parameters after the step; training goes on, and `ptyproof replay HUB` repeats the operation",
                record.step,
                record.epoch,
                figure(record.loss, 5),
                record.non_finite_prediction,
                record.non_finite_gradient,
                record.non_finite_parameters
            ));
        }
        if let Some(tell) = &mut self.on_step {
            tell(record, steps, self.epochs);
        }
        !self.stop.load(Ordering::Relaxed)
    }

    fn event(&mut self, finding: Finding) -> Result<()> {
        self.event_epoch = Some(finding.event.epoch);
        self.log.warn(format!(
            "first non-finite event: {}; `ptyproof replay HUB` repeats it",
            finding.event.headline()
        ));
        event::write(self.hub, finding, &self.config, self.seed)
    }

    fn epoch(&mut self, state: &Progress, weights: &[f32], adam: &Adam<f32>) -> Result<()> {
        let last = |name: &str| {
            let series = state.history.metrics.get(name);
            series
                .and_then(|s| s.last())
                .map_or("-".to_owned(), |v| figure(*v, 5))
        };
        self.log.info(format!(
            "epoch {}/{}: loss {}, val_loss {}, amplitude error {} sqrt(counts), learning rate {}",
            state.epochs,
            self.epochs,
            last("loss"),
            last("val_loss"),
            last("intensity_scaler_inv_loss"),
            last("learning_rate")
        ));
        self.save(state, weights, adam)
    }
}
