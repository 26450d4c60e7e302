//! Nearest-neighbor search with a tie rule: by (squared distance, index).
//!
//! A k-d tree whose nodes know the smallest index below them. A node is left out when its pair (smallest possible squared
//! distance, smallest index) is above the pair of the worst neighbor found so far; so ties are resolved during the search,
//! and ten thousand equal positions cost no more than distinct ones.
//!
//! *Why not a library's tree?* None ranks by the pair: each query must then fetch all that is as near as the
//! k-th, and a pile of equal positions makes that quadratic.
//!
//! *Law.* The bound of a node is formed with the operations of a distance, each of them monotone under rounding:
//! so it never exceeds the distance of a position inside, and the answer is that of brute force to the bit.

use rayon::prelude::*;

use crate::geometry::Position;

/// Maximum number of positions of a leaf: a linear scan over this many is faster than another level.
const LEAF_POSITIONS: usize = 8;

/// Minimum number of positions of a node whose children are built in parallel.
const MIN_PARALLEL_POSITIONS: usize = 1 << 13;

/// Minimum number of queries per task.
const MIN_QUERIES_PER_TASK: usize = 256;

/// A position with its index in the slice that the tree was built from.
#[derive(Debug, Clone, Copy)]
struct Entry {
    at: [f64; 2],
    index: usize,
}

/// A box around the entries of a range, and where its right half starts; `right` is 0 for a leaf. The left half
/// is the next node.
#[derive(Debug, Clone, Copy)]
struct Node {
    low: [f64; 2],
    high: [f64; 2],
    smallest: usize,
    right: usize,
    start: usize,
    end: usize,
}

/// A neighbor: squared distance in pixels squared, and index.
type Found = (f64, usize);

/// A search tree over positions.
#[derive(Debug)]
pub struct Neighbors<'a> {
    positions: &'a [Position],
    entries: Vec<Entry>,
    nodes: Vec<Node>,
}

impl<'a> Neighbors<'a> {
    /// The tree of `positions`, which must be finite. Uses the threads of the pool that it is called in.
    pub fn new(positions: &'a [Position]) -> Self {
        let mut entries: Vec<Entry> = positions
            .iter()
            .enumerate()
            .map(|(index, p)| Entry {
                at: [p.x, p.y],
                index,
            })
            .collect();
        let nodes = build(&mut entries, 0);
        Self {
            positions,
            entries,
            nodes,
        }
    }

    /// The `k` positions nearest to each of `seeds`, itself excluded, by (squared distance, index): `[seed * k + rank]`.
    /// Uses the threads of the pool that it is called in.
    ///
    /// # Panics
    /// If there are fewer than `k + 1` positions, `k` is 0, or a seed is not among them.
    pub fn nearest(&self, seeds: &[usize], k: usize) -> Vec<usize> {
        assert!(
            (1..self.positions.len()).contains(&k),
            "at most n - 1 neighbors"
        );
        let answer = |(out, seeds): (&mut [usize], &[usize])| {
            let mut best = Vec::with_capacity(k);
            for (row, &seed) in out.chunks_exact_mut(k).zip(seeds) {
                best.clear();
                self.visit(0, 0.0, seed, k, &mut best);
                for (to, (_, index)) in row.iter_mut().zip(&best) {
                    *to = *index;
                }
            }
        };
        let mut out = vec![0; seeds.len() * k];
        if seeds.len() <= MIN_QUERIES_PER_TASK {
            answer((&mut out, seeds));
            return out;
        }
        // consecutive neighbors visit the same nodes, which are then still in the cache
        let order = self.in_tree_order(seeds);
        let sorted: Vec<usize> = order.iter().map(|&i| seeds[i]).collect();
        let mut found = vec![0; out.len()];
        found
            .par_chunks_mut(MIN_QUERIES_PER_TASK * k)
            .zip(sorted.par_chunks(MIN_QUERIES_PER_TASK))
            .for_each(answer);
        for (row, &i) in found.chunks_exact(k).zip(&order) {
            out[i * k..(i + 1) * k].copy_from_slice(row);
        }
        out
    }

