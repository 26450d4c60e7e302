//! An open data file of any format; its patterns are still on disk.
//!
//! *Law.* Patterns come in batches, `[pattern, row, col]`, DC at `[N/2, N/2]`, whatever their order in
//! the file; so a file larger than memory can be inspected and converted.
//!
//! *Conventions.* [`Unit`] is the unit of a value; [`OpenFile::into_dataset`] turns counts into amplitude, `sqrt(counts)`.
//! A negative count, left by background subtraction, becomes 0 with a note; so does an invalid amplitude in a bad pixel.

use ndarray::{Array2, Array3, ArrayViewMut2, Axis};
use num_complex::Complex32;
use std::fmt;

use crate::error::{Error, Result};
use crate::geometry::Position;
use crate::io::dataset::{Dataset, Labels, check_complex};
use crate::io::domain::Patterns;
use crate::io::format::Format;
use crate::io::measurement::Measurement;
use crate::io::unit::Unit;

/// Bytes of patterns that are in memory at a time, about.
const BATCH_BYTES: usize = 1 << 24;

/// Takes a batch: the index of its first pattern, and the values `[pattern, row, col]` as stored.
pub type BatchSink<'a> = dyn FnMut(usize, Array3<f32>) -> Result<()> + 'a;

/// Patterns that are read as they are asked for.
pub trait Source: fmt::Debug + Send {
    /// Hands over all patterns in order, at most `batch` at a time.
    ///
    /// # Errors
    /// If the file is damaged, or the error of `take`.
    fn each(&mut self, batch: usize, take: &mut BatchSink<'_>) -> Result<()>;

    /// The patterns `start .. start + count`.
    ///
    /// # Errors
    /// If the file is damaged, there are not so many, or the storage has no random access.
    fn range(&mut self, start: usize, count: usize) -> Result<Array3<f32>>;
}

/// Patterns in memory.
#[derive(Debug)]
pub(crate) struct InMemory(pub(crate) Array3<f32>);

impl Source for InMemory {
    fn each(&mut self, batch: usize, take: &mut BatchSink<'_>) -> Result<()> {
        for start in (0..self.0.dim().0).step_by(batch.max(1)) {
            let count = batch.max(1).min(self.0.dim().0 - start);
            take(start, self.range(start, count)?)?;
        }
        Ok(())
    }

    fn range(&mut self, start: usize, count: usize) -> Result<Array3<f32>> {
        let all = start..start + count;
        Ok(self.0.slice(ndarray::s![all, .., ..]).to_owned())
    }
}

/// The patterns of a file.
#[derive(Debug)]
pub struct Stack {
    /// The number of patterns.
    pub count: usize,
    /// Rows and columns of each.
    pub size: (usize, usize),
    /// The unit of a value.
    pub unit: Unit,
    /// The element type in the file, as its format calls it.
    pub dtype: String,
    /// The shape in the file.
    pub shape: Vec<usize>,
    /// The key or the dataset, for messages.
    pub place: String,
    /// Whether the file has DC at `[0, 0]`: batches are turned.
    pub(crate) corner: bool,
    pub(crate) source: Box<dyn Source>,
}

impl Stack {
    /// Patterns to have in memory at a time.
    pub fn batch(&self) -> usize {
        let bytes = self.size.0.saturating_mul(self.size.1).saturating_mul(4);
        (BATCH_BYTES / bytes.max(1)).max(1)
    }

    /// Hands over all patterns in order, in batches, as stored but with DC at `[N/2, N/2]`.
    ///
    /// # Errors
    /// If the file is damaged, or the error of `take`.
    pub fn each(&mut self, take: &mut BatchSink<'_>) -> Result<()> {
        let (batch, corner) = (self.batch(), self.corner);
        self.source.each(batch, &mut |start, mut values| {
            if corner {
                values.outer_iter_mut().for_each(center);
            }
            take(start, values)
        })
    }

    /// The patterns `start .. start + count`, as stored but with DC at `[N/2, N/2]`.
    ///
    /// # Errors
    /// If there are not so many, the file is damaged, or its storage (a compressed archive) has no
    /// random access.
    pub fn range(&mut self, start: usize, count: usize) -> Result<Array3<f32>> {
        if start.checked_add(count).is_none_or(|end| end > self.count) {
            return Err(Error::usage("reading patterns")
                .at(&self.place)
                .got(format!("{start} and the {count} after it"))
                .need(format!("at most {}", self.count)));
        }
        let mut values = self.source.range(start, count)?;
        if self.corner {
            values.outer_iter_mut().for_each(center);
        }
        Ok(values)
    }
}

/// Moves DC from `[0, 0]` to `[rows/2, cols/2]`.
fn center(mut pattern: ArrayViewMut2<'_, f32>) {
    let (rows, cols) = pattern.dim();
    let old = pattern.to_owned();
    for ((r, c), v) in old.indexed_iter() {
        pattern[[(r + rows / 2) % rows, (c + cols / 2) % cols]] = *v;
    }
}

/// A data set from a file, and what a person should know of how it was read.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// The data set, named after the file.
    pub dataset: Dataset,
    /// Sentences on what was assumed, transposed, dropped, or looks odd; empty for a plain file.
    pub notes: Vec<String>,
}

