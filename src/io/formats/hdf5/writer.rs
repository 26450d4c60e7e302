//! Writing HDF5: a tree of datasets, and patterns that come batch by batch.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use hdf5_pure::{
    AttrValue, CompoundTypeBuilder, DatasetBuilder, FileBuilder, FinishedGroup, GroupBuilder,
    Layout, make_f32_type,
};
use ndarray::{Array3, ArrayViewD};
use num_complex::Complex32;

use crate::error::{Error, Result};
use crate::file::explain;

/// Maximum number of bytes of patterns that are buffered before compression.
const MAX_BUFFERED_BYTES: usize = 1 << 28;
/// Bytes of a chunk of patterns, about.
const CHUNK_BYTES: usize = 1 << 20;

/// The values of a dataset.
#[derive(Debug)]
enum Values {
    Real(Vec<f64>),
    Single(Vec<f32>),
    Integer(Vec<i64>),
    Word(Vec<u32>),
    Complex(Vec<u8>),
    /// Room for float32.
    Zero(Vec<u8>),
}

#[derive(Debug)]
struct Set {
    values: Values,
    shape: Vec<u64>,
    /// Patterns in a chunk, if the first axis is to grow.
    chunk: Option<u64>,
    attributes: Vec<(String, f64)>,
}

/// Datasets by their places, and attributes of the root.
#[derive(Debug, Default)]
pub(super) struct Tree {
    sets: BTreeMap<String, Set>,
    texts: Vec<(String, String)>,
    numbers: Vec<(String, f64)>,
}

fn long(shape: &[usize]) -> Vec<u64> {
    shape.iter().map(|&n| n as u64).collect()
}

impl Tree {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A text of the root.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.texts.push((name.to_owned(), text.to_owned()));
    }

    /// A number of the root.
    pub(super) fn attribute(&mut self, name: &str, value: f64) {
        self.numbers.push((name.to_owned(), value));
    }

    fn add(&mut self, place: &str, values: Values, shape: &[usize]) -> &mut Set {
        self.sets.entry(place.to_owned()).or_insert(Set {
            values,
            shape: long(shape),
            chunk: None,
            attributes: Vec::new(),
        })
    }

    /// Numbers, float64.
    pub(super) fn reals(&mut self, place: &str, values: &[f64], shape: &[usize]) {
        self.add(place, Values::Real(values.to_vec()), shape);
    }

    /// Unsigned integers of 32 bits.
    pub(super) fn words(&mut self, place: &str, values: Vec<u32>, shape: &[usize]) {
        self.add(place, Values::Word(values), shape);
    }

    /// One integer.
    pub(super) fn integer(&mut self, place: &str, value: i64) {
        self.add(place, Values::Integer(vec![value]), &[]);
    }

    /// The integers from 0 up to `count`.
    pub(super) fn integers(&mut self, place: &str, count: usize) {
        self.add(
            place,
            Values::Integer((0..count as i64).collect()),
            &[count],
        );
    }

    /// Complex numbers as h5py has them, `{r, i}` of float32, with attributes.
    ///
    /// # Errors
    /// Never for an array that is in memory.
    pub(super) fn complexes(
        &mut self,
        place: &str,
        values: &ArrayViewD<'_, Complex32>,
        attributes: &[(&str, f64)],
    ) -> Result<()> {
        let bytes = (values.iter())
            .flat_map(|v| {
                let (re, im) = (v.re.to_le_bytes(), v.im.to_le_bytes());
                re.into_iter().chain(im)
            })
            .collect();
        let shape = values.shape().to_vec();
        let set = self.add(place, Values::Complex(bytes), &shape);
        set.attributes = (attributes.iter())
            .map(|(n, v)| ((*n).to_owned(), *v))
            .collect();
        Ok(())
    }

    /// Writes the file to `beside`; messages name `path`.
    pub(super) fn write(&mut self, beside: &Path, path: &Path) -> Result<()> {
        let refused = |e| Error::output(format!("writing {}", path.display())).because(e);
        let mut file = FileBuilder::new();
        for (name, text) in &self.texts {
            file.set_attr(name, AttrValue::VarLenString(text.clone()));
        }
        for (name, value) in &self.numbers {
            file.set_attr(name, AttrValue::F64(*value));
        }
        fill(&mut file, std::mem::take(&mut self.sets))?;
        file.write(beside).map_err(refused)
    }
}

/// A group that is being built: the root's builder is of another type than the others'.
trait Branch {
    fn dataset(&mut self, name: &str) -> &mut DatasetBuilder;
    fn group(&mut self, name: &str) -> GroupBuilder;
    fn add(&mut self, group: FinishedGroup);
}

impl Branch for FileBuilder {
    fn dataset(&mut self, name: &str) -> &mut DatasetBuilder {
        self.create_dataset(name)
    }
    fn group(&mut self, name: &str) -> GroupBuilder {
        self.create_group(name)
    }
    fn add(&mut self, group: FinishedGroup) {
        self.add_group(group);
    }
}

impl Branch for GroupBuilder {
    fn dataset(&mut self, name: &str) -> &mut DatasetBuilder {
        self.create_dataset(name)
    }
    fn group(&mut self, name: &str) -> GroupBuilder {
        self.create_group(name)
    }
    fn add(&mut self, group: FinishedGroup) {
        self.add_group(group);
    }
}

/// Puts `sets` into `branch`; a `/` in a name makes a group.
fn fill(branch: &mut dyn Branch, sets: BTreeMap<String, Set>) -> Result<()> {
    let mut groups: BTreeMap<String, BTreeMap<String, Set>> = BTreeMap::new();
    for (place, set) in sets {
        match place.split_once('/') {
            None => set.build(branch.dataset(&place))?,
            Some((name, rest)) => {
                let group = groups.entry(name.to_owned()).or_default();
                group.insert(rest.to_owned(), set);
            }
        }
    }
    for (name, sets) in groups {
        let mut group = branch.group(&name);
        fill(&mut group, sets)?;
        branch.add(group.finish());
    }
    Ok(())
}

