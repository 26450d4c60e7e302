//! What a person knows better than a data file.

use clap::Args;

use super::flags::choice;
use ptyproof::error::{Error, Result};
use ptyproof::io::formats::ReadOptions;
use ptyproof::io::unit::Unit;

/// What the person knows better than the file.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Where the file does not say it")]
pub(crate) struct ReadingArgs {
    /// What the values of the patterns are.
    #[arg(long, value_name = "UNIT", value_parser = choice::<Unit>())]
    unit: Option<Unit>,
    /// Side of an object pixel, in meters.
    #[arg(long, value_name = "METERS", allow_negative_numbers = true)]
    pixel_size: Option<f64>,
    /// Energy of a photon, in electronvolt.
    #[arg(long, value_name = "EV", allow_negative_numbers = true)]
    energy: Option<f64>,
    /// Distance from the object to the detector, in meters.
    #[arg(long, value_name = "METERS", allow_negative_numbers = true)]
    distance: Option<f64>,
    /// Translations of a CXI file are the probe's, not the sample's.
    #[arg(long)]
    probe_moves: bool,
}

impl ReadingArgs {
    /// What was typed, as the readers take it.
    pub(crate) fn options(&self) -> ReadOptions {
        ReadOptions {
            unit: self.unit,
            pixel_m: self.pixel_size,
            photon_energy_ev: self.energy,
            distance_m: self.distance,
            probe_moves: self.probe_moves,
        }
    }

    /// Refuses what was typed of a file, if there is none.
    pub(crate) fn needs_file(&self, is_there: bool) -> Result<()> {
        match self.options().record() {
            Some(record) if !is_there => Err(Error::usage("reading the command line")
                .got(format!("{record} without --data"))
                .need("a data file that this is said of")),
            _ => Ok(()),
        }
    }
}
