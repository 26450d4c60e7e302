//! `ptyproof convert`: a data file in another format.

use super::args::ConvertArgs;
use super::exit::Exit;
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
    let same = |a, b| std::fs::canonicalize(a).ok() == std::fs::canonicalize(b).ok();
    if args.output.exists() && same(&args.input, &args.output) {
        return Err(Error::usage("converting a file")
            .at(args.output.display())
            .got("the file that is read")
            .need("another path"));
    }
    let mut contents = formats::open(&args.input, &args.reading.told()?)?;
    let how = Writing {
        store: args.store,
        probe_moves: args.reading.probe_moves,
    };
    for note in contents.notes.clone() {
        eprintln!("note: {}: {note}", args.input.display());
    }
    let from = contents.format;
    let count = contents.positions.len();
    for note in formats::write(&args.output, &mut contents, format, how)? {
        eprintln!("note: {}: {note}", args.output.display());
    }
    outln!(
        "{} ({from}) -> {} ({format}), {count} positions",
        args.input.display(),
        args.output.display()
    );
    Ok(Exit::Success)
}
