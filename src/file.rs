//! Atomic replacement of files: written to a temporary file, flushed to disk, renamed.
//!
//! *Conventions.* The temporary file has a unique name that ends in [`TEMPORARY`], so that two writers of one path do not
//! interfere: the later one wins. A killed run may leave a temporary file, which is never read. Messages name the requested
//! path, never the temporary one. A link stays a link: its target is replaced.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// Suffix of a file that is still being written.
pub const TEMPORARY: &str = ".being-written";

const ACTION: &str = "writing a file";

/// Files that are being written, for [`remove_temporaries_and_exit`].
static TEMPORARY_FILES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Writes `bytes` to `path` atomically; a device or a pipe is written directly.
///
/// # Errors
/// If the file system refuses; the old content is then still in place.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |e| explain(ACTION, path, e);
    if Place::of(path) == Place::Stream {
        // reopening our own stream would restart at its first byte
        let done = match path.to_str() {
            Some("/dev/stdout") => {
                let mut out = io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush())
            }
            Some("/dev/stderr") => io::stderr().lock().write_all(bytes),
            _ => (File::options().append(true).open(path)).and_then(|mut f| f.write_all(bytes)),
        };
        return done.map_err(failed);
    }
    replace_by(path, |out| out.write_all(bytes))
}

/// Replaces `path` in one step by what `write` writes, in pieces of any size.
///
/// # Errors
/// The error of `write`, or if the file system refuses; the old content is then kept.
pub fn replace_by(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let failed = |e| explain(ACTION, path, e);
    replace(path, |beside| {
        let mut out = BufWriter::new(File::create(beside).map_err(failed)?);
        write(&mut out).and_then(|()| out.flush()).map_err(failed)
    })
}

/// Replaces `path` in one step by what `make` writes to the path that it is given; that file is
/// flushed to the disk first.
///
/// # Errors
/// The error of `make`, or if the file system refuses; the old content is then kept.
pub fn replace(path: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let refuse = |got: &str| {
        Err(Error::output(ACTION)
            .at(path.display())
            .got(got)
            .need("the path of a file"))
    };
    if path.file_name().is_none() {
        return refuse("a path without a file name");
    }
    let target = match Place::of(path) {
        Place::File => path.to_owned(),
        Place::Link(target) => target,
        Place::Dangling => return refuse("a broken link"),
        Place::Stream => return refuse("a device or a pipe"),
    };
    let failed = |e| explain(ACTION, path, e);
    let mut beside = Beside::new(&target).map_err(failed)?;
    make(&beside.path)?;
    let settle = || -> io::Result<()> {
        File::options().write(true).open(&beside.path)?.sync_all()?;
        fs::rename(&beside.path, &target)
    };
    settle().map_err(failed)?;
    beside.settled = true;
    Ok(())
}

/// Removes every file that is being written and ends the program; none is begun or finished meanwhile.
pub fn remove_temporaries_and_exit(code: i32) -> ! {
    let all = under_way();
    remove(&all);
    // still locked
    std::process::exit(code)
}

fn remove(all: &[PathBuf]) {
    for path in all {
        let _ = fs::remove_file(path);
    }
}

fn under_way() -> MutexGuard<'static, Vec<PathBuf>> {
    TEMPORARY_FILES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// The kind of the target of a write.
#[derive(Debug, PartialEq)]
enum Place {
    /// A file, or nothing yet.
    File,
    /// A link, and where it leads to.
    Link(PathBuf),
    /// A link to nothing.
    Dangling,
    /// A target without content to replace: a device, a pipe, an open stream of this process.
    Stream,
}

impl Place {
    fn of(path: &Path) -> Self {
        let Ok(itself) = fs::symlink_metadata(path) else {
            return Self::File;
        };
        let Ok(there) = fs::metadata(path) else {
            return Self::Dangling;
        };
        let kept = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"]
            .iter()
            .any(|d| path.starts_with(d));
        if kept || !(there.is_file() || there.is_dir()) {
            return Self::Stream;
        }
        if itself.is_symlink() {
            return fs::canonicalize(path).map_or(Self::Dangling, Self::Link);
        }
        Self::File
    }
}

