//! The names in an archive, as its central directory lists them: one of two that are the same would silently be read and the other
//! not.
//!
//! *Source.* APPNOTE.TXT of PKWARE, section 4.3.12: the central directory is a run of records, each with its signature, the length of
//! the name at byte 28, those of the extra field and the comment at 30 and 32, and the name at byte 46.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom};

/// How a record begins.
const SIGNATURE: &[u8; 4] = b"PK\x01\x02";
/// Its bytes before the name.
const FIXED: usize = 46;

/// The first key that occurs a second time in a central directory that begins at `start`; what follows it is left unread.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn twice(file: &mut (impl Read + Seek), start: u64) -> io::Result<Option<String>> {
    file.seek(SeekFrom::Start(start))?;
    let mut seen: BTreeSet<Vec<u8>> = BTreeSet::new();
    loop {
        let mut fixed = [0; FIXED];
        match file.read_exact(&mut fixed) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        if !fixed.starts_with(SIGNATURE) {
            return Ok(None);
        }
        let length = |at: usize| u16::from_le_bytes([fixed[at], fixed[at + 1]]);
        let mut name = vec![0; usize::from(length(28))];
        file.read_exact(&mut name)?;
        let after = i64::from(length(30)) + i64::from(length(32));
        file.seek_relative(after)?;
        // the key of an array is its name without the ending
        let key = name.strip_suffix(b".npy").unwrap_or(&name).to_vec();
        if let Some(key) = seen.replace(key) {
            return Ok(Some(String::from_utf8_lossy(&key).into_owned()));
        }
    }
}
