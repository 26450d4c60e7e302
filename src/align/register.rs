//! The whole-pixel shift between two images, whatever their phase ramps.

use ndarray::Array2;
use num_complex::Complex64;

use crate::kernel::fft::{Fft2, Scratch};

/// What is correlated: each is the same for an image and the image times a ramp, up to one phase factor.
fn features(image: &Array2<Complex64>) -> [Array2<Complex64>; 3] {
    let (rows, cols) = image.dim();
    let product = |dy: usize, dx: usize| {
        Array2::from_shape_fn((rows, cols), |(y, x)| {
            let beyond = y + dy >= rows || x + dx >= cols;
            if beyond {
                Complex64::ZERO
            } else {
                image[[y + dy, x + dx]] * image[[y, x]].conj()
            }
        })
    };
    [
        image.mapv(|z| z.norm().into()),
        product(0, 1),
        product(1, 0),
    ]
    .map(|feature| centred(image, feature))
}

/// Without its mean over the pixels of the image that are not zero.
fn centred(image: &Array2<Complex64>, mut feature: Array2<Complex64>) -> Array2<Complex64> {
    let inside = || image.iter().map(|z| *z != Complex64::ZERO);
    let count = inside().filter(|&i| i).count().max(1) as f64;
    let pairs = feature.iter().zip(inside());
    let mean = pairs
        .filter(|(_, i)| *i)
        .map(|(f, _)| *f)
        .sum::<Complex64>()
        / count;
    for (f, i) in feature.iter_mut().zip(inside()) {
        *f = if i { *f - mean } else { Complex64::ZERO };
    }
    feature
}

/// `[y, x]` such that `b` moved by it lies on `a`. What is not known of an image counts as outside.
pub(super) fn whole_shift(a: &Array2<Complex64>, b: &Array2<Complex64>) -> [isize; 2] {
    let outside = |z: Complex64| if z.is_nan() { Complex64::ZERO } else { z };
    let (a, b) = (&a.mapv(outside), &b.mapv(outside));
    let (rows, cols) = a.dim();
    let side = (rows.max(cols) * 5 / 4).next_power_of_two();
    let fft = Fft2::<f64>::new(side);
    let mut scratch = Scratch::default();
    let mut spectrum = |feature: &Array2<Complex64>| {
        let mut padded = vec![Complex64::ZERO; side * side];
        for ((y, x), v) in feature.indexed_iter() {
            padded[y * side + x] = *v;
        }
        fft.forward(&mut padded, &mut scratch);
        padded
    };
    let mut total = vec![0.0; side * side];
    for (fa, fb) in features(a).iter().zip(&features(b)) {
        let norm = |f: &Array2<Complex64>| f.iter().map(Complex64::norm_sqr).sum::<f64>().sqrt();
        let weight = norm(fa) * norm(fb);
        if weight == 0.0 {
            continue;
        }
        let (mut fa, fb) = (spectrum(fa), spectrum(fb));
        for (p, q) in fa.iter_mut().zip(&fb) {
            *p *= q.conj();
        }
        Fft2::<f64>::new(side).inverse(&mut fa, &mut Scratch::default());
        for (t, c) in total.iter_mut().zip(&fa) {
            *t += c.norm() / weight;
        }
    }
    // of equals the first, and zero comes first
    let mut best = 0;
    for (k, t) in total.iter().enumerate() {
        if *t > total[best] * (1.0 + 1e-9) {
            best = k;
        }
    }
    let signed = |k: usize| {
        if k > side / 2 {
            k.cast_signed() - side.cast_signed()
        } else {
            k.cast_signed()
        }
    };
    [signed(best / side), signed(best % side)]
}
