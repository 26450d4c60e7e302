//! `ptyproof convert`: a data file in another format.

use std::path::Path;

use super::args::ConvertArgs;
use super::exit::Exit;
use super::interrupt::tidy_when_interrupted;
use super::output_paths::refuse_overwrite;
use super::standard_streams::{Input, folder_for_a_copy, is_dash, print_file};
use ptyproof::error::{Error, Result};
use ptyproof::io::formats::{self, Format, Writing};
use ptyproof::io::open_file::OpenFile;

const ACTION: &str = "converting a file";

pub(super) fn run(args: &ConvertArgs) -> Result<Exit> {
    let format = args
        .to
        .or_else(|| Format::of_ending(&args.output))
        .ok_or_else(|| {
            Error::usage("choosing the format to write")
                .at(args.output.display())
                .got("an ending that says nothing")
                .need(".npz, .h5, .hdf5 or .cxi, or --to")
        })?;
    refuse_overwrite(ACTION, [&args.input], [&args.output])?;
    tidy_when_interrupted()?;
    let input = Input::of(ACTION, &args.input)?;
    let mut contents = formats::open(input.path(), &args.reading.options())?;
    let how = Writing {
        store: args.store,
        probe_moves: args.reading.options().probe_moves,
    };
    for note in contents.notes.clone() {
        noteln!("{}: {note}", args.input.display());
    }
    let from = contents.format;
    let count = contents.positions.len();
    let lost = (contents.positions.iter())
        .filter(|p| !p.is_finite())
        .count();
    if lost > 0 {
        warnln!(
            "{}: {lost} of {count} positions are not finite, and are written as they are: other commands refuse or miscount them; leave those patterns out",
            args.input.display()
        );
    }
    let patterns = contents.stack.as_ref().map_or(0, |s| s.count);
    let held =
        patterns + count + usize::from(contents.probe.is_some() || contents.object.is_some());
    if held == 0 {
        return Err(Error::undecided(ACTION)
            .at(args.input.display())
            .got("no pattern, no position, no probe and no object")
            .need("something to write"));
    }
    for note in write(&args.output, &mut contents, format, how)? {
        noteln!("{}: {note}", args.output.display());
    }
    outln!(
        "{} ({from}) -> {} ({format}); read: {patterns} patterns, {count} positions",
        args.input.display(),
        args.output.display()
    );
    Ok(if lost > 0 {
        Exit::NonFinite
    } else {
        Exit::Success
    })
}

/// Writes a file, or what it would hold to standard output; what was assumed.
fn write(
    path: &Path,
    contents: &mut OpenFile,
    format: Format,
    how: Writing,
) -> Result<Vec<String>> {
    if !is_dash(path) {
        return formats::write(path, contents, format, how);
    }
    // writers seek
    let folder = folder_for_a_copy(ACTION)?;
    let file = folder.path().join("standard-output");
    let notes = formats::write(&file, contents, format, how)?;
    print_file(&file)?;
    Ok(notes)
}
