//! The tensors of the network: parameters, maps, their gradients, and optimizer tensors.

use super::{List, is_phase};
use crate::network::architecture::{Architecture, Branch, OUTER_CHANNELS};
use crate::network::workspace::{DecoderMaps, Maps};
use crate::training::model_runner::ModelRunner;
use ptyproof::records::event::{Operation, Stage};
use ptyproof_kernels::adam::{Adam, corrected_rate};
use ptyproof_kernels::map::FeatureMap;

/// The name of a convolution's output.
fn name_of(a: &Architecture, conv: usize) -> String {
    format!("network.{}", a.convolutions()[conv].name)
}

fn axes_of(shape: &[usize]) -> &'static str {
    if shape.len() == 4 {
        "ky kx in out"
    } else {
        "out"
    }
}

pub(super) fn parameters<'a>(list: &mut List<'a>, engine: &'a ModelRunner<f32>) {
    for t in engine.model().tensors() {
        let name = format!("network.{}", t.name);
        let form = (axes_of(&t.shape), t.shape.clone());
        list.push(&name, Operation::Given, &[], form, || {
            engine.model().weights()[t.range.clone()].into()
        });
    }
}

/// The present gradients of the parameters.
pub(super) fn parameter_gradients<'a>(list: &mut List<'a>, engine: &'a ModelRunner<f32>) {
    for t in engine.model().tensors() {
        let name = format!("network.{}.grad", t.name);
        let form = (axes_of(&t.shape), t.shape.clone());
        list.push(&name, Operation::Given, &[], form, || {
            engine.gradient()[t.range.clone()].into()
        });
    }
}

pub(super) fn update<'a>(
    list: &mut List<'a>,
    engine: &'a ModelRunner<f32>,
    adam: &'a Adam<f32>,
    learning_rate: f64,
) {
    list.stage = Stage::Optimizer;
    let rate = corrected_rate(learning_rate, adam.t);
    for t in engine.model().tensors() {
        let named = |what: &str| format!("network.{}.{what}", t.name);
        let form = (axes_of(&t.shape), t.shape.clone());
        let (grad, first, second) = (named("grad"), named("first_moment"), named("second_moment"));
        let (m, v) = (&adam.m[t.range.clone()], &adam.v[t.range.clone()]);
        let after = &engine.model().weights()[t.range.clone()];
        let op = Operation::FirstMoment;
        list.push(&first, op, &[&grad], form.clone(), || m.into());
        let op = Operation::SecondMoment;
        list.push(&second, op, &[&grad], form.clone(), || v.into());
        let (updated, op) = (named("updated"), Operation::Update { rate });
        list.push(&updated, op, &[&first, &second], form, || after.into());
    }
}

impl<'a> List<'a> {
    /// The output of convolution `conv` of the map `x`.
    fn conv(
        &mut self,
        a: &Architecture,
        conv: usize,
        x: &str,
        (first, relu): (usize, bool),
        map: &'a FeatureMap<f32>,
    ) -> String {
        let name = name_of(a, conv);
        let (w, b) = (format!("{name}.weight"), format!("{name}.bias"));
        let op = Operation::Convolution { first, relu };
        self.map(&name, op, &[x, &w, &b], map);
        name
    }

    /// The output of convolution `conv` of the map `x`, before an activation: in a network of estimates, added to them.
    fn logits(
        &mut self,
        a: &Architecture,
        (conv, branch): (usize, Branch),
        x: &str,
        map: &'a FeatureMap<f32>,
    ) -> String {
        if !a.estimates {
            return self.conv(a, conv, x, (0, false), map);
        }
        let name = name_of(a, conv);
        let (w, b) = (format!("{name}.weight"), format!("{name}.bias"));
        let op = Operation::LedConvolution {
            phase: is_phase(branch),
        };
        self.map(&name, op, &[x, &w, &b, "network.input"], map);
        name
    }

