//! One error type: what was being done, where, what was found, what was needed, and what to do next.
//!
//! Every fallible function of the library returns [`Result`]. An [`Error`] is built by naming the
//! action and then adding what is known:
//!
//! ```
//! use ptyproof::error::Error;
//! let e = Error::input("reading the scan")
//!     .at("xcoords[17]")
//!     .got("NaN")
//!     .need("finite positions in pixels");
//! assert_eq!(
//!     e.to_string(),
//!     "reading the scan: at xcoords[17]: got NaN, need finite positions in pixels"
//! );
//! ```

use std::fmt;

/// The result of every fallible function of this library.
pub type Result<T> = std::result::Result<T, Error>;

/// The kind of failure; the command line maps it to an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request is invalid: an unknown scenario, a count larger than the data allow.
    Usage,
    /// An input file or array is missing, unreadable, inconsistent, or not what is needed.
    Input,
    /// An input number is NaN or infinite where a finite one is needed.
    NonFinite,
    /// Nothing could be judged: no values, no known pixels, no trial that ran.
    Undecided,
    /// The file system refused to write: full, read-only, or not permitted.
    Output,
    /// The user asked to stop.
    Interrupted,
    /// A law of the program itself was broken; please report it.
    Bug,
}

/// A failure, in terms that the user can act on.
///
/// It is one pointer wide, so that a successful `Result` costs nothing.
#[derive(Debug)]
pub struct Error(Box<Fields>);

#[derive(Debug)]
struct Fields {
    kind: Kind,
    action: String,
    place: Option<String>,
    got: Option<String>,
    need: Option<String>,
    help: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync + 'static>>,
}

impl Error {
    fn new(kind: Kind, action: impl Into<String>) -> Self {
        Self(Box::new(Fields {
            kind,
            action: action.into(),
            place: None,
            got: None,
            need: None,
            help: None,
            source: None,
        }))
    }

    /// A request that is invalid for any data.
    pub fn usage(action: impl Into<String>) -> Self {
        Self::new(Kind::Usage, action)
    }

    /// Invalid input data.
    pub fn input(action: impl Into<String>) -> Self {
        Self::new(Kind::Input, action)
    }

    /// Nothing could be judged.
    pub fn undecided(action: impl Into<String>) -> Self {
        Self::new(Kind::Undecided, action)
    }

    /// A write that the file system refused.
    pub fn output(action: impl Into<String>) -> Self {
        Self::new(Kind::Output, action)
    }

    /// The user asked to stop.
    pub fn interrupted(action: impl Into<String>) -> Self {
        Self::new(Kind::Interrupted, action)
    }

    /// A broken law of the program itself.
    pub fn bug(action: impl Into<String>) -> Self {
        Self::new(Kind::Bug, action)
    }

    /// Marks the failure as caused by a number that is not finite.
    #[must_use]
    pub fn not_finite(mut self) -> Self {
        self.0.kind = Kind::NonFinite;
        self
    }

    /// Marks the failure as caused by `v` if that is NaN or infinite.
    #[must_use]
    pub fn because_of(self, v: f64) -> Self {
        if v.is_finite() {
            self
        } else {
            self.not_finite()
        }
    }

    /// Where: file, array, index, stage.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.0.place = Some(place.to_string());
        self
    }

    /// Where: a field of a request. The command line prints its flag instead.
    #[must_use]
    pub fn field(mut self, name: &str) -> Self {
        self.0.place = Some(format!("`{name}`"));
        self
    }

    /// What was found there.
    #[must_use]
    pub fn got(mut self, got: impl fmt::Display) -> Self {
        self.0.got = Some(got.to_string());
        self
    }

    /// What was needed.
    #[must_use]
    pub fn need(mut self, need: impl fmt::Display) -> Self {
        self.0.need = Some(need.to_string());
        self
    }

    /// What the user can do, as one sentence.
    #[must_use]
    pub fn help(mut self, help: impl fmt::Display) -> Self {
        self.0.help = Some(help.to_string());
        self
    }

    /// The lower-level error that caused it.
    #[must_use]
    pub fn because(mut self, e: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(e));
        self
    }

    /// The kind of failure.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The advice, where there is one.
    pub fn advice(&self) -> Option<&str> {
        self.0.help.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.action)?;
        if let Some(p) = &self.0.place {
            write!(f, ": at {p}")?;
        }
        match (&self.0.got, &self.0.need) {
            (Some(g), Some(n)) => write!(f, ": got {g}, need {n}")?,
            (Some(g), None) => write!(f, ": got {g}")?,
            (None, Some(n)) => write!(f, ": need {n}")?,
            (None, None) => {}
        }
        if let Some(s) = &self.0.source {
            write!(f, ": {s}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|s| s as _)
    }
}
