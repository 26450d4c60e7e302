//! `ptyproof compare`: the network and an engine on the same data, and one page about both.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ndarray::{Array2, Axis};
use num_complex::Complex32;

use super::args::{NumericsArg, PhasesArg, ReadingArgs, RunArgs};
use super::exit::Exit;
use super::overrides::{Defaults, OverrideArgs};
use super::reconstruct::{self, EngineArg, ReconstructArgs};
use super::run;
use super::score::KnownArgs;
use super::session::cores;
use ptyproof::error::{Error, Kind, Result};
use ptyproof::file::write_atomic;
use ptyproof::hub::reconstruction;
use ptyproof::io::formats::ReadOptions;
use ptyproof::io::npz::{Values, named_arrays, write_dataset};
use ptyproof::json;
use ptyproof::par::Pool;
use ptyproof::score::network_vs_engine::ProbeOf;
use ptyproof_harness::pipeline::score::Reconstruction;
use ptyproof_harness::pipeline::score::network_vs_engine::{Outcome, Pair, versus};
use ptyproof_harness::pipeline::{self, Request, simulated};
use ptyproof_harness::report::network_vs_engine::{Images, page, pictures, terminal};

const ACTION: &str = "comparing network and engine";
/// The page, beside both hubs.
const PAGE: &str = "comparison.html";
/// Epochs of the network: at five it has only begun.
const EPOCHS: usize = 40;
/// Groups per step with measured data: many small steps learn more in the same time than few large ones.
const BATCH: usize = 4;
/// Side of a group with data and no scenario: patterns that share an object settle what one alone leaves open.
const GRIDSIZE: usize = 2;
/// Share of a pattern's side that is stitched, with data and no scenario: groups are drawn, so that smaller patches leave holes between them.
const STITCHED: (usize, usize) = (3, 8);
/// The probe that the engine refined, as the network gets it.
const PROBE: &str = "probe.npz";
/// The hub of a second run of the engine with a single mode, where the first had several: the network knows one.
const ALONE: &str = "engine_of_one_mode";
/// Its figures.
const FIGURES: &str = "comparison.json";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProbeArg {
    /// As the engine has refined it; where that has several modes, by a second run with one.
    Engine,
    /// That of the file or the scenario.
    #[value(name = "file", alias = "given")]
    Given,
}

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// Measured or earlier simulated data.
    #[arg(long, value_name = "FILE", required_unless_present = "scenario")]
    data: Option<PathBuf>,
    /// Scenario to simulate; with --data, the settings of the network.
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// Where the page and both hubs are to be; it must not exist yet.
    #[arg(long, short = 'o', value_name = "DIR")]
    output_dir: PathBuf,
    /// Which engine.
    #[arg(long, value_enum, default_value_t = EngineArg::Rpie)]
    engine: EngineArg,
    /// Iterations of the engine.
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 100,
        allow_negative_numbers = true
    )]
    iterations: usize,
    /// Incoherent modes of the engine's probe.
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    modes: Option<usize>,
    /// The network's probe: a guess will do for an engine, which refines it; a network needs it right
    /// [default: engine with --data; file with a simulation, which knows it, with --probe-mode, and with --custom-probe].
    #[arg(long, value_enum)]
    network_probe: Option<ProbeArg>,
    /// The probe, key `probeGuess`, as with `run`: of the simulation, or the network's with --data.
    #[arg(long, value_name = "FILE.npz")]
    custom_probe: Option<PathBuf>,
    /// Which numerics of the network. Unless told otherwise it trains for 40 epochs on as many groups as there are patterns,
    /// and infers as many; with --data in batches of 4; with --data and no --scenario in groups of four (--gridsize 2) where there
    /// are enough, of which the central three eighths are stitched (--reassemble-m). With --split halves (or a --split-fraction)
    /// it trains on one part and infers the other.
    #[arg(long, value_enum, default_value_t = NumericsArg::Guarded)]
    numerics: NumericsArg,
    /// Global phases of the objects that the network infers: each its own, or synchronized where they overlap
    /// [default: overlaps; own with --numerics reference].
    #[arg(long = "phase-sync", alias = "phases", value_enum)]
    phases: Option<PhasesArg>,
    #[command(flatten)]
    known: KnownArgs,
    /// Seed of both.
    #[arg(long, default_value_t = 1, allow_negative_numbers = true)]
    seed: u64,
    /// Threads; the result does not depend on it [default: all cores].
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    threads: Option<usize>,
    /// Say nothing but the figures, notes, warnings and errors.
    #[arg(long, short = 'q')]
    quiet: bool,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    overrides: OverrideArgs,
}

