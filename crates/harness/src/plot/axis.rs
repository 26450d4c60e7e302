//! Ticks are round numbers inside the range, and no two of them read the same.
//!
//! *Conventions.* A tick is 1, 2 or 5 times a power of ten, or a multiple of pi/2 where the range is a
//! phase. Large, small and nearly equal values share one factor and one offset, written once.

use std::f64::consts::{FRAC_PI_2, PI};

/// The ticks of an axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ticks {
    /// Positions and labels, ascending.
    pub(super) marks: Vec<(f64, String)>,
    /// What every label is to be multiplied with and moved by; empty if nothing.
    pub(super) factor: String,
}

/// Around `most` ticks (taken as three at least, so that one is inside) in `[low, high]`, both finite and `low < high`.
pub(super) fn ticks(low: f64, high: f64, most: u32) -> Ticks {
    if (low + PI).abs() < 1e-6 && (high - PI).abs() < 1e-6 {
        let labels = ["\u{2212}π", "\u{2212}π/2", "0", "π/2", "π"];
        let mark = |(k, l): (usize, &str)| ((k as f64 - 2.0) * FRAC_PI_2, l.to_string());
        let marks = labels.into_iter().enumerate().map(mark).collect();
        return Ticks {
            marks,
            factor: String::new(),
        };
    }
    let raw = (high - low) / f64::from(most.max(3));
    let power = 10f64.powf(raw.log10().floor());
    let step = power
        * [1.0, 2.0, 5.0]
            .into_iter()
            .find(|m| m * power >= raw * (1.0 - 1e-9))
            .unwrap_or(10.0);
    let first = (low / step - 1e-9).ceil();
    let count = ((high / step + 1e-9).floor() - first).clamp(0.0, 100.0) as u32;
    let mut places: Vec<f64> = (0..=count).map(|k| (first + f64::from(k)) * step).collect();
    // A narrow range far from zero: multiples of the step are no longer exact.
    places.retain(|v| (low - step * 1e-6..=high + step * 1e-6).contains(v));
    places.dedup();
    if places.is_empty() {
        places.push(low);
    }

    let largest = low.abs().max(high.abs());
    // With less than 4 digits in common labels stay short; beyond that they share an offset.
    let offset = if step < largest * 1e-5 {
        places[0]
    } else {
        0.0
    };
    let scale_of = if offset == 0.0 { largest } else { high - low };
    let magnitude = scale_of.log10().floor();
    let exponent = if (-3.0..5.0).contains(&magnitude) {
        0.0
    } else {
        magnitude
    };
    let unit = 10f64.powf(exponent);
    let decimals = (-(step / unit * (1.0 + 1e-9)).log10().floor()).clamp(0.0, 12.0) as usize;
    let label = |v: f64| minus(&format!("{:.decimals$}", (v - offset) / unit + 0.0));
    let mut factor = String::new();
    if exponent != 0.0 {
        factor = format!("×10{}", superscript(exponent as i64));
    }
    if offset != 0.0 {
        factor = format!(
            "{factor} + {}",
            minus(&ptyproof::json::Real(offset).to_string())
        );
    }
    Ticks {
        marks: places.into_iter().map(|v| (v, label(v))).collect(),
        factor: factor.trim().into(),
    }
}

/// As [`ticks`], for an axis beside which no factor can be written; of what is counted, at whole numbers alone.
pub(super) fn plain(low: f64, high: f64, most: u32, counted: bool) -> Vec<(f64, String)> {
    let Ticks { marks, factor } = ticks(low, high, most);
    let whole = |(v, _): &(f64, String)| !counted || v.fract() == 0.0;
    let label = |(v, label): (f64, String)| {
        let short = !counted && factor.is_empty();
        (v, if short { label } else { format!("{v}") })
    };
    marks.into_iter().filter(whole).map(label).collect()
}

/// Hyphens as minus signs, and no negative zero.
fn minus(text: &str) -> String {
    let zero = text
        .trim_start_matches('-')
        .chars()
        .all(|c| matches!(c, '0' | '.'));
    if zero {
        text.trim_start_matches('-').into()
    } else {
        text.replace('-', "\u{2212}")
    }
}

fn superscript(n: i64) -> String {
    let raise = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        c => char::from_u32('⁰' as u32 + c.to_digit(10).unwrap_or(0)).unwrap_or(c),
    };
    n.to_string().chars().map(raise).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(t: &Ticks) -> Vec<&str> {
        t.marks.iter().map(|(_, l)| l.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_with_a_common_factor() {
        let t = ticks(0.0, 1e-9, 5);
        assert_eq!(t.factor, "×10⁻⁹");
        assert_eq!(labels(&t), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        let t = ticks(-3_950_000.0, -3_890_000.0, 5);
        assert_eq!(t.factor, "×10⁶");
        assert_eq!(labels(&t), ["\u{2212}3.94", "\u{2212}3.92", "\u{2212}3.90"]);
        assert_eq!(labels(&ticks(0.0, 2.7, 5)), ["0", "1", "2"]);
        assert_eq!(ticks(-PI, PI, 5).marks.len(), 5);
    }

    proptest! {
        #[test]
        fn ticks_are_inside_the_range_and_distinct(
            low in -1e9f64..1e9, exponent in -9.0f64..9.0, most in 2u32..8,
        ) {
            let high = low + 10f64.powf(exponent);
            prop_assume!((high - low) > 1e-12 * low.abs());
            let t = ticks(low, high, most);
            let slack = (high - low) * 1e-6;
            prop_assert!(!t.marks.is_empty());
            for pair in t.marks.windows(2) {
                prop_assert!(pair[0].0 < pair[1].0);
                prop_assert!(pair[0].1 != pair[1].1, "{t:?}");
            }
            for (v, _) in &t.marks {
                prop_assert!(low - slack <= *v && *v <= high + slack, "{v} in {low}..{high}");
            }
        }
    }
}
