//! Similarity of the patterns of neighboring positions: it does not depend on orientation, scale or unit, and it is absent
//! if the positions belong to other patterns.

use serde::Serialize;

use super::sample::Sample;
use crate::io::neighbors::Neighbors;
use crate::json::Real;
use crate::rng::Stream;

/// Minimum number of patterns: fewer may be similar or not by chance.
const MIN_PATTERNS: usize = 25;

/// Random orders for comparison.
const RANDOM_ORDERS: usize = 24;

/// Similarity of neighbors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NeighborSimilarity {
    /// Mean squared difference of a pattern and its nearest neighbor's, over that of pairs drawn at random: 1 for
    /// positions without a relation to the patterns.
    pub ratio: Real,
    /// By how many standard deviations of random orders it is below 1.
    pub sigma: Real,
}

impl NeighborSimilarity {
    /// Of a sample; none if no two patterns differ.
    pub(super) fn of(sample: &Sample) -> Option<Self> {
        let count = sample.len();
        if count < 4 {
            return None;
        }
        let all: Vec<usize> = (0..count).collect();
        let nearest = Neighbors::new(&sample.positions).nearest(&all, 1);
        let distance = |a: usize, b: usize| -> f64 {
            let pairs = sample.pattern(a).iter().zip(sample.pattern(b));
            let sum: f32 = pairs.map(|(x, y)| (x - y) * (x - y)).sum();
            f64::from(sum)
        };
        let mean = |order: &[usize]| {
            let pairs = order.iter().zip(&nearest);
            pairs.map(|(a, n)| distance(*a, order[*n])).sum::<f64>() / count as f64
        };
        let own = mean(&all);
        let drawn: Vec<f64> = (0..RANDOM_ORDERS as u64)
            .map(|k| {
                let mut order = all.clone();
                Stream::new(1, "kinship", k).shuffle(&mut order);
                mean(&order)
            })
            .collect();
        let middle = drawn.iter().sum::<f64>() / RANDOM_ORDERS as f64;
        let variance =
            drawn.iter().map(|d| (d - middle).powi(2)).sum::<f64>() / (RANDOM_ORDERS - 1) as f64;
        let (ratio, sigma) = (own / middle, (middle - own) / variance.sqrt());
        (ratio.is_finite() && sigma.is_finite()).then_some(Self {
            ratio: Real(ratio),
            sigma: Real(sigma),
        })
    }

    /// Whether so many patterns are no more alike than in a random order, of which one in 160 looks more so.
    pub(super) fn fails(&self, patterns: usize) -> bool {
        patterns >= MIN_PATTERNS && self.sigma.get() < 2.5
    }

    /// Whether positions and patterns belong together beyond chance: one in 30,000 random orders looks so.
    pub fn holds(&self) -> bool {
        self.sigma.get() > 4.0
    }
}
