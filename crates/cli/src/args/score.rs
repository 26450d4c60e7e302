//! What can be typed after `score`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::reading::ReadingArgs;
use ptyproof::error::{Error, Result};
use ptyproof::score::known::DEFAULT_MIN_KNOWN_SHARE;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AlignArg {
    /// Phase and scale, ramp, shift, twin: all that diffraction cannot tell.
    Gauge,
    /// Phase and scale alone.
    Scalar,
    /// Nothing.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Convention {
    /// Stated peak, stated range, stated region.
    Standard,
    /// The reference program's own evaluation beside it.
    Reference,
}

/// How much must be known for a figure.
#[derive(Debug, Args)]
pub(crate) struct KnownArgs {
    /// The share of the region, and of the patterns, that must be finite and covered: below it every figure is NaN.
    #[arg(
        long,
        value_name = "SHARE",
        default_value_t = DEFAULT_MIN_KNOWN_SHARE,
        allow_negative_numbers = true
    )]
    pub(crate) known_at_least: f64,
}

impl KnownArgs {
    /// The share, which is one.
    pub(crate) fn at_least(&self) -> Result<f64> {
        let value = self.known_at_least;
        if value > 0.0 && value <= 1.0 {
            return Ok(value);
        }
        Err(Error::usage("reading the command line")
            .field("known_at_least")
            .got(value)
            .need("a share above 0, up to 1"))
    }
}

#[derive(Debug, Args)]
pub(crate) struct ScoreArgs {
    /// A hub (an engine's, a network's, the reference's), a complex .npy, or a file with an object.
    #[arg(value_name = "RECON")]
    pub(crate) reconstruction: PathBuf,
    /// What it should be, or another reconstruction [default: of a network's hub, the run's own object; else that of --data].
    #[arg(long, value_name = "FILE")]
    pub(crate) truth: Option<PathBuf>,
    /// The patterns it is of, for figures on the detector [default: of a network's hub, the run's own].
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// What is taken off before the comparison.
    #[arg(long, value_enum, default_value_t = AlignArg::Gauge)]
    pub(crate) align: AlignArg,
    /// Where, in pixels of the truth: rows from, to, columns from, to, the ends exclusive
    /// [default: the middle of the scan; without positions all that the truth, or a hub, covers].
    #[arg(long, value_name = "R0,R1,C0,C1", value_delimiter = ',')]
    pub(crate) region: Option<Vec<usize>>,
    #[command(flatten)]
    pub(crate) known: KnownArgs,
    /// Whose evaluation.
    #[arg(long, value_enum, default_value_t = Convention::Standard)]
    pub(crate) convention: Convention,
    /// Fail (exit code 1; 4 if it could not be taken) if this figure is larger: nrmse=0.01, r_factor=0.1, ...
    #[arg(long, value_name = "FIGURE=VALUE")]
    pub(crate) at_most: Vec<String>,
    /// Fail (exit code 1; 4 if it could not be taken) if this figure is smaller: frc_mean=0.9, phase_ssim=0.8, ...
    #[arg(long, value_name = "FIGURE=VALUE")]
    pub(crate) at_least: Vec<String>,
    /// Write the scores as JSON.
    #[arg(long = "output-json", alias = "json", value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the gates as JUnit; without a gate, whether the figures could be taken.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write them as Markdown.
    #[arg(long = "output-markdown", alias = "markdown", value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Write the ring correlation as CSV.
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) frc_csv: Option<PathBuf>,
    /// Write it as a picture.
    #[arg(long, value_name = "FILE.png")]
    pub(crate) frc_picture: Option<PathBuf>,
    /// Write reconstruction, truth and difference, as compared, as a picture.
    #[arg(long, value_name = "FILE.png")]
    pub(crate) picture: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

impl ScoreArgs {
    /// Where a JUnit report is asked for, if it is.
    pub(crate) fn junit(&self) -> Option<&Path> {
        self.junit.as_deref()
    }
}
