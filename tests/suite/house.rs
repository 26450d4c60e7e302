//! Modules of a crate depend only on modules below them. Between crates the compiler enforces this.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The modules of each crate, lowest first: each may use those before it.
const CRATES: [(&str, &[&str]); 3] = [
    (
        "src",
        &[
            "error", "setting", "judgment", "json", "file", "finite", "geometry", "number", "par",
            "rng", "align", "io", "optics", "assemble", "solve", "doctor", "score", "records",
            "hub", "diff",
        ],
    ),
    (
        "crates/pinn/src",
        &["data", "physics", "network", "training"],
    ),
    (
        "crates/harness/src",
        &[
            "log", "machine", "plot", "scenario", "audit", "report", "bless", "pipeline",
        ],
    ),
];

/// Exceptions, each with its reason.
const EXCEPTIONS: [(&str, &str, &str); 1] = [(
    "records",
    "hub",
    "the summary carries the overview that the hub's metadata repeats",
)];

/// The module and the text of each source file, without its tests.
fn sources(root: &Path, dir: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(root, &path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let relative = path.strip_prefix(root).unwrap();
            let module = relative.iter().next().unwrap().to_string_lossy();
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let code = code.split("#[cfg(test)]\npub(crate) mod tests {").next();
            if !relative.to_string_lossy().contains("tests") {
                let module = module.trim_end_matches(".rs").to_owned();
                found.push((module, code.unwrap().to_owned()));
            }
        }
    }
}

#[test]
fn modules_use_only_modules_below_them() {
    let mut wrong = BTreeSet::new();
    for (folder, modules) in CRATES {
        let root: PathBuf = ptyproof_testkit::repository().join(folder);
        let mut found = Vec::new();
        sources(&root, &root, &mut found);
        let rank = |module: &str| modules.iter().position(|r| *r == module);
        let mut uses = 0;
        for (module, text) in &found {
            let Some(own) = rank(module) else {
                assert_eq!(module, "lib", "{folder}: {module} is not in `CRATES`");
                continue;
            };
            let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
            for line in code {
                for part in line.split("crate::").skip(1) {
                    let is_name = |c: &char| c.is_ascii_lowercase() || *c == '_';
                    let other: String = part.chars().take_while(is_name).collect();
                    let allowed = EXCEPTIONS
                        .iter()
                        .any(|(a, b, _)| a == module && *b == other);
                    if let Some(used) = rank(&other) {
                        uses += 1;
                        if used > own && !allowed {
                            wrong.insert(format!(
                                "{folder}: {module} uses {other}: {}",
                                line.trim()
                            ));
                        }
                    }
                }
            }
        }
        assert!(
            uses > 10,
            "{folder}: only {uses} uses were found: does the test still read the sources?"
        );
    }
    let wrong: Vec<_> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
