//! The small transforms of Winograd's F(4x4, 3x3), on registers of channels.
//!
//! With the polynomial points 0, +-a, +-b and infinity, four neighbouring outputs of a three-tap filter
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

use crate::kernel::lanes::Lanes;

const A: f64 = 0.625;
const B: f64 = 1.5;
const A2: f64 = A * A;
const B2: f64 = B * B;

/// `G`'s divisors: the products of the differences between a point and the others.
const AT_ZERO: f64 = 1.0 / (A2 * B2);
const AT_A: f64 = 1.0 / (2.0 * A2 * (A2 - B2));
const AT_B: f64 = 1.0 / (2.0 * B2 * (B2 - A2));

/// `x` in every lane.
///
/// # Safety
/// See [`Lanes`].
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "exact for B and A, rounded once for G"
)]
unsafe fn all<V: Lanes>(x: f64) -> V {
    // SAFETY: the caller's.
    unsafe { V::splat(x as f32) }
}

/// `B^T d`: six inputs of a tile.
///
/// # Safety
/// See [`Lanes`].
#[inline(always)]
pub(super) unsafe fn input<V: Lanes>(d: [V; 6]) -> [V; 6] {
    // SAFETY: the caller's.
    unsafe {
        let even = |p2: f64| all::<V>(-p2).mul_add(d[2], d[4]);
        let odd = |p2: f64| all::<V>(-p2).mul_add(d[1], d[3]);
        let rim = |k: usize| {
            let outer = all::<V>(-(A2 + B2)).mul_add(d[k + 2], d[k + 4]);
            all::<V>(A2 * B2).mul_add(d[k], outer)
        };
        let (ea, oa, eb, ob) = (even(B2), odd(B2), even(A2), odd(A2));
        [
            rim(0),
            all::<V>(A).mul_add(oa, ea),
            all::<V>(-A).mul_add(oa, ea),
            all::<V>(B).mul_add(ob, eb),
            all::<V>(-B).mul_add(ob, eb),
            rim(1),
        ]
    }
}

/// `A^T m`: four outputs of a tile.
///
/// # Safety
/// See [`Lanes`].
#[inline(always)]
pub(super) unsafe fn output<V: Lanes>(m: [V; 6]) -> [V; 4] {
    // SAFETY: the caller's.
    unsafe {
        let (ea, oa) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (eb, ob) = (m[3].add(m[4]), m[3].sub(m[4]));
        [
            m[0].add(ea).add(eb),
            all::<V>(B).mul_add(ob, all::<V>(A).mul(oa)),
            all::<V>(B2).mul_add(eb, all::<V>(A2).mul(ea)),
            all::<V>(B * B2).mul_add(ob, all::<V>(A * A2).mul_add(oa, m[5])),
        ]
    }
}

/// `A g`: the adjoint of [`output`].
///
/// # Safety
/// See [`Lanes`].
#[inline(always)]
pub(super) unsafe fn output_adjoint<V: Lanes>(g: [V; 4]) -> [V; 6] {
    // SAFETY: the caller's.
    unsafe {
        let even = |p2: f64| all::<V>(p2).mul_add(g[2], g[0]);
        let odd = |p2: f64| all::<V>(p2).mul_add(g[3], g[1]);
        let (ea, oa, eb, ob) = (even(A2), odd(A2), even(B2), odd(B2));
        [
            g[0],
            all::<V>(A).mul_add(oa, ea),
            all::<V>(-A).mul_add(oa, ea),
            all::<V>(B).mul_add(ob, eb),
            all::<V>(-B).mul_add(ob, eb),
            g[3],
        ]
    }
}

/// `G g`: three taps of a filter.
///
/// # Safety
/// See [`Lanes`].
#[inline(always)]
pub(super) unsafe fn filter<V: Lanes>(g: [V; 3]) -> [V; 6] {
    // SAFETY: the caller's.
    unsafe {
        let even = |c: f64, p2: f64| all::<V>(c * p2).mul_add(g[2], all::<V>(c).mul(g[0]));
        let (ea, eb) = (even(AT_A, A2), even(AT_B, B2));
        let (oa, ob) = (all::<V>(AT_A * A).mul(g[1]), all::<V>(AT_B * B).mul(g[1]));
        [
            all::<V>(AT_ZERO).mul(g[0]),
            ea.add(oa),
            ea.sub(oa),
            eb.add(ob),
            eb.sub(ob),
            g[2],
        ]
    }
}

/// `G^T u`: the adjoint of [`filter`].
///
/// # Safety
/// See [`Lanes`].
#[inline(always)]
pub(super) unsafe fn filter_adjoint<V: Lanes>(u: [V; 6]) -> [V; 3] {
    // SAFETY: the caller's.
    unsafe {
        let (ea, oa) = (u[1].add(u[2]), u[1].sub(u[2]));
        let (eb, ob) = (u[3].add(u[4]), u[3].sub(u[4]));
        let evens =
            |ca: f64, cb: f64, rest: V| all::<V>(cb).mul_add(eb, all::<V>(ca).mul_add(ea, rest));
        [
            evens(AT_A, AT_B, all::<V>(AT_ZERO).mul(u[0])),
            all::<V>(AT_B * B).mul_add(ob, all::<V>(AT_A * A).mul(oa)),
            evens(AT_A * A2, AT_B * B2, u[5]),
        ]
    }
}

/// The same transform along the columns, then the rows, of a square.
///
/// # Safety
/// See [`Lanes`].
#[inline(always)]
pub(super) unsafe fn square<V: Lanes, const FROM: usize, const TO: usize>(
    load: impl Fn(usize, usize) -> V,
    line: impl Fn([V; FROM]) -> [V; TO],
    mut store: impl FnMut(usize, usize, V),
) {
    // SAFETY: the caller's.
    let mut turned = unsafe { [[V::zero(); FROM]; TO] };
    for c in 0..FROM {
        let column = line(std::array::from_fn(|r| load(r, c)));
        for (row, value) in turned.iter_mut().zip(column) {
            row[c] = value;
        }
    }
    for (r, row) in turned.into_iter().enumerate() {
        for (c, value) in line(row).into_iter().enumerate() {
            store(r, c, value);
        }
    }
}
