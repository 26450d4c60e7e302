//! Exit codes: what a script may rely on. One table, true for every command.

use std::process::ExitCode;

use ptyproof::error::Kind;
use ptyproof::judgment::Judgment;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It looked, and all is well.
    Success = 0,
    /// It looked, and something is not well: a gate, a limit, a law or a golden does not hold.
    Failed = 1,
    /// The command line does not fit, or an input cannot be read or asks for more memory than allowed.
    Usage = 2,
    /// Something is not finite.
    NonFinite = 3,
    /// Nothing could be judged.
    Undecided = 4,
    /// A law of the program itself was broken.
    Bug = 70,
    /// The output could not be written.
    Unwritten = 74,
    /// The person asked to stop.
    Interrupted = 130,
}

/// The table, as every command's help shows it.
pub(super) const TABLE: &str = "\
Exit codes:
    0  looked, and well
    1  looked, and not well: a gate, limit, law or golden does not hold;
       a FAULT of doctor; a warning under --strict; a reconstruction that
       explains nothing (residual above 1)
    2  usage, or an input that cannot be read or asks for more memory
       than allowed
    3  something is not finite (wins over 1)
    4  could not judge: no metric, every value missing, every trial failed
       or undecided, too little covered
   70  a bug in this program
   74  output could not be written
  130  interrupted";

impl Exit {
    /// The code of a failure.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Usage | Kind::Input => Self::Usage,
            Kind::NonFinite => Self::NonFinite,
            Kind::Undecided => Self::Undecided,
            Kind::Output => Self::Unwritten,
            Kind::Interrupted => Self::Interrupted,
            Kind::Bug => Self::Bug,
        }
    }

    /// The graver of two ends of parts of one command.
    #[must_use]
    pub fn graver(self, other: Self) -> Self {
        let rank = |e: Self| match e {
            Self::Success => 0,
            Self::Undecided => 1,
            Self::Failed => 2,
            Self::NonFinite => 3,
            Self::Usage => 4,
            Self::Unwritten => 5,
            Self::Bug => 6,
            Self::Interrupted => 7,
        };
        if rank(other) > rank(self) {
            other
        } else {
            self
        }
    }
}

impl From<Judgment> for Exit {
    fn from(judgment: Judgment) -> Self {
        match judgment {
            Judgment::Pass => Self::Success,
            Judgment::Undecided => Self::Undecided,
            Judgment::Fail => Self::Failed,
            Judgment::NonFinite => Self::NonFinite,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
