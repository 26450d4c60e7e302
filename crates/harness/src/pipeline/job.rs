//! A request with its files read and its scenario settled: all that a run computes from, and what of it a checkpoint must
//! agree with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ndarray::Array2;
use num_complex::Complex32;
use serde_json::{Value, json};

use crate::scenario::{Scenario, Splitting};
use ptyproof::error::{Error, Result};
use ptyproof::hub::file::digest_text;
use ptyproof::io::npz::DataFile;
use ptyproof_pinn::training::schedule::{LEARNING_RATE, Schedule, ScheduleKind};
use ptyproof_pinn::training::train::Validation;

ptyproof::named! {
    /// Which numerics a run uses: see [`ptyproof_pinn::physics::object`].
    #[derive(Default)]
    NumericsChoice "the numerics" {
        /// Loss and gradient are finite for every finite input.
        #[default]
        Guarded = "guarded",
        /// The arithmetic of the reference program of January 2026.
        Reference = "reference",
    }
}

impl NumericsChoice {
    /// How the network learns.
    ///
    /// The reference's 1e-3 kills most rectifiers of the `guarded` network in its first thirty steps (118 of 128 in the
    /// first layer of the amplitude's decoder), and what is left gives one object for every pattern. A third of it does
    /// not, and learns the object.
    pub fn schedule(self) -> Schedule {
        match self {
            Self::Guarded => Schedule::new(ScheduleKind::Cosine, 3e-4),
            Self::Reference => Schedule::new(ScheduleKind::Plateau, LEARNING_RATE),
        }
    }

    /// What a checkpoint has to agree with: the name, and with it all that it stands for. It changes with any of that.
    fn learns(self) -> &'static str {
        match self {
            Self::Guarded => "guarded: corrected descents, cosine",
            Self::Reference => "reference",
        }
    }
}

/// Everything that decides what a run computes.
#[derive(Debug)]
pub struct Job {
    /// The scenario, with profile and overrides settled.
    pub scenario: Scenario,
    /// Which numerics.
    pub numerics: NumericsChoice,
    /// Seed of weights, shuffling and photon noise.
    pub seed: u64,
    /// Measured or earlier simulated data instead of a simulation.
    pub data: Option<DataFile>,
    /// A probe of one's own.
    pub probe: Option<Array2<Complex32>>,
    /// An object of one's own to simulate with.
    pub object: Option<Array2<Complex32>>,
    /// Whether the object gets a phase made from its amplitude.
    pub object_phase: bool,
    /// Which global phases the inferred objects get, before they are stitched.
    pub phases: Phases,
    /// Digests of the files handed in, by the field of the request.
    pub digests: BTreeMap<String, String>,
    /// A checkpoint to go on from.
    pub resume: Option<PathBuf>,
}

ptyproof::named! {
    /// Which global phase an inferred object gets: the patterns do not determine it.
    #[derive(Default)]
    Phases "the global phases" {
        /// Each object keeps the phase gauge of the numerics.
        #[default]
        Own = "own",
        /// Overlapping objects are synchronized ([`mod@ptyproof::assemble::phase_sync`]); all are in memory then.
        Overlaps = "overlaps",
    }
}

impl Job {
    /// A simulated scenario, with nothing of one's own.
    pub fn new(scenario: Scenario, numerics: NumericsChoice, seed: u64) -> Self {
        Self {
            scenario,
            numerics,
            seed,
            data: None,
            probe: None,
            object: None,
            object_phase: false,
            phases: Phases::Own,
            digests: BTreeMap::new(),
            resume: None,
        }
    }

    /// Which groups a training holds out: none where nothing is split, for all of them are to be explained.
    pub fn validation(&self) -> Validation {
        match self.scenario.split {
            Splitting::Halves => Validation::HeldOut,
            Splitting::None => Validation::Seen,
        }
    }

    /// All that a checkpoint must agree with: everything but the number of epochs and what comes
    /// after training.
    ///
    /// # Errors
    /// Never for a valid scenario.
    pub fn configuration(&self) -> Result<Value> {
        let mut settings = serde_json::to_value(self.scenario.settings())
            .map_err(|e| Error::bug("hashing the configuration").because(e))?;
        if let Value::Object(fields) = &mut settings {
            for later in ["nepochs", "group_limit", "amp_vmax", "reassemble_M", "name"] {
                fields.remove(later);
            }
            if self.scenario.split == Splitting::None {
                fields.remove("split_fraction");
            }
        }
        Ok(json!({
            "settings": settings,
            "numerics": self.numerics.learns(),
            "seed": self.seed,
            "files": self.digests,
            "object_phase": self.object_phase,
        }))
    }

    /// SHA-256 of [`Job::configuration`] as JSON with sorted keys and no spaces.
    ///
    /// # Errors
    /// Never for a valid scenario.
    pub fn training_hash(&self) -> Result<String> {
        Ok(digest_text(&self.configuration()?.to_string()))
    }
}
