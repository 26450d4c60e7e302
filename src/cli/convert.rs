//! `ptyproof convert`: a data file in another format.

use super::apart::apart;
use super::args::ConvertArgs;
use super::exit::Exit;
use super::session::tidy_when_interrupted;
use crate::data::formats::{self, Format, Writing};
use crate::error::{Error, Result};

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
    apart("converting a file", [&args.input], [&args.output])?;
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
        errln!(
            "note: {}: {lost} of {count} positions are not finite, and are written as they are",
            args.input.display()
        );
    }
    for note in formats::write(&args.output, &mut contents, format, how)? {
        errln!("note: {}: {note}", args.output.display());
    }
    outln!(
        "{} ({from}) -> {} ({format}), {count} positions",
        args.input.display(),
        args.output.display()
    );
    Ok(Exit::Success)
}
