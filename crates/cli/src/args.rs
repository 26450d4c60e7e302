//! What can be typed.

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use super::compare::CompareArgs;
use super::exit::TABLE;
use super::overrides::OverrideArgs;
use super::reconstruct::ReconstructArgs;
use super::score::ScoreArgs;
use ptyproof::error::{Error, Result};
use ptyproof::io::formats::{Format, ReadOptions};
use ptyproof::io::open_file::Unit;
use ptyproof_harness::pipeline::{NumericsChoice, Phases};

/// A numerical verification harness for ptychography.
#[derive(Debug, Parser)]
#[command(
    name = "ptyproof",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
#[command(after_help = TABLE)]
pub struct Cli {
    /// Let a warning fail a command that would end well: exit code 1.
    #[arg(long, global = true)]
    pub(super) strict: bool,
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Simulate (or read) diffraction, train, infer, reassemble, and leave a hub.
    Run(Box<RunArgs>),
    /// Reconstruct object and probe from patterns by an iterative engine, and leave a hub.
    Reconstruct(Box<ReconstructArgs>),
    /// List the scenarios and the counts each derives.
    Scenarios(ScenariosArgs),
    /// Report whether the canvas of reassembly holds every scan position.
    #[command(alias = "limits")]
    CanvasCheck(Box<CanvasCheckArgs>),
    /// Read training histories, whoever wrote them, and say when they went wrong.
    History(HistoryArgs),
    /// Do the operation that first failed in a run again: which arithmetic would have survived it.
    Replay(ReplayArgs),
    /// Say whether a hub is whole, whether two agree, and which is golden.
    #[command(subcommand)]
    Hub(HubCommand),
    /// Audit every scale factor from photons to the reconstruction: which is never undone, which is applied twice.
    #[command(alias = "chain")]
    ScaleAudit(ScaleAuditArgs),
    /// Write a data file in another format: PtychoPINN NPZ, ptychodus product, CXI.
    Convert(ConvertArgs),
    /// Say what is in a data file, of whichever format, and what looks odd.
    Inspect(InspectArgs),
    /// Train the network, run an engine on the same data, and write one page about both.
    Compare(Box<CompareArgs>),
    /// Say how good a reconstruction is: against a truth, another one, and on the detector.
    Score(Box<ScoreArgs>),
    /// Try all readings of a data file on its patterns: what they support, contradict, cannot decide.
    Doctor(DoctorArgs),
}

