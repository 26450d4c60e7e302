//! What an iteration came to.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::fourier_constraint::Misfit;

/// What an iteration came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Iteration {
    pub(super) misfit: Misfit,
    /// Patterns whose patch lies off the canvas: they say nothing.
    pub(super) outside: u64,
    /// Sum of squares of the object's changes.
    pub(super) object_change: f64,
    /// Sum of the positions' moves, pixels.
    pub(super) moved: f64,
    /// Moves of positions, steps of the object and of the probe that were held at their bound.
    pub(super) held: [u64; 3],
    /// The first thing that is not finite.
    pub(super) event: Option<Event>,
}

impl Iteration {
    /// Takes what a part of the iteration came to; parts come in their order.
    pub(super) fn add(&mut self, part: Self) {
        self.misfit.add(part.misfit);
        self.outside += part.outside;
        self.object_change += part.object_change;
        self.moved += part.moved;
        for (own, more) in self.held.iter_mut().zip(part.held) {
            *own += more;
        }
        if self.event.is_none() {
            self.event = part.event;
        }
    }
}

/// Numbers of an iteration, as the history has them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// `sqrt(sum (|F| - A)^2 / sum A^2)` with the estimate before its patterns' updates.
    pub residual: f64,
    /// Sum of `|P|^2` over all modes.
    pub probe_power: f64,
    /// Norm of the object's changes over the norm of the object.
    pub object_update: f64,
    /// Mean move of a position, pixels.
    pub position_update: f64,
    /// Pixels with light where the prediction was exactly zero.
    pub dark_pixels: u64,
    /// Patterns off the canvas.
    pub patterns_outside: u64,
    /// Values of object and probe that are not finite.
    pub non_finite: u64,
    /// Shares of the patterns whose move, whose step of the object, whose step of the probe was held at its bound.
    pub held: [f64; 3],
}
