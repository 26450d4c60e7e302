//! Every tensor of a training step by name, in the order of computation.
//!
//! *Law.* Replaying the [`Operation`] of a node on its inputs gives its values: see [`super::replay`].
//!
//! *Conventions.* `n` is the group of the batch, `c` its channel. Far fields and tensors derived from them have the zero
//! frequency in the center; complex values are stored as pairs. Canvases of different groups are padded to the largest
//! with uncovered pixels.

mod network;

use std::borrow::Cow;

use num_complex::Complex32;

use super::model_runner::ModelRunner;
use crate::network::architecture::Branch;
use crate::physics::loss::{gradient, pixel};
use ptyproof::optics::propagate::pixels;
use ptyproof::records::event::{Operation, Stage};
use ptyproof_kernels::adam::Adam;
use ptyproof_kernels::map::FeatureMap;

/// One tensor of a step.
pub struct Node<'a> {
    /// Its name.
    pub name: String,
    /// The part of the step.
    pub stage: Stage,
    /// The operation that computes it.
    pub operation: Operation,
    /// The names of its inputs, in the order of the operation.
    pub inputs: Vec<String>,
    /// Its axes, such as `n y x c`.
    pub axes: &'static str,
    /// Its extent along each; complex pairs are not an axis.
    pub shape: Vec<usize>,
    /// Whether values are pairs of real and imaginary part.
    pub complex: bool,
    values: Box<dyn Fn() -> Cow<'a, [f32]> + 'a>,
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.name)
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

impl Node<'_> {
    /// Its values, row-major.
    pub fn values(&self) -> Cow<'_, [f32]> {
        (self.values)()
    }

    /// The shape with complex pairs as a last axis.
    pub fn full_shape(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        shape.extend(self.complex.then_some(2));
        shape
    }
}

/// The nodes of a step, as they are listed.
struct List<'a> {
    nodes: Vec<Node<'a>>,
    stage: Stage,
}

