//! Which tensors of a run are digested, and at which stage they stand.

use num_complex::Complex32;

use super::prepare::{Grouped, Specimen};
use ptyproof::assemble::stitch::Stitched;
use ptyproof::geometry::Position;
use ptyproof::io::dataset::Dataset;
use ptyproof::records::stage::{StageAccumulator, Stages};
use ptyproof_pinn::data::training_set::TrainingSet;

fn positions(s: &mut Stages, stage: &str, tensor: &str, all: &[Position]) {
    s.add(
        stage,
        tensor,
        &[all.len(), 2],
        all.iter().flat_map(|p| [p.x, p.y]),
    );
}

/// Object, probe, scan, and the patterns as they came.
pub fn inputs(s: &mut Stages, specimen: &Specimen, data: &Dataset) {
    let dim = |(rows, cols)| [rows, cols];
    if let Some(object) = &specimen.object {
        s.add(
            "specimen",
            "object",
            &dim(object.dim()),
            object.iter().copied(),
        );
    }
    let probe = &specimen.probe;
    s.add(
        "specimen",
        "probe",
        &dim(probe.dim()),
        probe.iter().copied(),
    );
    positions(s, "scan", "positions", &data.positions);
    let patterns = data.patterns.values();
    s.add(
        "diffraction",
        "amplitude",
        patterns.shape(),
        patterns.iter().copied(),
    );
}

/// Who is grouped with whom, and where.
pub fn groups(s: &mut Stages, grouped: &Grouped) {
    for (name, g) in [("train", &grouped.train), ("inference", &grouped.inference)] {
        let members = g.members.iter().map(|&m| m as u64);
        s.add(
            "grouping",
            &format!("{name}.members"),
            &[g.members.len()],
            members,
        );
        positions(s, "grouping", &format!("{name}.centres"), &g.centers);
        positions(s, "grouping", &format!("{name}.relative"), &g.relative);
    }
}

/// The factors, and what the network is given.
pub fn normalized(s: &mut Stages, training: &TrainingSet, inference: &TrainingSet) {
    for (name, c) in [("train", training), ("inference", inference)] {
        let factors = [c.normalization.factor(), c.dose.factor()];
        s.add("normalization", &format!("{name}.factors"), &[2], factors);
        let labels = c.amplitude.values();
        s.add(
            "labels",
            &format!("{name}.amplitude"),
            labels.shape(),
            labels.iter().copied(),
        );
    }
}

/// All parameters of the network.
pub fn weights(s: &mut Stages, stage: &str, weights: &[f32]) {
    s.add(
        stage,
        "parameters",
        &[weights.len()],
        weights.iter().copied(),
    );
}

/// The objects of inference, which came batch by batch, and what they were stitched to.
pub fn results(s: &mut Stages, objects: StageAccumulator, shape: &[usize], stitched: &Stitched) {
    s.stages
        .push(objects.finish::<Complex32>("inference", "objects", shape));
    let canvas = &stitched.canvas;
    let (rows, cols) = canvas.dim();
    s.add("stitching", "object", &[rows, cols], canvas.iter().copied());
    let coverage = &stitched.coverage;
    s.add(
        "stitching",
        "coverage",
        &[rows, cols],
        coverage.iter().copied(),
    );
}
