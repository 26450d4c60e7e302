//! The names in the central directory of an archive: of two equal names only one would be read, silently.
//!
//! *Source.* APPNOTE.TXT of PKWARE, section 4.3.12: the central directory is a run of records, each with its signature, the length of
//! the name at byte 28, those of the extra field and the comment at 30 and 32, and the name at byte 46.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom};

/// Signature of a record.
const SIGNATURE: &[u8; 4] = b"PK\x01\x02";
/// Number of bytes before the name.
const RECORD_HEADER_BYTES: usize = 46;

/// The names in a central directory.
pub(super) struct Names {
    /// Its records.
    pub(super) count: usize,
    /// The first key that occurs a second time.
    pub(super) twice: Option<String>,
}

/// Reads the names of a central directory that begins at `start`, so many records at most.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn names(file: &mut (impl Read + Seek), start: u64, most: usize) -> io::Result<Names> {
    file.seek(SeekFrom::Start(start))?;
    let mut seen: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut found = Names {
        count: 0,
        twice: None,
    };
    while found.count <= most {
        let mut fixed = [0; RECORD_HEADER_BYTES];
        match file.read_exact(&mut fixed) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => break,
            other => other?,
        }
        if !fixed.starts_with(SIGNATURE) {
            break;
        }
        found.count += 1;
        let length = |at: usize| u16::from_le_bytes([fixed[at], fixed[at + 1]]);
        let mut name = vec![0; usize::from(length(28))];
        file.read_exact(&mut name)?;
        let after = i64::from(length(30)) + i64::from(length(32));
        file.seek_relative(after)?;
        // the key of an array is its name without the ending
        let key = name.strip_suffix(b".npy").unwrap_or(&name).to_vec();
        if let Some(key) = seen.replace(key) {
            let key = String::from_utf8_lossy(&key).into_owned();
            found.twice.get_or_insert(key);
        }
    }
    Ok(found)
}
