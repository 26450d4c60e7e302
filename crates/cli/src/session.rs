//! What every command that leaves a hub does around its work: it listens for Ctrl-C, opens the log and the bar, and leaves a
//! whole hub or one that records why it is not.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use indicatif::ProgressBar;

use super::clock::{now, seconds_since_start};
use super::exit::Exit;
use super::interrupt::stop_at_once;
use super::progress;
use super::terminal::Look;
use super::version;
use ptyproof::error::{Error, Kind, Result};
use ptyproof::hub::Hub;
use ptyproof::hub::blocked::Blocked;
use ptyproof::hub::dir::Status;
use ptyproof_harness::log::{Form, Level, Log, json_line};
use ptyproof_harness::pipeline;

/// How much is said, and in what form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Voice {
    pub(super) quiet: bool,
    pub(super) json: bool,
}

/// When a command began, and what it was.
#[derive(Debug)]
pub(super) struct Start {
    begin: Instant,
    pub(super) time: String,
    command: String,
}

impl Start {
    pub(super) fn now() -> Self {
        Self {
            begin: Instant::now(),
            time: now(),
            command: (std::env::args_os().map(|a| a.to_string_lossy().into_owned()))
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    /// Seconds since.
    pub(super) fn elapsed(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }
}

/// A hub under way.
pub(super) struct Session {
    pub(super) hub: Hub,
    pub(super) log: Log,
    pub(super) bar: ProgressBar,
    pub(super) stop: Arc<AtomicBool>,
    voice: Voice,
}

impl Session {
    /// Listens, makes the hub, and opens the log; `unit` is what a request to stop waits for.
    pub(super) fn new(
        hub: impl FnOnce() -> Result<Hub>,
        voice: Voice,
        unit: &'static str,
    ) -> Result<Self> {
        let stop = listen(voice.json, unit)?;
        let hub = hub()?;
        let shows = !voice.quiet && !voice.json && std::io::stderr().is_terminal();
        let bar = progress::bar(!shows);
        let log = log(voice, bar.clone());
        Ok(Self {
            hub,
            log,
            bar,
            stop,
            voice,
        })
    }

    /// Does the work, with the log in the hub, and ends the hub as the work ended.
    pub(super) fn work<T>(
        self,
        start: &Start,
        work: impl FnOnce(&Self) -> Result<T>,
        tell: impl FnOnce(&Log, &T) -> Exit,
    ) -> Result<Exit> {
        let done = (|| {
            self.log.open(&pipeline::log_path(&self.hub)?)?;
            let version = version::long();
            self.log
                .info(format!("ptyproof {version}: {}", start.command));
            work(&self)
        })();
        self.bar.finish_and_clear();
        match done {
            Ok(outcome) => {
                let exit = tell(&self.log, &outcome);
                self.log.close();
                let path = self.hub.finish()?;
                if !self.voice.quiet {
                    outln!("{}", path.display());
                }
                Ok(exit)
            }
            Err(e) => {
                self.log.error(e.to_string());
                self.log.close();
                leave(self.hub, &e, &start.command, self.voice.json);
                Err(e)
            }
        }
    }
}

/// Listens for Ctrl-C, once for all hubs of a command.
fn listen(json: bool, unit: &'static str) -> Result<Arc<AtomicBool>> {
    static HEARD: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    static UNIT: Mutex<&str> = Mutex::new("");
    *UNIT.lock().unwrap_or_else(PoisonError::into_inner) = unit;
    if let Some(heard) = HEARD.get() {
        return Ok(Arc::clone(heard));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if heard.swap(true, Ordering::SeqCst) {
            // asked twice
            stop_at_once();
        }
        let unit = *UNIT.lock().unwrap_or_else(PoisonError::into_inner);
        say(
            json,
            &format!("stopping after this {unit}; once more to stop at once"),
        );
    })
    .map_err(|e| Error::usage("listening for Ctrl-C").because(e))?;
    Ok(Arc::clone(HEARD.get_or_init(|| stop)))
}

/// Leaves a partial hub that says what happened, and why it is not whole.
fn leave(hub: Hub, e: &Error, command: &str, json: bool) {
    let time = now();
    let (partial, output) = (hub.path().to_path_buf(), hub.output().to_path_buf());
    let status = if e.kind() == Kind::Interrupted {
        Status::Interrupted
    } else {
        match Blocked::new(&time, command, e).write(Some(&partial), &output) {
            Ok(path) => say(json, &format!("what is known is in {}", path.display())),
            Err(text) => say(json, &text),
        }
        Status::Blocked
    };
    match hub.mark(status, &e.to_string(), command, &time) {
        Ok(path) => say(json, &format!("the incomplete hub is {}", path.display())),
        Err(e) => say(json, &format!("error: {e}")),
    }
}

/// A line on standard error, in the form of the log, for what the log itself cannot carry.
fn say(json: bool, message: &str) {
    if json {
        errln!("{}", json_line(Level::Warn, &now(), message));
    } else {
        errln!("{message}");
    }
}

fn log(voice: Voice, bar: ProgressBar) -> Log {
    let least = if voice.quiet {
        Level::Note
    } else {
        Level::Info
    };
    let form = if voice.json {
        Form::JsonLines
    } else {
        Form::Message
    };
    let look = Look::of_stderr();
    Log::new(now).with_sink(form, move |level, line| {
        if level == Level::Warn {
            super::count_warning();
        }
        if level >= least {
            let shown = match form {
                Form::Message => look.log_line(seconds_since_start(), level, line),
                Form::JsonLines => line.to_owned(),
            };
            bar.suspend(|| errln!("{shown}"));
        }
    })
}

pub(super) fn cores() -> Result<usize> {
    std::thread::available_parallelism()
        .map(std::num::NonZero::get)
        .map_err(|e| {
            Error::usage("counting the processors")
                .because(e)
                .help("give --threads")
        })
}
