//! What a reconstruction is told.

use serde::Serialize;

use crate::error::{Error, Result};

/// Which engine: see [`super`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Extended ptychographical iterative engine.
    Epie,
    /// Regularised PIE.
    Rpie,
    /// Difference map.
    Dm,
    /// Relaxed averaged alternating reflections.
    Raar,
    /// Least squares, maximum likelihood.
    Lsqml,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Epie, Self::Rpie, Self::Dm, Self::Raar, Self::Lsqml];

    /// Its name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Epie => "epie",
            Self::Rpie => "rpie",
            Self::Dm => "dm",
            Self::Raar => "raar",
            Self::Lsqml => "lsqml",
        }
    }
}

/// What is minimised on the detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Likelihood {
    /// `sum (|F| - A)^2`: the projection onto the measured modulus.
    Amplitude,
    /// `sum |F|^2 - A^2 ln |F|^2`: photon noise.
    Poisson,
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

impl Settings {
    /// What works for most data, for a method.
    pub fn new(method: Method, iterations: usize) -> Self {
        Self {
            method,
            iterations,
            seed: 1,
            batch: 50,
            object_step: 1.0,
            // a whole step of both overshoots where every pixel has a divisor of its own: on measured data the
            // probe's power then grows from iteration to iteration
            probe_step: match method {
                Method::Rpie => 0.3,
                _ => 1.0,
            },
            probe_from: match method {
                Method::Dm | Method::Raar => 2,
                _ => 0,
            },
            regularization: match method {
                Method::Lsqml => 0.6,
                _ => 0.3,
            },
            relaxation: match method {
                Method::Raar => 0.75,
                _ => 1.0,
            },
            momentum: 0.5,
            whole_steps: 0.5,
            likelihood: Likelihood::Amplitude,
            refine_positions: false,
        }
    }

    /// Checks every number.
    ///
    /// # Errors
    /// Naming the first that cannot be.
    pub fn check(&self) -> Result<()> {
        let refuse = |flag: &str, got: String, need: &str| {
            Err(Error::usage("setting up the reconstruction")
                .at(flag)
                .got(got)
                .need(need))
        };
        if self.iterations == 0 {
            return refuse("--iterations", "0".into(), "at least 1");
        }
        if self.batch == 0 {
            return refuse("--batch", "0".into(), "at least 1");
        }
        for (flag, v, most) in [
            ("--object-step", self.object_step, 2.0),
            ("--probe-step", self.probe_step, 2.0),
            ("--regularization", self.regularization, 1.0),
            ("--relaxation", self.relaxation, 1.0),
        ] {
            if !(v > 0.0 && v <= most) {
                return refuse(flag, v.to_string(), &format!("above 0, at most {most}"));
            }
        }
        for (flag, v) in [
            ("--momentum", self.momentum),
            ("--whole-steps", self.whole_steps),
        ] {
            if !(0.0..=1.0).contains(&v) {
                return refuse(flag, v.to_string(), "0 to 1");
            }
        }
        if self.likelihood == Likelihood::Poisson
            && matches!(self.method, Method::Dm | Method::Raar)
        {
            let need = "amplitude: a projection engine has no likelihood";
            return refuse("--likelihood", "poisson".into(), need);
        }
        if self.refine_positions && matches!(self.method, Method::Dm | Method::Raar) {
            let need = "epie, rpie or lsqml: a projection engine has no gradient of positions";
            return refuse("--refine-positions", self.method.name().into(), need);
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

    #[test]
    fn settings_that_cannot_be_are_named_by_their_flag() {
        for m in Method::ALL {
            Settings::new(m, 10).check().unwrap();
        }
        let good = Settings::new(Method::Epie, 10);
        let bad = |change: fn(&mut Settings), flag: &str| {
            let mut s = good.clone();
            change(&mut s);
            let e = s.check().unwrap_err().to_string();
            assert!(e.contains(flag), "{e}");
        };
        bad(|s| s.iterations = 0, "--iterations");
        bad(|s| s.object_step = f64::NAN, "--object-step");
        bad(|s| s.probe_step = 0.0, "--probe-step");
        bad(|s| s.regularization = 1.5, "--regularization");
        bad(|s| s.batch = 0, "--batch");
        bad(|s| s.momentum = -0.1, "--momentum");
        let dm = |change: fn(&mut Settings)| {
            let mut s = Settings::new(Method::Dm, 5);
            change(&mut s);
            s.check()
        };
        assert!(dm(|s| s.likelihood = Likelihood::Poisson).is_err());
        assert!(dm(|s| s.refine_positions = true).is_err());
    }

    #[test]
    fn steps_are_whole_and_then_fall() {
        let s = Settings::new(Method::Epie, 100);
        assert_eq!((s.fall(0), s.fall(49)), (1.0, 1.0));
        assert!((s.fall(99) - 0.5).abs() < 1e-12);
    }
}