    /// The indices of `seeds`, those first whose positions come first in the tree.
    fn in_tree_order(&self, seeds: &[usize]) -> Vec<usize> {
        let mut place = vec![0; self.entries.len()];
        for (k, e) in self.entries.iter().enumerate() {
            place[e.index] = k;
        }
        // how many seeds there are before each place, then where the next of a place goes
        let mut next = vec![0; self.entries.len() + 1];
        for &seed in seeds {
            next[place[seed] + 1] += 1;
        }
        for k in 1..next.len() {
            next[k] += next[k - 1];
        }
        let mut order = vec![0; seeds.len()];
        for (i, &seed) in seeds.iter().enumerate() {
            let to = &mut next[place[seed]];
            order[*to] = i;
            *to += 1;
        }
        order
    }

    fn visit(&self, node: usize, bound: f64, seed: usize, k: usize, best: &mut Vec<Found>) {
        let n = &self.nodes[node];
        if best.len() == k && !before((bound, n.smallest), best[k - 1]) {
            return;
        }
        let p = self.positions[seed];
        if n.right == 0 {
            for e in &self.entries[n.start..n.end] {
                let (dx, dy) = (e.at[0] - p.x, e.at[1] - p.y);
                let found = (dx * dx + dy * dy, e.index);
                if e.index == seed {
                    continue;
                }
                if best.len() < k {
                    best.push(found);
                } else if before(found, best[k - 1]) {
                    best[k - 1] = found;
                } else {
                    continue;
                }
                let mut rank = best.len() - 1;
                while rank > 0 && before(found, best[rank - 1]) {
                    best.swap(rank, rank - 1);
                    rank -= 1;
                }
            }
            return;
        }
        let (a, b) = (node + 1, n.right);
        let (da, db) = (self.nodes[a].bound(p), self.nodes[b].bound(p));
        // the nearer half first; of halves as near, the one with the smaller index
        if before((db, self.nodes[b].smallest), (da, self.nodes[a].smallest)) {
            self.visit(b, db, seed, k, best);
            self.visit(a, da, seed, k, best);
        } else {
            self.visit(a, da, seed, k, best);
            self.visit(b, db, seed, k, best);
        }
    }
}

impl Node {
    /// The squared distance from `p` to the box.
    fn bound(&self, p: Position) -> f64 {
        let gap = |axis: usize, v: f64| (self.low[axis] - v).max(v - self.high[axis]).max(0.0);
        let (dx, dy) = (gap(0, p.x), gap(1, p.y));
        dx * dx + dy * dy
    }
}

/// The tie rule.
fn before(a: Found, b: Found) -> bool {
    a.0 < b.0 || (a.0 == b.0 && a.1 < b.1)
}

