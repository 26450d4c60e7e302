//! Help, examples, completions, the manual and the version.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::documents::words;
use super::{names, said, text};

/// The name of every command, as typed: `run`, `hub`, `hub verify`.
fn commands() -> Vec<String> {
    fn below(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        for c in command.get_subcommands().filter(|c| c.get_name() != "help") {
            let name = format!("{path} {}", c.get_name()).trim().to_owned();
            below(c, &name, found);
            found.push(name);
        }
    }
    let mut found = Vec::new();
    below(&ptyproof_cli::command(), "", &mut found);
    assert!(found.len() >= 18, "{found:?}");
    found
}

fn printed(words: &str) -> String {
    let done = said(words.split(' '));
    done.ended(0, &[]);
    assert_eq!(done.err, "", "{words}");
    done.out
}

#[test]
fn help_prints_what_the_option_prints() {
    for command in commands() {
        assert_eq!(
            printed(&format!("help {command}")),
            printed(&format!("{command} --help")),
            "{command}"
        );
    }
    said(["help", "fly"]).ended(2, &["unrecognized subcommand 'fly'"]);
}

#[test]
fn every_command_has_examples_that_parse() {
    let mut names = commands();
    names.push(String::new());
    for name in names {
        let help = printed(format!("{name} --help").trim());
        let below = help.split("\nExamples:\n").nth(1);
        let below = below.unwrap_or_else(|| panic!("{name}: no example in {help}"));
        let lines: Vec<&str> = (below.lines().take_while(|l| !l.is_empty())).collect();
        assert!(!lines.is_empty(), "{name}");
        for line in lines {
            let line = line.trim().strip_prefix("ptyproof ").unwrap();
            assert!(line.starts_with(&name), "{name}: {line}");
            let words = words(line).unwrap();
            let parsed = ptyproof_cli::check(&words);
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
        }
    }
}

#[test]
fn completions_name_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(&format!("completions {shell}"));
        for command in commands() {
            let last = command.split(' ').next_back().unwrap();
            assert!(script.contains(last), "{shell}: {command}");
        }
        assert!(script.contains("output-json"), "{shell}");
    }
    said(["completions", "cmd"]).ended(2, &["possible values: bash"]);
}

/// A shell that is there takes the script, and completes with it.
#[test]
fn bash_takes_its_script() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("ptyproof.bash");
    fs::write(&script, printed("completions bash")).unwrap();
    let ask = "source \"$1\"; COMP_WORDS=(ptyproof hub ver); COMP_CWORD=2; \
               _ptyproof ptyproof ver hub; echo \"${COMPREPLY[@]}\"";
    let done = Command::new("bash")
        .args(["-c", ask, "bash", text(&script)])
        .output();
    let Ok(done) = done else {
        return super::skip(super::SkipReason::Machine, "there is no bash");
    };
    assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), "verify");
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let page = printed("man");
    assert!(page.contains(".TH ptyproof 1"), "{page}");
    assert!(page.contains("ptyproof\\-canvas\\-check(1)"), "{page}");
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("share/man1");
    let write = || said(["man", "--output-dir", text(&folder)]);
    write().ended(0, &[]);
    let mut wanted: BTreeSet<String> = commands()
        .iter()
        .map(|c| format!("ptyproof-{}.1", c.replace(' ', "-")))
        .collect();
    wanted.insert("ptyproof.1".into());
    assert_eq!(names(&folder), wanted.into_iter().collect::<Vec<_>>());
    assert_eq!(fs::read_to_string(folder.join("ptyproof.1")).unwrap(), page);
    let verify = fs::read_to_string(folder.join("ptyproof-hub-verify.1")).unwrap();
    assert!(
        verify.contains("Examples:") && verify.contains("130"),
        "{verify}"
    );
    // pages are replaced, and where there is a file there can be no directory
    write().ended(0, &[]);
    let taken = folder.join("ptyproof.1");
    said(["man", "-o", text(&taken)]).ended(74, &["writing manual pages"]);
}

/// The commit of this checkout, by git itself.
fn commit() -> Option<String> {
    let root: PathBuf = ptyproof_testkit::repository();
    let done = Command::new("git")
        .args(["-C", text(&root), "rev-parse", "HEAD"])
        .output();
    let done = done.ok().filter(|d| d.status.success())?;
    Some(String::from_utf8(done.stdout).unwrap().trim().to_owned())
}

#[test]
fn the_version_is_short_or_names_commit_and_kernels() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(printed("-V"), format!("ptyproof {version}\n"));
    let long = printed("--version");
    let isa = ptyproof_kernels::isa::Isa::best();
    let end = format!(", {isa} kernels)\n");
    let begin = format!("ptyproof {version} (");
    let inner = long.strip_prefix(&begin).and_then(|l| l.strip_suffix(&end));
    let said = inner.unwrap_or_else(|| panic!("{long}"));
    match commit() {
        Some(commit) => assert_eq!(said, &commit[..9]),
        None => super::skip(super::SkipReason::Machine, "there is no git here to ask"),
    }
}
