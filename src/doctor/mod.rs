//! What a data file supports, contradicts and cannot decide of what is declared about it.
//!
//! A convention that is wrong leaves every number finite and every shape right. So each reading of the file is a
//! [`Hypothesis`], a few iterations of rPIE are run under it, and it is judged by patterns it was not shown: each is
//! predicted from the object that its neighbors left, which only overlap under the right positions can do.
//!
//! *What data cannot tell.* With `psi_k(r) = P(r) O(r + p_k)`, the fields `conj P(-r)` and `conj O(-r)` at `-p_k` have the
//! same intensities: positions and their negatives are *twins*, and only a probe whose twin differs from it parts
//! them. A detector moved by some pixels is a ramp on the probe: the residual stays, the centre of mass moves.
//! Patterns transposed or mirrored are positions exchanged or negated, but for the probe, which turns with them.
//!
//! *Law.* The true hypothesis of a simulated scan comes first; what is named is the inverse of the fault. Threads change no
//! bit. Nothing is decided by a margin within its own scatter.

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

pub use beam_center::{BeamCenter, WholeNumbers};
pub use examine::{Examination, Reconstruction, examine};
pub use finding::{Finding, Severity};
pub use held_out::Start;
pub use hypothesis::{Centre, Hypothesis, Power};
pub use neighbor_similarity::NeighborSimilarity;
pub use orientation::Orientation;
pub use ranking::{Margin, Ranked, ScaleRow};
