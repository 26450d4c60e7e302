//! `ptyproof hub`: whether a hub is whole, and whether two agree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::args::{BlessArgs, DiffArgs, HubCommand, VerifyArgs};
use super::clock::now;
use super::exit::Exit;
use super::output_paths::refuse_overwrite;
use ptyproof::diff::tolerance::Tolerances;
use ptyproof::diff::{Report, Verdict, diff};
use ptyproof::error::{Error, Result};
use ptyproof::hub::dir::outside_hubs;
use ptyproof::hub::file::write_atomic;
use ptyproof::hub::manifest::{Manifest, walk};
use ptyproof::hub::verify::{Verification, verify as verified};
use ptyproof::json;
use ptyproof::judgment::Judgment;
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
        0 if found.judgment() == Judgment::Well => "whole".to_owned(),
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
        found.files,
        found.values
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
    out!("{}", terminal(report));
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
        let agrees = |verdict: Verdict| verdict.judgment() == Judgment::Well;
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

/// Makes a hub the golden one of its name, without its checkpoints.
fn bless(args: &BlessArgs) -> Result<Exit> {
    let reason = args.reason.split_whitespace().collect::<Vec<_>>().join(" ");
    if reason.is_empty() {
        return Err(Error::usage(BLESSING)
            .at("--reason")
            .got("nothing")
            .need("why the golden changes"));
    }
    let found = verified(&args.hub)?;
    if let Some(event) = found.events.first() {
        if !args.nan_as_golden {
            return Err(Error::input(BLESSING)
                .not_finite()
                .at(args.hub.join(&event.file).display())
                .got(&event.what)
                .need("a hub in which everything is finite")
                .help("--nan-as-golden makes it the golden all the same; `hub diff --nan-as-golden` then wants the same"));
        }
        warnln!(
            "{} things in it are not finite, as was asked for",
            found.events.len()
        );
    }
    if let Some(p) = found.problems.first() {
        return Err(Error::input(BLESSING)
            .at(args.hub.join(&p.file).display())
            .got(&p.what)
            .need("a whole hub")
            .help("`ptyproof hub verify` tells all of it"));
    }
    let whole = args.hub.canonicalize().ok();
    let name = whole
        .as_ref()
        .and_then(|p| p.file_name().map(PathBuf::from));
    let name = name.ok_or_else(|| {
        Error::usage(BLESSING)
            .at(args.hub.display())
            .need("a directory with a name")
    })?;
    outside_hubs(
        &args.golden,
        Error::usage(BLESSING).at(args.golden.display()),
    )?;
    let golden = args.golden.join(&name);
    if golden.canonicalize().ok() == whole {
        return Err(Error::usage(BLESSING)
            .at(args.hub.display())
            .got("the golden itself")
            .need("another hub to take its place"));
    }
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |e| Error::output(BLESSING).at(path.display()).because(e)
    };
    std::fs::create_dir_all(&args.golden).map_err(io(&args.golden))?;
    let beside = |end: &str| args.golden.join(format!(".{}.{end}", name.display()));
    let (staged, old, page) = (
        beside("new"),
        beside("old"),
        golden_page(&args.golden, &name),
    );
    let _lock = Lock::take(&beside("lock"))?;
    for left in [&staged, &old] {
        if left.exists() {
            std::fs::remove_dir_all(left).map_err(io(left))?;
        }
    }
    let text = blessing(&golden, args, &name, &page, &reason)?;
    copy(&args.hub, &staged)?;
    Manifest::of(&staged)?.write(&staged)?;
    if let Some(p) = verified(&staged)?.problems.first() {
        return Err(Error::input(BLESSING)
            .at(args.hub.join(&p.file).display())
            .got(&p.what)
            .need("a hub that nobody changes meanwhile"));
    }
    // the page first: it is what may fail; then the old one aside and the new one in its place
    write(&page, &text)?;
    if golden.exists() {
        std::fs::rename(&golden, &old).map_err(io(&golden))?;
    }
    std::fs::rename(&staged, &golden).map_err(io(&golden))?;
    if old.exists() {
        std::fs::remove_dir_all(&old).map_err(io(&old))?;
    }
    outln!("{} is golden: {reason}", golden.display());
    Ok(Exit::Success)
}

const BLESSING: &str = "blessing a hub";

/// One blessing of a golden at a time: a directory that only one can make.
struct Lock(PathBuf);

impl Lock {
    fn take(path: &Path) -> Result<Self> {
        match std::fs::create_dir(path) {
            Ok(()) => Ok(Self(path.to_path_buf())),
            Err(e) => Err(match e.kind() {
                std::io::ErrorKind::AlreadyExists => Error::usage(BLESSING),
                _ => Error::output(BLESSING),
            }
            .at(path.display())
            .because(e)
            .help("another blessing is at work, or died here: then remove this directory")),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn golden_page(golden: &Path, name: &Path) -> PathBuf {
    golden.join(format!("{}.blessed.md", name.display()))
}

/// The page of a golden: every reason there ever was, and how the last one changed it.
fn blessing(
    golden: &Path,
    args: &BlessArgs,
    name: &Path,
    page: &Path,
    reason: &str,
) -> Result<String> {
    let before = std::fs::read_to_string(page).unwrap_or_default();
    let earlier: String = before
        .lines()
        .skip(2)
        .take_while(|l| l.starts_with("- "))
        .map(|l| format!("{l}\n"))
        .collect();
    let mut text = format!("# {}\n\n- {}: {reason}\n{earlier}\n", name.display(), now());
    if golden.exists() {
        let mut report = diff(golden, &args.hub, &Tolerances::default())?;
        report.a = format!("{}, as it was", name.display());
        report.b = format!("{}, as it is now", name.display());
        text.push_str(&markdown(&report));
    } else {
        text.push_str("The first of its name.\n");
    }
    Ok(text)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let failed = |path: &Path, e| Error::output(BLESSING).at(path.display()).because(e);
    let files: BTreeMap<String, bool> = walk(from)?;
    // weights are large, and their digests are in the hub
    for file in files.keys().filter(|f| !f.ends_with(".safetensors")) {
        let target = to.join(file);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(|e| failed(parent, e))?;
        }
        std::fs::copy(from.join(file), &target).map_err(|e| failed(&target, e))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    write_atomic(path, text.as_bytes())
}