    /// The gradients of the parameters of `conv`, which read the map `x`.
    fn weights(&mut self, engine: &'a ModelRunner<f32>, conv: usize, x: &str, first: usize) {
        let name = name_of(engine.model().architecture(), conv);
        let dy = format!("{name}.grad");
        let [weight, bias] = [0, 1].map(|k| &engine.model().tensors()[2 * conv + k]);
        let values =
            |range: std::ops::Range<usize>| move || engine.gradient()[range.clone()].into();
        let (named, op) = (
            format!("{name}.weight.grad"),
            Operation::WeightGradient { first },
        );
        let form = (axes_of(&weight.shape), weight.shape.clone());
        self.push(&named, op, &[x, &dy], form, values(weight.range.clone()));
        let (named, op) = (format!("{name}.bias.grad"), Operation::BiasGradient);
        let form = (axes_of(&bias.shape), bias.shape.clone());
        self.push(&named, op, &[&dy], form, values(bias.range.clone()));
    }

    /// The gradient of the map `to`, from those of the convolutions that read it from some channel on.
    fn adjoint(
        &mut self,
        a: &Architecture,
        to: &str,
        convs: &[(usize, usize)],
        gate: bool,
        map: &'a FeatureMap<f32>,
    ) {
        let mut inputs = Vec::new();
        for &(conv, _) in convs {
            let name = name_of(a, conv);
            inputs.extend([format!("{name}.grad"), format!("{name}.weight")]);
        }
        inputs.extend(gate.then(|| to.to_owned()));
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let first = convs.iter().map(|c| c.1).collect();
        let op = Operation::InputGradient { first, gated: gate };
        self.map(&format!("{to}.grad"), op, &inputs, map);
    }
}

fn pool_name(k: usize) -> String {
    format!("network.encoder.pool{}", k + 1)
}

fn up_name(branch: Branch, k: usize) -> String {
    format!("network.{}.up{}", branch.name(), k + 1)
}

fn outer_up_name(branch: Branch) -> String {
    format!("network.{}.outer_up", branch.name())
}

pub(super) fn forward<'a>(list: &mut List<'a>, engine: &'a ModelRunner<f32>) {
    list.stage = Stage::Network;
    let (a, ws) = (engine.model().architecture(), engine.workspace());
    let mut x = "network.input".to_owned();
    if a.estimates {
        let made_from = ["data.amplitude", "data.offsets", "physics.probe"];
        list.map(&x, Operation::Estimate, &made_from, &ws.input);
    } else {
        list.map(&x, Operation::Normalize, &["data.amplitude"], &ws.input);
    }
    for (k, block) in ws.maps.encoder.iter().enumerate() {
        x = list.conv(a, a.encoder_conv(2 * k), &x, (0, true), &block.first);
        x = list.conv(a, a.encoder_conv(2 * k + 1), &x, (0, true), &block.second);
        let pool = pool_name(k);
        list.map(&pool, Operation::MaxPool, &[&x], &block.pooled);
        x = pool;
    }
    for branch in Branch::BOTH {
        decode(list, engine, branch, &x);
    }
}

fn decode<'a>(list: &mut List<'a>, engine: &'a ModelRunner<f32>, branch: Branch, encoded: &str) {
    let (a, ws) = (engine.model().architecture(), engine.workspace());
    let maps: &DecoderMaps<f32> = ws.maps.decoder(branch);
    let mut x = encoded.to_owned();
    for (k, block) in maps.blocks.iter().enumerate() {
        x = list.conv(
            a,
            a.decoder_conv(branch, 2 * k),
            &x,
            (0, true),
            &block.first,
        );
        let conv = a.decoder_conv(branch, 2 * k + 1);
        x = list.conv(a, conv, &x, (0, true), &block.second);
        let up = up_name(branch, k);
        list.map(&up, Operation::Upsample, &[&x], &block.raised);
        x = up;
    }
    let mut logits = vec![list.logits(a, (a.head(branch), branch), &x, &maps.logits)];
    if let Some(outer) = &maps.outer {
        let from = a.decoded() - OUTER_CHANNELS;
        let [one, two, three] = [0, 1, 2].map(|k| a.outer_conv(branch, k));
        x = list.conv(a, one, &x, (from, true), &outer.first);
        x = list.conv(a, two, &x, (0, true), &outer.second);
        let up = outer_up_name(branch);
        list.map(&up, Operation::Upsample, &[&x], &outer.raised);
        logits.push(list.logits(a, (three, branch), &up, &outer.logits));
    }
    let inputs: Vec<&str> = logits.iter().map(String::as_str).collect();
    let phase = is_phase(branch);
    let name = format!("network.{}", branch.name());
    let form = ("n y x c", vec![ws.groups(), a.n, a.n, a.channels]);
    list.push(
        &name,
        Operation::Activate { phase },
        &inputs,
        form,
        move || ws.outputs[branch.index()][..ws.groups() * ws.per_group()].into(),
    );
}

