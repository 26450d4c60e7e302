//! What makes a fair comparison of network and engine on one data set: who trains for how long, on what, with whose probe.
//!
//! Where nobody says otherwise the network sees every position, so that there is an area to compare; it trains long enough to
//! have learned; and it has the probe that the engine refined, because a network needs it right and an engine does not.

use std::path::{Path, PathBuf};

use super::job::{Job, NumericsChoice, Phases};
use super::reconstruct;
use super::request::Request;
use crate::scenario::{Overrides, ProbeMode, Splitting};
use ptyproof::error::{Error, Result};
use ptyproof::io::formats::ReadOptions;
use ptyproof::score::network_vs_engine::ProbeOf;
use ptyproof::solve::Method;

const ACTION: &str = "comparing network and engine";
/// Epochs of the network: at five it has only begun.
pub const EPOCHS: usize = 40;
/// Groups per step with measured data: many small steps learn more in the same time than few large ones.
pub const BATCH: usize = 4;
/// Side of a group with data and no scenario: patterns that share an object settle what one alone leaves open.
pub const GRIDSIZE: usize = 2;
/// Share of a pattern's side that is stitched, with data and no scenario: groups are drawn, so that smaller patches leave holes
/// between them.
pub const STITCHED: (usize, usize) = (3, 8);

ptyproof::named! {
    /// Whose probe the network gets.
    NetworkProbe "the network's probe" {
        /// As the engine has refined it; where that has several modes, by a second run with one.
        Engine = "engine",
        /// That of the file or the scenario.
        File = "file",
    }
}

/// What is asked of a comparison.
#[derive(Debug, Clone)]
pub struct CompareRequest {
    /// Measured or earlier simulated data; none where the scenario is simulated.
    pub data: Option<PathBuf>,
    /// The scenario; none where the data file makes one by itself.
    pub scenario: Option<String>,
    /// What the data file does not say.
    pub reading: ReadOptions,
    /// Which engine.
    pub engine: Method,
    /// Its iterations.
    pub iterations: usize,
    /// Incoherent modes of its probe.
    pub modes: Option<usize>,
    /// Whose probe the network gets; none: the engine's for data, the file's where one is named or simulated.
    pub network_probe: Option<NetworkProbe>,
    /// A file with a probe.
    pub custom_probe: Option<PathBuf>,
    /// Which numerics of the network.
    pub numerics: NumericsChoice,
    /// Which global phases its objects get; none: overlaps, or own with the reference's numerics.
    pub phase_sync: Option<Phases>,
    /// Seed of both.
    pub seed: u64,
    /// What a person put in place of the scenario's values.
    pub overrides: Overrides,
}

/// A comparison that can be made.
#[derive(Debug)]
pub struct Plan {
    /// What is asked of the network.
    pub network: Request,
    /// The network's request with its files read.
    pub job: Job,
    /// Whose probe the network gets.
    pub network_probe: NetworkProbe,
}

impl CompareRequest {
    /// Settles who does what; nothing is written yet.
    ///
    /// # Errors
    /// If the request contradicts itself, or a value breaks a bound.
    pub fn plan(&self) -> Result<Plan> {
        let network_probe = self.whose_probe()?;
        let mut network = self.network();
        network.check()?;
        // with one group and one stitched pixel, what is refused is what the data are
        let mut least = network.clone();
        if least.overrides.group_multiplier.is_none() {
            least.chosen.group_count = Some(1);
        }
        least.chosen.reassemble_m = Some(1);
        network.chosen = self.fair(&least.read()?).or(&network.chosen);
        Ok(Plan {
            job: network.read()?,
            network,
            network_probe,
        })
    }

    /// What is asked of the engine, on these data.
    pub fn engine(&self, data: &Path, modes: Option<usize>) -> reconstruct::Request {
        reconstruct::Request {
            reading: self.reading,
            modes,
            seed: self.seed,
            ..reconstruct::Request::new(data, self.engine, self.iterations)
        }
    }

    /// Whose probe the network has, where it is not the engine's.
    pub fn probe_of_file(&self) -> ProbeOf {
        match (&self.custom_probe, &self.data) {
            (Some(_), Some(_)) => ProbeOf::Custom,
            (_, Some(_)) if self.overrides.probe_mode.is_some() => ProbeOf::Scenario,
            _ => ProbeOf::Given,
        }
    }

