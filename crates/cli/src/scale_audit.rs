//! `ptyproof scale-audit`: every factor from photons to the network and back.

use super::args::ScaleAuditArgs;
use super::exit::Exit;
use super::fit::stdout_width;
use super::output_paths::refuse_overwrite;
use super::session::cores;
use super::standard_streams::{Input, is_dash, write_report};
use ptyproof::error::{Error, Result};
use ptyproof::json;
use ptyproof::par::Pool;
use ptyproof_harness::pipeline::Request;
use ptyproof_harness::pipeline::scale_audit::chain;
use ptyproof_harness::report::scale_audit::{markdown, terminal};

pub(super) fn run(args: &ScaleAuditArgs) -> Result<Exit> {
    let path = &args.path;
    if !path.exists() && !is_dash(path) {
        return Err(Error::input("balancing scales")
            .at(path.display())
            .got("nothing")
            .need("a hub, or a data file"));
    }
    let written = [&args.json, &args.markdown];
    refuse_overwrite("balancing scales", [path], written)?;
    let input = Input::of("balancing scales", path)?;
    let mut notes = Vec::new();
    let hub = path.is_dir().then_some(path.as_path());
    let request = match hub {
        Some(hub) => Request::of_hub(hub, &mut notes)?,
        None => Request::of_data(input.path()),
    };
    let job = request.read()?;
    let pool = Pool::new(cores()?)?;
    let mut found = chain(&job, hub, &path.display().to_string(), &pool)?;
    notes.extend(job.data.iter().flat_map(|d| d.notes.clone()));
    found.notes.splice(0..0, notes);
    out!("{}", terminal(&found, stdout_width()));
    if let Some(file) = &args.json {
        write_report(file, json::to_text(&found)?.as_bytes())?;
    }
    if let Some(file) = &args.markdown {
        write_report(file, markdown(&found).as_bytes())?;
    }
    Ok(found.judgment().into())
}
