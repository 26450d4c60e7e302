//! Tolerances of a comparison: a file that is written by hand, or derived from two good runs.
//!
//! *Conventions.* A rule names a file of the hub and a place in it; the first matching rule applies. A place is a dotted
//! path with `[k]` for entries; `*` matches any one name or entry, a final `**` matches the rest. Numbers agree if they
//! differ by at most `absolute + relative max(|a|, |b|)`, or by at most `ulps` steps of float64, or, where a `band` is
//! given, if both are inside it. The comparison is symmetric.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::json::{self, Real};

/// The version of the schema of [`Tolerances`].
pub const SCHEMA: &str = "ptyproof.tolerances/1";

/// A tolerance file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerances {
    /// [`SCHEMA`].
    pub schema: String,
    /// Purpose of the file.
    #[serde(default)]
    pub about: String,
    /// For numbers without a rule.
    pub numbers: Allowed,
    /// The largest relative rms between reconstructions after alignment.
    pub image_rms: Real,
    /// Whether numbers may be not finite exactly where those of the golden are, and of equal kind.
    #[serde(default, skip_serializing_if = "is_false")]
    pub nan_as_golden: bool,
    /// The exceptions.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// A difference that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// Absolute.
    #[serde(default)]
    pub absolute: Real,
    /// Relative to the larger of both.
    #[serde(default)]
    pub relative: Real,
    /// Steps of float64.
    #[serde(default)]
    pub ulps: u64,
}

/// The rule of some places.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The file, relative to the hub; `*` for any.
    pub file: String,
    /// The place in it.
    pub place: String,
    /// A difference that is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Allowed>,
    /// The interval of both: an acceptance band over seeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<[Real; 2]>,
    /// Whether the place is not compared at all.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore: bool,
    /// Why.
    pub reason: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde asks for"
)]
fn is_false(v: &bool) -> bool {
    !*v
}

impl Default for Tolerances {
    /// Two runs of this program: bit-identical with equal mathematical libraries.
    fn default() -> Self {
        Self {
            schema: SCHEMA.into(),
            about: "two runs of this program with the same settings".into(),
            numbers: Allowed {
                absolute: Real(1e-12),
                relative: Real(1e-6),
                ulps: 4,
            },
            image_rms: Real(1e-5),
            nan_as_golden: false,
            rules: Vec::new(),
        }
    }
}

impl Tolerances {
    /// Reads a tolerance file.
    ///
    /// # Errors
    /// If it cannot be read, or allows what no number can be.
    pub fn read(path: &Path) -> Result<Self> {
        let action = "reading tolerances";
        let io = |e| Error::input(action).at(path.display()).because(e);
        Self::from_text(&std::fs::read_to_string(path).map_err(io)?)
            .map_err(|e| Error::input(action).at(path.display()).because(e))
    }

    /// The tolerances of a text.
    ///
    /// # Errors
    /// As [`Tolerances::read`].
    pub fn from_text(text: &str) -> Result<Self> {
        let t: Self = json::from_text(text)?;
        if t.schema != SCHEMA {
            return Err(Error::input("reading tolerances")
                .got(format!("schema {:?}", t.schema))
                .need(SCHEMA));
        }
        let each = t.rules.iter().filter_map(|r| r.allowed).chain([t.numbers]);
        let mut bounds: Vec<Real> = each.flat_map(|a| [a.absolute, a.relative]).collect();
        bounds.push(t.image_rms);
        if let Some(bad) = bounds
            .iter()
            .find(|b| !b.get().is_finite() || b.get() < 0.0)
        {
            return Err(Error::input("reading tolerances")
                .got(format!("a tolerance of {}", bad.get()))
                .need("a finite number, 0 or more"));
        }
        if let Some(r) = t.rules.iter().find(|r| !r.says_one_thing()) {
            return Err(Error::input("reading tolerances")
                .at(format!("the rule of {}, {}", r.file, r.place))
                .got("none or several of `allowed`, `band` and `ignore`")
                .need("exactly one of them"));
        }
        let bands = || t.rules.iter().filter_map(|r| r.band);
        let backwards = |[low, high]: &[Real; 2]| {
            low.get().is_nan() || high.get().is_nan() || low.get() > high.get()
        };
        if let Some([low, high]) = bands().find(backwards) {
            return Err(Error::input("reading tolerances")
                .got(format!("a band from {} to {}", low.get(), high.get()))
                .need("the lower bound first"));
        }
        Ok(t)
    }

