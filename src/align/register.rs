//! The whole-pixel shift between two images, whatever their phase ramps: the shift of maximum correlation. The correlation
//! is divided by the power of both images in the overlap, because a larger shift leaves a smaller overlap (Padfield 2012,
//! doi:10.1109/TIP.2011.2181402).

use ndarray::Array2;
use num_complex::Complex64;

use ptyproof_kernels::fft::{Fft2, Scratch};

/// Minimum share of the power of both images in the overlap of a shift.
const MIN_OVERLAP_POWER_SHARE: f64 = 0.5;

/// The correlated features: a phase ramp changes each by one global phase factor at most. The mean is subtracted where a
/// feature is defined; elsewhere it is zero.
fn features(image: &Array2<Complex64>) -> [Feature; 3] {
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
    .map(Feature::of)
}

/// Values, and where they are defined.
struct Feature {
    values: Array2<Complex64>,
    cover: Array2<Complex64>,
}

impl Feature {
    fn of(mut values: Array2<Complex64>) -> Self {
        let cover = values.mapv(|v| Complex64::from(f64::from(u8::from(v != Complex64::ZERO))));
        let mean = values.sum() / cover.sum().re.max(1.0);
        values.zip_mut_with(&cover, |v, c| *v -= mean * c);
        Self { values, cover }
    }

    fn power(&self) -> Array2<Complex64> {
        self.values.mapv(|z| z.norm_sqr().into())
    }
}

/// `[y, x]` such that `b` shifted by it overlaps `a`. Unknown pixels count as outside.
pub(super) fn whole_shift(a: &Array2<Complex64>, b: &Array2<Complex64>) -> [isize; 2] {
    let outside = |z: Complex64| if z.is_nan() { Complex64::ZERO } else { z };
    let (a, b) = (&a.mapv(outside), &b.mapv(outside));
    let (rows, cols) = a.dim();
    let side = (rows.max(cols) * 5 / 4).next_power_of_two();
    let fft = Fft2::<f64>::new(side);
    let mut scratch = Scratch::default();
    let mut spectrum = |image: &Array2<Complex64>| {
        let mut padded = vec![Complex64::ZERO; side * side];
        for ((y, x), v) in image.indexed_iter() {
            padded[y * side + x] = *v;
        }
        fft.forward(&mut padded, &mut scratch);
        padded
    };
    // what meets what at each shift, for all shifts at once
    let correlated = |mut p: Vec<Complex64>, q: Vec<Complex64>| {
        p.iter_mut().zip(&q).for_each(|(p, q)| *p *= q.conj());
        fft.inverse(&mut p, &mut Scratch::default());
        p
    };
    let mut total = vec![0.0; side * side];
    for (fa, fb) in features(a).iter().zip(&features(b)) {
        let (pa, pb) = (fa.power(), fb.power());
        let whole = pa.sum().re * pb.sum().re;
        if whole == 0.0 {
            continue;
        }
        let both = correlated(spectrum(&fa.values), spectrum(&fb.values));
        let power_a = correlated(spectrum(&pa), spectrum(&fb.cover));
        let power_b = correlated(spectrum(&fa.cover), spectrum(&pb));
        let n2 = ((side * side) as f64).powi(2);
        for (k, t) in total.iter_mut().enumerate() {
            // the power in the overlap; with little power similarity is random
            let overlap_power = power_a[k].re.max(0.0) * power_b[k].re.max(0.0) / n2;
            if overlap_power >= MIN_OVERLAP_POWER_SHARE * MIN_OVERLAP_POWER_SHARE * whole {
                *t += both[k].norm() / (n2.sqrt() * overlap_power.sqrt());
            }
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