/// A file of our own beside another; gone when this is, for half a file helps nobody and its space may be needed.
struct Beside {
    path: PathBuf,
    /// Whether it has been renamed: its name may be another's by now.
    settled: bool,
}

impl Beside {
    fn new(target: &Path) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let process = std::process::id();
        let mut tries = 0;
        loop {
            let mut name = target.as_os_str().to_owned();
            let k = NEXT.fetch_add(1, Ordering::Relaxed);
            name.push(format!(".{process}-{k}{TEMPORARY}"));
            let path = PathBuf::from(name);
            let mut all = under_way();
            match File::options().write(true).create_new(true).open(&path) {
                // of a process of this number on another machine, or long ago
                Err(e) if e.kind() == ErrorKind::AlreadyExists && tries < 1000 => tries += 1,
                Err(e) => return Err(e),
                Ok(_) => {
                    all.push(path.clone());
                    return Ok(Self {
                        path,
                        settled: false,
                    });
                }
            }
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let mut all = under_way();
        if !self.settled {
            let _ = fs::remove_file(&self.path);
        }
        all.retain(|p| *p != self.path);
    }
}

/// An error for an unreadable file, with advice.
pub fn unreadable(action: &str, path: &Path, e: io::Error) -> Error {
    let error = Error::input(action).at(path.display());
    let error = match e.kind() {
        ErrorKind::PermissionDenied => {
            error.help("choose a readable file, or change its permissions")
        }
        ErrorKind::NotFound => {
            error.help("check the path: the file or one of its directories does not exist")
        }
        _ => error,
    };
    error.because(e)
}

/// An error for a file that could not be written, with advice for the cause.
pub fn explain(action: &str, path: &Path, e: io::Error) -> Error {
    let error = Error::output(action).at(path.display());
    let error = match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => error.help(
            "the disk or quota is full: free some space and run again. An unfinished hub stays in its .partial directory",
        ),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            error.help("choose a writable directory, or change its permissions")
        }
        ErrorKind::NotFound => {
            error.help("create the directories of this path first")
        }
        _ => error,
    };
    error.because(e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_disk_error_names_the_kept_files() {
        // /dev/full answers every write with "no space left on device"
        let Ok(mut full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
            return ptyproof_testkit::skips::skip(
                ptyproof_testkit::skips::SkipReason::Machine,
                "this system has no /dev/full",
            );
        };
        let e = full.write_all(b"x").unwrap_err();
        let e = explain("writing a file", Path::new("hub/x.npy"), e);
        assert!(e.to_string().contains("hub/x.npy"), "{e}");
        assert!(e.advice().unwrap().contains("partial"), "{:?}", e.advice());
    }

    #[test]
    fn failed_write_keeps_the_old_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(write_atomic(&path, b"new").is_err());
        assert!(path.is_dir());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn write_keeps_links_and_devices() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        write_atomic(&link, b"new").unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("file"));
        assert_eq!(fs::read(&file).unwrap(), b"new");
        fs::remove_file(&file).unwrap();
        let e = write_atomic(&link, b"new").unwrap_err().to_string();
        assert!(e.contains("a broken link"), "{e}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        if Path::new("/dev/null").exists() {
            write_atomic(Path::new("/dev/null"), b"new").unwrap();
            assert!(!fs::metadata("/dev/null").unwrap().is_file());
            let e = replace(Path::new("/dev/null"), |_| Ok(())).unwrap_err();
            assert!(e.to_string().contains("a device"), "{e}");
        }
    }

    #[test]
    fn concurrent_writers_use_distinct_temporaries() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        let other = || write_atomic(&path, b"second");
        replace(&path, |beside| {
            fs::write(beside, b"first").unwrap();
            other()
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn temporaries_are_removed_on_abort() {
        let dir = tempfile::tempdir().unwrap();
        let beside = Beside::new(&dir.path().join("x")).unwrap();
        assert!(beside.path.exists());
        // as `remove_temporaries_and_exit` does with all of them, which in a test would be those of other tests too
        let mut ours = under_way().clone();
        ours.retain(|p| p.starts_with(dir.path()));
        remove(&ours);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        drop(beside);
        assert!(!under_way().iter().any(|p| p.starts_with(dir.path())));
    }
}
