//! Where two images are compared, and how much of it is known.
//!
//! *Conventions.* A pixel is known if both images are finite and covered there, after the alignment. A region is a
//! rectangle, and of its pixels those that should be known: all, or those that a scan covers. Pixels that the shift of an
//! alignment moves out of the frame are not expected, as long as three quarters of the region remain.
//!
//! *Law.* If no pixel is expected, none is known.

use ndarray::Array2;
use num_complex::Complex64;

use crate::align::Gauge;
use crate::json::Real;

/// Rows from, to (exclusive), columns from, to.
pub type Region = [usize; 4];

/// Default minimum of the known share of a region.
pub const DEFAULT_MIN_KNOWN_SHARE: f64 = 0.99;

/// Minimum number of pixels of a gated figure: the alignment alone fits six parameters.
pub const MIN_PIXELS: usize = 64;

/// Minimum share of a region that an alignment must keep in the frame.
const MIN_IN_FRAME_SHARE: f64 = 0.75;

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
    /// A rectangle of which [`DEFAULT_MIN_KNOWN_SHARE`] must be known.
    pub fn of(region: Region) -> Self {
        Self {
            region,
            expected: None,
            known_at_least: DEFAULT_MIN_KNOWN_SHARE,
        }
    }

    fn expects(&self, at: (usize, usize)) -> bool {
        self.expected.as_ref().is_none_or(|e| e[at])
    }
}

/// The known share of a region.
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
    // pixels that a shift moves out of the frame cannot be known; a shifted image of ones shows which
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
    let of = if (expected as f64) < MIN_IN_FRAME_SHARE * all as f64 {
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
