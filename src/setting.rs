//! A setting is described once. Flags, errors, records and the reference page are made from its description.
//!
//! [`settings!`](crate::settings) makes a struct of optional values together with the table that describes them;
//! [`named!`](crate::named) makes an enum whose variants have names in files.
//!
//! ```
//! ptyproof::settings! {
//!     /// What a propagation can be given.
//!     pub struct Propagation {
//!         distance_m: f64 {
//!             value: "METERS", unit: "m", bounds: Bounds::Positive, default: "1", since: "0.1.0",
//!             doc: "Distance from the object to the detector.",
//!         }
//!     }
//! }
//! let distance = &Propagation::TABLE[0];
//! assert_eq!((distance.name, distance.flag()), ("distance_m", "distance-m".to_owned()));
//! let refused = distance.check("propagating", f64::NAN).unwrap_err();
//! assert_eq!(refused.to_string(), "propagating: at `distance_m`: got NaN, need a finite number above 0");
//! ```

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Which values a setting can have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bounds {
    /// A whole number, at least this.
    AtLeast(u32),
    /// A number from the first to the second, both included.
    From(f64, f64),
    /// A number above the first and up to the second.
    Above(f64, f64),
    /// A number between the two, both excluded.
    Between(f64, f64),
    /// A finite number that is not negative.
    NotNegative,
    /// A finite number above 0.
    Positive,
    /// `true` or `false`.
    Switch,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Bounds that depend on other settings; checked where those are known.
    Depends(&'static str),
}

impl Bounds {
    /// Whether a number is within; always, where the bounds are not those of a number.
    pub fn hold(self, v: f64) -> bool {
        match self {
            Self::AtLeast(low) => v >= f64::from(low),
            Self::From(low, high) => (low..=high).contains(&v),
            Self::Above(low, high) => v > low && v <= high,
            Self::Between(low, high) => v > low && v < high,
            Self::NotNegative => v.is_finite() && v >= 0.0,
            Self::Positive => v.is_finite() && v > 0.0,
            Self::Switch | Self::OneOf(_) | Self::Depends(_) => true,
        }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |v: f64| match v.abs() {
            a if a != 0.0 && !(1e-3..1e6).contains(&a) => format!("{v:e}"),
            _ => v.to_string(),
        };
        match *self {
            Self::AtLeast(low) => write!(f, "at least {low}"),
            Self::From(low, high) => write!(f, "{} to {}", of(low), of(high)),
            Self::Above(low, high) => write!(f, "above {}, at most {}", of(low), of(high)),
            Self::Between(low, high) => write!(f, "above {}, below {}", of(low), of(high)),
            Self::NotNegative => f.write_str("a finite number, 0 or more"),
            Self::Positive => f.write_str("a finite number above 0"),
            Self::Switch => f.write_str("true or false"),
            Self::OneOf(words) => f.write_str(&words.join(", ")),
            Self::Depends(words) => f.write_str(words),
        }
    }
}

/// The description of a setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    /// Its name in records and errors.
    pub name: &'static str,
    /// What stands for its value in a help text.
    pub value: &'static str,
    /// Its unit; empty for a number or a word without one.
    pub unit: &'static str,
    /// Which values it can have.
    pub bounds: Bounds,
    /// What is used where it is not given, in words.
    pub default: &'static str,
    /// The first version that has it.
    pub since: &'static str,
    /// What it means, in sentences.
    pub doc: &'static str,
}

impl Setting {
    /// Its flag on the command line, without the dashes.
    pub fn flag(&self) -> String {
        flag(self.name)
    }

    /// Refuses a number out of bounds; `action` is what was being done.
    ///
    /// # Errors
    /// If the number is not within the bounds.
    pub fn check(&self, action: &str, v: f64) -> Result<()> {
        if self.bounds.hold(v) {
            return Ok(());
        }
        let got = match v.abs() {
            a if a != 0.0 && !(1e-3..1e6).contains(&a) => format!("{v:e}"),
            _ => v.to_string(),
        };
        Err(Error::usage(action)
            .field(self.name)
            .got(got)
            .need(self.bounds))
    }
}

/// The flag of a field: `reassemble_M` is `reassemble-m`.
pub fn flag(field: &str) -> String {
    field.to_lowercase().replace('_', "-")
}

/// The setting of that name in a table.
///
/// # Errors
/// If there is none: a bug.
pub fn find<'a>(table: &'a [Setting], name: &str) -> Result<&'a Setting> {
    let found = table.iter().find(|s| s.name == name);
    found.ok_or_else(|| Error::bug("looking a setting up").got(format!("`{name}`")))
}

/// A type that a setting can have.
pub trait SettingValue: FromStr<Err: fmt::Display> + Clone + Send + Sync + 'static {
    /// Whether it is true or false, so that its name alone means true.
    const SWITCH: bool = false;
}

impl SettingValue for usize {}
impl SettingValue for u32 {}
impl SettingValue for f64 {}
impl SettingValue for bool {
    const SWITCH: bool = true;
}

/// Sees every setting of a struct that [`settings!`](crate::settings) made, with its value.
pub trait SettingVisitor {
    /// Sees one.
    fn visit<T: SettingValue>(&mut self, setting: &'static Setting, value: &mut Option<T>);
}

/// An enum whose variants have a name and a meaning: see [`named!`](crate::named).
pub trait Named: Copy + FromStr<Err = Error> + Send + Sync + 'static {
    /// Every variant.
    const ALL: &'static [Self];
    /// The names, in the same order.
    const NAMES: &'static [&'static str];

    /// Its name in files.
    fn name(self) -> &'static str;

    /// What it means, as its documentation says.
    fn doc(self) -> &'static str;
}

