//! `ptyproof doctor`: what the data support, contradict, and cannot decide.

use super::apart::apart;
use super::args::DoctorArgs;
use super::exit::Exit;
use super::session::cores;
use crate::data::formats;
use crate::doctor::examine;
use crate::error::Result;
use crate::ground::file::write_atomic;
use crate::ground::json;
use crate::ground::par::Pool;
use crate::report::doctor::{picture, text};

pub(super) fn run(args: &DoctorArgs) -> Result<Exit> {
    let written = [&args.json, &args.picture];
    apart("examining a file", [&args.data], written)?;
    let pool = Pool::new(args.threads.map_or_else(cores, Ok)?)?;
    let mut contents = formats::open(&args.data, &args.reading.told()?)?;
    let found = examine(&mut contents, &pool)?;
    if let Some(path) = &args.json {
        write_atomic(path, json::to_text(&found)?.as_bytes())?;
    }
    if let Some(path) = &args.picture {
        write_atomic(path, &picture(&found)?)?;
    }
    out!("{}", text(&found));
    Ok(if found.has_fault() {
        Exit::Failed
    } else {
        Exit::Success
    })
}
