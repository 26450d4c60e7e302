//! What can be typed after `reconstruct`.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::args::ReadingArgs;
use ptyproof::error::{Error, Result};
use ptyproof::solve::{Likelihood, Method, Settings};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EngineArg {
    /// Extended ptychographical iterative engine: one pattern after the other.
    Epie,
    /// The same, regularised by the local intensity.
    Rpie,
    /// Difference map.
    Dm,
    /// Relaxed averaged alternating reflections.
    Raar,
    /// Batches, each pattern's best step by least squares.
    Lsqml,
}

impl From<EngineArg> for Method {
    fn from(e: EngineArg) -> Self {
        match e {
            EngineArg::Epie => Self::Epie,
            EngineArg::Rpie => Self::Rpie,
            EngineArg::Dm => Self::Dm,
            EngineArg::Raar => Self::Raar,
            EngineArg::Lsqml => Self::Lsqml,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LikelihoodArg {
    /// Squared differences of amplitudes.
    Amplitude,
    /// Photon noise: epie, rpie and lsqml.
    Poisson,
}

#[derive(Debug, Args, Serialize, Deserialize)]
pub(crate) struct ReconstructArgs {
    /// Patterns and positions: NPZ (PtychoPINN's, tike's) or CXI; see `ptyproof inspect`.
    #[arg(value_name = "DATA")]
    pub(super) data: PathBuf,
    /// Which engine.
    #[arg(long, value_enum)]
    pub(super) engine: EngineArg,
    /// Passes over all patterns.
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 100,
        allow_negative_numbers = true
    )]
    pub(super) iterations: usize,
    /// Where the hub is to be; it must not exist yet.
    #[arg(long, short = 'o', value_name = "DIR")]
    pub(crate) output_dir: PathBuf,
    /// Incoherent modes of the probe [default: those of the data's probe, or of --start].
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    pub(super) modes: Option<usize>,
    /// What is minimised on the detector.
    #[arg(long, value_enum, default_value_t = LikelihoodArg::Amplitude)]
    pub(super) likelihood: LikelihoodArg,
    /// Let the positions move: epie, rpie and lsqml.
    #[arg(long)]
    pub(super) refine_positions: bool,
    /// Start from the probe of this file instead of the data's.
    #[arg(long, value_name = "FILE.npz")]
    pub(super) probe: Option<PathBuf>,
    /// The key of the start probe, in --probe or in the data [default: probeGuess].
    #[arg(long, value_name = "KEY")]
    pub(super) probe_key: Option<String>,
    /// Start from the object, probe and positions of an earlier reconstruction.
    #[arg(long, value_name = "HUB", conflicts_with_all = ["probe", "probe_key"])]
    pub(super) start: Option<PathBuf>,
    /// Seed of the order of patterns.
    #[arg(long, default_value_t = 1, allow_negative_numbers = true)]
    pub(super) seed: u64,
    /// Threads; the result does not depend on it [default: all cores].
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    pub(super) threads: Option<usize>,
    /// Say nothing but notes, warnings and errors.
    #[arg(long, short = 'q')]
    pub(super) quiet: bool,
    /// One JSON object per line on standard error, instead of text.
    #[arg(long, action = ArgAction::SetTrue)]
    pub(super) json_log: bool,
    #[command(flatten)]
    #[serde(flatten)]
    pub(super) reading: ReadingArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub(super) steps: StepArgs,
}

impl ReconstructArgs {
    /// A command line with nothing but what it needs.
    pub(crate) fn new(
        data: PathBuf,
        output_dir: PathBuf,
        engine: EngineArg,
        iterations: usize,
    ) -> Self {
        Self {
            data,
            engine,
            iterations,
            output_dir,
            modes: None,
            likelihood: LikelihoodArg::Amplitude,
            refine_positions: false,
            probe: None,
            probe_key: None,
            start: None,
            seed: 1,
            threads: None,
            quiet: false,
            json_log: false,
            reading: ReadingArgs::default(),
            steps: StepArgs::default(),
        }
    }

