//! `ptyproof doctor`: what the data support, contradict, and cannot decide.

use super::args::DoctorArgs;
use super::exit::Exit;
use super::output_paths::refuse_overwrite;
use super::session::cores;
use super::standard_streams::{Input, write_report};
use ptyproof::doctor::{Finding, Severity, examine};
use ptyproof::error::Result;
use ptyproof::io::formats;
use ptyproof::json;
use ptyproof::par::Pool;
use ptyproof_harness::report::doctor::{cases, picture, text};
use ptyproof_harness::report::junit::junit;

pub(super) fn run(args: &DoctorArgs) -> Result<Exit> {
    let written = [&args.json, &args.picture, &args.junit];
    refuse_overwrite("examining a file", [&args.data], written)?;
    let pool = Pool::new(args.threads.map_or_else(cores, Ok)?)?;
    let input = Input::of("examining a file", &args.data)?;
    let mut contents = formats::open(input.path(), &args.reading.options())?;
    let found = examine(&mut contents, &pool)?;
    if let Some(path) = &args.json {
        write_report(path, json::to_text(&found)?.as_bytes())?;
    }
    if let Some(path) = &args.picture {
        write_report(path, &picture(&found)?)?;
    }
    out!("{}", text(&found));
    if let Some(path) = &args.junit {
        write_report(path, junit("ptyproof doctor", cases(&found))?.as_bytes())?;
    }
    let is_warning = |f: &&Finding| f.severity == Severity::Warning;
    for _ in found.findings.iter().filter(is_warning) {
        // the text has it
        super::count_warning();
    }
    if let Some(masked) = found.file.masked.filter(|n| *n > 0) {
        noteln!("{masked} detector pixels are masked, and were left out");
    }
    Ok(found.judgment().into())
}
