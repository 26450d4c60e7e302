//! A fresh training, or one that goes on from a checkpoint.

use std::path::{Path, PathBuf};

use super::job::Job;
use super::watch;
use crate::log::Log;
use ptyproof::error::{Error, Result};
use ptyproof_kernels::adam::Adam;
use ptyproof_pinn::network::architecture::Architecture;
use ptyproof_pinn::training::checkpoint::Checkpoint;
use ptyproof_pinn::training::model_runner::ModelRunner;
use ptyproof_pinn::training::train::Progress;

/// A fresh training, or the one a checkpoint holds.
pub(super) fn begin(
    job: &Job,
    config: &str,
    engine: &mut ModelRunner<f32>,
    log: &Log,
) -> Result<(Adam<f32>, Progress)> {
    let planned = job.scenario.nepochs as u64;
    let Some(mut c) = restore(job, config, engine.model().architecture())? else {
        let mut schedule = job.numerics.schedule();
        schedule.plan(planned);
        return Ok((
            Adam::new(engine.model().weights().len()),
            Progress {
                schedule,
                ..Progress::default()
            },
        ));
    };
    engine.update(|weights, _| weights.copy_from_slice(&c.weights));
    log.info(format!(
        "resuming after epoch {} ({} steps)",
        c.progress.epochs, c.adam.t
    ));
    if let Some(before) = c.progress.schedule.plan(planned) {
        log.warn(format!(
            "the learning rate was planned for `nepochs` {before}, and is for `nepochs` {planned} from here on: the end is not \
             that of {planned} epochs from the start. Train anew if it must be"
        ));
    }
    Ok((c.adam, c.progress))
}

/// The checkpoint to go on from, if one is named.
pub(super) fn restore(
    job: &Job,
    config: &str,
    architecture: &Architecture,
) -> Result<Option<Checkpoint>> {
    let Some(path) = &job.resume else {
        return Ok(None);
    };
    let action = "resuming a training";
    let path = checkpoint_of(path)?;
    let bytes =
        std::fs::read(&path).map_err(|e| Error::input(action).at(path.display()).because(e))?;
    let c = Checkpoint::from_bytes(&bytes, architecture).map_err(|e| {
        let advice = e.advice().map(str::to_owned);
        let help = advice.unwrap_or_else(|| "take another checkpoint".into());
        Error::input(action)
            .at(path.display())
            .because(e)
            .help(help)
    })?;
    if c.config != config {
        return Err(Error::usage(action)
            .at(path.display())
            .got("a checkpoint of another configuration")
            .need("the same scenario, flags, seed, numerics and files (epochs may differ)")
            .help(format!(
                "a version whose {} numerics learn otherwise makes other checkpoints too",
                job.numerics.name()
            )));
    }
    let (done, asked) = (c.progress.epochs, job.scenario.nepochs as u64);
    if done > asked {
        return Err(Error::usage(action)
            .at(path.display())
            .got(format!(
                "a checkpoint after epoch {done}, and `nepochs` {asked}"
            ))
            .need(format!(
                "`nepochs` {done} or more: epochs are counted from the start"
            )));
    }
    Ok(Some(c))
}

/// The checkpoint that a path means: the file itself, or the latest in a hub.
///
/// # Errors
/// If there is none.
pub fn checkpoint_of(path: &Path) -> Result<PathBuf> {
    if path.is_file() {
        return Ok(path.to_path_buf());
    }
    let folder = path.join(watch::CHECKPOINTS);
    let mut found: Vec<PathBuf> = std::fs::read_dir(&folder)
        .map(|entries| entries.flatten().map(|e| e.path()).collect())
        .unwrap_or_default();
    found.retain(|p| p.extension().is_some_and(|e| e == "safetensors"));
    found.sort();
    found.pop().ok_or_else(|| {
        Error::input("resuming a training")
            .at(path.display())
            .got("no checkpoint")
            .need(format!(
                "a .safetensors file, or a hub with one in {}",
                watch::CHECKPOINTS
            ))
    })
}
