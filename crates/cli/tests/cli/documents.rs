//! The documents: commands in them parse, and their links lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};

use ptyproof_testkit::repository;

/// Every Markdown page that a reader is sent to.
fn pages() -> Vec<PathBuf> {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, found);
            } else if path.extension().is_some_and(|e| e == "md") {
                found.push(path);
            }
        }
    }
    let root = repository();
    let mut found: Vec<PathBuf> = ["README.md", "DESIGN.md", "CONTRIBUTING.md"]
        .map(|name| root.join(name))
        .into();
    below(&root.join("docs"), &mut found);
    assert!(found.len() > 10, "{found:?}");
    found
}

#[test]
fn links_lead_to_files() {
    let (mut dead, mut links) = (Vec::new(), 0);
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for part in text.split("](").skip(1) {
            let target = part.split(')').next().unwrap();
            let file = target.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") || file.contains(char::is_whitespace) {
                continue;
            }
            links += 1;
            if !page.parent().unwrap().join(file).exists() {
                dead.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(links > 50, "only {links} links were found");
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

/// The words of a command, without its comment; `None` if it is a form to fill in and not a command.
fn words(line: &str) -> Option<Vec<String>> {
    let line = line.split(" #").next()?.split("  (").next()?;
    if line.contains(['[', '<', '|', '…', '>', '&', ';', '*']) || line.contains("...") {
        return None;
    }
    let (mut words, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' | '\'' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|w| !w.is_empty());
    Some(words)
}

#[test]
fn commands_parse() {
    let (mut wrong, mut commands) = (Vec::new(), 0);
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap().replace("\\\n", " ");
        let mut fenced = false;
        for line in text.lines() {
            let line = line.trim();
            fenced ^= line.starts_with("```");
            let line = line.trim_start_matches("- ").trim_start_matches("run: ");
            let line = line.trim_start_matches("$ ");
            let Some(words) = line
                .strip_prefix("ptyproof ")
                .filter(|_| fenced)
                .and_then(words)
            else {
                continue;
            };
            commands += 1;
            if let Err(e) = ptyproof_cli::check(&words) {
                wrong.push(format!("{}: {line}\n{e}", page.display()));
            }
        }
    }
    assert!(commands > 100, "only {commands} commands were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_readme_stays_a_first_page() {
    let text = fs::read_to_string(repository().join("README.md")).unwrap();
    assert!(text.lines().count() <= 150);
    let wide: Vec<_> = text.lines().filter(|l| l.chars().count() > 100).collect();
    assert!(wide.is_empty(), "{wide:#?}");
}
