//! Arguments to library calls: the only room with colours, bars, print, and the clock.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is where people read"
)]

mod args;
mod chain;
mod clock;
mod exit;
mod history;
mod hub;
mod limits;
mod progress;
mod reconstruct;
mod replay;
mod run;
mod scenarios;
mod session;
mod told;

use std::process::ExitCode;

use clap::Parser;

use crate::error::Error;
use crate::hub::log::{Level, json_line};

pub use args::Cli;
pub use exit::Exit;

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
