//! rPIE: the step of a pixel is divided by a mixture of its own and the largest intensity (Maiden, Johnson, Li 2017,
//! doi:10.1364/OPTICA.4.000736).

use super::algorithm::Engine;
use super::pie::Pie;

pub(super) const ENGINE: Engine = Engine {
    reads: &["object_step", "probe_step", "regularization"],
    has_likelihood: true,
    moves_positions: true,
    // a whole step of both overshoots where every pixel has a divisor of its own: on measured data the probe's power then
    // grows from iteration to iteration
    defaults: |s| s.probe_step = 0.3,
    start: |problem, _| Box::new(Pie::new(problem, |settings| settings.regularization)),
};
