//! The documents: commands in them parse, and their links lead somewhere.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ptyproof::setting::Setting;
use ptyproof::solve::{Method, Steps};
use ptyproof_harness::scenario::{Overrides, Scenario, Snapshot};
use ptyproof_testkit::repository;
use serde_json::Value;

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
pub(super) fn words(line: &str) -> Option<Vec<String>> {
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
fn readme_fits_one_page() {
    let text = fs::read_to_string(repository().join("README.md")).unwrap();
    assert!(text.lines().count() <= 150);
    let wide: Vec<_> = text.lines().filter(|l| l.chars().count() > 100).collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

/// The table of settings as the page has it: with the value that each built-in scenario gets.
fn settings() -> String {
    let snapshot = Snapshot::builtin().unwrap();
    let scenarios: Vec<Scenario> = (snapshot.names())
        .map(|name| Scenario::resolve(&snapshot, name, &Overrides::default()).unwrap())
        .collect();
    let names: Vec<&str> = scenarios.iter().map(|s| s.name.as_str()).collect();
    let mut text = format!(
        "| name | flag | unit | bounds | since | {} |\n|{}\n",
        names.join(" | "),
        "---|".repeat(5 + names.len())
    );
    for setting in Overrides::TABLE {
        let values = scenarios.iter().map(|s| {
            let all = serde_json::to_value(s.settings()).unwrap();
            let value = match all.get(setting.name) {
                Some(Value::String(word)) => word.clone(),
                Some(Value::Number(n)) if n.as_f64() >= Some(1e6) => {
                    format!("{:e}", n.as_f64().unwrap())
                }
                Some(Value::Number(n)) => n.as_f64().unwrap().to_string(),
                Some(Value::Null) => "-".into(),
                Some(other) => other.to_string(),
                None if setting.name == "split" => s.split.name().into(),
                None => panic!("{} is no setting of a scenario", setting.name),
            };
            let by_profile = s.profile().applied.contains_key(setting.name);
            if by_profile {
                format!("{value} (p)")
            } else {
                value
            }
        });
        let values: Vec<String> = values.collect();
        let (name, flag, unit) = (setting.name, setting.flag(), setting.unit);
        let (bounds, since) = (setting.bounds, setting.since);
        let values = values.join(" | ");
        writeln!(
            text,
            "| `{name}` | `--{flag}` | {unit} | {bounds} | {since} | {values} |"
        )
        .unwrap();
    }
    text
}

fn meanings() -> String {
    let all = Overrides::TABLE.iter();
    let line = |s: &Setting| format!("- **`{}`**: {} Default: {}.\n", s.name, s.doc, s.default);
    all.map(line).collect()
}

fn steps() -> String {
    let head = "| name | flag | unit | bounds | default | read by | meaning |";
    let mut text = format!("{head}\n|{}\n", "---|".repeat(7));
    for s in Steps::TABLE {
        let all = Method::ALL.iter().filter(|m| m.reads(s.name));
        let engines: Vec<&str> = all.map(|m| m.name()).collect();
        let (name, flag, unit) = (s.name, s.flag(), s.unit);
        let (bounds, default, doc) = (s.bounds, s.default, s.doc);
        let engines = engines.join(", ");
        writeln!(
            text,
            "| `{name}` | `--{flag}` | {unit} | {bounds} | {default} | {engines} | {doc} |"
        )
        .unwrap();
    }
    text
}

/// `PTYPROOF_BLESS=1` writes the page anew.
#[test]
fn the_page_of_settings_is_that_of_the_tables() {
    let page = repository().join("docs/reference/settings.md");
    let mut text = fs::read_to_string(&page).unwrap();
    let before = text.clone();
    for (name, made) in [
        ("settings", settings()),
        ("meanings", meanings()),
        ("steps", steps()),
    ] {
        let (begin, end) = (
            format!("<!-- {name} -->\n"),
            format!("<!-- end of {name} -->"),
        );
        let from = text.find(&begin).unwrap() + begin.len();
        let to = text.find(&end).unwrap();
        text.replace_range(from..to, &format!("\n{made}\n"));
    }
    if std::env::var_os("PTYPROOF_BLESS").is_some() {
        fs::write(&page, &text).unwrap();
    } else {
        assert_eq!(before, text, "PTYPROOF_BLESS=1 writes it anew");
    }
}