    /// The same with flags that other commands have too.
    pub(crate) fn with(
        self,
        modes: Option<usize>,
        seed: u64,
        threads: Option<usize>,
        quiet: bool,
        reading: ReadingArgs,
    ) -> Self {
        Self {
            modes,
            reading,
            seed,
            threads,
            quiet,
            ..self
        }
    }

    /// Refuses settings that cannot be, before anything is done.
    pub(crate) fn check(&self) -> Result<()> {
        self.steps.check(self.engine)?;
        self.settings().check()
    }

    /// Whether the log is JSON.
    pub(crate) fn json_log(&self) -> bool {
        self.json_log
    }

    /// The engine's settings, with what was typed in place of its defaults.
    pub(super) fn settings(&self) -> Settings {
        let mut s = Settings::new(self.engine.into(), self.iterations);
        s.seed = self.seed;
        s.refine_positions = self.refine_positions;
        s.likelihood = match self.likelihood {
            LikelihoodArg::Amplitude => Likelihood::Amplitude,
            LikelihoodArg::Poisson => Likelihood::Poisson,
        };
        let t = &self.steps;
        for (to, from) in [
            (&mut s.object_step, t.object_step),
            (&mut s.probe_step, t.probe_step),
            (&mut s.regularization, t.regularization),
            (&mut s.relaxation, t.relaxation),
            (&mut s.momentum, t.momentum),
            (&mut s.whole_steps, t.whole_steps),
        ] {
            *to = from.unwrap_or(*to);
        }
        s.batch = t.batch.unwrap_or(s.batch);
        s.probe_from = t.probe_from.unwrap_or(s.probe_from);
        s
    }
}

impl StepArgs {
    /// Refuses what the engine would not look at.
    fn check(&self, engine: EngineArg) -> Result<()> {
        use EngineArg::{Dm, Epie, Lsqml, Raar, Rpie};
        let of: [(&str, bool, &[EngineArg]); 6] = [
            (
                "--object-step",
                self.object_step.is_some(),
                &[Epie, Rpie, Lsqml],
            ),
            (
                "--probe-step",
                self.probe_step.is_some(),
                &[Epie, Rpie, Lsqml],
            ),
            ("--batch", self.batch.is_some(), &[Lsqml]),
            (
                "--regularization",
                self.regularization.is_some(),
                &[Rpie, Lsqml],
            ),
            ("--relaxation", self.relaxation.is_some(), &[Dm, Raar]),
            ("--momentum", self.momentum.is_some(), &[Lsqml]),
        ];
        match of
            .iter()
            .find(|(_, typed, all)| *typed && !all.contains(&engine))
        {
            None => Ok(()),
            Some((flag, _, all)) => {
                let all: Vec<&str> = all.iter().map(|e| Method::from(*e).name()).collect();
                Err(Error::usage("setting up the reconstruction")
                    .at(flag)
                    .got(format!(
                        "--engine {}, which has no such thing",
                        Method::from(engine).name()
                    ))
                    .need(format!("--engine {}", all.join(" or "))))
            }
        }
    }
}

/// Steps, where the engine's own do not do.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Steps (each engine has defaults that suit most data)")]
pub(super) struct StepArgs {
    /// Patterns of a batch: lsqml.
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    batch: Option<usize>,
    /// Step of the object, up to 2; 1 is the method's own: epie, rpie, lsqml.
    #[arg(long, value_name = "STEP", allow_negative_numbers = true)]
    object_step: Option<f64>,
    /// Step of the probe, up to 2: epie, rpie, lsqml.
    #[arg(long, value_name = "STEP", allow_negative_numbers = true)]
    probe_step: Option<f64>,
    /// Share of the largest intensity in the divisor, up to 1: rpie, lsqml.
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    regularization: Option<f64>,
    /// Relaxation of the projections, up to 1: dm, raar.
    #[arg(long, value_name = "BETA", allow_negative_numbers = true)]
    relaxation: Option<f64>,
    /// Share of the last change that is added again: lsqml.
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    momentum: Option<f64>,
    /// The first iteration (from 0) in which the probe changes.
    #[arg(long, value_name = "ITERATION", allow_negative_numbers = true)]
    probe_from: Option<usize>,
    /// Share of the iterations with whole steps; then they fall, and projections alternate.
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    whole_steps: Option<f64>,
}
