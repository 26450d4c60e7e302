//! The engines by name.

crate::named! {
    /// Which engine: see [`super`].
    #[non_exhaustive]
    Method "the engine" {
        /// Extended ptychographical iterative engine: one pattern after the other.
        Epie = "epie",
        /// PIE regularized by the local intensity.
        Rpie = "rpie",
        /// Difference map.
        Dm = "dm",
        /// Relaxed averaged alternating reflections.
        Raar = "raar",
        /// Batches; the step of each pattern is the best by least squares.
        Lsqml = "lsqml",
    }
}
