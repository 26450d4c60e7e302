//! Memory that several threads write, each a disjoint part.

#![allow(unsafe_code, reason = "disjoint writes that no borrow can express")]

use std::marker::PhantomData;

/// A slice whose parts are written by several threads; every use of a pointer justifies why no other thread writes there.
pub(super) struct Shared<'a, T> {
    begin: *mut T,
    len: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: a pointer into an exclusive borrow; whoever writes through it vouches for disjointness.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    /// For as long as `values` is borrowed.
    pub(super) fn new(values: &'a mut [T]) -> Self {
        Self {
            begin: values.as_mut_ptr(),
            len: values.len(),
            borrow: PhantomData,
        }
    }

    /// A pointer to element `k`.
    #[inline(always)]
    pub(super) fn at(&self, k: usize) -> *mut T {
        debug_assert!(k < self.len, "{k} of {}", self.len);
        self.begin.wrapping_add(k)
    }
}
