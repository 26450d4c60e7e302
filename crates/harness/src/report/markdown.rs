//! Markdown is for people and for `diff`: the same values always give the same bytes.
//!
//! *Conventions.* Numbers have six significant digits in the manner of C's `%.6g`; an em dash stands
//! for what is absent or not finite; a pipe inside a cell is escaped, so that a table stays a table.
//!
//! *Source.* Reference description, section m (`training_summary.md`: `%.6g`, em dash for null).

use std::fmt::Write as _;

/// What stands for an absent value.
pub const DASH: &str = "\u{2014}";

/// `v` with six significant digits, as C and Python write `%.6g`.
///
/// ```
/// use ptyproof_harness::report::markdown::g6;
/// assert_eq!(g6(-3944976.0), "-3.94498e+06");
/// assert_eq!(g6(0.0010000000474974513), "0.001");
/// ```
pub fn g6(v: f64) -> String {
    general(v, 6)
}

/// `v` with `digits` significant digits in the manner of `%g`: trailing zeros go, and the exponent
/// form is taken below `1e-4` and from `10^digits` on (C17, 7.21.6.1). Zero digits count as one.
pub fn general(v: f64, digits: usize) -> String {
    if v.is_nan() {
        return "nan".into();
    }
    if v.is_infinite() {
        return if v > 0.0 { "inf" } else { "-inf" }.into();
    }
    let digits = digits.max(1);
    let rounded = format!("{v:.*e}", digits - 1);
    let Some((mantissa, exponent)) = rounded.split_once('e') else {
        return rounded;
    };
    // The exponent *after* rounding decides, so 999999.5 is 1e+06.
    let e: i64 = exponent.parse().unwrap_or(0);
    let most = i64::try_from(digits).unwrap_or(i64::MAX);
    if (-4..most).contains(&e) {
        let decimals = usize::try_from(most - 1 - e).unwrap_or(0);
        strip_zeros(&format!("{v:.decimals$}")).into()
    } else {
        let sign = if e < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", strip_zeros(mantissa), e.abs())
    }
}

/// [`g6`], or the dash when `v` is absent or not finite.
pub fn g6_or_dash(v: Option<f64>) -> String {
    v.filter(|v| v.is_finite()).map_or_else(|| DASH.into(), g6)
}

/// `v` as text, or the dash when it is absent.
pub fn or_dash(v: Option<impl ToString>) -> String {
    v.map_or_else(|| DASH.into(), |v| v.to_string())
}

fn strip_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// A Markdown table that is filled row by row.
#[derive(Debug, Clone)]
pub struct Table {
    columns: usize,
    text: String,
}

impl Table {
    /// A table with these column heads and no row yet.
    pub fn new(heads: &[&str]) -> Self {
        let mut t = Self {
            columns: heads.len(),
            text: String::new(),
        };
        t.line(heads.iter().copied());
        t.line(heads.iter().map(|_| "---"));
        t
    }

    /// Adds a row; missing cells are empty, and cells beyond the last column are kept (Markdown
    /// renderers hide them, `diff` does not).
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) -> &mut Self {
        let mut cells: Vec<String> = cells.into_iter().map(|c| cell(c.as_ref())).collect();
        while cells.len() < self.columns {
            cells.push(String::new());
        }
        self.line(cells.iter().map(String::as_str));
        self
    }

    fn line<'a>(&mut self, cells: impl Iterator<Item = &'a str>) {
        let cells: Vec<&str> = cells.collect();
        let _ = writeln!(self.text, "| {} |", cells.join(" | ")); // a String takes every write
    }

    /// The Markdown, one line a row, each ended by a newline.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// `text` as the content of one table cell: pipes escaped, line breaks as spaces.
pub fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ptyproof_testkit::tolerance::DECIMALS_5;

    #[test]
    fn six_digit_format_matches_python() {
        // f"{v:.6g}" of CPython 3.11; ties go to the even digit of the exact binary value
        for (v, want) in [
            (1234565.0, "1.23456e+06"),
            (0.5, "0.5"),
            (1234565000.0, "1.23456e+09"),
            (0.0001234565, "0.000123457"),
            (99999.95, "99999.9"),
            (999999.5, "1e+06"),
            (1e-05, "1e-05"),
            (0.0001, "0.0001"),
            (100000.0, "100000"),
            (1e6, "1e+06"),
            (-3944976.0, "-3.94498e+06"),
            (14.974678039550781, "14.9747"),
            (123456.5, "123456"),
            (1e300, "1e+300"),
            (5e-324, "4.94066e-324"),
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0 / 3.0, "0.333333"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(g6(v), want);
        }
    }

    #[test]
    fn nonfinite_number_is_a_dash() {
        assert_eq!(g6_or_dash(Some(f64::NAN)), "\u{2014}");
        assert_eq!(g6_or_dash(None), "\u{2014}");
        assert_eq!(or_dash(Some(3)), "3");
    }

    #[test]
    fn table_cells_are_escaped() {
        let mut t = Table::new(&["a", "b"]);
        t.row(["x|y", "two\nlines"]).row(["alone"]);
        assert_eq!(
            t.text(),
            "| a | b |\n| --- | --- |\n| x\\|y | two lines |\n| alone |  |\n"
        );
    }

    proptest! {
        #[test]
        fn six_digit_rounding_error_is_at_most_half_a_unit(v in proptest::num::f64::NORMAL) {
            // |g6(v) - v| <= 0.5e-5 |v|, and 2 eps for reading the text back
            let back: f64 = g6(v).parse().unwrap();
            prop_assert!((back - v).abs() <= (DECIMALS_5.absolute + 2.0 * f64::EPSILON) * v.abs());
        }
    }
}
