//! The unit of a stored pattern value.

use std::fmt;

crate::named! {
    /// The unit of a stored pattern value.
    Unit "the unit of the patterns" {
        /// Photons per pixel, or something proportional to them.
        Counts = "counts",
        /// The square root of counts, or something proportional to it.
        Amplitude = "amplitude",
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
