//! A table of text columns; where it would be wider than the terminal, a block of lines per row.

use std::fmt::Write as _;

/// Spaces between two columns.
const GAP: usize = 2;

/// How a column is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// The rows under their heads, each line indented by `indent`. Wider than `width`, each row becomes its first cell and,
/// below it, the others with their heads.
pub fn columns(
    head: &[(&str, Side)],
    rows: &[Vec<String>],
    indent: usize,
    width: Option<usize>,
) -> String {
    let length = |text: &str| text.chars().count();
    let widths: Vec<usize> = (head.iter().enumerate())
        .map(|(k, (name, _))| {
            let cells = rows.iter().filter_map(|r| r.get(k)).map(|c| length(c));
            cells.max().unwrap_or(0).max(length(name))
        })
        .collect();
    let all = indent + widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    // the last column of a terminal stays free
    if width.is_some_and(|most| all >= most) {
        return blocks(head, rows, indent);
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = " ".repeat(indent);
        for (k, (cell, (_, side))) in cells.zip(head).enumerate() {
            let gap = if k == 0 { 0 } else { GAP };
            let pad = widths[k].saturating_sub(length(cell));
            let (before, after) = match side {
                Side::Left => (gap, pad),
                Side::Right => (gap + pad, 0),
            };
            let _ = write!(text, "{:before$}{cell}{:after$}", "", ""); // a String takes every write
        }
        format!("{}\n", text.trim_end())
    };
    let mut out = line(&mut head.iter().map(|(name, _)| *name));
    for row in rows {
        out.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    out
}

fn blocks(head: &[(&str, Side)], rows: &[Vec<String>], indent: usize) -> String {
    let names = head.iter().skip(1).map(|(name, _)| name.chars().count());
    let widest = names.max().unwrap_or(0);
    let mut out = String::new();
    for row in rows {
        let first = row.first().map_or("", String::as_str);
        let _ = writeln!(out, "{:indent$}{first}", "");
        for ((name, _), cell) in head.iter().zip(row).skip(1) {
            let _ = writeln!(out, "{:indent$}  {name:widest$}  {cell}", "");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(width: Option<usize>) -> String {
        let head = [
            ("scenario", Side::Left),
            ("patterns", Side::Right),
            ("probe", Side::Left),
        ];
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [
            row(["gs1", "512", "idealized"]),
            row(["gs2_custom", "8,000", "custom, big"]),
        ];
        columns(&head, &rows, 0, width)
    }

    #[test]
    fn columns_are_aligned_where_they_fit() {
        let wide = "scenario    patterns  probe\n\
                    gs1              512  idealized\n\
                    gs2_custom     8,000  custom, big\n";
        assert_eq!(example(None), wide);
        assert_eq!(example(Some(34)), wide);
    }

    #[test]
    fn a_row_becomes_a_block_where_they_do_not() {
        let narrow = "gs1\n  patterns  512\n  probe     idealized\n\
                      gs2_custom\n  patterns  8,000\n  probe     custom, big\n";
        assert_eq!(example(Some(33)), narrow);
    }
}
