//! The shape of the network: which convolutions there are, in which order, with how many channels.
//!
//! An encoder of blocks (two 3x3 convolutions with ReLU, then 2x2 max pooling), and two decoders,
//! one for the amplitude and one for the phase, of blocks (two 3x3 convolutions with ReLU, then
//! nearest-neighbor up-sampling by 2), each with a linear head. No skip connections, no batch
//! normalization. With `probe_big` the last four channels of each decoder feed a second branch that
//! fills the border outside the central half.
//!
//! A network of estimates has two inputs per pattern, amplitude and phase. Its output is added to them before the
//! activations, and the border has the activations of the center: so it learns only corrections of an estimate.
//!
//! *Source.* Reference description, section i.

use ptyproof::error::{Error, Result};
use ptyproof::geometry::{GridSize, PatchSize};

/// Channels at the end of each decoder that the head leaves to the outer branch.
pub const OUTER_CHANNELS: usize = 4;

/// The two decoders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Branch {
    /// The amplitude of the object.
    Amplitude,
    /// The phase of the object.
    Phase,
}

impl Branch {
    /// Both, in the order of the parameters.
    pub const BOTH: [Self; 2] = [Self::Amplitude, Self::Phase];

    /// Its name in parameter names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amplitude => "amplitude",
            Self::Phase => "phase",
        }
    }

    /// 0 for the amplitude, 1 for the phase.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// A network's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architecture {
    /// Side of the patterns.
    pub n: usize,
    /// Patterns of a group, and channels of the object maps, `gs^2`.
    pub channels: usize,
    /// Filters of each encoder block.
    pub encoder: Vec<usize>,
    /// Filters of each decoder block: one block fewer than the encoder has.
    pub decoder: Vec<usize>,
    /// Filters of the branch that fills the border outside the central half, if there is one.
    pub outer: Option<usize>,
    /// Whether its input is an estimate of the object ([`crate::physics::estimate`]), which it corrects, instead of pattern
    /// amplitudes.
    pub estimates: bool,
}

/// One convolution of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvSpec {
    /// Its name, such as `encoder.conv3`.
    pub name: String,
    /// Input channels that it reads.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Side of its maps.
    pub side: usize,
}

impl Architecture {
    /// The reference's network for patterns of side `n`, with its filters multiplied by `scale` (2 in
    /// every published run).
    ///
    /// # Errors
    /// Unless `n` is 64, 128 or 256.
    pub fn reference(
        n: PatchSize,
        gridsize: GridSize,
        scale: usize,
        probe_big: bool,
    ) -> Result<Self> {
        let (encoder, decoder): (&[usize], &[usize]) = match n.get() {
            64 => (&[32, 64, 128], &[64, 32]),
            128 => (&[16, 32, 64, 128], &[128, 64, 32]),
            256 => (&[8, 16, 32, 64, 128], &[256, 128, 64, 32]),
            other => {
                return Err(Error::usage("choosing the network")
                    .at("N")
                    .got(other)
                    .need("64, 128 or 256, the sizes of the published network")
                    .help(if other > 64 {
                        "crop or bin the patterns to one of these sizes; `reconstruct` accepts other sizes"
                    } else {
                        "`reconstruct` accepts other sizes"
                    }));
            }
        };
        Ok(Self {
            n: n.get(),
            channels: gridsize.channels(),
            encoder: encoder.iter().map(|f| f * scale).collect(),
            decoder: decoder.iter().map(|f| f * scale).collect(),
            outer: probe_big.then_some(scale * 2048 / n.get()),
            estimates: false,
        })
    }

    /// The architecture with estimates as input.
    #[must_use]
    pub fn with_estimates(self) -> Self {
        Self {
            estimates: true,
            ..self
        }
    }

    /// Channels of the input: one for each pattern of a group, or two of its estimate.
    pub fn inputs(&self) -> usize {
        self.channels * if self.estimates { 2 } else { 1 }
    }

    /// Side of the decoders' output, `N / 2`.
    pub fn half(&self) -> usize {
        self.n / 2
    }

    /// Channels of a decoder's output.
    pub fn decoded(&self) -> usize {
        self.decoder[self.decoder.len() - 1]
    }

