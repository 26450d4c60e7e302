//! Typed reading of an array: floats, integers, booleans, text.

use std::io::Read;

use ndarray::{Array1, Array2, ArrayD};
use num_complex::Complex32;

use super::super::header::{Dtype, Kind, shape_text};
use super::{ANY, Archive, INTEGER, REAL, Store};
use crate::error::{Error, Result};

impl Archive {
    /// The real numbers of `key`, as float64, in their shape.
    pub(in crate::io) fn doubles(&mut self, key: &str) -> Result<ArrayD<f64>> {
        self.values(key, REAL, |d, b| d.complex(b).0)
    }

    /// The real numbers of `key`, as float64.
    pub(in crate::io) fn reals(&mut self, key: &str) -> Result<Array1<f64>> {
        self.values(key, REAL, |d, b| d.complex(b).0)?
            .into_dimensionality()
            .map_err(|_| self.vector_error(key, REAL))
    }

    /// The real numbers of `key`, as float64, in a plane.
    pub(in crate::io) fn plane(&mut self, key: &str) -> Result<Array2<f64>> {
        let all = self.values(key, REAL, |d, b| d.complex(b).0)?;
        let shape = shape_text(all.shape());
        all.into_dimensionality().map_err(|_| {
            self.error()
                .at(key)
                .got(format!("shape {shape}"))
                .need("two axes, (rows, columns)")
        })
    }

    /// The real numbers of `key`, as float32; refused if a finite number does not fit.
    pub(in crate::io) fn singles(&mut self, key: &str) -> Result<ArrayD<f32>> {
        let mut narrow = Narrow::default();
        let array = self.values(key, REAL, |d, b| narrow.one(d.complex(b).0))?;
        self.fits(key, &narrow)?;
        Ok(array)
    }

    /// The numbers of `key`, as complex64; refused if a finite number does not fit.
    pub(in crate::io) fn complexes(&mut self, key: &str) -> Result<ArrayD<Complex32>> {
        let mut narrow = Narrow::default();
        let array = self.values(key, ANY, |d, b| {
            let (re, im) = d.complex(b);
            Complex32::new(narrow.one(re), narrow.one(im))
        })?;
        self.fits(key, &narrow)?;
        Ok(array)
    }

    /// The integers of `key`, as int64.
    pub(in crate::io) fn integers(&mut self, key: &str) -> Result<Vec<i64>> {
        let wide: Array1<i128> = self
            .values(key, INTEGER, Dtype::integer)?
            .into_dimensionality()
            .map_err(|_| self.vector_error(key, INTEGER))?;
        let place = |i| self.error().at(format!("key `{key}`, entry {i}"));
        (wide.iter().enumerate())
            .map(|(i, v)| {
                i64::try_from(*v).map_err(|_| place(i).got(v).need("an integer below 2^63"))
            })
            .collect()
    }

    /// The truth values of `key`: booleans, or numbers that are not zero.
    pub(in crate::io) fn truths(&mut self, key: &str) -> Result<ArrayD<bool>> {
        const TRUTH: &[Kind] = &[Kind::Bool, Kind::Signed, Kind::Unsigned, Kind::Float];
        self.values(key, TRUTH, |d, b| d.complex(b).0 != 0.0)
    }

    /// A single number of any shape, if `key` exists.
    pub(in crate::io) fn number(&mut self, key: &str) -> Result<Option<f64>> {
        if !self.has(key) {
            return Ok(None);
        }
        let all = self.values(key, REAL, |d, b| d.complex(b).0)?;
        match all.len() {
            1 => Ok(all.first().copied()),
            n => Err(self
                .error()
                .at(format!("key `{key}`"))
                .got(format!("{n} numbers"))
                .need("one")),
        }
    }

    /// The short text under `key`, if there is one.
    pub(in crate::io) fn text(&mut self, key: &str) -> Option<String> {
        let entry = self.entries.iter().find(|e| e.key == key)?;
        let header = entry.header.as_ref().ok()?;
        let letters: u64 = header.descr.strip_prefix("<U")?.parse().ok()?;
        if letters > 4096 || header.count() != Some(1) || entry.bytes != header.start + 4 * letters
        {
            return None;
        }
        let (index, start) = (entry.index, header.start);
        let Store::Zip(zip) = &mut self.store else {
            return None;
        };
        let mut bytes = Vec::new();
        zip.by_index(index).ok()?.read_to_end(&mut bytes).ok()?;
        let letters = bytes.get(usize::try_from(start).ok()?..)?.chunks_exact(4);
        letters
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .filter(|c| *c != 0)
            .map(char::from_u32)
            .collect()
    }

    fn vector_error(&self, key: &str, kinds: &[Kind]) -> Error {
        let shape = self.shape(key, kinds).unwrap_or_default();
        self.error()
            .at(format!("key `{key}`"))
            .got(format!("shape {}", shape_text(&shape)))
            .need("one axis, (patterns,)")
    }

    fn fits(&self, key: &str, narrow: &Narrow) -> Result<()> {
        match narrow.first {
            None => Ok(()),
            Some(v) => Err(self
                .error()
                .at(format!("key `{key}`"))
                .got(format!(
                    "{v:e} ({} numbers outside the range of float32)",
                    narrow.lost
                ))
                .need(format!("numbers up to {:e}", f32::MAX))),
        }
    }
}

/// Counts the finite numbers that are not finite as float32.
#[derive(Debug, Default)]
struct Narrow {
    first: Option<f64>,
    lost: usize,
}

impl Narrow {
    fn one(&mut self, v: f64) -> f32 {
        let s = v as f32;
        if v.is_finite() && !s.is_finite() {
            self.first.get_or_insert(v);
            self.lost += 1;
        }
        s
    }
}
