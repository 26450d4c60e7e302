//! ePIE: the step of a pixel is divided by the largest intensity (Maiden, Rodenburg 2009, doi:10.1016/j.ultramic.2009.05.012).

use super::algorithm::Engine;
use super::pie::Pie;

pub(super) const ENGINE: Engine = Engine {
    reads: &["object_step", "probe_step"],
    has_likelihood: true,
    moves_positions: true,
    defaults: |_| {},
    start: |problem, _| Box::new(Pie::new(problem, |_| 1.0)),
};