impl<'a> List<'a> {
    /// A tensor and its inputs.
    fn push(
        &mut self,
        name: &str,
        operation: Operation,
        inputs: &[&str],
        (axes, shape): (&'static str, Vec<usize>),
        values: impl Fn() -> Cow<'a, [f32]> + 'a,
    ) {
        self.nodes.push(Node {
            name: name.to_owned(),
            stage: self.stage,
            operation,
            inputs: inputs.iter().map(|&s| s.to_owned()).collect(),
            axes,
            shape,
            complex: false,
            values: Box::new(values),
        });
    }

    fn complex(
        &mut self,
        name: &str,
        operation: Operation,
        inputs: &[&str],
        form: (&'static str, Vec<usize>),
        values: impl Fn() -> Vec<Complex32> + 'a,
    ) {
        self.push(name, operation, inputs, form, move || {
            values().iter().flat_map(|z| [z.re, z.im]).collect()
        });
        self.nodes.last_mut().expect("just pushed").complex = true;
    }

    /// A feature map.
    fn map(&mut self, name: &str, operation: Operation, inputs: &[&str], map: &'a FeatureMap<f32>) {
        let shape = vec![map.images(), map.height(), map.width(), map.channels()];
        self.push(name, operation, inputs, ("n y x c", shape), || {
            let mut values = Vec::new();
            for image in 0..map.images() {
                for row in 0..map.height() {
                    for col in 0..map.width() {
                        values.extend_from_slice(&map.pixel(image, row, col)[..map.channels()]);
                    }
                }
            }
            values.into()
        });
    }
}

/// The completed part of a step.
#[derive(Debug, Clone, Copy)]
pub enum Completed<'a> {
    /// Everything up to the loss.
    Forward,
    /// The gradient of every parameter too. The far fields must have been recomputed since.
    Backward,
    /// The optimizer's step too: its state, and the learning rate of the step.
    Update(&'a Adam<f32>, f64),
}

/// The tensors of the step whose batch is in `engine`, up to what is `done`.
///
/// After an update the parameters are new, but not the tensors computed from them: then only gradients and the tensors of
/// the optimizer are listed.
pub fn trace<'a>(engine: &'a ModelRunner<f32>, done: Completed<'a>) -> Vec<Node<'a>> {
    let mut list = List {
        nodes: Vec::new(),
        stage: Stage::Input,
    };
    if let Completed::Update(adam, rate) = done {
        network::parameter_gradients(&mut list, engine);
        network::update(&mut list, engine, adam, rate);
        return list.nodes;
    }
    inputs(&mut list, engine);
    network::forward(&mut list, engine);
    physics(&mut list, engine);
    if let Completed::Backward = done {
        list.stage = Stage::Backward;
        physics_gradients(&mut list, engine);
        network::backward(&mut list, engine);
    }
    list.nodes
}

fn inputs<'a>(list: &mut List<'a>, engine: &'a ModelRunner<f32>) {
    let [groups, n, c] = extents(engine);
    let map = ("n y x c", vec![groups, n, n, c]);
    list.push("data.amplitude", Operation::Given, &[], map, || {
        engine.label().into()
    });
    let offsets = ("n c xy", vec![groups, c, 2]);
    list.push("data.offsets", Operation::Given, &[], offsets, move || {
        let all = (0..groups).flat_map(|k| engine.relative_of(k));
        all.copied().flatten().collect()
    });
    let plane = ("y x", vec![n, n]);
    list.complex("physics.probe", Operation::Given, &[], plane, || {
        engine.physics().probe().to_vec()
    });
    network::parameters(list, engine);
}

/// Groups, side, channels.
fn extents(engine: &ModelRunner<f32>) -> [usize; 3] {
    let channels = engine.model().architecture().channels;
    let groups = engine.workspace().groups();
    [groups, engine.physics().side(), channels]
}

fn physics<'a>(list: &mut List<'a>, engine: &'a ModelRunner<f32>) {
    list.stage = Stage::Physics;
    let [groups, n, c] = extents(engine);
    let planes = ("n c y x", vec![groups, c, n, n]);
    let states = move || (0..groups).map(|k| engine.state(k));
    let canvas = states().map(|s| s.canvas).max().unwrap_or(n);
    let canvases = ("n y x", vec![groups, canvas, canvas]);

    let maps = ["network.amplitude", "network.phase"];
    let name = "physics.patches";
    list.complex(name, Operation::Combine, &maps, planes.clone(), move || {
        states().flat_map(|s| s.patches.iter().copied()).collect()
    });
    let (name, inputs) = ("physics.coverage", ["data.offsets", "physics.probe"]);
    list.push(
        name,
        Operation::Cover,
        &inputs,
        canvases.clone(),
        move || {
            #[expect(clippy::cast_possible_truncation, reason = "float32 is the meaning")]
            let border = engine.physics().numerics().coverage.epsilon() as f32;
            let grown = states().flat_map(|s| grow(&s.coverage, s.canvas, canvas, border));
            grown.collect()
        },
    );
    let (name, inputs) = (
        "physics.object",
        [
            "physics.patches",
            "physics.coverage",
            "data.offsets",
            "physics.probe",
        ],
    );
    list.complex(name, Operation::Assemble, &inputs, canvases, move || {
        let grown = states().flat_map(|s| grow(&s.object, s.canvas, canvas, Complex32::default()));
        grown.collect()
    });
    let (name, inputs) = (
        "physics.exit_wave",
        ["physics.object", "physics.probe", "data.offsets"],
    );
    let op = Operation::Illuminate;
    list.complex(name, op, &inputs, planes.clone(), move || {
        let wave = |k: usize| {
            let mut state = engine.state(k).clone();
            engine
                .physics()
                .illuminate(engine.relative_of(k), &mut state);
            state.fields
        };
        (0..groups).flat_map(wave).collect()
    });
    let (name, inputs) = ("physics.far_field", ["physics.exit_wave"]);
    let op = Operation::Propagate;
    list.complex(name, op, &inputs, planes.clone(), move || {
        far_fields(engine)
    });
    let (name, inputs) = ("physics.amplitude", ["physics.far_field"]);
    let guard = engine.physics().numerics().guard;
    let scale = engine.physics().scale();
    list.push(
        name,
        Operation::Detect,
        &inputs,
        planes.clone(),
        move || {
            let detect = |f: &Complex32| pixel(guard, *f, n, scale, 0.0).amplitude;
            far_fields(engine).iter().map(detect).collect()
        },
    );
    list.stage = Stage::Loss;
    let op = Operation::Likelihood;
    list.push("loss.nll", op, &LIKELIHOOD, planes, move || {
        let fields = far_fields(engine);
        let pairs = fields.iter().zip(labels(engine));
        pairs
            .map(|(f, t)| pixel(guard, *f, n, scale, t).nll)
            .collect()
    });
}

