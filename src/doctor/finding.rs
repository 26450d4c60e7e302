//! A finding: its severity, evidence and advice.

use std::fmt;

use serde::Serialize;

/// The severity of a finding, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The data contradict what is declared.
    Fault,
    /// Something that may be wrong, or will hurt a reconstruction.
    Warning,
    /// The data cannot decide it.
    Undecided,
    /// Information; the data support it.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fault => "FAULT",
            Self::Warning => "warning",
            Self::Undecided => "undecided",
            Self::Note => "note",
        })
    }
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Severity.
    pub severity: Severity,
    /// The topic, one word of a fixed list: `positions`, `orientation`, `twin`, `scale`, `center`, `unit`, `dose`,
    /// `saturation`, `pixels`, `patterns`, `overlap`, `canvas`.
    pub topic: String,
    /// The finding, one sentence.
    #[serde(rename = "says")]
    pub message: String,
    /// The numbers that support it.
    pub evidence: String,
    /// Advice; empty if there is none.
    pub advice: String,
}

impl Finding {
    /// A finding without advice.
    pub fn new(
        severity: Severity,
        topic: &str,
        message: impl Into<String>,
        evidence: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            topic: topic.to_owned(),
            message: message.into(),
            evidence: evidence.into(),
            advice: String::new(),
        }
    }

    /// The finding with advice.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }
}
