//! Checks of the declared metadata of a data file: supported, contradicted or undecided.
//!
//! A wrong convention leaves every number finite and every shape valid. So each interpretation of the file is a
//! [`Hypothesis`]: a few iterations of rPIE are run under it, and it is judged by its error on held-out patterns. A
//! held-out pattern is predicted from the object that its neighbors reconstructed, which works only if the positions are
//! right and the patterns overlap.
//!
//! *Ambiguities.* With `psi_k(r) = P(r) O(r + p_k)`, the fields `conj P(-r)` and `conj O(-r)` at `-p_k` have the same
//! intensities: positions and their negatives are *twins*, and only a probe that differs from its twin distinguishes them.
//! A shifted detector is a phase ramp on the probe: the residual is unchanged, the center of mass moves. Transposed or
//! mirrored patterns are equivalent to swapped or negated positions, except for the probe, which is transformed with the
//! patterns.
//!
//! *Law.* The true hypothesis of a simulated scan ranks first; the correction is the inverse of the fault. The result does
//! not depend on the number of threads. A margin below its scatter decides nothing.

mod beam_center;
mod examine;
mod facts;
mod finding;
mod held_out;
mod hypothesis;
mod neighbor_similarity;
mod orientation;
mod ranking;
mod sample;
#[cfg(test)]
mod tests;
mod verdict;

pub use beam_center::{BeamCenter, IntegerShares};
pub use examine::{Examination, Reconstruction, examine};
pub use finding::{Finding, Severity};
pub use held_out::Start;
pub use hypothesis::{Center, Hypothesis, Power};
pub use neighbor_similarity::NeighborSimilarity;
pub use orientation::Orientation;
pub use ranking::{Margin, Ranked, ScaleRow};
