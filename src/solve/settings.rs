//! What an engine is asked to do.

use serde::Serialize;

use super::engine;
use super::method::Method;
use crate::error::{Error, Result};
use crate::setting;

const ACTION: &str = "setting up the reconstruction";
/// The steps that every engine reads.
const EVERY: [&str; 2] = ["probe_from", "whole_steps"];

crate::named! {
    /// What is minimized on the detector.
    #[derive(Default)]
    Likelihood "the likelihood" {
        /// Squared differences of amplitudes: the projection onto the measured modulus.
        #[default]
        Amplitude = "amplitude",
        /// Photon noise: `sum |F|^2 - A^2 ln |F|^2`.
        Poisson = "poisson",
    }
}

crate::settings! {
    /// What is put in place of an engine's own steps; nothing where a field is `None`.
    pub struct Steps {
        batch: usize {
            value: "COUNT", unit: "patterns", bounds: Bounds::AtLeast(1), default: "50", since: "0.1.0",
            doc: "Patterns of a batch.",
        }
        object_step: f64 {
            value: "STEP", unit: "", bounds: Bounds::Above(0.0, 2.0), default: "1", since: "0.1.0",
            doc: "Factor on the step of the object; 1 is the step of the method.",
        }
        probe_step: f64 {
            value: "STEP", unit: "", bounds: Bounds::Above(0.0, 2.0), default: "1; rpie 0.3", since: "0.1.0",
            doc: "Factor on the step of the probe.",
        }
        regularization: f64 {
            value: "SHARE", unit: "share", bounds: Bounds::Above(0.0, 1.0), default: "0.3; lsqml 0.6", since: "0.1.0",
            doc: "Share of the largest intensity in the divisor of a step. More keeps noise out of dark pixels, less converges faster.",
        }
        relaxation: f64 {
            value: "BETA", unit: "", bounds: Bounds::Above(0.0, 1.0), default: "1; raar 0.75", since: "0.1.0",
            doc: "Relaxation of the projections.",
        }
        momentum: f64 {
            value: "SHARE", unit: "share", bounds: Bounds::From(0.0, 1.0), default: "0.5", since: "0.1.0",
            doc: "Share of the last change that is added again.",
        }
        probe_from: usize {
            value: "ITERATION", unit: "iterations", bounds: Bounds::AtLeast(0), default: "0; dm and raar 2", since: "0.1.0",
            doc: "First iteration, from 0, in which the probe changes.",
        }
        whole_steps: f64 {
            value: "SHARE", unit: "share", bounds: Bounds::From(0.0, 1.0), default: "0.5", since: "0.1.0",
            doc: "Share of the iterations with whole steps. After them steps fall as 1 / iteration, and projections alternate.",
        }
    }
}

/// Everything that decides what a reconstruction computes, but the data and where it starts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// Which engine.
    pub method: Method,
    /// Passes over all patterns.
    pub iterations: usize,
    /// Seed of the order of patterns.
    pub seed: u64,
    /// Patterns of a batch; only of [`Method::Lsqml`].
    pub batch: usize,
    /// Step of the object: 1 is the method's own.
    pub object_step: f64,
    /// Step of the probe.
    pub probe_step: f64,
    /// The first iteration (from 0) in which the probe changes.
    pub probe_from: usize,
    /// [`Method::Rpie`], [`Method::Lsqml`]: share of the largest intensity in the divisor, in `(0, 1]`: more keeps noise
    /// out of what has little light, less reaches it sooner.
    pub regularization: f64,
    /// [`Method::Dm`], [`Method::Raar`]: relaxation, in `(0, 1]`.
    pub relaxation: f64,
    /// Share of the last change that is added again; only of [`Method::Lsqml`].
    pub momentum: f64,
    /// The share of all iterations in which steps are whole; after that they fall as one over the iteration.
    pub whole_steps: f64,
    /// What is minimised.
    pub likelihood: Likelihood,
    /// Whether positions move.
    pub refine_positions: bool,
}

impl Method {
    /// Whether the engine reads the step of that name.
    pub fn reads(self, step: &str) -> bool {
        EVERY.contains(&step) || engine(self).reads.contains(&step)
    }
}

impl Settings {
    /// What works for most data, for an engine.
    pub fn new(method: Method, iterations: usize) -> Self {
        let mut settings = Self {
            method,
            iterations,
            seed: 1,
            batch: 50,
            object_step: 1.0,
            probe_step: 1.0,
            probe_from: 0,
            regularization: 0.3,
            relaxation: 1.0,
            momentum: 0.5,
            whole_steps: 0.5,
            likelihood: Likelihood::Amplitude,
            refine_positions: false,
        };
        (engine(method).defaults)(&mut settings);
        settings
    }

