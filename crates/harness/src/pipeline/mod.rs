//! From a request to a hub. No arithmetic of its own: what is computed is computed by the library and the network.
//!
//! | module | holds |
//! |---|---|
//! | [`request`], `stored` | what is asked, as hubs record it, and read back |
//! | [`job`] | the request with its files read and its scenario settled |
//! | [`mod@run`] | the stages, in their order |
//! | [`prepare`] | specimen, data, groups, sets, network of a job |
//! | [`resume`] | checkpoints to go on from |
//! | [`watch`], [`event`], [`digests`] | what is seen while it runs |
//! | [`artifacts`], [`record`] | what is written |
//! | [`rerun`], [`scale_audit`], [`score`] | what is done with a finished hub |
//! | [`reconstruct`] | all of this for an iterative engine |
//! | [`compare`] | network and engine on one data set |

pub mod artifacts;
pub mod compare;
pub mod digests;
pub mod event;
pub mod job;
pub mod prepare;
pub mod reconstruct;
pub mod record;
pub mod request;
pub mod rerun;
pub mod resume;
pub mod run;
pub mod scale_audit;
pub mod score;
mod stopwatch;
mod stored;
pub mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;

use ptyproof::assemble::Stitcher;
use ptyproof::error::Result;
use ptyproof::hub::{Hub, dir};
use ptyproof::io::dataset::Dataset;
use ptyproof::par::Pool;

pub use job::{Job, NumericsChoice, Phases};
pub use record::{Circumstances, metadata};
pub use request::Request;
pub use resume::checkpoint_of;
pub use run::{Context, Outcome, run};

/// The data set that a job simulates, with its object and probe.
///
/// # Errors
/// If the simulation's inputs do not fit.
pub fn simulated(job: &Job, pool: &Pool) -> Result<Dataset> {
    let specimen = prepare::specimen(job)?;
    prepare::data(job, &specimen, pool, &mut BTreeMap::new())
}

/// Refuses what can be refused before anything is written: a size that the network does not have, a
/// custom probe that is not there, a checkpoint of another configuration.
///
/// # Errors
/// If the job cannot be met.
pub fn check(job: &Job) -> Result<()> {
    let architecture = prepare::architecture(job)?;
    prepare::raw_probe(job)?;
    resume::restore(job, &job.training_hash()?, &architecture)?;
    Ok(())
}

/// Groups the positions and sizes the canvas, so that positions that cannot be are refused before anything is written.
///
/// # Errors
/// If there is no such scan or grouping, or the canvas would be too large.
pub fn lay_out(job: &Job, pool: &Pool) -> Result<()> {
    let s = &job.scenario;
    let specimen = prepare::specimen(job)?;
    let object = specimen.object.as_ref().map(ndarray::Array2::dim);
    let positions = match (&job.data, object) {
        (Some(file), _) => file.dataset.positions.clone(),
        (None, Some(object)) => prepare::positions(s, object)?,
        (None, None) => return Ok(()),
    };
    let mut rng = specimen.rng;
    let grouped = pool.run(|| prepare::group(s, &positions, &mut rng))?;
    grouped.layout.padded_size(grouped.jitter)?;
    Stitcher::check(&grouped.inference.centers, s.n.get(), s.reassemble_m)
}

/// Where the hub's log lies.
///
/// # Errors
/// If the file system refuses.
pub fn log_path(hub: &Hub) -> Result<PathBuf> {
    hub.place(dir::LOG)
}