/// All that a file holds.
#[derive(Debug)]
pub struct OpenFile {
    /// Which format.
    pub format: Format,
    /// Which generation of it, in words; may be empty.
    pub generation: String,
    /// The name of the data.
    pub name: String,
    /// The patterns, if the format has any.
    pub stack: Option<Stack>,
    /// Where each pattern was taken, in object pixels.
    pub positions: Vec<Position>,
    /// Which scan each pattern is of.
    pub scan_index: Vec<i64>,
    /// The modes of the probe, `[mode, row, col]`, complex64; at least one.
    pub probe: Option<Array3<Complex32>>,
    /// The object, `[row, col]`, complex64.
    pub object: Option<Array2<Complex32>>,
    /// Lengths, energy, mask; its further modes are in `probe`.
    pub measurement: Measurement,
    /// Sentences on what was assumed.
    pub notes: Vec<String>,
    pub(crate) labels: Labels,
}

impl OpenFile {
    /// The contents of `dataset`, for writing.
    pub fn of(dataset: &Dataset) -> Self {
        let mut measurement = dataset.measurement.clone();
        let further = measurement.further_modes.take();
        let probe = dataset.probe.as_ref().map(|p| {
            let first = p.view().insert_axis(Axis(0));
            match &further {
                Some(more) => ndarray::concatenate(Axis(0), &[first, more.view()])
                    .unwrap_or_else(|_| first.to_owned()),
                None => first.to_owned(),
            }
        });
        let values = dataset.patterns.values();
        let (count, rows, cols) = values.dim();
        Self {
            format: Format::PtychoPinn,
            generation: String::new(),
            name: dataset.name.clone(),
            stack: Some(Stack {
                count,
                size: (rows, cols),
                unit: Unit::Amplitude,
                dtype: "float32".to_owned(),
                shape: vec![count, rows, cols],
                place: "patterns".to_owned(),
                corner: false,
                source: Box::new(InMemory(values.clone())),
            }),
            positions: dataset.positions.clone(),
            scan_index: dataset.scan_index.clone(),
            probe,
            object: dataset.object.clone(),
            measurement,
            notes: Vec::new(),
            labels: Labels::in_memory(&dataset.name),
        }
    }

    /// The data set, in memory, as amplitude.
    ///
    /// # Errors
    /// If there are no patterns, or the law of [`crate::io::dataset`] is broken.
    pub fn into_dataset(mut self) -> Result<DataFile> {
        let Some(mut stack) = self.stack.take() else {
            return Err(Error::input(self.labels.action)
                .got(format!("{}, without patterns", self.format))
                .need("diffraction patterns")
                .help("a product holds only probe, object and positions; use the file with the patterns as the data"));
        };
        let mut make = Amplitudes::new(&stack, self.measurement.good.as_ref());
        let (rows, cols) = stack.size;
        let mut values = Vec::new();
        stack.each(&mut |_, mut batch| {
            make.convert(&mut batch);
            values.extend(batch);
            Ok(())
        })?;
        self.notes.extend(make.notes());
        let patterns = Array3::from_shape_vec((stack.count, rows, cols), values)
            .map_err(|e| Error::bug("collecting patterns").because(e))?;
        let (first, further) = split(self.probe.take());
        self.measurement.further_modes = further;
        self.measurement.complete(cols);
        let dataset = Dataset::checked(
            &self.labels,
            self.name,
            Patterns::new(patterns),
            self.positions,
            self.scan_index,
            first,
            self.object,
        )?
        .with_measurement(self.measurement)?;
        Ok(DataFile {
            dataset,
            notes: self.notes,
        })
    }

    /// `N`, of the patterns or else of the probe.
    pub(crate) fn side(&self) -> Option<usize> {
        let probe = || self.probe.as_ref().map(|p| p.dim().2);
        self.stack.as_ref().map(|s| s.size.1).or_else(probe)
    }

    /// Refuses a probe or an object that is not finite.
    pub(crate) fn check_images(&self) -> Result<()> {
        let error = |at: &str| Error::input(self.labels.action.clone()).at(at);
        if let Some(probe) = &self.probe {
            for mode in probe.outer_iter() {
                check_complex(error(&self.labels.probe), &mode.to_owned())?;
            }
        }
        match &self.object {
            Some(object) => check_complex(error(&self.labels.object), object),
            None => Ok(()),
        }
    }

