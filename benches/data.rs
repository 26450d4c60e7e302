//! Simulation, grouping and stitching, with the peak memory bandwidth of the machine for comparison. Two threads.
//!
//! *Bytes of a stitch.* Every used byte of a patch once, and canvas and weights written once. `PTYPROOF_PATCHES` sets the number of
//! patches of the large one; 100000 need 3.3 GB.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array3;
use num_complex::Complex32;
use ptyproof::assemble::stitch;
use ptyproof::geometry::{GridSize, PatchSize, Position};
use ptyproof::optics::simulate;
use ptyproof::optics::{object, probe, scan};
use ptyproof::par::Pool;
use ptyproof::rng::NumpyLegacy;
use ptyproof_kernels::{Loop, prefetch, vectorized};
use ptyproof_pinn::data::group::Grouping;
use rayon::prelude::*;

fn even(count: usize, side: f64, seed: u32) -> Vec<Position> {
    let mut r = NumpyLegacy::new(seed);
    (0..count)
        .map(|_| Position::new(r.uniform(0.0, side), r.uniform(0.0, side)))
        .collect()
}

/// A line-by-line scan over that square, with small random offsets.
fn raster(count: usize, side: f64, seed: u32) -> Vec<Position> {
    let mut r = NumpyLegacy::new(seed);
    let lines = (count as f64).sqrt().ceil();
    let step = side / lines;
    let mut near = |k: f64| step * (k + r.uniform(0.0, 1.0));
    (0..count)
        .map(|k| Position::new(near(k as f64 % lines), near((k as f64 / lines).floor())))
        .collect()
}

fn simulation(c: &mut Criterion) {
    let pool = Pool::new(2).unwrap();
    let object = object::lines(392, &mut NumpyLegacy::new(42)).object;
    let n = PatchSize::new(64).unwrap();
    let (probe, _) = probe::normalize_guess(&probe::idealized(n, 0.7), None, 4.0).unwrap();
    let count = 512;
    let at = scan::nongrid((392, 392), count, 35.0, 42).unwrap();
    let mut group = c.benchmark_group("simulate");
    group.sample_size(20);
    group.throughput(Throughput::Elements(count as u64));
    for dose in [1e4, 1e9] {
        group.bench_function(format!("512 patterns of 64 x 64, dose {dose:e}"), |b| {
            b.iter(|| {
                simulate::simulate(&object.view(), &probe, black_box(&at), dose, 1, &pool).unwrap()
            });
        });
    }
    group.finish();
}

fn grouping(c: &mut Criterion) {
    let mut group = c.benchmark_group("group");
    group.sample_size(20);
    let count = 100_000;
    let size = GridSize::new(2).unwrap();
    let scans = [
        ("even", even(count, 5000.0, 1)),
        ("equal", vec![Position::new(1.0, 2.0); count]),
    ];
    group.throughput(Throughput::Elements(count as u64));
    for (name, at) in scans {
        for threads in [1, 2] {
            let pool = Pool::new(threads).unwrap();
            let name = format!("100000 positions, K = 4, {name}, {threads} threads");
            group.bench_function(name, |b| {
                b.iter(|| {
                    let mut rng = NumpyLegacy::new(1);
                    pool.run(|| Grouping::draw(black_box(&at), size, count, 4, &mut rng).unwrap())
                });
            });
        }
    }
    group.finish();
}

fn stitching(c: &mut Criterion) {
    let pool = Pool::new(2).unwrap();
    let asked = std::env::var("PTYPROOF_PATCHES").ok();
    let many = asked.map_or(20_000, |v| v.parse().unwrap());
    let mut group = c.benchmark_group("stitch");
    group.sample_size(10);
    let cases = [
        ("", 64, even(64, 380.0, 3), 20),
        (", in random order", many, even(many, 1500.0, 3), 64),
        (", as scanned", many, raster(many, 1500.0, 3), 64),
    ];
    for (order, count, at, m) in cases {
        let mut patches = Array3::<Complex32>::zeros((count, 64, 64));
        for (k, v) in patches.iter_mut().enumerate() {
            *v = Complex32::new((k % 977) as f32, (k % 1013) as f32);
        }
        let done = pool.run(|| stitch(patches.view(), &at, m).unwrap());
        let bytes = count * m * m * 8 + done.canvas.len() * 12;
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("{count} patches, M = {m}{order}"), |b| {
            b.iter(|| pool.run(|| stitch(patches.view(), black_box(&at), m).unwrap()));
        });
        let values = patches.as_slice().unwrap();
        group.bench_function(format!("{count} patches, M = {m}{order}, bare"), |b| {
            b.iter(|| pool.run(|| bare(black_box(values), &at, m)));
        });
    }
    group.finish();
}

