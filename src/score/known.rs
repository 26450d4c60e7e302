//! Where two images are compared, and how much of it is known.
//!
//! *Conventions.* A pixel is known if both images are finite and covered there, after the alignment. A region is a rectangle, and
//! of its pixels those that should be known: all, or those that a scan covers. What the shift of an alignment takes out of the
//! frame is not expected, as long as three quarters of the region stay.
//!
//! *Law.* Nothing expected is nothing known.

use ndarray::Array2;
use num_complex::Complex64;

use super::fidelity::Region;
use crate::align::Gauge;
use crate::json::Real;

/// The share of a region that must be known unless another is asked for.
pub const KNOWN_AT_LEAST: f64 = 0.99;

/// Pixels below which a figure against a truth gates nothing: the gauge alone has six numbers to fit them with.
pub const MIN_PIXELS: usize = 64;

/// The share of a region that an alignment may not shift out of the frame.
const IN_FRAME: f64 = 0.75;

/// Where two images are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Extent {
    /// The rectangle, pixels of the truth.
    pub region: Region,
    /// Which pixels should be known, on the whole truth; those outside the rectangle do not count. Absent: all.
    pub expected: Option<Array2<bool>>,
    /// The share of them that must be known.
    pub known_at_least: f64,
}

impl Extent {
    /// A whole rectangle, of which [`KNOWN_AT_LEAST`] must be known.
    pub fn of(region: Region) -> Self {
        Self {
            region,
            expected: None,
            known_at_least: KNOWN_AT_LEAST,
        }
    }

    fn expects(&self, at: (usize, usize)) -> bool {
        self.expected.as_ref().is_none_or(|e| e[at])
    }
}

/// How much of a region is known.
pub(super) struct Share {
    pub(super) expected: usize,
    pub(super) pixels: usize,
    pub(super) known: Real,
}

/// The share of the expected pixels that are known in `p`, the region after the alignment, NaN where either image is not known.
pub(super) fn share_known(
    p: &Array2<Complex64>,
    extent: &Extent,
    gauge: &Gauge,
    dim: (usize, usize),
) -> Share {
    let [top, _, left, _] = extent.region;
    // what a shift takes out of the frame cannot be known; an image without any hole shows which pixels those are
    let frame = (gauge.shift != Gauge::none().shift)
        .then(|| gauge.apply(&Array2::from_elem(dim, Complex64::ONE)));
    let (mut all, mut expected, mut pixels) = (0, 0, 0);
    for ((r, c), z) in p.indexed_iter() {
        let at = (r + top, c + left);
        if !extent.expects(at) {
            continue;
        }
        all += 1;
        if frame.as_ref().is_none_or(|f| f[at].is_finite()) {
            expected += 1;
            pixels += usize::from(z.is_finite());
        }
    }
    let of = if (expected as f64) < IN_FRAME * all as f64 {
        all
    } else {
        expected
    };
    Share {
        expected: of,
        pixels,
        known: Real(if of == 0 {
            0.0
        } else {
            pixels as f64 / of as f64
        }),
    }
}
