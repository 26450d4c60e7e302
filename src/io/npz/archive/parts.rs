//! An array in parts: as a stream, or a slice.

use std::io::{Read, Seek, SeekFrom};

use super::{Archive, REAL, Store, refusal};
use crate::error::{Error, Result};

impl Archive {
    /// Hands over the real numbers of `key` in storage order, `batch` elements at a time.
    pub(in crate::io) fn stream(
        &mut self,
        key: &str,
        batch: usize,
        take: &mut dyn FnMut(Vec<f32>) -> Result<()>,
    ) -> Result<()> {
        let (entry, header, dtype, count) = self.entry(key, REAL)?;
        let (index, start, shown) = (entry.index, header.start, header.shape_text());
        let place = refusal(&self.path).at(format!("key `{key}`"));
        let damaged = |e: std::io::Error| damaged(refusal(&self.path), key, &shown, e);
        let mut lost = None;
        let mut run = |r: &mut dyn Read| -> Result<()> {
            let mut left = count;
            let mut bytes = vec![0; batch.min(count).saturating_mul(dtype.size)];
            while left > 0 {
                let now = batch.min(left);
                let part = &mut bytes[..now * dtype.size];
                r.read_exact(part).map_err(damaged)?;
                let values = dtype.singles(part, |v| lost = lost.or(Some(v)));
                left -= now;
                take(values)?;
            }
            // at the end a zip entry's checksum is compared
            match r.read(&mut [0]).map_err(damaged)? {
                0 => Ok(()),
                _ => Err(damaged(std::io::Error::other(
                    "more bytes than the header states",
                ))),
            }
        };
        match &mut self.store {
            Store::Npy(reader) => {
                reader.seek(SeekFrom::Start(start)).map_err(damaged)?;
                run(reader)
            }
            Store::Zip(zip) => {
                let mut r = zip.by_index(index).map_err(|e| damaged(e.into()))?;
                std::io::copy(&mut r.by_ref().take(start), &mut std::io::sink())
                    .map_err(damaged)?;
                run(&mut r)
            }
        }?;
        match lost {
            None => Ok(()),
            Some(v) => Err(place
                .got(format!("{v:e}, outside the range of float32"))
                .need(format!("numbers up to {:e}", f32::MAX))),
        }
    }

    /// The real numbers `first .. first + count` of `key` in storage order, by seeking.
    pub(in crate::io) fn window(
        &mut self,
        key: &str,
        first: usize,
        count: usize,
    ) -> Result<Vec<f32>> {
        let (entry, header, dtype, all) = self.entry(key, REAL)?;
        let (index, shown) = (entry.index, header.shape_text());
        let error = refusal(&self.path).at(format!("key `{key}`"));
        if first.checked_add(count).is_none_or(|end| end > all) {
            return Err(error
                .got(format!("elements {first} and the {count} after it"))
                .need(format!("at most {all}")));
        }
        let from = header.start + (first * dtype.size) as u64;
        let mut bytes = vec![0; count * dtype.size];
        let damaged = |e: std::io::Error| damaged(refusal(&self.path), key, &shown, e);
        let mut fill = |r: &mut dyn ReadSeek| -> Result<()> {
            r.seek(SeekFrom::Start(from)).map_err(damaged)?;
            r.read_exact(&mut bytes).map_err(damaged)
        };
        match &mut self.store {
            Store::Npy(reader) => fill(reader)?,
            Store::Zip(zip) => match zip.by_index_seek(index) {
                Ok(mut r) => fill(&mut r)?,
                Err(e) => {
                    return Err(error
                        .got("a compressed array")
                        .need("an uncompressed array, to read a slice of it")
                        .help("write one with: ptyproof convert IN OUT.npz --store")
                        .because(e));
                }
            },
        }
        let mut lost = 0;
        let values = dtype.singles(&bytes, |_| lost += 1);
        if lost > 0 {
            return Err(error
                .got(format!("{lost} numbers outside the range of float32"))
                .need(format!("numbers up to {:e}", f32::MAX)));
        }
        Ok(values)
    }
}

/// A readable and seekable source.
trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

fn damaged(error: Error, key: &str, shape: &str, e: std::io::Error) -> Error {
    error
        .at(format!("key `{key}`"))
        .got("damaged or missing bytes")
        .need(format!("an array of shape {shape}"))
        .help("copy the file again; it may be truncated or damaged")
        .because(e)
}