impl Set {
    fn build(self, to: &mut DatasetBuilder) -> Result<()> {
        match self.values {
            Values::Real(v) => to.with_f64_data(&v),
            Values::Single(v) => to.with_f32_data(&v),
            Values::Integer(v) => to.with_i64_data(&v),
            Values::Word(v) => to.with_u32_data(&v),
            Values::Zero(v) => {
                let count = v.len() as u64 / 4;
                to.with_raw_data(make_f32_type(), v, count)
            }
            Values::Complex(bytes) => {
                let pair = CompoundTypeBuilder::new()
                    .f32_field("r")
                    .f32_field("i")
                    .build()
                    .map_err(|e| Error::bug("describing the complex number type").because(e))?;
                {
                    let count = bytes.len() as u64 / 8;
                    to.with_compound_data(pair, bytes, count)
                }
            }
        };
        to.with_shape(&self.shape);
        if let Some(chunk) = self.chunk {
            let mut chunks = vec![chunk];
            chunks.extend(self.shape.iter().skip(1));
            to.with_chunks(&chunks).with_shuffle().with_deflate(4);
        }
        for (name, value) in &self.attributes {
            to.set_attr(name, AttrValue::F64(*value));
        }
        Ok(())
    }
}

/// A file whose patterns are written batch by batch. Up to [`MAX_BUFFERED_BYTES`] they are buffered and compressed at the
/// end; more are written as they come into a dataset that is stored as it is, since the library cannot let one of three
/// axes grow.
pub(super) struct Growing<'a> {
    tree: Tree,
    place: &'a str,
    shape: [usize; 3],
    beside: PathBuf,
    path: &'a Path,
    buffered: Vec<f32>,
    /// The file, at the next pattern's place.
    open: Option<File>,
    written: usize,
}

impl<'a> Growing<'a> {
    /// The file of `tree`, to be made at `beside`, and in it the dataset at `place` of `shape`, patterns
    /// first; messages name `path`.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(super) fn new(
        tree: Tree,
        place: &'a str,
        shape: [usize; 3],
        beside: &Path,
        path: &'a Path,
    ) -> Result<Self> {
        let mut new = Self {
            tree,
            place,
            shape,
            beside: beside.to_owned(),
            path,
            buffered: Vec::new(),
            open: None,
            written: 0,
        };
        let bytes = (shape.iter()).try_fold(4usize, |n, &a| n.checked_mul(a));
        if bytes.is_none_or(|b| b > MAX_BUFFERED_BYTES) {
            new.reserve(bytes.unwrap_or(usize::MAX))?;
        }
        Ok(new)
    }

    fn error(&self) -> Error {
        Error::output(format!("writing {}", self.path.display()))
            .at(format!("dataset `{}`", self.place))
    }

    /// Writes the file with zeros in place of the patterns, and opens it there. Zeros from the allocator take no memory.
    fn reserve(&mut self, bytes: usize) -> Result<()> {
        if bytes > isize::MAX.unsigned_abs() {
            return Err(self.error().got("more bytes than memory can address"));
        }
        let zeros = vec![0u8; bytes];
        self.tree.add(self.place, Values::Zero(zeros), &self.shape);
        self.tree.write(&self.beside, self.path)?;
        self.tree = Tree::new();
        let layout = hdf5_pure::File::open_streaming(&self.beside)
            .and_then(|f| f.dataset(self.place)?.layout())
            .map_err(|e| self.error().because(e))?;
        let Layout::Contiguous {
            address: Some(address),
            ..
        } = layout
        else {
            return Err(Error::bug("writing patterns to HDF5").got(format!("{layout:?}")));
        };
        let mut file = (File::options().write(true).open(&self.beside))
            .map_err(|e| explain("writing a file", self.path, e))?;
        file.seek(SeekFrom::Start(address))
            .map_err(|e| explain("writing a file", self.path, e))?;
        self.open = Some(file);
        Ok(())
    }

    /// Adds a batch.
    ///
    /// # Errors
    /// If there are more patterns than were promised, or the file system refuses.
    pub(super) fn push(&mut self, batch: &Array3<f32>) -> Result<()> {
        self.written += batch.dim().0;
        if self.written > self.shape[0] {
            return Err(Error::bug("writing more patterns than announced"));
        }
        let Some(file) = &mut self.open else {
            self.buffered.extend(batch);
            return Ok(());
        };
        let bytes: Vec<u8> = batch.iter().flat_map(|v| v.to_le_bytes()).collect();
        file.write_all(&bytes)
            .map_err(|e| explain("writing a file", self.path, e))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// If there are fewer patterns than were promised, or the file system refuses.
    pub(super) fn finish(mut self) -> Result<()> {
        let [count, rows, cols] = self.shape;
        if self.written != count || count == 0 {
            return Err(Error::input(format!("writing {}", self.path.display()))
                .at(format!("dataset `{}`", self.place))
                .got(format!("{} patterns", self.written))
                .need(count.max(1)));
        }
        if self.open.is_some() {
            return Ok(());
        }
        let chunk = (CHUNK_BYTES / (4 * rows * cols).max(1)).clamp(1, count);
        let values = Values::Single(std::mem::take(&mut self.buffered));
        let set = self.tree.add(self.place, values, &self.shape);
        set.chunk = Some(chunk as u64);
        self.tree.write(&self.beside, self.path)
    }
}
