//! `-` in the place of a file: a report goes to standard output, an input comes from standard input.
//!
//! *Law.* A report on standard output stands there alone: what a person reads goes to standard error then. A file of
//! this name is `./-`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use super::interrupt::{remove_when_stopped, tidy_when_interrupted};
use ptyproof::error::{Error, Result};
use ptyproof::file::{explain, write_atomic};

/// What the help of a command says that takes `-`.
pub(super) const HELP: &str = "\
A FILE to write that is `-` is standard output (text goes to standard error
then); a file to read that is `-` is standard input.

";

/// The largest file that is taken from standard input: it is copied, because readers seek.
const MAX_STDIN_BYTES: u64 = 4 << 30;

/// The first bytes of a `.npy`, which is read by its ending.
const NPY: &[u8] = b"\x93NUMPY";

/// Whether standard output carries a report.
static CARRIES_A_REPORT: AtomicBool = AtomicBool::new(false);

/// Whether standard input was taken: it can be read once.
static STDIN_TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether a path is a standard stream.
pub(super) fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Keeps standard output for the report whose path is `-`, if there is one; two are refused.
pub(super) fn reserve_stdout<'a>(
    action: &str,
    written: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<()> {
    match written.into_iter().filter(|p| is_dash(p)).count() {
        0 => Ok(()),
        1 => {
            CARRIES_A_REPORT.store(true, Ordering::Relaxed);
            Ok(())
        }
        n => Err(Error::usage(action)
            .at("-")
            .got(format!("{n} reports for standard output"))
            .need("one report there, and files for the others")),
    }
}

/// Whether standard output carries a report, so that text for people belongs on standard error.
pub(super) fn carries_a_report() -> bool {
    CARRIES_A_REPORT.load(Ordering::Relaxed)
}

/// Writes a report to its file, or to standard output. A reader who closes standard output early stops nothing.
pub(super) fn write_report(path: &Path, bytes: &[u8]) -> Result<()> {
    if !is_dash(path) {
        return write_atomic(path, bytes);
    }
    let mut out = io::stdout().lock();
    to_stdout(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Copies a file to standard output.
pub(super) fn print_file(path: &Path) -> Result<()> {
    let mut out = io::stdout().lock();
    let copy = File::open(path).and_then(|mut f| io::copy(&mut f, &mut out));
    to_stdout(copy.and_then(|_| out.flush()))
}

fn to_stdout(done: io::Result<()>) -> Result<()> {
    match done {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(explain("writing a report", Path::new("standard output"), e))
        }
        _ => Ok(()),
    }
}

/// Standard input, which can be read once.
fn stdin(action: &str) -> Result<io::Stdin> {
    if STDIN_TAKEN.swap(true, Ordering::Relaxed) {
        return Err(Error::usage(action)
            .at("-")
            .got("standard input twice")
            .need("it once, and files for the others"));
    }
    Ok(io::stdin())
}

/// An input that can be opened by its path; the copy of standard input is removed with it.
#[derive(Debug)]
pub(super) struct Input {
    path: PathBuf,
    _folder: Option<TempDir>,
}

impl Input {
    /// The file at `path`, or a copy of standard input.
    pub(super) fn of(action: &str, path: &Path) -> Result<Self> {
        if !is_dash(path) {
            return Ok(Self {
                path: path.to_owned(),
                _folder: None,
            });
        }
        tidy_when_interrupted()?;
        copied(action, stdin(action)?, MAX_STDIN_BYTES)
    }

    /// Where it can be opened.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// A folder for a copy, removed with the value or by an interruption.
pub(super) fn folder_for_a_copy(action: &str) -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("ptyproof-").tempdir();
    let folder = folder.map_err(|e| explain(action, &std::env::temp_dir(), e))?;
    remove_when_stopped(folder.path().to_owned());
    Ok(folder)
}

/// A copy of at most `max` bytes in a folder of its own.
fn copied(action: &str, mut from: impl Read, max: u64) -> Result<Input> {
    let folder = folder_for_a_copy(action)?;
    let unreadable = |e| Error::input(action).at("standard input").because(e);
    let mut begin = Vec::new();
    let length = NPY.len() as u64;
    (from.by_ref().take(length).read_to_end(&mut begin)).map_err(unreadable)?;
    let npy = begin == NPY;
    let path = folder.path().join(if npy {
        "standard-input.npy"
    } else {
        "standard-input"
    });
    let failed = |e| explain(action, &path, e);
    let mut file = File::create(&path).map_err(failed)?;
    file.write_all(&begin).map_err(failed)?;
    let left = (max + 1).saturating_sub(begin.len() as u64);
    let copied = io::copy(&mut from.take(left), &mut file).map_err(failed)?;
    if begin.len() as u64 + copied > max {
        return Err(Error::input(action)
            .at("standard input")
            .got(format!("more than {max} bytes"))
            .need(format!("{max} bytes ({} GiB) at most", max >> 30))
            .help("give the path of the file"));
    }
    Ok(Input {
        path,
        _folder: Some(folder),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn standard_input_is_copied_up_to_its_bound() {
        let text = b"0123456789";
        let whole = copied("testing", &text[..], 10).unwrap();
        assert_eq!(fs::read(whole.path()).unwrap(), text);
        let folder = whole.path().parent().unwrap().to_owned();
        drop(whole);
        assert!(!folder.exists());
        let e = copied("testing", &text[..], 9).unwrap_err().to_string();
        assert!(e.contains("more than 9 bytes"), "{e}");
        let short = copied("testing", &text[..2], 10).unwrap();
        assert_eq!(fs::read(short.path()).unwrap(), b"01");
    }

    #[test]
    fn an_array_keeps_the_ending_that_it_is_read_by() {
        let array = copied("testing", &b"\x93NUMPY\x01\x00"[..], 10).unwrap();
        assert_eq!(array.path().extension().unwrap(), "npy");
        assert_eq!(fs::read(array.path()).unwrap(), b"\x93NUMPY\x01\x00");
    }
}
