//! Training and test half, by the position's `y`; or all positions for both.
//!
//! *Source.* Reference description, section f.

use ptyproof::error::{Error, Result};
use ptyproof::geometry::Position;

/// Which positions train and which test, as indices, each ordered by ascending `y`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The positions with the smallest `y`: the upper part of the object.
    pub train: Vec<usize>,
    /// The rest.
    pub test: Vec<usize>,
}

/// Every position trains and tests, in the order of the halves.
///
/// # Errors
/// If there is none.
pub fn undivided(positions: &[Position]) -> Result<Split> {
    if positions.is_empty() {
        return Err(
            Error::input("splitting positions into training and inference")
                .got("no position")
                .need("at least one"),
        );
    }
    let order = ascending(positions);
    Ok(Split {
        train: order.clone(),
        test: order,
    })
}

/// Indices by `y`, equal ones by index.
fn ascending(positions: &[Position]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by(|&a, &b| positions[a].y.total_cmp(&positions[b].y));
    order
}

/// The number of test positions: `total * fraction`, a half rounded to the even number.
pub fn test_count(total: usize, fraction: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction of a count is a count"
    )]
    let count = (total as f64 * fraction.clamp(0.0, 1.0)).round_ties_even() as usize;
    count.min(total)
}

/// Sorts by `y` (equal ones by index) and cuts: the last [`test_count`] positions test.
///
/// # Errors
/// Unless `0 < fraction < 1` and both parts hold at least one position.
pub fn by_y(positions: &[Position], fraction: f64) -> Result<Split> {
    let action = "splitting into training and test half";
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(Error::usage(action)
            .at("`split_fraction`")
            .got(fraction)
            .need("a number greater than 0 and less than 1"));
    }
    let mut order = ascending(positions);
    let tests = test_count(positions.len(), fraction);
    let test = order.split_off(positions.len() - tests);
    if order.is_empty() || test.is_empty() {
        return Err(Error::input(action)
            .got(format!(
                "{} positions: {} for training, {tests} for test",
                positions.len(),
                order.len()
            ))
            .need("at least one of each")
            .help("use more patterns or another `split_fraction`"));
    }
    Ok(Split { train: order, test })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ptyproof_testkit::compare::{largest, smallest};

    proptest! {
        #[test]
        fn halves_partition_the_positions(
            ys in proptest::collection::vec(-50.0f64..50.0, 2..60), fraction in 0.05f64..0.95,
        ) {
            let positions: Vec<_> = ys.iter().map(|&y| Position::new(0.0, y)).collect();
            if let Ok(s) = by_y(&positions, fraction) {
                let mut all: Vec<_> = s.train.iter().chain(&s.test).copied().collect();
                all.sort_unstable();
                prop_assert_eq!(all, (0..ys.len()).collect::<Vec<_>>());
                let top = largest(s.train.iter().map(|&i| ys[i]));
                let bottom = smallest(s.test.iter().map(|&i| ys[i]));
                prop_assert!(top <= bottom);
            }
        }
    }

    #[test]
    fn undivided_is_the_concatenation_of_both_halves() {
        let positions = [3.0, 1.0, 2.0, 1.0].map(|y| Position::new(0.0, y));
        let halves = by_y(&positions, 0.5).unwrap();
        let all = undivided(&positions).unwrap();
        assert_eq!(all.train, [halves.train, halves.test].concat());
        assert_eq!(all.train, all.test);
        let none = undivided(&[]).unwrap_err().to_string();
        assert!(none.contains("at least one"), "{none}");
    }

    #[test]
    fn halves_are_rounded_to_even() {
        assert_eq!([1, 3, 5, 7].map(|n| test_count(n, 0.5)), [0, 2, 2, 4]);
    }

    #[test]
    fn single_position_cannot_be_split() {
        let e = by_y(&[Position::default()], 0.5).unwrap_err();
        assert!(e.to_string().contains("at least one of each"), "{e}");
    }
}
