//! A step of a finished run, done again from the checkpoint before it.
//!
//! *Law.* On the kernels of the run, records, event and saved tensors come out again to the bit, whatever the
//! number of threads; this module only looks whether they do.

use std::path::Path;

use super::resume::restore;
use super::{Job, event, prepare, watch};
use ptyproof::error::{Error, Result};
use ptyproof::hub::dir;
use ptyproof::par::Pool;
use ptyproof::records::event::Event;
use ptyproof::records::steps::{StepHistory, StepRecord};
use ptyproof_kernels::adam::Adam;
use ptyproof_pinn::training::sentinel::{Finding, SavedTensor};
use ptyproof_pinn::training::train::{Observer, Plan, Progress, train};

/// What came of the steps from a checkpoint to an event.
#[derive(Debug)]
pub struct StepRerun {
    /// Epochs that the checkpoint holds.
    pub epochs: u64,
    /// The steps done: their first and last number.
    pub steps: (u64, u64),
    /// The first step whose record is not the one in the hub.
    pub first_different: Option<u64>,
    /// The event, if one came again.
    pub event: Option<Event>,
    /// Whether it is the recorded one, in all that is said of it.
    pub same_event: bool,
    /// Of each saved tensor: its name, its values, and how many of them have other bits now.
    pub tensors: Vec<(String, usize, usize)>,
}

impl StepRerun {
    /// Whether all of it was as in the hub, to the bit.
    pub fn is_same(&self) -> bool {
        let tensors = self.tensors.iter().all(|(_, _, different)| *different == 0);
        self.first_different.is_none() && self.same_event && tensors && !self.tensors.is_empty()
    }
}

/// Trains on from the checkpoint before an event, up to the event's step. Nothing is written.
///
/// # Errors
/// If the hub lacks its checkpoint, steps or tensors, or the job is not the run's.
pub fn again(hub: &Path, event: &Event, job: &mut Job, pool: &Pool) -> Result<StepRerun> {
    let action = "repeating a step";
    let config = job.training_hash()?;
    if config != event.configuration_hash {
        return Err(Error::input(action)
            .at(hub.display())
            .got(format!(
                "an event of configuration {}",
                event.configuration_hash
            ))
            .need(format!("{config}, that of the run's settings and files"))
            .help("a file the run was given may have changed since, or the numerics have, with the version: the hub's metadata name its own"));
    }
    let saved = event::tensors(hub, event)?;
    let recorded = records(hub)?;
    job.resume = Some(hub.join(watch::file_name(event.epoch)));
    let prepare::Ready {
        mut engine,
        training,
        ..
    } = prepare::ready(job, pool)?;
    let found = restore(job, &config, engine.model().architecture())?;
    let Some(checkpoint) = found else {
        return Err(Error::bug(action).got("no checkpoint to go on from"));
    };
    engine.update(|weights, _| weights.copy_from_slice(&checkpoint.weights));
    let (mut adam, mut progress) = (checkpoint.adam, checkpoint.progress);
    let (epochs, first) = (progress.epochs, adam.t + 1);
    if first > event.step {
        return Err(Error::input(action)
            .at(hub.join(watch::file_name(event.epoch)).display())
            .got(format!("a checkpoint after step {}", adam.t))
            .need(format!("one before step {}, that of the event", event.step)));
    }
    let plan = Plan {
        // the learning rate depends on what was planned then; the observer ends it at the event
        epochs: progress.schedule.planned().unwrap_or(event.epoch + 1),
        batch: job.scenario.batch_size,
        seed: job.seed,
        validation: job.validation(),
    };
    let mut until = Until {
        step: event.step,
        records: Vec::new(),
        finding: None,
    };
    train(
        &mut engine,
        &mut adam,
        &mut progress,
        &training,
        plan,
        pool,
        &mut until,
    )?;
    let mut now = until.finding;
    if let Some(found) = &mut now {
        event::complete(&mut found.event, &config, job.seed);
    }
    Ok(StepRerun {
        epochs,
        steps: (first, adam.t),
        first_different: first_different(&recorded, &until.records)?,
        tensors: now
            .as_ref()
            .map_or_else(Vec::new, |f| compare(&saved, &f.kept)),
        same_event: now.as_ref().is_some_and(|f| f.event == *event),
        event: now.map(|f| f.event),
    })
}

fn records(hub: &Path) -> Result<StepHistory> {
    let path = hub.join(dir::HISTORY_STEPS);
    let io = |e| {
        Error::input("reading the steps")
            .at(path.display())
            .because(e)
    };
    let text = std::fs::read_to_string(&path).map_err(io)?;
    let bad = |e| {
        Error::input("reading the steps")
            .at(path.display())
            .because(e)
    };
    StepHistory::from_text(&text).map_err(bad)
}

/// The first step whose record reads differently.
fn first_different(then: &StepHistory, now: &[StepRecord]) -> Result<Option<u64>> {
    let one = |record: Option<&StepRecord>| -> Result<String> {
        let mut alone = StepHistory::default();
        if let Some(r) = record {
            alone.push(*r);
        }
        alone.to_text()
    };
    for record in now {
        let before = then.records.iter().find(|r| r.step == record.step);
        // as text, in which NaN equals NaN
        if one(before)? != one(Some(record))? {
            return Ok(Some(record.step));
        }
    }
    Ok(None)
}

/// Values with other bits, tensor by tensor. What is missing now is different altogether.
fn compare(then: &[SavedTensor], now: &[SavedTensor]) -> Vec<(String, usize, usize)> {
    let different = |a: &SavedTensor, b: &SavedTensor| {
        let pairs = a.values.iter().zip(&b.values);
        pairs.filter(|(x, y)| x.to_bits() != y.to_bits()).count()
    };
    then.iter()
        .enumerate()
        .map(|(k, a)| {
            let count = a.values.len();
            let twin = now.get(k).filter(|b| b.shape == a.shape);
            (
                a.name.clone(),
                count,
                twin.map_or(count, |b| different(a, b)),
            )
        })
        .collect()
}

/// Goes as far as a step, and keeps what happened. (An epoch that is broken off leaves no records behind.)
struct Until {
    step: u64,
    records: Vec<StepRecord>,
    finding: Option<Finding>,
}

impl Observer for Until {
    fn step(&mut self, record: &StepRecord, _: u64) -> bool {
        self.records.push(*record);
        record.step < self.step
    }

    fn event(&mut self, finding: Finding) -> Result<()> {
        self.finding = Some(finding);
        Ok(())
    }

    fn epoch(&mut self, _: &Progress, _: &[f32], _: &Adam<f32>) -> Result<()> {
        Ok(())
    }
}
