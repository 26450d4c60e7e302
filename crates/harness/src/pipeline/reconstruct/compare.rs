//! A reconstruction against the true object, as it is and up to what diffraction cannot tell.

use ndarray::{Array2, s};
use num_complex::{Complex32, Complex64};
use serde::Serialize;

use ptyproof::align::{Alignment, align};
use ptyproof::json::Real;
use ptyproof::score::known::DEFAULT_MIN_KNOWN_SHARE;
use ptyproof::score::region::middle;
use ptyproof::solve::canvas::add_real;
use ptyproof::solve::{Estimate, Problem};

/// The version of the form.
const SCHEMA: &str = "ptyproof.reconstruct_comparison/1";

/// Against the truth, over the covered middle.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// `ptyproof.reconstruct_comparison/1`.
    pub schema: String,
    /// Rows from, to (exclusive), columns from, to, of the object.
    pub region: [usize; 4],
    /// The share of the region that is finite and covered: below `known_at_least` every distance is NaN.
    pub known: Real,
    /// That share.
    pub known_at_least: Real,
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

/// Compares; `None` if the region is not on the object.
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
    let good = own
        .iter()
        .zip(seen)
        .filter(|(z, seen)| **seen && z.is_finite());
    let known = good.count() as f64 / own.len().max(1) as f64;
    let found = align(&truth, &own).filter(|_| known >= DEFAULT_MIN_KNOWN_SHARE);
    Some(Comparison {
        schema: SCHEMA.into(),
        region: [t, b, l, r],
        known: Real(known),
        known_at_least: Real(DEFAULT_MIN_KNOWN_SHARE),
        alignment: found.unwrap_or_else(Alignment::unknown),
    })
}
