//! Asking for memory before it is needed.

#![allow(unsafe_code, reason = "a hint to the processor")]

/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks for `values` to be brought into the second-level cache. Changes nothing but time.
#[inline(always)]
pub fn fetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        for value in values.iter().step_by((LINE / size_of::<T>()).max(1)) {
            // SAFETY: a hint, which the target's baseline has; the address is a reference's.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(value).cast()) }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}