    /// Every convolution, in the order of the parameters: the encoder, then amplitude and phase
    /// interleaved by depth, then the heads, then the outer branches.
    pub fn convolutions(&self) -> Vec<ConvSpec> {
        let spec = |name: String, inputs, outputs, side| ConvSpec {
            name,
            inputs,
            outputs,
            side,
        };
        let mut all = Vec::new();
        let mut inputs = self.inputs();
        for (k, f) in self.encoder.iter().flat_map(|&f| [f, f]).enumerate() {
            let side = self.n >> (k / 2);
            all.push(spec(format!("encoder.conv{}", k + 1), inputs, f, side));
            inputs = f;
        }
        for (k, f) in self.decoder.iter().flat_map(|&f| [f, f]).enumerate() {
            let side = (self.n >> self.encoder.len()) << (k / 2);
            for b in Branch::BOTH {
                all.push(spec(format!("{}.conv{}", b.name(), k + 1), inputs, f, side));
            }
            inputs = f;
        }
        for b in Branch::BOTH {
            let used = self.decoded() - OUTER_CHANNELS;
            let name = format!("{}.head", b.name());
            all.push(spec(name, used, self.channels, self.half()));
        }
        if let Some(f) = self.outer {
            for b in Branch::BOTH {
                let half = self.half();
                let sizes = [
                    (OUTER_CHANNELS, f, half),
                    (f, f, half),
                    (f, self.channels, self.n),
                ];
                for (k, (inputs, outputs, side)) in sizes.into_iter().enumerate() {
                    let name = format!("{}.outer{}", b.name(), k + 1);
                    all.push(spec(name, inputs, outputs, side));
                }
            }
        }
        all
    }

    /// Index of a convolution of the encoder (`conv` counts from 0).
    pub fn encoder_conv(&self, conv: usize) -> usize {
        conv
    }

    /// Index of a convolution of a decoder (`conv` counts from 0).
    pub fn decoder_conv(&self, branch: Branch, conv: usize) -> usize {
        2 * self.encoder.len() + 2 * conv + branch.index()
    }

    /// Index of a head.
    pub fn head(&self, branch: Branch) -> usize {
        2 * self.encoder.len() + 4 * self.decoder.len() + branch.index()
    }

    /// Index of a convolution of an outer branch (`conv` counts from 0).
    pub fn outer_conv(&self, branch: Branch, conv: usize) -> usize {
        self.head(Branch::Amplitude) + 2 + 3 * branch.index() + conv
    }

    /// Whether convolution `k` gives an output before its activation.
    pub fn is_output(&self, k: usize) -> bool {
        Branch::BOTH.iter().any(|&branch| {
            let outer = self.outer.is_some() && k == self.outer_conv(branch, 2);
            outer || k == self.head(branch)
        })
    }

    /// Whether convolution `k` is one of this branch, rather than of the encoder or the other branch.
    pub fn belongs_to(&self, branch: Branch, k: usize) -> bool {
        let (decoders, outer) = (2 * self.encoder.len(), self.head(Branch::Amplitude) + 2);
        match k {
            k if k < decoders => false,
            k if k < outer => (k - decoders) % 2 == branch.index(),
            k => (k - outer) / 3 == branch.index(),
        }
    }

    /// The number of trainable parameters.
    pub fn parameters(&self) -> usize {
        self.convolutions()
            .iter()
            .map(|c| 9 * c.inputs * c.outputs + c.outputs)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(n: usize, gs: usize, big: bool) -> Architecture {
        let (n, gs) = (PatchSize::new(n).unwrap(), GridSize::new(gs).unwrap());
        Architecture::reference(n, gs, 2, big).unwrap()
    }

    #[test]
    fn the_published_parameter_counts_hold() {
        // reference description, section i: real model.summary() of gs1 and gs2
        assert_eq!(network(64, 1, false).parameters(), 2_252_026);
        assert_eq!(network(64, 2, false).parameters(), 2_257_000);
    }

    #[test]
    fn tensor_indices_match_names() {
        for (n, gs, big) in [(64, 1, false), (128, 2, true), (256, 3, true)] {
            let a = network(n, gs, big);
            let all = a.convolutions();
            for b in Branch::BOTH {
                for (k, c) in all.iter().enumerate() {
                    assert_eq!(
                        a.belongs_to(b, k),
                        c.name.starts_with(b.name()),
                        "{}",
                        c.name
                    );
                    let last = c.name.ends_with("head") || c.name.ends_with("outer3");
                    assert_eq!(a.is_output(k), last, "{}", c.name);
                }
                for k in 0..2 * a.decoder.len() {
                    assert_eq!(
                        all[a.decoder_conv(b, k)].name,
                        format!("{}.conv{}", b.name(), k + 1)
                    );
                }
                assert_eq!(all[a.head(b)].name, format!("{}.head", b.name()));
                if big {
                    for k in 0..3 {
                        let name = format!("{}.outer{}", b.name(), k + 1);
                        assert_eq!(all[a.outer_conv(b, k)].name, name);
                    }
                }
            }
        }
    }

    #[test]
    fn unsupported_size_is_refused() {
        let e = Architecture::reference(
            PatchSize::new(96).unwrap(),
            GridSize::new(1).unwrap(),
            2,
            false,
        );
        assert!(e.unwrap_err().to_string().contains("64, 128 or 256"));
    }
}
