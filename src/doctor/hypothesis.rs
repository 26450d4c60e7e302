//! A hypothesis: orientation of the positions, place of DC, and unit of the values.

use std::fmt;

use serde::Serialize;

use super::orientation::Orientation;

/// Where the detector has DC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Center {
    /// Where it was declared to be.
    Declared,
    /// Half a detector away from there, along both axes: in the corner if the middle was declared.
    Other,
}

/// The power that turns the declared amplitude into the true one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// Nothing.
    Declared,
    /// Its root is to be taken: counts were declared amplitude.
    Root,
    /// It is to be squared: amplitude was declared counts.
    Square,
}

impl Power {
    /// All three, the declared one first.
    pub const ALL: [Self; 3] = [Self::Declared, Self::Root, Self::Square];

    /// `k`, where the amplitude is the declared one to the power of `2^k`.
    pub(super) fn exponent(self) -> i32 {
        match self {
            Self::Declared => 0,
            Self::Root => -1,
            Self::Square => 1,
        }
    }

    /// The amplitude in place of a declared one.
    pub fn apply(self, declared: f32) -> f32 {
        match self {
            Self::Declared => declared,
            Self::Root => declared.sqrt(),
            Self::Square => declared * declared,
        }
    }
}

/// A reading of the data; the positions in the detector's axes are `orientation` of those declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Hypothesis {
    /// Of the positions.
    pub orientation: Orientation,
    /// Of the detector.
    #[serde(rename = "centre")]
    pub center: Center,
    /// Of a value.
    pub power: Power,
}

impl Hypothesis {
    /// Everything is as declared.
    pub const DECLARED: Self = Self {
        orientation: Orientation::IDENTITY,
        center: Center::Declared,
        power: Power::Declared,
    };

    /// All 48.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::with_capacity(48);
        for power in Power::ALL {
            for center in [Center::Declared, Center::Other] {
                for orientation in Orientation::ALL {
                    all.push(Self {
                        orientation,
                        center,
                        power,
                    });
                }
            }
        }
        all
    }
}

impl fmt::Display for Hypothesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let center = match self.center {
            Center::Declared => "DC as declared",
            Center::Other => "DC off by half the detector",
        };
        let power = match self.power {
            Power::Declared => "A",
            Power::Root => "sqrt A",
            Power::Square => "A^2",
        };
        write!(f, "{}, {center}, {power}", self.orientation)
    }
}
