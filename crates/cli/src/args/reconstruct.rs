//! What can be typed after `reconstruct`.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::flags::{SettingArgs, choice};
use super::reading::ReadingArgs;
use ptyproof::solve::{Likelihood, Method, Steps};
use ptyproof_harness::pipeline::reconstruct::Request;

#[derive(Debug, Args)]
pub(crate) struct ReconstructArgs {
    /// Patterns and positions: NPZ (PtychoPINN's, tike's) or CXI; see `ptyproof inspect`.
    #[arg(value_name = "DATA")]
    pub(crate) data: PathBuf,
    /// Which engine.
    #[arg(long, value_parser = choice::<Method>())]
    pub(crate) engine: Method,
    /// Passes over all patterns.
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 100,
        allow_negative_numbers = true
    )]
    pub(crate) iterations: usize,
    /// Where the hub is to be; it must not exist yet.
    #[arg(long, short = 'o', value_name = "DIR")]
    pub(crate) output_dir: PathBuf,
    /// Incoherent modes of the probe [default: those of the data's probe, or of --start].
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    pub(crate) modes: Option<usize>,
    /// What is minimized on the detector; poisson: epie, rpie and lsqml.
    #[arg(long, value_parser = choice::<Likelihood>(), default_value = "amplitude")]
    pub(crate) likelihood: Likelihood,
    /// Let the positions move: epie, rpie and lsqml.
    #[arg(long)]
    pub(crate) refine_positions: bool,
    /// Start from the probe of this file instead of the data's.
    #[arg(long, value_name = "FILE.npz")]
    pub(crate) probe: Option<PathBuf>,
    /// The key of the start probe, in --probe or in the data [default: probeGuess].
    #[arg(long, value_name = "KEY")]
    pub(crate) probe_key: Option<String>,
    /// Start from the object, probe and positions of an earlier reconstruction.
    #[arg(long, value_name = "HUB", conflicts_with_all = ["probe", "probe_key"])]
    pub(crate) start: Option<PathBuf>,
    /// Seed of the order of patterns.
    #[arg(long, default_value_t = 1, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// Threads; the result does not depend on it [default: all cores].
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    pub(crate) threads: Option<usize>,
    /// Say nothing but notes, warnings and errors.
    #[arg(long, short = 'q')]
    pub(crate) quiet: bool,
    /// One JSON object per line on standard error, instead of text.
    #[arg(long, action = ArgAction::SetTrue)]
    pub(crate) json_log: bool,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    #[command(flatten)]
    pub(crate) steps: SettingArgs<Steps>,
}

impl ReconstructArgs {
    /// Whether the log is JSON.
    pub(crate) fn json_log(&self) -> bool {
        self.json_log
    }

    /// What was typed, as a request.
    pub(crate) fn request(&self) -> Request {
        Request {
            reading: self.reading.options(),
            modes: self.modes,
            likelihood: self.likelihood,
            refine_positions: self.refine_positions,
            probe: self.probe.clone(),
            probe_key: self.probe_key.clone(),
            start: self.start.clone(),
            seed: self.seed,
            steps: self.steps.0.clone(),
            ..Request::new(&self.data, self.engine, self.iterations)
        }
    }
}
