//! Iterative reconstruction of object and probe: a judge of a network's output that needs no truth.
//!
//! | engine | method | source |
//! |---|---|---|
//! | [`Method::Epie`] | one pattern after the other, gradient over the largest intensity | Maiden, Rodenburg 2009, doi:10.1016/j.ultramic.2009.05.012 |
//! | [`Method::Rpie`] | the same, regularised by the local intensity | Maiden, Johnson, Li 2017, doi:10.1364/OPTICA.4.000736 |
//! | [`Method::Dm`] | difference map between detector and overlap | Thibault et al. 2009, doi:10.1016/j.ultramic.2008.12.011 |
//! | [`Method::Raar`] | relaxed averaged alternating reflections | Luke 2005, doi:10.1088/0266-5611/21/1/004 |
//! | [`Method::Lsqml`] | batches, each pattern's best step by least squares | Odstrcil, Menzel, Guizar-Sicairos 2018, doi:10.1364/OE.26.003108 |
//!
//! *Conventions.* Objects and probes are complex64, `[row, col]`; positions are centers, `[x, y]` in pixels of the canvas;
//! `psi_m = P_m O`, and the detector sees `sum_m |FFT2(psi_m)|^2 / N^2`, compared with amplitude squared. Patches are cut
//! bilinearly, as the simulation cuts them; at whole positions that is a copy. Fields have DC at the corner in memory.
//!
//! *Law.* The true object and probe are a fixed point. Batch engines do not know the order of patterns inside a batch; the
//! number of threads changes no bit; if probe and object start as `c P` and `O / c`, they end so.

mod algorithm;
mod buffers;
pub mod canvas;
mod dm;
mod epie;
mod estimate;
pub mod event;
mod fourier_constraint;
mod iteration;
mod lsqml;
mod method;
pub mod modes;
mod pie;
pub mod problem;
mod projection;
mod raar;
mod refine;
mod residuals;
mod rpie;
#[cfg(test)]
mod scene;
mod settings;
mod solver;
#[cfg(test)]
mod tests;

pub use estimate::Estimate;
pub use event::Event;
pub use iteration::Record;
pub use method::Method;
pub use problem::Problem;
pub use residuals::{Residuals, residuals};
pub use settings::{Likelihood, Settings, Steps};
pub use solver::Solver;

/// The engine of a name.
fn engine(method: Method) -> &'static algorithm::Engine {
    match method {
        Method::Epie => &epie::ENGINE,
        Method::Rpie => &rpie::ENGINE,
        Method::Dm => &dm::ENGINE,
        Method::Raar => &raar::ENGINE,
        Method::Lsqml => &lsqml::ENGINE,
    }
}
