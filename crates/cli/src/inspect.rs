//! `ptyproof inspect`: what a data file holds.

use super::args::InspectArgs;
use super::exit::Exit;
use super::output_paths::refuse_overwrite;
use super::session::cores;
use ptyproof::error::Result;
use ptyproof::file::write_atomic;
use ptyproof::io::formats;
use ptyproof::io::inspect::inspect;
use ptyproof::json;
use ptyproof::par::Pool;
use ptyproof_harness::report::inspect::{picture, table};

pub(super) fn run(args: &InspectArgs) -> Result<Exit> {
    let written = [&args.json, &args.picture];
    refuse_overwrite("inspecting a file", [&args.file], written)?;
    let mut contents = formats::open(&args.file, &args.reading.told()?)?;
    let found = Pool::new(cores()?)?.run(|| inspect(&mut contents))?;
    if let Some(path) = &args.json {
        write_atomic(path, json::to_text(&found)?.as_bytes())?;
    }
    if let Some(path) = &args.picture {
        write_atomic(path, &picture(&found, &contents)?)?;
    }
    out!("{}", table(&found));
    if let Some(p) = found.patterns.as_ref().filter(|p| p.dark_patterns > 0) {
        warnln!("{} of {} patterns have no light", p.dark_patterns, p.count);
    }
    if let Some(masked) = found.masked.filter(|n| *n > 0) {
        warnln!("{masked} detector pixels are masked, and were left out");
    }
    Ok(found.judgment().into())
}
