//! `ptyproof inspect`: what a data file holds.

use super::args::InspectArgs;
use super::exit::Exit;
use super::output_paths::refuse_overwrite;
use super::session::cores;
use super::standard_streams::{Input, write_report};
use ptyproof::error::Result;
use ptyproof::io::formats;
use ptyproof::io::inspect::inspect;
use ptyproof::json;
use ptyproof::par::Pool;
use ptyproof_harness::report::inspect::{picture, table};

pub(super) fn run(args: &InspectArgs) -> Result<Exit> {
    let written = [&args.json, &args.picture];
    refuse_overwrite("inspecting a file", [&args.file], written)?;
    let input = Input::of("inspecting a file", &args.file)?;
    let mut contents = formats::open(input.path(), &args.reading.options())?;
    let found = Pool::new(cores()?)?.run(|| inspect(&mut contents))?;
    if let Some(path) = &args.json {
        write_report(path, json::to_text(&found)?.as_bytes())?;
    }
    if let Some(path) = &args.picture {
        write_report(path, &picture(&found, &contents)?)?;
    }
    out!("{}", table(&found));
    if let Some(p) = found.patterns.as_ref().filter(|p| p.dark_patterns > 0) {
        warnln!(
            "{} of {} patterns have no light; leave out what was taken with the shutter closed or the beam lost",
            p.dark_patterns,
            p.count
        );
    }
    if let Some(masked) = found.masked.filter(|n| *n > 0) {
        noteln!("{masked} detector pixels are masked, and were left out");
    }
    Ok(found.judgment().into())
}
