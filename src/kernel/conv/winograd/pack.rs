//! Filters, transformed and laid out for the mixing: `[place][panel][input][width]`.

#![allow(unsafe_code, reason = "SIMD kernels; shapes are asserted on entry")]

use rayon::prelude::*;

use super::PLACES;
use super::transform::{Filter, Place, square, store};
use crate::kernel::conv::packed::{INPUTS, WIDEST};
use crate::kernel::conv::{Direction, Method, Packed};
use crate::kernel::dispatch::{Work, run};
use crate::kernel::isa::Isa;
use crate::kernel::shared::Shared;
use crate::kernel::shuffle::Shuffle;

/// Transforms `kernel` (HWIO), or its adjoint, into `weights`.
pub(in crate::kernel::conv) fn pack(
    isa: Isa,
    weights: &mut Packed<f32>,
    kernel: &[f32],
    direction: Direction,
) {
    assert_eq!(weights.method, Method::Winograd, "filters for this kernel");
    let (inputs, outputs, width) = (weights.inputs, weights.outputs, weights.width);
    assert_eq!(kernel.len() % (9 * inputs), 0, "kernel is [9][in][out]");
    let panels = outputs.div_ceil(width);
    assert_eq!(
        weights.panels.len(),
        PLACES * panels * inputs * width,
        "room for the filters"
    );
    let groups = inputs.div_ceil(INPUTS);
    let to = Shared::new(&mut weights.panels);
    (0..panels * groups).into_par_iter().for_each(|task| {
        let (panel, group) = (task / groups, task % groups);
        let first = group * INPUTS;
        let mut taps = [[[0.0; WIDEST]; 9]; INPUTS];
        let used = first..(first + INPUTS).min(inputs);
        let columns = panel * width..(panel + 1) * width;
        direction.gather(kernel, (inputs, outputs), used.clone(), columns, &mut taps);
        for (i, taps) in used.zip(&taps) {
            let work = Filters {
                taps,
                width,
                to: &to,
                first: (panel * inputs + i) * width,
                step: panels * inputs * width,
            };
            // SAFETY: the room was asserted; every panel and input is written by one task.
            unsafe { run(isa, work) }
        }
    });
}

/// The filters of one input and one panel of outputs.
struct Filters<'a> {
    taps: &'a [[f32; WIDEST]; 9],
    width: usize,
    to: &'a Shared<'a, f32>,
    first: usize,
    step: usize,
}

impl Work for Filters<'_> {
    #[inline(always)]
    unsafe fn run<V: Shuffle>(self) {
        for column in (0..self.width).step_by(V::COUNT) {
            // SAFETY: `width` taps at most; the room was asserted in `pack`.
            unsafe {
                let from = Place {
                    at: self.taps[0].as_ptr().add(column),
                    row_step: 3 * WIDEST,
                    step: WIDEST,
                };
                let to = Place {
                    at: self.to.at(self.first + column),
                    row_step: 6 * self.step,
                    step: self.step,
                };
                store(&square::<V, Filter, 3, 6>(from), to);
            }
        }
    }
}
