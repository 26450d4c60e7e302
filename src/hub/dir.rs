//! A hub is atomic: it is built in `<output>.partial` and renamed when finished.
//!
//! *Law.* If the program is killed at any moment, there is no hub, the finished hub, or a `.partial` directory with
//! `lock.json` or `INCOMPLETE.json` (or, just before the rename, with a complete manifest). An existing hub is never
//! written to.
//!
//! *Conventions.* Paths inside a hub are relative, with `/`, and end up in its manifest. Files may be
//! rewritten while the hub is partial (a history grows with the epochs), each time in one step.
//! Dropping a [`Hub`] without [`Hub::finish`] leaves the partial directory.
//! Timestamps are passed in.
//!
//! *Source.* Mission, requirements 9 and 11; reference description, section m, for the file names.

use crate::error::{Error, Result};
use crate::hub::file;
use crate::hub::manifest::{self, Manifest};
use crate::json;
use ndarray::{ArrayView, Dimension};
use ndarray_npy::{WritableElement, WriteNpyExt};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Component, Path, PathBuf};

/// The lock of the writing process; removed when the hub is finished.
pub const LOCK: &str = "lock.json";
/// Why there is no finished hub; in a partial directory that was left on purpose.
pub const INCOMPLETE: &str = "INCOMPLETE.json";
/// Metadata of the run and paths of its files.
pub const METADATA: &str = "run_metadata.json";
/// The first number that was not finite; only where there was one.
pub const EVENT: &str = "nonfinite_event.json";
/// The log of the run.
pub const LOG: &str = "runner.log";
/// Metrics per epoch.
pub const HISTORY: &str = "train_outputs/history.json";
/// Metrics per optimizer step.
pub const HISTORY_STEPS: &str = "train_outputs/history_steps.json";
/// Digests and statistics of the tensors of each stage.
pub const STAGES: &str = "stage_digests.json";
/// Summary of the history.
pub const HISTORY_SUMMARY: &str = "train_outputs/history_summary.json";
/// Curves of the history.
pub const HISTORY_PICTURE: &str = "train_outputs/training_history.png";
/// Reconstructed amplitude.
pub const AMPLITUDE: &str = "inference_outputs/amplitude.npy";
/// Reconstructed phase, radians.
pub const PHASE: &str = "inference_outputs/phase.npy";
/// Picture of the amplitude.
pub const AMPLITUDE_PICTURE: &str = "inference_outputs/amplitude.png";
/// Picture of the phase.
pub const PHASE_PICTURE: &str = "inference_outputs/phase.png";
/// Modes of the reconstructed probe, complex64 `[mode, row, col]`; of a reconstruction without a network.
pub const PROBE: &str = "inference_outputs/probe.npy";
/// Statistics of both.
pub const STATS: &str = "inference_outputs/stats.json";

/// The readable twin of the history summary.
pub fn summary_markdown(scenario: &str) -> String {
    format!("{scenario}_training_summary.md")
}

/// `lock.json`: the writing process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Process number.
    pub pid: u32,
    /// When the run started, as passed in.
    pub started: String,
    /// Version of this program.
    pub version: String,
}

/// Why a hub was left unfinished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The person stopped it.
    Interrupted,
    /// Something made it impossible to go on.
    Blocked,
}

/// `INCOMPLETE.json`: what a partial directory holds, and why it is partial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incomplete {
    /// Interrupted or blocked.
    pub status: Status,
    /// The reason, as a sentence.
    pub reason: String,
    /// The command to resume it.
    pub command: String,
    /// When, as passed in.
    pub time: String,
    /// Files that were written, sorted.
    pub files: Vec<String>,
}

/// A hub that is being built.
#[derive(Debug)]
pub struct Hub {
    partial: PathBuf,
    output: PathBuf,
}

