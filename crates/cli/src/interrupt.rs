//! Ctrl-C: what a command leaves behind when it is stopped at once.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::exit::Exit;
use ptyproof::error::{Error, Result};
use ptyproof::file::remove_temporaries_and_exit;

/// Folders that must not outlive the program.
static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Removes this folder when the program is stopped.
pub(super) fn remove_when_stopped(folder: PathBuf) {
    let mut all = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
    all.push(folder);
}

/// Removes them all, for a program that is about to end.
pub(super) fn remove_folders() {
    for folder in (FOLDERS.lock().unwrap_or_else(PoisonError::into_inner)).drain(..) {
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// Lets Ctrl-C end a command that leaves single files and no hub, without half of one.
pub(super) fn tidy_when_interrupted() -> Result<()> {
    static LISTENS: AtomicBool = AtomicBool::new(false);
    if LISTENS.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    ctrlc::set_handler(stop_at_once).map_err(|e| Error::usage("listening for Ctrl-C").because(e))
}

/// Removes what is temporary, and ends the program.
pub(super) fn stop_at_once() {
    remove_folders();
    remove_temporaries_and_exit(i32::from(Exit::Interrupted as u8))
}
