//! The register tile of all matrix products.

#![allow(unsafe_code, reason = "vector registers; see Safety of `multiply`")]

use crate::lanes::Lanes;
use crate::prefetch::{LINE, prefetch_l2};

/// Maximum number of rows of a register tile: with four registers of columns, 24 of AVX-512's 32 are sums.
pub(super) const ROWS: usize = 6;

/// The next tile of at most [`ROWS`] of the `left` rows, as evenly as the rest allows.
#[inline(always)]
pub(super) fn next(left: usize) -> usize {
    left.div_ceil(left.div_ceil(ROWS))
}

/// The left matrix of a product: element `(row, d)` is at `row * row_step + d * depth_step`.
#[derive(Clone, Copy)]
pub(super) struct Left {
    /// Where it begins.
    pub(super) at: *const f32,
    /// From one row to the next.
    pub(super) row_step: usize,
    /// From one term of the sum to the next.
    pub(super) depth_step: usize,
}

/// The right matrix: `NV` registers of columns per term of the sum.
#[derive(Clone, Copy)]
pub(super) struct Right {
    /// Where it begins.
    pub(super) at: *const f32,
    /// From one term of the sum to the next.
    pub(super) depth_step: usize,
    /// Data that is read next, to prefetch: a cache line for each term and tile of rows.
    pub(super) next: Option<*const f32>,
}

/// Where the product goes.
#[derive(Clone, Copy)]
pub(super) struct To {
    /// Where it begins.
    pub(super) at: *mut f32,
    /// From one row to the next.
    pub(super) row_step: usize,
    /// Whether the sums go on from what is there.
    pub(super) add: bool,
}

/// `to[row, column] = sum over d < depth of left[row, d] right[d, column]`, each element one chain of
/// fused multiply-adds in the order of `d`; `rows` rows, `NV` registers of columns.
///
/// # Safety
/// All elements named must be inside what the pointers point into, and `to` overlap neither matrix.
#[inline(always)]
pub(super) unsafe fn multiply<V: Lanes, const NV: usize>(
    mut left: Left,
    rows: usize,
    mut right: Right,
    depth: usize,
    mut to: To,
) {
    let mut row = 0;
    while row < rows {
        let p = next(rows - row);
        // SAFETY: `p` rows from `row` on are among the caller's.
        unsafe {
            match p {
                1 => tile::<V, 1, NV>(left, right, depth, to),
                2 => tile::<V, 2, NV>(left, right, depth, to),
                3 => tile::<V, 3, NV>(left, right, depth, to),
                4 => tile::<V, 4, NV>(left, right, depth, to),
                5 => tile::<V, 5, NV>(left, right, depth, to),
                _ => tile::<V, 6, NV>(left, right, depth, to),
            }
            row += p;
            if row < rows {
                if let Some(next) = &mut right.next {
                    *next = next.wrapping_add(depth * LINE);
                }
                left.at = left.at.add(p * left.row_step);
                to.at = to.at.add(p * to.row_step);
            }
        }
    }
}

#[inline(always)]
unsafe fn tile<V: Lanes, const P: usize, const NV: usize>(
    left: Left,
    right: Right,
    depth: usize,
    to: To,
) {
    // SAFETY: see `multiply`.
    unsafe {
        let mut sums = [[V::zero(); NV]; P];
        if to.add {
            for (p, sum) in sums.iter_mut().enumerate() {
                for (v, s) in sum.iter_mut().enumerate() {
                    *s = V::load(to.at.add(p * to.row_step + v * V::COUNT));
                }
            }
        }
        let from: [*const f32; P] = std::array::from_fn(|p| left.at.add(p * left.row_step));
        let (mut at, mut b, mut next) = (0, right.at, right.next);
        for _ in 0..depth {
            if let Some(line) = next {
                prefetch_l2(line);
                next = Some(line.wrapping_add(LINE));
            }
            let bv: [V; NV] = std::array::from_fn(|v| V::load(b.add(v * V::COUNT)));
            for (sum, from) in sums.iter_mut().zip(from) {
                let a = V::splat(*from.add(at));
                for (s, b) in sum.iter_mut().zip(bv) {
                    *s = a.mul_add(b, *s);
                }
            }
            at += left.depth_step;
            b = b.wrapping_add(right.depth_step);
        }
        write(&sums, to.at, to.row_step);
    }
}

/// Writes `P` rows of sums to `to` at a stride of `row_step`.
///
/// # Safety
/// All of them must be inside what `to` points into.
#[inline(always)]
pub(super) unsafe fn write<V: Lanes, const P: usize, const NV: usize>(
    sums: &[[V; NV]; P],
    to: *mut f32,
    row_step: usize,
) {
    for (p, sum) in sums.iter().enumerate() {
        for (v, s) in sum.iter().enumerate() {
            // SAFETY: the caller's.
            unsafe { s.store(to.add(p * row_step + v * V::COUNT)) }
        }
    }
}
