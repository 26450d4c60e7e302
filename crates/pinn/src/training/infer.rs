//! Inference: the network's object for every group, without gradients.
//!
//! *Memory.* [`infer_each`] stores the objects of one batch; [`infer`] stores the cropped objects of all groups.
//!
//! *Source.* Reference description, section l.

use ndarray::{Array3, ArrayView3, Axis, s};
use num_complex::Complex32;

use super::model_runner::ModelRunner;
use crate::data::training_set::TrainingSet;
use ptyproof::assemble::central;
use ptyproof::error::Result;
use ptyproof::par::Pool;

/// The central `m x m` of the objects of all groups, `[group, row, col]`, complex64, in the object scale of normalized
/// amplitude; `seen` is called with the uncropped ones, batch by batch.
///
/// # Errors
/// The first error of `seen`.
pub fn infer(
    engine: &mut ModelRunner<f32>,
    data: &TrainingSet,
    m: usize,
    pool: &Pool,
    mut seen: impl FnMut(ArrayView3<'_, Complex32>) -> Result<()>,
) -> Result<Array3<Complex32>> {
    let middle = central(engine.physics().side(), m);
    let mut out = Array3::zeros((data.len(), m, m));
    let mut at = 0;
    infer_each(engine, data, pool, |objects| {
        let end = at + objects.len_of(Axis(0));
        let middles = objects.slice(s![.., middle.clone(), middle.clone()]);
        out.slice_mut(s![at..end, .., ..]).assign(&middles);
        at = end;
        seen(objects)
    })?;
    Ok(out)
}

/// Calls `f` with the objects `[group, row, col]` of one batch of groups after the other, in their order, as
/// [`infer`] gives them.
///
/// # Errors
/// The first error of `f`, which ends the calls.
pub fn infer_each(
    engine: &mut ModelRunner<f32>,
    data: &TrainingSet,
    pool: &Pool,
    mut f: impl FnMut(ArrayView3<'_, Complex32>) -> Result<()>,
) -> Result<()> {
    let n = engine.physics().side();
    let batch = engine.capacity().min(data.len()).max(1);
    let mut out = Array3::zeros((batch, n, n));
    let groups: Vec<usize> = (0..data.len()).collect();
    for members in groups.chunks(batch) {
        let objects = pool.run(|| {
            engine.load(
                &data.amplitude.values().view(),
                &data.grouping.relative,
                members,
            );
            engine.assemble();
            engine.objects()
        });
        for (mut to, object) in out.outer_iter_mut().zip(objects) {
            to.iter_mut().zip(object).for_each(|(o, z)| *o = z);
        }
        f(out.slice(s![..members.len(), .., ..]))?;
    }
    Ok(())
}
