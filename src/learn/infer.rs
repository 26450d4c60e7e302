//! Inference: the network's object for every group, without gradients.
//!
//! *Source.* Reference description, section l.

use ndarray::Array3;
use num_complex::Complex32;

use super::engine::Engine;
use crate::data::container::Container;
use crate::ground::par::Pool;

/// The objects of all groups, `[group, row, col]`, complex64, normalized amplitude's object scale.
pub fn infer(engine: &mut Engine<f32>, data: &Container, pool: &Pool) -> Array3<Complex32> {
    let n = engine.physics().side();
    let mut out = Array3::zeros((data.len(), n, n));
    let groups: Vec<usize> = (0..data.len()).collect();
    for members in groups.chunks(engine.capacity()) {
        let objects = pool.run(|| {
            engine.load(
                &data.amplitude.values().view(),
                &data.grouping.relative,
                members,
            );
            engine.assemble();
            engine.objects()
        });
        for (&k, object) in members.iter().zip(objects) {
            out.index_axis_mut(ndarray::Axis(0), k)
                .iter_mut()
                .zip(object)
                .for_each(|(o, z)| *o = z);
        }
    }
    out
}
