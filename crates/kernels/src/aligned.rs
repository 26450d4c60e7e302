//! Cache-aligned memory: no register load crosses a cache line.

#![allow(
    unsafe_code,
    reason = "a slice of numbers over a vector of cache lines"
)]

use std::ops::{Deref, DerefMut};

use crate::scalar::Scalar;

/// Numbers on one cache line (two for `f64`).
const LINE: usize = 16;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line<T>([T; LINE]);

/// A vector of numbers that begins at a multiple of 64 bytes.
#[derive(Clone)]
pub struct Aligned<T> {
    lines: Vec<Line<T>>,
    len: usize,
}

impl<T: Scalar> Aligned<T> {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let mut new = Self::default();
        new.resize(len);
        new
    }

    /// Grows to at least `len` numbers, and to at least twice the present size, so that a thread that works on the layers
    /// of a network in any order soon has enough. After a reallocation all numbers are zero; the old memory is freed first.
    pub fn grow(&mut self, len: usize) {
        if len > self.len {
            let room = len.max(2 * self.len);
            *self = Self::default();
            self.resize(room);
        }
    }

    /// Resizes to `len` numbers of any value; existing memory is reused.
    pub(super) fn resize(&mut self, len: usize) {
        self.lines
            .resize(len.div_ceil(LINE), Line([T::zero(); LINE]));
        self.len = len;
    }
}

impl<T: Scalar> Default for Aligned<T> {
    fn default() -> Self {
        Self {
            lines: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: `lines` holds at least `len` initialized numbers, contiguous by `repr(C)`: a line has
        // no padding, its size being a multiple of its alignment.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for `deref`; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

impl<T: PartialEq> PartialEq for Aligned<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T> std::fmt::Debug for Aligned<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Aligned({} numbers)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligned_buffer_is_cache_aligned_and_zero_filled() {
        let mut a = Aligned::<f32>::zeros(5);
        a[4] = 7.0;
        a.grow(40);
        assert_eq!(a.as_ptr().align_offset(64), 0);
        assert_eq!((a.len(), a[4], a[39]), (40, 0.0, 0.0));
        let mut twice = Aligned::<f32>::zeros(5);
        twice.grow(6);
        assert_eq!(twice.len(), 10);
        a[4] = 7.0;
        a.grow(3);
        assert_eq!((a.len(), a[4]), (40, 7.0));
        let before = a.as_ptr();
        a.resize(3);
        assert_eq!(a.len(), 3);
        a.resize(40);
        assert_eq!((a.len(), a.as_ptr()), (40, before));
        assert_eq!(Aligned::<f64>::zeros(17).as_ptr().align_offset(64), 0);
    }
}
