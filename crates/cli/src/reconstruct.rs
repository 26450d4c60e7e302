//! `ptyproof reconstruct`: an iterative engine on a data file, and its hub.

use super::args::ReconstructArgs;
use super::exit::Exit;
use super::progress;
use super::run::Output;
use super::session::{Session, Start, Voice, cores};
use ptyproof::error::Result;
use ptyproof::hub::{Hub, dir};
use ptyproof::judgment::Judgment;
use ptyproof::number::figure;
use ptyproof::par::Pool;
use ptyproof_harness::log::Log;
use ptyproof_harness::machine;
use ptyproof_harness::pipeline::Circumstances;
use ptyproof_harness::pipeline::reconstruct::{
    Context, Outcome, Ready, Request, begun, ended, prepare, run as reconstruct,
};

pub(super) fn run(args: &ReconstructArgs) -> Result<Exit> {
    let output = Output {
        dir: &args.output_dir,
        threads: args.threads,
        voice: Voice {
            quiet: args.quiet,
            json: args.json_log,
        },
    };
    into_hub(&args.request(), output)
}

/// Reconstructs what is requested and leaves a hub.
pub(super) fn into_hub(request: &Request, output: Output<'_>) -> Result<Exit> {
    let start = Start::now();
    request.settings()?;
    let threads = output.threads.map_or_else(cores, Ok)?;
    let pool = Pool::new(threads)?;
    let ready = prepare(request.read()?)?;

    let hub = || Hub::create(output.dir, &start.time);
    let session = Session::new(hub, output.voice, "iteration")?;
    let work = |s: &Session| -> Result<Outcome> {
        describe(&s.log, &ready, threads);
        let clock = || start.elapsed();
        let around = Circumstances {
            output_dir: output.dir,
            started: &start.time,
            elapsed: clock(),
            threads,
        };
        let mut metadata = begun(request, &ready, around)?;
        let mut on_iteration = |k, of, record: &_| progress::show_iteration(&s.bar, k, of, record);
        let mut ctx = Context {
            pool: &pool,
            log: &s.log,
            clock: &clock,
            stop: &s.stop,
            on_iteration: &mut on_iteration,
        };
        let outcome = reconstruct(ready, &s.hub, &mut ctx)?;
        s.bar.finish_and_clear();
        ended(&mut metadata, &outcome, clock());
        s.hub.write_json(dir::METADATA, &metadata)?;
        Ok(outcome)
    };
    session.work(&start, work, |log, outcome| {
        tell(log, outcome);
        outcome.judgment().into()
    })
}

/// Tells what the files were taken to mean.
fn describe(log: &Log, ready: &Ready, threads: usize) {
    for note in &ready.notes {
        log.note(format!("data: {note}"));
    }
    let (p, f) = (&ready.problem, ready.problem.frame);
    let masked = p.good.iter().filter(|g| !**g).count();
    if masked > 0 {
        log.note(format!(
            "{masked} of {} detector pixels are masked, and are left out",
            p.good.len()
        ));
    }
    log.info(format!(
        "data: {} patterns of {} x {}; canvas {} x {}, from row {} and column {} of the object",
        p.len(),
        p.n,
        p.n,
        f.rows,
        f.cols,
        f.top,
        f.left
    ));
    log.info(format!(
        "engine: {}, {} iterations, {} mode{}, from {}; {threads} threads",
        ready.settings.method.name(),
        ready.settings.iterations,
        ready.modes,
        if ready.modes == 1 { "" } else { "s" },
        ready.began
    ));
}

/// The last lines: what came out.
fn tell(log: &Log, outcome: &Outcome) {
    for warning in outcome.summary.warnings() {
        log.warn(warning);
    }
    for (name, count) in outcome.counters.iter().filter(|(_, c)| **c > 0) {
        crate::advice::tell_counter(log, name, *count);
    }
    let r = &outcome.residuals;
    for (count, what) in [
        (
            r.dark,
            "have no light, and are left out of the residual; leave out what was taken with the shutter closed or the beam lost",
        ),
        (
            r.outside,
            "lie off the canvas, and are left out of the residual",
        ),
    ] {
        if count > 0 {
            log.warn(format!("{count} of {} patterns {what}", r.each.len()));
        }
    }
    let of = format!("of {} of {} patterns", r.counted(), r.each.len());
    if let Some((k, worst)) = r.worst() {
        log.info(format!(
            "residual {}, {of}; the worst pattern is {k} with {}",
            figure(r.whole, 5),
            figure(worst, 5)
        ));
    }
    match r.judgment() {
        Judgment::Pass => {}
        Judgment::Undecided => log.warn(format!("too few patterns count for the residual, {of}; `ptyproof inspect` says what is wrong with the others")),
        Judgment::Fail => log.warn(format!(
            "the reconstruction explains nothing: its residual of {} is above 1, that of a dark object; `ptyproof doctor` tests how the data are to be read",
            figure(r.whole, 5)
        )),
        Judgment::NonFinite => log.warn(format!("the residual is not finite, {of}; the first non-finite event says where it began, smaller steps may avoid it")),
    }
    if let Some(c) = &outcome.comparison {
        let [t, b, l, r] = c.region;
        log.info(format!(
            "against the truth, rows {t} to {b}, columns {l} to {r}: relative rms {:.5} gauge-aligned, {:.5} after \
             phase and scale, {:.5} as it is; known {:.4} of it",
            c.alignment.aligned.rms.get(),
            c.alignment.scalar.rms.get(),
            c.alignment.raw.rms.get(),
            c.known.get()
        ));
    }
    let total: f64 = outcome.stages.values().sum();
    let own = outcome
        .stages
        .get("iterations")
        .copied()
        .unwrap_or_default();
    log.info(format!(
        "{total:.2} s in all, {own:.2} s of it iterations; peak memory {}",
        machine::peak_memory_bytes()
            .map_or("unknown".to_owned(), |b| format!("{} MB", b / 1_000_000))
    ));
}
