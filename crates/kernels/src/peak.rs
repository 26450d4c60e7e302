//! Peak performance: a loop of fused multiply-adds without memory access.

#![allow(unsafe_code, reason = "vector registers; nothing is read or written")]

use super::dispatch::{Work, run};
use super::isa::Isa;
use super::lanes::Lanes;
use super::shuffle::Shuffle;

/// Number of independent chains: more than latency times number of FMA units of any core.
const FMA_CHAINS: usize = 12;

/// Runs `rounds` of a dozen independent multiply-adds in registers of `isa`; returns the floating-point operations done
/// (two for each lane of each), and a value that depends on all of them.
pub fn multiply_adds(isa: Isa, rounds: u64) -> (u64, f32) {
    let (mut lanes, mut value) = (0, 0.0);
    let work = Chains {
        rounds,
        lanes: &mut lanes,
        value: &mut value,
    };
    // SAFETY: registers only.
    unsafe { run(isa, work) }
    (2 * rounds * (FMA_CHAINS * lanes) as u64, value)
}

struct Chains<'a> {
    rounds: u64,
    lanes: &'a mut usize,
    value: &'a mut f32,
}

impl Work for Chains<'_> {
    #[inline(always)]
    unsafe fn run<V: Shuffle>(self) {
        let mut out = [0.0; 16];
        // SAFETY: 16 values hold any register.
        unsafe {
            let (half, one) = (V::splat(0.5), V::splat(1.0));
            let mut sums = [V::zero(); FMA_CHAINS];
            for _ in 0..self.rounds {
                for sum in &mut sums {
                    *sum = sum.mul_add(half, one);
                }
            }
            let mut total = V::zero();
            for sum in sums {
                total = total.add(sum);
            }
            Lanes::store(total, out.as_mut_ptr());
        }
        *self.lanes = V::COUNT;
        *self.value = out[0];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fma_chain_converges() {
        // x = x / 2 + 1 tends to 2 on every instruction set
        for isa in Isa::available() {
            let (operations, value) = multiply_adds(isa, 100);
            assert_eq!(value, 2.0 * FMA_CHAINS as f32, "{isa}");
            assert!(operations >= 2 * 100 * FMA_CHAINS as u64 * 8, "{isa}");
        }
    }
}
