//! JSON is strict: no number is ever lost, and none is ever written as `null`.
//!
//! *Conventions.* A finite number is a JSON number; a number that is not finite is one of the strings
//! `"NaN"`, `"Infinity"`, `"-Infinity"` (Python's `float()` reads all three). `null` means absent and
//! nothing else. Keys are sorted, the indent is 2, non-ASCII characters are escaped, floats are spelled
//! as Python's `repr` spells them, and there is no final newline: byte for byte what
//! `json.dumps(value, indent=2, sort_keys=True)` writes, so that our files and the reference's diff.
//!
//! *Reading* also accepts the bare tokens `NaN`, `Infinity`, `-Infinity` that Python writes.
//!
//! *Source.* Reference description, section m; ECMA-404 for the grammar.
//!
//! ```
//! use ptyproof::json::{from_text, to_text, Real};
//! let text = to_text(&vec![Real(1e-9), Real(f64::NAN)]).unwrap();
//! assert_eq!(text, "[\n  1e-09,\n  \"NaN\"\n]");
//! let back: Vec<Real> = from_text("[1e-09, NaN]").unwrap();
//! assert_eq!(back, vec![Real(1e-9), Real(f64::NAN)]);
//! ```

use crate::error::{Error, Result};
use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::ser::{Formatter, PrettyFormatter};
use std::borrow::Cow;
use std::fmt;
use std::io;

mod unique;

use unique::UniqueKeys;

/// A number of a JSON file: every `f64`, NaN and infinities included, survives the journey.
///
/// Two values are equal if they are equal numbers or both NaN.
#[derive(Debug, Clone, Copy, Default)]
pub struct Real(pub f64);

impl Real {
    /// The number itself.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl From<f64> for Real {
    fn from(v: f64) -> Self {
        Self(v)
    }
}

impl From<f32> for Real {
    /// As Python's `float(numpy.float32)`: the exact value, with its long decimal expansion.
    fn from(v: f32) -> Self {
        Self(f64::from(v))
    }
}

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        (self.0.is_nan() && other.0.is_nan()) || self.0 == other.0
    }
}

/// The string of a number that is not finite.
pub fn tag(v: f64) -> Option<&'static str> {
    if v.is_finite() {
        None
    } else if v.is_nan() {
        Some("NaN")
    } else if v > 0.0 {
        Some("Infinity")
    } else {
        Some("-Infinity")
    }
}

/// The number of a string of [`tag`].
pub fn tagged(text: &str) -> Option<f64> {
    [f64::NAN, f64::INFINITY, f64::NEG_INFINITY]
        .into_iter()
        .find(|v| tag(*v) == Some(text))
}

impl fmt::Display for Real {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match tag(self.0) {
            Some(t) => f.write_str(t),
            None => f.write_str(&python_repr(self.0)),
        }
    }
}

impl Serialize for Real {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        match tag(self.0) {
            Some(t) => s.serialize_str(t),
            None => s.serialize_f64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        d.deserialize_any(RealVisitor)
    }
}

struct RealVisitor;

impl Visitor<'_> for RealVisitor {
    type Value = Real;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, \"NaN\", \"Infinity\" or \"-Infinity\"")
    }

    fn visit_f64<E>(self, v: f64) -> std::result::Result<Real, E> {
        Ok(Real(v))
    }

    fn visit_i64<E>(self, v: i64) -> std::result::Result<Real, E> {
        Ok(Real(v as f64)) // nearest double, as Python's float(int)
    }

    fn visit_u64<E>(self, v: u64) -> std::result::Result<Real, E> {
        Ok(Real(v as f64))
    }

    fn visit_str<E: serde::de::Error>(self, v: &str) -> std::result::Result<Real, E> {
        tagged(v)
            .map(Real)
            .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(v), &self))
    }
}

/// Plain numbers as [`Real`]s.
pub fn reals(values: impl IntoIterator<Item = f64>) -> Vec<Real> {
    values.into_iter().map(Real).collect()
}

/// The text of `value`: sorted keys, indent 2, no final newline.
///
/// A plain `f64` field that is not finite would be written as `null` by the layer below; wrap it in
/// [`Real`].
///
/// # Errors
/// If `value` has a map whose keys are not strings.
pub fn to_text(value: &impl Serialize) -> Result<String> {
    let failed = |e: serde_json::Error| Error::bug("writing JSON").because(e);
    let sorted = serde_json::to_value(value).map_err(failed)?;
    let mut out = Vec::new();
    let style = PythonStyle(PrettyFormatter::with_indent(b"  "));
    let mut writer = serde_json::Serializer::with_formatter(&mut out, style);
    sorted.serialize(&mut writer).map_err(failed)?;
    String::from_utf8(out).map_err(|e| Error::bug("writing JSON").because(e))
}

