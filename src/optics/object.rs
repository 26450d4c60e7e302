//! Synthetic objects.
//!
//! *Conventions.* `[row, col]`, complex64, real and positive unless a phase is asked for.
//! [`lines`] is the reference's to the last digit; [`grf`], [`points`] and [`diagonals`] follow its
//! description with arithmetic of this project, drawn from that NumPy stream.
//!
//! *Source.* Reference description, section a.

use ndarray::{Array2, s};
use num_complex::{Complex, Complex32};

use crate::optics::filter::gaussian;
use crate::rng::NumpyLegacy;
use ptyproof_kernels::fft::{Fft2, Scratch};

/// Lines drawn in a `lines` object.
const LINE_COUNT: usize = 400;
/// Lines of each direction in a `diagonals` object.
const DIAGONALS_PER_DIRECTION: usize = 40;
/// Power spectrum's exponent of a `grf` object: amplitude falls as `k^-0.2`, power as `k^-0.4`.
const GRF_POWER: f64 = -0.4;

/// Intermediate results of a `lines` object, for step-by-step checks.
#[derive(Debug, Clone)]
pub struct Lines {
    /// Ends of the lines, `[r0, c0, r1, c1]`, on a canvas of twice the object's side.
    pub endpoints: Vec<[usize; 4]>,
    /// Where a line passes: 1, elsewhere 0, `[row, col]`.
    pub canvas: Array2<f64>,
    /// The object.
    pub object: Array2<Complex32>,
}

/// Four hundred random lines, blurred at three scales: `G1 + 2 G5 + 5 G10` of the drawn canvas.
///
/// `rng` is the run's NumPy stream; 1600 uniform numbers are drawn from it.
pub fn lines(size: usize, rng: &mut NumpyLegacy) -> Lines {
    let side = 2 * size;
    let mut canvas = Array2::zeros((side, side));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "numpy's int()"
    )]
    let endpoints: Vec<[usize; 4]> = (0..LINE_COUNT)
        .map(|_| std::array::from_fn(|_| (side as f64 * rng.random_sample()) as usize))
        .collect();
    for &[r0, c0, r1, c1] in &endpoints {
        draw_line(&mut canvas, (r0, c0), (r1, c1), |v| *v = 1.0);
    }
    let sum = gaussian(&canvas, 1.0) + gaussian(&canvas, 5.0) * 2.0 + gaussian(&canvas, 10.0) * 5.0;
    let from = size / 2;
    let object = real(
        &sum.slice(s![from..from + size, from..from + size])
            .to_owned(),
    );
    Lines {
        endpoints,
        canvas,
        object,
    }
}

/// Visits the pixels of Bresenham's line, both ends included (Bresenham 1965, doi:10.1147/sj.41.0025).
///
/// The longer axis is stepped; of two equal ones the column, as scikit-image's `draw.line` does.
fn draw_line(
    canvas: &mut Array2<f64>,
    from: (usize, usize),
    to: (usize, usize),
    mut mark: impl FnMut(&mut f64),
) {
    let ((mut r, mut c), (r1, c1)) = (signed(from), signed(to));
    let (mut dr, mut dc) = ((r1 - r).abs(), (c1 - c).abs());
    let (mut sr, mut sc) = (if r1 > r { 1 } else { -1 }, if c1 > c { 1 } else { -1 });
    let steep = dr > dc;
    if steep {
        (r, c) = (c, r);
        (dr, dc) = (dc, dr);
        (sr, sc) = (sc, sr);
    }
    let mut d = 2 * dr - dc;
    let (rows, cols) = canvas.dim();
    let mut put = |r: isize, c: isize| {
        let (r, c) = if steep { (c, r) } else { (r, c) };
        if let (Ok(r), Ok(c)) = (usize::try_from(r), usize::try_from(c))
            && r < rows
            && c < cols
        {
            mark(&mut canvas[[r, c]]);
        }
    };
    for _ in 0..dc {
        put(r, c);
        while d >= 0 {
            r += sr;
            d -= 2 * dc;
        }
        c += sc;
        d += 2 * dr;
    }
    let (r1, c1) = if steep { (c1, r1) } else { (r1, c1) };
    put(r1, c1);
}

fn signed((r, c): (usize, usize)) -> (isize, isize) {
    (r as isize, c as isize)
}

/// A Gaussian random field with power `k^-0.4`, brought to 0..1 and smoothed by one pixel.
pub fn grf(size: usize, rng: &mut NumpyLegacy) -> Array2<Complex32> {
    let mut field: Vec<Complex<f64>> = (0..size * size)
        .map(|_| Complex::new(rng.normal(), 0.0))
        .collect();
    let (fft, mut scratch) = (Fft2::new(size), Scratch::default());
    fft.forward(&mut field, &mut scratch);
    for (k, f) in field.iter_mut().enumerate() {
        let frequency = |i: usize| i.min(size - i) as f64;
        let k2 = frequency(k / size).powi(2) + frequency(k % size).powi(2);
        // amplitude is the root of the power; the mean carries none
        *f *= if k2 == 0.0 {
            0.0
        } else {
            k2.sqrt().powf(GRF_POWER / 2.0)
        };
    }
    fft.inverse(&mut field, &mut scratch);
    let image = Array2::from_shape_fn((size, size), |(r, c)| field[r * size + c].re);
    let low = image.iter().copied().fold(f64::INFINITY, f64::min);
    let high = image.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let width = if high > low { high - low } else { 1.0 };
    real(&gaussian(&image.mapv(|v| (v - low) / width), 1.0))
}

