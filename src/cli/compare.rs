//! `ptyproof compare`: the network and an engine on the same data, and one page about both.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ndarray::Axis;

use super::args::{Instead, NumericsArg, OverrideArgs, ReadingArgs, RunArgs};
use super::exit::Exit;
use super::reconstruct::{self, EngineArg, ReconstructArgs};
use super::run;
use super::session::cores;
use crate::data::formats::Told;
use crate::data::npz::{Values, named_arrays, write_dataset};
use crate::error::{Error, Result};
use crate::ground::file::write_atomic;
use crate::ground::json;
use crate::ground::par::Pool;
use crate::hub::reconstruction;
use crate::pipeline::score::Reconstruction;
use crate::pipeline::score::versus::{Pair, versus};
use crate::pipeline::{Request, simulated};
use crate::report::versus::{Images, page, pictures, terminal};

/// The page, beside both hubs.
const PAGE: &str = "comparison.html";
/// Epochs of the network: at five it has only begun.
const EPOCHS: usize = 20;
/// Groups per step with measured data: many small steps learn more in the same time than few large ones.
const BATCH: usize = 4;
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
    /// [default: engine with --data, given with a scenario, which knows it].
    #[arg(long, value_enum)]
    network_probe: Option<ProbeArg>,
    /// Which numerics of the network; it trains for 20 epochs unless told otherwise, with --data in batches of 4.
    #[arg(long, value_enum, default_value_t = NumericsArg::Guarded)]
    numerics: NumericsArg,
    /// Seed of both.
    #[arg(long, default_value_t = 1, allow_negative_numbers = true)]
    seed: u64,
    /// Threads; the result does not depend on it [default: all cores].
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    threads: Option<usize>,
    /// Say nothing but the figures, warnings and errors.
    #[arg(long, short = 'q')]
    quiet: bool,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    overrides: OverrideArgs,
}

pub(super) fn run(args: &CompareArgs) -> Result<Exit> {
    let out = &args.output_dir;
    let action = "comparing network and engine";
    if out.exists() {
        return Err(Error::input(action)
            .at(out.display())
            .got("something that is there already")
            .need("a directory that does not exist yet"));
    }
    let mut told = network(args);
    let request = run::request(&told)?;
    told.overrides
        .or_else(&instead(&request, args.data.is_some()));
    let mut request = run::request(&told)?;
    let pool = Pool::new(args.threads.map_or_else(cores, Ok)?)?;
    let data = match &args.data {
        Some(path) => path.clone(),
        None => out.join(format!("{}.npz", request.scenario.name)),
    };
    let solver = engine(args, &data);
    solver.check()?;

    fs::create_dir_all(out).map_err(|e| Error::io(action).at(out.display()).because(e))?;
    if args.data.is_none() {
        write_dataset(&data, &simulated(&request, &pool)?)?;
    }
    let solved = reconstruct::run(&solver)?;
    let known = match &args.data {
        Some(_) => ProbeArg::Engine,
        None => ProbeArg::Given,
    };
    if args.network_probe.unwrap_or(known) == ProbeArg::Engine {
        let mut probe = reconstruction::probe(&solver.output_dir)?;
        if probe.len_of(Axis(0)) > 1 {
            // the strongest of several modes explains less than the best single one
            let alone = ReconstructArgs::new(data, out.join(ALONE), args.engine, args.iterations)
                .with(
                    Some(1),
                    args.seed,
                    args.threads,
                    args.quiet,
                    args.reading.clone(),
                );
            reconstruct::run(&alone)?;
            probe = reconstruction::probe(&alone.output_dir)?;
        }
        let probe = Values::Complex(probe.index_axis_move(Axis(0), 0).into_dyn());
        let path = out.join(PROBE);
        write_atomic(&path, &named_arrays(&[("probeGuess", probe)])?)?;
        told.custom_probe = Some(path);
        request = run::request(&told)?;
    }
    let exits = [run::run(&told)?, solved];
    let read = |path: &Path| Reconstruction::read(path, &Told::default());
    let found = versus(
        Pair {
            of: request.scenario.name.clone(),
            network: read(&told.output_dir)?,
            engine: read(&solver.output_dir)?,
            run: request,
        },
        &pool,
    )?;
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
    let worst = exits.into_iter().find(|e| *e != Exit::Success);
    Ok(worst.unwrap_or(Exit::Success))
}

/// What makes a fair comparison of a request: every position seen, so that there is an area to compare, and steps enough to
/// have learned.
fn instead(request: &Request, measured: bool) -> Instead {
    let s = &request.scenario;
    let all = s.train_count.min(s.test_count);
    Instead {
        nepochs: EPOCHS,
        batch_size: measured.then_some(BATCH),
        group_count: (s.group_count < all).then_some(all),
        group_limit: all,
    }
}

fn network(args: &CompareArgs) -> RunArgs {
    RunArgs {
        scenario: args.scenario.clone(),
        output_dir: args.output_dir.join("network"),
        snapshot: None,
        data: args.data.clone(),
        custom_probe: None,
        custom_object: None,
        object_phase: false,
        numerics: args.numerics,
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

fn engine(args: &CompareArgs, data: &Path) -> ReconstructArgs {
    ReconstructArgs::new(
        data.to_path_buf(),
        args.output_dir.join("engine"),
        args.engine,
        args.iterations,
    )
    .with(
        args.modes,
        args.seed,
        args.threads,
        args.quiet,
        args.reading.clone(),
    )
}
