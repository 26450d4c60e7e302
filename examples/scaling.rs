//! Cost against the number of patterns: microseconds per pattern of 64 x 64 of a simulation, a grouping (gridsize 2,
//! 4 neighbors) and a stitch, and the largest memory so far.
//!
//! `cargo run --release --example scaling -- 100000` runs 1000, 3000, 10000, ... up to the number given. The simulation keeps its
//! patterns, 16 kB each; the stitch takes its patches (32 kB each) a thousand at a time and keeps none.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a table to look at"
)]

use std::time::Instant;

use ndarray::Array3;
use num_complex::Complex32;
use ptyproof::assemble::Stitcher;
use ptyproof::geometry::{GridSize, PatchSize};
use ptyproof::optics::simulate::simulate;
use ptyproof::optics::{object, probe, scan};
use ptyproof::par::Pool;
use ptyproof::rng::NumpyLegacy;
use ptyproof_harness::machine::peak_memory_bytes;
use ptyproof_pinn::data::group::Grouping;

/// Patches that are in memory at a time.
const BATCH: usize = 1000;

/// Peak resident memory in MB, if the system reports it.
fn peak() -> String {
    peak_memory_bytes().map_or("-".into(), |b| (b >> 20).to_string())
}

fn main() {
    let largest = std::env::args()
        .nth(1)
        .map_or(10_000, |a| a.parse().unwrap());
    let pool = Pool::new(2).unwrap();
    let side = 1000;
    let object = object::points(side, &mut NumpyLegacy::new(42));
    let n = PatchSize::new(64).unwrap();
    let (probe, _) = probe::normalize_guess(&probe::idealized(n, 0.7), None, 4.0).unwrap();
    let patch = Array3::from_elem((BATCH, 64, 64), Complex32::new(1.0, 0.5));
    println!("patterns  simulate us  group us  stitch us  peak MB: simulate, group, stitch");
    for count in [1_000, 3_000, 10_000, 30_000, 100_000, 300_000] {
        if count > largest {
            break;
        }
        let at = scan::nongrid((side, side), count, 35.0, 42).unwrap();
        let each = |start: Instant| 1e6 * start.elapsed().as_secs_f64() / count as f64;
        let start = Instant::now();
        let exposed = simulate(&object.view(), &probe, &at, 1e9, 1, &pool).unwrap();
        let (simulate, m1) = (each(start), peak());
        drop(exposed);
        let start = Instant::now();
        let mut rng = NumpyLegacy::new(1);
        let size = GridSize::new(2).unwrap();
        let groups = pool.run(|| Grouping::draw(&at, size, count, 4, &mut rng).unwrap());
        let (group, m2) = (each(start), peak());
        let start = Instant::now();
        let mut stitcher = pool.run(|| Stitcher::new(&groups.centers, 64, 64).unwrap());
        for _ in 0..count / BATCH {
            pool.run(|| stitcher.add(patch.view())).unwrap();
        }
        let stitched = pool.run(|| stitcher.finish().unwrap());
        assert_eq!((stitched.patches, stitched.dropped), (count, 0));
        let stitch = each(start);
        let m3 = peak();
        println!("{count:>8}  {simulate:>11.1}  {group:>8.2}  {stitch:>9.2}  {m1}, {m2}, {m3}");
    }
}
