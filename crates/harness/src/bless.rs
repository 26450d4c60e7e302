//! A hub becomes the golden one of its name, with the reason, every earlier reason, and what changed.
//!
//! *Law.* A golden is replaced whole or not at all: the new one is made beside it, verified, and moved into its place. Weights are
//! left out; their digests are in the hub.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::report::diff::markdown;
use ptyproof::diff::diff;
use ptyproof::diff::tolerance::Tolerances;
use ptyproof::error::{Error, Result};
use ptyproof::hub::dir::refuse_inside_hub;
use ptyproof::hub::file::write_atomic;
use ptyproof::hub::manifest::{Manifest, walk};
use ptyproof::hub::verify::{Verification, verify};

const ACTION: &str = "blessing a hub";

/// What is to be blessed, and why.
#[derive(Debug, Clone, Copy)]
pub struct Blessing<'a> {
    /// The hub.
    pub hub: &'a Path,
    /// The directory of golden hubs.
    pub golden: &'a Path,
    /// Why the golden changes.
    pub reason: &'a str,
    /// Whether values that are not finite are wanted so.
    pub nan_as_golden: bool,
    /// When, ISO 8601.
    pub time: &'a str,
}

/// What was blessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blessed {
    /// The golden hub.
    pub golden: PathBuf,
    /// The reason, on one line.
    pub reason: String,
    /// Things in it that are not finite, as was asked for.
    pub non_finite: usize,
}

impl Blessing<'_> {
    /// Makes the hub the golden one of its name.
    ///
    /// # Errors
    /// Without a reason, if the hub is not whole or not finite, if it is the golden itself, or if the file system refuses.
    pub fn bless(&self) -> Result<Blessed> {
        let reason = self.reason.split_whitespace().collect::<Vec<_>>().join(" ");
        if reason.is_empty() {
            return Err(Error::usage(ACTION)
                .field("reason")
                .got("nothing")
                .need("why the golden changes"));
        }
        let found = verify(self.hub)?;
        self.check(&found)?;
        let whole = self.hub.canonicalize().ok();
        let name = whole
            .as_ref()
            .and_then(|p| p.file_name().map(PathBuf::from));
        let name = name.ok_or_else(|| {
            let e = Error::usage(ACTION).at(self.hub.display());
            e.need("a directory with a name")
        })?;
        refuse_inside_hub(self.golden, Error::usage(ACTION).at(self.golden.display()))?;
        let golden = self.golden.join(&name);
        if golden.canonicalize().ok() == whole {
            return Err(Error::usage(ACTION)
                .at(self.hub.display())
                .got("the golden itself")
                .need("another hub to take its place"));
        }
        self.replace(&golden, &name, &reason)?;
        Ok(Blessed {
            golden,
            reason,
            non_finite: found.events.len(),
        })
    }

    fn check(&self, found: &Verification) -> Result<()> {
        if let Some(event) = found.events.first().filter(|_| !self.nan_as_golden) {
            return Err(Error::input(ACTION)
                .not_finite()
                .at(self.hub.join(&event.file).display())
                .got(&event.what)
                .need("a hub in which everything is finite")
                .help("`nan_as_golden` makes it the golden all the same; a comparison with `nan_as_golden` then wants the same"));
        }
        let Some(p) = found.problems.first() else {
            return Ok(());
        };
        Err(Error::input(ACTION)
            .at(self.hub.join(&p.file).display())
            .got(&p.what)
            .need("a whole hub")
            .help("`ptyproof hub verify` lists every problem"))
    }

    fn replace(&self, golden: &Path, name: &Path, reason: &str) -> Result<()> {
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |e| Error::output(ACTION).at(path.display()).because(e)
        };
        std::fs::create_dir_all(self.golden).map_err(io(self.golden))?;
        let beside = |end: &str| self.golden.join(format!(".{}.{end}", name.display()));
        let (staged, old) = (beside("new"), beside("old"));
        let page = self.golden.join(format!("{}.blessed.md", name.display()));
        let _lock = Lock::take(&beside("lock"))?;
        for left in [&staged, &old] {
            if left.exists() {
                std::fs::remove_dir_all(left).map_err(io(left))?;
            }
        }
        let text = self.page(golden, name, &page, reason)?;
        copy(self.hub, &staged)?;
        Manifest::of(&staged)?.write(&staged)?;
        if let Some(p) = verify(&staged)?.problems.first() {
            return Err(Error::input(ACTION)
                .at(self.hub.join(&p.file).display())
                .got(&p.what)
                .need("a hub that nobody changes meanwhile"));
        }
        // the page first: it is what may fail; then the old one aside and the new one in its place
        write_atomic(&page, text.as_bytes())?;
        if golden.exists() {
            std::fs::rename(golden, &old).map_err(io(golden))?;
        }
        std::fs::rename(&staged, golden).map_err(io(golden))?;
        if old.exists() {
            std::fs::remove_dir_all(&old).map_err(io(&old))?;
        }
        Ok(())
    }

    /// The page of a golden: every reason there ever was, and how the last one changed it.
    fn page(&self, golden: &Path, name: &Path, page: &Path, reason: &str) -> Result<String> {
        let before = std::fs::read_to_string(page).unwrap_or_default();
        let earlier = before.lines().skip(2).take_while(|l| l.starts_with("- "));
        let earlier: String = earlier.map(|l| format!("{l}\n")).collect();
        let mut text = format!(
            "# {}\n\n- {}: {reason}\n{earlier}\n",
            name.display(),
            self.time
        );
        if golden.exists() {
            let mut report = diff(golden, self.hub, &Tolerances::default())?;
            report.a = format!("{}, as it was", name.display());
            report.b = format!("{}, as it is now", name.display());
            text.push_str(&markdown(&report));
        } else {
            text.push_str("The first of its name.\n");
        }
        Ok(text)
    }
}

/// One blessing of a golden at a time: a directory that only one process can make.
struct Lock(PathBuf);

impl Lock {
    fn take(path: &Path) -> Result<Self> {
        match std::fs::create_dir(path) {
            Ok(()) => Ok(Self(path.to_path_buf())),
            Err(e) => Err(match e.kind() {
                std::io::ErrorKind::AlreadyExists => Error::usage(ACTION),
                _ => Error::output(ACTION),
            }
            .at(path.display())
            .because(e)
            .help("another blessing is at work, or died here: then remove this directory")),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let failed = |path: &Path, e| Error::output(ACTION).at(path.display()).because(e);
    let files: BTreeMap<String, bool> = walk(from)?;
    for file in files.keys().filter(|f| !f.ends_with(".safetensors")) {
        let target = to.join(file);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(|e| failed(parent, e))?;
        }
        std::fs::copy(from.join(file), &target).map_err(|e| failed(&target, e))?;
    }
    Ok(())
}
