//! A reconstruction against the true object, as it is and up to what diffraction cannot tell.

use ndarray::{Array2, s};
use num_complex::{Complex32, Complex64};
use serde::Serialize;

use crate::align::{Alignment, align};
use crate::score::region::middle;
use crate::solve::canvas::add_real;
use crate::solve::{Estimate, Problem};

/// The version of the form.
const SCHEMA: &str = "ptyproof.reconstruct_comparison/1";

/// Against the truth, over the covered middle.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// `ptyproof.reconstruct_comparison/1`.
    pub schema: String,
    /// Rows from, to (exclusive), columns from, to, of the object.
    pub region: [usize; 4],
    /// Distances and gauge; relative rms is the normalized root mean square error.
    pub alignment: Alignment,
}

/// Which pixels of the canvas lie under a patch.
pub(super) fn covered(problem: &Problem, estimate: &Estimate) -> Array2<bool> {
    let mut times = Array2::zeros(estimate.object.dim());
    let ones = vec![1.0f32; problem.area()];
    for k in 0..problem.len() {
        if let Some(at) = estimate.placement(k, problem.n) {
            add_real(&mut times, at, problem.n, &ones);
        }
    }
    times.mapv(|t| t > 0.0)
}

/// The middle of a scan on the canvas: rows from, to (exclusive), columns from, to.
pub fn region(problem: &Problem) -> [usize; 4] {
    middle(
        &problem.positions,
        problem.n,
        [problem.frame.rows, problem.frame.cols],
    )
}

/// Compares; `None` if the region is not on the object, or holds nothing.
pub(super) fn compare(
    problem: &Problem,
    estimate: &Estimate,
    truth: &Array2<Complex32>,
) -> Option<Comparison> {
    let [top, bottom, left, right] = region(problem);
    let onto = |v: usize, origin: isize| usize::try_from(v as isize + origin).ok();
    let frame = problem.frame;
    let [t, b] = [onto(top, frame.top)?, onto(bottom, frame.top)?];
    let [l, r] = [onto(left, frame.left)?, onto(right, frame.left)?];
    if b > truth.nrows() || r > truth.ncols() {
        return None;
    }
    let seen = covered(problem, estimate);
    let seen = seen.slice(s![top..bottom, left..right]);
    let wide = |z: &Complex32, seen: &bool| {
        if *seen {
            Complex64::new(z.re.into(), z.im.into())
        } else {
            Complex64::ZERO
        }
    };
    let cut =
        |of: ndarray::ArrayView2<'_, Complex32>| ndarray::Zip::from(of).and(seen).map_collect(wide);
    let own = cut(estimate.object.slice(s![top..bottom, left..right]));
    let truth = cut(truth.slice(s![t..b, l..r]));
    Some(Comparison {
        schema: SCHEMA.into(),
        region: [t, b, l, r],
        alignment: align(&truth, &own)?,
    })
}
