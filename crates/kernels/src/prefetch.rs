//! Prefetching of memory.

#![allow(unsafe_code, reason = "a hint to the processor")]

/// Numbers of a cache line.
pub(super) const LINE: usize = 16;

/// Prefetches `values` into the second-level cache. Affects only the time.
#[inline(always)]
pub fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        for value in values.iter().step_by((4 * LINE / size_of::<T>()).max(1)) {
            // SAFETY: a hint, which the target's baseline has; the address is a reference's.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(value).cast()) }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// Prefetches the cache line at `p` into the first-level cache. Affects only the time, for any `p`.
#[inline(always)]
pub(super) fn prefetch_l1(p: *const f32) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which the target's baseline has; an address that is not mapped is ignored.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}

/// As [`prefetch_l1`], into the second-level cache.
#[inline(always)]
pub(super) fn prefetch_l2(p: *const f32) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: as above.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}