impl Command {
    /// Where a JUnit report is asked for, if it is.
    pub(super) fn junit(&self) -> Option<&Path> {
        match self {
            Self::CanvasCheck(args) => args.junit.as_deref(),
            Self::History(args) => args.junit.as_deref(),
            Self::Score(args) => args.junit(),
            Self::Doctor(args) => args.junit.as_deref(),
            Self::Hub(HubCommand::Verify(args)) => args.junit.as_deref(),
            Self::Hub(HubCommand::Diff(args)) => args.junit.as_deref(),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NumericsArg {
    /// Finite loss and gradient for every finite input.
    Guarded,
    /// Exactly what the reference program did in January 2026.
    Reference,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PhasesArg {
    /// The gauge of the numerics, each object for itself.
    Own,
    /// Turned until overlapping objects agree; they are all in memory then.
    Overlaps,
}

impl From<PhasesArg> for Phases {
    fn from(p: PhasesArg) -> Self {
        match p {
            PhasesArg::Own => Self::Own,
            PhasesArg::Overlaps => Self::Overlaps,
        }
    }
}

impl From<NumericsArg> for NumericsChoice {
    fn from(n: NumericsArg) -> Self {
        match n {
            NumericsArg::Guarded => Self::Guarded,
            NumericsArg::Reference => Self::Reference,
        }
    }
}

#[derive(Debug, Args, Serialize, Deserialize)]
pub(super) struct RunArgs {
    /// Scenario to run; see `ptyproof scenarios`. With --data it may be left out.
    #[arg(long, value_name = "NAME", required_unless_present = "data")]
    pub(super) scenario: Option<String>,
    /// Where the hub is to be; it must not exist yet.
    #[arg(long, short = 'o', value_name = "DIR")]
    pub(super) output_dir: PathBuf,
    /// Snapshot of scenarios, instead of the built-in one.
    #[arg(long, value_name = "FILE.json")]
    pub(super) snapshot: Option<PathBuf>,
    /// Measured or earlier simulated data, instead of a simulation.
    #[arg(long, value_name = "FILE.npz")]
    pub(super) data: Option<PathBuf>,
    /// A probe of your own (key probeGuess).
    #[arg(long, value_name = "FILE.npz")]
    pub(super) custom_probe: Option<PathBuf>,
    /// An object of your own to simulate with (npz key objectGuess, or npy).
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    pub(super) custom_object: Option<PathBuf>,
    /// Give the object a phase made from its amplitude.
    #[arg(long, conflicts_with = "data")]
    pub(super) object_phase: bool,
    /// Which numerics.
    #[arg(long, value_enum, default_value_t = NumericsArg::Guarded)]
    pub(super) numerics: NumericsArg,
    /// Global phases of the inferred objects: each its own, or synchronized where they overlap [default: own].
    #[arg(long = "phase-sync", alias = "phases", value_enum)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) phases: Option<PhasesArg>,
    /// Seed of weights, shuffling and photon noise.
    #[arg(long, default_value_t = 1, allow_negative_numbers = true)]
    pub(super) seed: u64,
    /// Go on from a checkpoint: a .safetensors file, a hub, or an interrupted .partial hub. With the --nepochs it was planned for, the end
    /// is that of a run never stopped; a guarded training with more follows the longer plan's learning rate from there.
    #[arg(long, value_name = "PATH")]
    pub(super) resume: Option<PathBuf>,
    /// Threads; the result does not depend on it [default: all cores].
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    pub(super) threads: Option<usize>,
    /// Upper end of the amplitude picture's colours.
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    pub(super) amp_vmax: Option<f64>,
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
    pub(super) overrides: OverrideArgs,
}

#[derive(Debug, Args)]
pub(super) struct ScenariosArgs {
    /// Snapshot of scenarios, instead of the built-in one.
    #[arg(long, value_name = "FILE.json")]
    pub(super) snapshot: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct CanvasCheckArgs {
    /// Scenario to report on; its profile does not apply, as in the reference's report.
    #[arg(long, value_name = "NAME", required_unless_present = "data")]
    pub(super) scenario: Option<String>,
    /// Snapshot of scenarios, instead of the built-in one.
    #[arg(long, value_name = "FILE.json")]
    pub(super) snapshot: Option<PathBuf>,
    /// Positions from a data file, instead of the scenario's scan.
    #[arg(long, value_name = "FILE.npz")]
    pub(super) data: Option<PathBuf>,
    /// Write the report as JSON.
    #[arg(long, value_name = "FILE")]
    pub(super) output_json: Option<PathBuf>,
    /// Write the report as Markdown.
    #[arg(long, value_name = "FILE")]
    pub(super) output_markdown: Option<PathBuf>,
    /// Write a case per subset as JUnit.
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// The canvas as it was before it grew with the scan (a margin of 10 pixels).
    #[arg(long)]
    pub(super) legacy_canvas: bool,
    #[command(flatten)]
    pub(super) reading: ReadingArgs,
    #[command(flatten)]
    pub(super) overrides: OverrideArgs,
}

#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// Histories: history.json or history_steps.json of this program or the reference's, Keras' History
    /// as JSON, Lightning's metrics.csv.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Write the summary as JSON (of several files: by path, under `files`).
    #[arg(long, value_name = "FILE")]
    pub(super) output_json: Option<PathBuf>,
    /// Write the page as Markdown.
    #[arg(long, value_name = "FILE")]
    pub(super) output_markdown: Option<PathBuf>,
    /// Write a case per metric as JUnit.
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
}

/// What to do again.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The hub of a run in which something was not finite.
    #[arg(value_name = "HUB")]
    pub(super) hub: PathBuf,
    /// Repeat the training instead, from the checkpoint before the event up to its step, and compare
    /// with the hub to the bit.
    #[arg(long)]
    pub(super) step: bool,
    /// Threads of that [default: all cores]; the bits are the same for any number.
    #[arg(long, value_name = "COUNT", requires = "step")]
    pub(super) threads: Option<usize>,
}

/// What to do with hubs.
#[derive(Debug, Subcommand)]
pub(super) enum HubCommand {
    /// Check that a hub has everything, unchanged, readable, and in agreement with itself.
    Verify(VerifyArgs),
    /// Compare two hubs: where they first part, by how much, and whether that is allowed.
    Diff(DiffArgs),
    /// Make a hub the golden one, with the reason, the old figures and the differences.
    Bless(BlessArgs),
}

/// What to check.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The hub, this program's or the reference's.
    #[arg(value_name = "HUB")]
    pub(super) hub: PathBuf,
    /// Write what was found as JSON.
    #[arg(long = "output-json", alias = "json", value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Write it as JUnit.
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
}

/// What to compare.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// A hub, this program's or the reference's.
    #[arg(value_name = "A")]
    pub(super) a: PathBuf,
    /// Another.
    #[arg(value_name = "B")]
    pub(super) b: PathBuf,
    /// What is allowed to differ [default: two runs of this program].
    #[arg(long, value_name = "FILE")]
    pub(super) tolerances: Option<PathBuf>,
    /// Write the comparison as JSON.
    #[arg(long = "output-json", alias = "json", value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Write it as JUnit.
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// Write it as Markdown.
    #[arg(long = "output-markdown", alias = "markdown", value_name = "FILE")]
    pub(super) markdown: Option<PathBuf>,
    /// Take numbers that are not finite for what is wanted, where the first hub has the same.
    #[arg(long)]
    pub(super) nan_as_golden: bool,
    /// Write tolerances under which these two, both known to be good, agree with room to spare.
    #[arg(long, value_name = "FILE")]
    pub(super) write_tolerances: Option<PathBuf>,
}

/// What to bless.
#[derive(Debug, Args)]
pub(super) struct BlessArgs {
    /// The hub.
    #[arg(value_name = "HUB")]
    pub(super) hub: PathBuf,
    /// Why the golden changes.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
    /// Bless a hub although something in it is not finite.
    #[arg(long)]
    pub(super) nan_as_golden: bool,
    /// Where golden hubs lie.
    #[arg(long, value_name = "DIR", default_value = "golden")]
    pub(super) golden: PathBuf,
}

/// What the person knows better than the file.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Where the file does not say it")]
pub(super) struct ReadingArgs {
    /// What the patterns are: counts or amplitude.
    #[arg(long, value_name = "UNIT")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<UnitArg>,
    /// Side of an object pixel, in metres.
    #[arg(long, value_name = "METRES", allow_negative_numbers = true)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pixel_size: Option<f64>,
    /// Energy of a photon, in electronvolt.
    #[arg(long, value_name = "EV", allow_negative_numbers = true)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    energy: Option<f64>,
    /// From the object to the detector, in metres.
    #[arg(long, value_name = "METRES", allow_negative_numbers = true)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    distance: Option<f64>,
    /// Translations of a CXI file are the probe's, not the sample's.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) probe_moves: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum UnitArg {
    /// Photons per pixel.
    Counts,
    /// Their square root.
    Amplitude,
}

impl ReadingArgs {
    /// What was told, as part of what decides a result; nothing if nothing was.
    pub(super) fn words(&self) -> Option<String> {
        let text = serde_json::to_string(self).unwrap_or_default();
        (text != "{}").then_some(text)
    }

