//! `ptyproof compare`: the network and an engine on the same data, and one page about both.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Axis};
use num_complex::Complex32;

use super::args::CompareArgs;
use super::exit::Exit;
use super::run::Output;
use super::session::{Voice, cores};
use super::{reconstruct, run};
use ptyproof::error::{Error, Kind, Result};
use ptyproof::file::write_atomic;
use ptyproof::hub::reconstruction;
use ptyproof::io::formats::ReadOptions;
use ptyproof::io::npz::{Values, named_arrays, write_dataset};
use ptyproof::json;
use ptyproof::par::Pool;
use ptyproof::score::network_vs_engine::ProbeOf;
use ptyproof_harness::pipeline::compare::{CompareRequest, NetworkProbe, Plan};
use ptyproof_harness::pipeline::score::Reconstruction;
use ptyproof_harness::pipeline::score::network_vs_engine::{Outcome, Pair, versus};
use ptyproof_harness::pipeline::{self, simulated};
use ptyproof_harness::report::network_vs_engine::{Images, page, pictures, terminal};

const ACTION: &str = "comparing network and engine";
/// The page, beside both hubs.
const PAGE: &str = "comparison.html";
/// The probe that the engine refined, as the network gets it.
const PROBE: &str = "probe.npz";
/// The hub of a second run of the engine with a single mode, where the first had several: the network knows one.
const ALONE: &str = "engine_of_one_mode";
/// Its figures.
const FIGURES: &str = "comparison.json";

pub(super) fn run(args: &CompareArgs) -> Result<Exit> {
    let out = &args.output_dir;
    if out.exists() {
        return Err(Error::usage(ACTION)
            .at(out.display())
            .got("something that is there already")
            .need("a directory that does not exist yet"));
    }
    args.known.at_least()?;
    let request = args.request();
    let plan = request.plan()?;
    pipeline::check(&plan.job)?;
    let pool = Pool::new(args.threads.map_or_else(cores, Ok)?)?;
    pipeline::lay_out(&plan.job, &pool)?;
    let data = match &args.data {
        Some(path) => path.clone(),
        None => out.join(format!("{}.npz", plan.job.scenario.name)),
    };
    request.engine(&data, args.modes).settings()?;
    fs::create_dir_all(out).map_err(|e| Error::output(ACTION).at(out.display()).because(e))?;
    let work = Work {
        args,
        request,
        plan,
        data,
        pool,
    };
    work.done().map_err(|e| {
        // nothing was done if nothing is in it, and the same command may be repeated
        let empty = fs::remove_dir(out).is_ok();
        if e.kind() == Kind::Interrupted {
            e.help(format!(
                "a comparison starts anew: run it again with another `output_dir`; what was done so far is in {}",
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
    request: CompareRequest,
    plan: Plan,
    data: PathBuf,
    pool: Pool,
}

impl Work<'_> {
    /// The engine, the network, the page.
    fn done(mut self) -> Result<Exit> {
        let out = &self.args.output_dir;
        if self.args.data.is_none() {
            write_dataset(&self.data, &simulated(&self.plan.job, &self.pool)?)?;
        }
        let engine_hub = out.join("engine");
        let mut exits = vec![self.engine(&engine_hub, self.args.modes)?];
        let mut notes = Vec::new();
        let mut network_probe = self.request.probe_of_file();
        if self.plan.network_probe == NetworkProbe::Engine {
            let (probe, of) = self.refined(&engine_hub, &mut exits)?;
            if probe.iter().all(|z| z.is_finite()) {
                network_probe = of;
                let path = out.join(PROBE);
                let probe = Values::Complex(probe.into_dyn());
                write_atomic(&path, &named_arrays(&[("probeGuess", probe)])?)?;
                self.plan.give_probe(path)?;
            } else {
                let note = "the engine's probe is not finite, and the network has that of the data";
                notes.push(note.to_owned());
            }
        }
        let network_hub = out.join("network");
        exits.push(run::into_hub(
            &self.plan.network,
            self.output(&network_hub),
        )?);
        let worst = exits.into_iter().fold(Exit::Success, Exit::graver);
        let read = |path: &Path| Reconstruction::read(path, &ReadOptions::default());
        let found = versus(
            Pair {
                of: self.plan.job.scenario.name.clone(),
                network: read(&network_hub)?,
                engine: read(&engine_hub)?,
                network_probe,
                run: self.plan.job,
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

    fn output<'a>(&self, dir: &'a Path) -> Output<'a> {
        Output {
            dir,
            threads: self.args.threads,
            voice: Voice {
                quiet: self.args.quiet,
                json: false,
            },
        }
    }

    fn engine(&self, hub: &Path, modes: Option<usize>) -> Result<Exit> {
        let request = self.request.engine(&self.data, modes);
        reconstruct::into_hub(&request, self.output(hub))
    }

    /// The probe that the engine refined, of a single mode: the strongest of several explains less than the best single one.
    fn refined(&self, hub: &Path, exits: &mut Vec<Exit>) -> Result<(Array2<Complex32>, ProbeOf)> {
        let mut probe = reconstruction::probe(hub)?;
        let mut of = ProbeOf::Engine;
        if probe.len_of(Axis(0)) > 1 {
            let alone = self.args.output_dir.join(ALONE);
            exits.push(self.engine(&alone, Some(1))?);
            probe = reconstruction::probe(&alone)?;
            of = ProbeOf::EngineOfOneMode;
        }
        Ok((probe.index_axis_move(Axis(0), 0), of))
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
