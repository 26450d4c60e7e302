//! A log is a value: lines go to `runner.log` and, if there is one, to a sink; nothing is global.
//!
//! *Conventions.* A line of the file is `<time> <LEVEL> <message>`; the sink gets the message, or one JSON object per line in its
//! JSON mode; line breaks in a message are shown as ` | `, so that a line is an event. The clock is passed
//! in. A line that the disk refuses still reaches the sink, and is counted: see [`Log::lost`].

use ptyproof::error::Result;
use ptyproof::hub::file;
use serde_json::json;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something went as it should.
    Info,
    /// Something was assumed, or displaced by what was typed.
    Note,
    /// Something went on, but a person should look: a NaN, patterns left out.
    Warn,
    /// Something did not happen.
    Error,
}

impl Level {
    /// The word in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Note => "NOTE",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// What the sink is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The message alone, on one line: who shows it adds time and level as it likes.
    Message,
    /// One JSON object per line: `{"level": ..., "message": ..., "time": ...}`.
    JsonLines,
}

type Clock = Box<dyn Fn() -> String + Send + Sync>;
type Sink = Box<dyn Fn(Level, &str) + Send + Sync>;

#[derive(Default)]
struct State {
    file: Option<File>,
    lost: u64,
}

/// A log; shared by reference between threads.
pub struct Log {
    clock: Clock,
    sink: Option<(Form, Sink)>,
    state: Mutex<State>,
}

/// One line of a log in JSON.
pub fn json_line(level: Level, time: &str, message: &str) -> String {
    json!({"level": level.name(), "message": message, "time": time}).to_string()
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}

impl Log {
    /// A log without a file yet; `clock` gives the time of each line as text.
    pub fn new(clock: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self {
            clock: Box::new(clock),
            sink: None,
            state: Mutex::default(),
        }
    }

    /// Also gives every line to `sink`.
    #[must_use]
    pub fn with_sink(
        mut self,
        form: Form,
        sink: impl Fn(Level, &str) + Send + Sync + 'static,
    ) -> Self {
        self.sink = Some((form, Box::new(sink)));
        self
    }

    /// From now on also appends to the file `path`; see [`ptyproof::hub::Hub::place`].
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(&self, path: &Path) -> Result<()> {
        let opened = File::options().create(true).append(true).open(path);
        let opened = opened.map_err(|e| file::explain("opening the log", path, e))?;
        self.state().file = Some(opened);
        Ok(())
    }

    /// Flushes and closes the file; later lines go to the sink alone.
    pub fn close(&self) {
        let mut state = self.state();
        if let Some(f) = state.file.take()
            && f.sync_all().is_err()
        {
            state.lost += 1;
        }
    }

    /// Lines that the disk refused.
    pub fn lost(&self) -> u64 {
        self.state().lost
    }

    /// Something went as it should.
    pub fn info(&self, message: impl AsRef<str>) {
        self.line(Level::Info, message.as_ref());
    }

    /// Something was assumed, or displaced by what was typed.
    pub fn note(&self, message: impl AsRef<str>) {
        self.line(Level::Note, message.as_ref());
    }

    /// Something a person should look at.
    pub fn warn(&self, message: impl AsRef<str>) {
        self.line(Level::Warn, message.as_ref());
    }

    /// Something did not happen.
    pub fn error(&self, message: impl AsRef<str>) {
        self.line(Level::Error, message.as_ref());
    }

    /// One line.
    pub fn line(&self, level: Level, message: &str) {
        let time = (self.clock)();
        let event = message
            .trim_end()
            .replace("\r\n", "\n")
            .replace(['\n', '\r'], " | ");
        let text = format!("{time} {} {event}", level.name());
        {
            let mut state = self.state();
            let refused = (state.file.as_mut())
                .is_some_and(|f| f.write_all(format!("{text}\n").as_bytes()).is_err());
            state.lost += u64::from(refused);
        }
        if let Some((form, sink)) = &self.sink {
            match form {
                Form::Message => sink(level, &event),
                Form::JsonLines => {
                    sink(level, &json_line(level, &time, message));
                }
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic elsewhere must not silence the log that would explain it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    type Seen = Arc<Mutex<Vec<String>>>;

    fn recorder() -> (Seen, impl Fn(Level, &str) + Send + Sync) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let copy = Arc::clone(&seen);
        (seen, move |_: Level, l: &str| {
            copy.lock().unwrap().push(l.to_string());
        })
    }

    #[test]
    fn line_reaches_file_and_sink() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("runner.log");
        let (seen, sink) = recorder();
        let log = Log::new(|| "2026-01-20T06:03:07Z".into()).with_sink(Form::Message, sink);
        log.info("before the hub exists");
        log.open(&path).unwrap();
        log.warn("metric loss\nis NaN\n");
        log.close();
        log.error("after it was finished");
        let want = "2026-01-20T06:03:07Z WARN metric loss | is NaN\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), want);
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 3);
        assert_eq!(seen[1], "metric loss | is NaN");
        assert_eq!(log.lost(), 0);
    }

    #[test]
    fn json_lines_are_strict_and_one_line_each() {
        let (seen, sink) = recorder();
        let log = Log::new(|| "t".into()).with_sink(Form::JsonLines, sink);
        log.info("a \"quoted\"\nmessage");
        let line = seen.lock().unwrap()[0].clone();
        assert!(!line.contains('\n'));
        let v: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(v["message"], "a \"quoted\"\nmessage");
        assert_eq!(v["level"], "INFO");
    }

    #[test]
    fn unwritable_log_lines_are_counted_and_shown() {
        let full = Path::new("/dev/full");
        if !full.exists() {
            return ptyproof_testkit::skips::skip(
                ptyproof_testkit::skips::SkipReason::Machine,
                "this system has no /dev/full",
            );
        }
        let (seen, sink) = recorder();
        let log = Log::new(String::new).with_sink(Form::Message, sink);
        log.open(full).unwrap();
        log.info("x");
        assert_eq!((log.lost(), seen.lock().unwrap().len()), (1, 1));
    }
}
