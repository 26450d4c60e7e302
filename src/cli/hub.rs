//! `ptyproof hub`: whether a hub is whole, and whether two agree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::args::{BlessArgs, DiffArgs, HubCommand, VerifyArgs};
use super::clock::now;
use super::exit::Exit;
use crate::diff::tolerance::Tolerances;
use crate::diff::{Report, Verdict, diff};
use crate::error::{Error, Kind, Result};
use crate::ground::json;
use crate::hub::file::write_atomic;
use crate::hub::manifest::{Manifest, walk};
use crate::hub::whole::look;
use crate::report::diff::{junit, markdown, terminal};

pub(super) fn run(command: &HubCommand) -> Result<Exit> {
    let done = match command {
        HubCommand::Verify(args) => verify(args),
        HubCommand::Diff(args) => compare(args),
        HubCommand::Bless(args) => bless(args),
    };
    // 1 means that hubs differ; what cannot be read is the caller's to see to
    done.or_else(|e| match e.kind() {
        Kind::Input | Kind::Io => {
            super::tell(false, &e);
            Ok(Exit::Usage)
        }
        _ => Err(e),
    })
}

fn verify(args: &VerifyArgs) -> Result<Exit> {
    let found = look(&args.hub)?;
    if let Some(path) = &args.json {
        write(path, &json::to_text(&found)?)?;
    }
    for p in &found.problems {
        println!("{}: {}", p.file, p.what);
    }
    let shown = args.hub.display();
    Ok(if !found.problems.is_empty() {
        println!(
            "{shown}: {} problems in {} files",
            found.problems.len(),
            found.files
        );
        Exit::Failed
    } else if found.non_finite > 0 {
        println!(
            "{shown}: whole, {} files; {} pixels are not finite",
            found.files, found.non_finite
        );
        Exit::NonFinite
    } else {
        println!("{shown}: whole, {} files", found.files);
        Exit::Success
    })
}

fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Agrees | Verdict::Noted => Exit::Success,
        Verdict::Differs => Exit::Failed,
        Verdict::NonFinite => Exit::NonFinite,
    }
}

fn compare(args: &DiffArgs) -> Result<Exit> {
    let tolerances = match &args.tolerances {
        Some(path) => Tolerances::read(path)?,
        None => Tolerances::default(),
    };
    let report = diff(&args.a, &args.b, &tolerances)?;
    if let Some(path) = &args.json {
        write(path, &json::to_text(&report)?)?;
    }
    if let Some(path) = &args.markdown {
        write(path, &markdown(&report))?;
    }
    if let Some(path) = &args.junit {
        write(path, &junit(&report)?)?;
    }
    if let Some(path) = &args.write_tolerances {
        let made = tolerances.widened(&report);
        write(path, &json::to_text(&made)?)?;
        println!("{} rules in {}", made.rules.len(), path.display());
    }
    print!("{}", terminal(&report));
    Ok(exit(report.verdict))
}

/// Makes a hub the golden one of its name, without its checkpoints.
fn bless(args: &BlessArgs) -> Result<Exit> {
    let action = "blessing a hub";
    let found = look(&args.hub)?;
    if let Some(p) = found.problems.first() {
        return Err(Error::input(action)
            .at(args.hub.join(&p.file).display())
            .got(&p.what)
            .need("a whole hub")
            .help("`ptyproof hub verify` tells all of it"));
    }
    if args.reason.trim().is_empty() {
        return Err(Error::usage(action)
            .at("--reason")
            .got("nothing")
            .need("why the golden changes"));
    }
    let name = args
        .hub
        .canonicalize()
        .ok()
        .and_then(|p| p.file_name().map(PathBuf::from));
    let name = name.ok_or_else(|| {
        Error::usage(action)
            .at(args.hub.display())
            .need("a directory with a name")
    })?;
    let golden = args.golden.join(&name);
    let old: Option<Report> = if golden.exists() {
        Some(diff(&golden, &args.hub, &Tolerances::default())?)
    } else {
        None
    };
    let mut page = format!(
        "# {}\n\n{}: {}\n",
        name.display(),
        now(),
        args.reason.trim()
    );
    match old {
        None => page.push_str("\nThe first of its name.\n"),
        Some(mut report) => {
            // where they lay is nobody's business
            report.a = format!("{}, as it was", name.display());
            report.b = format!("{}, as it is now", name.display());
            page.push('\n');
            page.push_str(&markdown(&report));
        }
    }
    // beside it first, so that a full disk leaves the old one
    let staged = args.golden.join(format!(".{}.new", name.display()));
    let _ = std::fs::remove_dir_all(&staged);
    copy(&args.hub, &staged)?;
    Manifest::of(&staged)?.write(&staged)?;
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |e| Error::io(action).at(path.display()).because(e)
    };
    if golden.exists() {
        std::fs::remove_dir_all(&golden).map_err(io(&golden))?;
    }
    std::fs::rename(&staged, &golden).map_err(io(&golden))?;
    write(
        &args.golden.join(format!("{}.blessed.md", name.display())),
        &page,
    )?;
    println!("{} is golden: {}", golden.display(), args.reason.trim());
    Ok(Exit::Success)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let failed = |path: &Path, e| Error::io("blessing a hub").at(path.display()).because(e);
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
