//! `ptyproof completions` and `ptyproof man`: what a shell and a manual need to know of the command line.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use super::exit::Exit;
use ptyproof::error::{Error, Result};
use ptyproof::file::{explain, write_atomic};
use ptyproof::hub::dir::refuse_inside_hub;

const WRITING_PAGES: &str = "writing manual pages";

/// For which shell.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell that is to complete commands and options.
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

/// Where the manual goes.
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write a page for every command into this directory [default: the page of `ptyproof` to standard output].
    #[arg(long, short = 'o', value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

/// Prints the script of a shell.
pub(super) fn completions(args: &CompletionsArgs) -> Result<Exit> {
    let mut script = Vec::new();
    let mut command = super::command();
    clap_complete::generate(args.shell, &mut command, "ptyproof", &mut script);
    super::print_as_it_is(&text(script)?);
    Ok(Exit::Success)
}

/// Prints the page of the program, or writes those of all commands.
pub(super) fn man(args: &ManArgs) -> Result<Exit> {
    // a page for `help` would say nothing that its command does not
    let mut command = super::command().disable_help_subcommand(true);
    command.build();
    let Some(folder) = &args.output_dir else {
        super::print_as_it_is(&page(&command)?);
        return Ok(Exit::Success);
    };
    refuse_inside_hub(folder, Error::usage(WRITING_PAGES).at(folder.display()))?;
    fs::create_dir_all(folder).map_err(|e| explain(WRITING_PAGES, folder, e))?;
    let count = pages(&command, folder)?;
    outln!("{count} pages in {}", folder.display());
    Ok(Exit::Success)
}

/// Writes the page of a command and those of its commands; how many they are.
fn pages(command: &Command, folder: &Path) -> Result<usize> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    write_atomic(&folder.join(format!("{name}.1")), page(command)?.as_bytes())?;
    let below = command.get_subcommands().filter(|c| !c.is_hide_set());
    let counts: Result<Vec<usize>> = below.map(|c| pages(c, folder)).collect();
    Ok(1 + counts?.iter().sum::<usize>())
}

fn page(command: &Command) -> Result<String> {
    let mut page = Vec::new();
    let made = Man::new(command.clone()).render(&mut page);
    made.map_err(|e| Error::bug("making a manual page").because(e))?;
    text(page)
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|e| Error::bug("making a text").because(e))
}
