//! `ptyproof convert`: a data file in another format.

use super::args::ConvertArgs;
use super::exit::Exit;
use super::output_paths::refuse_overwrite;
use super::session::tidy_when_interrupted;
use ptyproof::error::{Error, Result};
use ptyproof::io::formats::{self, Format, Writing};

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
    refuse_overwrite("converting a file", [&args.input], [&args.output])?;
    tidy_when_interrupted()?;
    let mut contents = formats::open(&args.input, &args.reading.told()?)?;
    let how = Writing {
        store: args.store,
        probe_moves: args.reading.probe_moves,
    };
    for note in contents.notes.clone() {
        errln!("note: {}: {note}", args.input.display());
    }
    let from = contents.format;
    let count = contents.positions.len();
    let lost = (contents.positions.iter())
        .filter(|p| !p.is_finite())
        .count();
    if lost > 0 {
        warnln!(
            "{}: {lost} of {count} positions are not finite, and are written as they are",
            args.input.display()
        );
    }
    let patterns = contents.stack.as_ref().map_or(0, |s| s.count);
    let held =
        patterns + count + usize::from(contents.probe.is_some() || contents.object.is_some());
    if held == 0 {
        return Err(Error::undecided("converting a file")
            .at(args.input.display())
            .got("no pattern, no position, no probe and no object")
            .need("something to write"));
    }
    for note in formats::write(&args.output, &mut contents, format, how)? {
        errln!("note: {}: {note}", args.output.display());
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
