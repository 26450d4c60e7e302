//! The six numbers of a gauge, fitted at once.

use ndarray::Array2;
use num_complex::Complex64;

/// A gauge but the twin: `a(r) ~ factor exp(i ramp (r - r0)) b(r - shift)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fit {
    /// Scale and phase.
    pub factor: Complex64,
    /// Radians per pixel, `[y, x]`.
    pub ramp: [f64; 2],
    /// Pixels, `[y, x]`.
    pub shift: [f64; 2],
}

impl Default for Fit {
    fn default() -> Self {
        Self {
            factor: Complex64::ONE,
            ramp: [0.0; 2],
            shift: [0.0; 2],
        }
    }
}

/// The factor that takes `b` nearest to `a`; 1 if `b` is zero.
pub(super) fn factor(a: &Array2<Complex64>, b: &Array2<Complex64>) -> Complex64 {
    let pairs = || a.iter().zip(b).filter(|(p, q)| !(p.is_nan() || q.is_nan()));
    let power: f64 = pairs().map(|(_, q)| q.norm_sqr()).sum();
    let overlap: Complex64 = pairs().map(|(p, q)| p * q.conj()).sum();
    if power > 0.0 {
        overlap / power
    } else {
        Complex64::ONE
    }
}

/// Cubic convolution at a fraction `t` of a pixel: weights of the four neighbors.
fn weights(t: f64) -> [f64; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [
        -0.5 * t3 + t2 - 0.5 * t,
        1.5 * t3 - 2.5 * t2 + 1.0,
        -1.5 * t3 + 2.0 * t2 + 0.5 * t,
        0.5 * t3 - 0.5 * t2,
    ]
}

/// Shifts closer than this to a whole pixel are whole pixels: positions are never known this precisely.
const SUBPIXEL_TOLERANCE_PX: f64 = 1e-3;

/// `b` moved by `shift`; NaN where that needs pixels that are not there, or that are outside.
fn shifted(b: &Array2<Complex64>, shift: [f64; 2]) -> Array2<Complex64> {
    let unknown = Complex64::new(f64::NAN, f64::NAN);
    let (rows, cols) = b.dim();
    let [(fy, wy, exact_y), (fx, wx, exact_x)] = shift.map(|s| {
        let exact = (s - s.round()).abs() < SUBPIXEL_TOLERANCE_PX;
        let floor = if exact { (-s).round() } else { (-s).floor() };
        (floor as isize, weights(-s - floor), exact)
    });
    let zero = shift == [0.0; 2];
    Array2::from_shape_fn((rows, cols), |(y, x)| {
        if zero {
            return b[[y, x]];
        }
        let mut sum = Complex64::ZERO;
        let span = |exact: bool| if exact { 1..2 } else { 0..4 };
        for j in span(exact_y) {
            for i in span(exact_x) {
                let row = y.checked_add_signed(fy + j - 1).filter(|r| *r < rows);
                let col = x.checked_add_signed(fx + i - 1).filter(|c| *c < cols);
                let (Some(row), Some(col)) = (row, col) else {
                    return unknown;
                };
                let v = b[[row, col]];
                if v == Complex64::ZERO && !(exact_y && exact_x) {
                    return unknown;
                }
                let wide = |exact: bool, w: f64| if exact { 1.0 } else { w };
                sum += v * wide(exact_y, wy[j as usize]) * wide(exact_x, wx[i as usize]);
            }
        }
        sum
    })
}

fn place(dim: (usize, usize), y: usize, x: usize) -> [f64; 2] {
    [y as f64 - dim.0 as f64 / 2.0, x as f64 - dim.1 as f64 / 2.0]
}

/// `b` in the gauge of the fit; NaN where nothing is known.
pub(super) fn moved(b: &Array2<Complex64>, fit: &Fit) -> Array2<Complex64> {
    let mut out = shifted(b, fit.shift);
    let dim = out.dim();
    for ((y, x), v) in out.indexed_iter_mut() {
        let [ry, rx] = place(dim, y, x);
        *v *= fit.factor * Complex64::cis(fit.ramp[0] * ry + fit.ramp[1] * rx);
    }
    out
}

/// The phase ramp between two overlapping images: the mean phase change from pixel to pixel.
fn mean_ramp(a: &Array2<Complex64>, b: &Array2<Complex64>) -> [f64; 2] {
    let turn = |dy: usize, dx: usize| {
        let mut sum = Complex64::ZERO;
        for ((y, x), p) in a.indexed_iter() {
            if let (Some(p2), Some(q2)) = (a.get([y + dy, x + dx]), b.get([y + dy, x + dx])) {
                let t = p2 * q2.conj() * (p * b[[y, x]].conj()).conj();
                if !t.is_nan() {
                    sum += t;
                }
            }
        }
        if sum.norm() > 0.0 { sum.arg() } else { 0.0 }
    };
    [turn(1, 0), turn(0, 1)]
}

/// Maximum number of Gauss-Newton steps; a few usually suffice.
const MAX_GAUSS_NEWTON_STEPS: usize = 12;

