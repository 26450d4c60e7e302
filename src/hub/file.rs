//! A file is replaced whole or not at all: written beside its place, flushed to the disk, renamed.
//!
//! *Conventions.* The file beside it ends in [`TEMPORARY`]; a killed run may leave one, and nobody
//! reads it. Paths in messages are the ones that were asked for, never the temporary ones.

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Ending of a file that is still being written.
pub const TEMPORARY: &str = ".being-written";

/// Writes `bytes` to `path`, replacing what is there in one step.
///
/// # Errors
/// If the file system refuses; the old content is then still in place.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(TEMPORARY);
    let beside = PathBuf::from(beside);
    let write = || -> io::Result<()> {
        let mut f = File::create(&beside)?;
        f.write_all(bytes)?;
        f.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|e| {
        let _ = fs::remove_file(&beside); // half a file helps nobody, and its space may be needed
        explain("writing a file", path, e)
    })
}

/// Flushes a directory, so that the names in it survive a power cut.
///
/// # Errors
/// If the file system refuses.
pub fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir)
        .and_then(|d| d.sync_all())
        .map_err(|e| explain("flushing a directory", dir, e))
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

/// Length and SHA-256 (hexadecimal) of a file.
///
/// # Errors
/// If it cannot be read.
pub fn digest(path: &Path) -> Result<(u64, String)> {
    let read = || -> io::Result<(u64, String)> {
        let (mut f, mut hash, mut bytes) = (File::open(path)?, Sha256::new(), 0u64);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let n = f.read(&mut buffer)?;
            if n == 0 {
                return Ok((bytes, hex(&hash.finalize())));
            }
            bytes += n as u64;
            hash.update(&buffer[..n]);
        }
    };
    read().map_err(|e| explain("reading a file", path, e))
}

/// SHA-256 of a text, hexadecimal: the name of a configuration.
pub fn digest_text(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_published_one() {
        // FIPS 180-4 example: SHA-256("abc")
        let want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest_text("abc"), want);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        write_atomic(&path, b"abc").unwrap();
        assert_eq!(digest(&path).unwrap(), (3, want.to_string()));
    }

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
