//! The network's operations, with the kernels that the training uses.

use super::Bench;
use crate::network::architecture::Branch;
use crate::network::outputs::{add_estimate, border_activation};
use ptyproof::records::event::Operation;
use ptyproof_kernels::conv::{Aligned, Direction, Epilogue, Kernels, Packed};
use ptyproof_kernels::isa::Isa;
use ptyproof_kernels::layers::{
    Activation, add_channels, max_pool, max_pool_backward, upsample, upsample_backward,
};
use ptyproof_kernels::map::FeatureMap;

/// The dense values of a feature map.
pub(super) fn values_of<T: Kernels>(map: &FeatureMap<T>) -> Vec<T> {
    let mut all = Vec::new();
    for image in 0..map.images() {
        for row in 0..map.height() {
            for col in 0..map.width() {
                all.extend_from_slice(&map.pixel(image, row, col)[..map.channels()]);
            }
        }
    }
    all
}

impl Bench<'_> {
    /// Input `k`, `[n, y, x, c]`, as a feature map; the network input has the layout of the training.
    fn map<T: Kernels>(&self, k: usize) -> FeatureMap<T> {
        let [images, rows, cols, c] = [0, 1, 2, 3].map(|axis| self.inputs[k].shape[axis]);
        let mut map = match self.inputs[k].name.as_str() {
            "network.input" => FeatureMap::input(images, rows, cols, c),
            _ => FeatureMap::new(images, rows, cols, c),
        };
        let values = self.values::<T>(k);
        map.each_pixel(|image, row, col, pixel| {
            let at = ((image * rows + row) * cols + col) * c;
            pixel.copy_from_slice(&values[at..at + c]);
        });
        map
    }

    pub(super) fn network<T: Kernels>(&self, operation: &Operation) -> Vec<T> {
        let shape = &self.inputs[0].shape;
        let (rows, cols, channels) = (shape[1], shape[2], shape[3]);
        let new = |rows, cols| FeatureMap::new(shape[0], rows, cols, channels);
        match operation {
            Operation::Normalize => {
                let scale = T::of(self.setting.scale);
                let amplitude = self.values::<T>(0);
                amplitude.iter().map(|&v| v / scale).collect()
            }
            Operation::Convolution { first, relu } => values_of(&self.convolution(*first, *relu)),
            Operation::LedConvolution { phase } => {
                let mut out = self.convolution::<T>(0, false);
                add_estimate(branch(*phase), &self.map(3), &mut out);
                values_of(&out)
            }
            Operation::MaxPool => {
                let mut out = new(rows / 2, cols / 2);
                max_pool(&self.map::<T>(0), &mut out);
                values_of(&out)
            }
            Operation::Upsample => {
                let mut out = new(2 * rows, 2 * cols);
                upsample(&self.map::<T>(0), &mut out);
                values_of(&out)
            }
            Operation::MaxPoolGradient => {
                let mut out = new(rows, cols);
                max_pool_backward(&self.map::<T>(0), &self.map(1), &mut out);
                values_of(&out)
            }
            Operation::UpsampleGradient => {
                let mut out = new(rows, cols);
                upsample_backward(&self.map::<T>(0), &self.map(1), &mut out);
                values_of(&out)
            }
            Operation::Activate { phase } => self.activate(*phase),
            Operation::ActivationGradient { phase } => {
                self.through(self.activation(*phase), rows, true)
            }
            Operation::OuterGradient { phase } => self.through(self.border(*phase), rows, false),
            Operation::InputGradient { first, gated } => self.input_gradient(first, *gated),
            Operation::WeightGradient { first } => self.weight_gradients(*first).0,
            Operation::BiasGradient => {
                // the sum needs no map: zeros are used
                let dy = self.map::<T>(0);
                let x = FeatureMap::new(shape[0], rows, cols, 1);
                gradients(self.numerics.arithmetic, &x, 0, 1, &dy).1
            }
            _ => Vec::new(),
        }
    }

    fn convolution<T: Kernels>(&self, first: usize, relu: bool) -> FeatureMap<T> {
        let (x, kernel, bias) = (&self.inputs[0].shape, &self.inputs[1].shape, self.values(2));
        let (inputs, outputs) = (kernel[2], kernel[3]);
        let method = T::method(self.numerics.arithmetic, inputs, outputs, x[1]);
        let mut packed = Packed::new(method, inputs, outputs);
        let isa = Isa::best();
        T::pack(isa, &mut packed, &self.values(1), Direction::Forward);
        let mut out = FeatureMap::new(x[0], x[1], x[2], outputs);
        let epilogue = match relu {
            true => Epilogue::BiasRelu(&bias),
            false => Epilogue::Bias(&bias),
        };
        T::conv(isa, &self.map(0), first, &packed, epilogue, &mut out);
        out
    }

    /// The activation outside of the center.
    fn border(&self, phase: bool) -> Activation {
        border_activation(self.numerics.estimates, self.activation(phase))
    }

    fn activation(&self, phase: bool) -> Activation {
        if phase {
            Activation::PiTanh
        } else {
            Activation::Sigmoid(self.numerics.ceiling)
        }
    }

    fn activate<T: Kernels>(&self, phase: bool) -> Vec<T> {
        let [groups, half, _, c] = [0, 1, 2, 3].map(|k| self.inputs[0].shape[k]);
        let (n, q, head) = (2 * half, half / 2, self.activation(phase));
        let (logits, outer) = (
            self.map::<T>(0),
            self.inputs.get(1).map(|_| self.map::<T>(1)),
        );
        let border = self.border(phase);
        let mut out = Vec::new();
        for image in 0..groups {
            for (row, col) in (0..n * n).map(|p| (p / n, p % n)) {
                let central = |k: usize| (q..n - q).contains(&k);
                if central(row) && central(col) {
                    let from = &logits.pixel(image, row - q, col - q)[..c];
                    out.extend(from.iter().map(|&x| head.value(x)));
                } else if let Some(outer) = &outer {
                    let from = &outer.pixel(image, row, col)[..c];
                    out.extend(from.iter().map(|&x| border.value(x)));
                } else {
                    out.extend(std::iter::repeat_n(T::zero(), c));
                }
            }
        }
        out
    }

    /// Logits and the gradient of the maps to the gradient of the logits, in the center or outside of it.
    fn through<T: Kernels>(&self, activation: Activation, side: usize, center: bool) -> Vec<T> {
        let (x, g) = (self.map::<T>(0), self.map::<T>(1));
        let (c, n) = (x.channels(), g.height());
        let (quarter, from) = (n / 4, if center { n / 4 } else { 0 });
        let mut out = Vec::new();
        for image in 0..x.images() {
            for (row, col) in (0..side * side).map(|p| (p / side, p % side)) {
                let central = |k: usize| (quarter..n - quarter).contains(&k);
                let counts = center || !(central(row) && central(col));
                let gradient = &g.pixel(image, row + from, col + from)[..c];
                let with = x.pixel(image, row, col)[..c].iter().zip(gradient);
                out.extend(with.map(|(&x, &g)| {
                    if counts {
                        g * activation.derivative(x)
                    } else {
                        T::zero()
                    }
                }));
            }
        }
        out
    }

    fn input_gradient<T: Kernels>(&self, first: &[usize], gated: bool) -> Vec<T> {
        let gate = gated.then(|| self.map::<T>(2 * first.len()));
        let mut sum: Option<FeatureMap<T>> = None;
        for (k, &from) in first.iter().enumerate() {
            let (dy, kernel) = (self.map::<T>(2 * k), &self.inputs[2 * k + 1].shape);
            // the head reads fewer channels than there are: the others have no gradient from it
            let head = self.inputs[2 * k].name.ends_with(".head.grad");
            let wide = kernel[2]
                + if head {
                    crate::network::architecture::OUTER_CHANNELS
                } else {
                    0
                };
            let method = T::method(self.numerics.arithmetic, kernel[3], wide, dy.height());
            let mut packed = Packed::new(method, kernel[3], wide);
            let isa = Isa::best();
            T::pack(
                isa,
                &mut packed,
                &self.values(2 * k + 1),
                Direction::Adjoint,
            );
            let mut dx = FeatureMap::new(dy.images(), dy.height(), dy.width(), wide);
            let epilogue = gate.as_ref().map_or(Epilogue::Plain, Epilogue::Gate);
            T::conv(isa, &dy, 0, &packed, epilogue, &mut dx);
            match &mut sum {
                None => sum = Some(dx),
                Some(sum) => add_channels(sum, from, &dx),
            }
        }
        sum.map_or_else(Vec::new, |s| values_of(&s))
    }

    fn weight_gradients<T: Kernels>(&self, first: usize) -> (Vec<T>, Vec<T>) {
        let x = &self.inputs[0];
        let inputs = if self.inputs[1].name.ends_with(".head.grad") {
            x.shape[3] - crate::network::architecture::OUTER_CHANNELS
        } else {
            x.shape[3] - first
        };
        gradients(
            self.numerics.arithmetic,
            &self.map(0),
            first,
            inputs,
            &self.map(1),
        )
    }
}

fn branch(phase: bool) -> Branch {
    if phase {
        Branch::Phase
    } else {
        Branch::Amplitude
    }
}

/// The gradients of kernel and bias.
fn gradients<T: Kernels>(
    arithmetic: ptyproof_kernels::conv::Arithmetic,
    x: &FeatureMap<T>,
    first: usize,
    inputs: usize,
    dy: &FeatureMap<T>,
) -> (Vec<T>, Vec<T>) {
    let outputs = dy.channels();
    let mut kernel = vec![T::zero(); 9 * inputs * outputs];
    let mut bias = vec![T::zero(); outputs];
    let method = T::method(arithmetic, inputs, outputs, dy.height());
    let scratch = &mut Aligned::default();
    T::conv_weights(
        Isa::best(),
        method,
        x,
        first,
        dy,
        (&mut kernel, &mut bias),
        scratch,
    );
    (kernel, bias)
}