/// The variant of that name.
///
/// # Errors
/// If there is none; `what` is what was to be chosen.
pub fn parse<T: Named>(what: &str, text: &str) -> Result<T> {
    let found = T::ALL.iter().copied().find(|v| v.name() == text);
    found.ok_or_else(|| {
        Error::usage(format!("choosing {what}"))
            .got(format!("{text:?}"))
            .need(format!("one of {}", T::NAMES.join(", ")))
    })
}

/// An enum whose variants are called by name in files, errors and on the command line; serialized as that name.
#[macro_export]
macro_rules! named {
    ($(#[$meta:meta])* $name:ident $what:literal {
        $(#[doc = $doc:literal] $(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $(#[doc = $doc] $(#[$vmeta])* #[serde(rename = $text)] $variant),+ }

        impl $crate::setting::Named for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];
            const NAMES: &'static [&'static str] = &[$($text),+];

            fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            fn doc(self) -> &'static str {
                match self { $(Self::$variant => $doc.trim_ascii()),+ }
            }
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = <Self as $crate::setting::Named>::ALL;

            /// Its name in files and on the command line.
            pub fn name(self) -> &'static str {
                $crate::setting::Named::name(self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::error::Error;

            fn from_str(text: &str) -> $crate::error::Result<Self> {
                $crate::setting::parse($what, text)
            }
        }

        impl $crate::setting::SettingValue for $name {}

        impl From<$name> for serde_json::Value {
            fn from(v: $name) -> Self {
                $crate::setting::Named::name(v).into()
            }
        }
    };
}

/// A struct of optional settings, with the table that describes them.
#[macro_export]
macro_rules! settings {
    (
        $(#[$meta:meta])* pub struct $name:ident {
            $($field:ident $(as $key:literal)? : $type:ty {
                value: $value:literal, unit: $unit:literal, bounds: $bounds:expr, default: $default:literal,
                since: $since:literal, doc: $doc:literal $(,)?
            })+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $(#[doc = $doc] #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>),+
        }

        impl $name {
            /// The description of each, in the order of the fields.
            pub const TABLE: &'static [$crate::setting::Setting] = {
                use $crate::setting::{Bounds, Setting};
                &[$(Setting {
                    name: $crate::settings!(@name $field $($key)?),
                    value: $value,
                    unit: $unit,
                    bounds: $bounds,
                    default: $default,
                    since: $since,
                    doc: $doc,
                }),+]
            };

            /// Each value, or that of `other` where there is none.
            #[must_use]
            pub fn or(&self, other: &Self) -> Self {
                Self { $($field: self.$field.clone().or_else(|| other.$field.clone())),+ }
            }

            /// Takes out the values of these names.
            #[must_use]
            pub fn take(&mut self, names: &[String]) -> Self {
                let mut taken = Self::default();
                let mut table = Self::TABLE.iter();
                $(if table.next().is_some_and(|s| names.iter().any(|n| n == s.name)) {
                    taken.$field = self.$field.take();
                })+
                taken
            }

            /// The names of those that have a value.
            pub fn given(&self) -> Vec<&'static str> {
                let given = [$(self.$field.is_some()),+];
                let named = Self::TABLE.iter().zip(given);
                named.filter_map(|(s, is)| is.then_some(s.name)).collect()
            }

            /// Shows every setting to the visitor.
            pub fn visit(&mut self, visitor: &mut impl $crate::setting::SettingVisitor) {
                let mut table = Self::TABLE.iter();
                $(if let Some(setting) = table.next() {
                    visitor.visit(setting, &mut self.$field);
                })+
            }
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $key:literal) => { $key };
}

#[cfg(test)]
mod tests {
    use super::*;

    named! {
        /// A test's own.
        Color "the color" {
            /// Like the sky.
            Blue = "blue",
            /// Like grass.
            Green = "green",
        }
    }

    #[test]
    fn bounds_exclude_what_is_not_a_number() {
        for bounds in [
            Bounds::AtLeast(0),
            Bounds::From(0.0, 1.0),
            Bounds::Above(0.0, 1.0),
            Bounds::Between(0.0, 1.0),
            Bounds::NotNegative,
            Bounds::Positive,
        ] {
            assert!(!bounds.hold(f64::NAN), "{bounds}");
            assert!(!bounds.hold(-1.0), "{bounds}");
            assert!(bounds.hold(0.5) || bounds == Bounds::AtLeast(1), "{bounds}");
        }
        assert!(!Bounds::Above(0.0, 1.0).hold(0.0) && Bounds::Above(0.0, 1.0).hold(1.0));
        assert!(!Bounds::Between(0.0, 1.0).hold(1.0) && Bounds::From(0.0, 1.0).hold(1.0));
        assert!(!Bounds::Positive.hold(f64::INFINITY) && !Bounds::Positive.hold(0.0));
    }

    #[test]
    fn a_name_and_its_variant_are_one() {
        for &c in Color::ALL {
            assert_eq!(c.name().parse::<Color>().unwrap(), c);
            assert_eq!(serde_json::to_value(c).unwrap(), c.name());
        }
        assert_eq!(Named::doc(Color::Green), "Like grass.");
        let e = "red".parse::<Color>().unwrap_err().to_string();
        assert_eq!(
            e,
            "choosing the color: got \"red\", need one of blue, green"
        );
    }
}