pub(super) fn backward<'a>(list: &mut List<'a>, engine: &'a ModelRunner<f32>) {
    let (a, ws) = (engine.model().architecture(), engine.workspace());
    let Some(d) = &ws.gradients else { return };
    for branch in Branch::BOTH {
        decode_backward(list, engine, branch, d.decoder(branch));
    }
    encode_backward(list, engine, a, d);
}

fn encode_backward<'a>(
    list: &mut List<'a>,
    engine: &'a ModelRunner<f32>,
    a: &Architecture,
    d: &'a Maps<f32>,
) {
    for k in (0..a.encoder.len()).rev() {
        let (pool, block) = (pool_name(k), &d.encoder[k]);
        let readers = if k + 1 == a.encoder.len() {
            Branch::BOTH.map(|b| (a.decoder_conv(b, 0), 0)).to_vec()
        } else {
            vec![(a.encoder_conv(2 * k + 2), 0)]
        };
        list.adjoint(a, &pool, &readers, false, &block.pooled);
        let (one, two) = (a.encoder_conv(2 * k), a.encoder_conv(2 * k + 1));
        let (first, second) = (name_of(a, one), name_of(a, two));
        let (name, of) = (format!("{second}.grad"), format!("{pool}.grad"));
        let op = Operation::MaxPoolGradient;
        list.map(&name, op, &[&second, &of], &block.second);
        list.weights(engine, two, &first, 0);
        list.adjoint(a, &first, &[(two, 0)], true, &block.first);
        let x = match k {
            0 => "network.input".to_owned(),
            _ => pool_name(k - 1),
        };
        list.weights(engine, one, &x, 0);
    }
}

fn decode_backward<'a>(
    list: &mut List<'a>,
    engine: &'a ModelRunner<f32>,
    branch: Branch,
    d: &'a DecoderMaps<f32>,
) {
    let a = engine.model().architecture();
    let head = a.head(branch);
    let (logits, of) = (name_of(a, head), format!("network.{}.grad", branch.name()));
    let phase = is_phase(branch);
    let op = Operation::ActivationGradient { phase };
    list.map(&format!("{logits}.grad"), op, &[&logits, &of], &d.logits);
    let last = up_name(branch, a.decoder.len() - 1);
    list.weights(engine, head, &last, 0);
    let mut readers = vec![(head, 0)];
    if let Some(outer) = &d.outer {
        let from = a.decoded() - OUTER_CHANNELS;
        let [one, two, three] = [0, 1, 2].map(|k| a.outer_conv(branch, k));
        let [first, second, logits] = [one, two, three].map(|k| name_of(a, k));
        let name = format!("{logits}.grad");
        list.map(
            &name,
            Operation::OuterGradient { phase },
            &[&logits, &of],
            &outer.logits,
        );
        let up = outer_up_name(branch);
        list.weights(engine, three, &up, 0);
        list.adjoint(a, &up, &[(three, 0)], false, &outer.raised);
        let (name, of) = (format!("{second}.grad"), format!("{up}.grad"));
        let op = Operation::UpsampleGradient;
        list.map(&name, op, &[&second, &of], &outer.second);
        list.weights(engine, two, &first, 0);
        list.adjoint(a, &first, &[(two, 0)], true, &outer.first);
        list.weights(engine, one, &last, from);
        readers.push((one, from));
    }
    for k in (0..a.decoder.len()).rev() {
        let (up, block) = (up_name(branch, k), &d.blocks[k]);
        list.adjoint(a, &up, &readers, false, &block.raised);
        let [one, two] = [0, 1].map(|c| a.decoder_conv(branch, 2 * k + c));
        let (first, second) = (name_of(a, one), name_of(a, two));
        let (name, of) = (format!("{second}.grad"), format!("{up}.grad"));
        let op = Operation::UpsampleGradient;
        list.map(&name, op, &[&second, &of], &block.second);
        list.weights(engine, two, &first, 0);
        list.adjoint(a, &first, &[(two, 0)], true, &block.first);
        let x = match k {
            0 => pool_name(a.encoder.len() - 1),
            _ => up_name(branch, k - 1),
        };
        list.weights(engine, one, &x, 0);
        readers = vec![(one, 0)];
    }
}
