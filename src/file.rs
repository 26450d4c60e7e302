//! A file is replaced whole or not at all: written beside its place, flushed to the disk, renamed.
//!
//! *Conventions.* The file beside it has a name of its own and ends in [`TEMPORARY`], so that two writers of one path do not
//! meet: the later one wins, whole. A killed run may leave one, and nobody reads it. Paths in messages are the ones that were
//! asked for, never the temporary ones. A link stays a link: what it leads to is replaced.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// Ending of a file that is still being written.
pub const TEMPORARY: &str = ".being-written";

const WRITING: &str = "writing a file";

/// Files that are being written, for [`abandon`].
static UNDER_WAY: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Writes `bytes` to `path`, replacing what is there in one step; a device or a pipe is written to.
///
/// # Errors
/// If the file system refuses; the old content is then still in place.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |e| explain(WRITING, path, e);
    if Place::of(path) == Place::Stream {
        // to open a stream of our own once more would be to begin at its first byte again
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
/// What `write` says, or if the file system refuses; the old content is then still in place.
pub fn replace_by(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let failed = |e| explain(WRITING, path, e);
    replace(path, |beside| {
        let mut out = BufWriter::new(File::create(beside).map_err(failed)?);
        write(&mut out).and_then(|()| out.flush()).map_err(failed)
    })
}

/// Replaces `path` in one step by what `make` writes to the path that it is given; that file is
/// flushed to the disk first.
///
/// # Errors
/// What `make` says, or if the file system refuses; the old content is then still in place.
pub fn replace(path: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let refuse = |got: &str| {
        Err(Error::output(WRITING)
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
        Place::Dangling => return refuse("a link to nothing"),
        Place::Stream => return refuse("a device or a pipe"),
    };
    let failed = |e| explain(WRITING, path, e);
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
pub fn abandon(code: i32) -> ! {
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
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is at a path that is to be written.
#[derive(Debug, PartialEq)]
enum Place {
    /// A file, or nothing yet.
    File,
    /// A link, and where it leads to.
    Link(PathBuf),
    /// A link to nothing.
    Dangling,
    /// What has no content to replace: a device, a pipe, an open stream of this process.
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

/// An error that names a file that could not be read, and says what to do about it.
pub fn unreadable(action: &str, path: &Path, e: io::Error) -> Error {
    let error = Error::input(action).at(path.display());
    let error = match e.kind() {
        ErrorKind::PermissionDenied => error.help("choose a file that you may read"),
        ErrorKind::NotFound => error.help("the file, or a directory on this path, is missing"),
        _ => error,
    };
    error.because(e)
}

/// An error that names a file that could not be written, and says what to do about this particular refusal.
pub fn explain(action: &str, path: &Path, e: io::Error) -> Error {
    let error = Error::output(action).at(path.display());
    let error = match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => error.help(
            "the disk or the quota is full: free some space and run again. A hub that was begun stays \
             in its .partial directory",
        ),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            error.help("choose a place that you may write to")
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
            return ptyproof_testkit::skips::skip(
                ptyproof_testkit::skips::Lacks::Machine,
                "this system has no /dev/full",
            );
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

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_a_device_a_device() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        write_atomic(&link, b"new").unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("file"));
        assert_eq!(fs::read(&file).unwrap(), b"new");
        fs::remove_file(&file).unwrap();
        let e = write_atomic(&link, b"new").unwrap_err().to_string();
        assert!(e.contains("a link to nothing"), "{e}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        if Path::new("/dev/null").exists() {
            write_atomic(Path::new("/dev/null"), b"new").unwrap();
            assert!(!fs::metadata("/dev/null").unwrap().is_file());
            let e = replace(Path::new("/dev/null"), |_| Ok(())).unwrap_err();
            assert!(e.to_string().contains("a device"), "{e}");
        }
    }

    #[test]
    fn two_writers_of_one_file_do_not_meet() {
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
    fn what_is_under_way_can_be_abandoned() {
        let dir = tempfile::tempdir().unwrap();
        let beside = Beside::new(&dir.path().join("x")).unwrap();
        assert!(beside.path.exists());
        // as `abandon` does with all of them, which in a test would be those of other tests too
        let mut ours = under_way().clone();
        ours.retain(|p| p.starts_with(dir.path()));
        remove(&ours);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        drop(beside);
        assert!(!under_way().iter().any(|p| p.starts_with(dir.path())));
    }
}