    /// The settings with other steps.
    ///
    /// # Errors
    /// If the engine does not read one of them.
    pub fn with(mut self, steps: &Steps) -> Result<Self> {
        if let Some(&step) = steps.given().iter().find(|s| !self.method.reads(s)) {
            let all = Method::ALL.iter().filter(|m| m.reads(step));
            let all: Vec<&str> = all.map(|m| m.name()).collect();
            return Err(Error::usage(ACTION)
                .field(step)
                .got(format!(
                    "`engine` {}, which does not read it",
                    self.method.name()
                ))
                .need(format!("`engine` {}", all.join(" or "))));
        }
        for (to, from) in [
            (&mut self.object_step, steps.object_step),
            (&mut self.probe_step, steps.probe_step),
            (&mut self.regularization, steps.regularization),
            (&mut self.relaxation, steps.relaxation),
            (&mut self.momentum, steps.momentum),
            (&mut self.whole_steps, steps.whole_steps),
        ] {
            *to = from.unwrap_or(*to);
        }
        self.batch = steps.batch.unwrap_or(self.batch);
        self.probe_from = steps.probe_from.unwrap_or(self.probe_from);
        Ok(self)
    }

    /// Checks every number.
    ///
    /// # Errors
    /// Naming the first that is out of bounds, or that the engine does not have.
    #[expect(clippy::cast_precision_loss, reason = "only small counts are bounded")]
    pub fn check(&self) -> Result<()> {
        if self.iterations == 0 {
            let e = Error::usage(ACTION).field("iterations");
            return Err(e.got(0).need("at least 1"));
        }
        for (name, value) in [
            ("batch", self.batch as f64),
            ("object_step", self.object_step),
            ("probe_step", self.probe_step),
            ("regularization", self.regularization),
            ("relaxation", self.relaxation),
            ("momentum", self.momentum),
            ("whole_steps", self.whole_steps),
        ] {
            setting::find(Steps::TABLE, name)?.check(ACTION, value)?;
        }
        let (own, name) = (engine(self.method), self.method.name());
        if self.likelihood == Likelihood::Poisson && !own.has_likelihood {
            return Err(Error::usage(ACTION)
                .field("likelihood")
                .got("poisson")
                .need(format!("amplitude: {name} projects, and has no likelihood")));
        }
        if self.refine_positions && !own.moves_positions {
            let all = Method::ALL.iter().filter(|m| engine(**m).moves_positions);
            let all: Vec<&str> = all.map(|m| m.name()).collect();
            return Err(Error::usage(ACTION)
                .field("refine_positions")
                .got(format!(
                    "`engine` {name}, which has no gradient of positions"
                ))
                .need(format!("`engine` {}", all.join(" or "))));
        }
        Ok(())
    }

    /// The factor on both steps in an iteration (from 0): 1, then falling as one over the iteration.
    pub fn fall(&self, iteration: usize) -> f64 {
        let whole = self.whole_steps * self.iterations as f64;
        let now = (iteration + 1) as f64;
        if now <= whole {
            1.0
        } else {
            whole.max(1.0) / now
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ptyproof_testkit::tolerance::{F64_STEPS_64, assert_close};

    #[test]
    fn a_setting_out_of_bounds_is_named() {
        for m in Method::ALL {
            Settings::new(*m, 10).check().unwrap();
        }
        let good = Settings::new(Method::Epie, 10);
        let bad = |change: fn(&mut Settings), flag: &str| {
            let mut s = good.clone();
            change(&mut s);
            let e = s.check().unwrap_err().to_string();
            assert!(e.contains(flag), "{e}");
        };
        bad(|s| s.iterations = 0, "iterations");
        bad(|s| s.object_step = f64::NAN, "object_step");
        bad(|s| s.probe_step = 0.0, "probe_step");
        bad(|s| s.regularization = 1.5, "regularization");
        bad(|s| s.batch = 0, "batch");
        bad(|s| s.momentum = -0.1, "momentum");
        let dm = |change: fn(&mut Settings)| {
            let mut s = Settings::new(Method::Dm, 5);
            change(&mut s);
            s.check()
        };
        assert!(dm(|s| s.likelihood = Likelihood::Poisson).is_err());
        assert!(dm(|s| s.refine_positions = true).is_err());
    }

    #[test]
    fn a_step_that_the_engine_does_not_read_is_refused() {
        let steps = Steps {
            batch: Some(3),
            ..Steps::default()
        };
        let with = |m| Settings::new(m, 10).with(&steps);
        assert_eq!(with(Method::Lsqml).unwrap().batch, 3);
        let e = with(Method::Dm).unwrap_err().to_string();
        assert!(
            e.contains("`batch`: got `engine` dm") && e.contains("`engine` lsqml"),
            "{e}"
        );
    }

    #[test]
    fn what_an_engine_reads_is_in_the_table_of_steps() {
        for m in Method::ALL {
            for step in engine(*m).reads {
                setting::find(Steps::TABLE, step).unwrap();
            }
        }
    }

    #[test]
    fn steps_are_whole_and_then_fall() {
        let s = Settings::new(Method::Epie, 100);
        assert_eq!((s.fall(0), s.fall(49)), (1.0, 1.0));
        assert_close!(s.fall(99), 0.5, F64_STEPS_64);
    }
}
