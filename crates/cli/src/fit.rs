//! Text that fits a terminal: long lines are broken between words, and Markdown tables that are too wide become lists.

use std::io::IsTerminal;

use ptyproof_harness::report::columns::{Side, columns};
use terminal_size::{Height, Width, terminal_size_of};

/// Columns of a terminal that does not say how wide it is.
const UNKNOWN_WIDTH: usize = 80;

/// Narrower terminals get unbroken lines: words would stand in a column.
const MIN_WIDTH: usize = 40;

/// The columns of standard output, if it is a terminal: a file or a pipe gets lines as they are.
pub(super) fn stdout_width() -> Option<usize> {
    width_of(&std::io::stdout())
}

/// What a terminal says of itself, or `COLUMNS`.
fn usable(size: Option<(Width, Height)>) -> Option<usize> {
    let told = || std::env::var("COLUMNS").ok()?.parse().ok();
    let width = size.map_or_else(|| told().unwrap_or(UNKNOWN_WIDTH), |(Width(w), _)| w.into());
    Some(width).filter(|w| *w >= MIN_WIDTH)
}

/// The columns of a stream, if it is a terminal.
#[cfg(unix)]
pub(super) fn width_of(stream: &(impl IsTerminal + std::os::fd::AsFd)) -> Option<usize> {
    let is_terminal = stream.is_terminal();
    is_terminal.then(|| usable(terminal_size_of(stream)))?
}

/// The columns of a stream, if it is a terminal.
#[cfg(windows)]
pub(super) fn width_of(
    stream: &(impl IsTerminal + std::os::windows::io::AsHandle),
) -> Option<usize> {
    let is_terminal = stream.is_terminal();
    is_terminal.then(|| usable(terminal_size_of(stream)))?
}

/// The text in lines shorter than `width`; a word that is wider, as a path may be, stays whole.
pub(super) fn fit(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut table: Vec<&str> = Vec::new();
    for line in text.split_inclusive('\n') {
        if line.starts_with('|') {
            table.push(line);
            continue;
        }
        out.push_str(&of_table(&table, width));
        table.clear();
        out.push_str(&of_line(line, width));
    }
    out.push_str(&of_table(&table, width));
    out
}

fn length(text: &str) -> usize {
    text.trim_end_matches('\n').chars().count()
}

/// A Markdown table; where it does not fit, its columns without bars, or a list of its rows.
fn of_table(lines: &[&str], width: usize) -> String {
    if lines.iter().all(|l| length(l) < width) {
        return lines.concat();
    }
    let cells = |line: &&str| -> Vec<String> {
        let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
        // a pipe inside a cell is escaped
        let inner = inner.replace("\\|", "\u{1}");
        inner
            .split('|')
            .map(|c| c.trim().replace('\u{1}', "|"))
            .collect()
    };
    let is_rule = |l: &&&str| l.contains("---") && l.chars().all(|c| "|-: \n".contains(c));
    let mut rows = lines.iter().filter(|l| !is_rule(l)).map(cells);
    let head = rows.next().unwrap_or_default();
    let head: Vec<(&str, Side)> = head.iter().map(|h| (h.as_str(), Side::Left)).collect();
    let rows: Vec<Vec<String>> = rows.collect();
    let list = columns(&head, &rows, 0, Some(width));
    list.split_inclusive('\n')
        .map(|l| of_line(l, width))
        .collect()
}

/// A line; what is broken off stands under the text that begins after the first gap, where a name and its value are aligned.
fn of_line(line: &str, width: usize) -> String {
    if length(line) < width {
        return line.to_owned();
    }
    let end = if line.ends_with('\n') { "\n" } else { "" };
    let text = line.trim_end_matches('\n');
    let margin = text.chars().take_while(|c| *c == ' ').count();
    let value = text[margin..].find("  ").map(|gap| {
        let rest = &text[margin + gap..];
        let begin = text.len() - rest.trim_start().len();
        text[..begin].chars().count()
    });
    let indent = value.filter(|v| *v <= width / 2).unwrap_or(margin + 2);
    wrap(text, width, 0, indent) + end
}

/// Breaks lines between words; a word that is wider than a line, as a path may be, stays whole. The first line begins at column
/// `first`, the others at `indent`.
pub(super) fn wrap(text: &str, width: usize, first: usize, indent: usize) -> String {
    let mut out = String::new();
    for (k, line) in text.split('\n').enumerate() {
        let mut column = first;
        if k > 0 {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        }
        let margin = line.chars().take_while(|c| *c == ' ').count();
        let (mut gap, mut begun) = (margin, false);
        for word in line[margin..].split(' ') {
            if word.is_empty() {
                gap += 1;
                continue;
            }
            let length = word.chars().count();
            // the last column stays free: some terminals break a line that fills it
            if begun && column + gap + length >= width {
                out.push('\n');
                out.push_str(&" ".repeat(indent));
                column = indent;
            } else {
                out.push_str(&" ".repeat(gap));
                column += gap;
            }
            out.push_str(word);
            column += length;
            (gap, begun) = (1, true);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_stays_in_its_column() {
        let line =
            "  known      0.0295 of the region: 858 of 29085 pixels are finite and covered\n";
        let want = "  known      0.0295 of the region: 858\n             of 29085 pixels are finite\n             and covered\n";
        assert_eq!(fit(line, 40), want);
        assert_eq!(fit(line, 100), line);
    }

    #[test]
    fn a_table_that_is_too_wide_loses_its_bars_or_becomes_a_list() {
        let page = "# Page\n\n| subset | points | loss |\n|---|---|---|\n| test | 4000 | 0 % |\n| a\\|b | 1 | 2 |\n\nEnd\n";
        assert_eq!(fit(page, 80), page);
        let list =
            "# Page\n\ntest\n  points  4000\n  loss    0 %\na|b\n  points  1\n  loss    2\n\nEnd\n";
        assert_eq!(fit(page, 20), list);
        let plain = "subset  points  loss\ntest    4000    0 %\na|b     1       2\n";
        assert!(fit(page, 25).contains(plain), "{}", fit(page, 25));
    }

    proptest! {
        #[test]
        fn no_word_is_lost_and_lines_fit(text in "([a-z]{1,9}| |\n|[.,]){0,200}", width in 40_usize..120) {
            let made = fit(&text, width);
            let words = |t: &str| t.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(words(&made), words(&text));
            prop_assert_eq!(&fit(&made, width), &made);
            let longest = text.split_whitespace().map(str::len).max().unwrap_or(0);
            for line in made.lines().filter(|_| longest < width / 2) {
                prop_assert!(line.trim_end().len() < width, "{line:?}");
            }
        }
    }
}
