//! Lines on standard error: time since the start, level, message; wrapped and colored on a terminal alone.

use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};

use super::fit::{width_of, wrap};
use ptyproof_harness::log::Level;

/// What standard error is to a person: nothing here applies to a file or a pipe.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    /// Columns to wrap at.
    width: Option<usize>,
    colored: bool,
}

impl Look {
    /// That of standard error.
    pub(super) fn of_stderr() -> Self {
        let stderr = std::io::stderr();
        if !stderr.is_terminal() {
            return Self::default();
        }
        let is_set = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        Self {
            width: width_of(&stderr),
            colored: !is_set("NO_COLOR") && !dumb,
        }
    }

    /// A line of the log: `  12.3s info  epoch 1/5: ...`.
    pub(super) fn log_line(self, seconds: f64, level: Level, message: &str) -> String {
        let (word, style) = match level {
            Level::Info => ("info", AnsiColor::Green.on_default()),
            Level::Note => ("note", AnsiColor::Cyan.on_default()),
            Level::Warn => ("warn", AnsiColor::Yellow.on_default().bold()),
            Level::Error => ("error", AnsiColor::Red.on_default().bold()),
        };
        let time = format!("{seconds:>7.1}s ");
        let first = format!("{time}{word:<5} ");
        let text = self.wrapped(message, first.len(), first.len());
        let time = self.painted(&time, Style::new().dimmed());
        let word = self.painted(&format!("{word:<5}"), style);
        format!("{time}{word} {text}")
    }

    /// `warning: ...` and its like.
    pub(super) fn message(self, word: &str, text: &str) -> String {
        let style = match word {
            "error" => AnsiColor::Red.on_default().bold(),
            "warning" => AnsiColor::Yellow.on_default().bold(),
            _ => AnsiColor::Cyan.on_default(),
        };
        let text = self.wrapped(text, word.len() + 2, 4);
        format!("{}: {text}", self.painted(word, style))
    }

    fn painted(self, text: &str, style: Style) -> String {
        if self.colored {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    /// The text of a line that begins at column `first`, its further lines at column `indent`.
    fn wrapped(self, text: &str, first: usize, indent: usize) -> String {
        match self.width {
            Some(width) => wrap(text, width, first, indent),
            None => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look {
        width: None,
        colored: false,
    };

    #[test]
    fn a_line_begins_with_the_seconds_and_the_padded_level() {
        let line = |level| PLAIN.log_line(12.34, level, "epoch 1/5");
        assert_eq!(line(Level::Info), "   12.3s info  epoch 1/5");
        assert_eq!(line(Level::Error), "   12.3s error epoch 1/5");
        let long = PLAIN.log_line(360_000.0, Level::Warn, "x");
        assert_eq!(long, "360000.0s warn  x");
    }

    #[test]
    fn a_terminal_gets_lines_that_fit_and_no_word_is_lost() {
        let text = "the padded canvas of 138 px does not hold the inferred groups, which need 150";
        for width in [40, 60, 80, 200] {
            let look = Look {
                width: Some(width),
                colored: false,
            };
            let line = look.log_line(1.0, Level::Warn, text);
            assert!(line.lines().all(|l| l.chars().count() < width), "{line}");
            assert!(line.lines().skip(1).all(|l| l.starts_with(&" ".repeat(15))));
            let words = |t: &str| t.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&line)[2..], words(text));
        }
        let path = format!("wrote {}", "/a".repeat(60));
        let look = Look {
            width: Some(80),
            colored: false,
        };
        assert!(look.message("note", &path).contains(&"/a".repeat(60)));
        assert_eq!(PLAIN.message("error", text), format!("error: {text}"));
    }

    #[test]
    fn colors_surround_the_level_and_change_no_width() {
        let look = Look {
            width: None,
            colored: true,
        };
        let line = look.log_line(1.0, Level::Warn, "x");
        assert!(
            line.contains("\u{1b}[33m") && line.ends_with("x"),
            "{line:?}"
        );
        let mut bare = String::new();
        for part in line.split('\u{1b}') {
            bare.push_str(
                part.strip_prefix('[')
                    .map_or(part, |p| p.split_once('m').unwrap().1),
            );
        }
        assert_eq!(bare, PLAIN.log_line(1.0, Level::Warn, "x"));
    }
}