pub(super) fn run(args: &CompareArgs) -> Result<Exit> {
    let out = &args.output_dir;
    if out.exists() {
        return Err(Error::usage(ACTION)
            .at(out.display())
            .got("something that is there already")
            .need("a directory that does not exist yet"));
    }
    let known = known(args)?;
    args.known.at_least()?;
    let mut told = network(args);
    run::refuse_idle(&told)?;
    told.overrides.or_undivided();
    let mut least = network(args);
    least.overrides.or_undivided();
    least.overrides.or_least();
    told.overrides
        .or_else(&instead(args, &run::request(&least)?));
    let request = run::request(&told)?;
    pipeline::check(&request)?;
    let pool = Pool::new(args.threads.map_or_else(cores, Ok)?)?;
    pipeline::lay_out(&request, &pool)?;
    let data = match &args.data {
        Some(path) => path.clone(),
        None => out.join(format!("{}.npz", request.scenario.name)),
    };
    let solver = engine(args, &data, "engine", args.modes);
    solver.check()?;
    fs::create_dir_all(out).map_err(|e| Error::output(ACTION).at(out.display()).because(e))?;
    let work = Work {
        args,
        known,
        told,
        request,
        solver,
        data,
        pool,
    };
    work.done().map_err(|e| {
        // nothing was done if nothing is in it, and the same command may be repeated
        let empty = fs::remove_dir(out).is_ok();
        if e.kind() == Kind::Interrupted {
            e.help(format!(
                "a comparison starts anew: run it again with another --output-dir; what was done so far is in {}",
                out.display()
            ))
        } else if e.advice().is_some() || empty {
            e
        } else {
            e.help(format!("what was done so far is in {}", out.display()))
        }
    })
}

/// What is to be done, once it is known that it can be.
struct Work<'a> {
    args: &'a CompareArgs,
    known: ProbeArg,
    told: RunArgs,
    request: Request,
    solver: ReconstructArgs,
    data: PathBuf,
    pool: Pool,
}

impl Work<'_> {
    /// The engine, the network, the page.
    fn done(mut self) -> Result<Exit> {
        let out = &self.args.output_dir;
        if self.args.data.is_none() {
            write_dataset(&self.data, &simulated(&self.request, &self.pool)?)?;
        }
        let mut exits = vec![reconstruct::run(&self.solver)?];
        let mut notes = Vec::new();
        let mut network_probe = match (&self.args.custom_probe, &self.args.data) {
            (Some(_), Some(_)) => ProbeOf::Custom,
            _ if self.args.data.is_some() && self.args.overrides.has_probe_mode() => {
                ProbeOf::Scenario
            }
            _ => ProbeOf::Given,
        };
        if self.known == ProbeArg::Engine {
            let (probe, of) = self.refined(&mut exits)?;
            if probe.iter().all(|z| z.is_finite()) {
                network_probe = of;
                let path = out.join(PROBE);
                let probe = Values::Complex(probe.into_dyn());
                write_atomic(&path, &named_arrays(&[("probeGuess", probe)])?)?;
                self.told.custom_probe = Some(path);
                self.told.overrides.with_own_probe();
                self.request = run::request(&self.told)?;
            } else {
                let note = "the engine's probe is not finite, and the network has that of the data";
                notes.push(note.to_owned());
            }
        }
        exits.push(run::run(&self.told)?);
        let worst = exits.into_iter().fold(Exit::Success, Exit::graver);
        let read = |path: &Path| Reconstruction::read(path, &ReadOptions::default());
        let found = versus(
            Pair {
                of: self.request.scenario.name.clone(),
                network: read(&self.told.output_dir)?,
                engine: read(&self.solver.output_dir)?,
                network_probe,
                run: self.request,
                known_at_least: self.args.known.at_least()?,
            },
            &self.pool,
        );
        let mut found = match found {
            Ok(found) => found,
            // both hubs are whole, and say when and where
            Err(e) if worst == Exit::NonFinite => {
                for note in notes {
                    warnln!("{note}");
                }
                errln!("no page: {e}");
                errln!(
                    "help: something was not finite; the summaries of both hubs in {} say when",
                    out.display()
                );
                return Ok(worst);
            }
            Err(e) => return Err(e),
        };
        found.versus.notes.splice(..0, notes);
        show(out, &found)?;
        Ok(worst.graver(found.versus.judgment().into()))
    }

    /// The probe that the engine refined, of a single mode: the strongest of several explains less than the best single one.
    fn refined(&self, exits: &mut Vec<Exit>) -> Result<(Array2<Complex32>, ProbeOf)> {
        let mut probe = reconstruction::probe(&self.solver.output_dir)?;
        let mut of = ProbeOf::Engine;
        if probe.len_of(Axis(0)) > 1 {
            let alone = engine(self.args, &self.data, ALONE, Some(1));
            exits.push(reconstruct::run(&alone)?);
            probe = reconstruction::probe(&alone.output_dir)?;
            of = ProbeOf::EngineOfOneMode;
        }
        Ok((probe.index_axis_move(Axis(0), 0), of))
    }
}