/// The value of a JSON text, whether strict or written by Python with bare `NaN` tokens.
///
/// # Errors
/// If `text` is not JSON, has a key twice in one object, or is not the JSON of a `T`; the message names line and column.
pub fn from_text<T: DeserializeOwned>(text: &str) -> Result<T> {
    let refuse = |e: serde_json::Error| {
        Error::input("reading JSON")
            .at(format!("line {}, column {}", e.line(), e.column()))
            .because(e)
    };
    let quoted = quote_bare_tokens(text);
    // of two values under one key the parser would take the last, and nobody would know
    serde_json::from_str::<UniqueKeys>(&quoted).map_err(refuse)?;
    serde_json::from_str(&quoted).map_err(refuse)
}

/// Puts quotes around the bare tokens `NaN`, `Infinity` and `-Infinity` outside strings.
///
/// Borrowed when there is none, so that a large strict file costs one scan and no copy.
fn quote_bare_tokens(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut out: Option<String> = None;
    let (mut kept, mut k, mut in_string) = (0, 0, false);
    while k < bytes.len() {
        match bytes[k] {
            b'\\' if in_string => k += 1, // the escaped character is never a closing quote
            b'"' => in_string = !in_string,
            b'N' | b'I' | b'-' if !in_string => {
                let token = ["NaN", "Infinity", "-Infinity"]
                    .into_iter()
                    .find(|t| bytes[k..].starts_with(t.as_bytes()));
                let word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
                let starts = k == 0 || !word(bytes.get(k - 1));
                if let Some(t) = token
                    && starts
                    && !word(bytes.get(k + t.len()))
                {
                    let o = out.get_or_insert_with(|| String::with_capacity(text.len() + 64));
                    o.push_str(&text[kept..k]);
                    o.push('"');
                    o.push_str(t);
                    o.push('"');
                    kept = k + t.len();
                    k = kept - 1;
                }
            }
            _ => {}
        }
        k += 1;
    }
    match out {
        None => Cow::Borrowed(text),
        Some(mut o) => {
            o.push_str(&text[kept..]);
            Cow::Owned(o)
        }
    }
}

/// A finite float as Python's `repr` spells it: shortest digits, exponent from 1e16 and below 1e-4.
fn python_repr(v: f64) -> String {
    let shortest = format!("{v:e}"); // as many digits as it takes to round-trip
    let digits = shortest
        .bytes()
        .take_while(|b| *b != b'e')
        .filter(u8::is_ascii_digit)
        .count();
    // Two shortest spellings can be equally near (24.1176300048828125 has 17 digits ending in 12 and in
    // 13): Python takes the even one, and so does rounding the exact value to that many digits.
    let even = format!("{v:.*e}", digits - 1);
    let Some((mantissa, exponent)) = even.split_once('e') else {
        return even;
    };
    let e: i32 = exponent.parse().unwrap_or(0);
    if !(-4..16).contains(&e) {
        let sign = if e < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", e.abs());
    }
    let (sign, mantissa) = mantissa
        .strip_prefix('-')
        .map_or(("", mantissa), |m| ("-", m));
    let digits = mantissa.replace('.', "");
    let point = usize::try_from(e + 1).unwrap_or(0); // digits before the point
    let (whole, part) = if point == 0 {
        let zeros = usize::try_from(-e - 1).unwrap_or(0);
        ("0".to_string(), format!("{}{digits}", "0".repeat(zeros)))
    } else if digits.len() <= point {
        (
            format!("{digits}{}", "0".repeat(point - digits.len())),
            "0".to_string(),
        )
    } else {
        (digits[..point].to_string(), digits[point..].to_string())
    };
    format!("{sign}{whole}.{part}")
}

