//! Dead units and saturated heads, from the activations of a forward pass.
//!
//! *Conventions.* See [`ptyproof::records::health`]. A value that is not finite is neither zero nor at a bound.

use num_complex::Complex;

use crate::network::architecture::{Architecture, Branch};
use crate::network::workspace::Workspace;
use ptyproof::json::Real;
use ptyproof::records::health::{EpochHealth, SATURATION_MARGIN, Units};
use ptyproof_kernels::conv::Kernels;
use ptyproof_kernels::map::FeatureMap;

use super::model_runner::ModelRunner;

/// Accumulates activation statistics over batches.
#[derive(Debug, Clone, Default)]
pub struct ActivationMonitor {
    /// Per layer: whether each channel was ever nonzero.
    alive: Vec<(String, Vec<bool>)>,
    /// Per head: values at a bound.
    pinned: [usize; 2],
    /// Values of a head.
    values: usize,
}

impl ActivationMonitor {
    /// Adds the activations of the last batch.
    pub fn at<T: Kernels>(&mut self, engine: &ModelRunner<T>) {
        let ws = engine.workspace();
        for (k, (name, map)) in rectified(engine.model().architecture(), ws)
            .into_iter()
            .enumerate()
        {
            if self.alive.len() == k {
                self.alive.push((name, vec![false; map.channels()]));
            }
            see(map, &mut self.alive[k].1);
        }
        // where sigmoid and tanh have used up all but so much of their range
        let [sigmoid, tanh] = [
            (1.0 / SATURATION_MARGIN - 1.0).ln(),
            (1.0 - SATURATION_MARGIN).atanh(),
        ];
        for (k, bound) in [sigmoid, tanh].into_iter().enumerate() {
            let logits = &ws.maps.decoders[k].logits;
            let each = pixels(logits).flat_map(|p| &p[..logits.channels()]);
            self.pinned[k] += each
                .filter(|v| v.is_finite() && v.wide().abs() >= bound)
                .count();
        }
        let logits = &ws.maps.decoders[0].logits;
        self.values += ws.groups() * logits.height() * logits.width() * logits.channels();
    }

    /// The statistics, with the norm of the weights and the power of the probe.
    pub fn finish<T: Kernels>(self, engine: &mut ModelRunner<T>) -> EpochHealth {
        let power = |p: &Complex<T>| p.re.wide().powi(2) + p.im.wide().powi(2);
        let probe_power = engine.physics().probe().iter().map(power).sum();
        let units = |seen: Vec<bool>| Units {
            dead: seen.iter().filter(|s| !**s).count() as u64,
            of: seen.len() as u64,
        };
        let share = |k: usize| Real(self.pinned[k] as f64 / self.values.max(1) as f64);
        EpochHealth {
            pinned: Branch::BOTH
                .into_iter()
                .map(|b| (b.name().to_owned(), share(b.index())))
                .collect(),
            units: self
                .alive
                .into_iter()
                .map(|(n, seen)| (n, units(seen)))
                .collect(),
            parameter_norm: Real(engine.weights_norm().0),
            probe_power: Real(probe_power),
        }
    }
}

/// Every map after a rectifier, with the name of its convolution.
fn rectified<'a, T: Kernels>(
    a: &Architecture,
    ws: &'a Workspace<T>,
) -> Vec<(String, &'a FeatureMap<T>)> {
    let names = a.convolutions();
    let mut all = Vec::new();
    let maps = ws.maps.encoder.iter().flat_map(|b| [&b.first, &b.second]);
    for (k, map) in maps.enumerate() {
        all.push((names[a.encoder_conv(k)].name.clone(), map));
    }
    for branch in Branch::BOTH {
        let decoder = ws.maps.decoder(branch);
        let maps = decoder.blocks.iter().flat_map(|b| [&b.first, &b.second]);
        for (k, map) in maps.enumerate() {
            all.push((names[a.decoder_conv(branch, k)].name.clone(), map));
        }
        let outer = decoder.outer.iter().flat_map(|o| [&o.first, &o.second]);
        for (k, map) in outer.enumerate() {
            all.push((names[a.outer_conv(branch, k)].name.clone(), map));
        }
    }
    all
}

fn pixels<T: Kernels>(map: &FeatureMap<T>) -> impl Iterator<Item = &[T]> {
    (0..map.images()).flat_map(move |image| {
        (0..map.height()).flat_map(move |row| map.row(image, row).chunks_exact(map.stride()))
    })
}

fn see<T: Kernels>(map: &FeatureMap<T>, alive: &mut [bool]) {
    for pixel in pixels(map) {
        // a channel known to be alive need not be checked, but a loop over all is simpler
        for (seen, v) in alive.iter_mut().zip(pixel) {
            *seen |= *v != T::zero();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::model_runner::tests::loaded;
    use super::*;
    use ptyproof_testkit::compare::non_empty;
    use ptyproof_testkit::tolerance::{F32_STEPS_16, assert_close};

    fn looked_at(engine: &mut ModelRunner<f32>) -> EpochHealth {
        engine.forward();
        let mut look = ActivationMonitor::default();
        look.at(engine);
        look.finish(engine)
    }

    #[test]
    fn negative_unit_is_dead_and_large_bias_saturates_a_head() {
        let mut engine = loaded(false, 4);
        let well = looked_at(&mut engine);
        assert!(
            non_empty(well.pinned.values()).all(|s| s.get() == 0.0),
            "{well:?}"
        );
        let layers = engine.model().architecture().convolutions();
        let linear = |name: &str| name.ends_with("head") || name.ends_with("outer3");
        let rectified = layers.iter().filter(|c| !linear(&c.name)).count();
        assert_eq!(well.units.len(), rectified, "all but the heads");

        let tensors = engine.model().tensors().to_vec();
        let of = |name: &str| tensors.iter().find(|t| t.name == name).unwrap();
        let (first, head) = (of("encoder.conv1.bias"), of("phase.head.bias"));
        engine.update(|weights, _| {
            weights[first.range.clone()].fill(-1e4);
            weights[head.range.clone()].fill(1e4);
        });
        let ill = looked_at(&mut engine);
        let units = ill.units["encoder.conv1"];
        assert_eq!((units.dead, units.of), (units.of, first.range.len() as u64));
        assert_eq!(ill.pinned["phase"].get(), 1.0);
        assert_eq!(ill.pinned["amplitude"].get(), 0.0);
        let probe: f64 = engine
            .physics()
            .probe()
            .iter()
            .map(|p| f64::from(p.norm_sqr()))
            .sum();
        assert_close!(ill.probe_power.get(), probe, F32_STEPS_16.as_relative());
        assert!(ill.parameter_norm.get() > 1e4);
    }
}