    /// Refuses a mask that is not of the patterns' size, and scan numbers that are not as many as the positions.
    pub(crate) fn check_sizes(&self) -> Result<()> {
        let error = |at: &str| Error::input(self.labels.action.clone()).at(at);
        if let Some(stack) = &self.stack {
            self.measurement.check_mask(stack.size, error)?;
        }
        if self.scan_index.len() != self.positions.len() {
            return Err(error(&self.labels.scan_index)
                .got(format!("{} entries", self.scan_index.len()))
                .need(format!("{}, one for each position", self.positions.len())));
        }
        Ok(())
    }
}

/// The first mode, and the others if there are any.
pub(crate) fn split(
    probe: Option<Array3<Complex32>>,
) -> (Option<Array2<Complex32>>, Option<Array3<Complex32>>) {
    let Some(probe) = probe.filter(|p| p.dim().0 > 0) else {
        return (None, None);
    };
    let further = (probe.dim().0 > 1).then(|| probe.slice(ndarray::s![1.., .., ..]).to_owned());
    (Some(probe.index_axis_move(Axis(0), 0)), further)
}

/// Turns stored values into amplitude, and counts what had to be set to zero.
#[derive(Debug)]
pub(crate) struct Amplitudes {
    unit: Unit,
    place: String,
    good: Option<Array2<bool>>,
    negative: usize,
    least: f32,
    masked: usize,
}

impl Amplitudes {
    pub(crate) fn new(stack: &Stack, good: Option<&Array2<bool>>) -> Self {
        Self {
            unit: stack.unit,
            place: stack.place.clone(),
            good: good.filter(|g| g.dim() == stack.size).cloned(),
            negative: 0,
            least: 0.0,
            masked: 0,
        }
    }

    /// Turns `batch` into amplitude.
    pub(crate) fn convert(&mut self, batch: &mut Array3<f32>) {
        if let Some(good) = &self.good {
            for mut pattern in batch.outer_iter_mut() {
                for (v, good) in pattern.iter_mut().zip(good) {
                    let fine = v.is_finite() && *v >= 0.0;
                    if !(*good || fine) {
                        *v = 0.0;
                        self.masked += 1;
                    }
                }
            }
        }
        if self.unit == Unit::Counts {
            for v in batch {
                if *v < 0.0 && v.is_finite() {
                    self.negative += 1;
                    self.least = self.least.min(*v);
                    *v = 0.0;
                }
                *v = v.sqrt();
            }
        }
    }

    /// Refuses an amplitude that is none; `start` is the index of the batch's first pattern.
    pub(crate) fn check(&self, start: usize, batch: &Array3<f32>) -> Result<()> {
        let bad = batch
            .indexed_iter()
            .find(|(_, v)| !(v.is_finite() && **v >= 0.0));
        let Some(((k, r, c), v)) = bad else {
            return Ok(());
        };
        Err(Error::input("reading patterns")
            .at(format!(
                "{}, pattern {}, row {r}, col {c}",
                self.place,
                start + k
            ))
            .because_of(f64::from(*v))
            .got(v)
            .need("finite amplitudes of at least zero")
            .help("mark the pixel as bad, or remove the pattern"))
    }

    /// Notes, one sentence each.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.masked > 0 {
            notes.push(format!(
                "{} non-finite or negative values of bad pixels in {} were set to zero",
                self.masked, self.place
            ));
        }
        if self.negative > 0 {
            notes.push(format!(
                "{} negative counts in {}, down to {}, were set to zero",
                self.negative, self.place, self.least
            ));
        }
        notes
    }
}

/// Floats from this size on are always integers, so they give no evidence of counts.
const MIN_INTEGER_ONLY_FLOAT: f32 = 16_777_216.0;

/// The unit of patterns if the file does not state it: integers, one of them 2 or more, are counts (amplitudes of counts 2,
/// 3, 5 would not be whole); where all are 0 or 1 both are the same. Numbers of 2^24 and more, which are whole in float32
/// whatever they are, do not count.
///
/// # Errors
/// If the patterns cannot be read.
pub(crate) fn guess_unit(stack: &mut Stack, notes: &mut Vec<String>) -> Result<Unit> {
    let (mut telling, mut largest) = (0.0f32, 0.0f32);
    let mut whole = true;
    let stop = || Error::bug("detecting the unit");
    let seen = stack.each(&mut |_, batch| {
        for &v in batch.iter().filter(|v| v.is_finite()) {
            largest = largest.max(v);
            if v.abs() >= MIN_INTEGER_ONLY_FLOAT {
                continue;
            }
            if v.fract() != 0.0 {
                whole = false;
                return Err(stop()); // only to end the reading
            }
            telling = telling.max(v);
        }
        Ok(())
    });
    if whole {
        seen?;
    }
    Ok(if whole && telling >= 2.0 {
        notes.push(format!(
            "{} has only integers, up to {largest}: read as counts, with the square root as amplitude",
            stack.place
        ));
        Unit::Counts
    } else {
        Unit::Amplitude
    })
}
