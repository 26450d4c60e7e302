//! What can be typed after `compare`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::flags::{SettingArgs, choice};
use super::reading::ReadingArgs;
use super::score::KnownArgs;
use ptyproof::setting::Named as _;
use ptyproof::solve::Method;
use ptyproof_harness::pipeline::compare::{CompareRequest, NetworkProbe};
use ptyproof_harness::pipeline::{NumericsChoice, Phases};
use ptyproof_harness::scenario::Overrides;

/// The choices of --network-probe; `given` is what `file` was called.
fn network_probe() -> impl TypedValueParser<Value = NetworkProbe> {
    let values = NetworkProbe::ALL.iter().map(|v| {
        let value = PossibleValue::new(v.name()).help(v.doc());
        match v {
            NetworkProbe::Engine => value,
            NetworkProbe::File => value.alias("given"),
        }
    });
    PossibleValuesParser::new(values).map(|text| match text.as_str() {
        "engine" => NetworkProbe::Engine,
        _ => NetworkProbe::File,
    })
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Measured or earlier simulated data.
    #[arg(long, value_name = "FILE", required_unless_present = "scenario")]
    pub(crate) data: Option<PathBuf>,
    /// Scenario to simulate; with --data, the settings of the network.
    #[arg(long, value_name = "NAME")]
    pub(crate) scenario: Option<String>,
    /// Where the page and both hubs are to be; it must not exist yet.
    #[arg(long, short = 'o', value_name = "DIR")]
    pub(crate) output_dir: PathBuf,
    /// Which engine.
    #[arg(long, value_parser = choice::<Method>(), default_value = "rpie")]
    pub(crate) engine: Method,
    /// Iterations of the engine.
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 100,
        allow_negative_numbers = true
    )]
    pub(crate) iterations: usize,
    /// Incoherent modes of the engine's probe.
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    pub(crate) modes: Option<usize>,
    /// The network's probe: a guess will do for an engine, which refines it; a network needs it right
    /// [default: engine with --data; file with a simulation, which knows it, with --probe-mode, and with --custom-probe].
    #[arg(long, value_parser = network_probe())]
    pub(crate) network_probe: Option<NetworkProbe>,
    /// The probe, key `probeGuess`, as with `run`: of the simulation, or the network's with --data.
    #[arg(long, value_name = "FILE.npz")]
    pub(crate) custom_probe: Option<PathBuf>,
    /// Which numerics of the network. By default it trains for 40 epochs on as many groups as there are patterns,
    /// and infers as many; with --data in batches of 4; with --data and no --scenario in groups of four (--gridsize 2) where there
    /// are enough, of which the central three eighths are stitched (--reassemble-m). With --split halves (or a --split-fraction)
    /// it trains on one part and infers the other.
    #[arg(long, value_parser = choice::<NumericsChoice>(), default_value = "guarded")]
    pub(crate) numerics: NumericsChoice,
    /// Global phases of the objects that the network infers: each its own, or synchronized where they overlap
    /// [default: overlaps; own with --numerics reference].
    #[arg(long, alias = "phases", value_parser = choice::<Phases>())]
    pub(crate) phase_sync: Option<Phases>,
    #[command(flatten)]
    pub(crate) known: KnownArgs,
    /// Seed of both.
    #[arg(long, default_value_t = 1, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// Threads; the result does not depend on it [default: all cores].
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    pub(crate) threads: Option<usize>,
    /// Say nothing but the figures, notes, warnings and errors.
    #[arg(long, short = 'q')]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    #[command(flatten)]
    pub(crate) overrides: SettingArgs<Overrides>,
}

impl CompareArgs {
    pub(crate) fn request(&self) -> CompareRequest {
        CompareRequest {
            data: self.data.clone(),
            scenario: self.scenario.clone(),
            reading: self.reading.options(),
            engine: self.engine,
            iterations: self.iterations,
            modes: self.modes,
            network_probe: self.network_probe,
            custom_probe: self.custom_probe.clone(),
            numerics: self.numerics,
            phase_sync: self.phase_sync,
            seed: self.seed,
            overrides: self.overrides.0.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ptyproof_harness::pipeline::compare::{BATCH, EPOCHS, GRIDSIZE, STITCHED};

    #[test]
    fn help_states_the_defaults() {
        let mut command = CompareArgs::augment_args(clap::Command::new("compare"));
        let help = command.render_long_help().to_string();
        let words: Vec<&str> = help.split_whitespace().collect();
        let help = words.join(" ");
        let (part, whole) = STITCHED;
        assert_eq!(
            (GRIDSIZE, part, whole),
            (2, 3, 8),
            "as the words below have it"
        );
        for told in [
            format!("trains for {EPOCHS} epochs"),
            format!("in batches of {BATCH}"),
            "in groups of four (--gridsize 2)".to_owned(),
            "the central three eighths".to_owned(),
        ] {
            assert!(help.contains(&told), "{told}: {help}");
        }
    }
}
