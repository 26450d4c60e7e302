//! Numbers as a person reads them: few digits, thousands grouped, no padding.
//!
//! *Law.* Rounding is the only loss, and what is written parses back to the rounded number once its commas are taken out. Files for
//! programs do not use it: they keep every digit.

/// The least magnitude that is written without an exponent.
const MIN_PLAIN: f64 = 1e-3;

/// The least magnitude that is written with an exponent again.
const MIN_LARGE: f64 = 1e7;

/// `v` with `digits` significant digits, at least one: `2.435`, `3e-4`, `8,471,560`, `-3.426e8`.
///
/// Trailing zeros are left out. All digits before the point are written, even if they are more.
///
/// ```
/// use ptyproof::number::figure;
/// assert_eq!(figure(2.434998, 4), "2.435");
/// assert_eq!(figure(3e-4, 4), "3e-4");
/// assert_eq!(figure(-3.425674e6, 4), "-3,425,674");
/// assert_eq!(figure(-3.425674e9, 4), "-3.426e9");
/// assert_eq!(figure(f64::NAN, 4), "NaN");
/// ```
pub fn figure(v: f64, digits: usize) -> String {
    if v.is_nan() {
        return "NaN".into();
    }
    if v.is_infinite() {
        return if v > 0.0 { "infinity" } else { "-infinity" }.into();
    }
    let digits = digits.max(1);
    let rounded = format!("{v:.*e}", digits - 1);
    let (mantissa, exponent) = rounded.split_once('e').unwrap_or((&rounded, "0"));
    // the exponent after rounding decides: 9.9999e-4 is 0.001
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let magnitude = rounded.parse::<f64>().unwrap_or(v).abs();
    if magnitude == 0.0 {
        return "0".into();
    }
    if !(MIN_PLAIN..MIN_LARGE).contains(&magnitude) {
        return format!("{}e{exponent}", without_zeros(mantissa));
    }
    let places = i32::try_from(digits).unwrap_or(i32::MAX) - 1 - exponent;
    let places = usize::try_from(places).unwrap_or(0);
    let plain = format!("{v:.places$}");
    let (whole, part) = plain.split_once('.').unwrap_or((&plain, ""));
    let grouped = grouped(whole);
    match part.trim_end_matches('0') {
        "" => grouped,
        part => format!("{grouped}.{part}"),
    }
}

/// A count with its thousands grouped: `8,471,560`.
///
/// ```
/// assert_eq!(ptyproof::number::count(8_471_560), "8,471,560");
/// assert_eq!(ptyproof::number::count(512), "512");
/// ```
pub fn count(n: impl TryInto<u128>) -> String {
    n.try_into()
        .map_or_else(|_| String::new(), |n: u128| grouped(&n.to_string()))
}

/// Commas between groups of three digits; a sign stays in front.
fn grouped(whole: &str) -> String {
    let (sign, digits) = match whole.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", whole),
    };
    let mut out = String::from(sign);
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn without_zeros(mantissa: &str) -> &str {
    if mantissa.contains('.') {
        mantissa.trim_end_matches('0').trim_end_matches('.')
    } else {
        mantissa
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn examples() {
        for (v, digits, want) in [
            (0.0, 4, "0"),
            (-0.0, 4, "0"),
            (1.0, 4, "1"),
            (0.1, 4, "0.1"),
            (3.255427, 4, "3.255"),
            (1.5e-4, 4, "1.5e-4"),
            (3e-4, 4, "3e-4"),
            (0.000_999_96, 4, "0.001"),
            (0.001, 4, "0.001"),
            (988.2117919921875, 4, "988.2"),
            (988.2117919921875, 7, "988.2118"),
            (1234.5, 4, "1,234"),
            (1234.5, 6, "1,234.5"),
            (999_999.6, 4, "1,000,000"),
            (8_471_560.0, 4, "8,471,560"),
            (12_345_678.0, 4, "1.235e7"),
            (1e9, 4, "1e9"),
            (-5.524866e6, 4, "-5,524,866"),
            (-1.4190e28, 3, "-1.42e28"),
            (f64::INFINITY, 4, "infinity"),
            (f64::NEG_INFINITY, 4, "-infinity"),
            (2.5, 0, "2"),
        ] {
            assert_eq!(figure(v, digits), want, "{v:e}, {digits}");
        }
        for (n, want) in [(0_u64, "0"), (999, "999"), (1000, "1,000")] {
            assert_eq!(count(n), want);
        }
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    }

    proptest! {
        #[test]
        fn rounding_is_the_only_loss(v in any::<f64>(), digits in 1_usize..12) {
            prop_assume!(v.is_finite());
            let text = figure(v, digits);
            let back: f64 = text.replace(',', "").parse().unwrap();
            let allowed = 0.5001 * 10_f64.powi(1 - i32::try_from(digits).unwrap());
            // subnormals have fewer digits of their own
            prop_assert!((back - v).abs() <= allowed * v.abs() + 1e-300, "{v:e}: {text}");
        }
    }
}
