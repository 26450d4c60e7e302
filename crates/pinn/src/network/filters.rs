//! The weights of all convolutions as the kernels read them.
//!
//! *Memory.* Transformed, they are four times the weights, and a step needs those of the way there before those of the way back: so
//! one memory holds either, and remembers which.

use rayon::prelude::*;

use super::architecture::{Architecture, Branch};
use super::parameters::Tensor;
use ptyproof_kernels::conv::{Arithmetic, Direction, Kernels, Method, Packed};
use ptyproof_kernels::isa::Isa;

/// Of which convolution a kernel is told.
#[derive(Debug, Clone, Copy)]
struct Shape {
    method: Method,
    inputs: usize,
    outputs: usize,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Filters<T> {
    forward: Vec<Shape>,
    adjoint: Vec<Shape>,
    packed: Vec<Packed<T>>,
    /// Of which these are, if of any that still hold.
    held: Option<Direction>,
}

impl<T: Kernels> Filters<T> {
    /// Room for those of a network in either direction.
    pub(super) fn new(a: &Architecture, arithmetic: Arithmetic) -> Self {
        let convolutions = a.convolutions();
        // the adjoint writes every channel of the map the layer read from, also those it skipped
        let head = a.head(Branch::Amplitude);
        let wide = |k: usize, inputs| {
            if k == head || k == head + 1 {
                a.decoded()
            } else {
                inputs
            }
        };
        let shape = |inputs, outputs, side| Shape {
            method: T::method(arithmetic, inputs, outputs, side),
            inputs,
            outputs,
        };
        let forward: Vec<Shape> = (convolutions.iter())
            .map(|c| shape(c.inputs, c.outputs, c.side))
            .collect();
        let adjoint: Vec<Shape> = (convolutions.iter().enumerate())
            .map(|(k, c)| shape(c.outputs, wide(k, c.inputs), c.side))
            .collect();
        let room = |(to, back): (&Shape, &Shape)| {
            let mut packed = Packed::new(to.method, to.inputs, to.outputs);
            packed.reshape(back.method, back.inputs, back.outputs);
            packed
        };
        Self {
            packed: forward.iter().zip(&adjoint).map(room).collect(),
            forward,
            adjoint,
            held: None,
        }
    }

    /// The weights have changed: nothing here holds.
    pub(super) fn forget(&mut self) {
        self.held = None;
    }

    /// Lays out these weights for `direction`, unless they are; `tensors` are the network's.
    pub(super) fn lay_out(
        &mut self,
        direction: Direction,
        weights: &[T],
        tensors: &[Tensor],
        isa: Isa,
    ) {
        if self.held == Some(direction) {
            return;
        }
        let (shapes, first) = match direction {
            Direction::Forward => (&self.forward, 0),
            // nothing lies in front of the first layer
            Direction::Adjoint => (&self.adjoint, 1),
        };
        let all = self.packed[first..].par_iter_mut().zip(&shapes[first..]);
        // one layout a task: the largest are a quarter of all
        let each = all.enumerate().with_max_len(1);
        each.for_each(|(k, (packed, shape))| {
            packed.reshape(shape.method, shape.inputs, shape.outputs);
            let kernel = &weights[tensors[2 * (first + k)].range.clone()];
            T::pack(isa, packed, kernel, direction);
        });
        self.held = Some(direction);
    }

    /// Those of convolution `k`.
    ///
    /// # Panics
    /// Unless they are laid out for `direction`.
    pub(super) fn of(&self, k: usize, direction: Direction) -> &Packed<T> {
        assert_eq!(self.held, Some(direction), "filters that are laid out");
        &self.packed[k]
    }

    /// By which method convolution `k` is computed.
    pub(super) fn method(&self, k: usize) -> Method {
        self.forward[k].method
    }
}
