//! The manifest lists every file of a hub: a changed, missing or added file is a [`Problem`].
//!
//! *Conventions.* `manifest.json` lists all files but itself, sorted by path, paths relative to the hub
//! with `/`, with their length and SHA-256. Only regular files belong in a hub: anything else (a link,
//! a socket, a name that is not UTF-8) is reported as extra.

use crate::error::{Error, Result};
use crate::hub::file;
use crate::json;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

/// Name of the manifest within a hub.
pub const MANIFEST: &str = "manifest.json";

/// One file of a hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Path relative to the hub, with `/`.
    pub path: String,
    /// Length.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// All files but the manifest, sorted by path.
    pub files: Vec<Entry>,
}

/// A difference between a hub and its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Listed, but not there.
    Missing {
        /// Path relative to the hub.
        path: String,
    },
    /// There, but not with the bytes that are listed.
    Changed {
        /// Path relative to the hub.
        path: String,
        /// How it differs.
        how: String,
    },
    /// There, but not listed.
    Extra {
        /// Path relative to the hub.
        path: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { path } => write!(f, "{path} is missing"),
            Self::Changed { path, how } => write!(f, "{path} has changed: {how}"),
            Self::Extra { path } => write!(f, "{path} is not in the manifest"),
        }
    }
}

/// Why `dir` cannot be read as a hub: there is no directory, or nothing of use in it.
pub(crate) fn not_a_hub(action: &'static str, dir: &Path) -> Error {
    Error::input(action)
        .at(dir.display())
        .got(match (dir.is_dir(), dir.exists()) {
            (true, _) => "an empty directory",
            (false, true) => "a file",
            (false, false) => "nothing",
        })
        .need("the directory of a run")
}

/// The plain files below `dir` (true) and whatever else is there (false), by relative path.
///
/// # Errors
/// If a directory cannot be read.
pub fn walk(dir: &Path) -> Result<BTreeMap<String, bool>> {
    let mut found = BTreeMap::new();
    descend(dir, "", &mut found)?;
    Ok(found)
}

fn descend(dir: &Path, prefix: &str, found: &mut BTreeMap<String, bool>) -> Result<()> {
    let failed = |e| file::unreadable("listing a directory", dir, e);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let path = format!("{prefix}{}", name.to_string_lossy());
        let kind = entry.file_type().map_err(failed)?; // of the link, not of its target
        if kind.is_dir() && name.to_str().is_some() {
            descend(&entry.path(), &format!("{path}/"), found)?;
        } else {
            found.insert(path, kind.is_file() && name.to_str().is_some());
        }
    }
    Ok(())
}

impl Manifest {
    /// The manifest of the files that are in `dir` now.
    ///
    /// # Errors
    /// If a file cannot be read, or something in `dir` is not a plain file with a UTF-8 name.
    pub fn of(dir: &Path) -> Result<Self> {
        let mut files = Vec::new();
        for (path, plain) in walk(dir)? {
            if !plain {
                return Err(Error::input("listing the files of the hub")
                    .at(dir.join(&path).display())
                    .need("only regular files with UTF-8 names"));
            }
            if path != MANIFEST {
                let (bytes, sha256) = file::digest(&dir.join(&path))?;
                files.push(Entry {
                    path,
                    bytes,
                    sha256,
                });
            }
        }
        Ok(Self { files })
    }

    /// Writes `manifest.json` into `dir`.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn write(&self, dir: &Path) -> Result<()> {
        file::write_atomic(&dir.join(MANIFEST), json::to_text(self)?.as_bytes())
    }

    /// Reads `manifest.json` of `dir`.
    ///
    /// # Errors
    /// If there is none or it is not one.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(MANIFEST);
        let text = fs::read_to_string(&path).map_err(|e| {
            file::unreadable("reading the manifest", &path, e)
                .help("only a finished hub has a manifest; a .partial directory has none")
        })?;
        json::from_text(&text)
    }
}

/// Every difference between the hub `dir` and its manifest, sorted by path; none means intact.
///
/// # Errors
/// If the manifest or a file cannot be read.
pub fn verify(dir: &Path) -> Result<Vec<Problem>> {
    let listed = Manifest::read(dir)?.files;
    let mut found = walk(dir)?;
    found.remove(MANIFEST);
    let mut problems = BTreeMap::new();
    for Entry {
        path,
        bytes,
        sha256,
    } in listed
    {
        let how = match found.remove(&path) {
            None => {
                problems.insert(path.clone(), Problem::Missing { path });
                continue;
            }
            Some(false) => "it is no longer a regular file".into(),
            Some(true) => {
                let (b, s) = file::digest(&dir.join(&path))?;
                if b != bytes {
                    format!("{b} bytes, but {bytes} in the manifest")
                } else if s != sha256 {
                    "equal length, different SHA-256".into()
                } else {
                    continue;
                }
            }
        };
        problems.insert(path.clone(), Problem::Changed { path, how });
    }
    for path in found.into_keys() {
        problems.insert(path.clone(), Problem::Extra { path });
    }
    Ok(problems.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/a b.json"), "{}").unwrap();
        fs::write(dir.path().join("z.npy"), [0u8; 100]).unwrap();
        Manifest::of(dir.path()).unwrap().write(dir.path()).unwrap();
        dir
    }

    #[test]
    fn unmodified_hub_verifies() {
        let dir = hub();
        assert_eq!(verify(dir.path()).unwrap(), []);
        let m = Manifest::read(dir.path()).unwrap();
        assert_eq!(m.files[0].path, "sub/a b.json");
        assert_eq!(Manifest::of(dir.path()).unwrap(), m); // writing it again changes nothing
    }

    #[test]
    fn one_flipped_bit_anywhere_is_found() {
        for k in [0, 57, 99] {
            let dir = hub();
            let path = dir.path().join("z.npy");
            let mut bytes = fs::read(&path).unwrap();
            bytes[k] ^= 1;
            fs::write(&path, bytes).unwrap();
            let problems = verify(dir.path()).unwrap();
            assert!(
                matches!(&problems[..], [Problem::Changed { path, .. }] if path == "z.npy"),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn missing_truncated_and_added_files_are_distinguished() {
        let dir = hub();
        fs::remove_file(dir.path().join("sub/a b.json")).unwrap();
        fs::write(dir.path().join("z.npy"), "short").unwrap();
        fs::write(dir.path().join("new"), "").unwrap();
        let problems: Vec<_> = verify(dir.path())
            .unwrap()
            .iter()
            .map(Problem::to_string)
            .collect();
        assert_eq!(
            problems,
            [
                "new is not in the manifest",
                "sub/a b.json is missing",
                "z.npy has changed: 5 bytes, but 100 in the manifest",
            ]
        );
    }

    #[cfg(unix)]
    #[test]
    fn link_in_a_hub_is_refused() {
        let dir = hub();
        std::os::unix::fs::symlink("/", dir.path().join("root")).unwrap();
        assert!(Manifest::of(dir.path()).is_err());
        assert!(matches!(
            &verify(dir.path()).unwrap()[..],
            [Problem::Extra { .. }]
        ));
    }
}