/// The inputs of the likelihood.
const LIKELIHOOD: [&str; 3] = ["physics.amplitude", "physics.far_field", "data.amplitude"];

fn physics_gradients<'a>(list: &mut List<'a>, engine: &'a ModelRunner<f32>) {
    let [groups, n, c] = extents(engine);
    let planes = ("n c y x", vec![groups, c, n, n]);
    let (guard, scale) = (engine.physics().numerics().guard, engine.physics().scale());
    let weight = engine.weight();
    let op = Operation::LikelihoodGradient;
    list.complex(
        "physics.far_field.grad",
        op,
        &LIKELIHOOD,
        planes,
        move || {
            let fields = far_fields(engine);
            let pairs = fields.iter().zip(labels(engine));
            pairs
                .map(|(f, t)| gradient(guard, *f, n, scale, t, weight))
                .collect()
        },
    );
    for branch in Branch::BOTH {
        let (name, phase) = (format!("network.{}.grad", branch.name()), is_phase(branch));
        let inputs = [
            "physics.far_field.grad",
            "physics.probe",
            "physics.coverage",
            "data.offsets",
            "network.amplitude",
            "network.phase",
        ];
        let form = ("n y x c", vec![groups, n, n, c]);
        let op = Operation::MapGradient { phase };
        list.push(&name, op, &inputs, form, move || {
            let all = &engine.workspace().d_outputs[branch.index()];
            all[..groups * n * n * c].into()
        });
    }
}

fn is_phase(branch: Branch) -> bool {
    matches!(branch, Branch::Phase)
}

/// The far fields of the batch, `[n, c, y, x]`, zero frequency in the center.
fn far_fields(engine: &ModelRunner<f32>) -> Vec<Complex32> {
    let [groups, n, _] = extents(engine);
    let planes = (0..groups).flat_map(|k| engine.state(k).fields.chunks_exact(n * n));
    let mut all = Vec::new();
    for plane in planes {
        let at = all.len();
        all.resize(at + n * n, Complex32::default());
        for (corner, centered) in pixels(n) {
            all[at + centered] = plane[corner];
        }
    }
    all
}

/// The labels of the batch in the order of the far fields.
fn labels(engine: &ModelRunner<f32>) -> impl Iterator<Item = f32> + '_ {
    let [groups, n, c] = extents(engine);
    let label = engine.label();
    (0..groups).flat_map(move |k| {
        (0..c)
            .flat_map(move |channel| (0..n * n).map(move |p| label[(k * n * n + p) * c + channel]))
    })
}

/// A square of side `from` in the center of one of side `to`.
fn grow<T: Copy>(values: &[T], from: usize, to: usize, border: T) -> Vec<T> {
    let pad = (to - from) / 2;
    let mut out = vec![border; to * to];
    for (row, values) in values.chunks_exact(from).enumerate() {
        out[(row + pad) * to + pad..][..from].copy_from_slice(values);
    }
    out
}
