//! Normalization domains are types: arrays of different domains do not mix.
//!
//! | domain | unit | where |
//! |---|---|---|
//! | [`Counts`] | photons per pixel | expected intensity, photon counts |
//! | [`CountAmplitude`] | sqrt(photons) | square root of ideal counts |
//! | [`Raw`] | arbitrary amplitude | as stored in a file; for simulated data sqrt(photons) / s_sim |
//! | [`Normalized`] | amplitude, mean over patterns of the sum of squares = (N/2)^2 | input of the layers |
//! | [`Model`] | sqrt(photons) at the nominal dose | network input and label, s times [`Normalized`] |
//!
//! *Source.* Reference description, section e.
//!
//! Adding one domain to another does not compile:
//!
//! ```compile_fail,E0308
//! use ndarray::Array3;
//! use ptyproof::io::domain::{CountAmplitude, Counts, Patterns};
//! let counts = Patterns::<Counts>::new(Array3::zeros((1, 4, 4)));
//! let amplitude: Patterns<CountAmplitude> = counts; // error[E0308]: mismatched types
//! ```

use std::fmt;
use std::marker::PhantomData;

use ndarray::{Array3, Array4};

/// A normalization domain: what one unit of a stored value means.
pub trait Domain: fmt::Debug + Copy + Send + Sync + 'static {
    /// The domain's name in messages and metadata.
    const NAME: &'static str;
    /// The unit of a value.
    const UNIT: &'static str;
}

macro_rules! domain {
    ($(#[$doc:meta])* $name:ident, $text:literal, $unit:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {}
        impl Domain for $name {
            const NAME: &'static str = $text;
            const UNIT: &'static str = $unit;
        }
    };
}

domain!(
    /// Photons per pixel: an expected intensity or a draw of the detector.
    Counts, "counts", "photon"
);
domain!(
    /// The square root of photons per pixel.
    CountAmplitude, "count amplitude", "photon^0.5"
);
domain!(
    /// Amplitude as a file holds it, in whatever unit its writer chose.
    Raw, "raw amplitude", "arbitrary"
);
domain!(
    /// Amplitude with a mean (over patterns) sum of squares of `(N/2)^2`.
    Normalized, "normalized amplitude", "1"
);
domain!(
    /// Amplitude at the nominal dose: the network's input and label.
    Model, "model amplitude", "photon^0.5"
);

/// Patterns of one domain, `[pattern, row, col]`, float32, DC at `[N/2, N/2]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Patterns<D: Domain> {
    values: Array3<f32>,
    domain: PhantomData<D>,
}

impl<D: Domain> Patterns<D> {
    /// Declares that `values` are of domain `D`. The only place where a domain is claimed, not kept.
    pub fn new(values: Array3<f32>) -> Self {
        Self {
            values,
            domain: PhantomData,
        }
    }

    /// The values, `[pattern, row, col]`.
    pub fn values(&self) -> &Array3<f32> {
        &self.values
    }

    /// Gives the values back.
    pub fn into_values(self) -> Array3<f32> {
        self.values
    }

    /// The number of patterns.
    pub fn len(&self) -> usize {
        self.values.dim().0
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Grouped patterns of one domain, `[group, row, col, channel]`, float32.
#[derive(Debug, Clone, PartialEq)]
pub struct Groups<D: Domain> {
    values: Array4<f32>,
    domain: PhantomData<D>,
}

impl<D: Domain> Groups<D> {
    /// Declares that `values` are of domain `D`.
    pub fn new(values: Array4<f32>) -> Self {
        Self {
            values,
            domain: PhantomData,
        }
    }

    /// The values, `[group, row, col, channel]`.
    pub fn values(&self) -> &Array4<f32> {
        &self.values
    }

    /// Gives the values back.
    pub fn into_values(self) -> Array4<f32> {
        self.values
    }

    /// The number of groups.
    pub fn len(&self) -> usize {
        self.values.dim().0
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A factor that takes domain `A` to domain `B`, and the data set that it was computed from.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale<A: Domain, B: Domain> {
    factor: f64,
    origin: String,
    domains: PhantomData<(A, B)>,
}

impl<A: Domain, B: Domain> Scale<A, B> {
    /// The factor `b = factor * a`, computed from the data set called `origin`.
    ///
    /// # Errors
    /// Unless `factor` is finite and greater than zero.
    pub fn new(factor: f64, origin: impl Into<String>) -> crate::error::Result<Self> {
        let origin = origin.into();
        if factor.is_finite() && factor > 0.0 {
            Ok(Self {
                factor,
                origin,
                domains: PhantomData,
            })
        } else {
            Err(
                crate::error::Error::input(format!("scaling {} to {}", A::NAME, B::NAME))
                    .at(origin)
                    .because_of(factor)
                    .got(format!("a factor of {factor}"))
                    .need("a finite factor above zero"),
            )
        }
    }

    /// The factor, `b = factor * a`.
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// The data set the factor was computed from.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Patterns of domain `A` in domain `B`.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "values are stored as float32"
    )]
    pub fn apply(&self, patterns: &Patterns<A>) -> Patterns<B> {
        let k = self.factor as f32;
        Patterns::new(patterns.values.mapv(|v| v * k))
    }

    /// Groups of domain `A` in domain `B`, in the same memory.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "values are stored as float32"
    )]
    pub fn apply_groups(&self, mut groups: Groups<A>) -> Groups<B> {
        let k = self.factor as f32;
        groups.values.mapv_inplace(|v| v * k);
        Groups::new(groups.values)
    }

    /// The way back.
    pub fn inverse(&self) -> Scale<B, A> {
        Scale {
            factor: 1.0 / self.factor,
            origin: self.origin.clone(),
            domains: PhantomData,
        }
    }
}
