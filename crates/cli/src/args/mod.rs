//! What can be typed.

mod compare;
mod flags;
mod reading;
mod reconstruct;
mod score;

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args, Parser, Subcommand};

use super::shell::{CompletionsArgs, ManArgs};
pub(crate) use compare::CompareArgs;
pub(crate) use flags::Flags;
use flags::{SettingArgs, choice};
pub(crate) use reading::ReadingArgs;
pub(crate) use reconstruct::ReconstructArgs;
pub(crate) use score::{AlignArg, Convention, ScoreArgs};

use ptyproof::io::formats::Format;
use ptyproof_harness::pipeline::{NumericsChoice, Phases, Request};
use ptyproof_harness::scenario::Overrides;

/// A numerical verification harness for ptychography.
#[derive(Debug, Parser)]
#[command(name = "ptyproof", version, max_term_width = 100)]
pub struct Cli {
    /// Let a warning fail a command that would end well: exit code 1.
    #[arg(long, global = true)]
    pub(crate) strict: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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
    /// Print what a shell needs to complete commands and options.
    Completions(CompletionsArgs),
    /// Print the manual page, or write the pages of all commands.
    Man(ManArgs),
}

impl Command {
    /// Where a JUnit report is asked for, if it is.
    pub(crate) fn junit(&self) -> Option<&Path> {
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

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Scenario to run; see `ptyproof scenarios`. With --data it may be left out.
    #[arg(long, value_name = "NAME", required_unless_present = "data")]
    pub(crate) scenario: Option<String>,
    /// Where the hub is to be; it must not exist yet.
    #[arg(long, short = 'o', value_name = "DIR")]
    pub(crate) output_dir: PathBuf,
    /// Snapshot of scenarios, instead of the built-in one.
    #[arg(long, value_name = "FILE.json")]
    pub(crate) snapshot: Option<PathBuf>,
    /// Measured or earlier simulated data, instead of a simulation.
    #[arg(long, value_name = "FILE.npz")]
    pub(crate) data: Option<PathBuf>,
    /// A probe of your own (key probeGuess).
    #[arg(long, value_name = "FILE.npz")]
    pub(crate) custom_probe: Option<PathBuf>,
    /// An object of your own to simulate with (npz key objectGuess, or npy).
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    pub(crate) custom_object: Option<PathBuf>,
    /// Give the object a phase made from its amplitude.
    #[arg(long, conflicts_with = "data")]
    pub(crate) object_phase: bool,
    /// Which numerics.
    #[arg(long, value_parser = choice::<NumericsChoice>(), default_value = "guarded")]
    pub(crate) numerics: NumericsChoice,
    /// Global phases of the inferred objects: each its own, or synchronized where they overlap [default: own].
    #[arg(long, alias = "phases", value_parser = choice::<Phases>())]
    pub(crate) phase_sync: Option<Phases>,
    /// Seed of weights, shuffling and photon noise.
    #[arg(long, default_value_t = 1, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// Go on from a checkpoint: a .safetensors file, a hub, or an interrupted .partial hub. With the --nepochs it was planned for, the end
    /// is that of a run never stopped; a guarded training with more follows the longer plan's learning rate from there.
    #[arg(long, value_name = "PATH")]
    pub(crate) resume: Option<PathBuf>,
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
    pub(crate) overrides: SettingArgs<Overrides>,
}

impl RunArgs {
    /// What was typed, as a request.
    pub(crate) fn request(&self) -> Request {
        Request {
            scenario: self.scenario.clone(),
            snapshot: self.snapshot.clone(),
            data: self.data.clone(),
            reading: self.reading.options(),
            custom_probe: self.custom_probe.clone(),
            custom_object: self.custom_object.clone(),
            object_phase: self.object_phase,
            numerics: self.numerics,
            phase_sync: self.phase_sync.unwrap_or_default(),
            seed: self.seed,
            resume: self.resume.clone(),
            overrides: self.overrides.0.clone(),
            ..Request::default()
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ScenariosArgs {
    /// Snapshot of scenarios, instead of the built-in one.
    #[arg(long, value_name = "FILE.json")]
    pub(crate) snapshot: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CanvasCheckArgs {
    /// Scenario to report on; its profile does not apply, as in the reference's report.
    #[arg(long, value_name = "NAME", required_unless_present = "data")]
    pub(crate) scenario: Option<String>,
    /// Snapshot of scenarios, instead of the built-in one.
    #[arg(long, value_name = "FILE.json")]
    pub(crate) snapshot: Option<PathBuf>,
    /// Positions from a data file, instead of the scenario's scan.
    #[arg(long, value_name = "FILE.npz")]
    pub(crate) data: Option<PathBuf>,
    /// Write the report as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) output_json: Option<PathBuf>,
    /// Write the report as Markdown.
    #[arg(long, value_name = "FILE")]
    pub(crate) output_markdown: Option<PathBuf>,
    /// Write a case per subset as JUnit.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// The canvas as it was before it grew with the scan (a margin of 10 pixels).
    #[arg(long)]
    pub(crate) legacy_canvas: bool,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    #[command(flatten)]
    pub(crate) overrides: SettingArgs<Overrides>,
}

#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// Histories: history.json or history_steps.json of this program or the reference's, Keras' History
    /// as JSON, Lightning's metrics.csv.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Write the summary as JSON (of several files: by path, under `files`).
    #[arg(long, value_name = "FILE")]
    pub(crate) output_json: Option<PathBuf>,
    /// Write the page as Markdown.
    #[arg(long, value_name = "FILE")]
    pub(crate) output_markdown: Option<PathBuf>,
    /// Write a case per metric as JUnit.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

/// What to do again.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The hub of a run in which something was not finite.
    #[arg(value_name = "HUB")]
    pub(crate) hub: PathBuf,
    /// Repeat the training instead, from the checkpoint before the event up to its step, and compare
    /// with the hub to the bit.
    #[arg(long)]
    pub(crate) step: bool,
    /// Threads of that [default: all cores]; the bits are the same for any number.
    #[arg(long, value_name = "COUNT", requires = "step")]
    pub(crate) threads: Option<usize>,
}

/// What to do with hubs.
#[derive(Debug, Subcommand)]
pub(crate) enum HubCommand {
    /// Check that a hub has everything, unchanged, readable, and in agreement with itself.
    Verify(VerifyArgs),
    /// Compare two hubs: where they first part, by how much, and whether that is allowed.
    Diff(DiffArgs),
    /// Make a hub the golden one, with the reason, the old figures and the differences.
    Bless(BlessArgs),
}

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The hub, this program's or the reference's.
    #[arg(value_name = "HUB")]
    pub(crate) hub: PathBuf,
    /// Write what was found as JSON.
    #[arg(long = "output-json", alias = "json", value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write it as JUnit.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

/// What to compare.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// A hub, this program's or the reference's.
    #[arg(value_name = "A")]
    pub(crate) a: PathBuf,
    /// Another.
    #[arg(value_name = "B")]
    pub(crate) b: PathBuf,
    /// What is allowed to differ [default: two runs of this program].
    #[arg(long, value_name = "FILE")]
    pub(crate) tolerances: Option<PathBuf>,
    /// Write the comparison as JSON.
    #[arg(long = "output-json", alias = "json", value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write it as JUnit.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write it as Markdown.
    #[arg(long = "output-markdown", alias = "markdown", value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Take numbers that are not finite for what is wanted, where the first hub has the same.
    #[arg(long)]
    pub(crate) nan_as_golden: bool,
    /// Write tolerances under which these two, both known to be good, agree with room to spare.
    #[arg(long, value_name = "FILE")]
    pub(crate) write_tolerances: Option<PathBuf>,
}

/// What to bless.
#[derive(Debug, Args)]
pub(crate) struct BlessArgs {
    /// The hub.
    #[arg(value_name = "HUB")]
    pub(crate) hub: PathBuf,
    /// Why the golden changes.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Bless a hub although something in it is not finite.
    #[arg(long)]
    pub(crate) nan_as_golden: bool,
    /// Where golden hubs lie.
    #[arg(long, value_name = "DIR", default_value = "golden")]
    pub(crate) golden: PathBuf,
}

/// What to convert.
#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// The file to read: PtychoPINN or tike NPZ, ptychodus product (HDF5 or NPZ), CXI.
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// The file to write; .npz is PtychoPINN's (a product with `product` in its name), .h5 a product, .cxi CXI.
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Format to write: ptychopinn, product, product-npz or cxi [default: by the ending].
    #[arg(long, value_name = "FORMAT")]
    pub(crate) to: Option<Format>,
    /// Leave the arrays of an .npz uncompressed: larger, faster, and parts can be read.
    #[arg(long)]
    pub(crate) store: bool,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

/// What to inspect.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A data file of any format.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Write what was found as JSON.
    #[arg(long = "output-json", alias = "json", value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Draw mean pattern, probe and scan positions.
    #[arg(long, value_name = "FILE.png")]
    pub(crate) picture: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

/// What to examine.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Patterns and positions: NPZ (PtychoPINN's, tike's) or CXI.
    #[arg(value_name = "DATA")]
    pub(crate) data: PathBuf,
    /// Write what was found as JSON.
    #[arg(long = "output-json", alias = "json", value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write a case per finding as JUnit.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Draw the hypotheses, and what the best one reconstructs.
    #[arg(long, value_name = "FILE.png")]
    pub(crate) picture: Option<PathBuf>,
    /// Threads; the result does not depend on it [default: all cores].
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    pub(crate) threads: Option<usize>,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

/// What to balance.
#[derive(Debug, Args)]
pub(crate) struct ScaleAuditArgs {
    /// A hub, this program's or the reference's, or a data file.
    #[arg(value_name = "HUB|DATA")]
    pub(crate) path: PathBuf,
    /// Write the audit as JSON.
    #[arg(long = "output-json", alias = "json", value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write it as Markdown.
    #[arg(long = "output-markdown", alias = "markdown", value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}
