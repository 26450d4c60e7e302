//! `ptyproof scale-audit`: every factor from photons to the network and back.

use super::args::ScaleAuditArgs;
use super::exit::Exit;
use super::output_paths::refuse_overwrite;
use super::{run, stored_run};
use ptyproof::error::{Error, Result};
use ptyproof::hub::file::write_atomic;
use ptyproof::json;
use ptyproof::par::Pool;
use ptyproof_harness::pipeline::scale_audit::chain;
use ptyproof_harness::report::scale_audit::{markdown, terminal};

pub(super) fn run(args: &ScaleAuditArgs) -> Result<Exit> {
    let path = &args.path;
    if !path.exists() {
        return Err(Error::input("balancing scales")
            .at(path.display())
            .got("nothing")
            .need("a hub, or a data file"));
    }
    let written = [&args.json, &args.markdown];
    refuse_overwrite("balancing scales", [path], written)?;
    let mut notes = Vec::new();
    let hub = path.is_dir().then_some(path.as_path());
    let typed = match hub {
        Some(hub) => stored_run::arguments(hub, &mut notes)?,
        None => stored_run::on_data(path)?,
    };
    let request = run::request(&typed)?;
    let pool = Pool::new(run::cores()?)?;
    let mut found = chain(&request, hub, &path.display().to_string(), &pool)?;
    notes.extend(request.data.iter().flat_map(|d| d.notes.clone()));
    found.notes.splice(0..0, notes);
    out!("{}", terminal(&found));
    if let Some(file) = &args.json {
        write_atomic(file, json::to_text(&found)?.as_bytes())?;
    }
    if let Some(file) = &args.markdown {
        write_atomic(file, markdown(&found).as_bytes())?;
    }
    Ok(found.judgment().into())
}
