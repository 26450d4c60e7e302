//! A file is replaced whole or not at all: written beside its place, flushed to the disk, renamed.
//!
//! *Conventions.* The file beside it ends in [`TEMPORARY`]; a killed run may leave one, and nobody
//! reads it. Paths in messages are the ones that were asked for, never the temporary ones.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Ending of a file that is still being written.
pub const TEMPORARY: &str = ".being-written";

/// Writes `bytes` to `path`, replacing what is there in one step.
///
/// # Errors
/// If the file system refuses; the old content is then still in place.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, |beside| {
        File::create(beside)
            .and_then(|mut f| f.write_all(bytes))
            .map_err(|e| explain("writing a file", path, e))
    })
}

/// Replaces `path` in one step by what `make` writes to the path that it is given; that file is
/// flushed to the disk first.
///
/// # Errors
/// What `make` says, or if the file system refuses; the old content is then still in place.
pub fn replace(path: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if path.file_name().is_none() {
        return Err(Error::io("writing a file")
            .at(path.display())
            .got("a path without a file name")
            .need("the path of a file"));
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(TEMPORARY);
    let beside = PathBuf::from(beside);
    let settle = || -> io::Result<()> {
        File::options().write(true).open(&beside)?.sync_all()?;
        fs::rename(&beside, path)
    };
    make(&beside)
        .and_then(|()| settle().map_err(|e| explain("writing a file", path, e)))
        .inspect_err(|_| {
            let _ = fs::remove_file(&beside); // half a file helps nobody, and its space may be needed
        })
}

/// An error that names the file and says what to do about this particular refusal.
pub fn explain(action: &str, path: &Path, e: io::Error) -> Error {
    let error = Error::io(action).at(path.display());
    let error = match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => error.help(
            "the disk or the quota is full; free some space and run again. What was written before \
             stays in the .partial directory",
        ),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            error.help("choose an output directory that you may write to")
        }
        ErrorKind::NotFound => {
            error.help("the file, or a directory on this path, is missing or was removed")
        }
        _ => error,
    };
    error.because(e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_and_the_reader_is_told_what_stays() {
        // /dev/full answers every write with "no space left on device"
        let Ok(mut full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
            return println!("skipped: this system has no /dev/full");
        };
        let e = full.write_all(b"x").unwrap_err();
        let e = explain("writing a file", Path::new("hub/x.npy"), e);
        assert!(e.to_string().contains("hub/x.npy"), "{e}");
        assert!(e.advice().unwrap().contains("partial"), "{:?}", e.advice());
    }

    #[test]
    fn a_refused_write_leaves_the_old_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(write_atomic(&path, b"new").is_err());
        assert!(path.is_dir());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