impl Hub {
    /// Begins the hub that will be `output`; its parents are created.
    ///
    /// # Errors
    /// If `output` exists (an empty directory excepted, it will be replaced), if `<output>.partial`
    /// exists, or if the file system refuses.
    pub fn create(output: &Path, started: &str) -> Result<Self> {
        let hub = Self::at(output)?;
        hub.check_free()?;
        if let Some(parent) = parent(&hub.output) {
            let failed = |e| file::explain("creating the parent of the hub", parent, e);
            fs::create_dir_all(parent).map_err(failed)?;
        }
        // The one step that decides between two runs: create_dir fails if the name is taken.
        fs::create_dir(&hub.partial).map_err(|e| {
            match fs::symlink_metadata(&hub.partial) {
                Err(_) => file::explain("starting the hub", &hub.partial, e),
                Ok(_) => Error::usage("starting the hub").at(hub.partial.display()).because(e).help(format!(
                    "another run is writing there, or an earlier run was killed: {}. Wait for the run, or remove {} or resume it",
                    hub.owner(),
                    hub.partial.display()
                )),
            }
        })?;
        hub.lock(started)?;
        Ok(hub)
    }

    /// Takes up a partial directory that a killed or marked run has left. Files that were being
    /// written when it died are removed, all others stay.
    ///
    /// # Errors
    /// If it is not such a directory, or the process that its lock names is still alive.
    pub fn reopen(partial: &Path, started: &str) -> Result<Self> {
        let refuse = |got: &str| {
            Error::input("resuming a hub")
                .at(partial.display())
                .got(got)
                .need("a .partial directory left by a run")
        };
        let name = partial
            .file_name()
            .map(|n| n.to_string_lossy().into_owned());
        let Some(output) = name.as_deref().and_then(|n| n.strip_suffix(".partial")) else {
            return Err(refuse("a name without .partial"));
        };
        if !fs::symlink_metadata(partial).is_ok_and(|m| m.is_dir()) {
            return Err(refuse("something else than a directory"));
        }
        let hub = Self::at(&partial.with_file_name(output))?;
        hub.check_free()?;
        match hub.read_lock() {
            Some(lock) if lock.pid != std::process::id() && alive(lock.pid) => {
                return Err(
                    refuse(&format!("a directory that process {} is writing", lock.pid)).help(
                        format!(
                            "wait for that run; if the process is another program, remove {LOCK}"
                        ),
                    ),
                );
            }
            None if ![INCOMPLETE, manifest::MANIFEST]
                .iter()
                .any(|note| hub.partial.join(note).is_file()) =>
            {
                return Err(refuse(&format!(
                    "a directory without {LOCK} or {INCOMPLETE}"
                )));
            }
            _ => {}
        }
        for path in manifest::walk(&hub.partial)?.into_keys() {
            if path.ends_with(file::TEMPORARY) || path == INCOMPLETE || path == manifest::MANIFEST {
                let path = hub.partial.join(path);
                let failed = |e| file::explain("removing a partly written file", &path, e);
                fs::remove_file(&path).map_err(failed)?;
            }
        }
        hub.lock(started)?;
        Ok(hub)
    }

    /// Where the files are for now.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Where they will be.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// Writes a file in one step; directories on the way are created.
    ///
    /// # Errors
    /// If `rel` is not a plain relative path, or the file system refuses; the hub stays as it was.
    pub fn write_bytes(&self, rel: &str, bytes: &[u8]) -> Result<()> {
        let path = self.place(rel)?;
        file::write_atomic(&path, bytes)
    }

