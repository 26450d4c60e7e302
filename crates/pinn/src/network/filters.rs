//! The packed weights of all convolutions.
//!
//! *Memory.* Packed weights take four times the memory of the weights, and a step needs those of the forward pass before
//! those of the backward pass: so one buffer stores either, and records which.

use rayon::prelude::*;

use super::architecture::{Architecture, Branch};
use super::parameters::Tensor;
use ptyproof_kernels::conv::{Arithmetic, Direction, Kernels, Method, Packed};
use ptyproof_kernels::isa::Isa;

/// The direction of a convolution.
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
    /// The direction of the packed weights, if they are valid.
    direction: Option<Direction>,
}

impl<T: Kernels> Filters<T> {
    /// Memory for the packed weights of a network in either direction.
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
            direction: None,
        }
    }

    /// Invalidates the packed weights after a change of the weights.
    pub(super) fn forget(&mut self) {
        self.direction = None;
    }

    /// Lays out these weights for `direction`, unless they are; `tensors` are the network's.
    pub(super) fn lay_out(
        &mut self,
        direction: Direction,
        weights: &[T],
        tensors: &[Tensor],
        isa: Isa,
    ) {
        if self.direction == Some(direction) {
            return;
        }
        let (shapes, first) = match direction {
            Direction::Forward => (&self.forward, 0),
            // the first layer needs no input gradient
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
        self.direction = Some(direction);
    }

    /// The packed weights of convolution `k`.
    ///
    /// # Panics
    /// Unless they are laid out for `direction`.
    pub(super) fn of(&self, k: usize, direction: Direction) -> &Packed<T> {
        assert_eq!(self.direction, Some(direction), "filters that are laid out");
        &self.packed[k]
    }

    /// The method of convolution `k`.
    pub(super) fn method(&self, k: usize) -> Method {
        self.forward[k].method
    }
}
