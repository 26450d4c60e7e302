//! The small transforms of Winograd's F(4x4, 3x3), on registers of channels.
//!
//! With the polynomial points 0, +-a, +-b and infinity, four neighboring outputs of a three-tap filter
//! are `y = A^T [(G g) . (B^T d)]` from six inputs `d`. The points `a = 5/8`, `b = 3/2` are dyadic, so
//! that every constant of `B` and `A` is exact in float32, and they are as accurate as any of those
//! tried: with random data the error is twice that of the direct sum, where the customary 1 and 2
//! make it four times, and eight in its largest element.
//!
//! *Source.* S. Winograd, *Arithmetic Complexity of Computations* (1980); A. Lavin and S. Gray,
//! arXiv:1509.09308; on the choice of points, B. Barabasz et al., doi:10.1145/3412380.

#![allow(
    unsafe_code,
    reason = "vector registers; the caller has their instructions"
)]

use crate::lanes::Lanes;

const A: f64 = 0.625;
const B: f64 = 1.5;
const A2: f64 = A * A;
const B2: f64 = B * B;

/// `G`'s divisors: the products of the differences between a point and the others.
const AT_ZERO: f64 = 1.0 / (A2 * B2);
const AT_A: f64 = 1.0 / (2.0 * A2 * (A2 - B2));
const AT_B: f64 = 1.0 / (2.0 * B2 * (B2 - A2));

/// A transform of a line of `FROM` registers to `TO`.
pub(super) trait Line<const FROM: usize, const TO: usize> {
    /// Transforms one line.
    ///
    /// # Safety
    /// See [`Lanes`].
    unsafe fn line<V: Lanes>(x: [V; FROM]) -> [V; TO];
}

/// `c * x + y`.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "exact for B and A, rounded once for G"
)]
unsafe fn fma<V: Lanes>(c: f64, x: V, y: V) -> V {
    // SAFETY: the caller's.
    unsafe { V::splat(c as f32).mul_add(x, y) }
}

/// `c * x`.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "exact for B and A, rounded once for G"
)]
unsafe fn scale<V: Lanes>(c: f64, x: V) -> V {
    // SAFETY: the caller's.
    unsafe { V::splat(c as f32).mul(x) }
}

/// `B^T d`: six inputs of a tile.
pub(super) struct Input;

impl Line<6, 6> for Input {
    #[inline(always)]
    unsafe fn line<V: Lanes>(d: [V; 6]) -> [V; 6] {
        // SAFETY: the caller's.
        unsafe {
            let (even_a, odd_a) = (fma(-B2, d[2], d[4]), fma(-B2, d[1], d[3]));
            let (even_b, odd_b) = (fma(-A2, d[2], d[4]), fma(-A2, d[1], d[3]));
            [
                fma(A2 * B2, d[0], fma(-(A2 + B2), d[2], d[4])),
                fma(A, odd_a, even_a),
                fma(-A, odd_a, even_a),
                fma(B, odd_b, even_b),
                fma(-B, odd_b, even_b),
                fma(A2 * B2, d[1], fma(-(A2 + B2), d[3], d[5])),
            ]
        }
    }
}

/// `A^T m`: four outputs of a tile.
pub(super) struct Output;

impl Line<6, 4> for Output {
    #[inline(always)]
    unsafe fn line<V: Lanes>(m: [V; 6]) -> [V; 4] {
        // SAFETY: the caller's.
        unsafe {
            let (even_a, odd_a) = (m[1].add(m[2]), m[1].sub(m[2]));
            let (even_b, odd_b) = (m[3].add(m[4]), m[3].sub(m[4]));
            [
                m[0].add(even_a).add(even_b),
                fma(B, odd_b, scale(A, odd_a)),
                fma(B2, even_b, scale(A2, even_a)),
                fma(B * B2, odd_b, fma(A * A2, odd_a, m[5])),
            ]
        }
    }
}

/// `A g`: the adjoint of [`Output`].
pub(super) struct OutputAdjoint;

impl Line<4, 6> for OutputAdjoint {
    #[inline(always)]
    unsafe fn line<V: Lanes>(g: [V; 4]) -> [V; 6] {
        // SAFETY: the caller's.
        unsafe {
            let (even_a, odd_a) = (fma(A2, g[2], g[0]), fma(A2, g[3], g[1]));
            let (even_b, odd_b) = (fma(B2, g[2], g[0]), fma(B2, g[3], g[1]));
            [
                g[0],
                fma(A, odd_a, even_a),
                fma(-A, odd_a, even_a),
                fma(B, odd_b, even_b),
                fma(-B, odd_b, even_b),
                g[3],
            ]
        }
    }
}

/// `G g`: three taps of a filter.
pub(super) struct Filter;

