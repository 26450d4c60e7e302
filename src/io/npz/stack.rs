//! The stack of patterns: its key, its axis order, and reading in batches.

use ndarray::{Array3, ArrayD, Axis, Ix3};

use super::archive::{Archive, REAL};
use super::header::shape_text;
use crate::error::{Error, Result};
use crate::geometry::PatchSize;
use crate::io::open_file::{BatchSink, Source};

/// Layout of the stack in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    PatternFirst,
    PatternLast,
}

pub(super) fn stack_key(file: &Archive, notes: &mut Vec<String>) -> Result<&'static str> {
    let keys = (file.has("diff3d"), file.has("diffraction"));
    let key = match keys {
        (true, true) => {
            notes.push("`diff3d` and `diffraction` are both present; `diff3d` was read".to_owned());
            "diff3d"
        }
        (true, false) => "diff3d",
        (false, true) => "diffraction",
        (false, false) => {
            return Err(file
                .error()
                .at("key `diff3d`")
                .got(format!("no diffraction patterns: {}", file.listing()))
                .need("the key `diff3d` or `diffraction`")
                .help("use a file with only a probe or an object as the probe or the object, not as the data"));
        }
    };
    for needed in ["xcoords", "ycoords"] {
        if !file.has(needed) {
            return Err(file
                .error()
                .at(format!("key `{needed}`"))
                .got(file.listing())
                .need(format!("the key `{needed}`, (patterns,) in object pixels")));
        }
    }
    Ok(key)
}

/// Derives the layout of the stack from the shapes, and whether a last axis of 1 is removed.
pub(super) fn layout_of(
    file: &Archive,
    key: &str,
    count: usize,
    notes: &mut Vec<String>,
) -> Result<(Layout, bool)> {
    let full = file.shape(key, REAL)?;
    let error = || {
        file.error().at(format!("key `{key}`")).got(format!(
            "shape {}, and xcoords of {}",
            shape_text(&full),
            shape_text(&[count])
        ))
    };
    let need = format!("({count}, N, N) or (N, N, {count})");
    let (shape, drop) = match full.as_slice() {
        [a, b, c] => ([*a, *b, *c], false),
        [a, b, c, 1] => ([*a, *b, *c], true),
        _ => return Err(error().need(need)),
    };
    if drop {
        notes.push(format!(
            "the last axis of `{key}`, of length 1, was removed"
        ));
    }
    if full.contains(&0) {
        return Err(error().need("at least one non-empty pattern"));
    }
    let [a, b, c] = shape;
    let (first, last) = (a == count && b == c, c == count && a == b);
    let (layout, side) = match (first, last) {
        (true, true) if key == "diff3d" => {
            notes.push(format!(
                "all three axes of `{key}` have length {a}: read as (patterns, N, N)"
            ));
            (Layout::PatternFirst, b)
        }
        (true, true) => {
            return Err(error()
                .need("axis lengths that determine the axis order")
                .help("save the stack as (patterns, N, N) under the key `diff3d`, which always has this order"));
        }
        (true, false) => (Layout::PatternFirst, b),
        (false, true) => {
            notes.push(format!(
                "`{key}` is ({a}, {b}, {c}), with the pattern axis last: it was transposed to ({c}, {a}, {b})"
            ));
            (Layout::PatternLast, a)
        }
        (false, false) => return Err(error().need(need)),
    };
    PatchSize::new(side).map_err(|_| {
        error()
            .need(format!("an even N from 4 to {}", PatchSize::MAX))
            .help("crop or pad the patterns to an even side, with DC at [N/2, N/2]")
    })?;
    Ok((layout, drop))
}

pub(super) fn arrange(stack: ArrayD<f32>, layout: Layout, drop: bool) -> Array3<f32> {
    let stack = if drop {
        stack.index_axis_move(Axis(3), 0)
    } else {
        stack
    };
    // layout_of has seen three axes
    let stack = stack
        .into_dimensionality::<Ix3>()
        .unwrap_or_else(|_| Array3::zeros((0, 0, 0)));
    match layout {
        Layout::PatternFirst => stack,
        Layout::PatternLast => stack
            .permuted_axes([2, 0, 1])
            .as_standard_layout()
            .into_owned(),
    }
}

/// Consecutive patterns of a `.npz` entry.
#[derive(Debug)]
pub(in crate::io) struct NpzPatterns {
    pub(in crate::io) file: Archive,
    pub(in crate::io) key: String,
    pub(in crate::io) size: (usize, usize),
}

impl NpzPatterns {
    fn shaped(&self, values: Vec<f32>) -> Result<Array3<f32>> {
        let (rows, cols) = self.size;
        let count = values.len() / (rows * cols).max(1);
        Array3::from_shape_vec((count, rows, cols), values).map_err(|e| {
            Error::bug("reshaping the patterns")
                .at(&self.key)
                .because(e)
        })
    }
}

impl Source for NpzPatterns {
    fn each(&mut self, batch: usize, take: &mut BatchSink<'_>) -> Result<()> {
        let (rows, cols) = self.size;
        let mut start = 0;
        self.file
            .stream(&self.key, batch * rows * cols, &mut |values| {
                let count = values.len() / (rows * cols).max(1);
                let values = Array3::from_shape_vec((count, rows, cols), values)
                    .map_err(|e| Error::bug("reshaping the patterns").because(e))?;
                start += count;
                take(start - count, values)
            })
    }

    fn range(&mut self, start: usize, count: usize) -> Result<Array3<f32>> {
        let area = self.size.0 * self.size.1;
        let values = self.file.window(&self.key, start * area, count * area)?;
        self.shaped(values)
    }
}
