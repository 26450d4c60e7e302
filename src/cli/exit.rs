//! Exit codes: what a script may rely on.

use std::process::ExitCode;

use crate::error::Kind;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Success = 0,
    /// An input was bad, a file could not be written, or a limit does not hold.
    Failed = 1,
    /// The command line does not fit.
    Usage = 2,
    /// The run is complete, and something in it is not finite.
    NonFinite = 3,
    /// A law of the program itself was broken.
    Bug = 70,
    /// The person asked to stop.
    Interrupted = 130,
}

impl Exit {
    /// The code of a failure.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Usage => Self::Usage,
            Kind::Input | Kind::Io => Self::Failed,
            Kind::Interrupted => Self::Interrupted,
            Kind::Bug => Self::Bug,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