impl Line<3, 6> for Filter {
    #[inline(always)]
    unsafe fn line<V: Lanes>(g: [V; 3]) -> [V; 6] {
        // SAFETY: the caller's.
        unsafe {
            let even_a = fma(AT_A * A2, g[2], scale(AT_A, g[0]));
            let even_b = fma(AT_B * B2, g[2], scale(AT_B, g[0]));
            let (odd_a, odd_b) = (scale(AT_A * A, g[1]), scale(AT_B * B, g[1]));
            [
                scale(AT_ZERO, g[0]),
                even_a.add(odd_a),
                even_a.sub(odd_a),
                even_b.add(odd_b),
                even_b.sub(odd_b),
                g[2],
            ]
        }
    }
}

/// `G^T u`: the adjoint of [`Filter`].
pub(super) struct FilterAdjoint;

impl Line<6, 3> for FilterAdjoint {
    #[inline(always)]
    unsafe fn line<V: Lanes>(u: [V; 6]) -> [V; 3] {
        // SAFETY: the caller's.
        unsafe {
            let (even_a, odd_a) = (u[1].add(u[2]), u[1].sub(u[2]));
            let (even_b, odd_b) = (u[3].add(u[4]), u[3].sub(u[4]));
            [
                fma(AT_B, even_b, fma(AT_A, even_a, scale(AT_ZERO, u[0]))),
                fma(AT_B * B, odd_b, scale(AT_A * A, odd_a)),
                fma(AT_B * B2, even_b, fma(AT_A * A2, even_a, u[5])),
            ]
        }
    }
}

/// Layout of the registers of a square: element `(row, column)` at `row * row_step + column * step`.
#[derive(Clone, Copy)]
pub(super) struct Place<P> {
    /// Where it begins.
    pub(super) at: P,
    /// From one row to the next.
    pub(super) row_step: usize,
    /// From one column to the next.
    pub(super) step: usize,
}

/// Reads a square and transforms it along the columns, then the rows.
///
/// # Safety
/// Every register of the square must be readable; see [`Lanes`].
#[inline(always)]
pub(super) unsafe fn square<V: Lanes, L: Line<FROM, TO>, const FROM: usize, const TO: usize>(
    from: Place<*const f32>,
) -> [[V; TO]; TO] {
    // SAFETY: the caller's.
    unsafe { square_and_sum::<V, L, FROM, TO>(from).0 }
}

/// Row `R` of what [`square`] gives.
///
/// # Safety
/// As [`square`].
#[inline(always)]
pub(super) unsafe fn row<V, L, const FROM: usize, const TO: usize, const R: usize>(
    from: Place<*const f32>,
) -> [V; TO]
where
    V: Lanes,
    L: Line<FROM, TO>,
{
    // SAFETY: the caller's.
    unsafe {
        let mut row = [V::zero(); FROM];
        for (c, value) in row.iter_mut().enumerate() {
            let mut column = [V::zero(); FROM];
            for (r, v) in column.iter_mut().enumerate() {
                *v = V::load(from.at.add(r * from.row_step + c * from.step));
            }
            *value = L::line(column)[R];
        }
        L::line(row)
    }
}

/// As [`square`], with the sum over what was read, column after column.
///
/// # Safety
/// As [`square`].
#[inline(always)]
pub(super) unsafe fn square_and_sum<V, L, const FROM: usize, const TO: usize>(
    from: Place<*const f32>,
) -> ([[V; TO]; TO], V)
where
    V: Lanes,
    L: Line<FROM, TO>,
{
    // SAFETY: the caller's.
    unsafe {
        let mut sum = V::zero();
        let mut turned = [[V::zero(); FROM]; TO];
        for c in 0..FROM {
            let mut column = [V::zero(); FROM];
            for (r, v) in column.iter_mut().enumerate() {
                *v = V::load(from.at.add(r * from.row_step + c * from.step));
                sum = sum.add(*v);
            }
            let column = L::line(column);
            for (row, value) in turned.iter_mut().zip(column) {
                row[c] = value;
            }
        }
        let mut out = [[V::zero(); TO]; TO];
        for (to, row) in out.iter_mut().zip(turned) {
            *to = L::line(row);
        }
        (out, sum)
    }
}

/// Writes a square.
///
/// # Safety
/// Every register of the square must be writable; see [`Lanes`].
#[inline(always)]
pub(super) unsafe fn store<V: Lanes, const TO: usize>(square: &[[V; TO]; TO], to: Place<*mut f32>) {
    for (r, row) in square.iter().enumerate() {
        for (c, value) in row.iter().enumerate() {
            // SAFETY: the caller's.
            unsafe { value.store(to.at.add(r * to.row_step + c * to.step)) }
        }
    }
}
