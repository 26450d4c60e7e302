//! The definition of the convolution and its adjoints, in simple loops.

use super::{Epilogue, Method, Packed};
use crate::map::FeatureMap;
use crate::scalar::Scalar;

/// `out[y, x, o] = epilogue(sum over tap (kh, kw) and channel i of x[y + kh - 1, x + kw - 1, i] w[kh, kw, i, o])`.
///
/// # Panics
/// If the shapes do not fit.
pub fn conv<T: Scalar>(
    x: &FeatureMap<T>,
    first_channel: usize,
    weights: &Packed<T>,
    epilogue: Epilogue<'_, T>,
    out: &mut FeatureMap<T>,
) {
    weights.fit(Method::Direct, x, first_channel, out);
    for image in 0..x.images() {
        for row in 0..x.height() {
            for col in 0..x.width() {
                for o in 0..weights.outputs {
                    let panel = weights.panel(o / weights.width);
                    let mut sum = T::zero();
                    for tap in 0..9 {
                        let corner = x.corner(image, row, col);
                        let at =
                            corner + tap / 3 * x.row_len() + tap % 3 * x.stride() + first_channel;
                        for i in 0..weights.inputs {
                            let w = panel
                                [(tap * weights.inputs + i) * weights.width + o % weights.width];
                            sum = x.data()[at + i].mul_add(w, sum);
                        }
                    }
                    let value = match epilogue {
                        Epilogue::Bias(b) => sum + b[o],
                        Epilogue::BiasRelu(b) if sum + b[o] <= T::zero() => T::zero(),
                        Epilogue::BiasRelu(b) => sum + b[o],
                        Epilogue::Gate(g) if g.pixel(image, row, col)[o] > T::zero() => sum,
                        Epilogue::Gate(_) => T::zero(),
                        Epilogue::Plain => sum,
                    };
                    out.pixel_mut(image, row, col)[o] = value;
                }
            }
        }
    }
}

/// `kernel[kh, kw, i, o] = sum over pixels of x[y + kh - 1, x + kw - 1, i] dy[y, x, o]`, and
/// `bias[o] = sum over pixels of dy[y, x, o]`.
///
/// # Panics
/// If the shapes do not fit.
pub fn conv_weights<T: Scalar>(
    x: &FeatureMap<T>,
    first_channel: usize,
    dy: &FeatureMap<T>,
    kernel: &mut [T],
    bias: &mut [T],
) {
    let outputs = bias.len();
    let inputs = kernel.len() / (9 * outputs);
    assert!(first_channel + inputs <= x.stride(), "input channels");
    kernel.fill(T::zero());
    bias.fill(T::zero());
    for image in 0..x.images() {
        for row in 0..x.height() {
            for col in 0..x.width() {
                let g = &dy.pixel(image, row, col)[..outputs];
                for (b, &v) in bias.iter_mut().zip(g) {
                    *b = *b + v;
                }
                for tap in 0..9 {
                    let corner = x.corner(image, row, col);
                    let at = corner + tap / 3 * x.row_len() + tap % 3 * x.stride() + first_channel;
                    for i in 0..inputs {
                        let v = x.data()[at + i];
                        let row = (tap * inputs + i) * outputs;
                        for (k, &g) in kernel[row..row + outputs].iter_mut().zip(g) {
                            *k = v.mul_add(g, *k);
                        }
                    }
                }
            }
        }
    }
}
