//! The event as text.

use crate::number::figure;
use std::fmt;

use super::Event;

/// Maximum number of tensors of the trail in the text.
const MAX_TRAIL_TENSORS: usize = 6;

impl Event {
    /// The event in one line.
    pub fn headline(&self) -> String {
        format!(
            "step {} (epoch {}): {} is not finite; {}: {}",
            self.step, self.epoch, self.tensor, self.cause, self.explanation
        )
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<String> = self
            .axes
            .split_whitespace()
            .zip(&self.index)
            .map(|(axis, k)| format!("{axis} {k}"))
            .collect();
        let (o, how) = (
            &self.output,
            if self.produced {
                "computed here"
            } else {
                "passed on"
            },
        );
        writeln!(
            f,
            "step {} (epoch {}): {} is not finite, {how}",
            self.step, self.epoch, self.tensor
        )?;
        writeln!(f, "  operation  {}, in {}", self.operation, self.part())?;
        writeln!(f, "  cause      {}: {}", self.cause, self.explanation)?;
        writeln!(
            f,
            "  values     {} NaN, {} +inf, {} -inf of {}; the first at {}: {}",
            o.nan,
            o.pos_inf,
            o.neg_inf,
            o.shape.iter().product::<usize>(),
            named.join(", "),
            self.value.get()
        )?;
        if let Some(c) = &self.culprit {
            let [n, _, y, x] = c.first[0];
            writeln!(
                f,
                "  culprit    {}: {} values {}, {} of them on the Nyquist row or column; the first at n {n}, y {y}, x {x}",
                c.tensor, c.count, c.what, c.on_nyquist
            )?;
        }
        for s in &self.inputs {
            writeln!(
                f,
                "  input      {}: {} to {}, 2-norm {}, {} exact zeros, {} not finite",
                s.tensor,
                figure(s.min.get(), 5),
                figure(s.max.get(), 5),
                figure(s.norm.get(), 5),
                s.zeros,
                s.non_finite()
            )?;
        }
        let n = self
            .axes
            .starts_with('n')
            .then(|| self.index.first().copied());
        if let Some(m) = n.flatten().and_then(|n| self.members.get(n)) {
            let at: Vec<String> = m
                .positions
                .iter()
                .map(|[x, y]| format!("({:.3}, {:.3})", x.get(), y.get()))
                .collect();
            writeln!(
                f,
                "  group      {} of the training groups, scan position x, y {}",
                m.group,
                at.join(" ")
            )?;
        }
        write!(f, "  afterwards")?;
        for (k, t) in self
            .trail
            .iter()
            .skip(1)
            .take(MAX_TRAIL_TENSORS)
            .enumerate()
        {
            let comma = if k == 0 { " " } else { ", " };
            write!(f, "{comma}{} {}/{}", t.tensor, t.non_finite, t.count)?;
        }
        match self.trail.len() {
            0 | 1 => writeln!(f, " nothing else"),
            all if all > MAX_TRAIL_TENSORS + 1 => {
                writeln!(f, " and {} more tensors", all - MAX_TRAIL_TENSORS - 1)
            }
            _ => writeln!(f),
        }
    }
}
