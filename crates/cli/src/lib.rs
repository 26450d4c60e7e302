//! Arguments to library calls: the only crate that colors, draws bars, prints and reads the clock.
//!
//! *Law.* A reader who goes away, of either stream, stops nothing: what is said there is also in the log, and the exit code
//! still tells. Standard output that a full disk refuses is a lost report, and so a failure.

/// Prints, as `print!` does, but a reader who has gone away is no reason to fail.
macro_rules! out {
    ($($text:tt)*) => { $crate::print(&format!($($text)*)) };
}

/// As `out!`, with the end of a line.
macro_rules! outln {
    () => { $crate::print("\n") };
    ($($text:tt)*) => { $crate::print(&(format!($($text)*) + "\n")) };
}

/// A line on standard error, as `eprintln!` does, but nobody has to be there to read it.
macro_rules! errln {
    ($($text:tt)*) => { $crate::complain(&(format!($($text)*) + "\n")) };
}

/// A note on standard error: what was assumed or displaced.
macro_rules! noteln {
    ($($text:tt)*) => { $crate::note(&format!($($text)*)) };
}

/// A warning on standard error: what a person should look at, and what fails under `--strict`.
macro_rules! warnln {
    ($($text:tt)*) => { $crate::warn(&format!($($text)*)) };
}

mod advice;
mod args;
mod canvas_check;
mod clock;
mod compare;
mod convert;
mod doctor;
mod examples;
mod exit;
mod fit;
mod history;
mod hub;
mod inspect;
mod interrupt;
mod output_paths;
mod progress;
mod reconstruct;
mod replay;
mod run;
mod scale_audit;
mod scenarios;
mod score;
mod session;
mod shell;
mod standard_streams;
mod terminal;
mod version;

use std::io::Write as _;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use clap::{CommandFactory, FromArgMatches};

use args::Flags;
use standard_streams::{carries_a_report, write_report};
use terminal::Look;

use ptyproof::error::{Error, Kind};
use ptyproof::judgment::Judgment;
use ptyproof_harness::log::{Level, json_line};
use ptyproof_harness::report::junit::{Case, junit};

pub use args::Cli;
pub use exit::Exit;

/// Whether something that was to be on standard output was refused.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// Warnings of this command, on standard error or in a log.
static WARNINGS: AtomicUsize = AtomicUsize::new(0);

/// Counts a warning that is said elsewhere.
fn count_warning() {
    WARNINGS.fetch_add(1, Ordering::Relaxed);
}

/// Says a warning, and counts it.
fn warn(text: &str) {
    count_warning();
    errln!("{}", Look::of_stderr().message("warning", text));
}

/// Says what was assumed, or displaced by what was typed.
fn note(text: &str) {
    errln!("{}", Look::of_stderr().message("note", text));
}

/// Writes to standard error, if it is still there.
fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Writes to standard output. `head` may close it early; a full disk is told on standard error and by the exit code.
///
/// Where a report has standard output, text for people is on standard error.
fn print(text: &str) {
    if carries_a_report() {
        return complain(text);
    }
    match fit::stdout_width() {
        Some(width) => print_as_it_is(&fit::fit(text, width)),
        None => print_as_it_is(text),
    }
}

/// Writes to standard output what a program may read.
fn print_as_it_is(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let done = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    if let Err(e) = done
        && is_refusal(&e)
    {
        errln!("error: writing to standard output: {e}");
    }
}

/// Whether what was to be said is lost and not merely unread; if so the exit code will tell.
fn is_refusal(e: &std::io::Error) -> bool {
    let refused = e.kind() != std::io::ErrorKind::BrokenPipe;
    REFUSED.fetch_or(refused, Ordering::Relaxed);
    refused
}

/// Parses the command line, runs the command, and says how it went; a panic is a bug, and says so by its exit code.
pub fn main() -> ExitCode {
    clock::seconds_since_start();
    // the panic itself has told its place on standard error
    let exit = catch_unwind(once).unwrap_or(Exit::Bug);
    if exit == Exit::Success && REFUSED.load(Ordering::Relaxed) {
        return Exit::Unwritten.into();
    }
    exit.into()
}

