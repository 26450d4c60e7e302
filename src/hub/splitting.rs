//! How a run divided its patterns, as its metadata records it.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};

/// What the groups that train the network are drawn from, and those that it infers.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
pub enum Splitting {
    /// One half, and the other.
    #[default]
    #[serde(rename = "halves")]
    Halves,
    /// All, and all: no group is held out, and with as many groups as positions what is inferred has been seen, as
    /// an engine sees it.
    #[serde(rename = "none")]
    None,
}

impl Splitting {
    /// Every one of them.
    pub const ALL: &'static [Self] = &[Self::Halves, Self::None];

    /// Its name in files and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Halves => "halves",
            Self::None => "none",
        }
    }

    /// Whether it is what it was before there was a choice.
    pub fn is_halves(&self) -> bool {
        *self == Self::Halves
    }
}

impl FromStr for Splitting {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.iter().copied().find(|v| v.name() == text);
        found.ok_or_else(|| {
            Error::usage("choosing the split")
                .got(format!("`{text}`"))
                .need("one of halves, none")
        })
    }
}

impl From<Splitting> for Value {
    fn from(v: Splitting) -> Self {
        v.name().into()
    }
}
