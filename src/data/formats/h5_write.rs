//! Writing HDF5: a tree of datasets, and a dataset that grows along its first axis.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hdf5_pure::{
    AttrValue, CompoundTypeBuilder, Dataset, DatasetBuilder, File, FileAccessProperties,
    FileBuilder, GroupBuilder, MaxExtent, SyncPolicy,
};
use ndarray::{Array3, ArrayViewD};
use num_complex::Complex32;

use crate::error::{Error, Result};

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
    pub(super) fn write(&self, beside: &Path, path: &Path) -> Result<()> {
        let refused = |e| Error::io(format!("writing {}", path.display())).because(e);
        let mut file = FileBuilder::new();
        for (name, text) in &self.texts {
            file.set_attr(name, AttrValue::String(text.clone()));
        }
        for (name, value) in &self.numbers {
            file.set_attr(name, AttrValue::F64(*value));
        }
        for (place, set) in self.sets.iter().filter(|(p, _)| !p.contains('/')) {
            set.build(file.create_dataset(place))?;
        }
        let mut groups: Vec<&str> = self
            .sets
            .keys()
            .filter_map(|p| Some(p.split_once('/')?.0))
            .collect();
        groups.dedup();
        for name in groups {
            let mut group = file.create_group(name);
            self.fill(&mut group, name)?;
            file.add_group(group.finish());
        }
        file.write(beside).map_err(refused)
    }

    /// Puts what lies below `prefix` into `group`.
    fn fill(&self, group: &mut GroupBuilder, prefix: &str) -> Result<()> {
        let below = format!("{prefix}/");
        let mut done: Vec<&str> = Vec::new();
        for (place, set) in &self.sets {
            let Some(rest) = place.strip_prefix(&below) else {
                continue;
            };
            match rest.split_once('/') {
                None => set.build(group.create_dataset(rest))?,
                Some((name, _)) if !done.contains(&name) => {
                    done.push(name);
                    let mut inner = group.create_group(name);
                    self.fill(&mut inner, &format!("{below}{name}"))?;
                    group.add_group(inner.finish());
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

impl Set {
    fn build(&self, to: &mut DatasetBuilder) -> Result<()> {
        match &self.values {
            Values::Real(v) => to.with_f64_data(v),
            Values::Single(v) => to.with_f32_data(v),
            Values::Integer(v) => to.with_i64_data(v),
            Values::Word(v) => to.with_u32_data(v),
            Values::Complex(bytes) => {
                let pair = CompoundTypeBuilder::new()
                    .f32_field("r")
                    .f32_field("i")
                    .build()
                    .map_err(|e| Error::bug("describing complex numbers").because(e))?;
                to.with_compound_data(pair, bytes.clone(), bytes.len() as u64 / 8)
            }
        };
        to.with_shape(&self.shape);
        if let Some(chunk) = self.chunk {
            let fixed = self.shape.iter().skip(1);
            let mut most = vec![MaxExtent::Unlimited];
            most.extend(fixed.clone().map(|n| MaxExtent::Fixed(*n)));
            let mut chunks = vec![chunk];
            chunks.extend(fixed);
            to.with_maxshape(&most)
                .with_chunks(&chunks)
                .with_shuffle()
                .with_deflate(4);
        }
        for (name, value) in &self.attributes {
            to.set_attr(name, AttrValue::F64(*value));
        }
        Ok(())
    }
}

/// A file whose dataset of patterns grows; the first batch makes it.
pub(super) struct Growing<'a> {
    tree: Tree,
    place: &'a str,
    size: (usize, usize),
    beside: PathBuf,
    path: &'a Path,
    open: Option<(File, Dataset)>,
    count: usize,
}

impl<'a> Growing<'a> {
    /// The file of `tree`, to be made at `beside`, and in it the dataset at `place` of patterns of `size`;
    /// messages name `path`.
    pub(super) fn new(
        tree: Tree,
        place: &'a str,
        size: (usize, usize),
        beside: &Path,
        path: &'a Path,
    ) -> Self {
        Self {
            tree,
            place,
            size,
            beside: beside.to_owned(),
            path,
            open: None,
            count: 0,
        }
    }

    fn refused(&self, e: hdf5_pure::Error) -> Error {
        Error::io(format!("writing {}", self.path.display()))
            .at(format!("dataset `{}`", self.place))
            .because(e)
    }

    /// Adds a batch.
    pub(super) fn push(&mut self, batch: &Array3<f32>) -> Result<()> {
        let values: Vec<f32> = batch.iter().copied().collect();
        let (rows, cols) = self.size;
        self.count += batch.dim().0;
        if let Some((_, set)) = &mut self.open {
            return set.append(&values).map_err(|e| self.refused(e));
        }
        let chunk = (CHUNK_BYTES / (4 * rows * cols).max(1)).clamp(1, batch.dim().0.max(1));
        let set = self.tree.add(
            self.place,
            Values::Single(values),
            &[batch.dim().0, rows, cols],
        );
        set.chunk = Some(chunk as u64);
        self.tree.write(&self.beside, self.path)?;
        let how = FileAccessProperties::new().with_sync_policy(SyncPolicy::OnClose);
        let file = File::open_rw_with_options(&self.beside, how).map_err(|e| self.refused(e))?;
        let set = file.dataset(self.place).map_err(|e| self.refused(e))?;
        self.open = Some((file, set));
        Ok(())
    }

    /// Ends the file, which must have `count` patterns.
    pub(super) fn finish(mut self, count: usize) -> Result<()> {
        if self.count != count || count == 0 {
            return Err(Error::input(format!("writing {}", self.path.display()))
                .at(format!("dataset `{}`", self.place))
                .got(format!("{} patterns", self.count))
                .need(format!("{}", count.max(1))));
        }
        let Some((file, set)) = self.open.take() else {
            return Ok(());
        };
        drop(set);
        file.close().map_err(|e| self.refused(e))
    }
}