    /// As [`Hub::write_bytes`], by whoever writes to the file that it is given, in pieces that need not be small.
    ///
    /// # Errors
    /// As [`Hub::write_bytes`], and the error of `write`.
    pub fn write_by(
        &self,
        rel: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<()> {
        file::replace_by(&self.place(rel)?, write)
    }

    /// Writes a text.
    ///
    /// # Errors
    /// As [`Hub::write_bytes`].
    pub fn write_text(&self, rel: &str, text: &str) -> Result<()> {
        self.write_bytes(rel, text.as_bytes())
    }

    /// Writes strict JSON (see [`json`]).
    ///
    /// # Errors
    /// As [`Hub::write_bytes`].
    pub fn write_json(&self, rel: &str, value: &impl Serialize) -> Result<()> {
        self.write_text(rel, &json::to_text(value)?)
    }

    /// Writes an array of any shape as `.npy`, its numbers of the type that they have, bits unchanged.
    ///
    /// # Errors
    /// As [`Hub::write_bytes`].
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a view is a pointer and a shape"
    )]
    pub fn write_npy<A: WritableElement, D: Dimension>(
        &self,
        rel: &str,
        array: ArrayView<'_, A, D>,
    ) -> Result<()> {
        let mut bytes = Vec::with_capacity(array.len() * size_of::<A>() + 128);
        let failed = |e| Error::bug("encoding an array").at(rel).because(e);
        array.write_npy(&mut bytes).map_err(failed)?;
        self.write_bytes(rel, &bytes)
    }

    /// The place of `rel` in the partial directory, whose directories now exist.
    ///
    /// # Errors
    /// If `rel` is not a plain relative path, or the file system refuses.
    pub fn place(&self, rel: &str) -> Result<PathBuf> {
        let plain = Path::new(rel)
            .components()
            .all(|c| matches!(c, Component::Normal(_)));
        let kept = [LOCK, INCOMPLETE, manifest::MANIFEST].contains(&rel);
        if rel.is_empty() || !plain || kept || rel.contains('\\') || rel.ends_with(file::TEMPORARY)
        {
            return Err(Error::bug("naming a file of the hub")
                .at(rel)
                .need("a relative path with '/', without '..', and no reserved name"));
        }
        let path = self.partial.join(rel);
        if let Some(dir) = path.parent() {
            let failed = |e| file::explain("creating a directory of the hub", dir, e);
            fs::create_dir_all(dir).map_err(failed)?;
        }
        Ok(path)
    }

    /// Finishes: writes the manifest, drops the lock, and renames the directory to `output`.
    ///
    /// Close the log before.
    ///
    /// # Errors
    /// If the file system refuses, or `output` has appeared meanwhile; the partial directory stays.
    pub fn finish(self) -> Result<PathBuf> {
        let lock = self.partial.join(LOCK);
        let text = fs::read(&lock).map_err(|e| file::explain("finishing the hub", &lock, e))?;
        fs::remove_file(&lock).map_err(|e| file::explain("finishing the hub", &lock, e))?;
        self.seal().inspect_err(|_| {
            let _ = fs::remove_file(self.partial.join(manifest::MANIFEST)); // it is not finished
            let _ = file::write_atomic(&lock, &text); // so it still belongs to this run
        })?;
        if let Some(parent) = parent(&self.output) {
            file::sync_dir(parent)?;
        }
        Ok(self.output)
    }

    fn seal(&self) -> Result<()> {
        Manifest::of(&self.partial)?.write(&self.partial)?;
        for dir in directories(&self.partial)? {
            file::sync_dir(&dir)?;
        }
        // Replaces nothing but an empty directory: the kernel refuses a full one.
        fs::rename(&self.partial, &self.output).map_err(|e| {
            file::explain("finishing the hub", &self.output, e).help(format!(
                "the results are complete in {}; rename this directory yourself",
                self.partial.display()
            ))
        })
    }

    /// Leaves the partial directory with a note of the reason and the files; returns its path.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn mark(self, status: Status, reason: &str, command: &str, time: &str) -> Result<PathBuf> {
        let mut files: Vec<String> = manifest::walk(&self.partial)?.into_keys().collect();
        files.retain(|f| f != LOCK && !f.ends_with(file::TEMPORARY));
        let note = Incomplete {
            status,
            reason: reason.into(),
            command: command.into(),
            time: time.into(),
            files,
        };
        let path = self.partial.join(INCOMPLETE);
        file::write_atomic(&path, json::to_text(&note)?.as_bytes())?;
        let lock = self.partial.join(LOCK);
        fs::remove_file(&lock)
            .map_err(|e| file::explain("removing the lock of the hub", &lock, e))?;
        Ok(self.partial)
    }

    fn at(output: &Path) -> Result<Self> {
        let Some(name) = output.file_name() else {
            return Err(Error::usage("naming the hub")
                .at(output.display())
                .need("a path that ends in a directory name"));
        };
        if name.to_string_lossy().ends_with(".partial") {
            return Err(Error::usage("naming the hub")
                .at(output.display())
                .got("the name of an unfinished hub")
                .need("a name that does not end in .partial")
                .help("to continue this run, pass it to `resume`, and give `output_dir` without .partial"));
        }
        let mut partial = name.to_owned();
        partial.push(".partial");
        Ok(Self {
            partial: output.with_file_name(partial),
            output: output.with_file_name(name), // without a trailing slash
        })
    }

    fn check_free(&self) -> Result<()> {
        if let Some(parent) = parent(&self.output) {
            let refusal = Error::usage("starting the hub").at(self.output.display());
            refuse_inside_hub(parent, refusal)?;
        }
        let got = match fs::symlink_metadata(&self.output) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => {
                return Err(file::explain(
                    "checking the output directory",
                    &self.output,
                    e,
                ));
            }
            Ok(m) if m.is_dir() => {
                let mut entries = fs::read_dir(&self.output)
                    .map_err(|e| file::explain("checking the output directory", &self.output, e))?;
                if entries.next().is_none() {
                    return Ok(());
                }
                "a directory with files in it"
            }
            Ok(_) => "a file or a link",
        };
        Err(Error::usage("starting the hub")
            .at(self.output.display())
            .got(got)
            .need("an unused name: hubs are never overwritten")
            .help("choose another output directory, or rename the existing hub"))
    }

    fn lock(&self, started: &str) -> Result<()> {
        let lock = Lock {
            pid: std::process::id(),
            started: started.into(),
            version: env!("CARGO_PKG_VERSION").into(),
        };
        file::write_atomic(&self.partial.join(LOCK), json::to_text(&lock)?.as_bytes())
    }

    fn read_lock(&self) -> Option<Lock> {
        let text = fs::read_to_string(self.partial.join(LOCK)).ok()?;
        json::from_text(&text).ok()
    }

    fn owner(&self) -> String {
        match self.read_lock() {
            Some(l) if alive(l.pid) => {
                format!("process {} is running, started {}", l.pid, l.started)
            }
            Some(l) => format!("process {}, started {}, has ended", l.pid, l.started),
            None => "the lock names no process".into(),
        }
    }
}