/// The nodes of `entries`, in preorder; `start` is where they are among all. Reorders the entries.
fn build(entries: &mut [Entry], start: usize) -> Vec<Node> {
    let count = entries.len();
    let mut root = Node {
        low: [f64::INFINITY; 2],
        high: [f64::NEG_INFINITY; 2],
        smallest: usize::MAX,
        right: 0,
        start,
        end: start + count,
    };
    for e in entries.iter() {
        for axis in 0..2 {
            root.low[axis] = root.low[axis].min(e.at[axis]);
            root.high[axis] = root.high[axis].max(e.at[axis]);
        }
        root.smallest = root.smallest.min(e.index);
    }
    if count <= LEAF_POSITIONS {
        return vec![root];
    }
    // halves of half extents: the difference itself may overflow
    let extent = |axis: usize| 0.5 * root.high[axis] - 0.5 * root.low[axis];
    let axis = usize::from(extent(1) > extent(0));
    let middle = count / 2;
    // equal coordinates are divided by index, so that equal positions make balanced halves too
    entries.select_nth_unstable_by(middle, |a, b| {
        let order = a.at[axis].total_cmp(&b.at[axis]);
        order.then(a.index.cmp(&b.index))
    });
    let (left, right) = entries.split_at_mut(middle);
    let mut halves = (|| build(left, start), || build(right, start + middle));
    let (a, b) = if count >= MIN_PARALLEL_POSITIONS {
        rayon::join(halves.0, halves.1)
    } else {
        (halves.0(), halves.1())
    };
    root.right = 1 + a.len();
    let moved = |mut n: Node, by: usize| {
        n.right += if n.right == 0 { 0 } else { by };
        n
    };
    let mut nodes = Vec::with_capacity(1 + a.len() + b.len());
    nodes.push(root);
    nodes.extend(a.iter().map(|n| moved(*n, 1)));
    nodes.extend(b.iter().map(|n| moved(*n, root.right)));
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::Pool;
    use crate::rng::Stream;
    use proptest::prelude::*;

    /// The definition: every other position, sorted by (squared distance, index).
    fn oracle(positions: &[Position], seed: usize, k: usize) -> Vec<usize> {
        let p = positions[seed];
        let mut all: Vec<Found> = (0..positions.len())
            .filter(|&i| i != seed)
            .map(|i| {
                let (dx, dy) = (positions[i].x - p.x, positions[i].y - p.y);
                (dx * dx + dy * dy, i)
            })
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all.truncate(k);
        all.iter().map(|f| f.1).collect()
    }

    /// Scans of every shape that has broken a search: even, gridded, piled, in a line, far away, in clusters.
    fn scan(kind: usize, n: usize, seed: u64) -> Vec<Position> {
        let mut s = Stream::new(seed, "scan", 0);
        let mut even = |side: f64| side * s.uniform();
        (0..n)
            .map(|k| match kind {
                0 => Position::new(even(90.0), even(90.0)),
                1 => Position::new((k % 6) as f64, (k / 6) as f64),
                2 => Position::new(3.5, -1.25),
                3 => Position::new(even(50.0), 7.0),
                4 => Position::new(1e6 + even(3.0), -1e6 + even(3.0)),
                5 => Position::new(even(3.0).floor() * 1e3 + even(1e-3), even(1e-3)),
                6 => Position::new(even(4.0).floor(), even(4.0).floor()),
                7 => Position::new(even(1.0) * 1e300, -even(1.0) * 1e300),
                _ => Position::new(if k % 2 == 0 { 0.0 } else { -0.0 }, even(2.0).floor()),
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn tree_search_equals_brute_force_with_ties(kind in 0usize..9, n in 2usize..300, k in 1usize..12, seed in 0u64..999) {
            let p = scan(kind, n, seed);
            let k = k.min(n - 1);
            let seeds: Vec<usize> = (0..n).collect();
            let near = Neighbors::new(&p).nearest(&seeds, k);
            prop_assert_eq!(near.len(), n * k);
            for (s, row) in near.chunks(k).enumerate() {
                prop_assert_eq!(row, oracle(&p, s, k));
            }
        }
    }

    #[test]
    fn neighbors_are_thread_independent() {
        let p = scan(6, 20_000, 3);
        let seeds: Vec<usize> = (0..2_000).collect();
        let run = |t| {
            let pool = Pool::new(t).unwrap();
            pool.run(|| Neighbors::new(&p).nearest(&seeds, 5))
        };
        let one = run(1);
        assert_eq!(one, run(3));
        for s in (0..2_000).step_by(97) {
            assert_eq!(one[5 * s..5 * s + 5], oracle(&p, s, 5));
        }
    }

    #[test]
    fn equal_positions_are_not_quadratic() {
        // law: of n equal positions each visits O(log n) nodes; brute force would take 1e10 distances here
        let p = scan(2, 100_000, 0);
        let seeds: Vec<usize> = (0..p.len()).collect();
        let pool = Pool::new(2).unwrap();
        let near = pool.run(|| Neighbors::new(&p).nearest(&seeds, 4));
        assert_eq!(near.len(), 4 * p.len());
        assert_eq!(near[..8], [1, 2, 3, 4, 0, 2, 3, 4]);
        assert!(near[20..].chunks(4).all(|row| row == [0, 1, 2, 3]));
    }
}
