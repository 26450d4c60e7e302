//! Bounds of assertions come from the table of tolerances, or have a comment that derives them.

use std::path::Path;

/// The assertions with a bound: equality needs none, and the macros of the table have theirs.
const MACROS: [&str; 2] = ["assert!(", "prop_assert!("];

/// The text of a line without its strings.
fn code(line: &str) -> String {
    let line = line.replace("\\\"", "");
    line.split('"').step_by(2).collect()
}

/// Whether a text has a literal such as the one of a millionth.
fn has_small_literal(text: &str) -> bool {
    text.as_bytes()
        .windows(4)
        .any(|w| w[0].is_ascii_digit() && &w[1..3] == b"e-" && w[3].is_ascii_digit())
}

/// Counts the assertions of a file, and lists those whose bound is not derived.
fn scan(name: &str, text: &str, bare: &mut Vec<String>) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let mut count = 0;
    for (k, line) in lines.iter().enumerate() {
        let starts = |l: &str| l.trim_start().starts_with("//");
        if starts(line) || !MACROS.iter().any(|m| code(line).contains(m)) {
            continue;
        }
        count += 1;
        let end = lines[k..].iter().position(|l| l.trim_end().ends_with(';'));
        let statement = &lines[k..=k + end.unwrap_or(0)];
        let explained =
            (k > 0 && starts(lines[k - 1])) || statement.iter().any(|l| code(l).contains("//"));
        if !explained && statement.iter().any(|l| has_small_literal(&code(l))) {
            bare.push(format!("{name}:{}: {}", k + 1, line.trim()));
        }
    }
    count
}

fn walk(folder: &Path, bare: &mut Vec<String>) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|e| e.unwrap().path());
    paths
        .map(|path| {
            if path.is_dir() {
                walk(&path, bare)
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                scan(&path.display().to_string(), &text, bare)
            } else {
                0
            }
        })
        .sum()
}

#[test]
fn assertions_derive_their_bounds() {
    let root = ptyproof_testkit::repository();
    let mut bare = Vec::new();
    let folders = ["src", "crates", "tests"].map(|f| root.join(f));
    let count: usize = folders.iter().map(|f| walk(f, &mut bare)).sum();
    assert!(count > 500, "only {count} assertions were found");
    assert!(
        bare.is_empty(),
        "take the bound from ptyproof_testkit::tolerance, or derive it in a comment:\n{}",
        bare.join("\n")
    );
}

#[test]
fn bare_bounds_are_found_and_derived_ones_are_not() {
    let bound = format!("1{}", "e-9");
    for (text, found) in [
        (format!("assert!(a < {bound});"), true),
        (
            format!("prop_assert!(\n    a < {bound},\n    \"b\"\n);"),
            true,
        ),
        (format!("// 8 roundings\nassert!(a < {bound});"), false),
        (format!("assert!(a < {bound}); // 8 roundings"), false),
        (format!("assert!(a, \"below {bound}\");"), false),
        (format!("assert_eq!(a, {bound});"), false),
        (format!("let a = {bound};"), false),
    ] {
        let mut bare = Vec::new();
        scan("x", &text, &mut bare);
        assert_eq!(!bare.is_empty(), found, "{text}");
    }
}
