//! What was found, how grave it is, and what to do about it.

use std::fmt;

use serde::Serialize;

/// How grave a finding is, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The data contradict what is declared.
    Fault,
    /// Something that may be wrong, or will hurt a reconstruction.
    Warning,
    /// The data cannot decide it.
    Undecided,
    /// Good to know; the data support it.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fault => "FAULT",
            Self::Warning => "warning",
            Self::Undecided => "cannot decide",
            Self::Note => "note",
        })
    }
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How grave.
    pub severity: Severity,
    /// What it is about, one word of a fixed list: `positions`, `orientation`, `twin`, `scale`, `centre`, `unit`, `dose`,
    /// `saturation`, `pixels`, `patterns`, `overlap`, `canvas`.
    pub topic: String,
    /// What is the case.
    pub says: String,
    /// The numbers it rests on.
    pub evidence: String,
    /// What to do; empty if nothing.
    pub advice: String,
}

impl Finding {
    /// A finding without advice.
    pub fn new(
        severity: Severity,
        topic: &str,
        says: impl Into<String>,
        evidence: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            topic: topic.to_owned(),
            says: says.into(),
            evidence: evidence.into(),
            advice: String::new(),
        }
    }

    /// The same with what to do.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }
}