/// Fits from a whole-pixel shift on.
pub(super) fn refine(a: &Array2<Complex64>, b: &Array2<Complex64>, start: [isize; 2]) -> Fit {
    let mut fit = Fit {
        shift: start.map(|s| s as f64),
        ..Fit::default()
    };
    fit.ramp = mean_ramp(a, &moved(b, &fit));
    fit.factor = factor(a, &moved(b, &fit));
    let (mut best, mut least) = (fit, left(a, &moved(b, &fit)));
    for _ in 0..MAX_GAUSS_NEWTON_STEPS {
        let Some(step) = newton(a, &moved(b, &fit)) else {
            break;
        };
        fit.factor *= Complex64::new(1.0 + step[0], step[1]);
        for k in 0..2 {
            fit.ramp[k] += step[2 + k];
            fit.shift[k] += step[4 + k].clamp(-0.5, 0.5);
        }
        // a whole shift needs no interpolation
        let mut snapped = fit;
        snapped.shift = fit.shift.map(|s| {
            if (s - s.round()).abs() < SUBPIXEL_TOLERANCE_PX {
                s.round()
            } else {
                s
            }
        });
        let now = left(a, &moved(b, &snapped));
        if now < least {
            (best, least) = (snapped, now);
        }
        let small = |v: f64| v.abs() < 1e-9;
        if step.iter().all(|v| small(*v)) {
            break;
        }
    }
    best
}

/// The mean squared difference over known pixels.
fn left(a: &Array2<Complex64>, b: &Array2<Complex64>) -> f64 {
    let (mut sum, mut power) = (0.0, 0.0);
    for (p, q) in a.iter().zip(b).filter(|(p, q)| !(p.is_nan() || q.is_nan())) {
        sum += (p - q).norm_sqr();
        power += p.norm_sqr();
    }
    if power > 0.0 {
        sum / power
    } else {
        f64::INFINITY
    }
}

/// One step: log scale, phase, ramp `[y, x]`, shift `[y, x]`.
fn newton(a: &Array2<Complex64>, b: &Array2<Complex64>) -> Option<[f64; 6]> {
    let dim = a.dim();
    let (mut normal, mut right) = ([[0.0; 6]; 6], [0.0; 6]);
    let known = |z: &Complex64| !z.is_nan() && *z != Complex64::ZERO;
    for y in 1..dim.0.saturating_sub(1) {
        for x in 1..dim.1.saturating_sub(1) {
            let around = [b[[y + 1, x]], b[[y - 1, x]], b[[y, x + 1]], b[[y, x - 1]]];
            let (p, q) = (a[[y, x]], b[[y, x]]);
            if !known(&q) || !known(&p) || !around.iter().all(known) {
                continue;
            }
            let [ry, rx] = place(dim, y, x);
            let turned = q * Complex64::I;
            let columns = [
                q,
                turned,
                turned * ry,
                turned * rx,
                (around[1] - around[0]) / 2.0,
                (around[3] - around[2]) / 2.0,
            ];
            let e = p - q;
            for (i, u) in columns.iter().enumerate() {
                right[i] += u.re * e.re + u.im * e.im;
                for (j, v) in columns.iter().enumerate() {
                    normal[i][j] += u.re * v.re + u.im * v.im;
                }
            }
        }
    }
    solve(normal, right)
}

/// Gaussian elimination with pivots, scaled by the diagonal; a direction without any slope stays where it is.
fn solve(mut m: [[f64; 6]; 6], mut r: [f64; 6]) -> Option<[f64; 6]> {
    let scale: [f64; 6] = std::array::from_fn(|i| m[i][i].sqrt());
    for i in 0..6 {
        for j in 0..6 {
            let by = scale[i] * scale[j];
            m[i][j] = if by > 0.0 {
                m[i][j] / by
            } else {
                f64::from(u8::from(i == j))
            };
        }
        r[i] = if scale[i] > 0.0 { r[i] / scale[i] } else { 0.0 };
        // flat amplitude and flat phase leave a direction open: hold it
        m[i][i] += 1e-9;
    }
    for k in 0..6 {
        let pivot = (k..6).max_by(|&i, &j| m[i][k].abs().total_cmp(&m[j][k].abs()))?;
        m.swap(k, pivot);
        r.swap(k, pivot);
        for i in k + 1..6 {
            let by = m[i][k] / m[k][k];
            let above = m[k];
            for (v, u) in m[i].iter_mut().zip(above).skip(k) {
                *v -= by * u;
            }
            r[i] -= by * r[k];
        }
    }
    for k in (0..6).rev() {
        for j in k + 1..6 {
            r[k] -= m[k][j] * r[j];
        }
        r[k] /= m[k][k];
    }
    let step: [f64; 6] =
        std::array::from_fn(|i| if scale[i] > 0.0 { r[i] / scale[i] } else { 0.0 });
    step.iter().all(|v| v.is_finite()).then_some(step)
}
