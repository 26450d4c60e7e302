//! Dependencies point one way: a room uses rooms below it, never above. Reads the `crate::` paths of `src`.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::collections::BTreeSet;
use std::path::Path;

/// The rooms, lowest first: each may use those before it.
const ROOMS: [&str; 19] = [
    "error", "ground", "align", "specimen", "data", "physics", "network", "assemble", "solve",
    "doctor", "score", "scenario", "verify", "learn", "hub", "diff", "report", "pipeline", "cli",
];

/// Uses of a room above, each with its reason.
const EXCEPTIONS: [(&str, &str, &str); 1] = [(
    "verify",
    "hub",
    "the summary carries the overview that the hub's metadata repeats",
)];

fn sources(dir: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let rel = path
                .strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
                .unwrap();
            let room = rel
                .components()
                .next()
                .unwrap()
                .as_os_str()
                .to_string_lossy()
                .into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            // what a file's tests use is no dependency of the room
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let text = text
                .split("#[cfg(test)]\npub(crate) mod tests {")
                .next()
                .unwrap()
                .to_owned();
            if !rel.to_string_lossy().contains("tests") {
                found.push((room.trim_end_matches(".rs").to_owned(), text));
            }
        }
    }
}

#[test]
fn rooms_use_only_the_rooms_below_them() {
    let mut found = Vec::new();
    sources(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
        &mut found,
    );
    let rank = |room: &str| ROOMS.iter().position(|r| *r == room);
    let mut wrong = BTreeSet::new();
    let mut uses = 0;
    for (room, text) in &found {
        let Some(own) = rank(room) else {
            assert!(
                ["lib", "main"].contains(&room.as_str()),
                "{room} is not in `ROOMS`"
            );
            continue;
        };
        let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
        for line in code {
            for part in line.split("crate::").skip(1) {
                let other: String = part
                    .chars()
                    .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                    .collect();
                let allowed = EXCEPTIONS.iter().any(|(a, b, _)| a == room && *b == other);
                if let Some(used) = rank(&other) {
                    uses += 1;
                    if used > own && !allowed {
                        wrong.insert(format!("{room} uses {other}: {}", line.trim()));
                    }
                }
            }
        }
    }
    assert!(
        uses > 100,
        "only {uses} uses were found: does the test still read the sources?"
    );
    assert!(
        wrong.is_empty(),
        "{}",
        wrong.into_iter().collect::<Vec<_>>().join("\n")
    );
}
