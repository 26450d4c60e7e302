//! One axis of a moved patch as arrays, where it is regular: the fast form of [`Line`](super::place::Line).

use crate::geometry::floor_index;
use ptyproof_kernels::{Loop, vectorized};

use super::place::Reach;

/// Canvas pixel `out + i` reads the patch at `from + i - 1` with weight `low[i]` and at `from + i` with `high[i]`.
///
/// *Law.* The weights are the bits of [`line`](super::place::line). A weight of zero belongs to no pixel of the patch,
/// unless all of `high` are zero: then it is not to be read at all.
#[derive(Debug, Default)]
pub(super) struct UniformTaps {
    pub(super) out: usize,
    pub(super) from: usize,
    pub(super) low: Vec<f32>,
    pub(super) high: Vec<f32>,
    /// Whether only `low` is read: a shift by whole pixels.
    pub(super) whole: bool,
}

impl UniformTaps {
    /// The axis of a patch of side `m`, `pad` pixels in from the corner and moved by `d`; false if it is not regular: if
    /// rounding makes a tap skip a pixel, or a weight vanish inside the patch.
    pub(super) fn load(&mut self, m: usize, pad: usize, reach: &Reach, d: f32) -> bool {
        self.low.clear();
        self.high.clear();
        let (first, count) = (reach.from, reach.to.saturating_sub(reach.from));
        if count == 0 {
            return true;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "as `Placement` forms coordinates: in float32"
        )]
        let start = floor_index(f64::from(first as f32 - d));
        let Some((start, _)) = start else {
            return false;
        };
        self.low.resize(count, 0.0);
        self.high.resize(count, 0.0);
        let mut seen = Seen::default();
        vectorized(Weights {
            first,
            start,
            d,
            low: &mut self.low,
            high: &mut self.high,
            seen: &mut seen,
        });
        // the patch pixel below the first coordinate; from -1 (only its upper neighbor is inside) to m - 1
        let (Ok(pad), Ok(side)) = (isize::try_from(pad), isize::try_from(m)) else {
            return false;
        };
        let below = start - pad;
        let begin = usize::try_from(-1 - below + isize::from(seen.whole)).unwrap_or(0);
        let end = usize::try_from(side - below).unwrap_or(0).min(count);
        if begin >= end {
            self.low.clear();
            self.high.clear();
            return true;
        }
        self.low.truncate(end);
        self.high.truncate(end);
        self.low.drain(..begin);
        self.high.drain(..begin);
        let Ok(from) = usize::try_from(below + 1 + begin.cast_signed()) else {
            return false;
        };
        if from == 0 {
            self.low[0] = 0.0;
        }
        if from + self.high.len() == m + 1 {
            *self.high.last_mut().expect("not empty") = 0.0;
        }
        (self.out, self.from, self.whole) = (first + begin, from, seen.whole);
        seen.regular && (seen.whole || !seen.zero)
    }
}

/// Properties of the weights of a run of taps.
#[derive(Debug, Default)]
struct Seen {
    regular: bool,
    zero: bool,
    whole: bool,
}

struct Weights<'a> {
    first: usize,
    start: isize,
    d: f32,
    low: &'a mut [f32],
    high: &'a mut [f32],
    seen: &'a mut Seen,
}

impl Loop for Weights<'_> {
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        reason = "as `Placement` forms coordinates: in float32"
    )]
    fn run(self) {
        let (mut regular, mut zero, mut whole) = (true, false, true);
        // canvas sides are far below 2^24: the conversions are exact, and from i32 they are one instruction
        let (start, first) = (self.start as f64, self.first as i32);
        for (i, (low, high)) in self.low.iter_mut().zip(self.high).enumerate() {
            let i = i as i32;
            let v = f64::from((first + i) as f32 - self.d);
            let cut = v.floor();
            let f = (v - cut) as f32;
            (*low, *high) = (1.0 - f, f);
            regular &= (cut - start == f64::from(i)) & (f < 1.0);
            zero |= f == 0.0;
            whole &= f == 0.0;
        }
        *self.seen = Seen {
            regular,
            zero,
            whole,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::place::line;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn uniform_taps_equal_the_definition(
            m in 1usize..20, pad in 0usize..30, d in -60.0f32..60.0, grain in 0i32..4,
        ) {
            // law: the same canvas pixels, patch pixels and weights; what is not near a pixel is regular
            let d = match grain {
                0 | 1 => d,
                2 => d.round(),
                _ => d.round() + 1e-7 * d,
            };
            let side = m + 2 * pad;
            let reach = Reach::of(m, pad, side, f64::from(d)).unwrap();
            let mut run = UniformTaps::default();
            let regular = run.load(m, pad, &reach, d);
            if grain < 2 && (d - d.round()).abs() > 1e-4 || grain == 2 {
                prop_assert!(regular, "{d}");
            }
            if regular {
                let taps = line(m, pad, side, d).unwrap().taps;
                let (mut got, mut want) = (Vec::new(), Vec::new());
                for (i, (low, high)) in run.low.iter().zip(&run.high).enumerate() {
                    let at = [(run.from + i).wrapping_sub(1), run.from + i];
                    for (from, w) in at.into_iter().zip([*low, if run.whole { 0.0 } else { *high }]) {
                        got.extend((w != 0.0).then_some((run.out + i, from, w.to_bits())));
                    }
                }
                for tap in &taps {
                    want.extend(tap.parts().map(|(from, w)| (tap.out, from, w.to_bits())));
                }
                prop_assert_eq!(got, want);
            }
        }
    }
}