    /// The first rule for a place.
    pub fn rule(&self, file: &str, place: &[Step]) -> Option<&Rule> {
        self.rules.iter().find(|r| r.means(file, place))
    }
}

impl Rule {
    fn says_one_thing(&self) -> bool {
        usize::from(self.allowed.is_some())
            + usize::from(self.band.is_some())
            + usize::from(self.ignore)
            == 1
    }

    /// Whether a place of a file is one of those that the rule means.
    pub fn means(&self, file: &str, place: &[Step]) -> bool {
        (self.file == "*" || self.file == file) && fits(&self.place, place)
    }
}

impl Allowed {
    /// The difference of two finite numbers in units of the allowed difference; at most 1 agrees.
    pub fn excess(&self, a: f64, b: f64) -> f64 {
        let d = (a - b).abs();
        let most = self.absolute.get() + self.relative.get() * a.abs().max(b.abs());
        if d <= most || ulps(a, b) <= self.ulps {
            return if most > 0.0 { (d / most).min(1.0) } else { 0.0 };
        }
        if most > 0.0 { d / most } else { f64::INFINITY }
    }
}

/// Steps of float64 between two finite numbers.
fn ulps(a: f64, b: f64) -> u64 {
    // in this order of the bits neighbors are neighbors, across zero too
    let order = |v: f64| {
        let bits = v.to_bits().cast_signed();
        if bits < 0 {
            i64::MIN.wrapping_sub(bits)
        } else {
            bits
        }
    };
    order(a).abs_diff(order(b))
}

/// A step into a JSON value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Of an object.
    Name(String),
    /// Of an array.
    Entry(usize),
}

/// A place as people write it; entries as `[*]` if `general`.
pub fn written(place: &[Step], general: bool) -> String {
    let mut out = String::new();
    for step in place {
        match step {
            Step::Name(n) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(n);
            }
            Step::Entry(_) if general => out.push_str("[*]"),
            Step::Entry(k) => out.push_str(&format!("[{k}]")),
        }
    }
    out
}

