//! Verdicts as JUnit, for a CI: a case for each thing that was looked at.
//!
//! *Law.* What could not be judged is an error and not a success, and a suite without a case has one that says so.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use ptyproof::error::{Error, Result};
use ptyproof::judgment::Judgment;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What it is.
    pub name: String,
    /// How it ended; absent: not compared, by design.
    pub judgment: Option<Judgment>,
    /// What was found.
    pub says: String,
}

impl Case {
    /// A case that was judged.
    pub fn new(name: impl Into<String>, judgment: Judgment, says: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            judgment: Some(judgment),
            says: says.into(),
        }
    }

    /// A case that is not compared, and why.
    pub fn skipped(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            judgment: None,
            says: why.into(),
        }
    }
}

/// The text of a suite, XML.
///
/// # Errors
/// Never for text that XML can hold; control characters are replaced.
pub fn junit(suite: &str, cases: Vec<Case>) -> Result<String> {
    let mut cases = cases;
    if cases.iter().all(|c| c.judgment.is_none()) {
        let says = "nothing was checked";
        cases.push(Case::new("anything", Judgment::Undecided, says));
    }
    let mut made = TestSuite::new(suite);
    for case in cases {
        let status = match case.judgment {
            Some(Judgment::Pass) => TestCaseStatus::success(),
            None => TestCaseStatus::skipped(),
            Some(bad) => {
                let kind = match bad {
                    Judgment::Undecided => NonSuccessKind::Error,
                    _ => NonSuccessKind::Failure,
                };
                let mut status = TestCaseStatus::non_success(kind);
                status.set_message(plain(&case.says));
                status
            }
        };
        made.add_test_case(TestCase::new(plain(&case.name), status));
    }
    let mut report = Report::new("ptyproof");
    report.add_test_suite(made);
    (report.to_string()).map_err(|e| Error::bug("writing JUnit").because(e))
}

/// Without characters that XML cannot hold.
fn plain(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c,
        c if c.is_control() || ('\u{fffe}'..='\u{ffff}').contains(&c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undecided_is_an_error_and_empty_is_not_success() {
        let cases = vec![
            Case::new("a", Judgment::Pass, "fine"),
            Case::new("b\u{1}", Judgment::Fail, "1 < 2\u{0}"),
            Case::new("c", Judgment::NonFinite, "NaN"),
            Case::new("d", Judgment::Undecided, "no value"),
            Case::skipped("e", "volatile"),
        ];
        let text = junit("suite", cases).unwrap();
        assert!(
            text.contains("tests=\"5\" skipped=\"1\" errors=\"1\" failures=\"2\""),
            "{text}"
        );
        assert!(!text.contains('\u{1}') && !text.contains('\u{0}'), "{text}");
        for nothing in [vec![], vec![Case::skipped("e", "volatile")]] {
            let text = junit("suite", nothing).unwrap();
            assert!(
                text.contains("errors=\"1\"") && text.contains("nothing was checked"),
                "{text}"
            );
        }
    }
}
