//! How far apart two numbers may be: a file that people write, or that is made from two good runs.
//!
//! *Conventions.* A rule names a file of the hub and a place in it; of the rules that fit, the first counts. A place is
//! names with dots between and `[k]` for entries; `*` stands for any one name or entry, a final `**` for all
//! that follows. Numbers agree if they differ by at most `absolute + relative max(|a|, |b|)`, or by at most `ulps` steps
//! of float64, or, where a `band` is given, if both lie in it. All of this is symmetric.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Report, Verdict};
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
    /// What the file is for.
    #[serde(default)]
    pub about: String,
    /// For numbers without a rule.
    pub numbers: Allowed,
    /// The largest relative rms between reconstructions after alignment.
    pub image_rms: Real,
    /// Whether numbers may be not finite where those of the golden are: exactly there, and of the same kind.
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

/// What holds at some places.
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
    /// Where both must lie: an acceptance band over seeds.
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
    /// Two runs of this program: the same bits wherever the mathematical library is the same.
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
                .got("none of `allowed`, `band` and `ignore`, or more than one")
                .need("one of them"));
        }
        let bands = || t.rules.iter().filter_map(|r| r.band);
        let backwards = |[low, high]: &[Real; 2]| {
            low.get().is_nan() || high.get().is_nan() || low.get() > high.get()
        };
        if let Some([low, high]) = bands().find(backwards) {
            return Err(Error::input("reading tolerances")
                .got(format!("a band from {} to {}", low.get(), high.get()))
                .need("the smaller first"));
        }
        Ok(t)
    }

    /// These, and room for every number in which two good runs differ more: twice their distance.
    ///
    /// Only numbers can be given room; texts, counts and files that differ still do.
    pub fn widened(&self, report: &Report) -> Self {
        let mut made = Vec::new();
        let far = report.rows.iter().filter(|r| r.verdict == Verdict::Differs);
        for row in far.filter(|r| !r.place.is_empty()) {
            let (Ok(a), Ok(b)) = (row.a.parse::<f64>(), row.b.parse::<f64>()) else {
                continue;
            };
            if !(a.is_finite() && b.is_finite()) {
                continue;
            }
            made.push(Rule {
                file: row.file.clone(),
                place: row.place.clone(),
                allowed: Some(Allowed {
                    absolute: Real(2.0 * row.widest.get()),
                    relative: Real(0.0),
                    ulps: 0,
                }),
                band: None,
                ignore: false,
                reason: "twice the distance of two good runs".into(),
            });
        }
        // of the rules that fit the first counts: new ones go before those under which the pair differs
        let mut wider = self.clone();
        wider.rules.splice(0..0, made);
        if let Some(i) = &report.image {
            let rms = i
                .alignment
                .iter()
                .map(|x| x.aligned.rms)
                .chain(i.exchanged_rms);
            let most = rms
                .map(Real::get)
                .filter(|r| r.is_finite())
                .fold(0.0, f64::max);
            wider.image_rms = Real(wider.image_rms.get().max(2.0 * most));
        }
        wider
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
    /// How many times the allowed difference two finite numbers are apart; at most 1 agrees.
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
    // in this order of the bits neighbours are neighbours, across zero too
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
    fn places_fit_their_patterns() {
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
    fn names_with_dots_are_names() {
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
    fn a_rule_says_one_thing() {
        let with = |fields: &str| {
            let good = json::to_text(&Tolerances::default()).unwrap();
            let rule = format!(r#""rules": [{{"file":"a","place":"b",{fields}"reason":"c"}}]"#);
            Tolerances::from_text(&good.replace("\"rules\": []", &rule))
        };
        assert!(with("").unwrap_err().to_string().contains("one of them"));
        assert!(with(r#""ignore":true,"band":[0,1],"#).is_err());
        assert!(with(r#""ignore":true,"#).is_ok() && with(r#""band":[0,1],"#).is_ok());
    }

    #[test]
    fn one_step_over_is_over() {
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
    fn the_shipped_files_are_read_and_the_default_is_the_default() {
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
    fn files_that_allow_nonsense_are_refused() {
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