/// Whether a place is one of those that a pattern means. Names may hold dots themselves, as those of layers do.
fn fits(pattern: &str, place: &[Step]) -> bool {
    let rest = pattern.strip_prefix('.').unwrap_or(pattern);
    if rest == "**" {
        return true;
    }
    let Some((step, after)) = place.split_first() else {
        return rest.is_empty();
    };
    // a step ends where the next begins
    let then = |rest: Option<&str>| {
        rest.is_some_and(|r| (r.is_empty() || r.starts_with(['.', '['])) && fits(r, after))
    };
    let named = match step {
        Step::Name(n) => then(rest.strip_prefix(n.as_str())),
        Step::Entry(k) => {
            then(rest.strip_prefix("[*]")) || then(rest.strip_prefix(&format!("[{k}]")))
        }
    };
    named || then(rest.strip_prefix('*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &[&str]) -> Vec<Step> {
        let step = |w: &&str| {
            w.parse()
                .map_or_else(|_| Step::Name((*w).into()), Step::Entry)
        };
        text.iter().map(step).collect()
    }

    #[test]
    fn path_patterns_match() {
        let p = place(&["metrics", "loss", "3", "value"]);
        assert_eq!(written(&p, false), "metrics.loss[3].value");
        assert_eq!(written(&p, true), "metrics.loss[*].value");
        for yes in [
            "metrics.loss[3].value",
            "metrics.*[*].value",
            "metrics.**",
            "**",
            "*.*.*.*",
        ] {
            assert!(fits(yes, &p), "{yes}");
        }
        for no in [
            "metrics.loss",
            "metrics.loss[2].value",
            "metrics.*",
            "",
            "loss.**",
        ] {
            assert!(!fits(no, &p), "{no}");
        }
    }

    #[test]
    fn dotted_names_match() {
        let p = [
            Step::Name("dead_units".into()),
            Step::Name("encoder.conv1".into()),
            Step::Name("dead".into()),
            Step::Entry(2),
        ];
        for pattern in [
            "dead_units.encoder.conv1.dead[*]",
            "dead_units.*.dead[2]",
            "dead_units.**",
        ] {
            assert!(fits(pattern, &p), "{pattern}");
        }
        assert!(fits(&written(&p, true), &p));
        for pattern in [
            "dead_units.encoder.conv",
            "dead_units.*.*.dead[2]",
            "dead_units.encoder.*",
        ] {
            assert!(!fits(pattern, &p), "{pattern}");
        }
    }

    #[test]
    fn rule_has_exactly_one_kind() {
        let with = |fields: &str| {
            let good = json::to_text(&Tolerances::default()).unwrap();
            let rule = format!(r#""rules": [{{"file":"a","place":"b",{fields}"reason":"c"}}]"#);
            Tolerances::from_text(&good.replace("\"rules\": []", &rule))
        };
        assert!(
            with("")
                .unwrap_err()
                .to_string()
                .contains("exactly one of them")
        );
        assert!(with(r#""ignore":true,"band":[0,1],"#).is_err());
        assert!(with(r#""ignore":true,"#).is_ok() && with(r#""band":[0,1],"#).is_ok());
    }

    #[test]
    fn smallest_excess_exceeds_the_tolerance() {
        let exact = Allowed {
            absolute: Real(0.0),
            relative: Real(0.0),
            ulps: 1,
        };
        assert!(exact.excess(1.0, 1.0f64.next_up()) <= 1.0);
        assert!(exact.excess(1.0, 1.0f64.next_up().next_up()) > 1.0);
        assert!(exact.excess(0.0, -0.0) <= 1.0);
        assert!(exact.excess(-0.0f64.next_up(), 0.0) <= 1.0);
        let tenth = Allowed {
            absolute: Real(0.1),
            relative: Real(0.0),
            ulps: 0,
        };
        assert!(tenth.excess(0.0, 0.1) <= 1.0 && tenth.excess(0.0, 0.1f64.next_up()) > 1.0);
        assert_eq!(ulps(f64::MAX, f64::MIN), 2 * f64::MAX.to_bits());
    }

    #[test]
    fn shipped_tolerances_parse_and_default_matches() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tolerances");
        let mut files = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            Tolerances::read(&entry.unwrap().path()).unwrap();
            files += 1;
        }
        assert!(files >= 4);
        let shipped = Tolerances::read(&folder.join("default.json")).unwrap();
        assert_eq!(shipped, Tolerances::default());
    }

    #[test]
    fn invalid_tolerances_are_refused() {
        let good = json::to_text(&Tolerances::default()).unwrap();
        assert_eq!(Tolerances::from_text(&good).unwrap(), Tolerances::default());
        for (from, to) in [
            ("1e-06", "-1"),
            ("1e-06", "\"NaN\""),
            ("\"ulps\": 4", "\"ulps\": -1"),
            ("tolerances/1", "x/1"),
            ("\"rules\"", "\"rule\""),
        ] {
            assert!(good.contains(from));
            assert!(
                Tolerances::from_text(&good.replace(from, to)).is_err(),
                "{to}"
            );
        }
        let band = good.replace(
            "\"rules\": []",
            r#""rules": [{"file":"a","place":"b","band":[2,1],"reason":"c"}]"#,
        );
        assert!(Tolerances::from_text(&band).is_err());
    }
}
