//! `ptyproof hub`: whether a hub is whole, and whether two agree.

use std::path::Path;

use super::args::{BlessArgs, DiffArgs, HubCommand, VerifyArgs};
use super::clock::now;
use super::exit::Exit;
use super::fit::stdout_width;
use super::output_paths::refuse_overwrite;
use super::standard_streams::write_report;
use ptyproof::diff::tolerance::Tolerances;
use ptyproof::diff::{Report, Verdict, diff};
use ptyproof::error::Result;
use ptyproof::hub::verify::{Verification, verify as verified};
use ptyproof::json;
use ptyproof::judgment::Judgment;
use ptyproof::number::count;
use ptyproof_harness::bless::Blessing;
use ptyproof_harness::report::diff::{cases, markdown, terminal};
use ptyproof_harness::report::hub::cases as cases_of_hub;
use ptyproof_harness::report::junit::junit;

pub(super) fn run(command: &HubCommand) -> Result<Exit> {
    match command {
        HubCommand::Verify(args) => {
            refuse_overwrite("verifying a hub", [&args.hub], [&args.json, &args.junit])?;
            verify(args, &verified(&args.hub)?)
        }
        HubCommand::Diff(args) => {
            let read = [&args.a, &args.b].into_iter().chain(&args.tolerances);
            let written = [
                &args.json,
                &args.markdown,
                &args.junit,
                &args.write_tolerances,
            ];
            refuse_overwrite("comparing hubs", read, written)?;
            let (tolerances, report) = compared(args)?;
            compare(args, &tolerances, &report)
        }
        HubCommand::Bless(args) => bless(args),
    }
}

fn verify(args: &VerifyArgs, found: &Verification) -> Result<Exit> {
    if let Some(path) = &args.json {
        write(path, &json::to_text(found)?)?;
    }
    for p in &found.problems {
        outln!("{}: {}", p.file, p.what);
    }
    for event in &found.events {
        outln!("{}: {}", event.file, event.what);
    }
    let problems = match found.problems.len() {
        0 if found.judgment() == Judgment::Pass => "whole".to_owned(),
        0 if found.events.is_empty() => "nothing was read".to_owned(),
        0 => "NOT FINITE".to_owned(),
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    };
    let events = match found.events.len() {
        0 => String::new(),
        _ => format!("; not finite in {} of them", found.files_with_events()),
    };
    outln!(
        "{}: {problems}, {} files, {} values read{events}",
        args.hub.display(),
        count(found.files),
        count(found.values)
    );
    if let Some(path) = &args.junit {
        write(path, &junit("ptyproof hub verify", cases_of_hub(found))?)?;
    }
    Ok(found.judgment().into())
}

fn compared(args: &DiffArgs) -> Result<(Tolerances, Report)> {
    let mut tolerances = match &args.tolerances {
        Some(path) => Tolerances::read(path)?,
        None => Tolerances::default(),
    };
    tolerances.nan_as_golden |= args.nan_as_golden;
    let report = diff(&args.a, &args.b, &tolerances)?;
    Ok((tolerances, report))
}

fn compare(args: &DiffArgs, tolerances: &Tolerances, report: &Report) -> Result<Exit> {
    out!("{}", terminal(report, stdout_width()));
    if let Some(path) = &args.json {
        write(path, &json::to_text(report)?)?;
    }
    if let Some(path) = &args.markdown {
        write(path, &markdown(report))?;
    }
    if let Some(path) = &args.junit {
        write(path, &junit("ptyproof hub diff", cases(report))?)?;
    }
    if let Some(path) = &args.write_tolerances {
        let made = tolerances.widened(report);
        write(path, &json::to_text(&made)?)?;
        outln!("{} rules in {}", made.rules.len(), path.display());
        let agrees = |verdict: Verdict| verdict.judgment() == Judgment::Pass;
        // wider ones cannot part what agreed
        if !agrees(report.verdict) {
            let left = diff(&args.a, &args.b, &made)?;
            if !agrees(left.verdict) {
                let apart = left.rows.iter().filter(|r| !agrees(r.verdict));
                outln!(
                    "the two do not agree under them: {} quantities can be given no room",
                    apart.count()
                );
            }
        }
    }
    for _ in &report.warnings {
        // the report has them
        super::count_warning();
    }
    Ok(report.verdict.judgment().into())
}

fn bless(args: &BlessArgs) -> Result<Exit> {
    let blessed = Blessing {
        hub: &args.hub,
        golden: &args.golden,
        reason: &args.reason,
        nan_as_golden: args.nan_as_golden,
        time: &now(),
    }
    .bless()?;
    if blessed.non_finite > 0 {
        noteln!(
            "{} things in it are not finite, as was asked for",
            blessed.non_finite
        );
    }
    outln!("{} is golden: {}", blessed.golden.display(), blessed.reason);
    Ok(Exit::Success)
}

fn write(path: &Path, text: &str) -> Result<()> {
    write_report(path, text.as_bytes())
}
