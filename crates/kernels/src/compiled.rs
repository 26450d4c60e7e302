//! The only place where generic kernels are compiled, for both precisions.
//!
//! A generic function is compiled in the crate that calls it, so a change to that crate could change the optimization of
//! the loop and its instruction count. [`Scalar`](crate::scalar::Scalar) therefore carries one plain function per generic
//! kernel; the public functions of this crate call those. It also spares every other crate the compilation of RustFFT.

use num_complex::Complex;

use crate::fft::{self, Plan, Scratch};
use crate::isa::Isa;
use crate::map::FeatureMap;
use crate::{adam, layers, norm};

/// One entry per generic kernel; implemented for `f32` and `f64`.
pub trait Compiled: Sized {
    /// See [`layers::max_pool`].
    fn max_pool(x: &FeatureMap<Self>, out: &mut FeatureMap<Self>);
    /// See [`layers::max_pool_backward`].
    fn max_pool_backward(x: &FeatureMap<Self>, dy: &FeatureMap<Self>, dx: &mut FeatureMap<Self>);
    /// See [`layers::upsample`].
    fn upsample(x: &FeatureMap<Self>, out: &mut FeatureMap<Self>);
    /// See [`layers::upsample_backward`].
    fn upsample_backward(x: &FeatureMap<Self>, dy: &FeatureMap<Self>, dx: &mut FeatureMap<Self>);
    /// See [`layers::add`].
    fn add_maps(a: &mut FeatureMap<Self>, b: &FeatureMap<Self>);
    /// See [`layers::add_channels`].
    fn add_channels(to: &mut FeatureMap<Self>, first: usize, from: &FeatureMap<Self>);
    /// See [`norm::Norm::of`].
    fn norm(values: &[Self], parts: &mut Vec<(f64, u64)>) -> (f64, u64);
    /// See [`norm::non_finite`].
    fn non_finite(values: &[Self]) -> u64;
    /// See [`adam::Adam::step`].
    fn adam(
        state: &mut adam::Adam<Self>,
        weights: &mut [Self],
        gradient: &[Self],
        learning_rate: f64,
    ) -> f64;
    /// See [`fft::Fft2::on`].
    #[doc(hidden)]
    fn fft_plan(isa: Isa, n: usize) -> Plan<Self>;
    /// One image; see [`fft::Fft2::forward`].
    #[doc(hidden)]
    fn fft(
        plan: &Plan<Self>,
        n: usize,
        back: bool,
        image: &mut [Complex<Self>],
        scratch: &mut Scratch<Self>,
    );
    /// All images; see [`fft::Fft2::forward_all`].
    #[doc(hidden)]
    fn fft_all(plan: &Plan<Self>, n: usize, back: bool, images: &mut [Complex<Self>]);
}

macro_rules! compiled {
    ($($t:ty),*) => {$(
        impl Compiled for $t {
            fn max_pool(x: &FeatureMap<Self>, out: &mut FeatureMap<Self>) {
                layers::pool(x, out);
            }
            fn max_pool_backward(x: &FeatureMap<Self>, dy: &FeatureMap<Self>, dx: &mut FeatureMap<Self>) {
                layers::pool_backward(x, dy, dx);
            }
            fn upsample(x: &FeatureMap<Self>, out: &mut FeatureMap<Self>) {
                layers::repeat(x, out);
            }
            fn upsample_backward(x: &FeatureMap<Self>, dy: &FeatureMap<Self>, dx: &mut FeatureMap<Self>) {
                layers::repeat_backward(x, dy, dx);
            }
            fn add_maps(a: &mut FeatureMap<Self>, b: &FeatureMap<Self>) {
                layers::sum(a, b);
            }
            fn add_channels(to: &mut FeatureMap<Self>, first: usize, from: &FeatureMap<Self>) {
                layers::sum_channels(to, first, from);
            }
            fn norm(values: &[Self], parts: &mut Vec<(f64, u64)>) -> (f64, u64) {
                norm::squares(values, parts)
            }
            fn non_finite(values: &[Self]) -> u64 {
                norm::census(values)
            }
            fn adam(state: &mut adam::Adam<Self>, weights: &mut [Self], gradient: &[Self], learning_rate: f64) -> f64 {
                adam::step(state, weights, gradient, learning_rate)
            }
            fn fft_plan(isa: Isa, n: usize) -> Plan<Self> {
                fft::plan(isa, n)
            }
            fn fft(plan: &Plan<Self>, n: usize, back: bool, image: &mut [Complex<Self>], scratch: &mut Scratch<Self>) {
                fft::run(plan, n, back, image, &[], scratch);
            }
            fn fft_all(plan: &Plan<Self>, n: usize, back: bool, images: &mut [Complex<Self>]) {
                fft::run_all(plan, n, back, images);
            }
        }
    )*};
}

compiled!(f32, f64);