    fn network(&self) -> Request {
        let phases = match self.numerics {
            NumericsChoice::Guarded => Phases::Overlaps,
            NumericsChoice::Reference => Phases::Own,
        };
        // a share of halves that was typed is a split that was typed
        let split = self.overrides.split_fraction.is_none();
        Request {
            scenario: self.scenario.clone(),
            data: self.data.clone(),
            reading: self.reading,
            custom_probe: self.custom_probe.clone(),
            numerics: self.numerics,
            phase_sync: self.phase_sync.unwrap_or(phases),
            seed: self.seed,
            overrides: self.overrides.clone(),
            chosen: Overrides {
                split: split.then_some(Splitting::None),
                ..Overrides::default()
            },
            ..Request::default()
        }
    }

    /// Every position seen, and steps enough to have learned.
    fn fair(&self, job: &Job) -> Overrides {
        let s = &job.scenario;
        let all = s.train_count.min(s.test_count);
        let by_itself = self.data.is_some() && self.scenario.is_none();
        // a group's members are its first position and others of its neighbors
        let others = GRIDSIZE * GRIDSIZE - 1;
        let sharing = by_itself && (others..all).contains(&s.neighbor_count);
        let factor = self.overrides.group_multiplier.is_some();
        Overrides {
            nepochs: Some(EPOCHS),
            batch_size: self.data.is_some().then_some(BATCH),
            group_count: (!factor).then_some(all),
            group_limit: Some(all),
            gridsize: sharing.then_some(GRIDSIZE),
            reassemble_m: by_itself.then_some(s.n.get() * STITCHED.0 / STITCHED.1),
            ..Overrides::default()
        }
    }

    fn whose_probe(&self) -> Result<NetworkProbe> {
        let named = self.overrides.probe_mode.is_some() || self.custom_probe.is_some();
        let refuse = |got: &str, help: &str| {
            Err(Error::usage(ACTION)
                .at("`network_probe` engine")
                .got(got)
                .need("`data`, and no `probe_mode` or `custom_probe`")
                .help(help))
        };
        match (self.network_probe, &self.data) {
            (Some(NetworkProbe::Engine), None) => refuse(
                "a simulation, whose probe is known",
                "leave it out; or compare `data` with the NPZ that a comparison of the scenario leaves",
            ),
            (Some(NetworkProbe::Engine), Some(_)) if named => refuse(
                "a `probe_mode` or `custom_probe` as well",
                "one of the two decides",
            ),
            (Some(probe), _) => Ok(probe),
            (None, Some(_)) if !named => Ok(NetworkProbe::Engine),
            (None, _) => Ok(NetworkProbe::File),
        }
    }
}

impl Plan {
    /// Gives the network the probe in a file: as it is, neither idealized nor masked, unless a person asked for that.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn give_probe(&mut self, path: PathBuf) -> Result<()> {
        self.network.custom_probe = Some(path);
        let chosen = &mut self.network.chosen;
        (chosen.probe_mode, chosen.probe_mask) = (Some(ProbeMode::Custom), Some(false));
        self.job = self.network.read()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> CompareRequest {
        CompareRequest {
            data: None,
            scenario: Some("gs2_ideal".into()),
            reading: ReadOptions::default(),
            engine: Method::Rpie,
            iterations: 10,
            modes: None,
            network_probe: None,
            custom_probe: None,
            numerics: NumericsChoice::Guarded,
            phase_sync: None,
            seed: 1,
            overrides: Overrides::default(),
        }
    }

    #[test]
    fn every_position_is_trained_on_and_inferred_unless_halves_are_asked_for() {
        let plan = asked().plan().unwrap();
        let s = &plan.job.scenario;
        assert_eq!(
            (s.nepochs, s.group_count, s.group_limit),
            (EPOCHS, 1024, 1024)
        );
        assert_eq!(s.split, Splitting::None);
        assert_eq!(plan.network_probe, NetworkProbe::File);
        let mut halves = asked();
        halves.overrides.split_fraction = Some(0.25);
        let plan = halves.plan().unwrap();
        let s = &plan.job.scenario;
        assert_eq!((s.split, s.group_count), (Splitting::Halves, 256));
    }

    #[test]
    fn what_a_person_typed_is_kept() {
        let mut typed = asked();
        typed.overrides.nepochs = Some(3);
        typed.overrides.group_multiplier = Some(2);
        let plan = typed.plan().unwrap();
        assert_eq!(plan.job.scenario.nepochs, 3);
        assert_eq!(plan.job.scenario.group_count, 256);
        assert!(!plan.network.chosen.given().contains(&"group_count"));
    }

    #[test]
    fn the_engines_probe_is_for_data_alone() {
        let mut of_simulation = asked();
        of_simulation.network_probe = Some(NetworkProbe::Engine);
        let e = of_simulation.plan().unwrap_err().to_string();
        assert!(e.contains("a simulation, whose probe is known"), "{e}");
    }
}
