//! An [`Epilogue`] prepared for registers.

#![allow(unsafe_code, reason = "vector registers; see Safety of `apply`")]

use super::Epilogue;
use crate::lanes::Lanes;
use crate::map::FeatureMap;

/// Maximum number of output channels of a convolution, with padding.
const MAX_OUTPUTS: usize = 1024;

enum Kind<'a> {
    Bias,
    BiasRelu,
    Gate(&'a [f32]),
    Plain,
}

/// The epilogue of sums before they are stored. The bias is aligned to a cache line.
#[repr(C, align(64))]
pub(super) struct Finish<'a> {
    bias: [f32; MAX_OUTPUTS],
    kind: Kind<'a>,
}

impl<'a> Finish<'a> {
    /// For sums that go to `out`.
    ///
    /// # Panics
    /// If the bias or the gate does not have the output's shape.
    pub(super) fn new(epilogue: Epilogue<'a, f32>, out: &FeatureMap<f32>) -> Self {
        let mut padded = [0.0; MAX_OUTPUTS];
        assert!(
            out.stride() <= MAX_OUTPUTS,
            "at most {MAX_OUTPUTS} output channels"
        );
        if let Epilogue::Bias(b) | Epilogue::BiasRelu(b) = epilogue {
            assert_eq!(b.len(), out.channels(), "one bias per output channel");
            // -0 becomes +0: no sum is -0 then, which a rectifier would have to make +0
            let rectified = matches!(epilogue, Epilogue::BiasRelu(_));
            let sign = if rectified { 0.0 } else { -0.0 };
            padded.iter_mut().zip(b).for_each(|(p, b)| *p = b + sign);
        }
        let kind = match epilogue {
            Epilogue::Bias(_) => Kind::Bias,
            Epilogue::BiasRelu(_) => Kind::BiasRelu,
            Epilogue::Plain => Kind::Plain,
            Epilogue::Gate(g) => {
                assert_eq!(
                    (g.images(), g.height(), g.width(), g.stride()),
                    (out.images(), out.height(), out.width(), out.stride()),
                    "the gate has the output's shape"
                );
                Kind::Gate(g.data())
            }
        };
        Self { kind, bias: padded }
    }

    /// Applies the epilogue to the sums `s` of a register of channels from `channel` on, at index `at` of the output map.
    ///
    /// # Safety
    /// `channel + V::COUNT` is at most the output's stride, and `at + V::COUNT` its length.
    #[inline(always)]
    pub(super) unsafe fn apply<V: Lanes>(&self, s: V, channel: usize, at: usize) -> V {
        // SAFETY: the bias is as long as any stride, the gate as the output.
        unsafe {
            match self.kind {
                Kind::Bias => s.add(V::load(self.bias.as_ptr().add(channel))),
                Kind::BiasRelu => s.add(V::load(self.bias.as_ptr().add(channel))).rectify(),
                Kind::Gate(g) => s.gate(V::load(g.as_ptr().add(at))),
                Kind::Plain => s,
            }
        }
    }

    /// [`Finish::apply`] to `P` pixels from `at` on at a stride of `step`, each with `NV` registers of channels.
    ///
    /// The kind is tested once outside the loops, so that all loops unroll and the sums stay in registers.
    ///
    /// # Safety
    /// As [`Finish::apply`], for every register.
    #[inline(always)]
    pub(super) unsafe fn tile<V: Lanes, const P: usize, const NV: usize>(
        &self,
        sums: &mut [[V; NV]; P],
        channel: usize,
        (at, step): (usize, usize),
    ) {
        // SAFETY: the caller's.
        unsafe {
            match self.kind {
                Kind::Plain => {}
                Kind::Bias => self.biased(sums, channel),
                Kind::BiasRelu => self.rectified(sums, channel),
                Kind::Gate(g) => {
                    let gate = g.as_ptr().add(at);
                    for (p, sum) in sums.iter_mut().enumerate() {
                        for (v, s) in sum.iter_mut().enumerate() {
                            *s = s.gate(V::load(gate.add(p * step + v * V::COUNT)));
                        }
                    }
                }
            }
        }
    }

    /// [`Finish::tile`] for an epilogue that is known to be [`Epilogue::BiasRelu`].
    ///
    /// # Safety
    /// As [`Finish::apply`], for every register.
    #[inline(always)]
    pub(super) unsafe fn rectified<V: Lanes, const P: usize, const NV: usize>(
        &self,
        sums: &mut [[V; NV]; P],
        channel: usize,
    ) {
        // SAFETY: the caller's.
        unsafe {
            self.biased(sums, channel);
            for s in sums.as_flattened_mut() {
                *s = s.rectify();
            }
        }
    }

    #[inline(always)]
    unsafe fn biased<V: Lanes, const P: usize, const NV: usize>(
        &self,
        sums: &mut [[V; NV]; P],
        channel: usize,
    ) {
        // SAFETY: the caller's.
        unsafe {
            let bias = self.bias.as_ptr().add(channel);
            let bias: [V; NV] = std::array::from_fn(|v| V::load(bias.add(v * V::COUNT)));
            for sum in sums {
                for (s, b) in sum.iter_mut().zip(bias) {
                    *s = s.add(b);
                }
            }
        }
    }

    /// Whether it is empty.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.kind, Kind::Plain)
    }

    /// Whether it is a bias and a rectifier.
    pub(super) fn is_rectified(&self) -> bool {
        matches!(self.kind, Kind::BiasRelu)
    }

    /// Applies the epilogue to the `O` outputs of `P` pixels, `sums[pixel * O + output]`, and stores them in `to` at a
    /// stride of `step`; their index in the output map is `at`.
    #[inline(always)]
    pub(super) fn few<const P: usize, const O: usize>(
        &self,
        sums: &[f32; 16],
        (at, step): (usize, usize),
        to: &mut [f32],
    ) {
        let mut sums = *sums;
        // all sixteen at once, also where fewer are in use: whole registers
        match self.kind {
            Kind::Plain => {}
            Kind::Bias | Kind::BiasRelu => {
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum += self.bias[i % O];
                }
                if matches!(self.kind, Kind::BiasRelu) {
                    sums = sums.map(|sum| if sum < 0.0 { 0.0 } else { sum });
                }
            }
            Kind::Gate(g) => {
                for (p, sums) in sums.chunks_exact_mut(O).enumerate().take(P) {
                    let gate = &g[at + p * step..][..O];
                    for (sum, &gate) in sums.iter_mut().zip(gate) {
                        *sum = if gate > 0.0 { *sum } else { 0.0 };
                    }
                }
            }
        }
        let to = &mut to[..(P - 1) * step + O];
        for p in 0..P {
            to[p * step..][..O].copy_from_slice(&sums[p * O..][..O]);
        }
    }
}
