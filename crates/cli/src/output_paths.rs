//! What a command reads it does not write over; no two of its reports are one file; and none lands in a hub, which is finished.

use std::path::{Path, PathBuf};

use super::standard_streams::{is_dash, reserve_stdout};
use ptyproof::error::{Error, Result};
use ptyproof::hub::dir::refuse_inside_hub;

/// Refuses to write what a command was asked to write, if that would lose something. What is written may be asked for or not.
/// A report whose path is `-` has standard output for itself from here on.
pub(super) fn refuse_overwrite<'a>(
    action: &str,
    read: impl IntoIterator<Item = &'a PathBuf>,
    written: impl IntoIterator<Item = impl Into<Option<&'a PathBuf>>>,
) -> Result<()> {
    let refuse = |path: &Path, got: &str| {
        Err(Error::usage(action)
            .at(path.display())
            .got(got)
            .need("another path"))
    };
    let written: Vec<&PathBuf> = written.into_iter().filter_map(Into::into).collect();
    reserve_stdout(action, written.iter().copied())?;
    let is_file = |p: &&PathBuf| !is_dash(p);
    let read = read.into_iter().filter(is_file);
    let read: Vec<PathBuf> = read.filter_map(|p| place(p)).collect();
    let mut before: Vec<PathBuf> = Vec::new();
    for path in written.into_iter().filter(is_file) {
        let Some(here) = place(path) else { continue };
        // a device or a pipe holds nothing that could be lost
        if here.exists() && !(here.is_file() || here.is_dir()) {
            continue;
        }
        match read.iter().find(|r| here.starts_with(r)) {
            Some(r) if r.is_dir() => {
                return refuse(path, "a place in the hub that is read");
            }
            Some(_) => return refuse(path, "the file that is read"),
            None => {}
        }
        refuse_inside_hub(&here, Error::usage(action).at(path.display()))?;
        if before.contains(&here) {
            return refuse(path, "two reports for one file");
        }
        before.push(here);
    }
    Ok(())
}

/// Where a path leads to, whether or not something is there yet.
fn place(path: &Path) -> Option<PathBuf> {
    if let Ok(there) = path.canonicalize() {
        return Some(there);
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
    Some(folder.join(path.file_name()?))
}
