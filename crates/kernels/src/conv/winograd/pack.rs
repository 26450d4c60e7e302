//! Filters, transformed and laid out for the mixing: `[place][panel][input][width]`.

#![allow(unsafe_code, reason = "SIMD kernels; shapes are asserted on entry")]

use rayon::prelude::*;

use super::PLACES;
use super::transform::{Filter, Place, row};
use crate::conv::packed::{MAX_PANEL_WIDTH, PACKED_INPUTS, Taps};
use crate::conv::{Direction, Method, Packed};
use crate::dispatch::{Work, run};
use crate::isa::Isa;
use crate::lanes::Lanes;
use crate::shared::Shared;
use crate::shuffle::Shuffle;

/// Transforms `kernel` (HWIO), or its adjoint, into `weights`.
pub(in crate::conv) fn pack(
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
    let had = kernel.len() / (9 * inputs);
    let groups = inputs.div_ceil(PACKED_INPUTS);
    let to = Shared::new(&mut weights.panels);
    (0..panels * groups).into_par_iter().for_each(|task| {
        let (panel, group) = (task / groups, task % groups);
        let first = group * PACKED_INPUTS;
        let used = first..(first + PACKED_INPUTS).min(inputs);
        let columns = panel * width..(panel + 1) * width;
        let mut taps = [[[0.0; MAX_PANEL_WIDTH]; 9]; PACKED_INPUTS];
        let whole = columns.end <= had;
        let in_place = whole && direction == Direction::Forward;
        let turned = whole && direction == Direction::Adjoint && used.len() == PACKED_INPUTS;
        if turned {
            let work = Turn {
                kernel: &kernel[columns.start * inputs + first..],
                inputs,
                tap_step: had * inputs,
                width,
                taps: &mut taps,
            };
            // SAFETY: the kernel has these columns and inputs for each tap.
            unsafe { run(isa, work) }
        } else if !in_place {
            direction.gather(
                kernel,
                (inputs, outputs),
                used.clone(),
                columns.clone(),
                &mut taps,
            );
        }
        let from = if in_place {
            From {
                at: kernel[first * had + columns.start..].as_ptr(),
                input_step: had,
                tap_step: inputs * had,
            }
        } else {
            From {
                at: taps.as_flattened().as_flattened().as_ptr(),
                input_step: 9 * MAX_PANEL_WIDTH,
                tap_step: MAX_PANEL_WIDTH,
            }
        };
        let work = Filters {
            from,
            inputs: used.len(),
            width,
            to: &to,
            first: (panel * inputs + first) * width,
            step: panels * inputs * width,
        };
        // SAFETY: the room was asserted; every panel and input is written by one task.
        unsafe { run(isa, work) }
    });
}

/// Taps as [`Direction::gather`] gives them for the adjoint, where there are [`PACKED_INPUTS`] inputs and `width` columns.
struct Turn<'a> {
    /// From the first input of the first column on.
    kernel: &'a [f32],
    inputs: usize,
    tap_step: usize,
    width: usize,
    taps: &'a mut Taps<f32>,
}

impl Work for Turn<'_> {
    #[inline(always)]
    unsafe fn run<V: Shuffle>(self) {
        let taps = self.taps.as_flattened_mut().as_flattened_mut().as_mut_ptr();
        for tap in 0..9 {
            for column in (0..self.width).step_by(8) {
                for i in (0..PACKED_INPUTS).step_by(V::COUNT) {
                    // SAFETY: the caller's; a group is eight inputs.
                    unsafe {
                        let from = (8 - tap) * self.tap_step + column * self.inputs + i;
                        let from = self.kernel.as_ptr().add(from);
                        let mut square = [V::zero(); 8];
                        for (c, v) in square.iter_mut().enumerate() {
                            *v = V::load(from.add(c * self.inputs));
                        }
                        for (j, v) in V::transpose(square).into_iter().enumerate() {
                            let to = ((i + j) * 9 + tap) * MAX_PANEL_WIDTH + column;
                            v.store_groups(taps.add(to), 8 * 9 * MAX_PANEL_WIDTH);
                        }
                    }
                }
            }
        }
    }
}

/// Layout of the nine taps of each input and column.
#[derive(Clone, Copy)]
struct From {
    /// Where they begin.
    at: *const f32,
    /// From one input to the next.
    input_step: usize,
    /// From one tap to the next.
    tap_step: usize,
}

/// The filters of some inputs and one panel of outputs.
struct Filters<'a> {
    from: From,
    inputs: usize,
    width: usize,
    to: &'a Shared<'a, f32>,
    first: usize,
    step: usize,
}

impl Work for Filters<'_> {
    #[inline(always)]
    unsafe fn run<V: Shuffle>(self) {
        // SAFETY: `width` taps at most; the room was asserted in `pack`, and begins on a cache line.
        unsafe {
            self.row::<V, 0>();
            self.row::<V, 1>();
            self.row::<V, 2>();
            self.row::<V, 3>();
            self.row::<V, 4>();
            self.row::<V, 5>();
            V::settle();
        }
    }
}

impl Filters<'_> {
    /// Row `R` of the six rows of places. Row by row, because writing six streams is faster than writing 36.
    #[inline(always)]
    unsafe fn row<V: Lanes, const R: usize>(&self) {
        for i in 0..self.inputs {
            for column in (0..self.width).step_by(V::COUNT) {
                // SAFETY: the caller's.
                unsafe {
                    let from = Place {
                        at: self.from.at.add(i * self.from.input_step + column),
                        row_step: 3 * self.from.tap_step,
                        step: self.from.tap_step,
                    };
                    let to = self.first + i * self.width + column;
                    for (c, value) in row::<V, Filter, 3, 6, R>(from).into_iter().enumerate() {
                        value.stream(self.to.at(to + (6 * R + c) * self.step));
                    }
                }
            }
        }
    }
}