/// Points on a tenth of the pixels (drawn with replacement), blurred at two scales.
pub fn points(size: usize, rng: &mut NumpyLegacy) -> Array2<Complex32> {
    let mut canvas = Array2::zeros((size, size));
    let pixels = u32::try_from(size * size).unwrap_or(u32::MAX);
    for _ in 0..size * size / 10 {
        let k = rng.below(pixels) as usize;
        canvas[[k / size, k % size]] += 1.0;
    }
    let image = gaussian(&canvas, 1.0);
    real(&(&image + &(gaussian(&image, 10.0) * 5.0)))
}

/// Forty vertical, forty horizontal and forty mirrored pairs of diagonal lines, blurred at two scales.
pub fn diagonals(size: usize, rng: &mut NumpyLegacy) -> Array2<Complex32> {
    let mut canvas = Array2::zeros((size, size));
    let side = u32::try_from(size).unwrap_or(u32::MAX);
    for _ in 0..DIAGONALS_PER_DIRECTION {
        let [column, row, shift] = [0; 3].map(|_| rng.below(side) as usize);
        for k in 0..size {
            canvas[[k, column]] += 1.0;
            canvas[[row, k]] += 1.0;
            let c = (k + shift) % size;
            canvas[[k, c]] += 1.0;
            canvas[[k, size - 1 - c]] += 1.0;
        }
    }
    let image = gaussian(&canvas, 0.75);
    real(&(&image + &(gaussian(&image, 7.5) * 5.0)))
}

/// Gives a real object the phase `pi tanh((A - max / 2) / (3 mean))`.
pub fn with_phase(object: &Array2<Complex32>) -> Array2<Complex32> {
    let most = object.iter().map(|z| z.norm()).fold(0.0f32, f32::max);
    let mean = object.iter().map(|z| f64::from(z.norm())).sum::<f64>() / object.len() as f64;
    object.mapv(|z| {
        let a = z.norm();
        let phase = std::f64::consts::PI * (f64::from(a - most / 2.0) / (3.0 * mean)).tanh();
        Complex32::from_polar(a, narrow(phase))
    })
}

fn real(image: &Array2<f64>) -> Array2<Complex32> {
    image.mapv(|v| Complex32::new(narrow(v), 0.0))
}

#[expect(clippy::cast_possible_truncation, reason = "objects are complex64")]
fn narrow(v: f64) -> f32 {
    v as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use ptyproof_testkit::compare::{non_empty, zip_eq};
    use ptyproof_testkit::tolerance::{F32_STEPS_16, assert_close};

    #[test]
    fn line_has_both_ends_and_one_pixel_per_step() {
        for (to, pixels) in [((0, 0), 1), ((3, 9), 10), ((9, 3), 10), ((7, 7), 8)] {
            let mut canvas = Array2::zeros((10, 10));
            draw_line(&mut canvas, (0, 0), to, |v| *v += 1.0);
            assert_eq!(canvas.sum(), f64::from(pixels), "{to:?}");
            assert_eq!((canvas[[0, 0]], canvas[[to.0, to.1]]), (1.0, 1.0), "{to:?}");
            let mut back = Array2::zeros((10, 10));
            draw_line(&mut back, to, (0, 0), |v| *v += 1.0);
            assert_eq!(back.sum(), f64::from(pixels));
        }
    }

    #[test]
    fn objects_are_finite_positive_and_seed_dependent() {
        for make in [grf, points, diagonals, |n, r: &mut NumpyLegacy| {
            lines(n, r).object
        }] {
            let [a, b, c] = [1, 1, 2].map(|seed| make(48, &mut NumpyLegacy::new(seed)));
            assert_eq!(a, b);
            assert_ne!(a, c);
            assert!(non_empty(&a).all(|z| z.re.is_finite() && z.re >= 0.0 && z.im == 0.0));
            let p = with_phase(&a);
            for (z, w) in zip_eq(&a, &p) {
                assert_close!(z.norm(), w.norm(), F32_STEPS_16.or_relative());
                assert!(w.arg().abs() <= std::f32::consts::PI);
            }
        }
    }

    #[test]
    fn grf_has_its_power_law() {
        // mean power at low against high radii: (k1 / k2)^-0.4, with sigma 1 undone by its transfer
        let n = 128;
        let o = grf(n, &mut NumpyLegacy::new(5));
        let mut f: Vec<Complex<f64>> = o
            .iter()
            .map(|z| Complex::new(f64::from(z.re), 0.0))
            .collect();
        Fft2::new(n).forward(&mut f, &mut Scratch::default());
        let power = |lo: f64, hi: f64| {
            let (mut sum, mut count, mut radius) = (0.0, 0.0, 0.0);
            for (k, v) in f.iter().enumerate() {
                let w = |i: usize| i.min(n - i) as f64;
                let r = w(k / n).hypot(w(k % n));
                if (lo..hi).contains(&r) {
                    let blur = (-(std::f64::consts::TAU * r / n as f64).powi(2)).exp();
                    sum += v.norm_sqr() / blur;
                    count += 1.0;
                    radius += r;
                }
            }
            (sum / count, radius / count)
        };
        let ((p1, k1), (p2, k2)) = (power(4.0, 8.0), power(20.0, 24.0));
        let exponent = (p1 / p2).ln() / (k1 / k2).ln();
        // some 150 modes in the inner ring: 0.1 in the log of its power
        assert!((exponent - GRF_POWER).abs() < 0.25, "exponent {exponent}");
    }
}
