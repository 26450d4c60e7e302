//! Two images for tests, made in code, so that other programs can make them too.

use ndarray::Array2;

/// `[prediction, truth]`: waves, and the same with another contrast, offset and a ripple.
pub(super) fn pair(rows: usize, cols: usize) -> (Array2<f64>, Array2<f64>) {
    let truth = Array2::from_shape_fn((rows, cols), |(y, x)| {
        let (y, x) = (y as f64, x as f64);
        1.0 + 0.3 * (y / 4.1).sin() * (x / 5.3 + 0.4).cos() + 0.2 * ((x + 2.0 * y) / 7.0).sin()
    });
    let mut prediction = &truth * 0.9 + 0.1;
    for ((y, x), v) in prediction.indexed_iter_mut() {
        *v += 0.05 * (x as f64 * 1.3).cos() * (y as f64 * 0.9).sin();
    }
    (prediction, truth)
}
