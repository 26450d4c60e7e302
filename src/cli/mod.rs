//! Arguments to library calls: the only room with colours, bars, print, and the clock.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is where people read"
)]

/// Prints, as `print!` does, but a reader who has gone away is no reason to fail: the exit code still tells.
macro_rules! out {
    ($($text:tt)*) => { $crate::cli::print(&format!($($text)*)) };
}

/// As `out!`, with the end of a line.
macro_rules! outln {
    () => { $crate::cli::print("\n") };
    ($($text:tt)*) => { $crate::cli::print(&(format!($($text)*) + "\n")) };
}

mod args;
mod chain;
mod clock;
mod compare;
mod convert;
mod doctor;
mod exit;
mod history;
mod hub;
mod inspect;
mod limits;
mod overrides;
mod progress;
mod reconstruct;
mod replay;
mod run;
mod scenarios;
mod score;
mod session;
mod told;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;

use crate::error::Error;
use crate::hub::log::{Level, json_line};

pub use args::Cli;
pub use exit::Exit;

/// Writes to standard output. `head` may close it early; a full disk is told on standard error.
fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("error: writing to standard output: {e}");
        }
        _ => {}
    }
}

/// Parses the command line, runs the command, and says how it went.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // help and version are no errors; clap prints each to its own stream
            let code = if e.use_stderr() {
                Exit::Usage
            } else {
                Exit::Success
            };
            let _ = e.print();
            return code.into();
        }
    };
    let json = match &cli.command {
        args::Command::Run(args) => args.json_log,
        args::Command::Reconstruct(args) => args.json_log(),
        _ => false,
    };
    let result = match cli.command {
        args::Command::Run(args) => run::run(&args),
        args::Command::Reconstruct(args) => reconstruct::run(&args),
        args::Command::Scenarios(args) => scenarios::run(&args),
        args::Command::Limits(args) => limits::run(&args),
        args::Command::History(args) => history::run(&args),
        args::Command::Replay(args) => replay::run(&args),
        args::Command::Hub(command) => hub::run(&command),
        args::Command::Chain(args) => chain::run(&args),
        args::Command::Convert(args) => convert::run(&args),
        args::Command::Inspect(args) => inspect::run(&args),
        args::Command::Compare(args) => compare::run(&args),
        args::Command::Score(args) => score::run(&args),
        args::Command::Doctor(args) => doctor::run(&args),
    };
    result
        .unwrap_or_else(|e| {
            tell(json, &e);
            Exit::of(e.kind())
        })
        .into()
}

/// The last word on a failure.
fn tell(json: bool, e: &Error) {
    if json {
        let message = e
            .advice()
            .map_or_else(|| e.to_string(), |advice| format!("{e}; help: {advice}"));
        eprintln!("{}", json_line(Level::Error, &clock::now(), &message));
    } else {
        eprintln!("error: {e}");
        if let Some(advice) = e.advice() {
            eprintln!("help: {advice}");
        }
    }
}
