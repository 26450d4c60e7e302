//! A canvas during accumulation: each row starts on a cache line. It becomes a contiguous array in place, because clearing
//! new memory takes longer than moving the rows.

use ndarray::Array2;
use rayon::prelude::*;

use ptyproof_kernels::scatter_add::COLUMN_STEP;

/// Rows that begin on a cache line, where the allocator allows it, with room for a step of columns more.
#[derive(Debug)]
pub(super) struct PaddedRows<T> {
    room: Vec<T>,
    first: usize,
    side: usize,
    stride: usize,
}

impl<T: Copy + Default + Send + Sync> PaddedRows<T> {
    /// A square of `side`, of zeros. They are written on the threads of the pool that it is called in, for the system clears
    /// memory page by page as it is touched; what is read before it is written it maps twice, and stops all threads to do so.
    pub(super) fn new(side: usize) -> Self {
        let stride = (side + COLUMN_STEP).next_multiple_of(COLUMN_STEP);
        let mut room = Vec::new();
        rayon::iter::repeat_n(T::default(), stride * side + COLUMN_STEP)
            .with_min_len(1 << 16)
            .collect_into_vec(&mut room);
        let first = room.as_ptr().align_offset(64).min(COLUMN_STEP);
        Self {
            room,
            first,
            side,
            stride,
        }
    }

    /// From one row to the next.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// All rows, with their room.
    pub(super) fn rows(&mut self) -> &mut [T] {
        &mut self.room[self.first..][..self.side * self.stride]
    }

    /// Parts of at most `rows` rows each.
    pub(super) fn parts(&mut self, rows: usize) -> Vec<Part<'_, T>> {
        let (mut rest, mut lead, mut left) = (&mut *self.room, self.first, self.side);
        let mut parts = Vec::new();
        while left > 0 {
            let rows = rows.min(left);
            let (values, after) = rest.split_at_mut(lead + rows * self.stride);
            parts.push(Part {
                values,
                lead,
                rows,
                side: self.side,
                stride: self.stride,
            });
            (rest, lead, left) = (after, 0, left - rows);
        }
        parts
    }

    /// The rows one after the other, after [`Part::close`] of every row of `parts(rows)`.
    pub(super) fn joined(mut self, rows: usize) -> Array2<T> {
        let (side, stride) = (self.side, self.stride);
        for row in (rows..side).step_by(rows) {
            let (from, len) = (self.first + row * stride, rows.min(side - row) * side);
            self.room.copy_within(from..from + len, row * side);
        }
        self.room.truncate(side * side);
        self.room.shrink_to_fit();
        Array2::from_shape_vec((side, side), self.room).expect("as many rows as columns")
    }
}

/// Some rows of a [`PaddedRows`], the first of them `lead` values in.
pub(super) struct Part<'a, T> {
    values: &'a mut [T],
    lead: usize,
    rows: usize,
    side: usize,
    stride: usize,
}

impl<T: Copy> Part<'_, T> {
    /// How many rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// A row, without its room.
    pub(super) fn row(&mut self, row: usize) -> &mut [T] {
        &mut self.values[self.lead + row * self.stride..][..self.side]
    }

    /// Moves a row to the end of those before it in this part, which are moved already.
    pub(super) fn close(&mut self, row: usize) {
        let from = self.lead + row * self.stride;
        self.values
            .copy_within(from..from + self.side, row * self.side);
    }
}
