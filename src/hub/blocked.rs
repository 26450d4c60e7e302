//! The report of a run that cannot continue: `blocked_<timestamp>.log`.
//!
//! *Conventions.* The report is written to the partial hub if there is one, else beside the output directory; if neither is
//! writable the text is returned to the caller. An earlier report is never overwritten.
//!
//! *Source.* Mission, requirement 9.

use crate::error::Error;
use crate::hub::manifest;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// The report of a failure.
#[derive(Debug, Clone)]
pub struct Blocked {
    /// When, as passed in.
    pub time: String,
    /// The command that was run.
    pub command: String,
    /// The failure, as a sentence.
    pub error: String,
    /// Advice, if there is any.
    pub help: Option<String>,
}

impl Blocked {
    /// The report of `error`.
    pub fn new(time: &str, command: &str, error: &Error) -> Self {
        Self {
            time: time.into(),
            command: command.into(),
            error: error.to_string(),
            help: error.advice().map(Into::into),
        }
    }

    /// The text of the report; `there` are the files that exist already.
    pub fn text(&self, there: &[String]) -> String {
        let mut t = format!(
            "blocked: {}\ntime:    {}\ncommand: {}\n",
            self.error, self.time, self.command
        );
        if let Some(help) = &self.help {
            let _ = writeln!(t, "help:    {help}"); // a String takes every write
        }
        if there.is_empty() {
            t.push_str("\nNothing was written.\n");
        } else {
            let _ = writeln!(t, "\nFiles written before ({}):", there.len());
            for f in there {
                let _ = writeln!(t, "  {f}");
            }
        }
        t
    }

    /// Writes the report into `partial`, or else beside `output`.
    ///
    /// # Errors
    /// The text itself, if it could be written nowhere: show it to the person.
    pub fn write(&self, partial: Option<&Path>, output: &Path) -> Result<PathBuf, String> {
        let there: Vec<String> = partial
            .and_then(|p| manifest::walk(p).ok())
            .map(|found| found.into_keys().collect())
            .unwrap_or_default();
        let text = self.text(&there);
        let beside = match output.parent() {
            Some(p) if !p.as_os_str().is_empty() => p,
            _ => Path::new("."),
        };
        [partial, Some(beside)]
            .into_iter()
            .flatten()
            .find_map(|dir| self.write_new(dir, &text))
            .ok_or(text)
    }

    /// Writes to a name that is still free in `dir`, or nothing.
    fn write_new(&self, dir: &Path, text: &str) -> Option<PathBuf> {
        let keep = |c: char| {
            if c.is_ascii_alphanumeric() || "-+.".contains(c) {
                Some(c)
            } else {
                None
            }
        };
        let stamp: String = self.time.chars().filter_map(keep).collect();
        for n in 1..1000 {
            let suffix = if n == 1 {
                String::new()
            } else {
                format!("_{n}")
            };
            let path = dir.join(format!("blocked_{stamp}{suffix}.log"));
            match File::create_new(&path) {
                Ok(mut f) => {
                    let written = f.write_all(text.as_bytes()).and_then(|()| f.sync_all());
                    if written.is_ok() {
                        return Some(path);
                    }
                    let _ = fs::remove_file(&path); // an empty report would mislead
                    return None;
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(_) => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Blocked {
        let e = Error::output("writing").at("x.npy").help("free some space");
        Blocked::new("2026-01-20T06:03:07Z", "ptyproof run", &e)
    }

    #[test]
    fn blocked_report_has_command_error_help_and_files() {
        let dir = tempfile::tempdir().unwrap();
        let partial = dir.path().join("hub.partial");
        fs::create_dir(&partial).unwrap();
        fs::write(partial.join("history.json"), "{}").unwrap();
        let path = report()
            .write(Some(&partial), &dir.path().join("hub"))
            .unwrap();
        assert_eq!(path, partial.join("blocked_2026-01-20T060307Z.log"));
        let text = fs::read_to_string(path).unwrap();
        for part in [
            "writing: at x.npy",
            "ptyproof run",
            "free some space",
            "  history.json",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn second_blocked_report_keeps_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("hub");
        let first = report().write(None, &output).unwrap();
        let second = report().write(None, &output).unwrap();
        assert_ne!(first, second);
        assert_eq!(first.parent(), Some(dir.path()));
    }

    #[test]
    fn unwritable_blocked_report_is_returned_as_text() {
        let nowhere = Path::new("/proc/no/such/hub");
        let text = report().write(Some(nowhere), nowhere).unwrap_err();
        assert!(text.contains("ptyproof run"));
    }
}