fn once() -> Exit {
    let (cli, flags) = match parsed() {
        Ok(parsed) => parsed,
        Err(e) => {
            // help and version are no errors; clap prints each to its own stream
            let code = if e.use_stderr() {
                Exit::Usage
            } else {
                Exit::Success
            };
            if let Err(e) = e.print() {
                is_refusal(&e);
            }
            return code;
        }
    };
    let strict = cli.strict;
    let json = match &cli.command {
        args::Command::Run(args) => args.json_log,
        args::Command::Reconstruct(args) => args.json_log(),
        _ => false,
    };
    let leaves_a_hub = matches!(
        cli.command,
        args::Command::Run(_) | args::Command::Reconstruct(_) | args::Command::Compare(_)
    );
    if let Some(odd) = (std::env::args_os().skip(1)).find(|a| leaves_a_hub && a.to_str().is_none())
    {
        let e = Error::usage("reading the command line")
            .got(format!("{}, which is not UTF-8", odd.to_string_lossy()))
            .need("names that can stand in the metadata of a hub");
        tell(json, &flags, &e);
        return Exit::Usage;
    }
    let junit_file = cli.command.junit().map(Path::to_path_buf);
    let result = match cli.command {
        args::Command::Run(args) => run::run(&args),
        args::Command::Reconstruct(args) => reconstruct::run(&args),
        args::Command::Scenarios(args) => scenarios::run(&args),
        args::Command::CanvasCheck(args) => canvas_check::run(&args),
        args::Command::History(args) => history::run(&args),
        args::Command::Replay(args) => replay::run(&args),
        args::Command::Hub(command) => hub::run(&command),
        args::Command::ScaleAudit(args) => scale_audit::run(&args),
        args::Command::Convert(args) => convert::run(&args),
        args::Command::Inspect(args) => inspect::run(&args),
        args::Command::Compare(args) => compare::run(&args),
        args::Command::Score(args) => score::run(&args),
        args::Command::Doctor(args) => doctor::run(&args),
        args::Command::Completions(args) => shell::completions(&args),
        args::Command::Man(args) => shell::man(&args),
    };
    let exit = result.unwrap_or_else(|e| {
        tell(json, &flags, &e);
        if let Some(path) = &junit_file {
            report_failure(path, &e);
        }
        Exit::of(e.kind())
    });
    let warnings = WARNINGS.load(Ordering::Relaxed);
    if strict && exit.graver(Exit::Failed) == Exit::Failed && warnings > 0 {
        let e = Error::usage("ending under --strict").got(match warnings {
            1 => "a warning".to_owned(),
            n => format!("{n} warnings"),
        });
        tell(json, &flags, &e);
        return Exit::Failed;
    }
    exit
}

/// What was typed, and the flags of the command that was called.
fn parsed() -> Result<(Cli, Flags), clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    let flags = Flags::of(&command, &matches);
    Ok((Cli::from_arg_matches(&matches)?, flags))
}

/// The command line: every command with its examples and the table of exit codes below its help.
pub fn command() -> clap::Command {
    fn with_end(command: clap::Command, path: &str) -> clap::Command {
        let command = command.mut_subcommands(|c| {
            let below = match path {
                "" => c.get_name().to_owned(),
                _ => format!("{path} {}", c.get_name()),
            };
            with_end(c, &below)
        });
        let reports = |a: &clap::Arg| a.get_long() == Some("output-json");
        let dash = if path == "convert" || command.get_arguments().any(reports) {
            standard_streams::HELP
        } else {
            ""
        };
        let end = format!("{dash}{}{}", examples::of(path), exit::TABLE);
        match path {
            // the first page is the same for -h and --help
            "" => command.after_help(end),
            _ => command.after_long_help(end),
        }
    }
    with_end(Cli::command(), "").long_version(version::long())
}

/// Whether these words, the program's name left out, are a command that can be run; clap's message if not.
///
/// # Errors
/// If they do not parse.
///
/// ```
/// assert!(ptyproof_cli::check(&["scenarios"]).is_ok());
/// assert!(ptyproof_cli::check(&["fly"]).is_err());
/// ```
pub fn check<S: AsRef<str>>(words: &[S]) -> Result<(), String> {
    let words = words.iter().map(AsRef::as_ref);
    let words = std::iter::once("ptyproof").chain(words);
    match command().try_get_matches_from(words) {
        Err(e) if e.use_stderr() => Err(e.to_string()),
        _ => Ok(()),
    }
}

/// Writes a failure as JUnit, so that no report of an earlier time stands for this one.
fn report_failure(path: &Path, e: &Error) {
    let judgment = match e.kind() {
        // what is wrong may be the path of the report itself
        Kind::Usage | Kind::Interrupted => return,
        Kind::NonFinite => Judgment::NonFinite,
        _ => Judgment::Undecided,
    };
    let case = Case::new("the command", judgment, e.to_string());
    let written = junit("ptyproof", vec![case]).and_then(|t| write_report(path, t.as_bytes()));
    if let Err(e) = written {
        errln!("error: {e}");
    }
}

/// The last word on a failure.
fn tell(json: bool, flags: &Flags, e: &Error) {
    let (text, advice) = flags.name(e);
    if json {
        let message = match advice {
            Some(advice) => format!("{text}; help: {advice}"),
            None => text,
        };
        errln!("{}", json_line(Level::Error, &clock::now(), &message));
    } else {
        let look = Look::of_stderr();
        errln!("{}", look.message("error", &text));
        if let Some(advice) = advice {
            errln!("{}", look.message("help", &advice));
        }
    }
}
