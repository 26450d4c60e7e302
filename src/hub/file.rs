//! Files of a hub: directory flushes and SHA-256 digests.

pub use crate::file::{TEMPORARY, explain, replace_by, unreadable, write_atomic};

use crate::error::Result;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Flushes a directory, so that the names in it survive a power cut.
///
/// # Errors
/// If the file system refuses.
pub fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir)
        .and_then(|d| d.sync_all())
        .map_err(|e| explain("flushing a directory", dir, e))
}

/// Length and SHA-256 (hexadecimal) of a file.
///
/// # Errors
/// If it cannot be read.
pub fn digest(path: &Path) -> Result<(u64, String)> {
    let read = || -> io::Result<(u64, String)> {
        let (mut f, mut hash, mut bytes) = (File::open(path)?, Sha256::new(), 0u64);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let n = f.read(&mut buffer)?;
            if n == 0 {
                return Ok((bytes, hex(&hash.finalize())));
            }
            bytes += n as u64;
            hash.update(&buffer[..n]);
        }
    };
    read().map_err(|e| unreadable("reading a file", path, e))
}

/// SHA-256 of a text, hexadecimal: the name of a configuration.
pub fn digest_text(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_matches_the_test_vector() {
        // FIPS 180-4 example: SHA-256("abc")
        let want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest_text("abc"), want);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        write_atomic(&path, b"abc").unwrap();
        assert_eq!(digest(&path).unwrap(), (3, want.to_string()));
    }
}