/// Whose probe the network gets.
fn known(args: &CompareArgs) -> Result<ProbeArg> {
    let typed = args.overrides.has_probe_mode() || args.custom_probe.is_some();
    let refuse = |got: &str, help: &str| {
        Err(Error::usage(ACTION)
            .at("--network-probe engine")
            .got(got)
            .need("--data, and no --probe-mode or --custom-probe")
            .help(help))
    };
    match (args.network_probe, &args.data) {
        (Some(ProbeArg::Engine), None) => refuse(
            "a simulation, whose probe is known",
            "leave the flag out; or compare --data with the NPZ that a comparison of the scenario leaves",
        ),
        (Some(ProbeArg::Engine), Some(_)) if typed => refuse(
            "a --probe-mode or --custom-probe as well",
            "one of the two decides",
        ),
        (Some(probe), _) => Ok(probe),
        (None, Some(_)) if !typed => Ok(ProbeArg::Engine),
        (None, _) => Ok(ProbeArg::Given),
    }
}

/// Pictures, figures and page.
fn show(out: &Path, found: &Outcome) -> Result<()> {
    let images = Images {
        network: &found.network,
        engine: &found.engine,
        truth: found.truth.as_ref(),
    };
    let drawn = pictures(&found.versus, images)?;
    for p in &drawn {
        write_atomic(&out.join(p.file), &p.png)?;
    }
    write_atomic(&out.join(FIGURES), json::to_text(&found.versus)?.as_bytes())?;
    write_atomic(&out.join(PAGE), page(&found.versus, &drawn).as_bytes())?;
    out!("{}", terminal(&found.versus));
    outln!("{}", out.join(PAGE).display());
    Ok(())
}

/// What makes a fair comparison of a request: every position seen, so that there is an area to compare, and steps enough to
/// have learned.
fn instead(args: &CompareArgs, request: &Request) -> Defaults {
    let s = &request.scenario;
    let all = s.train_count.min(s.test_count);
    let by_itself = args.data.is_some() && args.scenario.is_none();
    // a group's members are its first position and others of its neighbours
    let others = GRIDSIZE * GRIDSIZE - 1;
    let sharing = by_itself && (others..all).contains(&s.neighbor_count);
    Defaults {
        nepochs: EPOCHS,
        batch_size: args.data.is_some().then_some(BATCH),
        group_count: all,
        group_limit: all,
        gridsize: sharing.then_some(GRIDSIZE),
        reassemble_m: by_itself.then_some(s.n.get() * STITCHED.0 / STITCHED.1),
    }
}

fn network(args: &CompareArgs) -> RunArgs {
    RunArgs {
        scenario: args.scenario.clone(),
        output_dir: args.output_dir.join("network"),
        snapshot: None,
        data: args.data.clone(),
        custom_probe: args.custom_probe.clone(),
        custom_object: None,
        object_phase: false,
        numerics: args.numerics,
        phases: args.phases.or(match args.numerics {
            NumericsArg::Guarded => Some(PhasesArg::Overlaps),
            NumericsArg::Reference => None,
        }),
        seed: args.seed,
        resume: None,
        threads: args.threads,
        amp_vmax: None,
        quiet: args.quiet,
        json_log: false,
        reading: args.reading.clone(),
        overrides: args.overrides.clone(),
    }
}

fn engine(args: &CompareArgs, data: &Path, hub: &str, modes: Option<usize>) -> ReconstructArgs {
    ReconstructArgs::new(
        data.to_path_buf(),
        args.output_dir.join(hub),
        args.engine,
        args.iterations,
    )
    .with(
        modes,
        args.seed,
        args.threads,
        args.quiet,
        args.reading.clone(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_says_what_nobody_need_type() {
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