/// serde_json's pretty layout with Python's floats and Python's escapes.
struct PythonStyle(PrettyFormatter<'static>);

impl Formatter for PythonStyle {
    fn write_f64<W: ?Sized + io::Write>(&mut self, w: &mut W, v: f64) -> io::Result<()> {
        w.write_all(python_repr(v).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        w: &mut W,
        s: &str,
    ) -> io::Result<()> {
        for c in s.chars() {
            if matches!(c, ' '..='~') {
                write!(w, "{c}")?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(w, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.begin_array(w)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.end_array(w)
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        w: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(w, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.end_array_value(w)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.begin_object(w)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.end_object(w)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        w: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(w, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.begin_object_value(w)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.end_object_value(w)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;
    use std::collections::BTreeMap;

    #[test]
    fn duplicate_key_is_refused_at_any_depth() {
        for (text, line) in [
            ("{\"a\": 1, \"a\": 2}", "line 1"),
            (
                "[{\"b\": 1},\n {\"a\": NaN, \"c\": [], \"a\": NaN}]",
                "line 2",
            ),
            ("{\"a\": {\"b\": {\"c\": 1, \"c\": 1}}}", "line 1"),
        ] {
            let e = from_text::<Value>(text).unwrap_err().to_string();
            assert!(e.contains("twice") && e.contains(line), "{e}");
        }
        assert!(from_text::<Value>("[{\"a\": 1}, {\"a\": 1}]").is_ok());
    }

    #[test]
    fn float_format_matches_python() {
        // repr(v) of CPython 3.11
        for (v, spelled) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1e9, "1000000000.0"),
            (1e-9, "1e-09"),
            (1e-4, "0.0001"),
            (1.5e-5, "1.5e-05"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.234567890123456e17, "1.234567890123456e+17"),
            (5e-324, "5e-324"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (-2.549072064539359e-16, "-2.549072064539359e-16"),
            (381.8949744624406, "381.8949744624406"),
            (24.117630004882812, "24.117630004882812"), // and not ...813, which is as near
            (-0.00012, "-0.00012"),
            (123.0, "123.0"),
            (f64::from(0.1f32), "0.10000000149011612"),
        ] {
            assert_eq!(to_text(&Real(v)).unwrap(), spelled);
        }
    }

    #[test]
    fn keys_are_sorted_in_python_layout() {
        #[derive(Serialize)]
        struct T {
            b: Vec<u8>,
            a: BTreeMap<String, Option<u8>>,
        }
        let t = T {
            b: vec![],
            a: [("é\u{1F600}\t\u{7f}".to_string(), None)].into(),
        };
        let want =
            "{\n  \"a\": {\n    \"\\u00e9\\ud83d\\ude00\\t\\u007f\": null\n  },\n  \"b\": []\n}";
        assert_eq!(to_text(&t).unwrap(), want);
    }

    #[test]
    fn bare_nan_tokens_are_numbers_outside_strings_only() {
        let text = r#"{"NaN": [NaN, -Infinity, Infinity], "s": "NaN, \"-Infinity\\", "n": -1}"#;
        let v: Value = from_text(text).unwrap();
        assert_eq!(
            v["NaN"],
            serde_json::json!(["NaN", "-Infinity", "Infinity"])
        );
        assert_eq!(v["s"], "NaN, \"-Infinity\\");
        assert_eq!(v["n"], -1);
    }

    #[test]
    fn non_numeric_value_is_refused() {
        for bad in [
            "null",
            "\"nan\"",
            "true",
            "[]",
            "NaNs",
            "xNaN",
            "- Infinity",
            "\"1.0\"",
            "1e999",
        ] {
            let e = from_text::<Real>(bad);
            assert!(e.is_err(), "{bad} was read as {e:?}");
        }
    }

    #[test]
    fn strict_json_is_not_copied() {
        assert!(matches!(
            quote_bare_tokens("{\"NaN\": -1.0}"),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn million_numbers_round_trip() {
        let many: Vec<Real> = (0..1_000_000)
            .map(|k| {
                Real(if k % 1000 == 0 {
                    f64::NAN
                } else {
                    f64::from(k).sqrt()
                })
            })
            .collect();
        assert_eq!(
            from_text::<Vec<Real>>(&to_text(&many).unwrap()).unwrap(),
            many
        );
    }

    fn same(a: f64, b: f64) -> bool {
        a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
    }

    proptest! {
        #[test]
        fn every_f64_round_trips(v in any::<f64>()) {
            // read(write(v)) = v, bit for bit, NaN as NaN
            let back: Real = from_text(&to_text(&Real(v)).unwrap()).unwrap();
            prop_assert!(same(back.0, v), "{v} came back as {}", back.0);
        }

        #[test]
        fn every_f32_round_trips(v in any::<f32>()) {
            let back: Real = from_text(&to_text(&Real::from(v)).unwrap()).unwrap();
            prop_assert!(same(f64::from(back.0 as f32), f64::from(v)));
        }

        #[test]
        fn every_string_round_trips(s in any::<String>()) {
            let text = to_text(&s).unwrap();
            prop_assert!(text.is_ascii());
            prop_assert_eq!(from_text::<String>(&text).unwrap(), s);
        }

        #[test]
        fn arbitrary_text_never_panics(s in "[-\"\\\\NaInfity0-9,:{}\\[\\] ]{0,40}") {
            let _ = from_text::<Value>(&s);
        }
    }
}