    /// Refuses what was told of a file, if there is none.
    pub(super) fn needs_file(&self, is_there: bool) -> Result<()> {
        match self.words() {
            Some(words) if !is_there => Err(Error::usage("settling a run")
                .got(format!("{words} without --data"))
                .need("a file that this is told of")),
            _ => Ok(()),
        }
    }

    /// The same for the readers.
    pub(super) fn told(&self) -> Result<ReadOptions> {
        for (flag, value) in [
            ("--pixel-size", self.pixel_size),
            ("--energy", self.energy),
            ("--distance", self.distance),
        ] {
            if let Some(v) = value.filter(|v| !(v.is_finite() && *v > 0.0)) {
                return Err(Error::usage("reading the command line")
                    .at(flag)
                    .got(v)
                    .need("a finite number above zero"));
            }
        }
        Ok(ReadOptions {
            unit: self.unit.map(|u| match u {
                UnitArg::Counts => Unit::Counts,
                UnitArg::Amplitude => Unit::Amplitude,
            }),
            pixel_m: self.pixel_size,
            photon_energy_ev: self.energy,
            distance_m: self.distance,
            probe_moves: self.probe_moves,
        })
    }
}

/// What to convert.
#[derive(Debug, Args)]
pub(super) struct ConvertArgs {
    /// The file to read: PtychoPINN or tike NPZ, ptychodus product (HDF5 or NPZ), CXI.
    #[arg(value_name = "IN")]
    pub(super) input: PathBuf,
    /// The file to write; .npz is PtychoPINN's (a product with `product` in its name), .h5 a product, .cxi CXI.
    #[arg(value_name = "OUT")]
    pub(super) output: PathBuf,
    /// Format to write: ptychopinn, product, product-npz or cxi [default: by the ending].
    #[arg(long, value_name = "FORMAT")]
    pub(super) to: Option<Format>,
    /// Leave the arrays of an .npz uncompressed: larger, faster, and parts can be read.
    #[arg(long)]
    pub(super) store: bool,
    #[command(flatten)]
    pub(super) reading: ReadingArgs,
}

/// What to inspect.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// A data file of any format.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Write what was found as JSON.
    #[arg(long = "output-json", alias = "json", value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Draw mean pattern, probe and scan positions.
    #[arg(long, value_name = "FILE.png")]
    pub(super) picture: Option<PathBuf>,
    #[command(flatten)]
    pub(super) reading: ReadingArgs,
}

/// What to examine.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Patterns and positions: NPZ (PtychoPINN's, tike's) or CXI.
    #[arg(value_name = "DATA")]
    pub(super) data: PathBuf,
    /// Write what was found as JSON.
    #[arg(long = "output-json", alias = "json", value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Write a case per finding as JUnit.
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// Draw the hypotheses, and what the best one reconstructs.
    #[arg(long, value_name = "FILE.png")]
    pub(super) picture: Option<PathBuf>,
    /// Threads; the result does not depend on it [default: all cores].
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    pub(super) threads: Option<usize>,
    #[command(flatten)]
    pub(super) reading: ReadingArgs,
}

/// What to balance.
#[derive(Debug, Args)]
pub(super) struct ScaleAuditArgs {
    /// A hub, this program's or the reference's, or a data file.
    #[arg(value_name = "HUB|DATA")]
    pub(super) path: PathBuf,
    /// Write the audit as JSON.
    #[arg(long = "output-json", alias = "json", value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Write it as Markdown.
    #[arg(long = "output-markdown", alias = "markdown", value_name = "FILE")]
    pub(super) markdown: Option<PathBuf>,
}