/// Refuses a path that is a finished hub or inside one. `refusal` is the error to return.
///
/// # Errors
/// If it does.
pub fn refuse_inside_hub(path: &Path, refusal: Error) -> Result<()> {
    let is_hub = |p: &&Path| p.join(manifest::MANIFEST).is_file() && p.join(METADATA).is_file();
    // the folders that are there already, whatever links lead to them
    let whole = std::path::absolute(path).unwrap_or_default();
    let there = whole.ancestors().find_map(|p| p.canonicalize().ok());
    match there.as_deref().and_then(|p| p.ancestors().find(is_hub)) {
        None => Ok(()),
        Some(hub) => Err(refusal
            .got(format!("a path inside the hub {}", hub.display()))
            .need("a path outside: finished hubs are never changed")),
    }
}

/// The directory that holds `path`, when it has a name.
fn parent(path: &Path) -> Option<&Path> {
    let p = path.parent()?;
    Some(if p.as_os_str().is_empty() {
        Path::new(".")
    } else {
        p
    })
}

/// Whether a process is running here; `false` if the system does not report it.
fn alive(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

fn directories(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> = manifest::walk(dir)?
        .into_keys()
        .filter_map(|f| dir.join(f).parent().map(Path::to_path_buf))
        .collect();
    all.dedup();
    all.push(dir.into());
    Ok(all)
}