/// The minimum work of stitching, in its bands and order: each pixel of a patch is read once and added to one pixel of the
/// canvas, and one is added to its weight. Without taps, interpolation and division.
fn bare(values: &[Complex32], at: &[Position], m: usize) -> Vec<f32> {
    let reach = at.iter().map(|p| p.x.max(p.y) as usize).max().unwrap();
    let (n, side) = (64, reach + m + 1);
    let stride = side + 16;
    let rows = side.div_ceil(side.div_ceil(320).next_multiple_of(2));
    let (mut sums, mut weights) = (Vec::new(), Vec::new());
    zeros(Complex32::default(), side * stride).collect_into_vec(&mut sums);
    zeros(0.0, side * stride).collect_into_vec(&mut weights);
    let place = |p: &Position| (p.x as usize, p.y as usize);
    let mut visitors = vec![Vec::new(); side.div_ceil(rows)];
    let mut order: Vec<usize> = (0..at.len()).collect();
    order.par_sort_by_key(|k| place(&at[*k]).0);
    for k in order {
        let y = place(&at[k]).1;
        let bands = &mut visitors[y / rows..(y + m).div_ceil(rows)];
        bands.iter_mut().for_each(|band| band.push(k));
    }
    let parts = sums.par_chunks_mut(rows * stride);
    let parts = parts.zip(weights.par_chunks_mut(rows * stride));
    parts
        .zip(&visitors)
        .enumerate()
        .for_each(|(band, ((sums, weights), visitors))| {
            let piece = |k: usize| {
                let (x, y) = place(&at[k]);
                let first = y.max(band * rows);
                let count = (y + m).min((band + 1) * rows) - first;
                let corner = (n - m) / 2 * (n + 1);
                let values = &values[k * n * n..(k + 1) * n * n];
                (
                    (first - band * rows) * stride + x,
                    &values[corner + (first - y) * n..][..(count - 1) * n + m],
                )
            };
            for (i, &k) in visitors.iter().enumerate() {
                let (start, patch) = piece(k);
                let next = visitors.get(i + 1).map(|&k| piece(k).1);
                vectorized(Bare {
                    patch,
                    next: next.unwrap_or_default(),
                    sums: &mut sums[start..],
                    weights: &mut weights[start..],
                    side: [n, m, stride],
                });
            }
        });
    weights
}

/// `count` times `zero`, written by all threads, as stitching initializes its canvas.
fn zeros<T: Copy + Send>(zero: T, count: usize) -> impl IndexedParallelIterator<Item = T> {
    rayon::iter::repeat_n(zero, count).with_min_len(1 << 16)
}

/// One patch of [`bare`]: sides are of a patch, of what is used of it, and of the canvas.
struct Bare<'a> {
    patch: &'a [Complex32],
    next: &'a [Complex32],
    sums: &'a mut [Complex32],
    weights: &'a mut [f32],
    side: [usize; 3],
}

impl Loop for Bare<'_> {
    #[inline(always)]
    fn run(self) {
        let [n, m, stride] = self.side;
        let to = self.sums.chunks_mut(stride);
        let to = to.zip(self.weights.chunks_mut(stride));
        for (row, (from, (sums, weights))) in self.patch.chunks(n).zip(to).enumerate() {
            prefetch(self.next.get(row * n..(row + 1) * n).unwrap_or_default());
            for (s, v) in sums[..m].iter_mut().zip(&from[..m]) {
                (s.re, s.im) = (s.re + v.re, s.im + v.im);
            }
            for w in &mut weights[..m] {
                *w += 1.0;
            }
        }
    }
}

/// A sum of values in enough parallel chains to hide the latency.
struct Read<'a> {
    values: &'a [f64],
    lanes: &'a mut [f64; 32],
}

impl Loop for Read<'_> {
    #[inline(always)]
    fn run(self) {
        let mut lanes = *self.lanes;
        for v in self.values.as_chunks::<32>().0 {
            for (s, v) in lanes.iter_mut().zip(v) {
                *s += v;
            }
        }
        *self.lanes = lanes;
    }
}

/// STREAM's triad, `a = b + s c`, and a plain sum, over arrays far larger than any cache. Bytes as STREAM counts them: what
/// is read and what is written.
fn memory(c: &mut Criterion) {
    let pool = Pool::new(2).unwrap();
    let count = 1 << 25;
    let (mut a, d) = (vec![0.0f64; count], vec![2.5f64; count]);
    let all = vec![1.5f64; 4 * count]; // 1 GiB: there are caches of half as much
    let b = &all[..count];
    let mut group = c.benchmark_group("memory");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(24 * count as u64));
    group.bench_function("triad", |bench| {
        bench.iter(|| {
            pool.run(|| {
                let parts = a.par_chunks_mut(1 << 16).zip(b.par_chunks(1 << 16));
                parts.zip(d.par_chunks(1 << 16)).for_each(|((a, b), d)| {
                    for ((a, b), d) in a.iter_mut().zip(b).zip(d) {
                        *a = b + 3.0 * d;
                    }
                });
            });
            black_box(&mut a);
        });
    });
    group.throughput(Throughput::Bytes(size_of_val(&*all) as u64));
    group.bench_function("read", |bench| {
        bench.iter(|| {
            pool.run(|| {
                let parts = all.par_chunks(1 << 16).map(|values| {
                    let mut lanes = [0.0; 32];
                    vectorized(Read {
                        values,
                        lanes: &mut lanes,
                    });
                    lanes.iter().sum::<f64>()
                });
                black_box(parts.collect::<Vec<_>>());
            });
        });
    });
    group.finish();
}

criterion_group!(data, simulation, grouping, stitching, memory);
criterion_main!(data);
